# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of an A4 page texts take, so that whatever a plan says, an item has one page and nothing is cut off.

Nothing is measured, since the fonts of whoever prints are not known: it is estimated, with letters as wide as those of
Noto Sans, and a page that would be too full is set smaller. tests/print_pages.sh looks at real pages.
"""

from __future__ import annotations

import math
import typing as t
import unicodedata

LINE, GAP = 4.9, 2.8  # mm, of the usual size
HEADING = 7.4 + GAP
SMALLEST = 0.5


def width(text: str) -> float:
    """In letters of the usual width."""
    return sum(_letter(letter) for letter in text)


def _letter(letter: str) -> float:
    if unicodedata.combining(letter) or unicodedata.category(letter) == "Mn":
        return 0.0
    if unicodedata.east_asian_width(letter) in ("W", "F"):
        return 1.95
    if "\u0400" <= letter <= "\u04ff" or letter in "mwMW@%" or letter.isupper():
        return 1.25
    return 1.0


def lines(text: str, letters: float) -> int:
    """How many lines of so many letters; words are not broken, so the lines are not full."""
    return max(1, math.ceil(width(text) / (letters * 0.9)))


def rows(texts: t.Iterable[str], letters: float, least: float) -> float:
    """The height of a table with one text in each row, in mm."""
    return sum(max(least, lines(text, letters) * LINE + 2.2) for text in texts)


def scale(height: float, room: float) -> float:
    """By how much a page of this height is set smaller, in steps of a hundredth, for a place of `room` mm."""
    return max(SMALLEST, min(1.0, math.floor(room / height * 100) / 100))

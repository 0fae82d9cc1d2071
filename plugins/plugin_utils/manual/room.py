# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of an A4 page texts take, so that whatever a plan says, an item has one page and nothing is cut off.

Nothing is measured, since the fonts of whoever prints are not known: it is estimated, with letters as wide as those of
Noto Sans, and a page that would be too full is set smaller. tests/print_pages.sh looks at real pages.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import typing as t
import unicodedata

LINE, GAP = 4.9, 2.8  # mm, of the usual size
HEADING = 7.4 + GAP
FULL = 0.9  # of a line is filled
SMALLEST = 45  # hundredths


@functools.lru_cache(maxsize=4096)
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


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A page that is set in `scale` of the usual size, so that more letters fit into a line. Heights are as if at 1."""

    scale: float = 1.0

    def lines(self, text: str, letters: float) -> int:
        """How many lines; `letters` fit into one at the usual size. Words are not broken, so the lines are not full."""
        return max(1, math.ceil(width(text) * self.scale / (letters * FULL)))

    def text(self, text: str, letters: float, line: float = LINE) -> float:
        """The height of a text, in mm."""
        return self.lines(text, letters) * line

    def rows(self, texts: t.Iterable[str], letters: float, least: float) -> float:
        """The height of a table with one text in each row, in mm."""
        return sum(max(least, self.text(text, letters) + 2.2) for text in texts)


def fitting(height: t.Callable[[Sheet], float], room: float) -> float:
    """The biggest scale at which a page of this height takes no more than `room` mm; 0 if it would not be read."""
    scales = (hundredth / 100 for hundredth in range(100, SMALLEST - 1, -1))
    return next((scale for scale in scales if height(Sheet(scale)) * scale <= room), 0.0)

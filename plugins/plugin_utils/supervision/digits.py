# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digits that people read to each other: in groups, each with a check digit of its own.

The check digit is Damm's: any one wrong digit of a group is found, and any two neighbours that changed places, also
where one of them is the check digit itself. So what was misheard is known by its group, and that group alone is asked
for again.
"""

from __future__ import annotations

import typing as t
import unicodedata

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

#: A totally anti-symmetric quasigroup with a diagonal of zeros: H. M. Damm, Total anti-symmetrische Quasigruppen, 2004.
DAMM = (
    "0317598642",
    "7092154863",
    "4206871359",
    "1750983426",
    "6123045978",
    "3674209581",
    "5869720134",
    "8945362017",
    "9438617205",
    "2581436790",
)
GROUP = 4
_BETWEEN = " \t\n-.,"


class Misheard(BoxliftError):
    """Digits that cannot be as they were said; `groups` are those that are wrong, from 1, none if that is unknown."""

    def __init__(self, message: str, groups: tuple[int, ...] = ()) -> None:
        self.groups = groups
        super().__init__(message, f"Have {_named(groups) if groups else 'all groups'} read again.")


def check_digit(digits: str) -> str:
    interim = 0
    for digit in digits:
        interim = int(DAMM[interim][int(digit)])
    return str(interim)


def is_whole(group: str) -> bool:
    """Whether a group fits its last digit."""
    return check_digit(group) == "0"


def grouped(digits: str, size: int = GROUP) -> str:
    """`4071` → `40711`: groups of so many digits, each with its check digit behind it, with spaces between."""
    parts = [digits[at : at + size] for at in range(0, len(digits), size)]
    return " ".join(part + check_digit(part) for part in parts)


def ungrouped(said: str, count: int, size: int = GROUP) -> str:
    """The digits of `count` groups without the check digits, however they were spaced. Raises Misheard."""
    words = ["".join(map(_digit, word)) for word in _words(said)]
    text = "".join(words)
    if len(text) != count * (size + 1):
        short = tuple(number for number, word in enumerate(words, start=1) if len(word) != size + 1)
        known = short if len(words) == count else ()
        expected = f"{count} groups of {size + 1} digits" if count > 1 else f"{size + 1} digits"
        raise Misheard(f"These are {len(text)} digits, and {expected} were expected.", known)
    groups = [text[at : at + size + 1] for at in range(0, len(text), size + 1)]
    wrong = tuple(number for number, group in enumerate(groups, start=1) if not is_whole(group))
    if wrong:
        fit = "does not fit its" if len(wrong) == 1 else "do not fit their"
        raise Misheard(f"{_named(wrong).capitalize()} {fit} check digit.", wrong)
    return "".join(group[:-1] for group in groups)


def plain(said: str) -> str:
    """Only the digits of what was typed. Raises Misheard for anything that is no digit."""
    return "".join(_digit(sign) for word in _words(said) for sign in word)


def spaced(text: str) -> str:
    """For the screen, wide enough to be read out: `4 0 7 1 1     2 2 6 9 4`."""
    return "     ".join(" ".join(group) for group in text.split())


def _words(said: str) -> list[str]:
    return said.translate(dict.fromkeys(map(ord, _BETWEEN), " ")).split()


def _digit(sign: str) -> str:
    """Any alphabet's digit: an input method may give wide ones."""
    value: t.Any = unicodedata.decimal(sign, None)
    if value is None:
        raise Misheard(f"{sign!r} is no digit.")
    return str(value)


def _named(groups: tuple[int, ...]) -> str:
    return f"group{'s' if len(groups) > 1 else ''} {' and '.join(map(str, groups))}"

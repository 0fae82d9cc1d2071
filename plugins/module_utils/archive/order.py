# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order parts that lie under wrong names belong.

Every part ends with some bytes still due and begins with some bytes that finish an earlier entry; the right order is
the one in which these numbers agree all along.
"""

from __future__ import annotations

import typing as t

MOST_STEPS = 20_000


class Link(t.NamedTuple):
    """`first` is the offset of the part's first header (None: only content), `need` the bytes it leaves due."""

    first: int | None
    need: int
    size: int
    is_start: bool


def right_order(links: dict[int, Link]) -> list[int] | None:
    """The parts' present numbers in the one order in which they chain to the end; None where none or several do."""
    found: list[list[int]] = []
    steps = 0

    def extend(order: list[int], need: int) -> None:
        nonlocal steps
        steps += 1
        if steps > MOST_STEPS or len(found) > 1:
            return
        if len(order) == len(links):
            if need == 0:
                found.append(list(order))
            return
        for index, link in links.items():
            if index in order:
                continue
            if link.first == need and not link.is_start:
                extend([*order, index], link.need)
            elif link.first is None and need >= link.size:
                extend([*order, index], need - link.size)

    for index, link in links.items():
        if link.is_start:
            extend([index], link.need)
    return found[0] if len(found) == 1 and steps <= MOST_STEPS else None

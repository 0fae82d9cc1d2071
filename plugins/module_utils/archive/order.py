# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the right order of parts that lie under each other's names.

Every part ends with a number of bytes still due, and begins with the bytes that an earlier part left due. The right
order is the one in which these numbers agree from part to part.
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
    """The parts' present numbers in the only order that chains to the end; None for no such order, or several."""
    found: list[list[int]] = []
    by_first: dict[int, list[int]] = {}
    contents = [index for index, link in links.items() if link.first is None]
    for index, link in links.items():
        if link.first is not None and not link.is_start:
            by_first.setdefault(link.first, []).append(index)
    order: dict[int, None] = {}  # an ordered set

    def continuations(need: int) -> t.Iterator[tuple[int, int]]:
        for index in by_first.get(need, ()):
            yield index, links[index].need
        for index in contents:
            if need >= links[index].size:
                yield index, need - links[index].size

    # An explicit stack: there may be more parts than Python allows nested calls.
    ways = [iter([(index, link.need) for index, link in links.items() if link.is_start])]
    steps = 0
    while ways and steps <= MOST_STEPS and len(found) < 2:
        way = next(ways[-1], None)
        if way is None:
            ways.pop()
            if order:
                order.popitem()
        elif way[0] not in order:
            steps += 1
            index, need = way
            order[index] = None
            if len(order) == len(links) and need == 0:
                found.append(list(order))
            ways.append(continuations(need))
    return found[0] if len(found) == 1 and steps <= MOST_STEPS else None

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
    by_first: dict[int, list[int]] = {}
    contents = [index for index, link in links.items() if link.first is None]
    for index, link in links.items():
        if link.first is not None and not link.is_start:
            by_first.setdefault(link.first, []).append(index)
    order: dict[int, None] = {}  # a set that knows how its members came

    def continuations(need: int) -> t.Iterator[tuple[int, int]]:
        for index in by_first.get(need, ()):
            yield index, links[index].need
        for index in contents:
            if need >= links[index].size:
                yield index, need - links[index].size

    # A stack of its own: there may be more parts than Python allows calls within calls.
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

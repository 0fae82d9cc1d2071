# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of parts under wrong names."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.archive.order import Link, right_order


def chain(count: int) -> dict[int, Link]:
    """Parts in order; each leaves another number of bytes due."""
    ends = [(index + 1) * 512 if index < count - 1 else 0 for index in range(count)]
    return {index: Link(ends[index - 1] if index else 0, ends[index], 10**6, index == 0) for index in range(count)}


def test_two_swapped_parts_of_many() -> None:
    """More parts than Python allows calls within calls."""
    links = chain(3000)
    links[5], links[2000] = links[2000], links[5]
    order = right_order(links)
    assert order is not None
    assert [index for place, index in enumerate(order) if place != index] == [2000, 5]


def test_parts_that_fit_in_two_ways() -> None:
    links = chain(4)
    links[1] = links[2] = Link(512, 512, 10**6, False)
    assert right_order({**links, 3: Link(512, 0, 10**6, False)}) is None


def test_parts_that_do_not_fit() -> None:
    links = chain(4)
    links[2] = Link(99 * 512, 512, 10**6, False)
    assert right_order(links) is None

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line of the table."""

from __future__ import annotations

import statistics
import typing as t


class Row(t.NamedTuple):
    """Seconds of every run, ours and the peer's."""

    what: str
    peer: str
    ours: list[float]
    peers: list[float]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.peers)


class Figure(t.NamedTuple):
    """A figure without a peer, and its upper limit if it has one."""

    what: str
    values: list[float]
    unit: str
    target: str
    digits: str = ".1f"

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the parts come from, and what identifies a backup."""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Report
from ansible_collections.boxlift.portal.plugins.module_utils.files import stamp

if t.TYPE_CHECKING:  # a restore from a disk does not load what only a download needs
    import concurrent.futures

    from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan
    from ansible_collections.boxlift.portal.plugins.module_utils.download.fetch import Fetch, Prove

    # Gives a part (its index, its path) to be proven; the future is its proof.
    Offer = t.Callable[[int, str], concurrent.futures.Future[PartScan]]


class Source(t.Protocol):
    """Offers the parts of one backup: the seam for restores from other stores."""

    @property
    def first(self) -> str:
        """The path of the first part. It exists when `run` has returned, if not before."""

    @property
    def tells(self) -> bool:
        """Whether it reports its own progress while it runs, in bytes that arrive."""

    def run(self, offer: Offer) -> None:
        """Offer every part, the first one first, and return when all are proven. Runs in a thread of its own."""

    @property
    def fetched(self) -> dict[int, list[float]]:
        """When this run fetched each part: begin and end, as times of the clock."""


class LocalParts:
    """Parts on a disk of this host. `path` is the first part's, or that of a directory that holds one backup."""

    tells = False

    def __init__(self, path: str) -> None:
        self._path = path

    @property
    def first(self) -> str:
        return find_parts(self._path).path(0)

    def run(self, offer: Offer) -> None:
        for future in [offer(index, path) for index, path in find_parts(self._path).present.items()]:
            future.result()

    @property
    def fetched(self) -> dict[int, list[float]]:
        return {}


class FetchedParts:
    """Parts that a fetch brings. `make` makes the `Fetch`, given the function by which it has parts proven.

    `result` is that of the fetch, when it is done.
    """

    tells = True

    def __init__(self, make: t.Callable[[Prove | None], Fetch]) -> None:
        self._make = make
        self.first = make(None).path
        self.fetched: dict[int, list[float]] = {}
        self.result: dict[str, t.Any] = {}

    def run(self, offer: Offer) -> None:
        began = time.time()
        fetch = self._make(lambda index, path: offer(index, path).result())
        self.result = fetch.run()
        for row in self.result["timeline"]:
            if row["fetched"]:
                self.fetched[row["index"]] = [began + moment for moment in row["fetched"]]
        # A fetch that an earlier run has completed offers nothing. Of parts that were offered, the proof is known.
        LocalParts(self.first).run(offer)


def identity(report: Report) -> list[dict[str, t.Any]]:
    """What identifies a backup: its parts' names, sizes and sums. Their times let `unchanged` do without reading."""
    return [
        {
            "name": volume.name,
            "size": volume.size,
            "sha256": volume.sha256,
            "mtime_ns": stamp(report.parts.path(volume.index))[1],
        }
        for volume in report.volumes
    ]


def unchanged(directory: str, parts: t.Sequence[t.Mapping[str, t.Any]]) -> bool:
    """Whether the parts in `directory` have the names, sizes and times that `identity` saw. Reads no content."""
    for part in parts:
        try:
            now = stamp(os.path.join(directory, part["name"]))
        except FileNotFoundError:
            return False
        if now != [part["size"], part["mtime_ns"]]:
            return False
    return True

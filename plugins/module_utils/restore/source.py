# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the parts come from, and what tells them from those of another backup."""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Report
from ansible_collections.boxlift.portal.plugins.module_utils.files import stamp

if t.TYPE_CHECKING:  # a restore from a disk need not load what a download needs
    import concurrent.futures

    from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan
    from ansible_collections.boxlift.portal.plugins.module_utils.download.fetch import Fetch, Prove

    # Gives a part (its number, where it lies) to be proven.
    Offer = t.Callable[[int, str], concurrent.futures.Future[PartScan]]


class Source(t.Protocol):
    """`first` is where the first part lies, at the latest when `run` has returned."""

    @property
    def first(self) -> str: ...

    @property
    def tells(self) -> bool:
        """Whether it tells its own progress, in bytes that come, while it runs."""

    def run(self, offer: Offer) -> None:
        """Offer every part, the first one first; return when all of them have been proven. Called in a thread."""

    @property
    def fetched(self) -> dict[int, list[float]]:
        """When the parts came that this run has fetched: beginning and end, in the clock's seconds."""


class LocalParts:
    """Parts that lie here already. `path` is the first part's, or that of a directory that holds one backup."""

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
    """Parts that come from somewhere else. `make` makes the download, given the function that proves a part."""

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
        # Those that an earlier run has fetched and proven.
        LocalParts(self.first).run(offer)


def identity(report: Report) -> list[dict[str, t.Any]]:
    """What tells this backup from any other: names, sizes, sums, and the files' times for a quick look later."""
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
    """Whether the files still have the names, sizes and times that `identity` saw. Reads no content."""
    for part in parts:
        try:
            now = stamp(os.path.join(directory, part["name"]))
        except FileNotFoundError:
            return False
        if now != [part["size"], part["mtime_ns"]]:
            return False
    return True

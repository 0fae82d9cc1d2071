# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether tree and database fit on the disks, before anything is written."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.inflate import MARKER_SIZE, read_marker
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import PartFiles, find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import free_bytes
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import Trees, filled
from ansible_collections.boxlift.portal.plugins.module_utils.units import size

_BLOCK = 4096
# Small files take whole blocks of the disk, and less in the archive. Twice the stream's size is enough for them, too.
_AMPLE = 2


def check_room(
    directory: str,
    source: str,
    password: str | None,
    with_database: bool,
    datadir: str = "",
    further: t.Sequence[str] = (),
) -> None:
    """Raise BoxliftError where the tree of `source` does not fit into `directory`, or its dump into `datadir`.

    `further` are other places that hold parts of the tree. How much goes where nobody knows before, so with them the
    room of all together is asked.

    First the sizes that the parts state are asked. Only where space is not ample by them, the backup is read, and what
    its tree needs is counted exactly. `datadir` is the database server's, empty where that is another host.
    """
    stated = _stated(find_parts(source))
    places = [directory, *([datadir] if datadir else [])]
    if stated is not None and all(free_bytes(place) >= stated * _AMPLE for place in places):
        return
    others = {os.stat(place).st_dev: place for place in further}
    others.pop(os.stat(directory).st_dev, None)
    tally = verify(source, password).tally
    needed = tally.content + _BLOCK * (tally.files + tally.directories)
    dumped = sum(dump.size for dump in tally.dumps) if with_database else 0
    wanted = {directory: needed - dumped, **({datadir: dumped} if datadir else {})}
    if datadir and os.stat(datadir).st_dev == os.stat(directory).st_dev:
        wanted = {directory: needed}
    for place, size_of in wanted.items():
        more = sum(map(free_bytes, others.values())) if place == directory else 0
        if free_bytes(place) + more < size_of:
            raise _too_small(place, f"needs {size(size_of)} beside what is live and kept")


def check_stated(trees: Trees, further: t.Sequence[str], stated: int) -> None:
    """Raise BoxliftError where not even half of the `stated` bytes fits beside the live tree, and in `further` places.

    For a backup that has not come yet: how much of it is the dump, which goes elsewhere, nobody knows. Where a killed
    run has staged something, nothing is asked.
    """
    room = sum(map(free_bytes, (trees.parent, *further)))
    if filled(trees.staging) or room >= stated // 2:
        return
    raise _too_small(
        trees.parent, f"holds {size(stated)}, of which at least half must fit beside what is live and kept"
    )


def _too_small(place: str, what: str) -> BoxliftError:
    return BoxliftError(
        f"{place} has {size(free_bytes(place))} free, and the backup {what}.",
        "Make room, or mount a larger file system there. A generation that nobody needs can go: playbook "
        "boxlift.portal.status lists them, and a second run of the last restore with a smaller restore_keep_previous "
        "removes the oldest.",
    )


def _stated(parts: PartFiles) -> int | None:
    """Bytes of the stream as the parts state them, None where they state nothing."""
    if not parts.kind.compressed:
        return sum(os.path.getsize(path) for path in parts.present.values())
    total = 0
    for path in parts.present.values():
        with open(path, "rb") as part:
            try:
                marker = read_marker(part.read(MARKER_SIZE))
            except PartFault:
                return 0  # damaged: the proof will name it, and that needs no space
        if marker is None:
            return None
        total += marker.data_size
    return total

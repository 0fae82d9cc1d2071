# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the tree fits on the disk, before anything is written."""

from __future__ import annotations

import os

from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.inflate import MARKER_SIZE, read_marker
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import PartFiles, find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import free_bytes
from ansible_collections.boxlift.portal.plugins.module_utils.units import size

_BLOCK = 4096
# Small files take whole blocks of the disk, and less in the archive. Twice the stream's size is enough for them, too.
_AMPLE = 2


def check_room(directory: str, source: str, password: str | None, with_database: bool) -> None:
    """Raise BoxliftError where the tree of the backup `source` does not fit into `directory`.

    First the sizes that the parts state are asked. Only where space is not ample by them, the backup is read, and what
    its tree needs is counted exactly.
    """
    free = free_bytes(directory)
    stated = _stated(find_parts(source))
    if stated is not None and free >= stated * _AMPLE:
        return
    tally = verify(source, password).tally
    needed = tally.content + _BLOCK * (tally.files + tally.directories)
    if with_database:
        needed -= sum(dump.size for dump in tally.dumps)
    if free < needed:
        raise BoxliftError(
            f"{directory} has {size(free)} free and the tree needs {size(needed)} beside the live one.",
            "Make room, or mount a larger file system there. Nothing was written.",
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

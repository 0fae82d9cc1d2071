# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proven backup as one stream that can be entered anywhere."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import HEADER_SIZE, Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.kinds import Kind
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import REMEDIES, Report
from ansible_collections.boxlift.portal.plugins.module_utils.archive.stream import PartStream
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError


def identity(report: Report) -> list[dict[str, t.Any]]:
    """What tells this backup from any other: names, sizes, sums, and the files' times for a quick look later."""
    return [
        {
            "name": volume.name,
            "size": volume.size,
            "sha256": volume.sha256,
            "mtime_ns": _mtime(report.parts.path(volume.index)),
        }
        for volume in report.volumes
    ]


def unchanged(directory: str, parts: t.Sequence[t.Mapping[str, t.Any]]) -> bool:
    """Whether the files still have the names, sizes and times that `identity` saw. Reads no content."""
    for part in parts:
        try:
            status = os.stat(os.path.join(directory, part["name"]))
        except FileNotFoundError:
            return False
        if status.st_size != part["size"] or status.st_mtime_ns != part["mtime_ns"]:
            return False
    return True


def _mtime(path: str) -> int:
    return os.stat(path).st_mtime_ns


def read_proven(path: str, name: str, sha256: str, kind: Kind, cipher: Cipher | None) -> t.Iterator[bytes]:
    """One part's plain bytes. A part that differs from what was proven, because it was changed since, is an error."""
    part = PartStream(path, kind, cipher)
    try:
        yield from part.chunks()
    except PartFault as fault:
        raise _changed(name, fault.reason) from fault
    if part.sha256 != sha256:
        raise _changed(name, "its checksum is another")


def stream_from(report: Report, offset: int) -> t.Iterator[bytes]:
    """Yield plain bytes from `offset` of the stream on; offsets count the encryption header."""
    start = 0
    for volume in report.volumes:
        end = start + volume.data_size
        if end > offset:
            position = start
            path = report.parts.path(volume.index)
            for chunk in read_proven(path, volume.name, volume.sha256, report.parts.kind, report.cipher):
                skip = max(0, offset - position)
                if skip < len(chunk):
                    yield chunk[skip:] if skip else chunk
                position += len(chunk)
        start = end


def first_offset(report: Report) -> int:
    """Where the tar stream begins."""
    return HEADER_SIZE if report.parts.kind.encrypted else 0


def _changed(name: str, reason: str) -> BoxliftError:
    return BoxliftError(f"{name} has changed since it was verified ({reason}).", REMEDIES["corrupt"])

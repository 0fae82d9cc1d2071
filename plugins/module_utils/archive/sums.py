# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums of parts: our own by chunk, which tell where damage lies, and those of whole files from the source."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import split_name
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Outcome, Volume, backup_finding
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

CHUNK = 4 * 1024 * 1024
_LINE = re.compile(r"^([0-9a-fA-F]{64}) [ *](.+)$")


@dataclasses.dataclass(frozen=True)
class PartSums:
    """sha256 of each chunk of `CHUNK` bytes (the last is shorter), and of the whole part where it was asked for."""

    size: int
    chunks: tuple[str, ...]
    sha256: str | None


def sum_part(path: str, note: t.Callable[[int], None], whole: bool) -> PartSums:
    """Read a part once; `note` is given the size of every chunk. `whole` asks for the sum of the whole part."""
    size, chunks, total = 0, [], hashlib.sha256()
    buffer = memoryview(bytearray(CHUNK))
    with open(path, "rb", buffering=0) as part:
        while length := _fill(part, buffer):
            chunks.append(hashlib.sha256(buffer[:length]).hexdigest())
            if whole:
                total.update(buffer[:length])
            size += length
            note(length)
    return PartSums(size, tuple(chunks), total.hexdigest() if whole else None)


def _fill(part: io.FileIO, buffer: memoryview) -> int:
    """Fill the buffer, whatever a single read returns; the number of bytes, less than its size only at the end."""
    length = 0
    while length < len(buffer):
        step = part.readinto(buffer[length:])
        if not step:
            break
        length += step
    return length


def expected_sums(lines: t.Iterable[str], base: str) -> dict[str, str]:
    """Part name → sha256 for the backup `base`, from lines that `sha256sum` prints; directories in names are ignored.

    Raises BoxliftError where a line is malformed, sums contradict each other, or none is for this backup.
    """
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = _LINE.match(line.rstrip("\r\n"))
        if match is None:
            raise BoxliftError(
                f"Line {number} of the expected sums is not one that sha256sum prints.",
                "Give lines of 64 hexadecimal digits, two spaces and the part's name.",
            )
        name, sha256 = os.path.basename(match[2]), match[1].lower()
        if split_name(name)[0] == base and sums.setdefault(name, sha256) != sha256:
            raise BoxliftError(
                f"The expected sums hold two different ones for {name}.", "Take the sums at the source again."
            )
    if not sums:
        raise BoxliftError(
            f"The expected sums have none for a part of {base}.",
            "Give the sums of this backup's parts, by their names.",
        )
    return sums


def check_expected(outcome: Outcome, expected: t.Mapping[str, str]) -> None:
    """Compare the volumes with the sums taken at the source; marks volumes and adds a finding to the outcome."""
    known = {volume.name for volume in outcome.volumes}
    for name in sorted(set(expected) - known, key=lambda name: split_name(name)[1]):
        volume = Volume(name, split_name(name)[1])
        volume.damage("missing", "the file is not there, and the source has a sum of it")
        outcome.volumes.append(volume)
    compared, unlisted = 0, []
    for volume in outcome.volumes:
        if volume.name not in expected:
            unlisted.append(volume.name)
        elif volume.status == "missing":
            continue
        elif volume.sha256 == expected[volume.name]:
            compared += 1
            if volume.status != "intact":
                volume.reason += "; it has the sum that was taken at the source, so it is damaged there"
        else:
            volume.damage("corrupt", "its sha256 is not the one that was taken at the source")
    outcome.volumes.sort(key=lambda volume: volume.index)
    if compared == len(outcome.volumes):
        outcome.prove_end(f"the sums of the source, which are for {compared} parts")
        said = ("pass", f"All {compared} parts have the sums that were taken at the source.")
    elif compared + len(unlisted) == len(outcome.volumes):
        said = ("unknown", f"No sum was given for {_names(unlisted)}; {compared} parts have the sums of the source.")
    else:
        said = ("fail", f"{compared} of {len(outcome.volumes)} parts have the sums that were taken at the source.")
    outcome.restate(
        backup_finding(
            "backup.checksums",
            *said,
            "" if said[0] == "pass" else "every part with its sum",
            "" if said[0] == "pass" else "Fetch the parts that differ again; take the sums of all parts.",
        )
    )


def _names(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} parts, the first of them {names[0]}"

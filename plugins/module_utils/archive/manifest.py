# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup's manifest: sums of its parts, chunk by chunk, taken when it was proven.

The vendor's format has none (docs/archive-format.md, section 1). With a manifest, a later verification only has to sum
up the parts, covers the content of uncompressed archives too, and says which bytes are damaged.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import PartFiles
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import (
    REMEDIES,
    Outcome,
    Report,
    Volume,
    backup_finding,
    volume_findings,
)
from ansible_collections.boxlift.portal.plugins.module_utils.archive.stream import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.archive.sums import CHUNK, PartSums, sum_part
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.state import read_json, write_json
from ansible_collections.boxlift.portal.plugins.module_utils.workers import Crew, processors

VERSION = 1
_MOST_RANGES = 5


class Manifest(t.NamedTuple):
    """`parts` have name, sizes and sums; `proven` is the report of the verification, without its volumes."""

    path: str
    base: str
    written: str
    parts: list[dict[str, t.Any]]
    proven: dict[str, t.Any]


def write_manifest(report: Report, path: str, jobs: int | None = None, progress: Progress | None = None) -> None:
    """Write the manifest of a backup that was just proven. Reads the parts once more.

    Raises BoxliftError where the backup is not intact, or has changed since.
    """
    if not report.intact:
        raise BoxliftError(f"A backup that is not intact gets no manifest. {report.summary()}", REMEDIES["corrupt"])
    sums = _sum_all(report.parts, True, jobs, progress)
    for volume in report.volumes:
        if sums[volume.index].sha256 != volume.sha256:
            raise BoxliftError(f"{volume.name} has changed since it was verified.", REMEDIES["corrupt"])
    proven = report.as_dict()
    del proven["volumes"]
    content = {
        "version": VERSION,
        "base": report.parts.base,
        "kind": report.parts.kind.format,
        "written": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "chunk_size": CHUNK,
        "parts": [
            {
                "name": volume.name,
                "size": volume.size,
                "data_size": volume.data_size,
                "sha256": volume.sha256,
                "chunks": sums[volume.index].chunks,
            }
            for volume in report.volumes
        ],
        "proven": proven,
    }
    write_json(path, {**content, "seal": _seal(content)})


def read_manifest(path: str) -> Manifest | None:
    """The manifest in `path`, None where there is none. Raises BoxliftError if it is damaged or has no directory."""
    if not os.path.isdir(os.path.dirname(path) or "."):
        raise BoxliftError(f"The directory of the manifest {path} does not exist.", "Make it, or give another path.")
    content = read_json(path)
    if content is None:
        return None
    seal = content.pop("seal", None) if isinstance(content, dict) else None
    if seal != _seal(content):
        raise BoxliftError(
            f"The manifest {path} is damaged, or is not a manifest: its own sum is wrong.",
            "Remove it and prove the backup again, which writes a new one.",
        )
    if (content["version"], content["chunk_size"]) != (VERSION, CHUNK):
        raise BoxliftError(
            f"The manifest {path} has version {content['version']}, which this release does not read.",
            "Remove it and prove the backup again, which writes a new one.",
        )
    return Manifest(path, content["base"], content["written"], content["parts"], content["proven"])


def compare(
    parts: PartFiles, manifest: Manifest, jobs: int | None = None, progress: Progress | None = None
) -> Comparison:
    """Compare the parts with the manifest by their sums alone: without the password, and without inflating anything."""
    if manifest.base != parts.base:
        raise BoxliftError(
            f"The manifest {manifest.path} is that of {manifest.base}, not of {parts.base}.",
            "Give the manifest of this backup, or none.",
        )
    sums = _sum_all(parts, False, jobs, progress)
    owners = {part["sha256"]: part["name"] for part in manifest.parts}
    volumes = []
    for index, part in enumerate(manifest.parts):
        volume = Volume(part["name"], index, data_size=part["data_size"])
        volumes.append(volume)
        if index not in sums:
            volume.damage("missing", "the file is not there")
            continue
        volume.size = sums[index].size
        if (volume.size, list(sums[index].chunks)) == (part["size"], part["chunks"]):
            volume.sha256 = part["sha256"]
        else:
            volume.sha256 = str(sum_part(parts.present[index], _unheard, True).sha256)
            _name_damage(volume, sums[index], part, owners.get(volume.sha256))
    for index in sorted(set(sums) - set(range(len(manifest.parts)))):
        volume = Volume(parts.name(index), index, sums[index].size)
        volume.sha256 = str(sum_part(parts.present[index], _unheard, True).sha256)
        volume.damage("foreign", f"the manifest knows only {len(manifest.parts)} parts")
        volumes.append(volume)
    return Comparison(parts, volumes, _findings(volumes, manifest), manifest)


@dataclasses.dataclass
class Comparison(Outcome):
    """How parts differ from their manifest. What only a full verification sees is repeated from the manifest."""

    parts: PartFiles
    volumes: list[Volume]
    findings: list[Finding]
    manifest: Manifest
    end_proven: bool = True  # only a backup whose end is proven gets a manifest

    def as_dict(self) -> dict[str, t.Any]:
        return {
            **self.manifest.proven,
            "intact": self.intact,
            "volumes": [dataclasses.asdict(volume) for volume in self.volumes],
            "findings": [finding.as_dict() for finding in self.findings],
        }


def _name_damage(volume: Volume, found: PartSums, part: dict[str, t.Any], owner: str | None) -> None:
    if owner is not None:
        volume.damage("out_of_order", f"it holds the bytes of {owner}", 0)
        return
    volume.ranges = _differences(found, part["size"], part["chunks"])
    shown = ", ".join(f"{first} to {last}" for first, last in volume.ranges[:_MOST_RANGES])
    if len(volume.ranges) > _MOST_RANGES:
        shown += f" and {len(volume.ranges) - _MOST_RANGES} more ranges"
    if found.size < part["size"] and len(volume.ranges) == 1:
        reason = f"has {found.size} of {part['size']} bytes; bytes {shown} have to be fetched"
        volume.damage("truncated", reason, found.size)
    else:
        size = f"has {found.size} bytes, not {part['size']}; " if found.size != part["size"] else ""
        volume.damage("corrupt", f"{size}bytes {shown} differ from the manifest", volume.ranges[0][0])


def _differences(found: PartSums, size: int, chunks: t.Sequence[str]) -> list[tuple[int, int]]:
    """First and last byte of the chunks that differ; adjacent ranges are joined."""
    ranges: list[tuple[int, int]] = []
    for number in range(max(len(chunks), len(found.chunks))):
        if chunks[number : number + 1] == list(found.chunks[number : number + 1]):
            continue
        first, last = number * CHUNK, min((number + 1) * CHUNK, max(size, found.size)) - 1
        if ranges and ranges[-1][1] + 1 == first:
            first = ranges.pop()[0]
        ranges.append((first, last))
    return ranges


def _findings(volumes: list[Volume], manifest: Manifest) -> list[Finding]:
    findings = volume_findings(volumes)
    damaged = sum(1 for volume in volumes if volume.status != "intact")
    told = f"the manifest that was written at {manifest.written}, when the backup was proven"
    if damaged:
        said = f"{damaged} of {len(volumes)} parts differ from {told}."
        findings.append(backup_finding("backup.checksums", "fail", said, "no difference", REMEDIES["corrupt"]))
        return findings
    findings.append(backup_finding("backup.checksums", "pass", f"All {len(volumes)} parts are as in {told}."))
    redone = ("backup.volumes", "backup.checksums", "backup.part_count")
    findings.append(backup_finding("backup.part_count", "pass", f"The manifest has {len(volumes)} parts."))
    return [*findings, *(Finding(**saved) for saved in manifest.proven["findings"] if saved["id"] not in redone)]


def _sum_all(parts: PartFiles, whole: bool, jobs: int | None, progress: Progress | None) -> dict[int, PartSums]:
    def work(index: int, note: t.Callable[[int], None]) -> PartSums:
        return sum_part(parts.present[index], note, whole)

    order = sorted(parts.present, key=lambda index: -os.path.getsize(parts.present[index]))
    with Crew(min(jobs or processors(), len(order)), work) as crew:
        return crew.map(order, progress or _unheard)


def _seal(content: t.Any) -> str:
    """The manifest's own sum, so that a damaged manifest is not taken for a damaged part."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _unheard(_amount: int) -> None:
    """For callers that want no progress."""

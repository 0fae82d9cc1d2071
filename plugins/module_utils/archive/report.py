# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a verification: volumes, contents, findings."""

from __future__ import annotations

import abc
import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import Kind, PartFiles
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import MOST_NAMED, PartScan, Tally, dump_index
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import State, printable
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding

REMEDIES = {
    "missing": "Fetch this part again; if the source does not have it either, order a new backup.",
    "truncated": "Fetch this part again.",
    "corrupt": "Fetch this part again; if it comes with the same damage, it is damaged at the source.",
    "foreign": "Fetch this part again from the address of this backup.",
    "out_of_order": "Fetch this part again under its own name.",
    "unclosed": "The backup was still being written or its writer was killed: order a new backup.",
}


@dataclasses.dataclass(frozen=True)
class KnownCount:
    """The number of parts as somebody else than the archive tells it; `by` names who, for messages."""

    count: int
    by: str


@dataclasses.dataclass(frozen=True)
class End:
    """What is known of the backup's end. `stated`: the number of parts is; `seen`: the last part, `last`, shows it."""

    count: int
    stated: bool
    seen: bool
    known: KnownCount | None
    last: str


@dataclasses.dataclass
class Volume:
    """The verdict on one part, as modules return it. Sizes are in bytes: of the file, and of its data uncompressed.

    `offset` is the byte of the file where the damage shows; `ranges` are the first and last bytes of what differs from
    a manifest, where there is one.
    """

    name: str
    index: int
    size: int = 0
    data_size: int = 0
    sha256: str = ""
    status: str = "intact"
    reason: str = ""
    offset: int | None = None
    ranges: list[tuple[int, int]] = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, scan: PartScan) -> Volume:
        return cls(scan.name, scan.index, scan.size, scan.data_size, scan.sha256)

    def damage(self, status: str, reason: str, offset: int | None = None) -> None:
        """Mark the part, unless it is marked already: later faults are often consequences of the first."""
        if self.status == "intact":
            self.status, self.reason, self.offset = status, reason, offset


class Outcome(abc.ABC):
    """Volumes and findings, whether the parts were verified (`Report`) or compared with a manifest (`Comparison`)."""

    parts: PartFiles
    volumes: list[Volume]
    findings: list[Finding]
    end_proven: bool

    @property
    def intact(self) -> bool:
        """Whether all of the backup is proven, that no part follows the last one included."""
        return self.sound and self.end_proven

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with what is here."""
        return all(volume.status == "intact" for volume in self.volumes) and not any(
            finding.status == "fail" for finding in self.findings
        )

    @abc.abstractmethod
    def as_dict(self) -> dict[str, t.Any]:
        """What a module returns."""

    def prove_end(self, by: str) -> None:
        """What `by` names shows that no part follows the last one."""
        if self.end_proven:
            return
        self.end_proven = True
        others = [finding for finding in self.findings if finding.id != "backup.part_count"]
        said = f"The backup has {len(self.volumes)} parts by {by}."
        self.findings = [*others, backup_finding("backup.part_count", "pass", said)]

    def damaged(self) -> list[Volume]:
        return [volume for volume in self.volumes if volume.status != "intact"]

    def restate(self, checksums: Finding) -> None:
        """Renew the findings about volumes after sums were compared; `checksums` is the finding of that comparison."""
        others = [finding for finding in self.findings if finding.id not in ("backup.volumes", checksums.id)]
        self.findings = [*volume_findings(self.volumes), checksums, *others]

    def summary(self) -> str:
        """One sentence that names every damaged part, or the first reason why the backup is not intact."""
        damaged = self.damaged()
        if damaged:
            rows = [f"{volume.name} is {volume.status} ({volume.reason})" for volume in damaged[:MOST_NAMED]]
            if len(damaged) > MOST_NAMED:
                rows.append(f"and {len(damaged) - MOST_NAMED} more")
            return f"{len(damaged)} of {len(self.volumes)} parts are damaged: {'; '.join(rows)}."
        for finding in self.findings:
            if finding.status == "fail":
                return f"{finding.observed}"
        if not self.end_proven:
            said = next(finding for finding in self.findings if finding.id == "backup.part_count")
            return f"The parts that are here are whole, and their end is not proven. {said.observed}"
        return f"All {len(self.volumes)} parts are intact."

    def verdict(self) -> bool | None:
        """`intact` as modules return it: None where only the end is not proven."""
        return None if self.sound and not self.end_proven else self.intact


@dataclasses.dataclass
class Report(Outcome):
    """What a verification found out; a restore goes on from `parts`, `cipher` and `starts`.

    `starts` is the state of the tar stream at the beginning of each part, complete for an intact backup. `misled` are
    the parts that had to be walked again from there.
    """

    parts: PartFiles
    cipher: Cipher | None
    volumes: list[Volume]
    tally: Tally
    findings: list[Finding]
    starts: dict[int, State]
    # The parts that hold something of the dump, in order; empty where the stream could not be followed.
    dump_parts: list[int] = dataclasses.field(default_factory=list)
    end_proven: bool = True
    misled: list[int] = dataclasses.field(default_factory=list)

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "intact": self.verdict(),
            "format": self.parts.kind.format,
            "encrypted": self.parts.kind.encrypted,
            "cipher": self.cipher.name if self.cipher else None,
            "volumes": [dataclasses.asdict(volume) for volume in self.volumes],
            "entries": self.tally.files + self.tally.directories,
            "files": self.tally.files,
            "directories": self.tally.directories,
            "bytes": self.tally.content,
            "dumps": [
                {"name": printable(dump.path), "size": dump.size, "finished": finished(dump.tail)}
                for dump in self.tally.dumps
            ],
            "findings": [finding.as_dict() for finding in self.findings],
        }


def finished(tail: bytes) -> bool:
    """True if these last bytes of the dump's last volume hold the line that ends a complete dump."""
    return tail.rstrip(b"\r\n").rsplit(b"\n", 1)[-1].startswith(b"-- Finished")


def volume_findings(volumes: list[Volume]) -> list[Finding]:
    damaged = [volume for volume in volumes if volume.status != "intact"]
    if not damaged:
        return [backup_finding("backup.volumes", "pass", f"{len(volumes)} parts are there and none is damaged.")]
    findings = [
        backup_finding(
            "backup.volumes",
            "fail",
            f"{volume.name}: {volume.status}: {volume.reason}.",
            "an intact part",
            REMEDIES[volume.status],
        )
        for volume in damaged[:MOST_NAMED]
    ]
    if len(damaged) > MOST_NAMED:
        more = f"{len(damaged) - MOST_NAMED} more parts are damaged."
        findings.append(backup_finding("backup.volumes", "fail", more, "an intact part", REMEDIES["corrupt"]))
    return findings


def proof_findings(kind: Kind, end: End) -> list[Finding]:
    """What this kind of archive cannot prove: contents without checksums, an unstated number of parts."""
    findings = []
    if not kind.compressed:
        findings.append(
            backup_finding(
                "backup.checksums",
                "unknown",
                f"A .{kind.format} archive has no checksums: headers and sizes are proven, files' content is not.",
                "a checksum over every byte",
                "Compare the parts with sums taken at the source, or order the backup compressed.",
            )
        )
    if end.stated:
        said = f"The backup states that it has {end.count} parts."
        if end.known is not None:
            said = f"The backup has {end.count} parts by {end.known.by}."
        findings.append(backup_finding("backup.part_count", "pass", said))
        return findings
    said = f"{end.count} parts were found; this archive does not state how many there are."
    if end.count == 1:
        said = "One part was found; this archive does not state how many there are."
    if not end.seen:
        said += f" {end.last} is a full one, so that another may follow it."
    findings.append(
        backup_finding(
            "backup.part_count",
            "unknown",
            said,
            "the number of parts, stated by the archive",
            "Compare the number of parts with the list at the source"
            + ("." if end.seen else ", and give it in the option parts (part_count of backup_restore)."),
        )
    )
    return findings


def content_findings(tally: Tally, walked: bool) -> list[Finding]:
    """What was seen inside: unsafe names, the dump and its last line."""
    if not walked:
        return [
            backup_finding(
                "backup.contents",
                "unknown",
                "The contents were not looked into completely, because of the damage above.",
                "every entry seen",
                "Repair the damaged parts and verify again.",
            )
        ]
    findings = [
        backup_finding(
            "backup.entry",
            "fail",
            f"Entry {printable(path)!r} is refused: {reason}.",
            "files and directories with names below the document root",
            "Do not restore this backup before its origin is clear; its maker can leave the entry out.",
        )
        for path, reason in tally.unsafe_entries
    ]
    if tally.refused > len(tally.unsafe_entries):
        more = f"{tally.refused - len(tally.unsafe_entries)} more entries are refused."
        findings.append(backup_finding("backup.entry", "fail", more))
    findings += [
        backup_finding(
            "backup.names",
            "warn",
            f"{printable(path)!r} has a name that no disk holds; a restore places it as {printable(placed)!r}.",
            "names of at most 255 bytes",
            "Name it in exclude to leave it out, or rename it in the restored portal.",
        )
        for path, placed in tally.odd_entries
    ]
    if tally.odd > len(tally.odd_entries):
        more = f"{tally.odd - len(tally.odd_entries)} more entries get another name in the same way."
        findings.append(backup_finding("backup.names", "warn", more))
    if not tally.files:
        findings.append(
            backup_finding(
                "backup.contents", "fail", "The archive holds no file.", "a portal's files", "Order a new backup."
            )
        )
    return findings + _dump_findings(tally)


def _dump_findings(tally: Tally) -> list[Finding]:
    if not tally.dumps:
        return [
            backup_finding(
                "backup.dump",
                "warn",
                "The archive holds no database dump.",
                "a dump in bitrix/backup/",
                "Order a backup with its database; a portal on PostgreSQL gives none this way.",
            )
        ]
    numbers = [dump_index(dump.path) for dump in tally.dumps]
    last = tally.dumps[numbers.index(max(numbers))]
    name = printable(last.path)
    if numbers != list(range(len(numbers))):
        listed = ", ".join(map(str, numbers[:MOST_NAMED]))
        if len(numbers) > MOST_NAMED:
            listed += f" and so on ({len(numbers)} volumes)"
        return [
            backup_finding(
                "backup.dump",
                "fail",
                f"The dump's volumes are numbered {listed}.",
                "numbers from 0 without a gap, each once and in their order",
                "Order a new backup.",
            )
        ]
    if not finished(last.tail):
        return [
            backup_finding(
                "backup.dump",
                "fail",
                f"The database dump is cut off: {name} does not end with its '-- Finished' line.",
                "the line that the writer puts at the end of a complete dump",
                "Order a new backup: this one was made from a dump that did not finish.",
            )
        ]
    return [
        backup_finding(
            "backup.dump", "pass", f"The database dump is whole: {len(numbers)} volumes, up to its last line."
        )
    ]


def backup_finding(name: str, status: str, observed: str, expected: str = "", remedy: str = "") -> Finding:
    return Finding(
        name, "backup", status, observed, expected, remedy, reference="docs/archive-format.md, sections 1, 4 and 6"
    )

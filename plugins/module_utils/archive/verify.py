# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves a backup whole, or names what is wrong: each part by itself, then how the parts fit together."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.assembly import Assembly
from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.doubles import (
    MOST_NAMES,
    NameKeys,
    by_place,
    clashes,
    findings_about,
    key_of,
    occurrences,
)
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.names import placed_name
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import KnownCount, Report, backup_finding
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan, scan_part
from ansible_collections.boxlift.portal.plugins.module_utils.archive.stream import Progress, backup_cipher
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.workers import Crew, processors


def verify(
    path: str,
    password: str | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    *,
    exclude: t.Sequence[str] = (),
    known: KnownCount | None = None,
) -> Report:
    """Read every byte of the backup at `path` (its first part, or the directory that holds it) and report on it.

    `progress` is called with the number of bytes just read. What `exclude` names (safety.excluded) is not judged;
    `known` is the number of parts where the archive need not state it. Raises BoxliftError where there is no backup at
    `path`, and WrongPassword.
    """
    parts = find_parts(path)
    cipher: Cipher | None = None
    header_fault: PartFault | None = None
    try:
        cipher = backup_cipher(parts, password)
    except PartFault as fault:
        header_fault = fault

    def prove(index: int, note: t.Callable[[int], None]) -> tuple[PartScan, NameKeys]:
        keys = NameKeys(exclude)
        return scan_part(parts, cipher, index, exclude=exclude, progress=note, companion=keys), keys

    # The largest first, so that no worker begins a large one when the others are done.
    order = sorted(parts.present, key=lambda index: -os.path.getsize(parts.present[index]))
    with Crew(min(jobs or processors(), len(order)), prove) as crew:
        found = crew.map(order, progress or _unheard)
    scans = {index: found[index][0] for index in parts.present}
    report = Assembly(parts, cipher, scans, header_fault, exclude=exclude, known=known).report()
    if not report.damaged() and len(report.starts) == len(scans):
        names = {index: found[index][1] for index in parts.present}
        for index in report.misled:
            names[index] = NameKeys(exclude)
            scan_part(parts, cipher, index, start=(report.starts[index], b""), companion=names[index])
        report.findings += name_findings(report, names)
    return report


def name_findings(report: Report, names: t.Mapping[int, NameKeys]) -> list[Finding]:
    """What is wrong with the names of a backup whose parts are whole; `names` are those of its parts."""
    found = clashes(names.values())
    keys = found.twice | found.in_the_way
    if not keys:
        return _unless_full(names)
    holding = [index for index, part in names.items() if not keys.isdisjoint(part.files)]
    files = occurrences(report.parts, report.cipher, report.starts, holding, keys)
    in_the_way = [file for file in files if key_of(placed_name(file.path)) in found.in_the_way]
    return findings_about(by_place(files), in_the_way) + _unless_full(names)


def _unless_full(names: t.Mapping[int, NameKeys]) -> list[Finding]:
    if not any(part.full for part in names.values()):
        return []
    said = (
        f"A part holds more than {MOST_NAMES} entries: whether a name is there twice was not looked at in all of them."
    )
    return [backup_finding("backup.doubles", "unknown", said, "every name once", "Verify the parts by themselves.")]


def _unheard(_amount: int) -> None:
    """For callers that want no progress."""

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves a backup whole, or names what is wrong: each part by itself, then how the parts fit together."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.assembly import Assembly
from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Report
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan, scan_part
from ansible_collections.boxlift.portal.plugins.module_utils.archive.stream import Progress, backup_cipher
from ansible_collections.boxlift.portal.plugins.module_utils.workers import Crew, processors


def verify(path: str, password: str | None = None, jobs: int | None = None, progress: Progress | None = None) -> Report:
    """Read every byte of the backup at `path` (its first part, or the directory that holds it) and report on it.

    `progress` is called with the number of bytes just read. Raises BoxliftError where there is no backup at `path`, and
    WrongPassword.
    """
    parts = find_parts(path)
    cipher: Cipher | None = None
    header_fault: PartFault | None = None
    try:
        cipher = backup_cipher(parts, password)
    except PartFault as fault:
        header_fault = fault

    def prove(index: int, note: t.Callable[[int], None]) -> PartScan:
        return scan_part(parts, cipher, index, progress=note)

    # The largest first, so that no worker begins a large one when the others are done.
    order = sorted(parts.present, key=lambda index: -os.path.getsize(parts.present[index]))
    with Crew(min(jobs or processors(), len(order)), prove) as crew:
        found = crew.map(order, progress or _unheard)
    scans = {index: found[index] for index in parts.present}
    return Assembly(parts, cipher, scans, header_fault).report()


def _unheard(_amount: int) -> None:
    """For callers that want no progress."""

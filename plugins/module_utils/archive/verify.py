# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove a backup whole, or name what is wrong: part by part, and then how the parts fit together."""

from __future__ import annotations

import concurrent.futures
import functools
import os

from ansible_collections.boxlift.portal.plugins.module_utils.archive.assembly import Assembly
from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.kinds import find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Report
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import scan_part
from ansible_collections.boxlift.portal.plugins.module_utils.archive.stream import Progress, backup_cipher


def verify(path: str, password: str | None = None, jobs: int | None = None, progress: Progress | None = None) -> Report:
    """Read every byte of the backup that `path` (its first part, or its directory) belongs to.

    `progress` is called with the number of bytes read, from several threads. Raises BoxliftError where there is no
    backup at `path`, and WrongPassword.
    """
    parts = find_parts(path)
    cipher: Cipher | None = None
    header_fault: PartFault | None = None
    try:
        cipher = backup_cipher(parts, password)
    except PartFault as fault:
        header_fault = fault
    scan = functools.partial(scan_part, parts, cipher, progress=progress)
    with concurrent.futures.ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        scans = dict(zip(parts.present, pool.map(scan, parts.present)))
    return Assembly(parts, cipher, scans, header_fault).report()

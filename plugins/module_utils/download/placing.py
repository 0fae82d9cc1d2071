# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A complete part is proven, and then put in its place."""

from __future__ import annotations

import os

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import PartFiles, kind_of
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan, cipher_of
from ansible_collections.boxlift.portal.plugins.module_utils.download.proof import Prove
from ansible_collections.boxlift.portal.plugins.module_utils.download.request import Request
from ansible_collections.boxlift.portal.plugins.module_utils.download.schedule import Part
from ansible_collections.boxlift.portal.plugins.module_utils.download.state import FetchState


class Placing:
    """Safe to use from several threads, each for another part. `scans` holds the proof of every part in its place."""

    def __init__(self, request: Request, base: str, state: FetchState, prove: Prove) -> None:
        self._request = request
        self._base = base
        self._kind = kind_of(base)
        self._expected = request.sums(base)
        self._state = state
        self._prove = prove
        self.cipher: Cipher | None = None
        self.scans: dict[int, PartScan] = {}

    def prove(self, part: Part) -> PartScan | PartFault:
        """The part's proof, and it lies in its place; or what is wrong with it, and it is partial."""
        header_fault = self._open_cipher(part) if part.index == 0 else None
        scan = self._prove(part.index, part.path)
        fault = scan.fault or header_fault or scan.size_fault() or self._unexpected(part, scan)
        if fault:
            if part.in_place:
                self.take_back(part)
            return fault
        self._place(part, scan)
        return scan

    def _open_cipher(self, part: Part) -> PartFault | None:
        """The first part proves the password, before anything else is done with it."""
        if not self._request.password and self._kind.encrypted:
            return None
        files = PartFiles(self._request.dest, self._base, self._kind, {0: part.path})
        self.cipher, fault = cipher_of(files, self._request.password)
        return fault

    def _unexpected(self, part: Part, scan: PartScan) -> PartFault | None:
        name = part.file.name
        expected = self._expected.get(name, scan.sha256)
        if scan.sha256 != expected:
            return PartFault("corrupt", f"its sha256 is {scan.sha256}, and {expected} is expected", scan.size)
        known = self._state.parts.get(name, {}).get("sha256", scan.sha256) if part.in_place else scan.sha256
        if scan.sha256 != known:
            return PartFault("corrupt", "its sha256 is another than when it was fetched", scan.size)
        return None

    def _place(self, part: Part, scan: PartScan) -> None:
        fetched = not part.in_place
        status = os.stat(part.file.final) if part.in_place else part.file.place()
        last_index = (scan.marker.last_index or 0) if scan.marker else None
        self._state.add(
            part.file.name,
            {
                "size": status.st_size,
                "mtime_ns": status.st_mtime_ns,
                "sha256": scan.sha256,
                "last_index": last_index if part.index == 0 else None,
                "validators": part.file.validators,
            },
            fetched,
        )
        part.in_place = True
        part.file.forget()
        self.scans[part.index] = scan

    def take_back(self, part: Part) -> None:
        """It is damaged after all."""
        part.file.take_back()
        part.in_place = False
        self._state.remove(part.file.name)

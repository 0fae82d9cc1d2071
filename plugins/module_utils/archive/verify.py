# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove a backup whole, or name what is wrong: part by part, and then how the parts fit together."""

from __future__ import annotations

import concurrent.futures
import os

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import HEADER_SIZE, Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.kinds import PartFiles, find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.order import Link, right_order
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import (
    Report,
    Volume,
    content_findings,
    proof_findings,
    volume_findings,
)
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import (
    DumpFile,
    PartScan,
    Tally,
    Walk,
    content_tail,
    is_dump,
    scan_part,
)
from ansible_collections.boxlift.portal.plugins.module_utils.archive.stream import Progress, backup_cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import State, TarFault


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
    with concurrent.futures.ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        scans = dict(
            zip(
                parts.present,
                pool.map(lambda index: _scan(parts, index, cipher, progress=progress), parts.present),
            )
        )
    return _Assembly(parts, cipher, scans, header_fault).report()


def _scan(
    parts: PartFiles,
    index: int,
    cipher: Cipher | None,
    start: tuple[State, bytes] | None = None,
    progress: Progress | None = None,
) -> PartScan:
    return scan_part(parts.present[index], parts.name(index), index, parts.kind, cipher, start=start, progress=progress)


class _Assembly:
    """Puts the scanned parts together: numbers, sizes, then the stream from part to part."""

    def __init__(
        self, parts: PartFiles, cipher: Cipher | None, scans: dict[int, PartScan], header_fault: PartFault | None
    ) -> None:
        self.parts = parts
        self.cipher = cipher
        self.scans = scans
        self.tally = Tally()
        first = scans.get(0)
        stated = first.marker.last_index if first and first.marker else None
        self.count_damaged = stated is not None and self._contradicted(stated)
        self.count_proven = not self.count_damaged and (
            stated is not None
            or (first is not None and first.marker is not None and first.marker.closed and list(scans) == [0])
        )
        self.count = stated + 1 if stated is not None and not self.count_damaged else max(scans) + 1
        self.volumes = {
            index: Volume.of(scans[index]) if index in scans else Volume(parts.name(index), index)
            for index in sorted({*range(self.count), *scans})
        }
        if header_fault and 0 in scans and not scans[0].fault:
            self.volumes[0].damage(header_fault.status, header_fault.reason, header_fault.offset)

    def report(self) -> Report:
        if self.count_damaged:
            self.volumes[0].damage("corrupt", "the number of the last part in its header contradicts the parts", 14)
        self._check_alone()
        self._check_starts()
        self._check_sizes()
        walked = False
        if self.cipher is not None or not self.parts.kind.encrypted:
            walked = self._check_stream()
        volumes = list(self.volumes.values())
        findings = [
            *volume_findings(volumes),
            *proof_findings(self.parts.kind, self.count_proven, self.count),
            *content_findings(self.tally, walked),
        ]
        return Report(self.parts, self.cipher, volumes, self.tally, findings)

    def _contradicted(self, stated: int) -> bool:
        """True where a short part ends an unbroken row and the stated last number is another: it is damaged."""
        last = max(self.scans)
        sizes = [self.scans[index].data_size for index in self.scans if index != last]
        if stated == last or list(self.scans) != list(range(last + 1)) or not sizes:
            return False
        usual = max(set(sizes), key=sizes.count)
        return self.scans[last].data_size < usual and not self.scans[last].fault and sizes.count(usual) == len(sizes)

    def _check_alone(self) -> None:
        """What each part proves by itself, and whether it belongs to the backup by its number."""
        styles = [style for scan in self.scans.values() for style in scan.styles]
        usual = max(set(styles), key=styles.count) if styles else b""
        marked = [scan for scan in self.scans.values() if scan.marker]
        for index, volume in self.volumes.items():
            scan = self.scans.get(index)
            if scan is None:
                volume.damage("missing", "the file is not there")
            elif index >= self.count:
                volume.damage("foreign", f"the backup states that its last part is {self.parts.name(self.count - 1)}")
            elif fault := scan.fault or scan.size_fault():
                volume.damage(fault.status, fault.reason, fault.offset)
            elif scan.marker is None and len(marked) > len(self.scans) / 2:
                volume.damage("foreign", "an ordinary gzip file without the mark that the other parts carry", 0)
            elif scan.styles - {usual}:
                volume.damage("corrupt", "the header of a gzip member differs from all others in this backup", None)

    def _check_starts(self) -> None:
        """Only the first part carries the number of the last one, and the encryption header."""
        first = self.scans.get(0)
        for index, scan in self.scans.items():
            starts = scan.has_cipher_header or (scan.marker is not None and scan.marker.last_index is not None)
            if index == 0 or not starts or self.volumes[index].status != "intact":
                continue
            self.volumes[index].damage("out_of_order", "it is the first part of a backup", 0)
            if first and self.volumes[0].status in ("intact", "corrupt") and not first.fault:
                self.volumes[0].status = "intact"
                self.volumes[0].damage("out_of_order", f"the first part lies under the name {scan.name}", 0)

    def _check_sizes(self) -> None:
        """All parts but the last hold the same number of bytes (section 1.2)."""
        sizes = [scan.data_size for index, scan in self.scans.items() if index < self.count - 1 and not scan.fault]
        if not sizes:
            return
        usual = max(set(sizes), key=lambda size: (sizes.count(size), size))
        for index, scan in self.scans.items():
            volume, size = self.volumes[index], scan.data_size
            if volume.status != "intact" or index >= self.count:
                continue
            if index < self.count - 1 and size != usual:
                if self.parts.kind.compressed:
                    volume.damage("foreign", f"holds {size} bytes of stream where this backup's parts hold {usual}")
                elif size < usual:
                    volume.damage("truncated", f"has {size} bytes where the other parts have {usual}", size)
                else:
                    volume.damage("foreign", f"has {size} bytes where the other parts have {usual}", usual)
            elif index == self.count - 1 and size > usual:
                volume.damage("foreign", f"holds {size} bytes, more than the {usual} of the parts before it")
        self._name_swapped_last(usual)

    def _name_swapped_last(self, usual: int) -> None:
        """A short part in the middle and a full one at the end lie under each other's names."""
        last = self.count - 1
        short = [
            index
            for index, volume in self.volumes.items()
            if index < last and volume.status in ("foreign", "truncated")
        ]
        if (
            len(short) == 1
            and self.scans.get(last)
            and self.scans[last].data_size == usual
            and not self.scans[short[0]].fault
        ):
            walk, other = self.scans[short[0]].walk, self.volumes[last]
            if walk and walk.first is not None and not walk.fault and walk.state.need == 0 and walk.state.plain:
                self.volumes[short[0]].status = "intact"
                self.volumes[short[0]].damage("out_of_order", f"it is the last part, {other.name}", 0)
                other.damage(
                    "out_of_order", f"it belongs before the last part, perhaps as {self.volumes[short[0]].name}", 0
                )

    def _check_stream(self) -> bool:
        """Follow the tar stream from part to part. True where every part could be followed."""
        state: State | None = State()
        tail, whole = b"", True
        for index in range(self.count):
            scan = self.scans.get(index)
            if scan is None or scan.walk is None or self.volumes[index].status != "intact":
                state, whole = None, False
            elif state is None:
                # The part before is damaged: what the search found is all there is to go on from.
                walk = scan.walk
                state = None if self._fault(index, walk) or walk.first is None else walk.state
                tail = walk.tally.open_tail
            elif index and not self._continues(index, scan, state):
                walk = _scan(self.parts, index, self.cipher, start=(state, tail)).walk or scan.walk
                state, tail, whole = self._walked(index, walk, scan.walk, state, whole)
            elif index == 0:
                state, tail, whole = self._walked(index, scan.walk, scan.walk, state, whole)
            else:
                state, tail = self._advance(scan, scan.walk, state, tail)
        if state is not None and not self._closed(state):
            whole = False
        return whole

    def _walked(
        self, index: int, walk: Walk, guessed: Walk, state: State, whole: bool
    ) -> tuple[State | None, bytes, bool]:
        """Take a part that was walked from a known start, or say why it breaks the stream."""
        fault = self._fault(index, walk)
        if fault:
            self._name_break(index, fault, guessed, state)
            return None, b"", False
        self._add(walk.tally)
        return walk.state, walk.tally.open_tail, whole

    def _fault(self, index: int, walk: Walk) -> TarFault | None:
        if walk.blank_at is not None and index < self.count - 1:
            return TarFault("zeros where a header is expected", walk.blank_at, in_place=True)
        return walk.fault

    def _continues(self, index: int, scan: PartScan, state: State) -> bool:
        walk = scan.walk
        if walk is None or self._fault(index, walk) or not state.plain:
            return False
        return walk.first == state.need or (walk.first is None and state.need >= scan.data_size)

    def _advance(self, scan: PartScan, walk: Walk, state: State, tail: bytes) -> tuple[State, bytes]:
        """Take a part whose searched start is exactly where `state` leaves off."""
        padding = state.need - state.data
        if walk.first is None:
            in_part = min(state.data, scan.data_size)
            tail = content_tail(tail, walk.end, min(len(walk.end), scan.data_size - in_part))
            rest = State(state.need - scan.data_size, state.data - in_part, None, 0, state.entry)
            if rest.need == 0 and state.entry:
                self._end_straddler(state, tail)
                return State(), b""
            return rest, tail
        if state.entry and state.need:
            self._end_straddler(state, content_tail(tail, walk.lead, min(len(walk.lead), padding)))
        self._add(walk.tally)
        return walk.state, walk.tally.open_tail

    def _end_straddler(self, state: State, tail: bytes) -> None:
        if state.entry and is_dump(state.entry.path):
            self.tally.dumps.append(DumpFile(state.entry.path, state.entry.size, tail))

    def _add(self, tally: Tally) -> None:
        self.tally.files += tally.files
        self.tally.directories += tally.directories
        self.tally.content += tally.content
        self.tally.unsafe_entries += tally.unsafe_entries
        self.tally.dumps += tally.dumps

    def _closed(self, state: State) -> bool:
        """True where the stream ends between two entries; otherwise the end of the backup is named as missing."""
        if state.need == 0 and state.plain:
            return True
        last = self.volumes[self.count - 1]
        inside = (
            f"the stream ends inside {state.entry.text!r}, {state.need} bytes early"
            if state.entry
            else "the stream ends inside a header"
        )
        full = self.count == 1 or last.data_size == self.volumes[0].data_size
        if full and not self.count_proven:
            missing = Volume(self.parts.name(self.count), self.count)
            missing.damage("missing", f"{inside}, and no part follows")
            self.volumes[self.count] = missing
        else:
            last.damage("truncated", inside, last.size)
        return False

    def _name_break(self, index: int, fault: TarFault, guessed: Walk, state: State) -> None:
        """Say why part `index` does not continue the part before it."""
        volume, at = self.volumes[index], fault.offset
        where = at if not self.parts.kind.compressed else None
        twin = next(
            (scan for other, scan in self.scans.items() if other != index and scan.sha256 == volume.sha256), None
        )
        if twin is not None:
            volume.damage("out_of_order", f"it holds the same bytes as {twin.name}", 0)
            return
        if self._name_order():
            return
        if fault.in_place or at > state.need + self._skip(index):
            volume.damage("corrupt", f"{fault.reason} (byte {at} of its stream)", where)
        elif guessed.first is not None and not guessed.fault:
            volume.damage(
                "foreign", "it does not continue the part before it; perhaps a part between them is missing", 0
            )
        else:
            volume.damage("foreign", f"it does not continue the part before it ({fault.reason})", 0)

    def _skip(self, index: int) -> int:
        return HEADER_SIZE if index == 0 and self.parts.kind.encrypted else 0

    def _name_order(self) -> bool:
        """Name the parts that lie under each other's names, where exactly one order fits."""
        links = {}
        for index in range(self.count):
            scan = self.scans.get(index)
            if scan is None or scan.walk is None or scan.fault:
                return False
            walk = scan.walk
            if index == 0 and walk.fault:
                # Walked from its beginning in vain: look for where its headers really begin.
                walk = _scan_anywhere(self.parts, index, self.cipher).walk or walk
            starts = walk.first == self._skip(index) and (index == 0 or not self.parts.kind.encrypted)
            links[index] = Link(walk.first, walk.state.need, scan.data_size, starts)
        order = right_order(links)
        if order is None or order == sorted(order):
            return False
        for place, index in enumerate(order):
            if place != index:
                self.volumes[index].damage("out_of_order", f"it holds the content of {self.parts.name(place)}", 0)
        return True


def _scan_anywhere(parts: PartFiles, index: int, cipher: Cipher | None) -> PartScan:
    # A number other than 0 makes the scanner search for the first header.
    return scan_part(parts.present[index], parts.name(index), index + 1, parts.kind, cipher)

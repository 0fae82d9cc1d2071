# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the scanned parts together make one whole backup (docs/archive-format.md, section 1)."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.continuity import Continuity
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import PartFiles, advice
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import (
    End,
    KnownCount,
    Report,
    Volume,
    backup_finding,
    content_findings,
    proof_findings,
    volume_findings,
)
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan, Tally, in_dump
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import State

# Limits of a part's size are whole numbers of it, in bytes: 100 MiB, 1 GiB.
LIMIT_UNIT = 1024 * 1024


class Assembly:
    """Judges the scans of all parts: each by itself, then their numbers and sizes, then the stream through them."""

    def __init__(
        self,
        parts: PartFiles,
        cipher: Cipher | None,
        scans: dict[int, PartScan],
        header_fault: PartFault | None,
        *,
        exclude: t.Sequence[str] = (),
        known: KnownCount | None = None,
    ) -> None:
        """`known` is the number of parts, told by somebody else than the archive; `exclude`: see `Tally`."""
        self.parts = parts
        self.exclude = exclude
        self.known = known
        self.cipher = cipher
        self.scans = scans
        self.tally = Tally()
        first = scans.get(0)
        stated = first.last_index if first and not self._foreign_first(first) else None
        self.count_damaged = stated is not None and self._contradicted(stated)
        self.count_proven = not self.count_damaged and (
            stated is not None
            or (first is not None and first.marker is not None and first.marker.closed and list(scans) == [0])
        )
        self.count = stated + 1 if stated is not None and not self.count_damaged else max(scans) + 1
        if known is not None and not self.count_proven and not self.count_damaged:
            self.count, self.count_proven = known.count, True
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
        self._check_twins()
        self._check_sizes()
        walked, starts, misled = False, {}, []
        if self.cipher is not None or not self.parts.kind.encrypted:
            continuity = Continuity(
                self.parts, self.cipher, self.scans, self.volumes, self.count, self.count_proven, self.exclude
            )
            walked = continuity.follow()
            self.tally, starts, misled = continuity.tally, continuity.starts, continuity.misled
        volumes = list(self.volumes.values())
        end = End(self.count, self.count_proven, self._last_is_last(), self.known, self.parts.name(self.count - 1))
        findings = [
            *volume_findings(volumes),
            *proof_findings(self.parts.kind, end),
            *content_findings(self.tally, walked),
        ]
        if self.known is not None and self.known.count != self.count:
            said = f"The backup states that it has {self.count} parts; it has {self.known.count} by {self.known.by}."
            findings.append(
                backup_finding("backup.part_count", "fail", said, "one number", "Look at the source how many it has.")
            )
        held = [index for index, state in sorted(starts.items()) if self._holds_dump(index, state)] if walked else []
        return Report(
            self.parts,
            self.cipher,
            volumes,
            self.tally,
            findings,
            starts,
            dump_parts=held,
            end_proven=end.stated or end.seen,
            misled=misled,
        )

    def _holds_dump(self, index: int, start: State) -> bool:
        walk = self.scans[index].walk
        inside = start.entry is not None and in_dump(start.entry.path)
        return inside or (walk is not None and walk.tally.dump_entries > 0)

    def _last_is_last(self) -> bool:
        """Whether the last part that is here shows that none follows.

        It does where it is smaller than the others, or holds the blocks that GNU tar ends with. A part that is alone
        may be a full one where its size is one that limits have.
        """
        last = self.scans.get(self.count - 1)
        if last is None:
            return False
        if last.walk is not None and last.walk.blank_at is not None:
            return True
        others = [scan.data_size for index, scan in self.scans.items() if index < self.count - 1]
        return last.data_size < max(others) if others else last.data_size % LIMIT_UNIT != 0

    def _foreign_first(self, first: PartScan) -> bool:
        """True if its size differs from the size all other parts share; the part count it states is then ignored."""
        sizes = {scan.data_size for index, scan in self.scans.items() if 0 < index < max(self.scans) and not scan.fault}
        return not first.fault and not first.size_fault() and len(sizes) == 1 and first.data_size not in sizes

    def _contradicted(self, stated: int) -> bool:
        """True if the stated last number is damaged: an unbroken row of parts ends, with a short one, at another."""
        last = max(self.scans)
        sizes = [self.scans[index].data_size for index in self.scans if index != last]
        if stated == last or list(self.scans) != list(range(last + 1)) or not sizes:
            return False
        usual = max(set(sizes), key=sizes.count)
        return self.scans[last].data_size < usual and not self.scans[last].fault and sizes.count(usual) == len(sizes)

    def _check_alone(self) -> None:
        """Mark parts that are damaged by themselves, or whose number is none of this backup."""
        styles = [style for scan in self.scans.values() for style in scan.styles]
        usual = max(set(styles), key=styles.count) if styles else b""
        marked = [scan for scan in self.scans.values() if scan.marker]
        for index, volume in self.volumes.items():
            scan = self.scans.get(index)
            if scan is None:
                volume.damage("missing", f"the file is not there{self._look_alike(index)}")
            elif index >= self.count:
                volume.damage("foreign", f"{self._told()} its last part is {self.parts.name(self.count - 1)}")
            elif fault := scan.fault or scan.size_fault():
                volume.damage(fault.status, fault.reason + self._perhaps_gunzipped(scan, fault), fault.offset)
            elif scan.marker is None and len(marked) > len(self.scans) / 2:
                volume.damage("foreign", "an ordinary gzip file without the mark that the other parts carry", 0)
            elif scan.styles - {usual}:
                volume.damage("corrupt", "the header of a gzip member differs from all others in this backup", None)

    def _told(self) -> str:
        stated = self.scans[0].last_index if 0 in self.scans else None
        return "the backup states that" if self.known is None or stated is not None else f"by {self.known.by},"

    def _look_alike(self, index: int) -> str:
        """What to do with files that look like this part under another name."""
        names = self.parts.look_alikes.get(index, [])
        return f"; {advice(names, self.parts.name(index))}" if names else ""

    def _perhaps_gunzipped(self, scan: PartScan, fault: PartFault) -> str:
        """A part other than the first shows by its size alone that only its compression is gone."""
        sizes = {other.data_size for other in self.scans.values() if not other.fault}
        if fault.status != "foreign" or fault.offset or scan.size == 0 or scan.size not in sizes:
            return ""
        return "; it has as many bytes as other parts hold uncompressed: perhaps it was gunzipped on the way"

    def _check_starts(self) -> None:
        """Mark first parts in other places: only the first states the last number or has an encryption header."""
        first = self.scans.get(0)
        for index, scan in self.scans.items():
            if index and scan.has_cipher_header and not self.parts.kind.encrypted:
                self.volumes[index].damage("foreign", "it is the first part of an encrypted backup", 0)
            starts = scan.has_cipher_header or (scan.last_index is not None)
            if index == 0 or not starts or self.volumes[index].status != "intact":
                continue
            self.volumes[index].damage("out_of_order", "it is the first part of a backup", 0)
            starts_too = first is not None and first.last_index is not None
            if first and not starts_too and self.volumes[0].status in ("intact", "corrupt") and not first.fault:
                self.volumes[0].status = "intact"
                self.volumes[0].damage("out_of_order", f"the first part lies under the name {scan.name}", 0)

    def _check_twins(self) -> None:
        """Of parts with the same bytes, keep the one that fits its neighbours best, and mark the others as copies.

        Parts without any header may be alike: they lie wholly within the content of one entry, such as zeros.
        """
        groups: dict[str, list[int]] = {}
        for index, scan in self.scans.items():
            if index < self.count and scan.walk is not None and scan.walk.first is not None and not scan.fault:
                groups.setdefault(scan.sha256, []).append(index)
        for twins in groups.values():
            right = max(twins, key=self._fit)
            for index in twins:
                if index != right:
                    name = self.parts.name(right)
                    self.volumes[index].damage("out_of_order", f"it holds the same bytes as {name}", 0)

    def _fit(self, index: int) -> int:
        """A score of how well a part's beginning and end agree with the parts beside it."""
        before, scan, after = (self.scans.get(place) for place in (index - 1, index, index + 1))
        if scan is None or scan.walk is None:
            return 0
        if index == 0:  # it was walked from its beginning, which only works for the first part
            first_by_mark = self.count == 1 or scan.marker is None or scan.last_index is not None
            return 3 if first_by_mark and scan.walk.fault is None else -1
        fit = 0
        if before is not None and before.walk is not None:
            fit += before.walk.state.need == scan.walk.first
        if index == self.count - 1:
            fit += scan.walk.state.need == 0
        elif after is not None and after.walk is not None:
            fit += scan.walk.state.need == after.walk.first
        return fit

    def _check_sizes(self) -> None:
        """Mark parts of another size: all but the last hold the same number of bytes of the stream."""
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
        """Mark both where the last part lies under the name of one in the middle: it is short, and the last is full."""
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

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repair of a damaged part: only the ranges around the damage are fetched again and compared."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.bit_flip import flipped
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.inflate import READ_SIZE
from ansible_collections.boxlift.portal.plugins.module_utils.download.account import Account
from ansible_collections.boxlift.portal.plugins.module_utils.download.failures import (
    always_damaged,
    damaged_at_source,
    rebuilt,
)
from ansible_collections.boxlift.portal.plugins.module_utils.download.partial import PartialFile
from ansible_collections.boxlift.portal.plugins.module_utils.download.request import FetchRequest
from ansible_collections.boxlift.portal.plugins.module_utils.download.retry import Rebuilt
from ansible_collections.boxlift.portal.plugins.module_utils.download.schedule import ScheduledPart
from ansible_collections.boxlift.portal.plugins.module_utils.download.sources import Sources
from ansible_collections.boxlift.portal.plugins.module_utils.download.transfer import Transfer

# Damage shows at most one block of the inflater behind the offset that the fault names.
_SLACK = READ_SIZE + 4096
SPARE_ROUNDS = 3


class Mended(t.NamedTuple):
    """What a repair took; `differs` is False where every source has the same bytes as we."""

    differs: bool
    bytes: int
    ranges: int


class Repairs:
    """Safe to use from several threads, each for another part."""

    def __init__(self, request: FetchRequest, sources: Sources, transfer: Transfer, account: Account) -> None:
        self._request = request
        self._sources = sources
        self._transfer = transfer
        self._account = account

    def repair(self, part: ScheduledPart) -> str:
        """The part's new state: whole, to be proven again, or new where its copy was of no use. Raises BoxliftError."""
        fault = part.fault
        self._check_rounds(part)
        repair = self._account.repair(part, fault.status, fault.reason)
        try:
            mended = mend(part.file, fault, self._sources, self._transfer, self._request.segment)
        except Rebuilt as change:
            if change.version == "other":
                raise rebuilt(part.file.name, str(change), self._request.dest) from change
            # The copy was cut: it is fetched anew, as a whole.
            part.file.discard()
            part.refetched = repair
            return "new"
        self._account.again(repair, mended.bytes, mended.ranges)
        if not mended.differs and not part.doubted:
            raise damaged_at_source(part.file.name, fault.status, fault.reason)
        if not mended.differs:
            self._account.repairs.remove(repair)  # the blame may be another part's
        part.doubted = False
        return "whole"

    def _check_rounds(self, part: ScheduledPart) -> None:
        """Every range may be damaged, one after the other; beyond that, what comes is damaged each time anew."""
        part.rounds += 1
        if part.rounds > len(part.file.numbers()) + SPARE_ROUNDS:
            raise always_damaged(part.file.name, part.rounds, part.fault.status, part.fault.reason)


def mend(part: PartialFile, fault: PartFault, sources: Sources, transfer: Transfer, size: int) -> Mended:
    """Replace the first range of `size` bytes that the source has otherwise; all of them where nothing shows a place.

    Damage lies at or before the place where it shows, and not before the gzip member that shows it; so the ranges
    up to there come first, from every source, and the rest of the part after them. Raises Rebuilt.
    """
    got = count = 0
    differs = False
    whole = []
    for ranges in _suspects(part, fault, size):
        for source in sources.live():
            for first, last in ranges:
                if source in whole or source.left:
                    break
                compared = transfer.compare(part, first, last, source)
                if compared is None:
                    break
                got, count = got + compared.bytes, count + 1
                differs = differs or compared.differs
                if differs and fault.offset < part.total:
                    return Mended(True, got, count)
                if compared.whole:
                    whole.append(source)
            if differs:
                return Mended(True, got, count)
    return Mended(False, got, count)


def _suspects(part: PartialFile, fault: PartFault, size: int) -> list[list[tuple[int, int]]]:
    """First the ranges from the damage back to where it can have begun, then those behind it and those before."""
    total = part.total
    since = min(max(0, fault.since), total)
    end = min(total, max(since, fault.offset) + _SLACK)
    bit = flipped(part.path, since) if fault.status == "corrupt" else None
    near = [(max(0, bit[0] - READ_SIZE), min(total, bit[1] + READ_SIZE) - 1)] if bit else []
    back = [(max(since, last + 1 - size), last) for last in range(end - 1, since - 1, -size)]
    behind = [(first, min(first + size, total) - 1) for first in range(end, total, size)]
    before = [(max(0, last + 1 - size), last) for last in range(since - 1, -1, -size)]
    return [near, back, behind + before]

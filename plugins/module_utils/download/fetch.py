# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch a whole backup: every part, then the proof that they make one backup, then repair of what does not fit."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.assembly import Assembly
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import PartFiles, kind_of, split_name
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import KnownCount, Report, Volume
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import scan_part
from ansible_collections.boxlift.portal.plugins.module_utils.download.account import Account
from ansible_collections.boxlift.portal.plugins.module_utils.download.bandwidth import BandwidthLimit
from ansible_collections.boxlift.portal.plugins.module_utils.download.failures import damaged_at_source
from ansible_collections.boxlift.portal.plugins.module_utils.download.proof import Placing, Prove, Prover
from ansible_collections.boxlift.portal.plugins.module_utils.download.request import FetchRequest
from ansible_collections.boxlift.portal.plugins.module_utils.download.sources import Sources
from ansible_collections.boxlift.portal.plugins.module_utils.download.state import FetchState
from ansible_collections.boxlift.portal.plugins.module_utils.download.threads import Work
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.client import Client
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock
from ansible_collections.boxlift.portal.plugins.module_utils.workers import processors

__all__ = ("Fetch", "Prove")

REPAIR_ROUNDS = 3


class Fetch:
    """One backup into one directory; `run()` fetches what is not there yet and proves every part once.

    `prove` is called for every part when it is complete, from any thread, for the first part before all others; without
    it the parts are scanned here. After a run that proved anything, `report` holds the proof.
    """

    def __init__(
        self,
        request: FetchRequest,
        client: Client,
        pace: BandwidthLimit,
        *,
        prove: Prove | None = None,
        progress: Progress | None = None,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._sources = Sources(request.url, request.mirrors, client)
        self._base = self._sources.base
        self._kind = kind_of(self._base)
        self._expected = request.sums(self._base)
        if any(source.local and _same_folder(source.host, request.dest) for source in self._sources.live()):
            raise BoxliftError(
                f"The parts to be copied lie in {request.dest} (dest) already.",
                "Prove them there with backup_verify, or give another directory in dest.",
            )
        self._request = request
        self._pace = pace
        self._prove = prove
        self._progress = progress
        self._sleep = sleep
        self.report: Report | None = None

    @property
    def path(self) -> str:
        """Where the first part lies once it is here."""
        return os.path.join(self._request.dest, self._base)

    def complete(self) -> bool:
        """Whether an earlier run fetched and proved all that is asked for, and the files are as it left them."""
        state = FetchState(self._request.dest, self._base)
        if not state.result or not (state.result["intact"] or not self._request.password):
            return False
        if not state.result["intact"] and (self._expected or self._request.part_count is not None):
            return False  # what was not known then may be proven now
        sums = {name: part["sha256"] for name, part in state.parts.items()}
        return all(map(state.unchanged, state.parts)) and all(
            sums.get(name) == value for name, value in self._expected.items()
        )

    def run(self) -> dict[str, t.Any]:
        """The result, with `changed`. Raises BoxliftError; what has arrived is kept for the next run."""
        os.makedirs(self._request.dest, mode=0o700, exist_ok=True)
        with Lock(os.path.join(self._request.dest, f".{self._base}.lock"), f"The download of {self._base}"):
            state = FetchState(self._request.dest, self._base)
            if self.complete():
                nothing = {"bytes_fetched": 0, "bytes_refetched": 0, "repairs": [], "timeline": [], "warnings": []}
                return {**(state.result or {}), **nothing, "changed": False}
            account = Account(self._progress)
            with contextlib.ExitStack() as stack:
                prove, provers, prover = self._prove, processors(), None
                if prove is None:
                    prove = prover = stack.enter_context(Prover(self._base, self._kind, provers))
                placing = Placing(self._request, self._base, state, prove)
                if prover:
                    prover.cipher = lambda: placing.cipher
                work = Work(self._request, self._sources, state, account, self._pace, self._sleep, placing, provers)
                stack.enter_context(work)
                self.report = self._judge(work, state)
            account.tell(work.schedule)
            result = self._result(self.report, work, account)
            state.conclude(result)
            return {**result, "changed": True}

    def _judge(self, work: Work, state: FetchState) -> Report:
        """The proof of the whole, from the proofs of its parts; those that do not fit are compared with the source."""
        for repairs_left in reversed(range(REPAIR_ROUNDS + 1)):
            work.schedule.idle()
            if len(work.placing.scans) > 1 and not state.compared:
                work.same_backup()
                state.was_compared()
            report = self._assemble(work, state)
            if self._expected and not report.end_proven and set(self._expected) == {v.name for v in report.volumes}:
                report.prove_end(f"the sums of the source, which are for {len(report.volumes)} parts")
            damaged = [volume for volume in report.damaged() if volume.index in work.placing.scans]
            if report.intact or not damaged or not repairs_left:
                break
            self._repair(work, damaged)
        absent = sorted(set(self._expected) - {volume.name for volume in report.volumes})
        if absent:
            raise BoxliftError(
                f"expected names {absent[0]}, and the backup has {len(report.volumes)} parts.",
                "Ask the source for the missing part, or correct expected.",
            )
        if not report.sound:
            raise BoxliftError(
                f"The backup was fetched and is not intact. {report.summary()}",
                "Order a new backup.",
                **report.as_dict(),
            )
        return report

    def _assemble(self, work: Work, state: FetchState) -> Report:
        scans = dict(sorted(work.placing.scans.items()))
        present = {index: os.path.join(self._request.dest, scan.name) for index, scan in scans.items()}
        parts = PartFiles(self._request.dest, self._base, self._kind, present)
        known, exclude = state.told(), self._request.exclude
        if self._request.part_count is not None:
            known = KnownCount(self._request.part_count, "the number that the task states")
        report = Assembly(parts, work.placing.cipher, scans, None, exclude=exclude, known=known).report()
        if report.sound or self._prove is None:
            return report
        # Whoever proved the parts may have known how each begins; to name damage, all are read as if nobody did.
        alone = {index: scan_part(parts, work.placing.cipher, index, exclude=exclude) for index in scans}
        return Assembly(parts, work.placing.cipher, alone, None, exclude=exclude, known=known).report()

    def _repair(self, work: Work, damaged: list[Volume]) -> None:
        """Ends when the source has other bytes for at least one of them."""
        before = {volume.index: volume.sha256 for volume in damaged}
        for volume in damaged:
            offset = volume.size if volume.offset is None else volume.offset
            work.doubt(volume.index, PartFault(volume.status, volume.reason, offset))
        work.schedule.idle()
        if all(work.placing.scans[index].sha256 == sha256 for index, sha256 in before.items()):
            raise damaged_at_source(damaged[0].name, damaged[0].status, damaged[0].reason)

    def _result(self, report: Report, work: Work, account: Account) -> dict[str, t.Any]:
        proven = report.as_dict()
        if self._kind.encrypted and work.placing.cipher is None:
            proven["intact"] = None  # nobody has looked inside
        return {
            "path": self.path,
            "bytes_fetched": account.fetched,
            "bytes_refetched": account.refetched,
            "repairs": sorted(account.repairs, key=lambda repair: split_name(repair["name"])[1]),
            "timeline": [
                {
                    "name": work.schedule.part(volume.index).file.name,
                    "index": volume.index,
                    "fetched": work.schedule.part(volume.index).moments.get("fetched"),
                    "proven": work.schedule.part(volume.index).moments.get("proven"),
                }
                for volume in report.volumes
            ],
            "warnings": [*self._sources.warnings(), *([] if report.end_proven else [report.summary()])],
            **proven,
        }


def _same_folder(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)

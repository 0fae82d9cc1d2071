# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The passes of a move: `begin`, any number of `warm`, `final` after the freeze, and `reverse` for a way back.

Every pass may be killed and run again. It brings both stores up to date, compares them, refuses or writes, and reads
again what the target has now. Only `final` and `reverse` prove and grade.
"""

from __future__ import annotations

import math
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import Answer, RestError
from ansible_collections.boxlift.portal.plugins.module_utils.crm.commands import Command
from ansible_collections.boxlift.portal.plugins.module_utils.crm.difference import difference
from ansible_collections.boxlift.portal.plugins.module_utils.crm.snapshot import PassResult, refresh
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import grade as grading
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import mapping as m
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import options as o
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import planning as p
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.comparing import (
    BASE_PASS,
    CHILDREN,
    Comparison,
    same_moment,
)
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.former import Adoption, adopt_former
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.idmap import FORWARD, REVERSE, IdMap, Synced
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.planning import Plan, Row, Skipped
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.verify import (
    FORMER,
    Side,
    Verification,
    verify,
)
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.writing import (
    BATCH_IMPORT,
    GONE,
    MISSING_METHOD,
    WAY,
    Rest,
    Teller,
    Writer,
    Written,
)
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock

BEGIN, WARM, FINAL, REVERSE_MODE = MODES = ("begin", "warm", "final", "reverse")
# What is read besides the records themselves.
NAMES = ("type", "status", "category", "field", "user")
FOUND_IN_WRITES = 5000  # pairs of one transaction
TOUCHED = "touched"  # note of the id map: records of the baseline that were written to, by kind
LATE = 200  # records that changed during the final pass, of which so many are named
RATE, BURST = 2.0, 50.0  # requests per second and at once, of all plans but the largest
NO_METHOD = MISSING_METHOD | {"INSUFFICIENT_SCOPE", "insufficient_scope"}


@dataclass
class Result:
    """What a pass found and did."""

    mode: str
    changed: bool = False
    baseline: dict[str, int] = field(default_factory=dict)
    plan: dict[str, dict[str, int]] = field(default_factory=dict)
    forecast: Row = field(default_factory=dict)
    written: dict[str, dict[str, int]] = field(default_factory=dict)
    own: dict[str, int] = field(default_factory=dict)
    refusals: list[dict[str, str]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    conflicts: list[p.Conflict] = field(default_factory=list)
    late: list[Row] = field(default_factory=list)
    lost_answers: int = 0
    doubles_removed: int = 0
    grade: str | None = None
    proof: Verification | None = None
    delta: Row | None = None
    paths: dict[str, str] = field(default_factory=dict)
    idmap: str = ""
    phases: dict[str, float] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)


class Transfer:
    """One move between a cloud and a box. `check` plans and writes nothing, neither into a portal nor into the map."""

    def __init__(
        self,
        cloud: Rest,
        box: Rest,
        cloud_store: Store,
        box_store: Store,
        path: str,
        options: o.Options,
        *,
        check: bool = False,
        folder: str | None = None,
        frozen: float | None = None,
        share: float = 1.0,
        progress: Teller | None = None,
        clock: t.Callable[[], float] = time.monotonic,
        wall: t.Callable[[], float] = time.time,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self.cloud, self.box, self.cloud_store, self.box_store = cloud, box, cloud_store, box_store
        self.path, self.options, self.check, self.folder, self.frozen = path, options, check, folder, frozen
        self._share, self._progress = share, progress
        self._clock, self._wall, self._sleep = clock, wall, sleep
        self._result = Result("")
        self._adoption: Adoption | None = None  # what was learnt from exports, for the result

    def run(self, mode: str) -> Result:
        """Raises Refused before the first write, and BoxliftError."""
        self._result = Result(mode, idmap=self.path)
        began, counted = self._wall(), {each: each.requests for each in (self.cloud, self.box)}
        with (
            Lock(f"{self.path}.lock", f"The transfer {self.path}"),
            IdMap(self.path, REVERSE if mode == REVERSE_MODE else FORWARD) as idmap,
        ):
            try:
                if mode == BEGIN:
                    self._begin(idmap)
                else:
                    self._pass(idmap, mode, began)
            finally:
                self._result.requests = {each.name: each.requests - former for each, former in counted.items()}
        return self._result

    # -- begin

    def _begin(self, idmap: IdMap) -> None:
        """Note which ids are the same on both sides: those that the box has before anybody works in it."""
        result = self._result
        result.baseline = idmap.maxima()
        if idmap.note("begun"):
            return
        self._timed("read", lambda: self._refresh_both(idmap))
        names = self._names()
        maxima = self._maxima()
        result.baseline = maxima
        if not self.check:
            with idmap.together():
                idmap.set_baseline(maxima)
                for kind in self._kinds(self.cloud_store):
                    there = set(self.box_store.ids(kind))
                    upto = maxima.get(kind, 0)
                    idmap.add_absent(kind, (n for n in self.cloud_store.ids(kind) if n <= upto and n not in there))
                self._look_for_comments(idmap)
                idmap.set_note(f"{BASE_PASS} {FORWARD}", _newest(self.box_store))
                clocks = {store.path: each.clock for store in self._stores() if (each := store.newest())}
                hosts = [self.cloud.name, self.box.name]
                passes = [_newest(self.cloud_store), _newest(self.box_store)]
                idmap.set_note("begun", {"at": self._wall(), "clocks": clocks, "hosts": hosts, "passes": passes})
            result.changed = True
            result.doubles_removed = self._adopt(
                idmap, self._comparison(idmap, *names, *self._stores(), self.box), self.box, self.box_store
            )
            comparison = self._compared(idmap, *names)
            result.plan, result.own = comparison.plan.counts(), comparison.plan.own
            result.refusals = [
                each.as_result() for each in [*self._checks(self.cloud, self.box), *comparison.plan.refusals]
            ]
            result.forecast = self._forecast(idmap, comparison.plan)

    def _stores(self) -> tuple[Store, Store]:
        return self.cloud_store, self.box_store

    def _kinds(self, store: Store) -> list[str]:
        return [kind for kind in store.kind_names() if kind in m.ENTITY_TYPES or ":" in kind or kind in p.ORDER[-2:]]

    def _maxima(self) -> dict[str, int]:
        """The highest id of each kind in the box; nothing at all where the box is empty, since no id is shared then."""
        store = self.box_store
        found = {kind: self._shared_upto(kind) for kind in self._kinds(store)}
        restored = any(is_ours for _upto, is_ours in found.values())
        # Where nothing at all is the same, the box is no copy of this cloud: the comparison refuses, and says why.
        items = {kind: upto if restored else store.max_id(kind) for kind, (upto, _ours) in found.items()}
        if not any(number for kind, number in items.items() if kind not in p.ORDER[-2:]):
            return {}
        for kind in ("user", "status", "type"):
            items[kind] = store.max_id(kind)
        for _number, row in store.records("category"):
            key = f"category:{m.number_of(row.get('entityTypeId'))}"
            items[key] = max(items.get(key, 0), m.number_of(row.get("id")))
        return {kind: number for kind, number in items.items() if number}

    def _shared_upto(self, kind: str) -> tuple[int, bool]:
        """Up to which id both have the same records, and whether anything says that this box belongs to this cloud.

        Above are those that people or telephony have made in the box since the restore, and what a transfer has written
        whose id map was lost.
        """
        upto, is_ours = self.box_store.max_id(kind), False
        numbers = sorted(self.box_store.ids(kind), reverse=True)
        for number, next_lower in zip(numbers, [*numbers[1:], 0]):
            ours, there = self.cloud_store.record(kind, number), self.box_store.record(kind, number) or {}
            if kind != "comment" and m.id_in_key(kind, self.cloud.name, there) is not None:
                is_ours = True
            elif ours is None:
                continue
            elif same_moment(kind, ours, there):
                return upto, True
            upto = next_lower
        return upto, is_ours

    def _look_for_comments(self, idmap: IdMap) -> None:
        """Comments have no key. Where a transfer has written some, new ones are looked for by their text, as if the run
        that wrote them had been killed."""
        beyond = self.box_store.ids("comment", after=idmap.maximum("comment"))
        texts = (str((self.box_store.record("comment", number) or {}).get("COMMENT") or "") for number in beyond)
        if any(map(m.COMMENT_HEAD.match, texts)):
            new = [n for n in self.cloud_store.ids("comment") if idmap.target_of("comment", n) is None]
            idmap.begin_writing("comment", new)

    def _part_numbers(self, idmap: IdMap) -> None:
        """What the cloud has made since the baseline is none of the box's, which may have used the same numbers."""
        at = (idmap.note("begun").get("passes") or [None])[0]
        if at not in {each.number for each in self.cloud_store.snapshots()}:
            return
        for kind in self._kinds(self.cloud_store):
            upto = idmap.maximum(kind)
            if upto:
                then = set(self.cloud_store.ids(kind, at))
                idmap.add_absent(kind, (n for n in self.cloud_store.ids(kind) if n <= upto and n not in then))

    # -- every other pass

    def _sides(self, mode: str) -> tuple[Rest, Rest, Store, Store]:
        if mode == REVERSE_MODE:
            return self.box, self.cloud, self.box_store, self.cloud_store
        return self.cloud, self.box, self.cloud_store, self.box_store

    def _pass(self, idmap: IdMap, mode: str, began: float) -> None:
        result = self._result
        begun = idmap.note("begun")
        if not begun:
            raise BoxliftError(
                f"{self.path} has no baseline: which records are the same on both sides is not known.",
                "Run the mode begin first, after the restore and before anybody works in the box.",
            )
        if begun["hosts"] != [self.cloud.name, self.box.name]:
            raise BoxliftError(
                f"{self.path} belongs to the move from {begun['hosts'][0]} to {begun['hosts'][1]}.",
                "Every move has a file of its own: correct the webhooks or the option id_map.",
            )
        if mode == REVERSE_MODE and not idmap.note("final"):
            raise BoxliftError(
                "There is no final pass to take back: nothing has been opened.",
                "Run the mode final; reverse carries what was made in the box after it.",
            )
        result.baseline = idmap.maxima()
        source, target, source_store, target_store = self._sides(mode)
        refusals = self._checks(source, target)
        self._timed("read", lambda: self._refresh_both(idmap))
        comparison, writer = self._planned(idmap, source, target, source_store, target_store, refusals)
        plan = comparison.plan
        result.plan, result.own = plan.counts(), plan.own
        result.forecast = self._forecast(idmap, plan)
        result.skipped, result.conflicts = plan.skipped, plan.conflicts
        refusals += plan.refusals
        result.refusals = [each.as_result() for each in refusals]
        if self.check:
            result.changed = plan.writes() > 0
            return
        if refusals:
            raise o.Refused(refusals)
        passes = (_newest(source_store), _newest(target_store))
        # A run that is killed while it writes leaves the list of what its records lack.
        idmap.set_skipped(plan.skipped, plan.renewed())
        written = self._timed("write", lambda: writer.run(plan))
        self._keep_found_equal(idmap, plan, passes)
        if mode != WARM:
            returned = self._timed("origins", writer.give_back_origins)
            if returned:
                result.written["origins"] = {"updated": returned}
        if plan.writes() or result.written.get("origins"):
            self._timed("read target", lambda: self._refresh(target, target_store))
            result.doubles_removed += self._adopt(idmap, comparison, target, target_store)
            self._keep_written(idmap, comparison, written, passes[0])
        self._done(idmap, written, plan)
        if mode != WARM:
            self._prove(idmap, mode, comparison, passes[0], began)
            idmap.set_note(mode, {"at": self._wall(), "grade": result.grade})
            other = REVERSE if mode == FINAL else FORWARD
            idmap.set_note(f"{BASE_PASS} {other}", _newest(source_store))

    def _planned(
        self,
        idmap: IdMap,
        source: Rest,
        target: Rest,
        source_store: Store,
        target_store: Store,
        refusals: list[o.Refusal],
    ) -> tuple[Comparison, Writer]:
        """What is to be written, after what an earlier run has left half done is known."""
        names = self._names(source_store is self.box_store)
        comparison = self._comparison(idmap, *names, source_store, target_store, target)
        writer = self._writer(comparison, source, target, target_store)
        if not self.check:
            self._part_numbers(idmap)
            writer.settle_earlier()
            self._result.doubles_removed = self._adopt(idmap, comparison, target, target_store)
            comparison = self._comparison(idmap, *names, source_store, target_store, target)
        self._timed("compare", comparison.run)
        # Pipelines first: their stages come with them, so that the rest is decided by comparing again.
        for _round in range(3):
            if not comparison.mapping.to_create or self.check or refusals or comparison.plan.refusals:
                break
            self._create_statuses(comparison.mapping, target)
            self._refresh(target, target_store)
            names = self._names(source_store is self.box_store)
            comparison = self._comparison(idmap, *names, source_store, target_store, target)
            self._timed("compare", comparison.run)
        missing = list(comparison.mapping.to_create.values())
        if missing and not self.check and not refusals and not comparison.plan.refusals:
            comparison.plan.refusals.append(
                o.Refusal(
                    o.MISSING_STATUS,
                    f"{target.name} has no {missing[0].name} ({missing[0].status_id or 'pipeline'}) of"
                    f" {missing[0].entity}, although it was made: {len(missing)} in all.",
                    "Make it by hand in the portal's settings.",
                )
            )
        return comparison, self._writer(comparison, source, target, target_store)

    def _writer(self, comparison: Comparison, source: Rest, target: Rest, target_store: Store) -> Writer:
        return Writer(
            target, source, target_store, comparison, progress=self._progress, clock=self._clock, sleep=self._sleep
        )

    def _names(self, reverse: bool = False) -> tuple[m.Names, m.Names]:
        names = (m.Names(self.cloud.name, self.cloud_store), m.Names(self.box.name, self.box_store))
        return names[::-1] if reverse else names

    def _compared(self, idmap: IdMap, source: m.Names, target: m.Names) -> Comparison:
        comparison = self._comparison(idmap, source, target, self.cloud_store, self.box_store, self.box)
        comparison.run()
        return comparison

    def _comparison(
        self, idmap: IdMap, source: m.Names, target: m.Names, source_store: Store, target_store: Store, rest: Rest
    ) -> Comparison:
        mapping = m.Mapping(source, target, idmap, self.options)
        return Comparison(
            source_store, target_store, idmap, mapping, self.options, lambda numbers: _products(rest, numbers)
        )

    # -- reading

    def _timed(self, phase: str, work: t.Callable[[], t.Any]) -> t.Any:
        if self._progress is not None:
            self._progress.tell(phase=phase)
        began = self._clock()
        try:
            return work()
        finally:
            spent = self._result.phases.get(phase, 0.0) + self._clock() - began
            self._result.phases[phase] = round(spent, 3)

    def _refresh(self, rest: Rest, store: Store, names: t.Sequence[str] | None = None) -> PassResult:
        wanted = names or [*NAMES, *(kind for kind in self.options.kinds)]
        return refresh(rest, store, wanted, files=self.options.files, progress=self._progress)

    def _refresh_both(self, idmap: IdMap) -> None:
        with ThreadPoolExecutor(2) as lanes:
            portals = ((self.cloud, self.cloud_store), (self.box, self.box_store))
            for done in [lanes.submit(self._refresh, rest, store) for rest, store in portals]:
                done.result()

    # -- before the first write

    def _checks(self, source: Rest, target: Rest) -> list[o.Refusal]:
        """What the portals must allow. What they do not say is not held against them."""
        found = []
        # Without fields an import does nothing, but says whether there is such a method. `method.get` does not know.
        asked = [Command("user.admin", {}), Command("crm.item.import", {"entityTypeId": 1})]
        admin, imports = target.batch(asked)
        if isinstance(admin, RestError):
            admin = target.batch([Command("profile", {})])[0]
        result = admin.result if isinstance(admin, Answer) else None
        if (result.get("ADMIN") if isinstance(result, dict) else result) is False:
            found.append(
                o.Refusal(
                    o.NOT_ADMIN,
                    f"The webhook of {target.name} belongs to somebody who is not an administrator there: the portal"
                    " would ignore the dates of creation silently.",
                    "Make the webhook as an administrator of the portal.",
                )
            )
        if isinstance(imports, RestError) and imports.code in MISSING_METHOD:
            found.append(
                o.Refusal(
                    o.NO_IMPORT,
                    f"{target.name} has no method crm.item.import: dates would be lost, and robots would run.",
                    "Update the portal's module crm.",
                )
            )
        if self.options.offline_events == "required":
            (feature,) = source.batch([Command("feature.get", {"CODE": "rest_offline_extended"})])
            value = feature.result.get("value") if isinstance(feature, Answer) else None
            # A box of one's own answers with the name of its edition.
            if value in (None, "N", False):
                found.append(
                    o.Refusal(
                        o.NO_OFFLINE_EVENTS,
                        f"The plan of {source.name} has no offline events, which the option offline_events demands.",
                        "Change the plan, or set offline_events to no: deletions are then found by comparing ids.",
                    )
                )
        return found

    def _adopt(self, idmap: IdMap, comparison: Comparison, target: Rest, target_store: Store) -> int:
        """Records of the target under our keys that the map does not know; a second one of the same key is removed."""
        mapping, removed = comparison.mapping, 0
        for kind in comparison.kinds():
            target_kind = mapping.target_kind(kind)
            if target_kind is None or kind == "comment":
                continue
            key = mapping.key(kind)
            known = {target_id for _number, target_id in idmap.pairs(key)}
            doubles: list[int] = []
            for target_id in target_store.ids(target_kind, after=idmap.maximum(key)):
                if target_id in known:
                    continue
                row = target_store.record(target_kind, target_id) or {}
                number = m.id_in_key(target_kind, mapping.source.host, row)
                if number is None:
                    continue
                former = idmap.target_of(key, number)
                if former is not None and target_store.record(target_kind, former) is not None:
                    doubles.append(target_id)
                else:
                    idmap.add_pairs(key, [(number, target_id)], "found")
                    origin = comparison.foreign_origin(kind, comparison.source.record(kind, number) or {})
                    if origin:
                        idmap.owe(key, number, "origin", dict(zip(m.key_names(kind), origin)))
            removed += self._remove(target, target_store, target_kind, doubles)
        return removed

    def _remove(self, target: Rest, target_store: Store, kind: str, numbers: t.Sequence[int]) -> int:
        commands = [
            Command("crm.activity.delete", {"id": number})
            if kind == "activity"
            else Command("crm.item.delete", {"entityTypeId": m.entity_type_of(kind), "id": number})
            for number in numbers
        ]
        for outcome in target.batch(commands) if commands else []:
            if isinstance(outcome, RestError) and outcome.code in GONE:
                continue
            if not isinstance(outcome, Answer):
                raise outcome
        if numbers:
            self._refresh(target, target_store)
        return len(numbers)

    def _create_statuses(self, mapping: m.Mapping, target: Rest) -> None:
        """Only pipelines, where any is missing; else statuses."""
        wanted = list(mapping.to_create.values())
        pipelines = [each for each in wanted if not each.status_id]
        commands = [
            Command("crm.category.add", {"entityTypeId": int(each.entity), "fields": {"name": each.name}})
            for each in pipelines
        ] or [
            Command(
                "crm.status.add",
                {
                    "fields": {
                        "ENTITY_ID": each.entity,
                        "STATUS_ID": each.status_id.rpartition(":")[2],
                        "NAME": each.name,
                        "SORT": each.sort,
                        "SEMANTICS": each.semantics,
                    }
                },
            )
            for each in wanted
        ]
        for outcome in target.batch(commands, repeat=False):
            if not isinstance(outcome, Answer):
                raise outcome

    # -- after the writes

    def _keep_found_equal(self, idmap: IdMap, plan: Plan, passes: tuple[int, int]) -> None:
        for first in range(0, len(plan.found_equal), FOUND_IN_WRITES):
            some = plan.found_equal[first : first + FOUND_IN_WRITES]
            idmap.set_synced_many(
                (each.key, each.id, each.target_id, Synced(each.source_hash, each.target_hash, *passes))
                for each in some
            )

    def _keep_written(self, idmap: IdMap, comparison: Comparison, written: Written, source_pass: int) -> None:
        """From now on, what differs from this was changed by people."""
        mapping, target = comparison.mapping, comparison.target
        target_pass = _newest(target)
        for kind, equal in written.equal.items():
            rows = kind.startswith("rows:")
            name = kind.partition(":")[2] if rows else kind
            key, target_kind = mapping.key(name), mapping.target_kind(name) or name
            found = []
            for number, digest in equal:
                target_id = idmap.target_of(key, number)
                if target_id is None:
                    continue
                if rows:
                    there: bytes | None = comparison.rows_digest(target_kind, target_id)
                else:
                    row = target.record(target_kind, target_id)
                    there = None if row is None else kinds.hash_of(target_kind, row)
                    if row is not None and self.options.files and self._has_other_files(comparison, kind, number, row):
                        continue  # the next pass sees it as different, and writes the files again
                full_key = f"rows:{key}" if rows else key
                found.append((full_key, number, target_id, Synced(digest, there, source_pass, target_pass)))
            idmap.set_synced_many(found)
            with idmap.together():
                for number, _digest in equal:
                    idmap.paid(key, number, "sent")

    def _has_other_files(self, comparison: Comparison, kind: str, number: int, there: Row) -> bool:
        """Whether a file came back from the target with another sum than it was written with. It is listed then."""
        wrong = comparison.files_that_differ(kind, number, there)
        if wrong:
            text = f"The content that {comparison.mapping.target.host} gives back is not what was written."
            comparison.skip(kind, number, p.FILE_LEFT, text, tuple(wrong))
        return bool(wrong)

    def _done(self, idmap: IdMap, written: Written, plan: Plan) -> None:
        result = self._result
        result.written = {**{kind: dict(counts) for kind, counts in written.counts.items()}, **result.written}
        result.lost_answers = written.lost_answers
        result.changed = any(counts.values() for counts in result.written.values() if counts)
        # Old activities, comments and owners of product rows that were written to: the proof looks at them, too.
        touched: dict[str, list[int]] = dict(idmap.note(f"{TOUCHED} {idmap.direction}") or {})
        for name, equal in written.equal.items():
            kind = name.partition(":")[2] if name.startswith("rows:") else name
            if name.startswith("rows:") or kind in CHILDREN:
                old = {number for number, _digest in equal if number <= idmap.maximum(kind)}
                touched[kind] = sorted(old.union(touched.get(kind, ())))
        idmap.set_note(f"{TOUCHED} {idmap.direction}", touched)
        idmap.set_skipped([*plan.skipped, *written.skipped], plan.renewed())
        idmap.add_conflicts(plan.conflicts)
        result.skipped, result.conflicts = idmap.skipped(), idmap.conflicts()
        for kind, seconds in written.seconds.items():
            count = written.counts[kind]["created"] if kind in written.counts else 0
            if count >= 20:
                idmap.set_note(f"seconds {self._result.mode == REVERSE_MODE} {kind}", seconds / count)

    def _prove(self, idmap: IdMap, mode: str, comparison: Comparison, source_pass: int, began: float) -> None:
        """A second look at the source must find nothing; then everything is compared by somebody else's code."""
        result = self._result
        source, target, source_store, target_store = self._sides(mode)
        self._timed("look again", lambda: self._refresh(source, source_store))
        result.late = self._late(source_store, source_pass, comparison.mapping.source)
        touched: dict[str, list[int]] = dict(idmap.note(f"{TOUCHED} {idmap.direction}") or {})
        for one in result.skipped:
            if one.code == p.UPDATED_TIME:
                touched.setdefault(one.kind, []).append(one.id)
        names = [*comparison.kinds(), *(["productrow"] if "productrow" in self.options.kinds else [])]
        # What has changed on either side since both were equal is compared, whoever has changed it.
        passes: list[int | None] = idmap.note("begun").get("passes", [None, None])
        ours, theirs = passes[::-1] if mode == REVERSE_MODE else passes
        proof: Verification = self._timed(
            "prove",
            lambda: verify(
                Side(comparison.mapping.source, t.cast(t.Any, source_store), t.cast(t.Any, source), ours),
                Side(comparison.mapping.target, t.cast(t.Any, target_store), t.cast(t.Any, target), theirs),
                idmap,
                names,
                touched,
                fallback_user=self.options.fallback_user,
                clock=self._clock,
            ),
        )
        changes = {
            kind: grading.Changes(*(int(counts.get(name) or 0) for name in ("created", "updated", "deleted")))
            for kind, counts in result.written.items()
            if kind != "origins"
        }
        course = grading.Course(
            mode, began, self._wall(), self.frozen, dict(result.phases), changes, _limits(source, target)
        )
        full = grading.full_result(proof, course, result.skipped, result.conflicts, self._adoption)
        delta = full["delta"]
        if result.late:
            if grading.GRADES.index(delta["grade"]) < grading.GRADES.index(grading.INVESTIGATE):
                delta["grade"] = grading.INVESTIGATE
            first = result.late[0]
            delta["reasons"].insert(
                0,
                f"{source.name} changed while the final pass ran: {len(result.late)} records, the first is"
                f" {first['kind']} {first['id']} ({first['what']}, by {first['who'] or 'nobody knows whom'}).",
            )
            delta["text"] = f"{source.name} is not frozen: run the final pass again once it is."
        delta["late"] = len(result.late)
        full["late"] = result.late
        result.proof, result.grade, result.delta = proof, delta["grade"], delta
        if self.folder:
            result.paths = grading.write_result(self.folder, full, result.skipped)

    def _late(self, store: Store, before: int, names: m.Names) -> list[Row]:
        newest = store.newest()
        wanted = [kind.partition(":")[0] for kind in self.options.kinds]
        if (
            newest is None
            or newest.number == before
            or not any(
                count.added or count.changed or count.deleted
                for kind, count in newest.kinds.items()
                if kind.partition(":")[0] in wanted
            )
        ):
            return []
        found = difference(store, before, store, newest.number, names=[*wanted], limit=LATE)
        late = []
        for change in found.records:
            user = names.users.get(m.number_of(change.who))
            who = f"{user.name} ({change.who})" if user and user.name else change.who
            late.append(
                {
                    "kind": change.kind,
                    "id": change.id,
                    "what": change.what,
                    "title": change.title,
                    "who": who,
                    "when": change.when,
                }
            )
        return late

    # -- how long

    def _forecast(self, idmap: IdMap, plan: Plan) -> Row:
        """Requests and seconds under the official limits; by what earlier passes measured, where they did."""
        way = idmap.note(f"{WAY} {idmap.direction}") or BATCH_IMPORT
        requests, work, measured = 0, 0.0, False
        for kind, new in plan.creates.items():
            many = 1000 if way == BATCH_IMPORT and kind in self._items() else 50
            requests += math.ceil(len(new) / many)
            seconds = idmap.note(f"seconds {self._result.mode == REVERSE_MODE} {kind}")
            if seconds is not None:
                measured, work = True, work + len(new) * seconds
        for planned in (*plan.updates.values(), *plan.deletes.values(), plan.rows):
            requests += math.ceil(len(planned) / 50)
        by_limit = max(0.0, (requests - BURST * self._share) / (RATE * self._share))
        return {
            "requests": requests,
            "seconds": round(max(by_limit, work), 1),
            "seconds_by_limit": round(by_limit, 1),
            "measured": measured,
        }

    def _items(self) -> set[str]:
        return {kind for kind in self.cloud_store.kind_names() if kind in m.ENTITY_TYPES or kind.startswith("smart:")}

    # -- what a former move has entered by hand

    def adopt_former(self, paths: t.Sequence[str], kind: str = "", zone: t.Any = None) -> Adoption:
        """Learn from exports of a former move which records are in the box already."""
        with Lock(f"{self.path}.lock", f"The transfer {self.path}"), IdMap(self.path) as idmap:
            given = {"zone": zone} if zone is not None else {}
            stores = (t.cast(t.Any, self.cloud_store), t.cast(t.Any, self.box_store))
            adoption = adopt_former(paths, *stores, idmap, kind=kind, **given)
            if not self.check:
                with idmap.together():
                    for name, number in adoption.absent:
                        idmap.add_absent(name, [number])
                    for entry in adoption.entries:
                        idmap.add_pairs(entry.kind, [(entry.source_id, entry.target_id)], "former")
                        known = idmap.note(f"{FORMER} {entry.kind}") or []
                        idmap.set_note(f"{FORMER} {entry.kind}", sorted({*known, entry.source_id}))
            self._adoption = adoption
            return adoption


def _newest(store: Store) -> int:
    newest = store.newest()
    return newest.number if newest else 0


def _limits(*portals: Rest) -> dict[str, tuple[int, int, float]]:
    return {each.name: (each.requests, int(getattr(each, "refused", 0)), each.waited) for each in portals}


def _products(rest: Rest, numbers: t.Collection[int]) -> dict[int, str]:
    """Names of the products that a portal has, of these numbers."""
    wanted = sorted(numbers)
    commands = [Command("crm.product.get", {"id": number}) for number in wanted]
    found = {}
    for number, outcome in zip(wanted, rest.batch(commands)):
        if isinstance(outcome, Answer) and isinstance(outcome.result, dict):
            found[number] = str(outcome.result.get("NAME") or "")
        elif isinstance(outcome, RestError) and outcome.code in NO_METHOD:
            break
    return found


def as_result(result: Result) -> Row:
    """For a module, with lists cut to what people read."""
    content = {name: value for name, value in vars(result).items() if name not in ("proof", "skipped", "conflicts")}
    # Ansible takes a result with a key `skipped` for a task that did not run.
    content["left_behind"] = [asdict(each) for each in result.skipped[: grading.MOST]]
    content["conflicts"] = [asdict(each) for each in result.conflicts[: grading.MOST]]
    return content

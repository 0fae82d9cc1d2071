# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a plan into the target, so that a lost answer or a kill neither loses nor doubles a record.

Before a request the ids of its records are on the disk, and after it the pairs of ids are. Where no answer comes, the
target is asked for the keys of these records until it has stopped working on them; only what it does not have is sent
again. Every kind has one writer, since the target wants the dates of creation in order.
"""

from __future__ import annotations

import base64
import collections
import math
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import Answer, Denied, RestError, Unanswered
from ansible_collections.boxlift.portal.plugins.module_utils.crm.commands import Command, variables
from ansible_collections.boxlift.portal.plugins.module_utils.crm.snapshot import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import mapping as m
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import planning as p
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.comparing import CHILDREN, Comparison
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.idmap import IdMap
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.planning import Plan, Planned, Row, Skipped
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

BATCH = 50  # commands of a request
IMPORTS = 20  # records of one crm.item.batchImport
FIRST, MOST = 100, BATCH * IMPORTS  # records of a request
LONGEST = 20.0  # seconds that a request may take; the cloud ends it after 60
# PHP leaves out silently what is beyond its max_input_vars (1000), also of a command of a batch.
MOST_VARIABLES = 900
LANES = 4
LOOKS = 50  # keys of one command that looks for them
SECOND_LOOK = 0.5  # seconds, at least, before what is not there is looked for again
SETTLED = 2  # looks in a row that must show the same, before what is missing counts as not carried out
MISSING_METHOD = frozenset({"ERROR_METHOD_NOT_FOUND", "METHOD_NOT_FOUND"})
NOT_IN_BATCH = frozenset({"ERROR_BATCH_METHOD_NOT_ALLOWED"})
GONE = frozenset({"NOT_FOUND", "ERROR_NOT_FOUND"})
HALTED = "HALTED"  # a command before it in the batch was refused
BATCH_IMPORT, IMPORT, SINGLE = "batchImport", "import", "single"
WAY = "import way"  # note of the id map: how this target imports
Answered = t.Union[Answer, RestError, Unanswered]
# Of a record that was sent: its new id, a refusal, a lost answer; None: it was not sent, and must be sent again.
Outcome = t.Union[int, RestError, Unanswered, None]


class Teller(t.Protocol):
    def tell(self, **values: t.Any) -> None: ...


class Written:
    """What was done, for the result."""

    def __init__(self) -> None:
        self.counts: dict[str, collections.Counter[str]] = {}
        self.skipped: list[Skipped] = []
        # Kind to ids and hashes of the source's content: equal on both sides from now on.
        self.equal: dict[str, list[tuple[int, bytes]]] = {}
        self.lost_answers = 0
        self.found_again = 0
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, kind: str, what: str, number: int = 1) -> None:
        with self._lock:
            self.counts.setdefault(kind, collections.Counter())[what] += number

    def skip(self, one: Skipped) -> None:
        with self._lock:
            self.skipped.append(one)

    def is_equal(self, kind: str, number: int, digest: bytes) -> None:
        with self._lock:
            self.equal.setdefault(kind, []).append((number, digest))


class Writer:
    """One pass over a plan."""

    def __init__(
        self,
        rest: Rest,
        source_rest: Rest | None,
        target: Store,
        comparison: Comparison,
        *,
        progress: Teller | None = None,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self.rest, self.source_rest, self.target, self.comparison = rest, source_rest, target, comparison
        self.mapping: m.Mapping = comparison.mapping
        self.idmap: IdMap = comparison.idmap
        self.host = comparison.mapping.source.host
        self.written = Written()
        self._progress, self._clock, self._sleep = progress, clock, sleep
        self._rows = 0
        self._lock = threading.Lock()
        self._way = str(self.idmap.note(f"{WAY} {self.idmap.direction}") or BATCH_IMPORT)

    def run(self, plan: Plan) -> Written:
        for wave in plan.waves():
            self._lanes(wave, lambda kind: self._create(kind, [number for _moment, number in plan.creates[kind]]))
        self._product_rows(plan.rows)
        self._lanes(sorted(plan.updates, key=p.order_of), lambda kind: self._update(kind, plan.updates[kind]))
        self.pay_references()
        self._pay_bindings()
        self._delete(plan)
        return self.written

    def _lanes(self, wave: t.Sequence[str], work: t.Callable[[str], None]) -> None:
        if len(wave) < 2:
            for kind in wave:
                work(kind)
            return
        with ThreadPoolExecutor(min(LANES, len(wave))) as lanes:
            for done in [lanes.submit(work, kind) for kind in wave]:
                done.result()

    def _tell(self, phase: str, more: int) -> None:
        with self._lock:
            self._rows += more
        if self._progress is not None:
            self._progress.tell(phase=phase, rows=self._rows)

    # -- new records

    def _create(self, kind: str, numbers: t.Sequence[int]) -> None:
        begun, waited = self._clock(), self.rest.waited
        pending = collections.deque(numbers)
        size = FIRST
        while pending:
            portion: list[Planned] = []
            with self.idmap.together():
                while pending and len(portion) < (size if kind not in CHILDREN else min(size, BATCH)):
                    planned = self.comparison.planned(kind, pending.popleft())
                    ready = planned and self._with_ids(planned)
                    if ready:
                        portion.append(ready)
                        if any(True for _file in m.files_in(ready.fields)):
                            break  # with what comes before it: the next request has room for another one
            if portion:
                seconds = self._send_new(kind, portion)
                size = max(IMPORTS, min(MOST, 4 * size, int(LONGEST / seconds) if seconds > 0 else MOST))
                self._tell(f"write {kind}", len(portion))
        self.written.seconds[kind] = max(0.0, self._clock() - begun - (self.rest.waited - waited))

    def _with_ids(self, planned: Planned) -> Planned | None:
        """With ids for its references. Those that are not there yet are owed; a missing owner keeps it back."""
        fields, owed = self._resolved(planned.fields)
        kind = planned.kind
        owner = {"activity": "OWNER_ID", "comment": "ENTITY_ID"}.get(kind)
        if owner and owner not in fields:
            text = "The record that it belongs to is not in the target."
            self.written.skip(Skipped(kind, planned.id, p.OWNER_MISSING, text))
            return None
        fields = {name: value for name, value in fields.items() if not kinds.is_empty(value)}
        key = self.mapping.key(kind)
        if owed:
            self.idmap.owe(key, planned.id, "references", m.as_json(owed))
        if kind == "activity" and self.source_rest is not None:
            self.idmap.owe(key, planned.id, "bindings", {})
        if planned.origin:
            self.idmap.owe(key, planned.id, "origin", dict(zip(m.key_names(kind), planned.origin)))
        return Planned(kind, planned.id, planned.action, None, fields, planned.created, planned.origin, planned.digest)

    def _resolved(self, fields: Row) -> tuple[Row, Row]:
        found: Row = {}
        owed: Row = {}
        for name, value in fields.items():
            refs = list(m.refs_in(value))
            there = m.with_ids(value, self.idmap.target_of) if refs else value
            if name == "COMMUNICATIONS":
                there = [each if "ENTITY_ID" in each else _without(each, "ENTITY_TYPE_ID") for each in there]
            elif any(self.idmap.target_of(ref.kind, ref.id) is None for ref in refs):
                owed[name] = value
            if there is not m.MISSING:
                found[name] = there
        return found, owed

    def _send_new(self, kind: str, portion: list[Planned]) -> float:
        """Until every record of the portion is there or refused. How long the portal takes for one, in seconds."""
        key, left, longest = self.mapping.key(kind), portion, 0.0
        while left:
            self.idmap.begin_writing(key, [each.id for each in left])
            outcomes, seconds = self._sent(kind, left)
            longest = max(longest, seconds)
            pairs = [(each.id, int(outcome)) for each, outcome in zip(left, outcomes) if isinstance(outcome, int)]
            self._pair(kind, pairs, {each.id: each for each in left})
            lost = [each for each, outcome in zip(left, outcomes) if isinstance(outcome, Unanswered)]
            again = [each for each, outcome in zip(left, outcomes) if outcome is None]
            for each, outcome in zip(left, outcomes):
                if isinstance(outcome, RestError):
                    self._refused(kind, each.id, outcome)
            self.idmap.end_writing(key, [e.id for e, o in zip(left, outcomes) if isinstance(o, RestError)])
            if lost:
                self.written.lost_answers += 1
                for outcome in outcomes:
                    if isinstance(outcome, Unanswered) and not outcome.sent:
                        raise outcome  # after all its attempts the portal is out of reach; the next run goes on
                lost = self._look_again(kind, lost, longest)
            # In the order of their creation: the earlier ones must be there before the later ones.
            missing = {each.id for each in lost} | {each.id for each in again}
            left = [each for each in left if each.id in missing]
        return longest

    def _pair(
        self, kind: str, pairs: list[tuple[int, int]], planned: t.Mapping[int, Planned], how: str = "written"
    ) -> None:
        if not pairs:
            return
        self.idmap.add_pairs(self.mapping.key(kind), pairs, how)
        self.written.add(kind, "created", len(pairs))
        for number, _target_id in pairs:
            self.written.is_equal(kind, number, planned[number].digest)

    def _refused(self, kind: str, number: int, error: RestError) -> None:
        """A record that the portal does not take ends no run; where nothing is taken at all, people must act."""
        if isinstance(error, Denied):
            raise error
        self.written.add(kind, "refused")
        text = f"The portal refused it ({error.code}): {error.message}"
        self.written.skip(Skipped(kind, number, p.REFUSED, text))

    def _sent(self, kind: str, portion: list[Planned]) -> tuple[list[Outcome], float]:
        """For each record what became of it, and how long the portal takes for one, in seconds."""
        if kind in CHILDREN:
            return self._sent_one_by_one([self._add_command(each) for each in portion], halt=False)
        entity_type = m.entity_type_of(self.mapping.target_kind(kind) or kind)
        if self._way == BATCH_IMPORT and not any(True for each in portion for _file in m.files_in(each.fields)):
            return self._sent_in_bulk(entity_type, portion)
        return self._sent_one_by_one([_import_command(entity_type, each) for each in portion], halt=True)

    def _sent_in_bulk(self, entity_type: int, portion: list[Planned]) -> tuple[list[Outcome], float]:
        """A command that fails stops the batch: what comes behind would forbid the earlier dates of its records."""
        groups = _groups(portion)
        commands = [
            Command(
                "crm.item.batchImport",
                {"entityTypeId": entity_type, "data": [each.fields for each in group], "useOriginalUfNames": "Y"},
            )
            for group in groups
        ]
        outcomes: list[Outcome] = []
        seconds = 0.0
        for group, answer in zip(groups, self.rest.batch(commands, repeat=False, halt=True)):
            if isinstance(answer, Answer):
                seconds += _duration(answer)
                outcomes += _each_of(answer, len(group))
            elif isinstance(answer, RestError) and answer.code == HALTED:
                outcomes += [None] * len(group)
            elif isinstance(answer, RestError) and answer.code in MISSING_METHOD | NOT_IN_BATCH:
                self._set_way(IMPORT)
                outcomes += [None] * len(group)
            elif isinstance(answer, RestError) and not isinstance(answer, Denied) and len(group) > 1:
                # One record can make the portal refuse all of them: each by itself, so that it is known which.
                outcomes += self._sent_one_by_one([_import_command(entity_type, each) for each in group], halt=True)[0]
            else:
                outcomes += [answer] * len(group)
        return outcomes, seconds / len(portion)

    def _set_way(self, way: str) -> None:
        self._way = way
        self.idmap.set_note(f"{WAY} {self.idmap.direction}", way)

    def _sent_one_by_one(self, commands: list[Command], halt: bool) -> tuple[list[Outcome], float]:
        outcomes: list[Outcome] = []
        seconds = 0.0
        for first in range(0, len(commands), BATCH):
            for answer in self._answered(commands[first : first + BATCH], halt):
                if isinstance(answer, Answer):
                    seconds += _duration(answer)
                    outcomes.append(_new_id(answer.result))
                else:
                    outcomes.append(None if isinstance(answer, RestError) and answer.code == HALTED else answer)
            if halt and not all(isinstance(each, int) for each in outcomes[first:]):
                return outcomes + [None] * (len(commands) - len(outcomes)), seconds / len(commands)
        return outcomes, seconds / len(commands)

    def _answered(self, commands: list[Command], halt: bool) -> list[Answered]:
        """Of at most 50 writes, in order; by themselves where the portal or PHP does not take them in a batch."""
        if self._way != SINGLE and all(map(_fits_a_batch, commands)):
            answers = list(self.rest.batch(commands, repeat=False, halt=halt))
            if not any(isinstance(each, RestError) and each.code in NOT_IN_BATCH for each in answers):
                self._need_methods(commands, answers)
                return answers
            self._set_way(SINGLE)
        found: list[Answered] = []
        for command in commands:
            try:
                found.append(self.rest.call(command.method, self._with_contents(command.params), repeat=False))
            except (RestError, Unanswered) as error:
                found.append(error)
                if halt:
                    break
        self._need_methods(commands, found)
        halted = RestError("Not sent.", code=HALTED, status=200)
        return found + [halted] * (len(commands) - len(found))

    def _need_methods(self, commands: list[Command], answers: t.Sequence[Answered]) -> None:
        for command, answer in zip(commands, answers):
            if isinstance(answer, RestError) and answer.code in MISSING_METHOD:
                raise BoxliftError(
                    f"{self.rest.name} has no method {command.method}: records cannot be written with their dates.",
                    "Update the portal's module crm, and run again.",
                ) from answer

    def _add_command(self, planned: Planned) -> Command:
        if planned.kind == "comment":
            return Command("crm.timeline.comment.add", {"fields": planned.fields})
        fields = _without(planned.fields, "BINDINGS")
        if m.number_of(fields.get("TYPE_ID")) == 4:
            fields["SETTINGS"] = {**(fields.get("SETTINGS") or {}), "DISABLE_SENDING_MESSAGE_COPY": "Y"}
        return Command("crm.activity.add", {"fields": fields})

    # -- lost answers

    def _look_again(self, kind: str, lost: list[Planned], record_seconds: float) -> list[Planned]:
        """What the target does not have of these, once it has stopped working on the request that was lost."""
        waiting = {each.id: each for each in lost}
        pause = min(30.0, max(SECOND_LOOK, 5 * record_seconds))
        same = 0
        while waiting and same < SETTLED:
            found = self._found(kind, list(waiting.values()))
            self._pair(kind, list(found.items()), waiting, "found")
            self.written.found_again += len(found)
            same = 0 if found else same + 1
            waiting = {number: each for number, each in waiting.items() if number not in found}
            if waiting and same < SETTLED:
                self._sleep(pause)
        return [each for each in lost if each.id in waiting]

    def _found(self, kind: str, planned: t.Sequence[Planned]) -> dict[int, int]:
        if kind == "comment":
            return self._comments_found(planned)
        return self.by_key(kind, [each.id for each in planned])

    def by_key(self, kind: str, numbers: t.Sequence[int]) -> dict[int, int]:
        """Ids of the source to ids of the target, of the records that the target has under our keys."""
        names = m.key_names(kind)
        commands = []
        for first in range(0, len(numbers), LOOKS):
            keys = [m.key_of(kind, self.host, number) for number in numbers[first : first + LOOKS]]
            condition: Row = {f"@{names[-1]}": [key[names[-1]] for key in keys]}
            if len(names) == 2:
                condition[names[0]] = keys[0][names[0]]
            if kind == "activity":
                given: Row = {"select": ["ID", *names], "order": {"ID": "ASC"}}
                commands.append(Command("crm.activity.list", {"filter": condition, **given, "start": -1}))
            else:
                entity_type = m.entity_type_of(self.mapping.target_kind(kind) or kind)
                given = {"entityTypeId": entity_type, "select": ["id", *names], "order": {"id": "ASC"}, "start": -1}
                commands.append(Command("crm.item.list", {**given, "filter": condition}))
        found: dict[int, int] = {}
        for answer in self.rest.batch(commands):
            if not isinstance(answer, Answer):
                raise answer
            rows = answer.result.get("items", []) if isinstance(answer.result, dict) else answer.result
            for row in rows:
                number = m.id_in_key(kind, self.host, row)
                if number is not None:
                    found.setdefault(number, m.number_of(row.get("id", row.get("ID"))))
        return found

    def _comments_found(self, planned: t.Sequence[Planned]) -> dict[int, int]:
        """Comments have no key: by their owner and their text, of those that are no counterpart of another one."""
        owners: dict[tuple[str, int], list[Planned]] = {}
        for each in planned:
            owners.setdefault((each.fields["ENTITY_TYPE"], m.number_of(each.fields["ENTITY_ID"])), []).append(each)
        found: dict[int, int] = {}
        for (entity_type, number), some in owners.items():
            condition = {"ENTITY_TYPE": entity_type, "ENTITY_ID": number}
            given = {"filter": condition, "select": ["ID", "COMMENT"]}
            there: dict[str, list[int]] = {}
            for row in self.rest.rows("crm.timeline.comment.list", given):
                if self.idmap.source_of("comment", m.number_of(row["ID"])) is None:
                    there.setdefault(_text(row.get("COMMENT")), []).append(m.number_of(row["ID"]))
            for each in some:
                same = there.get(_text(each.fields["COMMENT"]))
                if same:
                    found[each.id] = same.pop(0)
        return found

    def settle_earlier(self) -> None:
        """What an earlier run was writing when it was killed: found in the target, or free to be written."""
        for key in [*p.ORDER, *(kind for kind in self.comparison.kinds() if kind.startswith("smart:"))]:
            numbers = self.idmap.being_written(key)
            if not numbers:
                continue
            kind = self._source_kind(key)
            planned = [each for each in map(self._as_sent, ((kind, number) for number in numbers)) if each is not None]
            self._look_again(kind, planned, 0.1)
            self.idmap.end_writing(key, numbers)

    def _source_kind(self, key: str) -> str:
        return next((kind for kind in self.comparison.kinds() if self.mapping.key(kind) == key), key)

    def _as_sent(self, what: tuple[str, int]) -> Planned | None:
        kind, number = what
        if kind != "comment":
            return Planned(kind, number, "create")
        planned = self.comparison.planned(kind, number)
        return self._with_ids(planned) if planned else None

    # -- changes

    def _update(self, kind: str, changes: t.Sequence[Planned]) -> None:
        key = self.mapping.key(kind)
        target_kind = self.mapping.target_kind(kind) or kind
        for first in range(0, len(changes), BATCH):
            left = []
            for each in changes[first : first + BATCH]:
                fields, owed = self._resolved(each.fields)
                there = self.target.record(target_kind, each.target_id or 0) or {}
                fields = {n: v for n, v in fields.items() if not self.comparison.same(target_kind, n, v, there)}
                if owed:
                    self.idmap.owe(key, each.id, "references", m.as_json(owed))
                if fields:
                    left.append((each, fields, there))
                else:
                    self.written.is_equal(kind, each.id, each.digest)
            with self.idmap.together():
                for each, fields, _there in left:
                    self.idmap.owe(key, each.id, "sent", m.as_json(fields))
            self._send_changes(kind, target_kind, left)
            self._tell(f"change {kind}", len(left))

    def _send_changes(self, kind: str, target_kind: str, left: list[tuple[Planned, Row, Row]]) -> None:
        while left:
            commands = [
                self._update_command(target_kind, each.target_id or 0, fields, there) for each, fields, there in left
            ]
            lost = []
            for (each, fields, there), answer in zip(left, self._answered_updates(commands)):
                if isinstance(answer, Unanswered):
                    lost.append((each, fields, there))
                elif isinstance(answer, RestError):
                    self._refused(kind, each.id, answer)
                else:
                    self._changed(kind, each)
            left = self._still_different(kind, target_kind, lost) if lost else []

    def _changed(self, kind: str, planned: Planned) -> None:
        self.written.add(kind, "updated")
        self.written.is_equal(kind, planned.id, planned.digest)
        if kind not in CHILDREN:
            text = "It was changed, so the portal has set the times and authors of the last change itself."
            names = ("updatedTime", "updatedBy", "movedTime", "movedBy")
            self.written.skip(Skipped(kind, planned.id, p.UPDATED_TIME, text, names))

    def _still_different(
        self, kind: str, target_kind: str, lost: list[tuple[Planned, Row, Row]]
    ) -> list[tuple[Planned, Row, Row]]:
        """Changes whose answer was lost, as far as the target does not show them. A second one would double phones."""
        self.written.lost_answers += 1
        self._sleep(SECOND_LOOK)
        now = self._rows_now(target_kind, [each.target_id or 0 for each, _fields, _there in lost])
        left = []
        for each, fields, _there in lost:
            there = now.get(each.target_id or 0, {})
            fields = {n: v for n, v in fields.items() if not self.comparison.same(target_kind, n, v, there)}
            if fields:
                left.append((each, fields, there))
            else:
                self._changed(kind, each)
        return left

    def _rows_now(self, target_kind: str, numbers: t.Sequence[int]) -> dict[int, Row]:
        """These records as the target has them at this moment."""
        found: dict[int, Row] = {}
        commands = []
        for first in range(0, len(numbers), LOOKS):
            some = list(numbers[first : first + LOOKS])
            if target_kind == "activity":
                given: Row = {"filter": {"@ID": some}, "select": ["*", "COMMUNICATIONS"], "start": -1}
                commands.append(Command("crm.activity.list", given))
            elif target_kind == "comment":
                commands += [Command("crm.timeline.comment.get", {"id": number}) for number in some]
            else:
                entity_type = m.entity_type_of(target_kind)
                given = {"entityTypeId": entity_type, "filter": {"@id": some}, "select": ["*"], "start": -1}
                commands.append(Command("crm.item.list", {**given, "useOriginalUfNames": "Y"}))
        for answer in self.rest.batch(commands):
            if isinstance(answer, Answer):
                result = answer.result
                rows = result.get("items", [result]) if isinstance(result, dict) else result
                found.update({m.number_of(row.get("id", row.get("ID"))): row for row in rows})
            elif not isinstance(answer, RestError):
                raise answer
        return found

    def _update_command(self, target_kind: str, target_id: int, fields: Row, there: Row) -> Command:
        if target_kind == "comment":
            return Command("crm.timeline.comment.update", {"id": target_id, "fields": {"COMMENT": fields["COMMENT"]}})
        if target_kind == "activity":
            return Command("crm.activity.update", {"id": target_id, "fields": _without(fields, "BINDINGS")})
        if "fm" in fields:
            fields = {**fields, "fm": changed_values(fields["fm"], there.get("fm"))}
        entity_type = m.entity_type_of(target_kind)
        given = {"entityTypeId": entity_type, "id": target_id, "fields": fields, "useOriginalUfNames": "Y"}
        return Command("crm.item.update", given)

    def _answered_updates(self, commands: list[Command]) -> list[Answered]:
        """Lists that become empty cannot be said in a batch, whose commands are queries."""
        return self._answered_by(commands, lambda each: not _has_empty_list(each.params))

    def _answered_by(self, commands: list[Command], in_batch: t.Callable[[Command], bool]) -> list[Answered]:
        small = [each for each in commands if in_batch(each) and _fits_a_batch(each)]
        answers = dict(zip(map(id, small), self.rest.batch(small, repeat=False) if small else []))
        found: list[Answered] = []
        for each in commands:
            answer = answers.get(id(each))
            if answer is None:
                try:
                    answer = self.rest.call(each.method, self._with_contents(each.params), repeat=False)
                except (RestError, Unanswered) as error:
                    answer = error
            found.append(answer)
        return found

    def _with_contents(self, value: t.Any) -> t.Any:
        """Files as the portal takes them: name and content."""
        if isinstance(value, m.File):
            with self.comparison.source.open_file(value.sha256) as content:
                return [value.name or value.sha256[:12], base64.b64encode(content.read()).decode()]
        if isinstance(value, dict):
            return {name: self._with_contents(each) for name, each in value.items()}
        return [self._with_contents(each) for each in value] if isinstance(value, (list, tuple)) else value

    # -- what records are still owed

    def pay_references(self) -> None:
        """References to records that were not there when their owner was written."""
        for key in self._owing():
            kind = self._source_kind(key)
            target_kind = self.mapping.target_kind(kind) or kind
            due = []
            for number, fields in self.idmap.owed(key, "references"):
                target_id = self.idmap.target_of(key, number)
                if target_id is None:
                    continue  # the record itself was refused
                resolved, owed = self._resolved(self.comparison.fields_now(kind, number, fields))
                if owed:
                    text = f"What {', '.join(sorted(owed))} refers to is not in the target."
                    self.written.skip(Skipped(kind, number, p.REFERENCE_MISSING, text, tuple(sorted(owed))))
                if resolved:
                    due.append((Planned(kind, number, "update", target_id), resolved, bool(owed)))
            self._pay(kind, key, target_kind, due)

    def _owing(self) -> list[str]:
        return [key for key in self.idmap.kinds_owing("references") if key not in ("comment",)]

    def _pay(self, kind: str, key: str, target_kind: str, due: list[tuple[Planned, Row, bool]]) -> None:
        for first in range(0, len(due), BATCH):
            some = due[first : first + BATCH]
            now = self._rows_now(target_kind, [each.target_id or 0 for each, _fields, _open in some])
            left = []
            for each, fields, _open in some:
                # The portal sets some links itself, once the other side names them.
                there = now.get(each.target_id or 0, {})
                fields = {n: v for n, v in fields.items() if not self.comparison.same(target_kind, n, v, there)}
                if fields:
                    left.append((each, fields, there))
            refused = len(self.written.skipped)
            self._send_changes(kind, target_kind, left)
            failed = {one.id for one in self.written.skipped[refused:] if one.code == p.REFUSED}
            with self.idmap.together():
                for each, _fields, still_open in some:
                    if not still_open and each.id not in failed:
                        self.idmap.paid(key, each.id, "references")

    def _pay_bindings(self) -> None:
        """Activities can belong to more records than owner and clients, which the portal binds them to by itself."""
        due = [number for number, _fields in self.idmap.owed("activity", "bindings")]
        for first in range(0, len(due), BATCH):
            some = due[first : first + BATCH]
            commands = [Command("crm.activity.binding.list", {"activityId": number}) for number in some]
            answers = self.source_rest.batch(commands) if self.source_rest else []
            wanted: list[tuple[int, Command]] = []
            for number, answer in zip(some, answers):
                if isinstance(answer, Unanswered):
                    raise answer
                if isinstance(answer, Answer):
                    wanted += [(number, command) for command in self._binding_commands(number, answer.result)]
            for (number, command), outcome in zip(wanted, self.rest.batch([each for _number, each in wanted])):
                if isinstance(outcome, Unanswered):
                    raise outcome
                if isinstance(outcome, RestError) and "ALREADY" not in outcome.code.upper():
                    kind = m.kind_of(int(command.params["entityTypeId"]))
                    text = f"It belongs to {kind} {command.params['entityId']} too: {outcome.message}"
                    self.written.skip(Skipped("activity", number, p.REFERENCE_MISSING, text, ("BINDINGS",)))
            with self.idmap.together():
                for number in some:
                    self.idmap.paid("activity", number, "bindings")

    def _binding_commands(self, number: int, rows: t.Any) -> t.Iterator[Command]:
        """For those that the portal has not made itself, of an activity of the source."""
        activity = self.comparison.source.record("activity", number) or {}
        target_id = self.idmap.target_of("activity", number)
        known = {(m.number_of(activity.get("OWNER_TYPE_ID")), m.number_of(activity.get("OWNER_ID")))}
        for each in activity.get("COMMUNICATIONS") or []:
            known.add((m.number_of(each.get("ENTITY_TYPE_ID")), m.number_of(each.get("ENTITY_ID"))))
        for row in rows if isinstance(rows, list) and target_id is not None else []:
            entity_type, owner = m.number_of(row.get("entityTypeId")), m.number_of(row.get("entityId"))
            if (entity_type, owner) in known or not owner:
                continue
            kind = m.kind_of(entity_type)
            there = self.idmap.target_of(self.mapping.key(kind), owner)
            if there is None:
                text = f"It belongs to {kind} {owner} too, which is not in the target."
                self.written.skip(Skipped("activity", number, p.REFERENCE_MISSING, text, ("BINDINGS",)))
                continue
            given = {
                "activityId": target_id,
                "entityTypeId": m.entity_type_of(self.mapping.target_kind(kind) or kind),
                "entityId": there,
            }
            yield Command("crm.activity.binding.add", given)

    def give_back_origins(self) -> int:
        """Records that carried somebody else's origin carry it again. From now on only the id map knows them."""
        count = 0
        for key in self.idmap.kinds_owing("origin"):
            kind = self._source_kind(key)
            target_kind = self.mapping.target_kind(kind) or kind
            due = []
            for number, fields in self.idmap.owed(key, "origin"):
                target_id = self.idmap.target_of(key, number)
                if target_id is not None:
                    due.append((Planned(kind, number, "update", target_id), fields))
            for first in range(0, len(due), BATCH):
                some: list[tuple[Planned, Row, Row]] = [(one, fields, {}) for one, fields in due[first : first + BATCH]]
                self._send_changes(kind, target_kind, some)
                with self.idmap.together():
                    for each, _fields, _there in some:
                        self.idmap.paid(key, each.id, "origin")
                count += len(some)
        return count

    # -- product rows and deletions

    def _product_rows(self, planned: t.Sequence[Planned]) -> None:
        """Replaced as a whole, so that a request may be repeated."""
        ready = []
        for each in planned:
            target_id = each.target_id or self.idmap.target_of(self.mapping.key(each.kind), each.id)
            if target_id is not None:
                ready.append((each, target_id))
        for first in range(0, len(ready), BATCH):
            some = ready[first : first + BATCH]
            commands = []
            for each, target_id in some:
                code = kinds.kind(self.mapping.target_kind(each.kind) or each.kind).owner_code
                rows = each.fields["rows"]
                given = {"ownerId": target_id, "ownerType": code, "productRows": rows}
                commands.append(Command("crm.item.productrow.set", given))
            answers = self._answered_updates(commands)
            while any(isinstance(answer, Unanswered) for answer in answers):
                lost = [number for number, answer in enumerate(answers) if isinstance(answer, Unanswered)]
                self._sleep(SECOND_LOOK)
                for number, answer in zip(lost, self._answered_updates([commands[number] for number in lost])):
                    answers[number] = answer
            for (each, _target_id), answer in zip(some, answers):
                if isinstance(answer, RestError):
                    self._refused("productrow", each.id, answer)
                else:
                    self.written.add("productrow", "updated")
                    self.written.is_equal(f"rows:{each.kind}", each.id, each.digest)
            self._tell("write productrow", len(some))

    def _delete(self, plan: Plan) -> None:
        methods = {"activity": "crm.activity.delete", "comment": "crm.timeline.comment.delete"}
        for kind in sorted(plan.deletes, key=p.order_of, reverse=True):
            target_kind = self.mapping.target_kind(kind) or kind
            commands = []
            for each in plan.deletes[kind]:
                if kind in methods:
                    commands.append(Command(methods[kind], {"id": each.target_id}))
                else:
                    given = {"entityTypeId": m.entity_type_of(target_kind), "id": each.target_id}
                    commands.append(Command("crm.item.delete", given))
            for each, answer in zip(plan.deletes[kind], self.rest.batch(commands)):
                if (
                    isinstance(answer, RestError)
                    and answer.code not in GONE
                    and "not found" not in answer.message.lower()
                ):
                    self._refused(kind, each.id, answer)
                elif isinstance(answer, Unanswered):
                    raise answer
                else:
                    self.written.add(kind, "deleted")


def changed_values(wanted: t.Any, there: t.Any) -> list[Row]:
    """What makes the multi-fields `there` equal to `wanted`: changed and emptied by id, the rest added."""
    added = [kinds.multi_values([row])[0] for row in wanted]
    surplus = []
    for row in there.values() if isinstance(there, dict) else there or []:
        value = kinds.multi_values([row])[0]
        if value in added:
            added.remove(value)
        else:
            surplus.append(row)
    changes: list[Row] = []
    for row in surplus:
        type_id = kinds.multi_values([row])[0][0]
        new = next((value for value in added if value[0] == type_id), None)
        if new is not None:
            added.remove(new)
        text = {"value": new[2], "valueType": new[1]} if new else {"value": ""}
        changes.append({"id": row.get("id", row.get("ID")), "typeId": type_id, **text})
    return changes + [{"typeId": type_id, "valueType": use, "value": text} for type_id, use, text in added]


def _import_command(entity_type: int, planned: Planned) -> Command:
    given = {"entityTypeId": entity_type, "fields": planned.fields, "useOriginalUfNames": "Y"}
    return Command("crm.item.import", given)


def _groups(portion: t.Sequence[Planned]) -> list[list[Planned]]:
    """Records of one crm.item.batchImport each: at most 20, and no more than PHP takes."""
    groups: list[list[Planned]] = []
    size = 0
    for each in portion:
        more = variables(each.fields)
        if not groups or len(groups[-1]) == IMPORTS or size + more > MOST_VARIABLES:
            groups.append([])
            size = 0
        groups[-1].append(each)
        size += more
    return groups


def _each_of(answer: Answer, number: int) -> list[Outcome]:
    """The outcomes of a crm.item.batchImport, in order."""
    items = answer.result.get("items", []) if isinstance(answer.result, dict) else []
    items = list(items.values()) if isinstance(items, dict) else items
    outcomes: list[Outcome] = []
    for item in items[:number]:
        if "item" in item:
            outcomes.append(_new_id(item))
        else:
            text = str(item.get("error_description") or item.get("error"))
            outcomes.append(RestError(text, code=str(item.get("error")), status=200))
    lost = Unanswered("crm.item.batchImport: the answer lacks some of its records.")
    return outcomes + [lost] * (number - len(outcomes))


def _new_id(result: t.Any) -> int | Unanswered:
    if isinstance(result, dict):
        result = result.get("item", result)
        result = result.get("id") if isinstance(result, dict) else result
    number = m.number_of(result)
    return number or Unanswered("The answer names no id.")


def _duration(answer: Answer) -> float:
    """How long the portal worked, in seconds."""
    value = answer.time.get("duration", answer.time.get("processing", 0.0))
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0


def _without(fields: t.Mapping[str, t.Any], *names: str) -> Row:
    return {name: value for name, value in fields.items() if name not in names}


def _fits_a_batch(command: Command) -> bool:
    """Whether it can be a command of a batch, which is a query: not with files, and not with too many values."""
    if any(True for _file in m.files_in(dict(command.params))):
        return False
    return variables(command.params) <= MOST_VARIABLES


def _has_empty_list(value: t.Any) -> bool:
    if isinstance(value, (list, tuple)):
        return not value or any(map(_has_empty_list, value))
    return isinstance(value, dict) and any(map(_has_empty_list, value.values()))


def _text(value: t.Any) -> str:
    """A comment's text, without what portals do to line ends."""
    return " ".join(str(value or "").split())

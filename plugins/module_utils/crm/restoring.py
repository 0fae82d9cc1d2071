# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings records of a snapshot back to the portal, as `restore_plan` plans it.

Records that are gone are imported, so that no automation runs and dates and authors stay. The order is: records by
kind, what could not be named yet, product rows, activities, comments, links of others, and foreign origins at the end.
"""

from __future__ import annotations

import base64
import dataclasses
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.disk import DRIVE
from ansible_collections.boxlift.portal.plugins.module_utils.crm.drive_restore import DriveFiles
from ansible_collections.boxlift.portal.plugins.module_utils.crm.past import Key, Past, pointed, references
from ansible_collections.boxlift.portal.plugins.module_utils.crm.present import Present
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Command, Rest, RestError
from ansible_collections.boxlift.portal.plugins.module_utils.crm.restore_plan import (
    ACTIVITY_FIELDS,
    AUTHORS,
    CREATE,
    E_MAIL,
    REFUSE,
    UPDATE,
    Ids,
    Link,
    Options,
    Plan,
    Planner,
    Row,
    Step,
    communication_key,
    dates_of,
    is_file_field,
    is_reference,
    multi_changes,
    undate,
)
from ansible_collections.boxlift.portal.plugins.module_utils.crm.sending import Sender
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.crm.stored_files import StoredFile
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock

#: Imports in one request: the portal ends a request after a minute, and one import may take two seconds.
IMPORTS = 20
Tell = t.Callable[..., None]


@dataclasses.dataclass
class Outcome:
    """What a run has done."""

    plan: Plan
    #: The new id of each record that was created in this run.
    created: dict[Key, int] = dataclasses.field(default_factory=dict)
    #: What the portal refused, in its own words.
    refused: list[str] = dataclasses.field(default_factory=list)
    lost_answers: int = 0


def lost(past: Past, present: Present, ids: Ids, names: t.Sequence[str]) -> list[Key]:
    """Everything that the snapshot has and the portal does not: items and activities, without what was archived."""

    def archived(key: Key) -> bool:
        return any(store.note(f"archived {key[0]} {key[1]}") for store in past.stores)

    found: list[Key] = []
    for at in past.newest():
        for name in names:
            if not kinds.kind(name).is_item and name != "activity":
                continue
            waiting: list[int] = []
            numbers = iter(at.store.ids(name, at.number))
            while True:
                waiting = [number for number, _none in zip(numbers, range(2500))]
                if not waiting:
                    break
                now = {number: ids.now((name, number)) for number in waiting}
                there = present.existing(name, now.values()) - _strangers(present, ids, name, now)
                found += [
                    (name, number) for number in waiting if now[number] not in there and not archived((name, number))
                ]
    return found


def _strangers(present: Present, ids: Ids, name: str, now: t.Mapping[int, int]) -> set[int]:
    """Ids that restored records had, and that other records have since the portal was put back."""
    moved = {number: new for number, new in now.items() if number != new}
    there = present.records(name, moved.values())
    return {
        new
        for number, new in moved.items()
        if new in there and not ids.is_heir((name, number), there[new], present.originator)
    }


class Restorer:
    """Carries out a plan. Every write is one that may be repeated, or one that is looked up before it is."""

    def __init__(
        self,
        rest: Rest,
        store: Store,
        planner: Planner,
        *,
        sleep: t.Callable[[float], None] = time.sleep,
        clock: t.Callable[[], float] = time.time,
        tell: Tell = lambda **_values: None,
    ) -> None:
        self._present = planner.present
        self._planner = planner
        self._store = store
        self._ids = planner.ids
        self._sender = Sender(rest, sleep)
        self._drive = DriveFiles(planner.past, planner.present, planner.ids)
        self._clock, self._tell = clock, tell
        self._done = 0

    def run(self, plan: Plan) -> Outcome:
        """Raises Unanswered or BoxliftError where the portal stops answering; a run after it goes on."""
        outcome = Outcome(plan)
        files = [step for step in plan.steps if step.kind == DRIVE]
        outcome.refused += self._drive.carry_out(
            files, self._sender, lambda step, number: self._born(step, number, outcome)
        )
        items = [step for step in plan.steps if kinds.kind(step.kind).is_item]
        for kind in dict.fromkeys(step.kind for step in items):
            made = [step for step in items if step.kind == kind and step.action == CREATE]
            # Those that keep their date first: the others get the date of now, and nothing older could follow.
            for part in (True, False):
                self._create_items([step for step in made if step.dated is part], outcome)
        self._second_pass(items, outcome)
        self._update_items([step for step in items if step.action == UPDATE], outcome)
        self._set_rows(items, outcome)
        self._activities([step for step in plan.steps if step.kind == "activity"], outcome)
        self._comments(items, outcome)
        self._links(plan.links, outcome)
        self._origins([step for step in plan.steps if step.kind != DRIVE], outcome)
        outcome.lost_answers = self._sender.lost
        return outcome

    def _place(self, key: Key) -> int | None:
        """The id that a record of the snapshot has in the portal now."""
        return self._planner.place(key)

    def _born(self, step: Step, number: int, outcome: Outcome) -> None:
        """Noted at once: from here on a killed run knows the record without its origin."""
        self._ids.born(step.key, number, self._clock())
        self._planner.arrived(step.key, number)
        outcome.created[step.key] = number
        self._told()

    def _told(self) -> None:
        self._done += 1
        self._tell(phase="restore", rows=self._done)

    def _refused(self, step: Step, error: RestError, what: str, outcome: Outcome) -> None:
        outcome.refused.append(f"{step.kind} {step.id}: {what}: {error.message}")

    # -- items -------------------------------------------------------------------------------------------------------

    def _create_items(self, steps: t.Sequence[Step], outcome: Outcome) -> None:
        for at in range(0, len(steps), IMPORTS):
            part = steps[at : at + IMPORTS]
            commands = [self._import(step) for step in part]

            def look_up(places: t.Sequence[int], part: t.Sequence[Step] = part) -> dict[int, t.Any]:
                there = self._present.by_origin(part[0].kind, [part[place].id for place in places])
                return {place: {"item": {"id": there[part[place].id]}} for place in places if part[place].id in there}

            again = []
            for step, result in zip(part, self._sender.send(commands, look_up)):
                if not isinstance(result, RestError):
                    self._born(step, int(result["item"]["id"]), outcome)
                elif step.dated and self._overtaken(step):
                    again.append(step)
                else:
                    self._refused(step, result, "import", outcome)
            if again:
                self._create_items(again, outcome)

    def _overtaken(self, step: Step) -> bool:
        """Whether somebody has made a newer record since the plan was made; then this one cannot keep its date."""
        number, newest = self._present.newest(step.kind)
        created = kinds.instant(step.content.get("createdTime")) or 0.0
        if self._planner.options.old_dates == REFUSE or created >= (kinds.instant(newest) or 0.0):
            return False
        undate(step, f"{step.kind} {number} has come in the meantime")
        return True

    def _import(self, step: Step) -> Command:
        described = self._present.fields(step.kind) or {}
        fields: Row = {}
        for name, value in step.content.items():
            if kinds.is_empty(value) or not self._planner.written(name, described):
                continue
            if is_file_field(described[name]):
                files = [self._uploaded(file) for file in step.files.get(name, ())]
                if files:
                    fields[name] = files if isinstance(value, list) else files[0]
            else:
                fields[name] = self._planner.then(step, name, described)
        fields.update({name: self._planner.users_now(step.content.get(name)) for name in AUTHORS})
        fields.update(dates_of(step.content) if step.dated else {})
        multi = multi_changes(step.content.get("fm"), None)
        if multi:
            fields["fm"] = multi
        fields = {name: value for name, value in fields.items() if not kinds.is_empty(value)}
        fields.update(originatorId=self._present.originator, originId=str(step.id))
        type_ = kinds.kind(step.kind).entity_type
        return Command("crm.item.import", {"entityTypeId": type_, "fields": fields, "useOriginalUfNames": "Y"})

    def _uploaded(self, file: StoredFile) -> list[str]:
        """A file as the portal takes it: its name, and its content in base64."""
        content = base64.b64encode(self._planner.past.content(file)).decode()
        return [file.name or f"file-{file.id.rpartition(':')[2]}", content]

    def _second_pass(self, steps: t.Sequence[Step], outcome: Outcome) -> None:
        """References of new records to others that were created after them."""
        for step in steps:
            if step.action != CREATE or step.key not in outcome.created:
                continue
            described = self._present.fields(step.kind) or {}
            late = {}
            for name, value in step.content.items():
                keys = references(name, value) if is_reference(name, described) else []
                if self._planner.written(name, described) and any(self._planner.late(step.key, key) for key in keys):
                    late[name] = pointed(name, value, self._place)[0]
            if late:
                self._write_item(step.kind, outcome.created[step.key], late, step, outcome)

    def _write_item(self, kind: str, target: int, fields: Row, step: Step, outcome: Outcome) -> None:
        type_ = kinds.kind(kind).entity_type
        params = {"entityTypeId": type_, "id": target, "fields": fields, "useOriginalUfNames": "Y"}
        (result,) = self._sender.repeat([Command("crm.item.update", params)])
        if isinstance(result, RestError):
            self._refused(step, result, f"update of {', '.join(fields)}", outcome)

    def _update_items(self, steps: t.Sequence[Step], outcome: Outcome) -> None:
        for step in steps:
            plain = {each.field: each.then for each in step.changes if each.field != "fm"}
            plain = {name: "" if value is None else value for name, value in plain.items()}
            target = t.cast(int, step.target)
            if plain:
                self._write_item(step.kind, target, plain, step, outcome)
            if step.multi:
                self._write_multi(step, target, outcome)
            self._told()

    def _write_multi(self, step: Step, target: int, outcome: Outcome) -> None:
        """Values without ids are added by every write, so a lost answer is looked up."""
        then = step.content.get("fm")

        def look_up(places: t.Sequence[int]) -> dict[int, t.Any]:
            now = self._present.items(step.kind, [target]).get(target, {})
            return {} if multi_changes(then, now.get("fm")) else dict.fromkeys(places, {"item": now})

        type_ = kinds.kind(step.kind).entity_type
        params = {"entityTypeId": type_, "id": target, "fields": {"fm": step.multi}}
        (result,) = self._sender.send([Command("crm.item.update", params)], look_up)
        if isinstance(result, RestError):
            self._refused(step, result, "update of fm", outcome)

    def _set_rows(self, steps: t.Sequence[Step], outcome: Outcome) -> None:
        for step in steps:
            place = self._place(step.key)
            if step.rows is None or place is None:
                continue
            params = {"ownerType": kinds.kind(step.kind).owner_code, "ownerId": place, "productRows": step.rows}
            (result,) = self._sender.repeat([Command("crm.item.productrow.set", params)])
            if isinstance(result, RestError):
                self._refused(step, result, "product rows", outcome)
            self._told()

    # -- activities and comments -------------------------------------------------------------------------------------

    def _activities(self, steps: t.Sequence[Step], outcome: Outcome) -> None:
        made = [step for step in steps if step.action == CREATE and self._place(t.cast(Key, step.owner)) is not None]
        for at in range(0, len(made), IMPORTS):
            part = made[at : at + IMPORTS]
            commands = [Command("crm.activity.add", {"fields": self._activity(step)}) for step in part]

            def look_up(places: t.Sequence[int], part: t.Sequence[Step] = part) -> dict[int, t.Any]:
                there = self._present.by_origin("activity", [part[place].id for place in places])
                return {place: there[part[place].id] for place in places if part[place].id in there}

            for step, result in zip(part, self._sender.send(commands, look_up)):
                if isinstance(result, RestError):
                    self._refused(step, result, "activity", outcome)
                    continue
                self._born(step, int(result), outcome)
                if str(step.content.get("TYPE_ID")) == E_MAIL and step.content.get("COMPLETED") == "Y":
                    self._change_activity(step, int(result), {"COMPLETED": "Y"}, outcome)
        for step in steps:
            if step.action != UPDATE or step.target is None:
                continue
            place = self._place(t.cast(Key, step.owner))
            if step.bind and place is not None:
                self._bind(step, place, outcome)
            fields = {each.field: "" if each.then is None else each.then for each in step.changes}
            if fields:
                self._change_activity(step, step.target, fields, outcome)
            self._told()

    def _activity(self, step: Step) -> Row:
        content, owner = step.content, t.cast(Key, step.owner)
        type_, place = kinds.kind(owner[0]).entity_type, t.cast(int, self._place(owner))
        fields = {name: content[name] for name in ACTIVITY_FIELDS if not kinds.is_empty(content.get(name))}
        if "RESPONSIBLE_ID" in fields:
            fields["RESPONSIBLE_ID"] = self._planner.users_now(fields["RESPONSIBLE_ID"])
        communications = []
        for each in content.get("COMMUNICATIONS") or []:
            key = communication_key(each)
            number = self._place(key) if key else None
            entity = {"ENTITY_TYPE_ID": key[0] and kinds.kind(key[0]).entity_type, "ENTITY_ID": number} if key else {}
            if number is not None:
                communications.append({"TYPE": each.get("TYPE"), "VALUE": each.get("VALUE"), **entity})
        if not communications:
            # A portal builds no activity without one.
            communications.append({"VALUE": "", "ENTITY_ID": place, "ENTITY_TYPE_ID": type_})
        if str(content.get("TYPE_ID")) == E_MAIL:
            # An outgoing e-mail that is not completed is not sent.
            fields.update(COMPLETED="N", SETTINGS={"DISABLE_SENDING_MESSAGE_COPY": "Y"})
        if step.files.get("FILES"):
            fields["FILES"] = [{"fileData": self._uploaded(file)} for file in step.files["FILES"]]
        fields.update(OWNER_TYPE_ID=type_, OWNER_ID=place, COMMUNICATIONS=communications)
        return {**fields, "ORIGINATOR_ID": self._present.originator, "ORIGIN_ID": str(step.id)}

    def _change_activity(self, step: Step, target: int, fields: Row, outcome: Outcome) -> None:
        (result,) = self._sender.repeat([Command("crm.activity.update", {"id": target, "fields": fields})])
        if isinstance(result, RestError):
            self._refused(step, result, f"update of {', '.join(fields)}", outcome)

    def _bind(self, step: Step, place: int, outcome: Outcome) -> None:
        """An activity that outlived its owner, since it belongs to others too, belongs to the new one again."""
        type_ = kinds.kind(t.cast(Key, step.owner)[0]).entity_type
        params = {"activityId": step.target, "entityTypeId": type_, "entityId": place}
        (result,) = self._sender.repeat([Command("crm.activity.binding.add", params)])
        if isinstance(result, RestError) and "ALREADY_BOUND" not in result.code:
            self._refused(step, result, "binding", outcome)

    def _comments(self, steps: t.Sequence[Step], outcome: Outcome) -> None:
        for step in steps:
            place = self._place(step.key)
            if not step.comments or place is None:
                continue
            type_ = kinds.kind(step.kind).entity_type or 0
            entity = {"ENTITY_TYPE": kinds.kind(step.kind).timeline_name, "ENTITY_ID": place}
            commands = []
            for comment in step.comments:
                fields: Row = {**entity, "COMMENT": comment.text}
                if comment.author:
                    fields["AUTHOR_ID"] = comment.author
                if comment.files:
                    fields["FILES"] = [self._uploaded(file) for file in comment.files]
                commands.append(Command("crm.timeline.comment.add", {"fields": fields}))

            def look_up(
                places: t.Sequence[int], step: Step = step, owner: tuple[int, int] = (type_, place)
            ) -> dict[int, t.Any]:
                there = self._present.comments_of([owner])[owner]
                known = {str(each.get("COMMENT") or "").strip(): int(each["ID"]) for each in there}
                texts = {each: step.comments[each].text.strip() for each in places}
                return {each: known[text] for each, text in texts.items() if text in known}

            for result in self._sender.send(commands, look_up):
                if isinstance(result, RestError):
                    self._refused(step, result, "comment", outcome)
            self._told()

    # -- links and origins -------------------------------------------------------------------------------------------

    def _links(self, links: t.Sequence[Link], outcome: Outcome) -> None:
        now: dict[Key, Row] = {}
        for kind in {link.key[0] for link in links}:
            here = [link for link in links if link.key[0] == kind]
            there = self._present.items(kind, [link.target for link in here])
            now.update({link.key: there[link.target] for link in here if link.target in there})
        for link in links:
            if link.key not in now:
                continue
            # A record with several such fields is written several times; each time only this one.
            link.now = now[link.key].get(link.field)
            fields = {link.field: self.pointed_again(link)}
            params = {"entityTypeId": kinds.kind(link.key[0]).entity_type, "id": link.target, "fields": fields}
            (result,) = self._sender.repeat([Command("crm.item.update", {**params, "useOriginalUfNames": "Y"})])
            if isinstance(result, RestError):
                outcome.refused.append(f"{link.key[0]} {link.target}: link {link.field}: {result.message}")
            self._told()

    def pointed_again(self, link: Link) -> t.Any:
        """The field's value: in the snapshot's order what was there and still is, then what people have added."""
        if not isinstance(link.then, list):
            return pointed(link.field, link.then, self._place)[0]
        moved = self._planner.moved
        now = link.now if isinstance(link.now, list) else []
        there = [
            each for each in now if (keys := references(link.field, [each])) and not any(key in moved for key in keys)
        ]
        out = []
        for each in link.then:
            for key in references(link.field, [each]):
                again = pointed(link.field, [each], self._place if key in moved else self._ids.now)[0]
                out += [one for one in again if key in moved or one in there]
        return out + [each for each in there if each not in out]

    def _origins(self, steps: t.Sequence[Step], outcome: Outcome) -> None:
        """Give somebody else's pair back: from here on the id map alone knows the record."""
        for step in steps:
            foreign = step.origin
            if step.key in outcome.created:
                names = ("ORIGINATOR_ID", "ORIGIN_ID") if step.kind == "activity" else ("originatorId", "originId")
                pair = (str(step.content.get(names[0]) or ""), str(step.content.get(names[1]) or ""))
                foreign = pair if any(pair) and pair[0] != self._present.originator else None
            place = self._place(step.key)
            if foreign is None or place is None:
                continue
            if self._ids.now(step.key) != place:
                self._ids.born(step.key, place, self._clock())
            if step.kind == "activity":
                fields: Row = {"ORIGINATOR_ID": foreign[0], "ORIGIN_ID": foreign[1]}
                self._change_activity(step, place, fields, outcome)
            else:
                self._write_item(step.kind, place, {"originatorId": foreign[0], "originId": foreign[1]}, step, outcome)


def restore(
    rest: Rest,
    stores: t.Sequence[Store],
    wanted: t.Sequence[Key] | None,
    options: Options,
    *,
    snapshot: int | None = None,
    moment: float | None = None,
    names: t.Sequence[str] = (),
    renamed: bool = False,
    check: bool = False,
    sleep: t.Callable[[float], None] = time.sleep,
    clock: t.Callable[[], float] = time.time,
    tell: Tell = lambda **_values: None,
) -> Outcome:
    """Plan, and carry it out unless `check`. Without `wanted`: all of `names` that the portal has lost.

    `renamed`: the portal had another name when the snapshots were taken. Else a store of another portal is refused.
    """
    if not check:
        # Of two at once, each would plan before the other has written.
        with Lock(f"{stores[0].path}.restore.lock", f"A restore by the store {stores[0].path}"):
            planner, plan = _planned(rest, stores, wanted, options, snapshot, moment, names, renamed, tell)
            if not plan.changed():
                return Outcome(plan)
            return Restorer(rest, stores[0], planner, sleep=sleep, clock=clock, tell=tell).run(plan)
    return Outcome(_planned(rest, stores, wanted, options, snapshot, moment, names, renamed, tell)[1])


def _planned(
    rest: Rest,
    stores: t.Sequence[Store],
    wanted: t.Sequence[Key] | None,
    options: Options,
    snapshot: int | None,
    moment: float | None,
    names: t.Sequence[str],
    renamed: bool,
    tell: Tell,
) -> tuple[Planner, Plan]:
    tell(phase="plan")
    past = Past(stores, snapshot, moment)
    if not renamed:
        past.require(rest.name)
    present, ids = Present(rest), Ids(stores[0])
    if wanted is None:
        wanted = lost(past, present, ids, names)
    planner = Planner(past, present, ids, options)
    files = DriveFiles(past, present, ids).plan([key for key in wanted if key[0] == DRIVE], planner.refuse)
    plan = planner.plan([key for key in wanted if key[0] != DRIVE])
    plan.steps[:0] = files
    return planner, plan

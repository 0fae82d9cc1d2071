# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore would do: the records of a snapshot, compared with what stands in the portal now.

A plan is made from the snapshot and from what stands in the portal now, and from nothing else. So a run that was
killed is simply planned and carried out again: what is there already is found by the id map in the store, and by the
pair of originator and origin id that every restored record carries until the id map knows it.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.past import (
    At,
    Key,
    Past,
    doubled,
    owner_of,
    pointed,
    references,
)
from ansible_collections.boxlift.portal.plugins.module_utils.crm.present import Present
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.crm.stored_files import StoredFile
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

Row = dict[str, t.Any]
CREATE, UPDATE, SAME = "create", "update", "same"
#: What becomes of a date that cannot be kept.
NOW, REFUSE = "now", "refuse"
#: Only import may set these; nobody may change them later.
DATES = ("createdTime", "updatedTime", "movedTime")
AUTHORS = ("createdBy", "updatedBy", "movedBy")
#: Never written for its own sake.
NEVER = frozenset({"id", "entityTypeId", "originatorId", "originId", "fm", *DATES, *AUTHORS}) | kinds.ITEM_VOLATILE
E_MAIL = "4"
#: Between the moment at which a record was made again, and that at which its new id was noted; clocks differ.
HEIR_SECONDS = 3600.0
#: By what a restored record is known again.
HEIR_FIELDS = ("id", "createdTime", "originatorId", "originId")
#: How a text begins whose comment could not keep date and author, or whose record could not keep its date.
_HEAD = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d, |Restored from a snapshot: )")
#: What crm.activity.add takes, and of these what an update may change.
ACTIVITY_FIELDS = (
    *("TYPE_ID", "PROVIDER_ID", "PROVIDER_TYPE_ID", "PROVIDER_GROUP_ID", "SUBJECT", "START_TIME", "END_TIME"),
    *("COMPLETED", "STATUS", "RESPONSIBLE_ID", "PRIORITY", "NOTIFY_TYPE", "NOTIFY_VALUE", "DESCRIPTION"),
    *("DESCRIPTION_TYPE", "DIRECTION", "LOCATION", "SETTINGS", "PROVIDER_PARAMS", "PROVIDER_DATA", "RESULT_MARK"),
    *("RESULT_VALUE", "RESULT_SUM", "RESULT_CURRENCY_ID", "AUTOCOMPLETE_RULE"),
)
ACTIVITY_FIXED = ("TYPE_ID",)
#: What crm.item.productrow.set takes of a row.
ROW_FIELDS = (
    *("productId", "productName", "price", "quantity", "discountTypeId", "discountRate", "discountSum"),
    *("taxRate", "taxIncluded", "taxName", "measureCode", "sort"),
)


@dataclasses.dataclass(frozen=True)
class Options:
    """How people want it."""

    #: Only these fields of records that still exist go back; empty for all.
    fields: t.Sequence[str] = ()
    children: bool = True
    links: bool = True
    #: What to do with a record that is older than the newest of its kind, and gone.
    old_dates: str = NOW
    #: In place of employees whom the portal does not know any more; 0 for nobody.
    fallback_user: int = 0
    #: Fields of the snapshot that are left out, since the portal does not have them, or their values, any more.
    skip_fields: t.Collection[str] = ()
    #: Add e-mails again that are gone. The portal may send outgoing ones a second time.
    emails: bool = False


class Change(t.NamedTuple):
    """A field of a record that still exists: what it holds, and what it goes back to."""

    field: str
    now: t.Any
    then: t.Any


class Comment(t.NamedTuple):
    """A comment to add; the author is 0 for whoever asks."""

    text: str
    author: int = 0
    files: t.Sequence[StoredFile] = ()


@dataclasses.dataclass
class Link:
    """A field of another record that pointed to one that is gone, and points to the new one afterwards."""

    key: Key  # the id in the snapshot
    target: int  # its id now
    field: str
    then: t.Any
    now: t.Any


@dataclasses.dataclass
class Step:
    """What becomes of one record."""

    key: Key
    at: At
    content: Row
    action: str = SAME
    #: The id in the portal; None before it is created.
    target: int | None = None
    changes: list[Change] = dataclasses.field(default_factory=list)
    #: Entries of `fm` for an update: changed and deleted ones with their ids, new ones without.
    multi: list[Row] = dataclasses.field(default_factory=list)
    #: Of a new record: whether it keeps createdTime.
    dated: bool = True
    #: Of an activity: the record that it belongs to, and whether it only has to be bound to it again.
    owner: Key | None = None
    bind: bool = False
    #: The product rows to set; None where they are right.
    rows: list[Row] | None = None
    comments: list[Comment] = dataclasses.field(default_factory=list)
    #: Contents that the stores have of its files, by field.
    files: dict[str, list[StoredFile]] = dataclasses.field(default_factory=dict)
    #: Somebody else's pair, given back at the end.
    origin: tuple[str, str] | None = None
    remarks: list[str] = dataclasses.field(default_factory=list)

    @property
    def kind(self) -> str:
        return self.key[0]

    @property
    def id(self) -> int:
        return self.key[1]

    def changed(self) -> bool:
        """Whether anything is to be written for it."""
        return self.action != SAME or self.rows is not None or bool(self.comments) or self.origin is not None

    def as_dict(self) -> Row:
        """For people and programs."""
        return {
            "kind": self.kind,
            "id": self.id,
            "snapshot": self.at.number,
            "store": self.at.store.path,
            "action": self.action,
            "target": self.target,
            "title": title_of(self.key, self.content),
            "changes": [
                {"field": each.field, "now": shortened(each.now), "then": shortened(each.then)} for each in self.changes
            ],
            "created_kept": self.dated if self.action == CREATE and kinds.kind(self.kind).is_item else None,
            "product_rows": None if self.rows is None else len(self.rows),
            "comments": len(self.comments),
            "files": sum(len(files) for files in self.files.values()) + sum(len(each.files) for each in self.comments),
            "owner": None if self.owner is None else f"{self.owner[0]} {self.owner[1]}",
            "remarks": self.remarks,
        }


@dataclasses.dataclass
class Plan:
    """Everything that would happen, in this order."""

    steps: list[Step]
    links: list[Link]
    remarks: list[str]

    def changed(self) -> bool:
        return bool(self.links) or any(step.changed() for step in self.steps)

    def counts(self) -> dict[str, int]:
        """What a run would do, in numbers."""
        made = [step for step in self.steps if step.action == CREATE]
        return {
            "created": len(made),
            "updated": sum(step.action == UPDATE for step in self.steps),
            "same": sum(not step.changed() for step in self.steps),
            "links": len(self.links),
            "comments": sum(len(step.comments) for step in self.steps),
            "product_rows": sum(len(step.rows or []) for step in self.steps),
            "dates_lost": sum(not step.dated for step in made if kinds.kind(step.kind).is_item),
        }


class Ids:
    """Which record of the portal a record of a snapshot is today. Kept in the store, one note for each."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def now(self, key: Key) -> int:
        """The last id that is known; the record's own where it was never restored."""
        return self._chain(key)[0][-1]

    def _chain(self, key: Key) -> tuple[list[int], float]:
        """Its own id and each one that it was given, and when it was given the last one."""
        chain, at = [key[1]], 0.0
        while True:
            noted = self._store.note(f"restored {key[0]} {chain[-1]}")
            if not noted or noted["id"] in chain:
                return chain, at
            chain.append(int(noted["id"]))
            at = float(noted["at"])

    def is_heir(self, key: Key, row: Row, originator: str, content: Row | None = None) -> bool:
        """Whether what has the last id now is the restored record.

        A portal that was put back gives its numbers again. A restored record carries our pair, or that of `content`,
        or it was made when it was restored, or it kept its date.
        """
        chain, at = self._chain(key)
        if len(chain) == 1:
            return True
        created = row.get(kinds.kind(key[0]).created)
        names = ("ORIGINATOR_ID", "ORIGIN_ID") if key[0] == "activity" else ("originatorId", "originId")
        pair = (str(row.get(names[0]) or ""), str(row.get(names[1]) or ""))
        if pair[0] == originator and pair[1] in map(str, chain):
            return True
        if content is not None and any(pair) and pair == tuple(str(content.get(name) or "") for name in names):
            return True
        if content is not None and kinds.same_value(created, content.get(kinds.kind(key[0]).created)):
            return True
        return abs((kinds.instant(created) or 0.0) - at) < HEIR_SECONDS

    def born(self, key: Key, number: int, now: float) -> None:
        """The record has this id from now on."""
        self._store.set_note(f"restored {key[0]} {key[1]}", {"id": number, "at": now})


# -- planning --------------------------------------------------------------------------------------------------------


class Planner:
    """Compares what the snapshot has with what stands in the portal."""

    def __init__(self, past: Past, present: Present, ids: Ids, options: Options) -> None:
        self.past, self.present, self.ids, self.options = past, present, ids, options
        self._steps: dict[Key, Step] = {}
        #: Of records that are referred to: the id now, None where they are gone.
        self._places: dict[Key, int | None] = {}
        self._refusals: list[Row] = []
        self._remarks: list[str] = []
        #: What stands in the portal of the records that exist.
        self._now: dict[Key, Row] = {}
        #: Of owners: their children in the snapshot, and their product rows and comments in the portal.
        self._children: dict[Key, dict[str, list[tuple[int, Row]]]] = {}
        self._rows_now: dict[tuple[int, int], list[Row]] = {}
        self._comments_now: dict[tuple[int, int], list[Row]] = {}
        #: Products of rows, and authors of comments, that the portal knows.
        self._products: set[int] = set()
        self._authors: set[int] = set()
        #: Of activities that exist: what they belong to beside their owner.
        self._bindings: dict[int, set[tuple[int, int]]] = {}
        #: Records that have, or get, another id than they had in the snapshot.
        self.moved: set[Key] = set()
        self._arrivals: list[Key] = []

    def plan(self, wanted: t.Sequence[Key]) -> Plan:
        """Raises BoxliftError that lists every refusal, before anything is written."""
        for key in dict.fromkeys(wanted):
            found = self.past.find(key)
            if found is None:
                self.refuse(
                    "not_in_snapshot",
                    f"No snapshot has {key[0]} {key[1]} (looked in {self.past.places()}).",
                    "Correct kind and id, or look in another store; crm_diff shows the history of a record.",
                )
                continue
            at, content = found
            owner = owner_of("activity", content) if key[0] == "activity" else None
            self._steps[key] = Step(key, at, content, owner=owner)
        self._stop()
        self._locate([key for key in self._steps if key[0] != "activity"])
        if self.options.children:
            self._add_children()
        self._locate([key for key in self._steps if key[0] == "activity"])
        self._place_references()
        self._look_at_children()
        for step in self._ordered():
            self._judge(step)
        self._judge_dates()
        links = self._links() if self.options.links else []
        imports = [step.kind for step in self._steps.values() if step.action == CREATE and step.kind != "activity"]
        if imports and not self.present.imports(imports[0]):
            self.refuse(
                "no_import",
                f"{self.present.host} cannot import records; adding them would run automation and lose dates.",
                "Update the portal's module crm, and give the webhook the scope crm.",
            )
        if imports and not self.present.administrator():
            self.refuse(
                "not_administrator",
                f"The webhook's account is no administrator of {self.present.host}, and only one may import.",
                "Use a webhook that an administrator has made.",
            )
        self._stop()
        items = [step for step in self._steps.values() if step.kind != "activity"]
        if links or any(step.action == UPDATE or step.rows is not None for step in items):
            self._remarks.append(
                "Fields, links and product rows of records that exist are set by an update: the portal's automation"
                " rules see it, and updatedTime is that of the restore."
            )
        return Plan(self._ordered(), links, self._remarks)

    def refuse(self, code: str, message: str, remedy: str) -> None:
        """Something speaks against the plan; all of it is told together."""
        refusal = {"code": code, "message": message, "remedy": remedy}
        if refusal not in self._refusals:
            self._refusals.append(refusal)

    def _stop(self) -> None:
        if not self._refusals:
            return
        first, more = self._refusals[0], len(self._refusals) - 1
        message = first["message"] + (f" And {more} more (see refusals)." if more else "")
        raise BoxliftError(message, first["remedy"], code=first["code"], refusals=self._refusals)

    def _ordered(self) -> list[Step]:
        """What others refer to first; the records of a kind by age, since a portal imports nothing that is older."""
        return sorted(self._steps.values(), key=lambda step: (kinds.order_of(step.kind), age_of(step), step.id))

    # -- which records ---------------------------------------------------------------------------------------------

    def _add_children(self) -> None:
        by_place: dict[At, list[Key]] = {}
        for key, step in self._steps.items():
            # Where only some fields are wanted, a record that exists keeps its children as they are.
            if kinds.kind(key[0]).is_item and not (self.options.fields and step.target is not None):
                by_place.setdefault(step.at, []).append(key)
        for at, owners in by_place.items():
            found = self.past.children(at, owners)
            self._children.update(found)
            for owner, of in found.items():
                for number, content in of.get("activity", []):
                    key = ("activity", number)
                    if key not in self._steps:
                        self._steps[key] = Step(key, at, content, owner=owner)

    def _locate(self, keys: t.Sequence[Key]) -> None:
        """Which of the records exist, under which id."""
        for kind in sorted({key[0] for key in keys}, key=kinds.order_of):
            steps = {key: self._steps[key] for key in keys if key[0] == kind}
            if kind != "activity" and self.present.fields(kind) is None:
                self.refuse(
                    "kind_gone", f"The portal has no {kind} any more.", "Make the smart process again, or leave it out."
                )
                continue
            known = {key: self.ids.now(key) for key in steps}
            there = self.present.records(kind, known.values())
            mine = self.present.originator
            for key, step in steps.items():
                if known[key] in there and not self.ids.is_heir(key, there[known[key]], mine, step.content):
                    del there[known[key]]
            lost = [key[1] for key in steps if known[key] not in there]
            again = self.present.by_origin(kind, lost) if lost else {}
            there.update(self.present.records(kind, again.values()) if again else {})
            for key, step in steps.items():
                number = known[key] if known[key] in there else again.get(key[1])
                step.target = number
                self._places[key] = number
                self._now[key] = there[number] if number is not None else {}
                if number == key[1]:
                    self._check_same(step, there[number])
        self._stop()

    def _check_same(self, step: Step, now: Row) -> None:
        """Refuses to write into a record that only has the same number: nothing changes when a record was made."""
        name = kinds.kind(step.kind).created
        then, there = kinds.instant(step.content.get(name)), kinds.instant(now.get(name))
        if then is None or there is None or is_shift(there - then):
            return
        self.refuse(
            "other_record",
            f"{step.kind} {step.id} of the portal was made at {now.get(name)}, and that of the snapshot at"
            f" {step.content.get(name)}: it is another record, which got this number after the portal was put back.",
            "Enter by hand what is missing, or name a snapshot that was taken since.",
        )

    def _look_at_children(self) -> None:
        """Product rows of the owners that exist, and comments where any could be missing."""
        there = {key: step for key, step in self._steps.items() if key in self._children and step.target is not None}
        places = {key: (kinds.kind(key[0]).entity_type or 0, step.target or 0) for key, step in there.items()}
        self._rows_now = self.present.product_rows_of(list(places.values()))
        children = [each for of in self._children.values() for each in of.get("productrow", [])]
        self._products = self.present.products(
            int(content.get("productId") or 0) for _number, content in children if int(content.get("productId") or 0)
        )
        spoken_by = [each for of in self._children.values() for each in of.get("comment", [])]
        self._authors = self.present.users(int(content.get("AUTHOR_ID") or 0) for _number, content in spoken_by)
        asked = [
            places[key]
            for key, step in there.items()
            if self._children[key].get("comment") or not self._dated(step, self._now[key])
        ]
        self._comments_now = self.present.comments_of(asked)
        moved = []
        for key, step in self._steps.items():
            place = self._places.get(step.owner) if step.owner else None
            if key[0] == "activity" and step.target is not None and step.owner and place is not None:
                wanted = (kinds.kind(step.owner[0]).entity_type or 0, place)
                moved += [step.target] if owner_pair(self._now[key]) != wanted else []
        self._bindings = self.present.bindings_of(moved)

    def _place_references(self) -> None:
        """Where the records are now that those of the plan refer to."""
        wanted: dict[str, set[Key]] = {}
        for step in self._steps.values():
            keys = [key for name, value in step.content.items() for key in references(name, value)]
            if step.owner:
                keys.append(step.owner)
            for each in step.content.get("COMMUNICATIONS") or []:
                key = communication_key(each)
                keys += [key] if key else []
            for key in keys:
                if key not in self._places:
                    wanted.setdefault(key[0], set()).add(key)
        for kind, keys_of in wanted.items():
            known = {key: self.ids.now(key) for key in keys_of}
            asked = known.values() if self.present.fields(kind) is not None else ()
            there = self.present.items(kind, asked, HEIR_FIELDS)
            for key, number in known.items():
                then = self.past.find(key) if number != key[1] else None
                content = then[1] if then else None
                good = number in there and self.ids.is_heir(key, there[number], self.present.originator, content)
                self._places[key] = number if good else None

    def coming(self, key: Key) -> bool:
        """Whether the record is there, or will be."""
        return self._places.get(key) is not None or key in self._steps

    def place(self, key: Key) -> int | None:
        """The id that a record of the snapshot has in the portal; None where it is gone, or still to come."""
        return self._places.get(key)

    def arrived(self, key: Key, number: int) -> None:
        """A record was created."""
        self._places[key] = number
        self._arrivals.append(key)

    def late(self, key: Key, other: Key) -> bool:
        """Whether `other` was created after `key`, which could not name it then."""
        if other not in self._arrivals:
            return False
        return key in self._arrivals and self._arrivals.index(other) > self._arrivals.index(key)

    # -- one record ------------------------------------------------------------------------------------------------

    def _judge(self, step: Step) -> None:
        if step.kind == "activity":
            self._judge_activity(step)
            return
        described = self.present.fields(step.kind) or {}
        self._judge_fields(step, described)
        if step.target is None:
            step.action = CREATE
            self._check_values(step, described, [name for name in step.content if self.written(name, described)])
            self._check_users(step, AUTHORS)
            for name, value in step.content.items():
                if self.written(name, described) and is_file_field(described[name]) and not kinds.is_empty(value):
                    step.files[name] = self._kept_files(step, step.kind, name, value)
            self._lost_references(step)
            self._judge_children(step, None)
            return
        now = self._now[step.key]
        for name in step.content:
            if not self.written(name, described) or (self.options.fields and name not in self.options.fields):
                continue
            then = self.then(step, name, described)
            if not kinds.same_value(then, now.get(name), name, str(described[name].get("type") or "")):
                if is_file_field(described[name]):
                    step.remarks.append(f"The file in {name} is another one now; it is left as it is.")
                    continue
                step.changes.append(Change(name, now.get(name), then))
        if not self.options.fields or "fm" in self.options.fields:
            step.multi = multi_changes(step.content.get("fm"), now.get("fm"))
            if step.multi:
                step.changes.append(Change("fm", spoken(now.get("fm")), spoken(step.content.get("fm"))))
        if step.changes:
            step.action = UPDATE
            self._check_values(step, described, [each.field for each in step.changes])
        self._judge_children(step, now)
        self._judge_origin(step, now)

    def written(self, name: str, described: t.Mapping[str, Row]) -> bool:
        """Whether a field's own value is written."""
        skipped = name in NEVER or name in self.options.skip_fields
        return name in described and not skipped and not described[name].get("isReadOnly")

    def _judge_fields(self, step: Step, described: t.Mapping[str, Row]) -> None:
        for name in self.options.fields:
            if name not in described and name not in step.content:
                self.refuse(
                    "unknown_field",
                    f"{step.kind} has no field {name}.",
                    f"Correct fields: there are {', '.join(sorted(described))}.",
                )
        for name, value in step.content.items():
            own = name.upper().startswith("UF_") or name.startswith(("ufCrm", "parentId"))
            if not own or name in described or kinds.is_empty(value) or name in self.options.skip_fields:
                continue
            if self.options.fields and name not in self.options.fields:
                continue
            self.refuse(
                "unknown_field",
                f"The field {name} of {step.kind} {step.id} is not in the portal any more.",
                "Make the field again under this name, or leave it out (skip_fields).",
            )

    def then(self, step: Step, name: str, described: t.Mapping[str, Row]) -> t.Any:
        """The value of the snapshot in the portal's terms of today. Records that are still to come are left out."""
        value = step.content[name]
        if is_reference(name, described) and references(name, value):
            return pointed(name, value, self._places.get)[0]
        if str(described.get(name, {}).get("type")) in ("user", "employee"):
            return self.users_now(value)
        return value

    def users_now(self, value: t.Any) -> t.Any:
        """The employees, with the one that stands in for those who are not known any more."""
        if not self.options.fallback_user:
            return value
        values = value if isinstance(value, list) else [value]
        numbers = [int(each) for each in values if str(each or 0).isdecimal() and int(each or 0)]
        known = self.present.users(numbers)
        out = [number if number in known else self.options.fallback_user for number in numbers]
        return out if isinstance(value, list) else (out[0] if out else value)

    def _check_values(self, step: Step, described: t.Mapping[str, Row], names: t.Sequence[str]) -> None:
        """Refuses what the portal would take silently and wrongly, or not at all."""
        for name in names:
            field, value = described.get(name, {}), step.content.get(name)
            if kinds.is_empty(value):
                continue
            type_ = str(field.get("type") or "")
            if name == "stageId":
                self._check_stage(step, str(value))
            elif type_ == "crm_status" and field.get("statusType"):
                for each in value if isinstance(value, list) else [value]:
                    if str(each) not in self.present.status_ids(str(field["statusType"])):
                        self.refuse(
                            "missing_status",
                            f"{step.kind} {step.id}: {name} is {each}, which the list {field['statusType']} of the"
                            " portal does not have any more.",
                            "Make this entry again, or leave the field out (skip_fields).",
                        )
            elif type_ == "enumeration" and field.get("items"):
                there = {str(each.get("ID")) for each in field["items"]}
                for each in value if isinstance(value, list) else [value]:
                    if str(each) not in there:
                        self.refuse(
                            "missing_value",
                            f"{step.kind} {step.id}: the list {name} does not have the value {each} any more.",
                            "Make this value again, or leave the field out (skip_fields).",
                        )
            elif type_ in ("user", "employee"):
                self._check_users(step, (name,))

    def _check_stage(self, step: Step, stage: str) -> None:
        category = int(step.content.get("categoryId") or 0)
        entity = stage_list(kinds.kind(step.kind), category)
        there = self.present.status_ids(entity)
        if stage in there:
            return
        if not there:
            self.refuse(
                "missing_category",
                f"{step.kind} {step.id} is in pipeline {category}, which the portal does not have any more.",
                "Make the pipeline again, or leave categoryId and stageId out (skip_fields).",
            )
            return
        self.refuse(
            "missing_stage",
            f"{step.kind} {step.id} is in stage {stage}, which the list {entity} of the portal does not have any more.",
            "Make the stage again under this id, or leave stageId out (skip_fields).",
        )

    def _check_users(self, step: Step, names: t.Iterable[str]) -> None:
        wanted: dict[int, str] = {}
        for name in names:
            value = step.content.get(name)
            for each in value if isinstance(value, list) else [value]:
                if str(each or "").isdecimal() and int(str(each)):
                    wanted[int(str(each))] = name
        if self.options.fallback_user:
            wanted = {self.options.fallback_user: "fallback_user"} if wanted else {}
        for number in sorted(set(wanted) - self.present.users(wanted)):
            if wanted[number] == "fallback_user":
                self.refuse(
                    "user_gone", f"The portal knows no employee {number} (fallback_user).", "Name one that it knows."
                )
                continue
            self.refuse(
                "user_gone",
                f"{step.kind} {step.id}: {wanted[number]} is employee {number}, whom the portal does not know.",
                "Name an employee who stands in for him (fallback_user).",
            )

    def _kept_files(self, step: Step, kind: str, name: str, value: t.Any) -> list[StoredFile]:
        """The files of a field whose contents a store has; of the others a remark tells."""
        found = []
        for file in kinds.files_in({name: value}):
            kept = self.past.file(step.at, kinds.file_key(kind, file))
            if kept is None:
                step.remarks.append(f"{name}: file {file['id']} of its {kind} is in no store, and stays away.")
            else:
                found.append(kept)
        return found

    def _lost_references(self, step: Step) -> None:
        for name, value in step.content.items():
            for key in references(name, value):
                if not self.coming(key) and not doubled(name, step.content):
                    step.remarks.append(f"{name}: {key[0]} {key[1]} is gone too; restore it as well to keep this link.")

    def _judge_origin(self, step: Step, now: Row) -> None:
        """A restored record that carried somebody else's pair gets it back once the id map knows the record."""
        mine = now.get("originatorId") == self.present.originator
        foreign = (str(step.content.get("originatorId") or ""), str(step.content.get("originId") or ""))
        if mine and any(foreign) and foreign[0] != self.present.originator:
            step.origin = foreign

    # -- children --------------------------------------------------------------------------------------------------

    def _judge_children(self, step: Step, now: Row | None) -> None:
        if step.key not in self._children:
            return
        then = self._children[step.key]
        place = (kinds.kind(step.kind).entity_type or 0, step.target or 0)
        rows = [self._row(step, cleaned_row(content)) for _number, content in then.get("productrow", [])]
        there = self._rows_now.get(place, []) if now is not None else []
        if not same_rows(rows, [cleaned_row(each) for each in there]):
            step.rows = rows
            if there:
                named = [f"{row.get('productName')} ({row.get('quantity')} x {row.get('price')})" for row in there]
                step.remarks.append(
                    f"Its {len(there)} product rows of today are replaced: {shortened(', '.join(named))}."
                )
        known = self._comments_now.get(place, []) if now is not None else []
        texts = {str(each.get("COMMENT") or "").strip() for each in known}
        numbers = {int(each["ID"]) for each in known} if step.target == step.id else set()
        for number, content in then.get("comment", []):
            text, plain = self._comment(step, content), str(content.get("COMMENT") or "").strip()
            if plain and number not in numbers and not {text.strip(), plain} & texts:
                files = self._kept_files(step, "comment", "FILES", content.get("FILES"))
                author = int(content.get("AUTHOR_ID") or 0)
                step.comments.append(Comment(text, author if author in self._authors else 0, files))
        if now is not None and not self._dated(step, now):
            step.dated = False
            note = dates_note(step.content)
            if note not in texts:
                step.comments.append(Comment(note))

    def _row(self, step: Step, row: Row) -> Row:
        """A product row in today's terms: a product that the catalogue does not have any more is a name alone."""
        product = int(row.get("productId") or 0)
        if not product or product in self._products:
            return row
        remark = (
            f"Product {product} ({row.get('productName')}) is not in the catalogue any more: its row is a name alone."
        )
        step.remarks += [] if remark in step.remarks else [remark]
        return {name: value for name, value in row.items() if name != "productId"}

    @staticmethod
    def _dated(step: Step, now: Row) -> bool:
        """Whether a restored record kept its date."""
        return step.target == step.id or kinds.same_value(step.content.get("createdTime"), now.get("createdTime"))

    def _comment(self, step: Step, content: Row) -> str:
        """The text with date and author before it, which the portal cannot keep."""
        text = str(content.get("COMMENT") or "")
        if _HEAD.match(text):
            return text  # it was restored or transferred before
        moment = str(content.get("CREATED") or "").replace("T", " ")[:16]
        return f"[{moment}, {self.past.user_name(step.at, int(content.get('AUTHOR_ID') or 0))}]\n{text}"

    def _judge_activity(self, step: Step) -> None:
        owner = step.owner
        if owner is None or not self.coming(owner):
            name = "nothing that a restore knows" if owner is None else f"{owner[0]} {owner[1]}, which is gone"
            self.refuse(
                "owner_gone",
                f"activity {step.id} belongs to {name}.",
                "Restore the record that it belongs to: its activities come with it.",
            )
            return
        self._check_users(step, ("RESPONSIBLE_ID",))
        if step.target is None:
            if str(step.content.get("TYPE_ID")) == E_MAIL and not self.options.emails:
                step.remarks.append("This e-mail is not added again: the portal could send it once more (emails).")
                return
            step.action = CREATE
            files = self._kept_files(step, "activity", "FILES", step.content.get("FILES"))
            step.files = {"FILES": files} if files else {}
            return
        now = self._now[step.key]
        place = self._places.get(owner)
        if not self._bound(step, owner, place):
            step.bind, step.action = True, UPDATE
        for name in ACTIVITY_FIELDS:
            if name in ACTIVITY_FIXED or name not in step.content or name not in now:
                continue
            then = self.users_now(step.content[name]) if name == "RESPONSIBLE_ID" else step.content[name]
            if not kinds.same_value(then, now[name], name, numeric=name in kinds.KINDS["activity"].numeric):
                step.changes.append(Change(name, now[name], then))
        if step.changes:
            step.action = UPDATE
        foreign = (str(step.content.get("ORIGINATOR_ID") or ""), str(step.content.get("ORIGIN_ID") or ""))
        if now.get("ORIGINATOR_ID") == self.present.originator and any(foreign):
            step.origin = foreign

    def _bound(self, step: Step, owner: Key, place: int | None) -> bool:
        """Whether an activity that exists belongs to the record, as its owner or beside others."""
        if place is None:
            return False
        wanted = (kinds.kind(owner[0]).entity_type or 0, place)
        return wanted in self._bindings.get(step.target or 0, ()) or wanted == owner_pair(self._now[step.key])

    # -- dates -----------------------------------------------------------------------------------------------------

    def _judge_dates(self) -> None:
        """A record that is older than the newest of its kind cannot be imported with its date."""
        for kind in {step.kind for step in self._steps.values() if step.action == CREATE and step.kind != "activity"}:
            number, newest = self.present.newest(kind)
            earliest = kinds.instant(newest) or 0.0
            for step in self._steps.values():
                if step.kind != kind or step.action != CREATE:
                    continue
                created = kinds.instant(step.content.get("createdTime"))
                if created is not None and created >= earliest:
                    continue
                if self.options.old_dates == REFUSE:
                    self.refuse(
                        "too_old",
                        f"{kind} {step.id} is of {step.content.get('createdTime')}, and {kind} {number} is newer"
                        f" ({newest}): the portal imports nothing that is older than its newest record.",
                        "Allow the date of now (old_dates: now): a comment on the record then tells the real one.",
                    )
                undate(step, f"{kind} {number} is newer")

    # -- links -----------------------------------------------------------------------------------------------------

    def _links(self) -> list[Link]:
        """Fields of records that still exist, and pointed to one that has, or gets, another id."""
        items = {key: step for key, step in self._steps.items() if key[0] != "activity"}
        moved = self.moved = {key for key, step in items.items() if step.target != key[1]}
        found: list[tuple[Key, Row, str]] = []
        for at in {step.at for key, step in self._steps.items() if key in moved}:
            here = {key for key in moved if self._steps[key].at == at}
            # New records name the others by themselves.
            gone = {key for key, step in self._steps.items() if step.target is None}
            found += [each for each in self.past.referrers(at, here) if each[0] not in gone]
        links = []
        for kind in sorted({key[0] for key, _content, _field in found}, key=kinds.order_of):
            known = {key: self.ids.now(key) for key, _content, _field in found if key[0] == kind}
            described = self.present.fields(kind)
            there = self.present.items(kind, known.values()) if described is not None else {}
            for key, content, field in found:
                row = there.get(known.get(key, 0))
                if key[0] != kind or row is None or not is_reference(field, described or {}):
                    continue
                link = self._link(key, known[key], field, content[field], row.get(field))
                links += [link] if link else []
        return links

    def _link(self, key: Key, target: int, field: str, then: t.Any, now: t.Any) -> Link | None:
        """None where the field is right already, or people have put another record there since."""
        present = references(field, now)
        olds = [each for each in references(field, then) if each in self.moved]
        places = {each: self._places.get(each) for each in olds}
        new = [each for each in olds if places[each] is None or (each[0], places[each]) not in present]
        if not new:
            return None
        if not isinstance(then, list) and present and present[0] not in olds:
            self._remarks.append(
                f"{key[0]} {target}: {field} points to {present[0][0]} {present[0][1]} now, and is left so."
            )
            return None
        return Link(key, target, field, then, now)


# -- values ----------------------------------------------------------------------------------------------------------


def undate(step: Step, why: str) -> None:
    """The record cannot keep its date: a comment tells it."""
    step.dated = False
    step.remarks.append(
        f"It gets the date of now: {why}, and the portal imports nothing older. A comment tells the real date."
    )
    step.comments.append(Comment(dates_note(step.content)))


def is_shift(seconds: float) -> bool:
    """Whether two times of a record differ by a new time zone of the portal, or not at all."""
    return abs(seconds) <= 14 * 3600 and seconds % 900 == 0


def dates_of(content: t.Mapping[str, t.Any]) -> Row:
    """The dates that an import takes together: each one not earlier than the one before it."""
    created, moved, updated = (kinds.instant(content.get(name)) for name in ("createdTime", "movedTime", "updatedTime"))
    found: Row = {"createdTime": content.get("createdTime")}
    if created is not None and updated is not None and updated >= created:
        found["updatedTime"] = content["updatedTime"]
    if created is not None and moved is not None and created <= moved and (updated is None or moved <= updated):
        found["movedTime"] = content["movedTime"]
    return found


def title_of(key: Key, content: t.Mapping[str, t.Any]) -> str:
    """What people know the record by."""
    name = kinds.kind(key[0]).title
    return shortened(content.get(name) or content.get("title") or "", 80)


def age_of(step: Step) -> float:
    """Sorts by createdTime."""
    return kinds.instant(step.content.get("createdTime") or step.content.get("CREATED")) or 0.0


def shortened(value: t.Any, most: int = 200) -> t.Any:
    """A value for a page or a log."""
    if isinstance(value, str) and len(value) > most:
        return value[: most - 1] + "…"
    return value


def is_reference(name: str, described: t.Mapping[str, Row]) -> bool:
    """Whether a field holds ids of other records. Of user fields only the portal knows."""
    return not name.startswith("UF_") or str(described.get(name, {}).get("type")) == "crm"


def is_file_field(described: t.Mapping[str, t.Any]) -> bool:
    return str(described.get("type")) in ("file", "diskfile")


def stage_list(kind: kinds.Kind, category: int) -> str:
    """The list of statuses that the stages of a kind are in."""
    type_ = kind.entity_type or 0
    if type_ == kinds.LEAD:
        return "STATUS"
    if type_ == kinds.DEAL:
        return f"DEAL_STAGE_{category}" if category else "DEAL_STAGE"
    if type_ == kinds.QUOTE:
        return "QUOTE_STATUS"
    if type_ == kinds.INVOICE:
        return f"SMART_INVOICE_STAGE_{category}"
    return f"DYNAMIC_{type_}_STAGE_{category}"


def multi_changes(then: t.Any, now: t.Any) -> list[Row]:
    """What makes the values of a multi-field those of `then`: each value is known by type and text, not by its id."""
    wanted = kinds.multi_values(then)
    entries = []
    for row in multi_rows(now):
        use = next((each for each in wanted if (each[0], each[2]) == (row["typeId"], row["value"])), None)
        if use is None:
            entries.append({"id": row["id"], "typeId": row["typeId"], "valueType": row["valueType"], "value": ""})
            continue
        wanted.remove(use)
        if use[1] != row["valueType"]:
            entries.append({"id": row["id"], "typeId": use[0], "valueType": use[1], "value": use[2]})
    return entries + [{"typeId": type_, "valueType": use, "value": value} for type_, use, value in wanted]


def multi_rows(value: t.Any) -> list[Row]:
    """The values of a multi-field with their ids, as crm.item.list gives them."""
    rows = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    names = ("id", "typeId", "valueType", "value")
    return [{**{name: row.get(name) for name in names}, "value": str(row.get("value"))} for row in rows]


def spoken(value: t.Any) -> str:
    """The values of a multi-field for people."""
    return ", ".join(f"{type_} {text} ({use})" for type_, use, text in kinds.multi_values(value))


def cleaned_row(content: t.Mapping[str, t.Any]) -> Row:
    """Of a product row what can be written."""
    row = {name: content[name] for name in ROW_FIELDS if content.get(name) is not None}
    if not row.get("productId"):
        row.pop("productId", None)
    return row


def same_rows(one: t.Sequence[Row], other: t.Sequence[Row]) -> bool:
    """Whether two sets of product rows mean the same."""

    def spelled(rows: t.Sequence[Row]) -> list[t.Any]:
        return sorted(str(sorted(kinds.compared("productrow", row).items())) for row in rows)

    return spelled(one) == spelled(other)


def communication_key(communication: t.Any) -> Key | None:
    """The record that a communication of an activity names."""
    try:
        kind = kinds.of_entity_type(int(communication["ENTITY_TYPE_ID"])).name
        return (kind, int(communication["ENTITY_ID"])) if int(communication["ENTITY_ID"]) else None
    except (KeyError, TypeError, ValueError, BoxliftError):
        return None


def owner_pair(activity: t.Mapping[str, t.Any]) -> tuple[int, int]:
    """Entity type and id of an activity's owner."""
    return int(activity.get("OWNER_TYPE_ID") or 0), int(activity.get("OWNER_ID") or 0)


def dates_note(content: t.Mapping[str, t.Any]) -> str:
    """The comment on a record that could not keep its date. The same for every run, since it is found by its text."""
    created = str(content.get("createdTime") or "an unknown date")
    return f"[Restored from a snapshot: record {content.get('id')}, created {created}]"

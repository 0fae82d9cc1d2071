# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulated portal does with records: adding, importing, changing and deleting them, and what follows."""

from __future__ import annotations

import collections
import dataclasses
import json
import time
import typing as t

from lab.crm.defaults import GENERAL, PARTS, TYPE_FLAGS, fill_in, stage_rows
from lab.crm.fields import (
    MULTIPLE,
    NEWER,
    TYPES,
    Field,
    Zone,
    convert,
    family_of,
    file_content,
    is_item,
    legacy_names,
    own_fields,
    snake,
)
from lab.crm.filters import items
from lab.crm.store import KINDS, All, Condition, Storage, number_name
from lab.rest.answers import Refused, Row

#: ENTITY_ID of the user fields of each kind.
USER_FIELDS_OF = {"lead": "CRM_LEAD", "deal": "CRM_DEAL", "contact": "CRM_CONTACT", "company": "CRM_COMPANY"}
USER_FIELDS_OF |= {"quote": "CRM_QUOTE", "invoice": "CRM_SMART_INVOICE"}
TITLES = {"lead": "Lead", "deal": "Deal", "contact": "Contact", "company": "Company", "smart": "Item"}
TITLES |= {"quote": "Quote", "invoice": "Invoice"}
#: Fields with references → the kind that they refer to.
REFERENCES = {
    "companyId": "company",
    "companyIds": "company",
    "contactId": "contact",
    "contactIds": "contact",
    "leadId": "lead",
    "parentId1": "lead",
    "parentId2": "deal",
}


@dataclasses.dataclass
class Rules:
    """What a portal's edition, plan and settings decide, and where nobody could confirm what a portal does."""

    #: An own-hosted portal; else the cloud.
    box: bool = False
    zone: str = "+03:00"
    #: crm.item.import and crm.item.batchImport exist.
    imports: bool = True
    batch_imports: bool = True
    #: crm.item.batchImport may stand in a batch.
    batch_imports_in_batch: bool = True
    #: event.bind takes event_type=offline, and event.offline.get takes clear=0.
    offline_events: bool = True
    offline_extended: bool = True
    #: Webhooks may bind events; the documentation keeps that for applications.
    webhooks_bind: bool = False
    #: What becomes of a reference to a record that is not there: keep, drop, refuse.
    missing_references: str = "drop"
    #: What becomes of a product row whose product is not there: keep, refuse.
    missing_products: str = "keep"
    #: Deleting a contact or company takes it out of the records that refer to it, whose updatedTime stays.
    unbind_deleted: bool = True
    #: An activity that belongs to several records outlives its owner, and then is the first other one's.
    shared_activities_stay: bool = False
    #: crm.item.list counts although start=-1.
    count_always: bool = False
    #: REST may be used at all, and for what.
    rest_in_plan: bool = True
    scopes: tuple[str, ...] = ("crm", "user", "userfieldconfig")
    #: The public part is closed: every request is refused.
    closed: bool = False


class Crm:
    """The CRM of one portal. Every method is atomic; those that REST methods use raise Refused."""

    def __init__(self, store: Storage, rules: Rules | None = None, clock: t.Callable[[], float] = time.time) -> None:
        self.store, self.rules, self.clock = store, rules or Rules(), clock
        self.zone = Zone(self.rules.zone)
        #: How often robots and business processes would have run: "lead add", "deal update".
        self.automation: collections.Counter[str] = collections.Counter()
        #: What was posted to the feed, and so told to whoever is responsible.
        self.feed: collections.Counter[str] = collections.Counter()
        #: E-mail that adding an activity would have sent.
        self.mail: collections.Counter[str] = collections.Counter()
        self._fields: dict[str, dict[str, Field]] = {}
        self._names: dict[str, dict[str, str]] = {}
        self._changed: list[t.Callable[[str, t.Collection[int]], None]] = []
        self._answers: dict[tuple[str, t.Any], tuple[int, t.Any]] = {}  # see _known
        self._last: dict[str, tuple[int | None, str]] = {}  # kind → its version, and when its last record was created
        fill_in(store)

    # -- for tests ---------------------------------------------------------------------------------------------------

    def add(self, kind: str, given: Row | None = None, user: int = 1, **fields: t.Any) -> int:
        """A record as if it had always been there: any field can be given, nothing follows. Its number.

        Of an activity, a comment or a product row the owner at least is given, by the names that rows have.
        """
        if kind in KINDS:
            times, usual = PARTS.get(kind, ((), {}))
            now = {name: self.now() for name in times}
            number = self._store_row(kind, {**usual, **now, **(given or {}), **fields})
            self.tell(kind, [number])
            return number
        return self.create(kind, {**(given or {}), **fields}, user, how="seed")

    def update(self, kind: str, number: int, given: Row | None = None, user: int = 1, **fields: t.Any) -> None:
        """An employee changes a record."""
        if kind in KINDS:
            with self.store.lock:
                row = {**(self.get(kind, number) or {}), **(given or {}), **fields}
                if kind == "activity":
                    row |= {"LAST_UPDATED": self.now(), "EDITOR_ID": user}
                self.store.replace(kind, number, row)
                self.tell(kind, [number])
                self.emit(kind, "UPDATE", number)
            return
        self.change(kind, number, {**(given or {}), **fields}, user)

    def delete(self, kind: str, *numbers: int) -> int:
        """An employee deletes records. How many there were."""
        return self.remove(kind, numbers)

    def get(self, kind: str, number: int) -> Row | None:
        """The row as the store keeps it."""
        return self.store.load(kind, [number]).get(number)

    def count(self, kind: str) -> int:
        return self.store.count(kind)

    def rows(self, kind: str) -> list[Row]:
        """All rows by their numbers."""
        return list(self.store.load(kind, self.store.find(kind, All(()))).values())

    def add_user(self, number: int, name: str, *, admin: bool = False, **fields: t.Any) -> int:
        """An employee; `fields` are those of user.get."""
        row = {"ID": number, "ACTIVE": True, "NAME": name, "LAST_NAME": "", "EMAIL": f"user{number}@boxlift.test"}
        row |= {"USER_TYPE": "employee", "IS_ADMIN": admin}
        return self._store_row("user", {**row, **fields})

    def add_field(self, kind: str, name: str, type_: str = "string", *, multiple: bool = False, **more: t.Any) -> int:
        """A user field; `name` begins with UF_CRM_. `more` are fields of crm.lead.userfield.get."""
        row = {"ENTITY_ID": self.user_fields_of(kind), "FIELD_NAME": name, "USER_TYPE_ID": type_}
        number = self._store_row("field", {**row, "MULTIPLE": "Y" if multiple else "N", "MANDATORY": "N", **more})
        self.forget_fields()
        return number

    def add_category(self, kind: str, name: str, sort: int = 500, default: bool = False) -> int:
        """A pipeline with its stages. Its number."""
        store, type_ = self.store, self.entity_type(kind)
        with store.transaction():
            row = {"entityTypeId": type_, "name": name, "sort": sort, "isDefault": "Y" if default else "N"}
            number = store.insert("category", row)
            prefix = f"C{number}:" if kind == "deal" else f"DT{type_}_{number}:"
            for stage in stage_rows(self.stages(kind, number), prefix, number):
                store.insert("status", stage)
        self.tell("status", ())
        return number

    def add_type(self, title: str, entity_type: int = 0, flags: t.Mapping[str, str] | None = None) -> int:
        """A smart process with a first pipeline. Its number, which is not its entityTypeId."""
        with self.store.lock:
            taken = {row["entityTypeId"] for row in self.rows("type")}
            allowed = 128 <= entity_type <= 192 or (entity_type >= 1030 and entity_type % 2 == 0)
            if entity_type and (entity_type in taken or not allowed):
                raise Refused("entityTypeId is taken or out of range", "BAD_ENTITY_TYPE_ID", 400)
            number = entity_type or next(each for each in range(1030, 10**6, 2) if each not in taken)
            now = self.now()
            row: Row = {"title": title, "entityTypeId": number, **{name: "Y" for name in TYPE_FLAGS}, **(flags or {})}
            row |= {"createdTime": now, "updatedTime": now, "createdBy": 1, "updatedBy": 1}
            made = self.store.insert("type", row)
            self.add_category(f"smart:{number}", GENERAL, default=True)
        return made

    def clear(self) -> None:
        """An empty portal."""
        kinds = list(self._fields)
        self.store.clear()
        fill_in(self.store)
        self._fields.clear()
        self._names.clear()
        for kind in (*kinds, *KINDS):
            self.tell(kind, ())
        for counter in (self.automation, self.feed, self.mail):
            counter.clear()

    def _store_row(self, kind: str, row: Row) -> int:
        with self.store.transaction():
            number = row.get(number_name(kind))
            if number:
                self.store.remove(kind, [number])
            return self.store.insert(kind, row)

    # -- who and what ------------------------------------------------------------------------------------------------

    def now(self) -> str:
        return self.zone.moment(self.clock())

    def user(self, number: int) -> Row | None:
        return self.store.load("user", [number]).get(number)

    def is_admin(self, user: int) -> bool:
        return bool(self._known("user", user, lambda: (self.user(user) or {}).get("IS_ADMIN")))

    def _known(self, kind: str, key: t.Any, ask: t.Callable[[], t.Any]) -> t.Any:
        """What `ask` finds; it is asked again only after something was written to the kind."""
        version = self.store.version(kind)
        if version is None:
            return ask()
        known = self._answers.get((kind, key))
        if known is None or known[0] != version:
            known = self._answers[kind, key] = (version, ask())
        return known[1]

    def kind_of(self, entity_type: t.Any) -> str:
        """The kind of an entityTypeId. Raises Refused."""
        for kind, number in {**TYPES, **NEWER}.items():
            if str(entity_type) == str(number):
                return kind
        kind = f"smart:{entity_type}"
        if self.smart_type(kind) is None:
            raise Refused("Smart process not found", "NOT_FOUND", 400)
        return kind

    @staticmethod
    def entity_type(kind: str) -> int:
        return TYPES.get(kind) or NEWER.get(kind) or int(kind.partition(":")[2])

    def smart_type(self, kind: str) -> Row | None:
        """The row of crm.type.get of a kind of smart process."""
        number = kind.partition(":")[2]
        if not number.isdigit():
            return None
        found = self.store.find("type", Condition("entityTypeId", "=", int(number)))
        return self.store.load("type", found)[found[0]] if found else None

    def user_fields_of(self, kind: str) -> str:
        if kind in USER_FIELDS_OF:
            return USER_FIELDS_OF[kind]
        type_ = self.smart_type(kind)
        if type_ is None:
            raise ValueError(f"there is no kind {kind!r}")
        return f"CRM_{type_['ID']}"

    def fields(self, kind: str) -> dict[str, Field]:
        """By the names that rows have."""
        if kind not in self._fields:
            known = dict(own_fields(family_of(kind)))
            found = self.store.find("field", Condition("ENTITY_ID", "=", self.user_fields_of(kind)))
            for row in self.store.load("field", found).values():
                name = row["FIELD_NAME"]
                known[name] = Field(
                    name,
                    row["USER_TYPE_ID"],
                    row["MULTIPLE"] == "Y",
                    required=row["MANDATORY"] == "Y",
                    title=str(row.get("EDIT_FORM_LABEL") or name),
                    items=tuple(row.get("LIST") or ()),
                )
            self._fields[kind] = known
        return self._fields[kind]

    def forget_fields(self) -> None:
        """User fields have changed."""
        for kind in list(self._fields):
            self.tell(kind, ())
        self._fields.clear()
        self._names.clear()

    def when_changed(self, callback: t.Callable[[str, t.Collection[int]], None]) -> None:
        """Called with the kind and the numbers of what has changed; without numbers all of the kind has."""
        self._changed.append(callback)

    def tell(self, kind: str, numbers: t.Collection[int]) -> None:
        for callback in self._changed:
            callback(kind, numbers)

    # -- writing items -----------------------------------------------------------------------------------------------

    def create(self, kind: str, given: Row, user: int, how: str = "add") -> int:
        """`given` has the names that rows have. `how`: add, import, or seed (anything goes, and nothing follows)."""
        with self.store.lock:
            now, seed = self.now(), how == "seed"
            allowed = self._allowed(kind, given, how, user)
            self._check_dates(kind, allowed, how, now)
            row: Row = {"createdTime": now, "createdBy": user, "assignedById": user}
            row |= {field.name: field.default for field in self.fields(kind).values() if field.default is not None}
            for name in ("categoryId",):
                if name in row:
                    row[name] = int(row[name])
            self._put(kind, row, allowed, seed)
            row.setdefault("updatedTime", row["createdTime"] if seed else now)
            row.setdefault("updatedBy", row["createdBy"])
            row.setdefault("lastActivityTime", row["createdTime"])
            row.setdefault("lastActivityBy", row["createdBy"])
            self._stage(kind, row, {}, user, row["createdTime"] if how != "add" else now)
            number = int(given.get("id") or 0) if seed else 0
            with self.store.transaction():
                if number:
                    row["id"] = number
                number = self.store.insert(kind, row)
                if "title" in self.fields(kind) and not row.get("title"):
                    row["title"] = f"{TITLES[family_of(kind)]} #{number}"
                    self.store.replace(kind, number, row)
                self._history(kind, row, 1)
            if not seed:  # whose number may be any
                self._last[kind] = (self.store.version(kind), row["createdTime"])
            self.tell(kind, [number])
            if how == "add":
                self.automation[f"{kind} add"] += 1
            if not seed:
                self.emit(kind, "ADD", number)
        return number

    def change(self, kind: str, number: int, given: Row, user: int, *, automation: bool = False) -> bool:
        """Whether anything changed; what is the same is not saved. Raises Refused."""
        with self.store.lock:
            before = self.get(kind, number)
            if before is None:
                raise Refused("Element not found", "NOT_FOUND", 400)
            row = json.loads(json.dumps(before))
            allowed = self._allowed(kind, given, "update", user)
            if family_of(kind) == "deal":
                allowed.pop("categoryId", None)  # the pipeline of a deal is not changed by an update
            self._put(kind, row, allowed, False)
            self._stage(kind, row, before, user, self.now())
            if row == before:
                return False
            row |= {"updatedTime": self.now(), "updatedBy": user}
            with self.store.transaction():
                self.store.replace(kind, number, row)
                if row.get("stageId") != before.get("stageId"):
                    self._history(kind, row, 2)
            self.tell(kind, [number])
            if automation:
                self.automation[f"{kind} update"] += 1
            self.emit(kind, "UPDATE", number)
        return True

    def touch(self, kind: str, number: int, **fields: t.Any) -> None:
        """Change fields of a row and nothing else."""
        with self.store.lock:
            row = self.get(kind, number)
            if row is not None:
                self.store.replace(kind, number, {**row, **fields})
                self.tell(kind, [number])

    def remove(self, kind: str, numbers: t.Collection[int]) -> int:
        """How many there were. What belonged to them is gone as well."""
        with self.store.lock, self.store.transaction():
            there = [number for number in numbers if self.get(kind, number) is not None]
            gone = self.store.remove(kind, there)
            if is_item(kind):
                for number in there:
                    self._remove_parts(kind, number)
            self.tell(kind, there)
            for number in there:
                self.emit(kind, "DELETE", number)
        return gone

    def _remove_parts(self, kind: str, number: int) -> None:
        type_ = self.entity_type(kind)
        mine = Condition("OWNER_TYPE_ID", "=", type_)
        if self.rules.shared_activities_stay:
            self._pass_on(type_, number)
        for each, owner in (("activity", "OWNER_ID"), ("stagehistory", "OWNER_ID")):
            self.store.remove(each, self.store.find(each, All([Condition(owner, "=", number), mine])))
        comments = [Condition("ENTITY_ID", "=", number), Condition("ENTITY_TYPE", "=", self.comment_type(kind))]
        self.store.remove("comment", self.store.find("comment", All(comments)))
        rows = [Condition("ownerId", "=", number), Condition("ownerType", "=", self.product_owner(kind))]
        self.store.remove("productrow", self.store.find("productrow", All(rows)))
        if self.rules.unbind_deleted and kind in ("contact", "company"):
            self._unbind(kind, number)

    def _pass_on(self, type_: int, number: int) -> None:
        """Activities of a record that goes are from now on those of the next record that they belong to."""
        mine = All([Condition("OWNER_ID", "=", number), Condition("OWNER_TYPE_ID", "=", type_)])
        for each, row in self.store.load("activity", self.store.find("activity", mine)).items():
            others = [pair for pair in row.get("BINDINGS") or () if pair != [type_, number]]
            if others:
                row |= {"BINDINGS": others, "OWNER_TYPE_ID": others[0][0], "OWNER_ID": others[0][1]}
                self.store.replace("activity", each, row)
                self.tell("activity", [each])

    def _unbind(self, kind: str, number: int) -> None:
        for other in ("lead", "deal", "contact" if kind == "company" else "company"):
            fields = self.fields(other)
            if f"{kind}Ids" in fields:
                many = True
                found = self.store.find(other, Condition(f"{kind}Ids", "=", number))
            else:
                many = False
                found = self.store.find(other, Condition(f"{kind}Id", "=", number)) if f"{kind}Id" in fields else []
            for each, row in self.store.load(other, found).items():
                if many:
                    row[f"{kind}Ids"] = [one for one in row[f"{kind}Ids"] if one != number]
                if row.get(f"{kind}Id") == number:
                    row[f"{kind}Id"] = (row[f"{kind}Ids"] or [None])[0] if many else None
                self.store.replace(other, each, _without_empty(row))
                self.tell(other, [each])

    def comment_type(self, kind: str) -> str:
        """How comments name their owner's type."""
        return kind if kind in TYPES or kind == "quote" else f"dynamic_{self.entity_type(kind)}"

    @staticmethod
    def product_owner(kind: str) -> str:
        """How product rows name their owner's type."""
        short = {"lead": "L", "deal": "D", "contact": "C", "company": "CO", "quote": "Q", "invoice": "SI"}
        return short.get(kind) or f"T{int(kind.partition(':')[2]):x}"

    def _allowed(self, kind: str, given: Row, how: str, user: int) -> Row:
        """What of the given fields this caller may set; the rest is ignored silently."""
        if how == "seed":
            return {name: value for name, value in given.items() if name != "id"}
        fields, opens = self.fields(kind), how == "import" and self.is_admin(user)
        found: Row = {}
        for name, value in given.items():
            field = fields.get(name)
            if name in MULTIPLE or name == "fm" or (field and (not field.read_only or (field.importable and opens))):
                found[name] = value
        return found

    def _check_dates(self, kind: str, given: Row, how: str, now: str) -> None:
        """The dates of an import. The last record of a kind decides how early the next one may be."""
        if how != "import":
            return
        times = {}
        for name in ("createdTime", "updatedTime", "movedTime"):
            if given.get(name):
                try:
                    times[name] = self.zone.read(given[name])
                except ValueError:
                    raise Refused(f"Field {name} has an invalid value", "CRM_FIELD_ERROR_VALUE_NOT_VALID") from None
                if times[name] > now:
                    raise Refused(f"Field {name} cannot be in the future", "CRM_FIELD_ERROR_VALUE_NOT_VALID")
        created = times.get("createdTime", now)
        last = self._last_created(kind)
        if created < last:
            text = f"Field createdTime cannot be earlier than {last}"
            raise Refused(text, "CRM_FIELD_ERROR_VALUE_NOT_VALID")
        updated = times.get("updatedTime", now)
        if updated < created:
            raise Refused("Field updatedTime cannot be earlier than createdTime", "CRM_FIELD_ERROR_VALUE_NOT_VALID")
        if not created <= times.get("movedTime", created) <= updated:
            text = "Field movedTime must be between createdTime and updatedTime"
            raise Refused(text, "CRM_FIELD_ERROR_VALUE_NOT_VALID")

    def _last_created(self, kind: str) -> str:
        """When the record with the highest number was created; empty without records."""
        version, created = self._last.get(kind, (None, ""))
        if version is not None and version == self.store.version(kind):
            return created
        last = self.get(kind, self.store.newest(kind))
        return str(last["createdTime"]) if last is not None else ""

    # -- values ------------------------------------------------------------------------------------------------------

    def _put(self, kind: str, row: Row, given: Row, seed: bool) -> None:
        """Set the given fields in a row."""
        fields = self.fields(kind)
        for name, value in given.items():
            field = fields.get(name)
            if name in MULTIPLE or name == "fm":
                if "fm" in fields:
                    self._put_multiple(row, name, value)
            elif field is not None:
                row[name] = self._converted(field, value, row)
        if not seed:
            self._check_references(kind, row, given)
        for one, many in (("contactId", "contactIds"), ("companyId", "companyIds")):
            if many in fields and one in fields:
                if many in given:
                    row[one] = (row.get(many) or [None])[0]
                elif one in given:
                    row[many] = [row[one]] if row.get(one) else []
        if "fm" in fields:
            there = {each["typeId"] for each in row.get("fm", ())}
            row |= {"hasPhone": "Y" if "PHONE" in there else "N", "hasEmail": "Y" if "EMAIL" in there else "N"}
            row["hasImol"] = "Y" if "IM" in there else "N"
        for name in [name for name, value in row.items() if value is None or value == []]:
            del row[name]

    def _converted(self, field: Field, value: t.Any, row: Row) -> t.Any:
        if field.type == "file":
            return self._files(field, value, row.get(field.name))
        try:
            if field.multiple:
                several = [each for _key, each in items(value)] if isinstance(value, (list, dict)) else [value]
                return [each for each in (convert(field.type, one, self.zone) for one in several) if each is not None]
            if isinstance(value, (list, dict)) and value:
                value = next(iter(value.values())) if isinstance(value, dict) else value[0]
            return convert(field.type, value, self.zone)
        except ValueError:
            text = f"Field {field.name} has an invalid value"
            raise Refused(text, "CRM_FIELD_ERROR_VALUE_NOT_VALID") from None

    def _files(self, field: Field, value: t.Any, before: t.Any) -> t.Any:
        """A new file is [name, base64]; {"id": …} keeps the file that is there, and a foreign id erases it."""
        kept = {each["id"]: each for each in (before if isinstance(before, list) else [before] if before else [])}

        def one(given: t.Any) -> Row | None:
            content = file_content(given)
            if content is not None:
                return {"id": self.store.put_file(*content)}
            number = str(given.get("id") if isinstance(given, dict) else given)
            return kept.get(int(number)) if number.isdigit() else None

        if not field.multiple:
            return one(value)
        single = file_content(value) if isinstance(value, (list, dict)) else None
        several = [value] if single is not None else [each for _key, each in items(value)]
        return [each for each in map(one, several) if each is not None]

    def _put_multiple(self, row: Row, name: str, value: t.Any) -> None:
        """With the id of a value it is changed, or deleted where the new value is empty; else one more is added."""
        values: list[Row] = [dict(each) for each in row.get("fm", ())]
        by_number = {each["id"]: each for each in values}
        given = [("", each) for each in value] if isinstance(value, list) else items(value or {})
        for key, each in given:
            if not isinstance(each, dict):
                each = {"value": each}
            small = {str(word).lower().replace("_", ""): one for word, one in each.items()}
            known = by_number.get(int(small.get("id") or (key if key.isdigit() else 0) or 0))
            text = str(small.get("value") or "")
            if known is not None:
                if not text or small.get("delete") == "Y":
                    values.remove(known)
                    continue
                known |= {"value": text, "valueType": str(small.get("valuetype") or known["valueType"])}
            elif text:
                type_ = str(small.get("typeid") or "") if name == "fm" else name
                if type_ in MULTIPLE:
                    number = self.store.next_id("multifield")
                    kind = str(small.get("valuetype") or "WORK")
                    values.append({"id": number, "typeId": type_, "valueType": kind, "value": text})
        row["fm"] = values

    def _check_references(self, kind: str, row: Row, given: Row) -> None:
        if self.rules.missing_references == "keep":
            return
        for name, other in REFERENCES.items():
            if name not in given or not row.get(name):
                continue
            several = isinstance(row[name], list)
            wanted = row[name] if several else [row[name]]
            there = self.store.load(other, wanted)
            missing = [number for number in wanted if number not in there]
            if missing and self.rules.missing_references == "refuse":
                raise Refused(f"Field {name} refers to what is not there", "CRM_FIELD_ERROR_VALUE_NOT_VALID")
            row[name] = [number for number in wanted if number in there] if several else None if missing else row[name]

    # -- stages ------------------------------------------------------------------------------------------------------

    def stages(self, kind: str, category: int | None) -> str:
        """ENTITY_ID of the list of stages, empty where the kind has none."""
        if kind == "lead":
            return "STATUS"
        if kind == "deal":
            return f"DEAL_STAGE_{category}" if category else "DEAL_STAGE"
        return f"DYNAMIC_{self.entity_type(kind)}_STAGE_{category}" if kind.startswith("smart:") else ""

    def statuses(self, entity: str) -> list[Row]:
        """By SORT. They are not to be changed."""

        def ask() -> list[Row]:
            found = self.store.find("status", Condition("ENTITY_ID", "=", entity))
            return sorted(self.store.load("status", found).values(), key=lambda row: (row["SORT"], row["ID"]))

        return list(self._known("status", entity, ask))

    def _stage(self, kind: str, row: Row, before: Row, user: int, moment: str) -> None:
        """The first stage where none is given; the stage's meaning; when it was entered."""
        if "stageId" not in self.fields(kind):
            return
        if kind.startswith("smart:") and row.get("categoryId") is None:
            row["categoryId"] = self.default_category(kind)
        if before and row.get("stageId") == before.get("stageId"):
            return
        known = self.statuses(self.stages(kind, row.get("categoryId")))
        if not known:
            return
        row.setdefault("stageId", known[0]["STATUS_ID"])
        found = [each for each in known if each["STATUS_ID"] == row["stageId"]]
        if not found:
            raise Refused(f"Field stageId: there is no stage {row['stageId']}", "CRM_FIELD_ERROR_VALUE_NOT_VALID")
        meaning = found[0].get("SEMANTICS") or "P"
        row["stageSemanticId"] = meaning
        if "closed" in self.fields(kind):
            row["closed"] = "N" if meaning == "P" else "Y"
        if before:
            row |= {"movedTime": moment, "movedBy": user}
            if "previousStageId" in self.fields(kind) and before.get("stageId"):
                row["previousStageId"] = before["stageId"]
        else:
            row.setdefault("movedTime", moment)
            row.setdefault("movedBy", row["createdBy"])

    def default_category(self, kind: str) -> int:
        found = self.categories(kind)
        return int(next((row["ID"] for row in found if row.get("isDefault") == "Y"), found[0]["ID"] if found else 0))

    def categories(self, kind: str) -> list[Row]:
        mine = Condition("entityTypeId", "=", self.entity_type(kind))
        return list(self.store.load("category", self.store.find("category", mine)).values())

    def _history(self, kind: str, row: Row, how: int) -> None:
        """A row of crm.stagehistory.list."""
        if "stageId" not in row:
            return
        meaning = row.get("stageSemanticId", "P")
        entry = {"OWNER_TYPE_ID": self.entity_type(kind), "OWNER_ID": row["id"], "CREATED_TIME": row["movedTime"]}
        entry |= {"TYPE_ID": how if how == 1 or meaning == "P" else 3, "STAGE_ID": row["stageId"]}
        entry |= {"STAGE_SEMANTIC_ID": meaning, "CATEGORY_ID": row.get("categoryId", 0)}
        self.store.insert("stagehistory", entry)

    # -- events ------------------------------------------------------------------------------------------------------

    def emit(self, kind: str, what: str, number: int) -> None:
        """One row in the queue for each application and object: the last state counts."""
        event = self.event_name(kind, what)
        if not event:
            return
        fields: Row = {"ID": number}
        if kind.startswith("smart:") or kind == "invoice":
            fields["ENTITY_TYPE_ID"] = self.entity_type(kind)
        for handler in self._handlers(event):
            if handler["EVENT_TYPE"] != "offline":
                continue
            key = f"{kind} {number} {event}"
            waiting = [
                Condition("KEY", "=", key),
                Condition("APP", "=", handler["APP"]),
                Condition("PROCESS_ID", "=", ""),
            ]
            self.store.remove("event", self.store.find("event", All(waiting)))
            row = {"APP": handler["APP"], "EVENT_NAME": event, "EVENT_DATA": {"FIELDS": fields}, "KEY": key}
            self.store.insert("event", {**row, "TIMESTAMP_X": self.now(), "PROCESS_ID": ""})

    def _handlers(self, event: str) -> list[Row]:
        def ask() -> list[Row]:
            return list(self.store.load("handler", self.store.find("handler", Condition("EVENT", "=", event))).values())

        return list(self._known("handler", event, ask))

    def event_name(self, kind: str, what: str) -> str:
        """Empty where there is no event."""
        if kind in TYPES or kind in ("activity", "productrow", "quote"):
            return f"ONCRM{kind.upper()}{what}"
        if kind == "comment":
            return f"ONCRMTIMELINECOMMENT{what}"
        return f"ONCRMDYNAMICITEM{what}" if kind.startswith("smart:") or kind == "invoice" else ""

    # -- names -------------------------------------------------------------------------------------------------------

    def from_legacy(self, kind: str, given: t.Any) -> Row:
        """Given fields with the older names, by the names that rows have; unknown ones are left out."""
        names = {legacy: name for name, legacy in legacy_names(family_of(kind)).items()}
        fields = self.fields(kind)
        found: Row = {}
        for name, value in items(given):
            if name in names:
                found[names[name]] = value
            elif name in MULTIPLE or (name.startswith("UF_") and name in fields):
                found[name] = value
        return found

    def item_names(self, kind: str, original: bool) -> dict[str, str]:
        """Names that crm.item.* takes → those that rows have; the portal's own fields also in capitals."""
        key = f"{kind} {original}"
        if key not in self._names:
            fields = self.fields(kind).values()
            names = {snake(field.name): field.name for field in fields if not field.user_field}
            names |= {field.name if original else field.camel: field.name for field in fields}
            self._names[key] = names
        return self._names[key]

    def from_item(self, kind: str, given: t.Any, original: bool) -> Row:
        """Given fields of crm.item.*, by the names that rows have; unknown ones are left out."""
        names = self.item_names(kind, original)
        return {names.get(name, name): value for name, value in items(given) if name in names or name in MULTIPLE}


def _without_empty(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None and value != []}

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a value of the source is called in the target: by meaning, since most ids differ.

Users are the same up to the baseline, else found by e-mail. Statuses, stages, categories and values of list fields are
found by name. References to other records go through the id map; one to a record that is not in the target yet becomes
a `Ref`, which the writer turns into an id when there is one.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import options as o
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.idmap import FORWARD, IdMap
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.planning import Row

if t.TYPE_CHECKING:
    from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store

ENTITY_TYPES = {"lead": 1, "deal": 2, "contact": 3, "company": 4, "quote": 7, "invoice": 31}
KIND_OF = {number: name for name, number in ENTITY_TYPES.items()}
# What crm.item.import may set though it is read-only otherwise.
TIMES = ("createdTime", "updatedTime", "movedTime")
PEOPLE = ("createdBy", "updatedBy", "movedBy")
SYSTEM = (*TIMES, *PEOPLE)
ORIGIN = ("originatorId", "originId")
# Derived by the portal from other fields, or changed by itself.
DERIVED = frozenset({"id", "contacts", "stageSemanticId", "previousStageId", "opportunityAccount", "taxValueAccount"})
REFERENCES = {
    "crm_lead": "lead",
    "crm_deal": "deal",
    "crm_contact": "contact",
    "crm_company": "company",
    "crm_quote": "quote",
}
# Values of these types are ids of things that are not carried over; they are the same where the target is a restored
# backup, and are written as they are.
FOREIGN_TYPES = frozenset({"iblock_element", "iblock_section", "hlblock", "resourcebooking"})
MARK = "boxlift:"
# What crm.activity.add takes; CREATED, LAST_UPDATED, AUTHOR_ID and EDITOR_ID it does not.
ACTIVITY_FIELDS = (
    *("TYPE_ID", "PROVIDER_ID", "PROVIDER_TYPE_ID", "PROVIDER_GROUP_ID", "SUBJECT", "START_TIME", "END_TIME"),
    *("DEADLINE", "COMPLETED", "PRIORITY", "NOTIFY_TYPE", "NOTIFY_VALUE", "DESCRIPTION", "DESCRIPTION_TYPE"),
    *("DIRECTION", "LOCATION", "SETTINGS", "PROVIDER_PARAMS", "PROVIDER_DATA", "RESULT_MARK", "RESULT_VALUE"),
    *("RESULT_SUM", "RESULT_CURRENCY_ID", "RESULT_STATUS", "RESULT_STREAM", "AUTOCOMPLETE_RULE"),
)
ACTIVITY_TEXTS = ("DESCRIPTION", "LOCATION")
# What crm.item.productrow.set takes; everything else it computes.
PRODUCT_ROW_FIELDS = (
    *("productId", "productName", "price", "quantity", "discountTypeId", "discountRate", "discountSum", "taxRate"),
    *("taxIncluded", "taxName", "measureCode", "sort"),
)
# What a transfer writes before the text of a comment: when it was written, and by whom.
COMMENT_HEAD = re.compile(r"\A\[\d{4}-\d\d-\d\d \d\d:\d\d, [^\]\n]*\]\r?\n?")
MISSING = object()


def entity_type_of(kind: str) -> int:
    return ENTITY_TYPES.get(kind) or int(kind.partition(":")[2])


def kind_of(entity_type: int) -> str:
    return KIND_OF.get(entity_type) or f"smart:{entity_type}"


def key_names(kind: str) -> tuple[str, ...]:
    """The fields that hold our key. Smart processes have one field for it, an external code."""
    return ("xmlId",) if kind.startswith("smart:") else ("ORIGINATOR_ID", "ORIGIN_ID") if kind == "activity" else ORIGIN


def key_of(kind: str, host: str, number: int) -> dict[str, str]:
    """The key under which a record of `host` is found again in the other portal."""
    names = key_names(kind)
    values = (f"{MARK}{host}:{number}",) if len(names) == 1 else (f"{MARK}{host}", str(number))
    return dict(zip(names, values))


def id_in_key(kind: str, host: str, row: t.Mapping[str, t.Any]) -> int | None:
    """The id in the source that a row of the target names, if it was written by a transfer from `host`."""
    values = [str(row.get(name) or "") for name in key_names(kind)]
    origin, number = values if len(values) == 2 else values[0].rpartition(":")[::2]
    return int(number) if origin == f"{MARK}{host}" and number.isdecimal() else None


@dataclass(frozen=True)
class Field:
    name: str
    type: str
    multiple: bool = False
    read_only: bool = False
    status_type: str = ""
    title: str = ""
    settings: t.Mapping[str, t.Any] = field(default_factory=dict)
    items: t.Mapping[str, str] = field(default_factory=dict)  # of a list field: id to text

    @property
    def own(self) -> bool:
        """Whether people have made it."""
        return self.name.upper().startswith("UF")


class Status(t.NamedTuple):
    row: int
    name: str
    semantics: str
    sort: int


class Category(t.NamedTuple):
    name: str
    default: bool


class User(t.NamedTuple):
    email: str
    name: str
    active: bool


class Ref(t.NamedTuple):
    """A record of the source that has no id in the target yet; `form` puts the id into a text such as `L_{}`."""

    kind: str
    id: int
    form: str = ""

    def value(self, target_id: int) -> t.Any:
        return self.form.format(target_id) if self.form else target_id


class File(t.NamedTuple):
    """A file whose content the source's store keeps."""

    sha256: str
    name: str
    size: int


def files_in(value: t.Any) -> t.Iterator[File]:
    if isinstance(value, File):
        yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from files_in(each)


def refs_in(value: t.Any) -> t.Iterator[Ref]:
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from refs_in(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from refs_in(each)


def with_ids(value: t.Any, find: t.Callable[[str, int], t.Any]) -> t.Any:
    """The value with ids for its references; in lists, references without an id are left out, else MISSING stands."""
    if isinstance(value, Ref):
        found = find(value.kind, value.id)
        return MISSING if found is None else value.value(found)
    if isinstance(value, File):
        return value
    if isinstance(value, dict):
        pairs = ((name, with_ids(each, find)) for name, each in value.items())
        return {name: each for name, each in pairs if each is not MISSING}
    if isinstance(value, (list, tuple)):
        return [each for each in (with_ids(each, find) for each in value) if each is not MISSING]
    return value


def as_json(value: t.Any) -> t.Any:
    """References in a form that can be kept in a file."""
    if isinstance(value, Ref):
        return {"$ref": list(value)}
    if isinstance(value, dict):
        return {name: as_json(each) for name, each in value.items()}
    return [as_json(each) for each in value] if isinstance(value, (list, tuple)) else value


def from_json(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return Ref(*value["$ref"]) if "$ref" in value else {name: from_json(each) for name, each in value.items()}
    return [from_json(each) for each in value] if isinstance(value, list) else value


def number_of(value: t.Any) -> int:
    """An id as a number; 0 for what is none. Legacy methods give texts."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def yes(value: t.Any) -> bool:
    return value in (True, "Y", "1", 1, "true")


class Names:
    """What one portal has that records refer to, from its store."""

    def __init__(self, host: str, store: Store | None = None) -> None:
        self.host = host
        self.fields: dict[str, dict[str, Field]] = {}
        self.statuses: dict[str, dict[str, Status]] = {}
        self.categories: dict[int, dict[int, Category]] = {}
        self.types: dict[int, tuple[int, str]] = {}  # entity type to its own id and its title
        self.users: dict[int, User] = {}
        if store is not None:
            self._read(store)

    def _read(self, store: Store) -> None:
        for number, row in store.records("field"):
            self.add_fields(kind_of(int(number)), row.get("fields") or row)
        for _number, row in store.records("status"):
            extra = row.get("EXTRA")
            meaning = str((extra if isinstance(extra, dict) else {}).get("SEMANTICS") or "")
            semantics = str(row.get("SEMANTICS") or {"success": "S", "failure": "F"}.get(meaning, ""))
            status = Status(number_of(row.get("ID")), str(row.get("NAME") or ""), semantics, number_of(row.get("SORT")))
            self.statuses.setdefault(str(row.get("ENTITY_ID")), {})[str(row.get("STATUS_ID"))] = status
        for _number, row in store.records("category"):
            entity_type = number_of(row.get("entityTypeId"))
            category = Category(str(row.get("name") or ""), yes(row.get("isDefault")))
            self.categories.setdefault(entity_type, {})[number_of(row.get("id"))] = category
        for _number, row in store.records("type"):
            self.types[number_of(row.get("entityTypeId"))] = (number_of(row.get("id")), str(row.get("title") or ""))
        for number, row in store.records("user"):
            name = " ".join(filter(None, (str(row.get(part) or "") for part in ("NAME", "LAST_NAME"))))
            email = str(row.get("EMAIL") or "").strip().lower()
            self.users[int(number)] = User(email, name, yes(row.get("ACTIVE", True)))

    def add_fields(self, kind: str, described: t.Mapping[str, t.Any]) -> None:
        known = self.fields.setdefault(kind, {})
        for name, text in described.items():
            if isinstance(text, dict) and "type" in text:
                items = {str(item.get("ID")): str(item.get("VALUE")) for item in text.get("items") or []}
                settings = text.get("settings")
                known[name] = Field(
                    name,
                    str(text["type"]),
                    yes(text.get("isMultiple")),
                    yes(text.get("isReadOnly")),
                    str(text.get("statusType") or ""),
                    str(text.get("title") or ""),
                    settings if isinstance(settings, dict) else {},
                    items,
                )


class ToCreate(t.NamedTuple):
    """A status or a category of the source that the target does not have."""

    entity: str  # the target's ENTITY_ID; of a category: its entity type as text
    status_id: str  # empty for a category
    name: str
    semantics: str
    sort: int
    source: int  # the category's id in the source


class Mapping:
    """Translates records of the source; what cannot be translated is kept as reasons to refuse."""

    def __init__(self, source: Names, target: Names, idmap: IdMap, options: o.Options) -> None:
        self.source, self.target, self.idmap, self.options = source, target, idmap, options
        self.to_create: dict[tuple[str, str, str], ToCreate] = {}
        self._problems: dict[tuple[str, str], list[tuple[str, int]]] = {}
        self._users: dict[int, int | None] = {}
        self._emails: dict[str, list[int]] = {}
        self._statuses: dict[tuple[str, str, str], str | None] = {}
        self._renames: dict[str, dict[str, str]] = {}
        self._left_out = {tuple(name.split(".", 1)) for name in options.leave_out}
        for number, user in sorted(target.users.items()):
            if user.email:
                self._emails.setdefault(user.email, []).append(number)

    # -- kinds

    def target_type(self, entity_type: int) -> int | None:
        """The number of a smart process in the target: the same one, or by its title."""
        if entity_type < 128:
            return entity_type
        title = self.source.types.get(entity_type, (0, ""))[1]
        if entity_type in self.target.types and self.target.types[entity_type][1] == title:
            return entity_type
        named = [number for number, (_id, other) in self.target.types.items() if title and other == title]
        if len(named) == 1:
            return named[0]
        return entity_type if entity_type in self.target.types and self.idmap.maximum("type") else None

    def target_kind(self, kind: str) -> str | None:
        """What a kind of the source is called in the target; None where it has no such smart process."""
        if not kind.startswith("smart:"):
            return kind
        number = self.target_type(entity_type_of(kind))
        return None if number is None else kind_of(number)

    def key(self, kind: str) -> str:
        """The name of a kind of the source in the id map, which names kinds as the cloud does."""
        return kind if self.idmap.direction == FORWARD else self.target_kind(kind) or kind

    # -- problems

    def problem(self, code: str, what: str, kind: str, number: int) -> None:
        self._problems.setdefault((code, what), []).append((kind, number))

    def refusals(self) -> list[o.Refusal]:
        """What people must decide or repair first, by code, with the number of records and the first of them."""
        found = []
        for (code, what), places in sorted(self._problems.items()):
            kind, number = places[0]
            where = f"{len(places)} records, the first is {kind} {number}" if len(places) > 1 else f"{kind} {number}"
            text, remedy = _TEXTS[code]
            names = {"what": what, "where": where, "source": self.source.host, "target": self.target.host}
            found.append(o.Refusal(code, text.format(**names), remedy.format(**names)))
        return found

    # -- users

    def user(self, number: int, kind: str, record: int) -> int | None:
        """The user in the target. None, and a reason to refuse, where there is none."""
        if number <= 0:
            return number
        if number not in self._users:
            self._users[number] = self._match(number)
        matched = self._users[number]
        if matched is None:
            known = self.source.users.get(number)
            what = f"{number} ({', '.join(filter(None, (known.name, known.email)))})" if known else str(number)
            self.problem(o.USER_WITHOUT_MATCH, what, kind, record)
        return matched

    def _match(self, number: int) -> int | None:
        known = self.source.users.get(number)
        named = self._emails.get(known.email, []) if known and known.email else []
        if number <= self.idmap.maximum("user"):
            # Within the backup. `user.get` shows neither bots nor integrators: these are in the target all the same.
            there = self.target.users.get(number)
            if there is None and known is None:
                return number
            if there is not None and (number in named or not named and _is_same_person(known, there)):
                return number
        if named:
            return next((each for each in named if self.target.users[each].active), named[0])
        return self.options.fallback_user

    # -- statuses, stages and categories

    def category(self, entity_type: int, number: int, kind: str, record: int) -> int | None:
        if not number:
            return number  # the general one, which every portal has
        target_type = self.target_type(entity_type)
        theirs = self.target.categories.get(target_type or 0, {})
        ours = self.source.categories.get(entity_type, {}).get(number)
        if ours is None:
            if number in theirs:
                return number
            self._no_category(entity_type, number, "", kind, record)
            return None
        if number in theirs and theirs[number].name == ours.name:
            return number
        named = [each for each, other in theirs.items() if _same_name(other.name, ours.name)]
        if len(named) == 1:
            return named[0]
        if number in theirs and number <= self.idmap.maximum(f"category:{entity_type}"):
            return number  # renamed on one side
        defaults = [each for each, other in theirs.items() if other.default]
        if ours.default and len(defaults) == 1:
            return defaults[0]
        self._no_category(entity_type, number, ours.name, kind, record)
        return None

    def _no_category(self, entity_type: int, number: int, name: str, kind: str, record: int) -> None:
        if self.options.missing_statuses == "create" and name:
            wanted = ToCreate(str(self.target_type(entity_type)), "", name, "", 500, number)
            self.to_create.setdefault(("category", wanted.entity, str(number)), wanted)
        else:
            self.problem(o.MISSING_CATEGORY, f"{name or number} of {kind}", kind, record)

    def stage(self, kind: str, category: int, stage: str, record: int) -> str | None:
        """The stage in the target, in the category that the record gets there."""
        entity_type = entity_type_of(kind)
        target_type = self.target_type(entity_type)
        if kind == "lead":
            return self.status("STATUS", "STATUS", stage, stage, kind, record)
        target_category = self.category(entity_type, category, kind, record)
        if target_category is None or target_type is None:
            return None
        if kind == "deal":
            ours = f"DEAL_STAGE_{category}" if category else "DEAL_STAGE"
            theirs = f"DEAL_STAGE_{target_category}" if target_category else "DEAL_STAGE"
            wanted = re.sub(r"^C\d+:", f"C{target_category}:", stage)
        elif kind.startswith("smart:"):
            ours = f"DYNAMIC_{entity_type}_STAGE_{category}"
            theirs = f"DYNAMIC_{target_type}_STAGE_{target_category}"
            wanted = re.sub(r"^DT\d+_\d+:", f"DT{target_type}_{target_category}:", stage)
        else:
            status_type = self.source.fields.get(kind, {}).get("stageId", Field("stageId", "")).status_type
            ours, theirs, wanted = status_type, status_type, stage
        return self.status(ours, theirs, stage, wanted, kind, record)

    def status(self, ours: str, theirs: str, number: str, wanted: str, kind: str, record: int) -> str | None:
        """The id in the target's list `theirs` of what is `number` in the source's list `ours`, by its name."""
        key = (ours, theirs, number)
        if key not in self._statuses:
            self._statuses[key] = self._match_status(ours, theirs, number, wanted)
        found = self._statuses[key]
        if found is None:
            known = self.source.statuses.get(ours, {}).get(number)
            name = f"{known.name} ({number})" if known else number
            if self.options.missing_statuses == "create" and known:
                create = ToCreate(theirs, wanted, known.name, known.semantics, known.sort, 0)
                self.to_create.setdefault(("status", theirs, number), create)
            else:
                code = o.MISSING_STAGE if "STAGE" in ours or ours == "STATUS" else o.MISSING_STATUS
                self.problem(code, f"{name} of {theirs}", kind, record)
        return found

    def _match_status(self, ours: str, theirs: str, number: str, wanted: str) -> str | None:
        known = self.source.statuses.get(ours, {}).get(number)
        there = self.target.statuses.get(theirs, {})
        if known is None:
            return wanted if wanted in there else None
        if wanted in there and _same_name(there[wanted].name, known.name):
            return wanted
        named = [
            each
            for each, other in there.items()
            if _same_name(other.name, known.name) and other.semantics == known.semantics
        ]
        if len(named) == 1:
            return named[0]
        if wanted in there and there[wanted].row == known.row and known.row <= self.idmap.maximum("status"):
            return wanted  # renamed on one side
        return None

    # -- references

    def reference(self, kind: str, number: int, form: str = "") -> t.Any:
        """The id in the target, or a Ref to a record that is not there yet."""
        if not number:
            return number
        key = self.key(kind)
        found = self.idmap.target_of(key, number)
        ref = Ref(key, number, form)
        return ref if found is None else ref.value(found)

    def marked(self, value: str, only: str) -> t.Any:
        """A value of a field that refers to CRM records of several types (`L_12`), or of the type `only` (`12`)."""
        text = str(value)
        mark, _bar, number = text.rpartition("_")
        if not number.isdecimal():
            return text
        if not mark:
            return self.reference(only, int(number)) if only else text
        marks = {"L": "lead", "D": "deal", "C": "contact", "CO": "company", "Q": "quote", "SI": "invoice"}
        kind = marks.get(mark) or (kind_of(int(mark[1:], 16)) if re.fullmatch(r"T[0-9a-fA-F]+", mark) else "")
        if not kind:
            return text
        target = self.target_kind(kind) or kind
        form = f"T{entity_type_of(target):x}_{{}}" if kind.startswith("smart:") else f"{mark}_{{}}"
        return self.reference(kind, int(number), form)

    # -- whole records

    def field_name(self, kind: str, name: str) -> str:
        """The name in the target: numbers of smart processes are part of some names."""
        renames = self._renames.get(kind)
        if renames is None:
            renames = self._renames[kind] = self._find_renames(kind)
        return renames.get(name, name)

    def _find_renames(self, kind: str) -> dict[str, str]:
        renames = {}
        ours = self.source.types.get(entity_type_of(kind), (0, ""))[0] if kind.startswith("smart:") else 0
        theirs = self.target.types.get(self.target_type(entity_type_of(kind)) or 0, (0, ""))[0]
        for name in self.source.fields.get(kind, {}):
            parent = re.fullmatch(r"parentId(\d+)", name)
            if parent:
                renames[name] = f"parentId{self.target_type(int(parent[1])) or parent[1]}"
            elif ours and theirs and ours != theirs:
                renames[name] = re.sub(rf"^UF_CRM_{ours}_", f"UF_CRM_{theirs}_", name)
        return renames

    def item(self, kind: str, number: int, row: t.Mapping[str, t.Any]) -> tuple[Row, list[str]]:
        """The record's writable fields in the target's terms, and the names of those that are left out."""
        target_kind = self.target_kind(kind)
        if target_kind is None:
            title = self.source.types.get(entity_type_of(kind), (0, kind))[1]
            self.problem(o.MISSING_TYPE, title or kind, kind, number)
            return {}, []
        ours, theirs = self.source.fields.get(kind, {}), self.target.fields.get(target_kind, {})
        fields: Row = {}
        left: list[str] = []
        for name, value in row.items():
            about = ours.get(name)
            if name in DERIVED or name in SYSTEM or name in key_names(kind) or about is None or about.read_only:
                continue
            if (name == "contactId" and "contactIds" in row) or (name == "companyId" and "companyIds" in row):
                continue  # the first of the list
            if (kind, name) in self._left_out:
                left += [name] if not kinds.is_empty(value) else []
                continue
            there = self.field_name(kind, name)
            if there not in theirs:
                if not kinds.is_empty(value):
                    what = f"{kind}.{name}" + (f" ({about.title})" if about.title not in ("", name) else "")
                    self.problem(o.UNKNOWN_FIELD, what, kind, number)
                continue
            if about.type == "file":
                if self.options.files:
                    fields[there] = value
                elif not kinds.is_empty(value):
                    left.append(name)
                continue
            if about.own and _shape(about) != _shape(theirs[there]):
                what = f"{kind}.{name} ({_shape(about)} there, {_shape(theirs[there])} here)"
                self.problem(o.FIELD_TYPE, what, kind, number)
                continue
            translated = self._value(kind, number, row, about, theirs[there], value)
            if translated is not MISSING:
                fields[there] = translated
        return fields, left

    def activity(self, number: int, row: t.Mapping[str, t.Any]) -> tuple[Row, list[str]]:
        """An activity in the target's terms. Owner, client and bindings are references."""
        fields: Row = {name: row[name] for name in ACTIVITY_FIELDS if not kinds.is_empty(row.get(name))}
        owner = kind_of(number_of(row.get("OWNER_TYPE_ID")))
        fields["OWNER_TYPE_ID"] = entity_type_of(self.target_kind(owner) or owner)
        fields["OWNER_ID"] = self.reference(owner, number_of(row.get("OWNER_ID")))
        user = self.user(number_of(row.get("RESPONSIBLE_ID")), "activity", number)
        if user:
            fields["RESPONSIBLE_ID"] = user
        if isinstance(row.get("COMMUNICATIONS"), list):
            fields["COMMUNICATIONS"] = [self._communication(each) for each in row["COMMUNICATIONS"]]
        if isinstance(row.get("BINDINGS"), list):
            fields["BINDINGS"] = [self._binding(each) for each in row["BINDINGS"]]
        files = [
            name for name in ("FILES", "STORAGE_ELEMENT_IDS", "WEBDAV_ELEMENTS") if not kinds.is_empty(row.get(name))
        ]
        return fields, files[:1]

    def _communication(self, row: t.Mapping[str, t.Any]) -> Row:
        fields: Row = {name: row[name] for name in ("TYPE", "VALUE") if not kinds.is_empty(row.get(name))}
        return {**fields, **self._binding(row, "ENTITY_ID", "ENTITY_TYPE_ID")}

    def _binding(self, row: t.Mapping[str, t.Any], id_name: str = "OWNER_ID", type_name: str = "OWNER_TYPE_ID") -> Row:
        names = {each.lower().replace("_", ""): value for each, value in row.items()}
        number = number_of(names.get(id_name.lower().replace("_", ""), names.get("entityid")))
        entity_type = number_of(names.get(type_name.lower().replace("_", ""), names.get("entitytypeid")))
        if not number or not entity_type:
            return {}
        kind = kind_of(entity_type)
        target = entity_type_of(self.target_kind(kind) or kind)
        return {id_name: self.reference(kind, number), type_name: target}

    def product_row(self, row: t.Mapping[str, t.Any]) -> Row:
        """A row with the product's number as it is in the source; whether the target has it is asked elsewhere."""
        return {name: row[name] for name in PRODUCT_ROW_FIELDS if not kinds.is_empty(row.get(name))}

    def comment(self, number: int, row: t.Mapping[str, t.Any]) -> Row:
        """A comment with its date and author in the first line: the portal takes neither."""
        author = self.source.users.get(number_of(row.get("AUTHOR_ID")))
        name = author.name if author and author.name else f"user {number_of(row.get('AUTHOR_ID'))}"
        name = " ".join(name.translate({ord("["): "(", ord("]"): ")"}).split())  # the line ends with a bracket
        moment = str(row.get("CREATED") or "")[:16].replace("T", " ")
        return {"COMMENT": f"[{moment}, {name}]\n{row.get('COMMENT') or ''}"}

    def times(self, kind: str, number: int, row: t.Mapping[str, t.Any]) -> Row:
        """What only an import can set. The portal demands created <= moved <= updated."""
        fields: Row = {name: row[name] for name in TIMES if row.get(name)}
        for name in PEOPLE:
            user = self.user(number_of(row.get(name)), kind, number) if row.get(name) else None
            if user is not None:
                fields[name] = user
        created = kinds.instant(fields.get("createdTime"))
        updated = kinds.instant(fields.get("updatedTime"))
        moved = kinds.instant(fields.get("movedTime"))
        if created is not None and updated is not None and updated < created:
            fields["updatedTime"], updated = fields["createdTime"], created
        if created is not None and moved is not None and moved < created:
            fields["movedTime"] = fields["createdTime"]
        elif updated is not None and moved is not None and moved > updated:
            fields["movedTime"] = fields["updatedTime"]
        return fields

    def _value(
        self, kind: str, number: int, row: t.Mapping[str, t.Any], about: Field, there: Field, value: t.Any
    ) -> t.Any:
        if about.name == "fm" or about.type == "crm_multifield":
            rows = value.values() if isinstance(value, dict) else value or []
            # In their order: the first number is the one that is called.
            each_of = (kinds.multi_values([row])[0] for row in rows)
            return [{"typeId": type_id, "valueType": use, "value": text} for type_id, use, text in each_of]
        if kinds.is_empty(value):
            return [] if about.multiple else value
        if about.name == "stageId":
            return self._or_missing(self.stage(kind, number_of(row.get("categoryId")), str(value), number))
        if about.type == "crm_category" or about.name == "categoryId":
            return self._or_missing(self.category(entity_type_of(kind), number_of(value), kind, number))
        if about.multiple and isinstance(value, (list, tuple)):
            found = (self._one(kind, number, about, there, each) for each in value)
            return [each for each in found if each is not MISSING and each is not None]
        return self._one(kind, number, about, there, value)

    def _or_missing(self, value: t.Any) -> t.Any:
        return MISSING if value is None else value

    def _one(self, kind: str, number: int, about: Field, there: Field, value: t.Any) -> t.Any:
        if about.type in ("user", "employee"):
            return self._or_missing(self.user(number_of(value), kind, number))
        if about.type in REFERENCES:
            return self.reference(REFERENCES[about.type], number_of(value))
        parent = re.fullmatch(r"parentId(\d+)", about.name)
        if parent:
            return self.reference(kind_of(int(parent[1])), number_of(value))
        if about.name == "mycompanyId":
            return self.reference("company", number_of(value))
        if about.type == "crm":
            return self.marked(value, _only_kind(about.settings))
        if about.type == "crm_status":
            listed = about.status_type or str(about.settings.get("ENTITY_TYPE") or "")
            theirs = there.status_type or str(there.settings.get("ENTITY_TYPE") or "") or listed
            return self._or_missing(self.status(listed, theirs, str(value), str(value), kind, number))
        if about.type == "enumeration" and about.items:
            text = about.items.get(str(value))
            if text is None and str(value) in there.items:
                return value
            named = [each for each, other in there.items.items() if other == text]
            if not named:
                self.problem(o.MISSING_VALUE, f"{text or value} of {kind}.{about.name}", kind, number)
                return MISSING
            return str(value) if str(value) in named else named[0]
        if about.type == "date" and isinstance(value, str):
            return value[:10]  # a day has no zone; with one, the other portal might take the day before
        return value


def _shape(about: Field) -> str:
    return f"{about.type}{' (several)' if about.multiple else ''}"


def _only_kind(settings: t.Mapping[str, t.Any]) -> str:
    """The one kind that a field of type `crm` refers to; empty where it refers to several."""
    chosen = [name for name, value in settings.items() if yes(value)]
    if len(chosen) != 1:
        return ""
    dynamic = re.fullmatch(r"DYNAMIC_(\d+)", chosen[0])
    return kind_of(int(dynamic[1])) if dynamic else chosen[0].lower()


def _is_same_person(one: User | None, other: User) -> bool:
    """Of users with the same number. The box may have given it to somebody before the baseline was noted."""
    if one is None or not one.email or not other.email or one.email == other.email:
        return True
    return _same_name(one.name, other.name)  # with a new address


def _same_name(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


_TEXTS = {
    o.UNKNOWN_FIELD: (
        "{target} has no field {what}, which {where} of {source} uses.",
        "Make the field in {target} with the same code, type and values; or name it in leave_out, and it is listed.",
    ),
    o.FIELD_TYPE: (
        "The field {what} has another type in {target} than in {source}; {where} uses it.",
        "Make the types equal; or name the field in leave_out.",
    ),
    o.MISSING_VALUE: (
        "A list field of {target} has no value {what}, which {where} of {source} uses.",
        "Add the value to the list in {target}; or name the field in leave_out.",
    ),
    o.MISSING_STAGE: (
        "{target} has no stage {what}, in which {where} of {source} is.",
        "Make the stage in {target} with the same name and meaning; or set missing_statuses to create.",
    ),
    o.MISSING_STATUS: (
        "A list of {target} has no entry {what}, which {where} of {source} uses.",
        "Make the entry in {target} with the same name; or set missing_statuses to create.",
    ),
    o.MISSING_CATEGORY: (
        "{target} has no pipeline {what}, in which {where} of {source} is.",
        "Make the pipeline in {target} with the same name and stages; or set missing_statuses to create.",
    ),
    o.MISSING_TYPE: (
        "{target} has no smart process {what}, to which {where} of {source} belongs.",
        "Make the smart process in {target} with the same title and fields; or leave its kind out of kinds.",
    ),
    o.USER_WITHOUT_MATCH: (
        "{target} has no user for {what} of {source}, who is named by {where}.",
        "Invite the user to {target}, or give the user that it has the same e-mail address; or name one of its users as"
        " fallback_user.",
    ),
}

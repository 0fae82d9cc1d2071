# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of records that a CRM has: how each is read, and what of it is compared.

A record is the row as REST gives it, but for two things that `kept` takes away: addresses of files, since they hold
the access code, and nothing else. Ids are numbers. Where REST has none, or where they are not unique, they are made:
a record of kind `field` holds all fields of one entity type and has its number, and a category has `category_id`.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import hashlib
import json
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

Content = dict[str, t.Any]
HASH_BYTES = 16

LEAD, DEAL, CONTACT, COMPANY, QUOTE, INVOICE = 1, 2, 3, 4, 7, 31
FIRST_SMART = 128

# How a kind is read.
ITEM = "item"  # crm.item.list: by id, changed ones by updatedTime
LIST = "list"  # a method of its own with ids, changed ones by time if `updated` is set
WHOLE = "whole"  # short lists, read as a whole every time
DRIVE = "drive"  # files of the drive, walked folder by folder
CHILD = "child"  # one command for each owner, read where the owner is new or changed


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind. `name` is what it is called in stores, options and pages."""

    name: str
    way: str
    list_method: str
    entity_type: int | None = None
    id_name: str = "ID"
    created: str = ""  # the field that says when a record was created
    updated: str = ""  # … when it was changed last
    updated_by: str = ""  # … and by whom
    title: str = ""  # the field that people know a record by
    owners: tuple[str, ...] = ()  # of a child: the kinds that its owners are of
    optional: bool = False  # depends on the scope, the plan or the portal's edition
    volatile: frozenset[str] = frozenset()
    numeric: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.name

    @property
    def is_item(self) -> bool:
        return self.way == ITEM

    @property
    def owner_code(self) -> str:
        """How product rows name their owner's kind; empty where it has none."""
        return {LEAD: "L", DEAL: "D", CONTACT: "C", COMPANY: "CO", QUOTE: "Q", INVOICE: "SI"}.get(
            self.entity_type or 0, f"T{self.entity_type:x}" if (self.entity_type or 0) >= FIRST_SMART else ""
        )

    @property
    def timeline_name(self) -> str:
        """How comments name their owner's kind; invoices are a smart process there."""
        return f"dynamic_{INVOICE}" if self.entity_type == INVOICE else self.name.replace("smart:", "dynamic_")


# What the portal changes by itself, or what is known from elsewhere: the id is the key.
ITEM_VOLATILE = frozenset(
    {"id", "updatedTime", "updatedBy", "lastActivityTime", "lastActivityBy", "lastCommunicationTime"}
    | {f"lastCommunication{way}Time" for way in ("Call", "Email", "Imol", "Webform")}
    | {"searchContent", "hasPhone", "hasEmail", "hasImol", "isRecurring"}
)
ITEM_NUMERIC = frozenset(
    {"opportunity", "taxValue", "opportunityAccount", "taxValueAccount", "exchRate", "probability", "revenue"}
    | {"assignedById", "createdBy", "updatedBy", "movedBy", "companyId", "contactId", "leadId", "categoryId"}
    | {"mycompanyId", "quoteId", "webformId"}
)


def _item(name: str, entity_type: int, title: str = "title") -> Kind:
    return Kind(
        name,
        ITEM,
        "crm.item.list",
        entity_type,
        "id",
        "createdTime",
        "updatedTime",
        "updatedBy",
        title,
        optional=entity_type in (QUOTE, INVOICE),
        volatile=ITEM_VOLATILE,
        numeric=ITEM_NUMERIC,
    )


_OWNERS = ("company", "contact", "lead", "deal", "smart")
_CHOSEN = frozenset({"ID", "id"})
_ACTIVITY_VOLATILE = frozenset({"ID", "LAST_UPDATED", "EDITOR_ID", "DEADLINE", "IS_INCOMING_CHANNEL", "FILES_URL"})

# In the order in which they are read: what others refer to comes first.
KINDS: t.Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("type", WHOLE, "crm.type.list", id_name="id", title="title", volatile=_CHOSEN | {"updatedTime"}),
        Kind("status", WHOLE, "crm.status.list", title="NAME", volatile=_CHOSEN, numeric=frozenset({"SORT"})),
        Kind("category", WHOLE, "crm.category.list", id_name="id", title="name", volatile=_CHOSEN),
        Kind("field", WHOLE, "crm.item.fields", id_name="id", volatile=_CHOSEN),
        Kind(
            "user",
            WHOLE,
            "user.get",
            title="EMAIL",
            volatile=_CHOSEN | {"LAST_LOGIN", "LAST_ACTIVITY_DATE", "TIMESTAMP_X", "IS_ONLINE", "PERSONAL_PHOTO"},
        ),
        _item("company", COMPANY),
        _item("contact", CONTACT, "lastName"),
        _item("lead", LEAD),
        _item("deal", DEAL),
        _item("quote", QUOTE),
        _item("invoice", INVOICE),
        Kind(
            "productrow",
            CHILD,
            "crm.item.productrow.list",
            id_name="id",
            title="productName",
            owners=("lead", "deal", "quote", "invoice", "smart"),
            volatile=_CHOSEN | {"xmlId"},
            numeric=frozenset(
                {"price", "priceAccount", "priceExclusive", "priceNetto", "priceBrutto", "quantity", "discountTypeId"}
                | {"discountRate", "discountSum", "taxRate", "measureCode", "sort", "productId", "ownerId", "storeId"}
            ),
        ),
        Kind(
            "activity",
            LIST,
            "crm.activity.list",
            created="CREATED",
            updated="LAST_UPDATED",
            updated_by="EDITOR_ID",
            title="SUBJECT",
            volatile=_ACTIVITY_VOLATILE - {"DEADLINE"},
            numeric=frozenset({"OWNER_ID", "OWNER_TYPE_ID", "RESPONSIBLE_ID", "TYPE_ID", "DIRECTION", "PRIORITY"}),
        ),
        Kind(
            "call",
            LIST,
            "voximplant.statistic.get",
            created="CALL_START_DATE",
            title="PHONE_NUMBER",
            optional=True,
            volatile=_CHOSEN | {"CALL_RECORD_URL"},
            numeric=frozenset({"COST", "CALL_DURATION", "PORTAL_USER_ID", "CRM_ENTITY_ID", "CRM_ACTIVITY_ID"}),
        ),
        Kind(
            "comment",
            CHILD,
            "crm.timeline.comment.list",
            created="CREATED",
            updated_by="AUTHOR_ID",
            title="COMMENT",
            owners=(*_OWNERS, "quote", "invoice"),
            volatile=_CHOSEN,
            numeric=frozenset({"ENTITY_ID", "AUTHOR_ID"}),
        ),
        # Only archives have these; no snapshot reads the drive.
        Kind(
            "drivefile",
            DRIVE,
            "disk.folder.getchildren",
            created="CREATE_TIME",
            updated="UPDATE_TIME",
            updated_by="UPDATED_BY",
            title="NAME",
            optional=True,
            volatile=_CHOSEN | {"DETAIL_URL", "DOWNLOAD_URL"},
            numeric=frozenset({"SIZE", "STORAGE_ID", "PARENT_ID", "FILE_ID", "CREATED_BY", "UPDATED_BY"}),
        ),
    )
}
# "smart" stands for every smart process that the portal has.
DEFAULT: tuple[str, ...] = (
    *("type", "status", "category", "field", "user", "company", "contact", "lead", "deal", "smart"),
    *("productrow", "activity", "call", "comment"),
)
NAMES: tuple[str, ...] = (*DEFAULT, "quote", "invoice")


def kind(name: str | Kind) -> Kind:
    """The kind of this name. Raises BoxliftError for one that does not exist."""
    if isinstance(name, Kind):
        return name
    if name in KINDS:
        return KINDS[name]
    number = name[len("smart:") :] if name.startswith("smart:") else ""
    if number.isdecimal() and int(number) >= FIRST_SMART:
        return smart(int(number))
    raise BoxliftError(f"There is no kind of CRM record called {name}.", f"The kinds are: {', '.join(NAMES)}.")


def smart(entity_type: int) -> Kind:
    """The kind of a smart process."""
    return _item(f"smart:{entity_type}", entity_type)


def of_entity_type(entity_type: int) -> Kind:
    """The kind of this entity type. Raises BoxliftError."""
    found = next((each for each in KINDS.values() if each.entity_type == entity_type), None)
    return found or kind(f"smart:{entity_type}")


def order_of(name: str) -> tuple[int, str]:
    """Sorts names of kinds in the order in which they are read."""
    family = "deal" if name.startswith("smart") else name
    names = list(KINDS)
    return (names.index(family) if family in names else len(names), name)


def category_id(entity_type: int, number: int) -> int:
    """Categories are numbered anew for some entity types; this is unique in a portal."""
    return entity_type * 1_000_000 + number


def entity_type_of_category(category: int) -> int:
    """Of a category as `category_id` numbers it."""
    return category // 1_000_000


_PARENTS = 1_000_000_000_000


def parent_id(entity_type: int, number: int) -> int:
    """An item of any kind, as one number."""
    return entity_type * _PARENTS + number


def parent_of(of: str | Kind, content: t.Mapping[str, t.Any]) -> int | None:
    """The item that a product row, activity, call or comment belongs to, as `parent_id` numbers it."""
    names = _OWNER_FIELDS.get(kind(of).name)
    if names is None:
        return None
    owner, own = (str(content.get(name) or "") for name in names)
    entity_type = _BY_CODE.get(owner) or _entity_type(owner)
    return parent_id(entity_type, int(own)) if entity_type and own.isdecimal() and own != "0" else None


_BY_CODE = {"L": LEAD, "D": DEAL, "C": CONTACT, "CO": COMPANY, "Q": QUOTE, "SI": INVOICE}
_OWNER_FIELDS = {
    "productrow": ("ownerType", "ownerId"),
    "activity": ("OWNER_TYPE_ID", "OWNER_ID"),
    "call": ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID"),
    "comment": ("ENTITY_TYPE", "ENTITY_ID"),
}


def _entity_type(owner: str) -> int | None:
    """Of an owner as a number, as a name (`lead`, `DYNAMIC_128`) or as the code of a smart process (`T80`)."""
    if owner.isdecimal():
        return int(owner)
    lower = owner.lower()
    if lower in KINDS:
        return KINDS[lower].entity_type
    if lower.startswith("dynamic_") and lower[8:].isdecimal():
        return int(lower[8:])
    return int(owner[1:], 16) if re.fullmatch("T[0-9A-Fa-f]+", owner) else None


# -- values ----------------------------------------------------------------------------------------------------------

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:?\d\d|Z)")
_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,30})?")
_YES_NO = {"Y": True, "N": False, "1": True, "0": False}
#: Of these the legacy methods give the multi-fields, and `fm` is what crm.item.list gives.
MULTI_FIELDS = frozenset({"fm", "PHONE", "EMAIL", "WEB", "IM", "LINK"})


def instant(text: t.Any) -> float | None:
    """Unix time of an ISO-8601 date that names its offset, else None."""
    if not isinstance(text, str) or not _INSTANT.fullmatch(text):
        return None
    zone = re.sub(r"Z$", "+00:00", text)
    zone = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", zone)
    try:
        return datetime.datetime.fromisoformat(zone).timestamp()
    except ValueError:
        return None


def number(value: t.Any) -> decimal.Decimal | None:
    """The number that a value states, else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return decimal.Decimal(repr(value))
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return decimal.Decimal(value)
    return None


def is_empty(value: t.Any) -> bool:
    """Portals differ in how they write that a field has no value."""
    return value is None or value == "" or value == [] or value == {}


def multi_values(value: t.Any) -> list[tuple[str, str, str]]:
    """Of a multi-field: what each value is, its use and itself, in order; ids of values differ between portals."""
    rows = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    found = []
    for row in rows:
        if isinstance(row, dict):
            upper = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper(): each for name, each in row.items()}
            found.append((str(upper.get("TYPE_ID") or ""), str(upper.get("VALUE_TYPE") or ""), str(upper.get("VALUE"))))
    return sorted(found)


#: Addresses of files; they hold the code by which the portal was asked.
ADDRESSES = frozenset({"url", "urlMachine", "urlDownload", "urlPreview", "urlShow", "downloadUrl"})


def is_file(value: t.Any) -> bool:
    """A file of a field, as REST gives it, or as a snapshot keeps it."""
    return isinstance(value, dict) and "id" in value and ("file" in value or not ADDRESSES.isdisjoint(value))


def files_in(content: t.Mapping[str, t.Any]) -> t.Iterator[dict[str, t.Any]]:
    """The files that a record names, each as `{"id": …}` with its addresses where they are known."""
    for value in content.values():
        yield from _files(value)


def file_key(of: str | Kind, file: t.Mapping[str, t.Any]) -> str:
    """By which a store knows a file: fields, activities and comments number theirs independently."""
    which = kind(of)
    return f"{'item' if which.is_item else which.name}:{file['id']}"


def _files(value: t.Any) -> t.Iterator[dict[str, t.Any]]:
    if is_file(value):
        yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _files(each)


def kept(content: t.Mapping[str, t.Any]) -> Content:
    """The content without addresses of files: they hold the code by which the portal was asked."""
    return {name: _without_addresses(value) for name, value in content.items()}


def _without_addresses(value: t.Any) -> t.Any:
    if is_file(value):
        return {"file": True, **{name: each for name, each in value.items() if name not in ADDRESSES}}
    if isinstance(value, dict):
        return {name: _without_addresses(each) for name, each in value.items()}
    return [_without_addresses(each) for each in value] if isinstance(value, list) else value


def canonical(value: t.Any, name: str = "", numeric: bool = False) -> t.Any:
    """The value in the one spelling that all equal ones share: numbers, instants, multi-fields, files."""
    if name in MULTI_FIELDS:
        return [list(each) for each in multi_values(value)]
    if isinstance(value, dict):
        if is_file(value):
            return {"file": str(value["id"])}
        items = ((str(key), canonical(each)) for key, each in value.items())
        return {key: each for key, each in sorted(items) if not is_empty(each)}
    if isinstance(value, (list, tuple)):
        return [canonical(each, numeric=numeric) for each in value]
    if isinstance(value, bool):
        return "Y" if value else "N"
    if isinstance(value, str):
        moment = instant(value)
        if moment is not None:
            return f"@{moment:.3f}"
        return value if not numeric else _spelled(value)
    return _spelled(value) if isinstance(value, (int, float)) else value


def _spelled(value: t.Any) -> t.Any:
    exact = number(value)
    if exact is None:
        return value
    text = format(exact, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def compared(of: str | Kind, content: t.Mapping[str, t.Any], without: t.Collection[str] = ()) -> Content:
    """What of a record is compared, in canonical form: without volatile and empty fields, and those of `without`."""
    which = kind(of)
    out = {}
    for name in sorted(content):
        if name not in which.volatile and name not in without:
            value = canonical(content[name], name, name in which.numeric)
            if not is_empty(value):
                out[name] = value
    return out


def hash_of(of: str | Kind, content: t.Mapping[str, t.Any], without: t.Collection[str] = ()) -> bytes:
    """Equal for records that do not differ in what is compared."""
    text = json.dumps(compared(of, content, without), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()


def same_value(one: t.Any, other: t.Any, name: str = "", type_: str = "", numeric: bool = False) -> bool:
    """Whether two values mean the same; `type_` is the field's type as crm.item.fields states it, where it is known."""
    if is_empty(one) and is_empty(other):
        return True
    if type_ == "boolean":
        return _truth(one) == _truth(other)
    numeric = numeric or type_ in ("integer", "double", "user", "crm_company", "crm_contact", "crm_lead", "crm_deal")
    if type_ == "money" and isinstance(one, str) and isinstance(other, str):
        return [_spelled(part) for part in one.split("|")] == [_spelled(part) for part in other.split("|")]
    if type_ == "date" and isinstance(one, str) and isinstance(other, str):
        # A date without a time has no zone: what the portal adds to it is its own.
        return one[:10] == other[:10]
    return bool(canonical(one, name, numeric) == canonical(other, name, numeric))


def _truth(value: t.Any) -> bool | None:
    if is_empty(value):
        return False
    return _YES_NO.get(value) if isinstance(value, str) else bool(value)

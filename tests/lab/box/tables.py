# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tables of a portal hold what the CRM's REST interface shows, and the form that a value has in each.

`layout` says where records of a kind are; `to_row` and `to_table` translate. Nothing here asks a database: rows of
tables come from one (`mariadb.py`), or from what a fixture backup is made of (`from_backup.py`).

What the portal keeps in no table of its own stands in `lab_crm_record`, as JSON beside the record it belongs to.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from lab.crm.fields import NUMBERS, Field, Zone, family_of, legacy_names, own_fields, snake
from lab.crm.store import ITEMS, number_name
from lab.rest.answers import Row

MORE = "lab_crm_record"
OWN_ITEMS = "b_crm_dynamic_items_"
#: Tables whose numbers others refer to, by the names of their sequences.
NUMBERED = {"multifield": "b_crm_field_multi", "communication": "b_crm_act_comm", "enumeration": "b_user_field_enum"}
#: How a value is written in a table: number, decimal, flag (Y or N), yes (1 or 0), moment, day, text, anything.
Form = str
Columns = t.Mapping[str, t.Collection[str]]
ENTITIES = {"lead": "LEAD", "deal": "DEAL", "contact": "CONTACT", "company": "COMPANY"}


@dataclasses.dataclass(frozen=True)
class Column:
    """`sql` instead of a column's name: what is computed, and never written; `r` is the record's table."""

    name: str
    form: Form
    sql: str = ""


@dataclasses.dataclass(frozen=True)
class Link:
    """A table of pairs; `own` holds the number of the record, `other` those that the field lists."""

    table: str
    own: str
    other: str


@dataclasses.dataclass(frozen=True)
class Children:
    """A table whose rows are a field's list of dicts, or of lists; `own` holds the number of the record."""

    table: str
    own: str
    columns: t.Mapping[str, Column]
    as_lists: bool = False


@dataclasses.dataclass(frozen=True)
class UserField:
    """A row of b_user_field. Single values are in `b_uts_…`; several ones in `b_utm_…` too, a row each."""

    id: int
    name: str
    form: Form
    multiple: bool

    @property
    def many_column(self) -> str:
        """Where `b_utm_…` has the value."""
        return {"number": "VALUE_INT", "yes": "VALUE_INT", "decimal": "VALUE_DOUBLE", "moment": "VALUE_DATE"}.get(
            self.form, "VALUE"
        )


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the records of one kind are. `fixed` is what every one of them has in these columns."""

    kind: str
    table: str
    columns: t.Mapping[str, Column]
    key: str = "ID"
    fixed: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    entity: str = ""
    links: t.Mapping[str, Link] = dataclasses.field(default_factory=dict)
    children: t.Mapping[str, Children] = dataclasses.field(default_factory=dict)
    user_fields: t.Mapping[str, UserField] = dataclasses.field(default_factory=dict)
    user_entity: str = ""
    #: What rows have in any case, empty or not.
    defaults: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    @property
    def number(self) -> str:
        """Under which name a row holds its number."""
        return number_name(self.kind)

    @property
    def own(self) -> bool:
        """Whether the portal has a table of this kind."""
        return self.table != MORE

    @property
    def one_table(self) -> str:
        return f"b_uts_{self.user_entity.lower()}"

    @property
    def many_table(self) -> str:
        return f"b_utm_{self.user_entity.lower()}"


#: A contact's companies are the contact's own; the simulated portal keeps the contacts of a company apart from them.
_LINKS: dict[str, dict[str, Link]] = {
    "lead": {"contactIds": Link("b_crm_lead_contact", "LEAD_ID", "CONTACT_ID")},
    "deal": {"contactIds": Link("b_crm_deal_contact", "DEAL_ID", "CONTACT_ID")},
    "contact": {"companyIds": Link("b_crm_contact_company", "CONTACT_ID", "COMPANY_ID")},
}
_USER_FORMS = {"boolean": "yes", "datetime": "moment", "date": "day", "double": "decimal"}


def form_of(field: Field) -> Form:
    if field.type in NUMBERS:
        return "number"
    return {"boolean": "flag", "datetime": "moment", "date": "day", "double": "decimal", "file": "anything"}.get(
        field.type, "text"
    )


def user_field(row: t.Mapping[str, t.Any]) -> UserField:
    """From a row of b_user_field."""
    kind = str(row["USER_TYPE_ID"])
    form = "number" if kind in NUMBERS or kind == "file" else _USER_FORMS.get(kind, "text")
    return UserField(int(row["ID"]), str(row["FIELD_NAME"]), form, row["MULTIPLE"] == "Y")


def user_entity(kind: str, type_id: int | None = None) -> str:
    """The ENTITY_ID of a kind's user fields; a company's own process is named by its number in b_crm_dynamic_type."""
    return f"CRM_{type_id}" if kind.startswith("smart:") else f"CRM_{kind.upper()}"


def item_table(kind: str) -> str:
    return f"{OWN_ITEMS}{kind.partition(':')[2]}" if kind.startswith("smart:") else f"b_crm_{kind}"


def is_item(kind: str) -> bool:
    return kind in ITEMS or kind.startswith("smart:")


def layout(kind: str, tables: Columns, fields: t.Iterable[UserField] = (), entity: str = "") -> Layout:
    """`tables` has the columns of each table; `fields` are the kind's user fields, `entity` the name they have."""
    if is_item(kind):
        found = _item_layout(kind, tables, tuple(fields), entity)
    else:
        found = _OTHERS.get(kind, Layout(kind, MORE, {}, fixed={"KIND": kind}))
    if found.own and found.table not in tables:
        return Layout(kind, MORE, {}, fixed={"KIND": kind})
    return found


def _item_layout(kind: str, tables: Columns, fields: tuple[UserField, ...], entity: str) -> Layout:
    table = item_table(kind)
    there = tables.get(table, ())
    names = legacy_names(family_of(kind)) if kind in ITEMS else {}
    columns = {}
    for name, field in own_fields(family_of(kind)).items():
        column = names.get(name, snake(name))
        if column in there and not field.multiple and name != "id":
            columns[name] = Column(column, form_of(field))
    links = {name: link for name, link in _LINKS.get(kind, {}).items() if link.table in tables}
    known = {field.name: field for field in fields if f"b_uts_{entity.lower()}" in tables}
    entity_id = ENTITIES.get(kind, "")
    return Layout(kind, table, columns, entity=entity_id, links=links, user_fields=known, user_entity=entity)


def _named(text: str) -> dict[str, Column]:
    """`NAME` or `NAME:form`: fields that are called like their columns."""
    pairs = (re.fullmatch(r"(\w+)(?::(\w+))?", word) for word in text.split())
    return {match[1]: Column(match[1], match[2] or "text") for match in pairs if match}


def _snake(text: str) -> dict[str, Column]:
    """The same for names in camelCase."""
    return {name: dataclasses.replace(column, name=snake(name)) for name, column in _named(text).items()}


_STAGE = "IF(INSTR(r.ENTITY_ID, 'STAGE') OR r.ENTITY_ID IN ('STATUS', 'QUOTE_STATUS'), 'Y', 'N')"
_ADMIN = "EXISTS (SELECT 1 FROM b_user_group g WHERE g.USER_ID = r.ID AND g.GROUP_ID = 1)"
#: EXTERNAL_AUTH_ID of accounts that are no people.
MACHINES = ("bot", "imconnector", "email", "replica", "controller", "sale", "shop", "call")
_EXTERNAL = ", ".join(f"'{name}'" for name in MACHINES)
_USER_TYPE = f"IF(r.EXTERNAL_AUTH_ID IN ({_EXTERNAL}), r.EXTERNAL_AUTH_ID, 'employee')"


def user_type(external: object) -> str:
    return str(external) if external in MACHINES else "employee"


def stage(entity: object) -> str:
    return "Y" if "STAGE" in str(entity) or entity in ("STATUS", "QUOTE_STATUS") else "N"


_OTHERS: dict[str, Layout] = {
    each.kind: each
    for each in (
        Layout(
            "activity",
            "b_crm_act",
            _named(
                "TYPE_ID:number PROVIDER_ID PROVIDER_TYPE_ID OWNER_ID:number OWNER_TYPE_ID:number SUBJECT"
                " COMPLETED RESPONSIBLE_ID:number DIRECTION:number CREATED:moment LAST_UPDATED:moment ORIGINATOR_ID"
                " ORIGIN_ID ORIGIN_VERSION AUTHOR_ID:number EDITOR_ID:number STATUS:number PRIORITY:number"
                " START_TIME:moment END_TIME:moment DEADLINE:moment DESCRIPTION:full DESCRIPTION_TYPE:number"
                " LOCATION:full"
            ),
            children={
                "COMMUNICATIONS": Children(
                    "b_crm_act_comm",
                    "ACTIVITY_ID",
                    _named("ID:digits TYPE:full VALUE:full ENTITY_ID:digits ENTITY_TYPE_ID:digits"),
                ),
                "BINDINGS": Children(
                    "b_crm_act_bind", "ACTIVITY_ID", _named("OWNER_TYPE_ID:number OWNER_ID:number"), True
                ),
            },
        ),
        Layout(
            "comment",
            "b_crm_timeline",
            {
                "CREATED": Column("CREATED", "moment"),
                "AUTHOR_ID": Column("AUTHOR_ID", "number"),
                "ENTITY_ID": Column("ASSOCIATED_ENTITY_ID", "number"),
                "ENTITY_TYPE": Column("ASSOCIATED_ENTITY_TYPE_ID", "entity"),
                "COMMENT": Column("COMMENT", "text"),
            },
            fixed={"TYPE_ID": 7},
        ),
        Layout(
            "productrow",
            "b_crm_product_row",
            _snake(
                "ownerId:number ownerType productId:zero productName:full price:decimal quantity:decimal"
                " discountTypeId:number discountRate:decimal discountSum:decimal taxRate:decimal taxIncluded"
                " measureCode:number sort:zero"
            ),
            defaults={"taxRate": None, "taxName": None},
        ),
        Layout(
            "status",
            "b_crm_status",
            {
                **_named("ENTITY_ID STATUS_ID NAME:full NAME_INIT:full SORT:number SYSTEM CATEGORY_ID:zero"),
                **_named("SEMANTICS:full COLOR:full"),
                "STAGE": Column("STAGE", "text", _STAGE),
            },
        ),
        Layout(
            "type",
            "b_crm_dynamic_type",
            {
                **_snake("entityTypeId:number title code createdBy:number createdTime:moment"),
                **_snake("isCategoriesEnabled isStagesEnabled isClientEnabled"),
            },
        ),
        Layout(
            "user",
            "b_user",
            {
                **_named("NAME LAST_NAME:full SECOND_NAME EMAIL:full WORK_POSITION PERSONAL_MOBILE XML_ID ACTIVE:true"),
                **_named("LAST_LOGIN:moment DATE_REGISTER:moment"),
                "IS_ADMIN": Column("IS_ADMIN", "truth", _ADMIN),
                "USER_TYPE": Column("USER_TYPE", "text", _USER_TYPE),
            },
        ),
    )
}


TYPE_NAMES = {1: "lead", 2: "deal", 3: "contact", 4: "company", 7: "quote"}


def to_row(form: Form, value: t.Any, zone: Zone) -> t.Any:
    """A value of a table as rows of REST have it; None for an empty one."""
    if form == "full":
        return "" if value is None else str(value)
    if form in ("zero", "digits"):
        return int(value or 0) if form == "zero" else str(int(value or 0))
    if form == "true":
        return value == "Y"
    if form == "truth":
        return bool(value)
    if value is None or value == "":
        return None
    if form == "number":
        return int(value)
    if form == "decimal":
        number = float(value)
        return int(number) if number.is_integer() else number
    if form == "yes":
        return "Y" if int(value) else "N"
    if form == "entity":
        return TYPE_NAMES.get(int(value)) or f"dynamic_{value}"
    if form in ("moment", "day"):
        text = str(value)
        return None if text.startswith("0000") else zone.read(text[:10] if form == "day" else text[:19])
    return str(value)


def to_table(form: Form, value: t.Any) -> t.Any:
    """The other way round. A row's dates are in the portal's zone already."""
    if form == "true":
        return "Y" if value in (True, "True", "Y") else "N"
    if value is None or value == "":
        return None
    if form == "yes":
        return 1 if value in ("Y", 1, "1", True) else 0
    if form == "entity":
        known = {name: number for number, name in TYPE_NAMES.items()}
        return known.get(str(value)) or int(str(value).rpartition("_")[2])
    if form == "moment":
        return str(value)[:19].replace("T", " ")
    if form == "day":
        return str(value)[:10]
    if form in ("number", "decimal", "zero", "truth"):
        return value
    return str(value)


# -- rows ------------------------------------------------------------------------------------------------------------


def own_row(at: Layout, found: t.Mapping[str, t.Any], zone: Zone) -> Row:
    """What the record's own table says; nothing is None."""
    row: Row = {at.number: int(found[at.key]), **at.defaults}
    for name, column in at.columns.items():
        value = to_row(column.form, found.get(column.name), zone)
        if value is not None:
            row[name] = value
    return row


def own_values(at: Layout, row: Row) -> Row:
    """Column → value of the record's own table."""
    values = {
        column.name: to_table(column.form, row.get(name)) for name, column in at.columns.items() if not column.sql
    }
    if at.kind in ("lead", "contact"):
        values["FULL_NAME"] = " ".join(str(row[name]) for name in ("name", "lastName") if row.get(name)) or None
    if at.kind == "productrow":
        values |= {name: row["price"] for name in ("PRICE_EXCLUSIVE", "PRICE_NETTO", "PRICE_BRUTTO")}
        values |= {"CUSTOMIZED": "Y", "MEASURE_NAME": "шт"}
    return values


def multiple(found: t.Mapping[str, t.Any]) -> Row:
    """A row of b_crm_field_multi as a value of the field `fm`."""
    row = {"id": int(found["ID"]), "typeId": found["TYPE_ID"], "valueType": found["VALUE_TYPE"]}
    return {**row, "value": found["VALUE"]}


def child(children: Children, found: t.Mapping[str, t.Any], zone: Zone) -> t.Any:
    row = {name: to_row(column.form, found.get(column.name), zone) for name, column in children.columns.items()}
    return list(row.values()) if children.as_lists else row


def child_values(children: Children, given: t.Any) -> Row:
    if children.as_lists:
        given = dict(zip(children.columns, given))
    return {column.name: to_table(column.form, given.get(name)) for name, column in children.columns.items()}


def single_values(at: Layout, found: t.Mapping[str, t.Any], zone: Zone) -> Row:
    """The user fields of a row of `b_uts_…` that have one value."""
    single = (field for field in at.user_fields.values() if not field.multiple)
    values = ((field.name, to_row(field.form, found.get(field.name), zone)) for field in single)
    return {name: value for name, value in values if value is not None}


def user_values(at: Layout, row: Row) -> Row:
    """Column → value of `b_uts_…`; several values stand there as PHP serializes them."""
    values = {}
    for field in at.user_fields.values():
        value = row.get(field.name)
        if field.multiple:
            values[field.name] = serialized([str(to_table(field.form, each)) for each in value]) if value else None
        else:
            values[field.name] = to_table(field.form, value)
    return values


def serialized(values: t.Sequence[str]) -> str:
    """A list of texts as PHP's `serialize` writes it."""
    inner = "".join(f'i:{n};s:{len(value.encode())}:"{value}";' for n, value in enumerate(values))
    return f"a:{len(values)}:{{{inner}}}"


def more(at: Layout, row: Row) -> Row:
    """What no table of the portal has a place for."""
    known = {at.number, *at.columns, *at.links, *at.children, *at.user_fields, *(["fm"] if at.entity else [])}
    return {name: value for name, value in row.items() if name not in known and value is not None and value != []}


DEALS = 2


def category(found: t.Mapping[str, t.Any], entity_type: int | None) -> Row:
    """A row of b_crm_deal_category (`entity_type` says that it is of deals) or of b_crm_item_category."""
    row: Row = {"ID": int(found["ID"]), "name": found["NAME"], "sort": int(found["SORT"])}
    row["entityTypeId"] = int(entity_type or found["ENTITY_TYPE_ID"])
    return {**row, "isDefault": str(found.get("IS_DEFAULT") or "N")}


def user_field_row(found: t.Mapping[str, t.Any], members: t.Iterable[t.Mapping[str, t.Any]]) -> Row:
    """A row of b_user_field, with the rows of b_user_field_enum that belong to it."""
    names = ("ID", "ENTITY_ID", "FIELD_NAME", "USER_TYPE_ID", "XML_ID", "SORT", "MULTIPLE", "MANDATORY")
    row = {name: found[name] for name in names if found.get(name) is not None}
    listed = [
        {"ID": str(each["ID"]), "SORT": str(each["SORT"]), "VALUE": each["VALUE"], "DEF": each["DEF"]}
        | {"XML_ID": each["XML_ID"]}
        for each in members
    ]
    return {**row, "LIST": listed} if listed else row

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CRM of the cloud that a fixture backup was made of: the same records as in the backup's tables.

`tables.py` reads these rows in the way in which it reads those of a box, so both portals show the same.
"""

from __future__ import annotations

import collections
import typing as t

from lab.box import tables
from lab.box.tables import Layout
from lab.crm.fields import Zone
from lab.crm.store import Storage
from lab.portal import data
from lab.portal.data.people import ADMINS
from lab.portal.data.world import World
from lab.rest.answers import Row

KINDS = ("status", "type", "user", "company", "contact", "lead", "deal", "activity", "comment", "productrow")


class Backup:
    """The tables of a backup, as rows with all columns."""

    def __init__(self, w: World) -> None:
        self._world, self._schema = w, data.schema()
        self.columns = {name: {column.name for column in table.columns} for name, table in self._schema.items()}

    def rows(self, name: str) -> t.Iterator[Row]:
        table = self._schema[name]
        names = [column.name for column in table.columns]
        for row in data.ROWS[name](self._world) if name in data.ROWS else ():
            yield dict(zip(names, table.values(row)))

    def by(self, name: str, column: str) -> dict[t.Any, list[Row]]:
        found: dict[t.Any, list[Row]] = collections.defaultdict(list)
        for row in self.rows(name):
            found[row[column]].append(row)
        return found


def fill(store: Storage, w: World, zone: Zone) -> None:
    """Put everything into an empty store."""
    backup = Backup(w)
    members = backup.by("b_user_field_enum", "USER_FIELD_ID")
    fields = [row for row in backup.rows("b_user_field") if str(row["ENTITY_ID"]).startswith("CRM_")]
    kinds = [*KINDS, *(f"smart:{row['ENTITY_TYPE_ID']}" for row in backup.rows("b_crm_dynamic_type"))]
    categories = [tables.category(row, tables.DEALS) for row in backup.rows("b_crm_deal_category")]
    categories += [tables.category(row, None) for row in backup.rows("b_crm_item_category")]
    with store.transaction():
        store.insert_many("field", (tables.user_field_row(row, members[row["ID"]]) for row in fields))
        store.insert_many("category", categories)
        for kind in kinds:
            store.insert_many(kind, _rows(backup, kind, fields, zone))
        for name, table in tables.NUMBERED.items():
            store.next_id(name, max((int(row["ID"]) for row in backup.rows(table)), default=0))


def _rows(backup: Backup, kind: str, fields: list[Row], zone: Zone) -> t.Iterator[Row]:
    types = {row["ENTITY_TYPE_ID"]: row["ID"] for row in backup.rows("b_crm_dynamic_type")}
    entity = tables.user_entity(kind, types.get(int(kind.partition(":")[2] or 0)))
    mine = [tables.user_field(row) for row in fields if row["ENTITY_ID"] == entity]
    at = tables.layout(kind, backup.columns, mine, entity)
    parts = _parts(backup, at, zone)
    computed = _computed(backup, kind)
    for found in backup.rows(at.table):
        if any(found[column] != value for column, value in at.fixed.items()):
            continue
        row = tables.own_row(at, {**found, **computed(found)}, zone)
        yield {**row, **parts.get(row[at.number], {})}


def _parts(backup: Backup, at: Layout, zone: Zone) -> dict[int, Row]:
    """What stands in other tables than the record itself."""
    parts: dict[int, Row] = collections.defaultdict(dict)
    if at.entity:
        for found in backup.rows("b_crm_field_multi"):
            if found["ENTITY_ID"] == at.entity:
                parts[found["ELEMENT_ID"]].setdefault("fm", []).append(tables.multiple(found))
    for field, link in at.links.items():
        for found in sorted(backup.rows(link.table), key=lambda row: (row[link.own], row[link.other])):
            parts[found[link.own]].setdefault(field, []).append(found[link.other])
    for field, children in at.children.items():
        for found in backup.rows(children.table):
            parts[found[children.own]].setdefault(field, []).append(tables.child(children, found, zone))
    if at.user_fields:
        for found in backup.rows(at.one_table):
            parts[found["VALUE_ID"]].update(tables.single_values(at, found, zone))
    several = {field.id: field for field in at.user_fields.values() if field.multiple}
    for found in backup.rows(at.many_table) if several else ():
        field_of = several[found["FIELD_ID"]]
        value = tables.to_row(field_of.form, found[field_of.many_column], zone)
        parts[found["VALUE_ID"]].setdefault(field_of.name, []).append(value)
    return parts


def _computed(backup: Backup, kind: str) -> t.Callable[[Row], Row]:
    """What a database computes (`Column.sql`)."""
    if kind == "user":
        admins = {row["USER_ID"] for row in backup.rows("b_user_group") if row["GROUP_ID"] == ADMINS}
        return lambda row: {"IS_ADMIN": row["ID"] in admins, "USER_TYPE": tables.user_type(row["EXTERNAL_AUTH_ID"])}
    if kind == "status":
        return lambda row: {"STAGE": tables.stage(row["ENTITY_ID"])}
    return lambda _row: {}

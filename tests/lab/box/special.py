# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of records that a portal keeps in several tables."""

from __future__ import annotations

import collections
import typing as t

from lab.box import tables
from lab.box.sql import marks
from lab.box.tables import UserField
from lab.crm.store import All, Condition, Order, Where
from lab.rest.answers import Row

if t.TYPE_CHECKING:
    from lab.box.mariadb import MariaDBStore


class _Special:
    """A kind whose rows are put together from several tables. There are few of them: they are looked at one by one."""

    def all(self, store: MariaDBStore) -> dict[int, Row]:
        raise NotImplementedError

    def insert(self, store: MariaDBStore, row: Row) -> int:
        raise NotImplementedError

    def replace(self, store: MariaDBStore, number: int, row: Row) -> None:
        raise NotImplementedError

    def remove(self, store: MariaDBStore, numbers: t.Collection[int]) -> int:
        raise NotImplementedError

    def load(self, store: MariaDBStore, numbers: t.Collection[int]) -> dict[int, Row]:
        found = self.all(store)
        return {number: found[number] for number in sorted(numbers) if number in found}

    def find(self, store: MariaDBStore, where: Where, order: Order, limit: int, offset: int) -> list[int]:
        rows = [(number, row) for number, row in sorted(self.all(store).items()) if matches(where, row)]
        for field, down in reversed(order):
            rows.sort(key=lambda pair: (pair[1].get(field) is not None, pair[1].get(field) or 0), reverse=down)
        return [number for number, _row in rows][offset : None if limit < 0 else offset + limit]


def matches(where: Where, row: Row) -> bool:
    if isinstance(where, All):
        return all(matches(part, row) for part in where.parts)
    if not isinstance(where, Condition):
        return any(matches(part, row) for part in where.parts)
    found, operator, value = row.get(where.field), where.operator, where.value
    several = value if operator in ("in", "not in") else [value]
    if operator in ("=", "in", "!=", "not in"):
        return (str(found) in [str(each) for each in several]) == (operator in ("=", "in"))
    if operator in ("like", "not like"):
        return (str(value).strip("%").lower() in str(found or "").lower()) == (operator == "like")
    if found is None or value is None:
        return False
    return bool({"<": found < value, "<=": found <= value, ">": found > value, ">=": found >= value}[operator])


class _Categories(_Special):
    """Pipelines of deals and of the company's own processes; the general one of deals is in no table."""

    def all(self, store: MariaDBStore) -> dict[int, Row]:
        found: list[tuple[int | None, Row]]
        found = [(tables.DEALS, row) for row in store.dicts("SELECT * FROM b_crm_deal_category", ())]
        if "b_crm_item_category" in store.columns:
            found += [(None, row) for row in store.dicts("SELECT * FROM b_crm_item_category", ())]
        return {int(row["ID"]): tables.category(row, kind) for kind, row in found}

    def insert(self, store: MariaDBStore, row: Row) -> int:
        number = int(row.get("ID") or 0) or max(self.all(store), default=0) + 1
        row["ID"] = number
        deals = int(row["entityTypeId"]) == tables.DEALS
        values: Row = {"ID": number, "NAME": row.get("name", ""), "SORT": row.get("sort", 500)}
        values["CREATED_DATE"] = (row.get("createdDate") or "2000-01-01")[:10]
        if not deals:
            values |= {"ENTITY_TYPE_ID": row["entityTypeId"], "IS_DEFAULT": row.get("isDefault", "N")}
        table = "b_crm_deal_category" if deals else "b_crm_item_category"
        sql = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks(values)})"
        store.execute(sql, list(values.values()))
        return number

    def replace(self, store: MariaDBStore, number: int, row: Row) -> None:
        deals = int(row["entityTypeId"]) == tables.DEALS
        table = "b_crm_deal_category" if deals else "b_crm_item_category"
        values = [row.get("name", ""), row.get("sort", 500), number]
        store.execute(f"UPDATE {table} SET NAME=%s, SORT=%s WHERE ID=%s", values)

    def remove(self, store: MariaDBStore, numbers: t.Collection[int]) -> int:
        places = marks(numbers)
        sizes = [
            store.execute(f"DELETE FROM {table} WHERE ID IN ({places})", list(numbers)).rowcount
            for table in ("b_crm_deal_category", "b_crm_item_category")
        ]
        return sum(sizes)


class _UserFields(_Special):
    """Rows of b_user_field with the values of their lists; the column of a new one is made at once."""

    def all(self, store: MariaDBStore) -> dict[int, Row]:
        members: dict[int, list[Row]] = collections.defaultdict(list)
        for row in store.dicts("SELECT * FROM b_user_field_enum ORDER BY SORT, ID", ()):
            members[row["USER_FIELD_ID"]].append(row)
        found = store.dicts("SELECT * FROM b_user_field WHERE ENTITY_ID LIKE 'CRM\\_%%'", ())
        return {int(row["ID"]): tables.user_field_row(row, members[row["ID"]]) for row in found}

    def insert(self, store: MariaDBStore, row: Row) -> int:
        names = ("ID", "ENTITY_ID", "FIELD_NAME", "USER_TYPE_ID", "XML_ID", "SORT", "MULTIPLE", "MANDATORY")
        values = {name: row[name] for name in names if row.get(name) is not None}
        sql = f"INSERT INTO b_user_field ({', '.join(values)}) VALUES ({marks(values)})"
        number = int(row.get("ID") or 0) or None
        cursor = store.execute(sql, list(values.values()))
        number = row["ID"] = number or int(cursor.lastrowid)
        self._members(store, number, row)
        self._column(store, tables.user_field({"MULTIPLE": "N", **row}), str(row["ENTITY_ID"]).lower())
        return number

    @staticmethod
    def _members(store: MariaDBStore, number: int, row: Row) -> None:
        for position, each in enumerate(row.get("LIST") or [], 1):
            code = each.get("XML_ID") or f"{number}-{position}"
            values = [each.get("ID"), number, each["VALUE"], each.get("DEF") or "N", each.get("SORT") or 500, code]
            sql = "INSERT INTO b_user_field_enum (ID, USER_FIELD_ID, VALUE, DEF, SORT, XML_ID)"
            cursor = store.execute(f"{sql} VALUES (%s, %s, %s, %s, %s, %s)", values)
            each.setdefault("ID", int(cursor.lastrowid))

    @staticmethod
    def _column(store: MariaDBStore, field: UserField, entity: str) -> None:
        kind = {"number": "int", "yes": "int", "decimal": "double", "moment": "datetime", "day": "date"}
        of_column = "text" if field.multiple else kind.get(field.form, "text")
        store.execute(f"CREATE TABLE IF NOT EXISTS b_uts_{entity} (VALUE_ID int NOT NULL PRIMARY KEY)")
        many = "VALUE text, VALUE_INT int, VALUE_DOUBLE double, VALUE_DATE datetime, KEY (VALUE_ID)"
        own = "ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, VALUE_ID int NOT NULL, FIELD_ID int NOT NULL"
        store.execute(f"CREATE TABLE IF NOT EXISTS b_utm_{entity} ({own}, {many})")
        store.execute(f"ALTER TABLE b_uts_{entity} ADD COLUMN IF NOT EXISTS `{field.name}` {of_column} DEFAULT NULL")
        store.look()

    def replace(self, store: MariaDBStore, number: int, row: Row) -> None:
        store.execute("UPDATE b_user_field SET MANDATORY=%s WHERE ID=%s", [row.get("MANDATORY", "N"), number])
        store.execute("DELETE FROM b_user_field_enum WHERE USER_FIELD_ID=%s", [number])
        self._members(store, number, row)

    def remove(self, store: MariaDBStore, numbers: t.Collection[int]) -> int:
        places, some = marks(numbers), list(numbers)
        for entity, name in store.rows(f"SELECT ENTITY_ID, FIELD_NAME FROM b_user_field WHERE ID IN ({places})", some):
            store.execute(f"ALTER TABLE b_uts_{entity.lower()} DROP COLUMN IF EXISTS `{name}`")
        store.execute(f"DELETE FROM b_user_field_enum WHERE USER_FIELD_ID IN ({places})", some)
        gone = int(store.execute(f"DELETE FROM b_user_field WHERE ID IN ({places})", some).rowcount)
        store.look()
        return gone


SPECIAL: dict[str, _Special] = {"category": _Categories(), "field": _UserFields()}

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CRM's records in the MariaDB tables of a portal: what SQL finds there is what REST shows, and vice versa.

`tables.py` says what is where. Tables may change without this store, so nothing of them is kept.
"""

from __future__ import annotations

import collections
import contextlib
import json
import threading
import typing as t

import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions, decoders

from lab.box import tables
from lab.box.special import SPECIAL
from lab.box.sql import Terms, fixed, marks
from lab.box.tables import MORE, Children, Layout, Link
from lab.crm.fields import Zone
from lab.crm.store import EVERYTHING, KINDS, Order, Where
from lab.rest.answers import Row

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

SETTINGS, FILES = "lab_crm_setting", "lab_crm_file"
_MADE = (
    f"CREATE TABLE IF NOT EXISTS {MORE} (KIND varchar(50) NOT NULL, ID int NOT NULL, CONTENT longtext NOT NULL,"
    " PRIMARY KEY (KIND, ID))",
    f"CREATE TABLE IF NOT EXISTS {SETTINGS} (NAME varchar(190) NOT NULL PRIMARY KEY, VALUE longtext NOT NULL)",
    f"CREATE TABLE IF NOT EXISTS {FILES} (ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, NAME varchar(255) NOT NULL,"
    " CONTENT longblob NOT NULL)",
)
#: Lost connections, and tables that a restore has put others in the place of: there is no such table.
GONE = (2006, 2013, 1053, 1927, 1146)
#: Types that stay texts.
_TEXTS = (FIELD_TYPE.DATETIME, FIELD_TYPE.DATE, FIELD_TYPE.TIMESTAMP, FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL)
#: For the parameter `conv` of pymysql.connect.
CONVERSIONS = {kind: how for kind, how in conversions.items() if kind not in _TEXTS or how is not decoders.get(kind)}


class MariaDBStore:
    """Storage (see `store.py`) on a portal's tables. `connect` gives a connection to its database."""

    cacheable = False

    def __init__(self, connect: t.Callable[[], Connection[t.Any]], zone: Zone) -> None:
        self.lock = threading.RLock()
        self.zone = zone
        self._connect = connect
        self._connection: Connection[t.Any] | None = None
        self.columns: dict[str, set[str]] = {}
        self._required: set[tuple[str, str]] = set()
        self._layouts: dict[str, Layout] = {}
        self._depth = 0

    # -- connection ----------------------------------------------------------------------------------------------------

    def _open(self) -> Connection[t.Any]:
        if self._connection is None:
            connection = self._connect()
            connection.autocommit(True)
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION sql_mode=''")  # as the portal works
                for statement in _MADE:
                    cursor.execute(statement)
            self._connection = connection
            self.look()
        return self._connection

    def look(self) -> None:
        """Learn which columns there are; user fields are columns too."""
        self._layouts.clear()
        self.columns, self._required = {}, set()
        for table, column, null in self.rows(
            "SELECT TABLE_NAME, COLUMN_NAME, IS_NULLABLE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=DATABASE()"
            " AND TABLE_NAME REGEXP '^b_(crm_|ut[ms]_crm|user)'",
            (),
        ):
            self.columns.setdefault(table, set()).add(column)
            if null == "NO":
                self._required.add((table, column))

    def execute(self, sql: str, values: t.Sequence[t.Any] = ()) -> t.Any:
        """A cursor after the statement. Outside of a transaction a lost connection is opened again, once."""
        for last in (False, True):
            connection = self._open()
            cursor = connection.cursor()
            try:
                cursor.execute(sql, list(values))
            except pymysql.err.Error as error:
                if not isinstance(error, pymysql.err.InterfaceError) and error.args[0] not in GONE:
                    raise
                self._drop()
                if last or self._depth:
                    raise
                continue
            return cursor
        raise AssertionError

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(pymysql.err.Error):
                connection.close()

    def rows(self, sql: str, values: t.Sequence[t.Any]) -> list[tuple[t.Any, ...]]:
        with self.lock:
            return list(self.execute(sql, values).fetchall())

    def dicts(self, sql: str, values: t.Sequence[t.Any]) -> list[Row]:
        with self.lock:
            cursor = self.execute(sql, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row)) for row in cursor.fetchall()]

    @contextlib.contextmanager
    def transaction(self) -> t.Iterator[None]:
        with self.lock:
            if self._depth:
                yield
                return
            self.execute("START TRANSACTION")
            self._depth = 1
            try:
                yield
            except BaseException:
                if self._connection is not None:
                    with contextlib.suppress(pymysql.err.Error):
                        self._connection.rollback()
                raise
            else:
                self.execute("COMMIT")
            finally:
                self._depth = 0

    # -- layouts -------------------------------------------------------------------------------------------------------

    def _layout(self, kind: str) -> Layout:
        with self.lock:
            self._open()
            if kind not in self._layouts:
                self._layouts[kind] = self._find_layout(kind)
            return self._layouts[kind]

    def _find_layout(self, kind: str) -> Layout:
        if not tables.is_item(kind):
            return tables.layout(kind, self.columns)
        entity = tables.user_entity(kind, self._type_id(kind))
        found = self.dicts("SELECT * FROM b_user_field WHERE ENTITY_ID=%s ORDER BY ID", [entity])
        return tables.layout(kind, self.columns, [tables.user_field(row) for row in found], entity)

    def _type_id(self, kind: str) -> int | None:
        if kind in tables.ENTITIES or "b_crm_dynamic_type" not in self.columns:
            return None
        found = self.rows("SELECT ID FROM b_crm_dynamic_type WHERE ENTITY_TYPE_ID=%s", [kind.partition(":")[2]])
        return int(found[0][0]) if found else None

    # -- reading -------------------------------------------------------------------------------------------------------

    def load(self, kind: str, numbers: t.Collection[int]) -> dict[int, Row]:
        if not numbers:
            return {}
        if kind in SPECIAL:
            return SPECIAL[kind].load(self, numbers)
        at, some = self._layout(kind), list(numbers)
        places = marks(some)
        if not at.own:
            found = self.rows(f"SELECT ID, CONTENT FROM {MORE} WHERE KIND=%s AND ID IN ({places})", [kind, *some])
            return {number: json.loads(content) for number, content in found}
        computed = "".join(f", {column.sql} AS {column.name}" for column in at.columns.values() if column.sql)
        sql = f"SELECT r.*{computed} FROM {at.table} r WHERE r.{at.key} IN ({places}){fixed(at)} ORDER BY r.{at.key}"
        with self.lock:
            found_rows = self.dicts(sql, [*some, *at.fixed.values()])
            more = dict(self.rows(f"SELECT ID, CONTENT FROM {MORE} WHERE KIND=%s AND ID IN ({places})", [kind, *some]))
            parts = self._parts(at, some, places)
        rows = {}
        for found_row in found_rows:
            number = int(found_row[at.key])
            row = tables.own_row(at, found_row, self.zone)
            row |= parts.get(number, {})
            row |= json.loads(more[number]) if number in more else {}
            rows[number] = row
        return rows

    def _parts(self, at: Layout, numbers: list[int], places: str) -> dict[int, Row]:
        """What stands in other tables than the record itself."""
        found: dict[int, Row] = collections.defaultdict(dict)
        if at.entity:
            sql = f"SELECT * FROM b_crm_field_multi WHERE ENTITY_ID=%s AND ELEMENT_ID IN ({places}) ORDER BY ID"
            for row in self.dicts(sql, [at.entity, *numbers]):
                found[row["ELEMENT_ID"]].setdefault("fm", []).append(tables.multiple(row))
        for field, link in at.links.items():
            sql = f"SELECT {link.own}, {link.other} FROM {link.table} WHERE {link.own} IN ({places})"
            for own, other in self.rows(sql + f" ORDER BY {link.own}, IS_PRIMARY DESC, SORT, {link.other}", numbers):
                found[own].setdefault(field, []).append(other)
        for field, children in at.children.items():
            sql = f"SELECT * FROM {children.table} WHERE {children.own} IN ({places}) ORDER BY ID"
            for row in self.dicts(sql, numbers):
                found[row[children.own]].setdefault(field, []).append(tables.child(children, row, self.zone))
        if at.user_fields:
            for row in self.dicts(f"SELECT * FROM {at.one_table} WHERE VALUE_ID IN ({places})", numbers):
                found[row["VALUE_ID"]].update(tables.single_values(at, row, self.zone))
        if any(field.multiple for field in at.user_fields.values()):
            by_id = {field.id: field for field in at.user_fields.values()}
            sql = f"SELECT * FROM {at.many_table} WHERE VALUE_ID IN ({places}) ORDER BY ID"
            for row in self.dicts(sql, numbers):
                if (known := by_id.get(row["FIELD_ID"])) is not None:
                    value = tables.to_row(known.form, row[known.many_column], self.zone)
                    found[row["VALUE_ID"]].setdefault(known.name, []).append(value)
        return found

    def find(self, kind: str, where: Where, order: Order = (), limit: int = -1, offset: int = 0) -> list[int]:
        if kind in SPECIAL:
            return SPECIAL[kind].find(self, where, order, limit, offset)
        at = self._layout(kind)
        terms = Terms(at)
        condition, values = terms.where(where)
        by = ", ".join(f"{terms.value(field)} {'DESC' if down else 'ASC'}" for field, down in order) or f"r.{at.key}"
        sql = f"SELECT r.{at.key} FROM {terms.joined()} WHERE {condition}{fixed(at)} ORDER BY {by}"
        if limit >= 0 or offset:
            sql += f" LIMIT {limit if limit >= 0 else 2**62:d} OFFSET {offset:d}"
        return [int(number) for (number,) in self.rows(sql, [*values, *at.fixed.values()])]

    def count(self, kind: str, where: Where = EVERYTHING) -> int:
        if kind in SPECIAL:
            return len(SPECIAL[kind].find(self, where, (), -1, 0))
        at = self._layout(kind)
        terms = Terms(at)
        condition, values = terms.where(where)
        sql = f"SELECT COUNT(*) FROM {terms.joined()} WHERE {condition}{fixed(at)}"
        return int(self.rows(sql, [*values, *at.fixed.values()])[0][0])

    def newest(self, kind: str) -> int:
        if kind in SPECIAL:
            return max(SPECIAL[kind].find(self, EVERYTHING, (), -1, 0), default=0)
        at = self._layout(kind)
        found = self.rows(f"SELECT MAX({at.key}) FROM {at.table} r WHERE 1{fixed(at)}", list(at.fixed.values()))
        return int(found[0][0] or 0)

    # -- writing -------------------------------------------------------------------------------------------------------

    def insert(self, kind: str, row: Row) -> int:
        with self.transaction():
            if kind in SPECIAL:
                return SPECIAL[kind].insert(self, row)
            at = self._layout(kind)
            number = int(row.get(at.number) or 0)
            if not at.own:
                number = number or self.next_id(f"of {kind}", at_least=self.newest(kind) + 1)
                row[at.number] = number
                self.execute(f"INSERT INTO {MORE} (KIND, ID, CONTENT) VALUES (%s, %s, %s)", [kind, number, _json(row)])
                return number
            values = {**tables.own_values(at, row), **at.fixed}
            values = {name: value for name, value in values.items() if value is not None}
            if number:
                values[at.key] = number
            sql = f"INSERT INTO {at.table} ({', '.join(f'`{name}`' for name in values)}) VALUES ({marks(values)})"
            cursor = self.execute(sql, list(values.values()))
            number = number or int(cursor.lastrowid)
            row[at.number] = number
            self._write_parts(at, number, row)
            if kind == "type":
                self._make_items(row)
        return number

    def _make_items(self, row: Row) -> None:
        """A company's own process has a table of its own."""
        name = tables.item_table(f"smart:{row['entityTypeId']}")
        model = next((table for table in self.columns if table.startswith(tables.OWN_ITEMS)), None)
        if model is not None and name not in self.columns:
            self.execute(f"CREATE TABLE {name} LIKE {model}")
            self.look()
        self.execute("UPDATE b_crm_dynamic_type SET TABLE_NAME=%s WHERE ID=%s", [name, row["ID"]])

    def insert_many(self, kind: str, rows: t.Iterable[Row]) -> None:
        with self.transaction():
            for row in rows:
                self.insert(kind, row)

    def replace(self, kind: str, number: int, row: Row) -> None:
        with self.transaction():
            if kind in SPECIAL:
                SPECIAL[kind].replace(self, number, row)
                return
            at = self._layout(kind)
            if not at.own:
                self.execute(f"UPDATE {MORE} SET CONTENT=%s WHERE KIND=%s AND ID=%s", [_json(row), kind, number])
                return
            terms, values = [], []
            for name, value in tables.own_values(at, row).items():
                if value is None and (at.table, name) in self._required:
                    terms.append(f"`{name}`=DEFAULT(`{name}`)")
                else:
                    terms.append(f"`{name}`=%s")
                    values.append(value)
            self.execute(f"UPDATE {at.table} SET {', '.join(terms)} WHERE {at.key}=%s", [*values, number])
            self._write_parts(at, number, row)

    def _write_parts(self, at: Layout, number: int, row: Row) -> None:
        if at.entity:
            self._write_multiple(at, number, row.get("fm") or [])
        for field, link in at.links.items():
            self._write_links(link, number, row.get(field) or [])
        for field, children in at.children.items():
            self._write_children(children, number, row.get(field) or [])
        if at.user_fields:
            self._write_user_fields(at, number, row)
        more = tables.more(at, row)
        self.execute(f"DELETE FROM {MORE} WHERE KIND=%s AND ID=%s", [at.kind, number])
        if more:
            self.execute(f"INSERT INTO {MORE} (KIND, ID, CONTENT) VALUES (%s, %s, %s)", [at.kind, number, _json(more)])

    def _write_multiple(self, at: Layout, number: int, values: list[Row]) -> None:
        mine = "ENTITY_ID=%s AND ELEMENT_ID=%s"
        kept = [each["id"] for each in values]
        sql = f"DELETE FROM b_crm_field_multi WHERE {mine}" + (f" AND ID NOT IN ({marks(kept)})" if kept else "")
        self.execute(sql, [at.entity, number, *kept])
        for each in values:
            self.execute(
                "REPLACE INTO b_crm_field_multi (ID, ENTITY_ID, ELEMENT_ID, TYPE_ID, VALUE_TYPE, COMPLEX_ID, VALUE)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [each["id"], at.entity, number, each["typeId"], each["valueType"],
                 f"{each['typeId']}_{each['valueType']}", each["value"]],
            )  # fmt: skip

    def _write_links(self, link: Link, number: int, others: list[int]) -> None:
        sql = f"DELETE FROM {link.table} WHERE {link.own}=%s"
        self.execute(sql + (f" AND {link.other} NOT IN ({marks(others)})" if others else ""), [number, *others])
        for position, other in enumerate(others):
            primary = "N" if position else "Y"
            self.execute(
                f"INSERT INTO {link.table} ({link.own}, {link.other}, SORT, IS_PRIMARY) VALUES (%s, %s, %s, %s)"
                " ON DUPLICATE KEY UPDATE SORT=VALUES(SORT), IS_PRIMARY=VALUES(IS_PRIMARY)",
                [number, other, 10 * position, primary],
            )

    def _write_children(self, children: Children, number: int, given: list[t.Any]) -> None:
        self.execute(f"DELETE FROM {children.table} WHERE {children.own}=%s", [number])
        for each in given:
            values = {children.own: number, **tables.child_values(children, each)}
            sql = f"INSERT INTO {children.table} ({', '.join(values)}) VALUES ({marks(values)})"
            self.execute(sql, list(values.values()))

    def _write_user_fields(self, at: Layout, number: int, row: Row) -> None:
        values = tables.user_values(at, row)
        self.execute(f"DELETE FROM {at.one_table} WHERE VALUE_ID=%s", [number])
        if any(value is not None for value in values.values()):
            names = ", ".join(f"`{name}`" for name in values)
            sql = f"INSERT INTO {at.one_table} (VALUE_ID, {names}) VALUES (%s, {marks(values)})"
            self.execute(sql, [number, *values.values()])
        several = [field for field in at.user_fields.values() if field.multiple]
        if several:
            self.execute(f"DELETE FROM {at.many_table} WHERE VALUE_ID=%s", [number])
        for field in several:
            for value in row.get(field.name) or []:
                self.execute(
                    f"INSERT INTO {at.many_table} (VALUE_ID, FIELD_ID, {field.many_column}) VALUES (%s, %s, %s)",
                    [number, field.id, tables.to_table(field.form, value)],
                )

    def remove(self, kind: str, numbers: t.Collection[int]) -> int:
        if not numbers:
            return 0
        with self.transaction():
            if kind in SPECIAL:
                return SPECIAL[kind].remove(self, numbers)
            at, some, places = self._layout(kind), list(numbers), marks(numbers)
            sql = f"DELETE r FROM {at.table} r WHERE r.{at.key} IN ({places}){fixed(at)}"
            gone = int(self.execute(sql, [*some, *at.fixed.values()]).rowcount)
            if not at.own:
                return gone
            if at.entity:
                sql = f"DELETE FROM b_crm_field_multi WHERE ENTITY_ID=%s AND ELEMENT_ID IN ({places})"
                self.execute(sql, [at.entity, *some])
            for link in at.links.values():
                self.execute(f"DELETE FROM {link.table} WHERE {link.own} IN ({places})", some)
            for children in at.children.values():
                self.execute(f"DELETE FROM {children.table} WHERE {children.own} IN ({places})", some)
            if at.user_fields:
                self.execute(f"DELETE FROM {at.one_table} WHERE VALUE_ID IN ({places})", some)
            if any(field.multiple for field in at.user_fields.values()):
                self.execute(f"DELETE FROM {at.many_table} WHERE VALUE_ID IN ({places})", some)
            self.execute(f"DELETE FROM {MORE} WHERE KIND=%s AND ID IN ({places})", [kind, *some])
        return gone

    # -- numbers, files, settings --------------------------------------------------------------------------------------

    def version(self, kind: str) -> int | None:
        return None

    def next_id(self, name: str, amount: int = 1, *, at_least: int = 1) -> int:
        with self.transaction():
            if name in tables.NUMBERED:
                at_least = int(self.rows(f"SELECT MAX(ID) FROM {tables.NUMBERED[name]}", ())[0][0] or 0) + 1
            first = max(int(self.setting(f"next {name}") or 1), at_least)
            self.set(f"next {name}", str(first + amount))
        return first

    def file(self, number: int) -> tuple[str, bytes] | None:
        found = self.rows(f"SELECT NAME, CONTENT FROM {FILES} WHERE ID=%s", [number])
        return (found[0][0], found[0][1]) if found else None

    def put_file(self, name: str, content: bytes) -> int:
        with self.lock:
            return int(self.execute(f"INSERT INTO {FILES} (NAME, CONTENT) VALUES (%s, %s)", [name, content]).lastrowid)

    def setting(self, name: str) -> str | None:
        found = self.rows(f"SELECT VALUE FROM {SETTINGS} WHERE NAME=%s", [name])
        return found[0][0] if found else None

    def set(self, name: str, value: str) -> None:
        with self.lock:
            self.execute(f"REPLACE INTO {SETTINGS} (NAME, VALUE) VALUES (%s, %s)", [name, value])

    def clear(self) -> None:
        with self.transaction():
            for kind in (*tables.ENTITIES, *KINDS):
                if kind != "user":  # accounts are the portal's, not the CRM's
                    self.remove(kind, self.find(kind, EVERYTHING))
            self.execute(f"DELETE FROM {MORE}")

    def close(self) -> None:
        with self.lock:
            self._drop()


def _json(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))

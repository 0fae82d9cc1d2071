# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulated CRM remembers.

The portal (`portal.py` and the methods) works against `Storage`; `SqliteStore` is the usual one. Another database, such
as the MariaDB tables of a box, stands behind the same methods if it implements `Storage`:

*   A **kind** is a name of records: "lead", "deal", "contact", "company", "smart:ENTITYTYPEID", and the rest of KINDS.
*   A **row** is a dict. Rows of items have the names and forms of `crm.item.get` with useOriginalUfNames=Y: camelCase
    for the portal's own fields, UF_… for user fields; numbers are numbers, flags are "Y" or "N", dates are ISO-8601
    with seconds in the portal's zone (so that they sort as texts), lists are lists, nothing is None. `fm` is a list of
    {"id", "typeId", "valueType", "value"}; ids of `fm` are given by `next_id("multifield")`. A file is
    {"id": N} whose content is under `file(N)`. All other kinds have the names of their own methods with "ID" as the
    number (see the tables in `fields.py`); a row always holds its own number, as "id" for items and product rows, else
    as "ID".
*   Numbers are given by the store, rise, and are never given a second time.
*   `find` and `count` get a `Where`: Condition(field, operator, value), All([...]), Any_([...]). Values are already of
    the form that rows have. The field "fm.PHONE" (EMAIL, WEB, IM, LINK) means the value of any such multi-field.
    None sorts first, and is equal to None; `!=` finds None too, comparisons never do. "in" with a list field means: one
    of its elements (as does "=").
*   `lock` is held by the portal around everything that reads before it writes; `transaction()` makes what is inside
    last together. After a kill, what was answered is there.
*   `cacheable` is False where rows may change without the portal (somebody writes to its tables); then encoded rows
    are not kept.
"""

from __future__ import annotations

import bisect
import collections
import contextlib
import dataclasses
import json
import re
import sqlite3
import threading
import typing as t

from lab.rest.answers import Row

#: Kinds beside those of items.
KINDS = (
    "activity", "comment", "productrow", "user", "status", "category", "field", "type", "stagehistory", "handler",
    "event", "product", "call",
)  # fmt: skip
#: Kind → fields that are asked for often; a store makes indexes of them. "*" stands for every kind of items.
INDEXES: dict[str, tuple[str, ...]] = {
    "*": ("createdTime", "updatedTime", "originId"),
    "activity": ("OWNER_ID", "LAST_UPDATED", "ORIGIN_ID"),
    "comment": ("ENTITY_ID",),
    "productrow": ("ownerId",),
    "stagehistory": ("OWNER_ID",),
    "status": ("ENTITY_ID",),
}
#: Rows that are read with one statement.
AT_ONCE = 500
ITEMS = ("lead", "deal", "contact", "company")


@dataclasses.dataclass(frozen=True)
class Condition:
    """`operator` is one of = != < <= > >= in, not in (value is a list), like, not like (value has % as in SQL)."""

    field: str
    operator: str
    value: t.Any


@dataclasses.dataclass(frozen=True)
class All:
    """Every one of the parts."""

    parts: t.Sequence[Where]


@dataclasses.dataclass(frozen=True)
class Any_:
    """At least one of the parts."""

    parts: t.Sequence[Where]


Where = t.Union[Condition, All, Any_]
EVERYTHING = All(())
#: Field, and whether it descends.
Order = t.Sequence[tuple[str, bool]]


class Storage(t.Protocol):
    """Where the portal keeps its records; see the page's head for what rows look like."""

    lock: threading.RLock
    cacheable: bool

    def transaction(self) -> t.ContextManager[None]: ...

    def insert(self, kind: str, row: Row) -> int:
        """The number of a new record; `row` is given it as well. A number that it has already is kept."""

    def insert_many(self, kind: str, rows: t.Iterable[Row]) -> None:
        """Insert rows that have their numbers already, fast."""

    def replace(self, kind: str, number: int, row: Row) -> None: ...

    def remove(self, kind: str, numbers: t.Collection[int]) -> int:
        """How many there were."""

    def load(self, kind: str, numbers: t.Collection[int]) -> dict[int, Row]:
        """Number → row, without those that there are not."""

    def find(self, kind: str, where: Where, order: Order = (), limit: int = -1, offset: int = 0) -> list[int]:
        """The numbers of records."""

    def count(self, kind: str, where: Where = EVERYTHING) -> int: ...

    def newest(self, kind: str) -> int:
        """The highest number that a record has now; 0 without records."""

    def version(self, kind: str) -> int | None:
        """Another one after everything that is written to the kind; None where others write as well."""

    def next_id(self, name: str, amount: int = 1) -> int:
        """The first of so many numbers of a sequence."""

    def file(self, number: int) -> tuple[str, bytes] | None:
        """A file's name and its content."""

    def put_file(self, name: str, content: bytes) -> int: ...

    def setting(self, name: str) -> str | None: ...

    def set(self, name: str, value: str) -> None: ...

    def clear(self) -> None:
        """Forget all records, and begin with number 1 again."""

    def close(self) -> None: ...


def number_name(kind: str) -> str:
    """Under which name a row holds its number."""
    named = kind in ITEMS or kind.startswith("smart:") or kind in ("productrow", "quote", "invoice")
    return "id" if named else "ID"


class SqliteStore:
    """In memory, or in a file that outlives a kill of the process."""

    cacheable = True

    def __init__(self, path: str = ":memory:") -> None:
        self.lock = threading.RLock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=500)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=OFF")  # a kill of the process loses nothing; the machine may
        self._database.execute("CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT)")
        self._database.execute("CREATE TABLE IF NOT EXISTS files (id INTEGER PRIMARY KEY, name TEXT, content BLOB)")
        self._known: dict[str, str] = {}
        self._numbers: dict[str, list[int]] = {}  # kind → its numbers, once they have been asked for
        self._last: dict[str, int] = {}  # table → the last number that it has given, once one was asked for
        self._writes: collections.Counter[str] = collections.Counter()  # by kind
        self._all_writes = 0  # those that may have touched every kind
        self._depth = 0

    def _table(self, kind: str) -> str:
        """The kind's table; it is made when it is first used."""
        table = self._known.get(kind)
        if table is None:
            table = "k_" + re.sub(r"\W", "_", kind)
            with self.lock:
                self._database.execute(
                    f"CREATE TABLE IF NOT EXISTS {table} (id INTEGER PRIMARY KEY AUTOINCREMENT, content TEXT)"
                )
                for field in INDEXES.get(kind, INDEXES["*"] if kind not in KINDS else ()):
                    column = self._column(field)
                    self._database.execute(f"CREATE INDEX IF NOT EXISTS {table}_{field} ON {table} ({column})")
                self._known[kind] = table
        return table

    @staticmethod
    def _column(field: str) -> str:
        if not re.fullmatch(r"\w+", field):
            raise ValueError(f"no field: {field!r}")
        return "id" if field in ("id", "ID") else f"json_extract(content, '$.{field}')"

    @contextlib.contextmanager
    def transaction(self) -> t.Iterator[None]:
        with self.lock:
            if self._depth:
                yield
                return
            self._depth = 1
            self._database.execute("BEGIN")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                self._all_changed()
                self._known.clear()  # a table that was made meanwhile is gone as well
                raise
            else:
                self._database.execute("COMMIT")
            finally:
                self._depth = 0

    def insert(self, kind: str, row: Row) -> int:
        table, name = self._table(kind), number_name(kind)
        with self.transaction():
            if not row.get(name):
                row[name] = self._next(table)
            self._database.execute(f"INSERT INTO {table} (id, content) VALUES (?, ?)", (row[name], _text(row)))
            self._writes[kind] += 1
            if table in self._last:
                self._last[table] = max(self._last[table], row[name])
            numbers = self._numbers.get(kind)
            if numbers is not None:
                bisect.insort(numbers, row[name])
        return int(row[name])

    def _next(self, table: str) -> int:
        if table not in self._last:
            found = self._database.execute("SELECT seq FROM sqlite_sequence WHERE name=?", (table,)).fetchone()
            self._last[table] = found[0] if found else 0
        return self._last[table] + 1

    def _all_changed(self) -> None:
        self._all_writes += 1
        self._numbers.clear()
        self._last.clear()

    def insert_many(self, kind: str, rows: t.Iterable[Row]) -> None:
        table, name = self._table(kind), number_name(kind)
        with self.transaction():
            self._writes[kind] += 1
            self._numbers.pop(kind, None)
            self._last.pop(table, None)
            self._database.executemany(
                f"INSERT INTO {table} (id, content) VALUES (?, ?)", ((row[name], _text(row)) for row in rows)
            )

    def replace(self, kind: str, number: int, row: Row) -> None:
        with self.lock:
            self._writes[kind] += 1
            self._database.execute(f"UPDATE {self._table(kind)} SET content=? WHERE id=?", (_text(row), number))

    def remove(self, kind: str, numbers: t.Collection[int]) -> int:
        table = self._table(kind)
        with self.transaction():
            gone = 0
            self._writes[kind] += 1
            for number in numbers:
                gone += self._database.execute(f"DELETE FROM {table} WHERE id=?", (number,)).rowcount
            self._numbers.pop(kind, None)
        return gone

    def load(self, kind: str, numbers: t.Collection[int]) -> dict[int, Row]:
        table, wanted, found = self._table(kind), list(numbers), []
        with self.lock:
            for first in range(0, len(wanted), AT_ONCE):
                some = wanted[first : first + AT_ONCE]
                sql = f"SELECT id, content FROM {table} WHERE id IN ({','.join('?' * len(some))})"
                found += self._database.execute(sql, some).fetchall()
        return {number: json.loads(content) for number, content in found}

    def find(self, kind: str, where: Where, order: Order = (), limit: int = -1, offset: int = 0) -> list[int]:
        walk = _by_number(where, order)
        if walk is not None:
            return self._walk(kind, walk, limit, offset)
        condition, arguments = self._where(where)
        by = ", ".join(f"{self._column(field)} {'DESC' if down else 'ASC'}" for field, down in order) or "id ASC"
        sql = f"SELECT id FROM {self._table(kind)} WHERE {condition} ORDER BY {by} LIMIT {limit:d} OFFSET {offset:d}"
        with self.lock:
            return [number for (number,) in self._database.execute(sql, arguments)]

    def count(self, kind: str, where: Where = EVERYTHING) -> int:
        walk = _by_number(where, ())
        if walk is not None:
            with self.lock:
                first, last = self._range(kind, walk)
            return max(0, last - first)
        condition, arguments = self._where(where)
        with self.lock:
            sql = f"SELECT COUNT(*) FROM {self._table(kind)} WHERE {condition}"
            return int(self._database.execute(sql, arguments).fetchone()[0])

    def _all_numbers(self, kind: str) -> list[int]:
        if kind not in self._numbers:
            sql = f"SELECT id FROM {self._table(kind)} ORDER BY id"
            self._numbers[kind] = [number for (number,) in self._database.execute(sql)]
        return self._numbers[kind]

    def _range(self, kind: str, walk: _Walk) -> tuple[int, int]:
        numbers = self._all_numbers(kind)
        first = bisect.bisect_left(numbers, walk.least) if walk.least is not None else 0
        return first, bisect.bisect_right(numbers, walk.most) if walk.most is not None else len(numbers)

    def _walk(self, kind: str, walk: _Walk, limit: int, offset: int) -> list[int]:
        """Pages by number, which are most of what clients ask for, without the database."""
        with self.lock:
            first, last = self._range(kind, walk)
            numbers = self._all_numbers(kind)
            if walk.down:
                start, end = last - offset, max(first, last - offset - limit) if limit >= 0 else first
                return numbers[end:start][::-1] if start > end else []
            start, end = first + offset, min(last, first + offset + limit) if limit >= 0 else last
            return numbers[start:end]

    def newest(self, kind: str) -> int:
        with self.lock:
            numbers = self._numbers.get(kind)
            if numbers is not None:
                return numbers[-1] if numbers else 0
            return int(self._database.execute(f"SELECT MAX(id) FROM {self._table(kind)}").fetchone()[0] or 0)

    def version(self, kind: str) -> int | None:
        with self.lock:
            return self._writes[kind] + self._all_writes

    def next_id(self, name: str, amount: int = 1) -> int:
        with self.transaction():
            first = int(self.setting(f"next {name}") or 1)
            self.set(f"next {name}", str(first + amount))
        return first

    def file(self, number: int) -> tuple[str, bytes] | None:
        with self.lock:
            row = self._database.execute("SELECT name, content FROM files WHERE id=?", (number,)).fetchone()
        return (row[0], row[1]) if row else None

    def put_file(self, name: str, content: bytes) -> int:
        with self.lock:
            cursor = self._database.execute("INSERT INTO files (name, content) VALUES (?, ?)", (name, content))
            return int(cursor.lastrowid or 0)

    def setting(self, name: str) -> str | None:
        with self.lock:
            row = self._database.execute("SELECT value FROM settings WHERE name=?", (name,)).fetchone()
        return row[0] if row else None

    def set(self, name: str, value: str) -> None:
        with self.lock:
            self._database.execute("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", (name, value))

    def clear(self) -> None:
        with self.transaction():
            tables = self._database.execute("SELECT name FROM sqlite_master WHERE type='table' AND name GLOB 'k_*'")
            for (table,) in tables.fetchall():
                self._database.execute(f"DELETE FROM {table}")
            self._database.execute("DELETE FROM sqlite_sequence")
            self._database.execute("DELETE FROM settings WHERE name GLOB 'next *'")
            self._all_changed()

    def close(self) -> None:
        with self.lock:
            self._database.close()

    def _where(self, where: Where) -> tuple[str, list[t.Any]]:
        if isinstance(where, Condition):
            return self._condition(where)
        found = [self._where(part) for part in where.parts]
        word = " AND " if isinstance(where, All) else " OR "
        text = word.join(f"({condition})" for condition, _arguments in found)
        return text or ("1" if isinstance(where, All) else "0"), [each for _text, given in found for each in given]

    def _condition(self, condition: Condition) -> tuple[str, list[t.Any]]:
        field, operator, value = condition.field, condition.operator, condition.value
        values = list(value) if operator in ("in", "not in") else [value]
        if field.startswith("fm."):
            inside, arguments = _compare("json_extract(m.value, '$.value')", POSITIVE.get(operator, operator), values)
            some = f"SELECT 1 FROM json_each(content, '$.fm') m WHERE json_extract(m.value, '$.typeId')=? AND {inside}"
            return f"{'NOT ' if operator in POSITIVE else ''}EXISTS ({some})", [field[3:], *arguments]
        column = self._column(field)
        if field in LISTS or (field.startswith("UF_") and operator in ("=", "in") and None not in values):
            inside, arguments = _compare("m.value", POSITIVE.get(operator, operator), values)
            some = f"SELECT 1 FROM json_each(content, '$.{field}') m WHERE {inside}"
            return f"{'NOT ' if operator in POSITIVE else ''}EXISTS ({some})", arguments
        return _compare(column, operator, values)


class _Walk(t.NamedTuple):
    """Records by their numbers alone."""

    least: int | None
    most: int | None
    down: bool


def _by_number(where: Where, order: Order) -> _Walk | None:
    """None where other fields matter."""
    if order and (len(order) > 1 or order[0][0] not in ("id", "ID")):
        return None
    least: int | None = None
    most: int | None = None
    parts: list[Where] = [where]
    while parts:
        part = parts.pop()
        if isinstance(part, All):
            parts += part.parts
            continue
        if not isinstance(part, Condition) or part.field not in ("id", "ID") or not isinstance(part.value, int):
            return None
        if part.operator in (">", ">=", "="):
            value = part.value + (part.operator == ">")
            least = value if least is None else max(least, value)
        if part.operator in ("<", "<=", "="):
            value = part.value - (part.operator == "<")
            most = value if most is None else min(most, value)
        if part.operator not in (">", ">=", "<", "<=", "="):
            return None
    return _Walk(least, most, bool(order) and order[0][1])


#: Operator that denies another one → the other one.
POSITIVE = {"!=": "=", "not in": "in", "not like": "like"}
#: Fields of items that hold lists, beside user fields.
LISTS = ("contactIds", "companyIds", "observers", "contacts")


def _compare(column: str, operator: str, values: list[t.Any]) -> tuple[str, list[t.Any]]:
    if operator in ("in", "not in"):
        some = [value for value in values if value is not None]
        text = f"{column} IN ({','.join('?' * len(some))})"
        if len(some) < len(values):
            text = f"({text} OR {column} IS NULL)"
        return (f"NOT COALESCE({text}, 0)" if operator == "not in" else text), some
    value = values[0]
    if operator == "=":
        return f"{column} IS ?", [value]
    if operator == "!=":
        return f"{column} IS NOT ?", [value]
    if operator == "like":
        return f"{column} LIKE ?", [value]
    if operator == "not like":
        return f"COALESCE({column}, '') NOT LIKE ?", [value]
    return f"{column} {operator} ?", [value]


_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

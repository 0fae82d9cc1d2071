# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQL for checksums over chunks of a few rows, by which two servers find the rows in which they differ.

Both servers run the same SQL, so nothing depends on their releases. The number of a row is the product of two
different CRCs over all its values, 64 bits; the sum of a chunk adds them. Rows are read as the literals of an INSERT.
"""

from __future__ import annotations

import collections
import dataclasses
import heapq
import itertools
import operator
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import quote_name, rows

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

# How both servers write values, for a session.
SETTINGS = {"group_concat_max_len": "1048576", "sql_mode": "''", "time_zone": "'+00:00'", "sql_quote_show_create": "1"}
# Rows of a chunk: with fewer there are more sums to compare, with more there are more rows to fetch for a change.
ROWS = 8
_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_NUMBERS = _INTEGERS | {"decimal", "double", "year", "float", "bit"}
_BYTES = frozenset(
    {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"}
    | {"geometry", "point", "linestring", "polygon"}
    | {"multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection"}
)
_CHUNKS_AT_ONCE, _RANGES_AT_ONCE = 4000, 500  # in one WHERE
_SUMS_AT_ONCE = 512  # in one row of the answer
_TABLES_AT_ONCE, _ROWS_AT_ONCE = 100, 20_000  # in one query for sums

# One row of the answer, for many consecutive chunks: the table's index in the query, the number of the pack, and a line
# for each chunk that begins with its number.
Pack = tuple[int, int, str]
_Item = t.TypeVar("_Item")


@dataclasses.dataclass(frozen=True)
class Table:
    """A table, with SQL for a row as literals (`row`), for its number in sums, and for the number of its chunk.

    With an integer primary key (`key`), chunks are ranges of `rows` keys. `size` is the estimated number of rows.
    """

    name: str
    size: int
    columns: tuple[str, ...]
    row: str
    number: str
    chunk: str
    key: str | None
    rows: int = ROWS

    def single(self) -> Table:
        """The same table in chunks of one row. Raises ValueError where it has no `key`."""
        if self.key is None:
            raise ValueError(f"{self.name} has no integer key, so its rows have no numbers")
        return dataclasses.replace(self, chunk=quote_name(self.key), rows=1)

    @property
    def insert(self) -> str:
        """The beginning of an INSERT, up to the parenthesis of the first row."""
        return f"INSERT INTO {quote_name(self.name)} ({', '.join(map(quote_name, self.columns))}) VALUES ("

    def select(self, condition: str) -> str:
        """The query for rows as bytes of literals in UTF-8."""
        return f"SELECT CAST({self.row} AS BINARY) FROM {quote_name(self.name)} WHERE {condition}"

    def delete(self, condition: str) -> str:
        return f"DELETE FROM {quote_name(self.name)} WHERE {condition}"

    def conditions(self, chunks: t.Sequence[int]) -> t.Iterator[str]:
        """Conditions for the rows of these chunks, which must be sorted; several, to bound the length of each."""
        if self.key is None:
            for some in _pieces(chunks, _RANGES_AT_ONCE):
                yield f"{self.chunk} IN ({', '.join(map(str, some))})"
        else:
            for some in _pieces(chunks, _CHUNKS_AT_ONCE):
                for ranges in _pieces(list(_ranges(some, self.rows)), _RANGES_AT_ONCE):
                    yield " OR ".join(f"{quote_name(self.key)} BETWEEN {first} AND {last}" for first, last in ranges)


def batches(found: t.Iterable[Table]) -> t.Iterator[list[Table]]:
    """Group small tables: a portal has a thousand of them, and each costs little but its query."""
    batch: list[Table] = []
    for table in found:
        if len(batch) == _TABLES_AT_ONCE or (batch and sum(each.size for each in [*batch, table]) > _ROWS_AT_ONCE):
            yield batch
            batch = []
        batch.append(table)
    if batch:
        yield batch


def sums(batch: t.Iterable[Table]) -> str:
    """The query for the sums of all chunks of these tables, as packs in order."""
    return " UNION ALL ".join(f"({sums_where(table, 'TRUE', place)})" for place, table in enumerate(batch))


def sums_where(table: Table, condition: str, place: int = 0) -> str:
    """The same for the rows of one table that meet the condition."""
    # A sum, not an XOR, in which two equal rows would cancel out.
    each = (
        f"SELECT {table.chunk} AS c, COUNT(*) AS n, SUM({table.number}) AS s FROM {quote_name(table.name)}"
        f" WHERE {condition} GROUP BY c"
    )
    # In a UNION an ORDER BY without a LIMIT would be ignored.
    return (
        f"SELECT {place}, c DIV {_SUMS_AT_ONCE} AS pack,"
        f" GROUP_CONCAT(CONCAT_WS(' ', c, n, s) ORDER BY c SEPARATOR '\\n')"
        f" FROM ({each}) AS sums GROUP BY pack ORDER BY pack LIMIT {2**63}"
    )


def _pieces(all_of_them: t.Sequence[_Item], size: int) -> t.Iterator[t.Sequence[_Item]]:
    for begin in range(0, len(all_of_them), size):
        yield all_of_them[begin : begin + size]


def _ranges(chunks: t.Iterable[int], rows: int) -> t.Iterator[tuple[int, int]]:
    """First and last key of chunks, with adjacent chunks joined.

    DIV rounds towards zero, so chunk 0 has negative keys too.
    """
    first: int | None = None
    last = 0
    for chunk in chunks:
        low = chunk * rows - (rows - 1 if chunk <= 0 else 0)
        if first is not None and low != last + 1:
            yield first, last
            first = None
        first = low if first is None else first
        last = chunk * rows + (rows - 1 if chunk >= 0 else 0)
    if first is not None:
        yield first, last


def tables(conn: Connection[t.Any], names: t.Sequence[str]) -> t.Iterator[Table]:
    """These tables of the connection's database."""
    columns, keys, sizes = _columns(conn), _keys(conn), _sizes(conn)
    for name in names:
        types = {column["name"]: column["type"] for column in columns[name]}
        key = keys.get(name, [])
        literals = (_literal(column, kind) for column, kind in types.items())
        between = ", ',', "  # with CONCAT_WS a literal that the server cannot hold would be left out
        row, number = f"CONCAT({between.join(literals)})", f"{_crc('CRC32', types)} * {_crc('CRC32C', types)}"
        if len(key) == 1 and types.get(key[0]) in _INTEGERS:
            yield Table(name, sizes[name], tuple(types), row, number, f"{quote_name(key[0])} DIV {ROWS}", key[0])
        else:
            # Spread rows by their key, or by all columns where a column of the key is generated, hence not compared.
            apart = {column: types[column] for column in key} if key and set(key) <= set(types) else types
            chunk = f"{_crc('CRC32', apart)} % {max(1, sizes[name] // ROWS)}"
            yield Table(name, sizes[name], tuple(types), row, number, chunk, None)


def _columns(conn: Connection[t.Any]) -> dict[str, list[dict[str, t.Any]]]:
    """The columns of each table without generated ones, which cannot be written."""
    query = (
        "SELECT TABLE_NAME AS t, COLUMN_NAME AS name, DATA_TYPE AS type FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = DATABASE() AND EXTRA NOT LIKE '%VIRTUAL%' AND EXTRA NOT LIKE '%STORED%' "
        "AND EXTRA NOT LIKE '%PERSISTENT%' ORDER BY TABLE_NAME, ORDINAL_POSITION"
    )
    return _by_table(rows(conn, query))


def _keys(conn: Connection[t.Any]) -> dict[str, list[str]]:
    """The columns of each primary key."""
    query = (
        "SELECT TABLE_NAME AS t, COLUMN_NAME AS name FROM information_schema.STATISTICS "
        "WHERE TABLE_SCHEMA = DATABASE() AND INDEX_NAME = 'PRIMARY' ORDER BY TABLE_NAME, SEQ_IN_INDEX"
    )
    return {name: [row["name"] for row in found] for name, found in _by_table(rows(conn, query)).items()}


def _sizes(conn: Connection[t.Any]) -> dict[str, int]:
    """The estimated number of rows of each table."""
    query = "SELECT TABLE_NAME AS t, TABLE_ROWS AS n FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
    return {row["t"]: int(row["n"] or 0) for row in rows(conn, query)}


def _by_table(found: t.Iterable[dict[str, t.Any]]) -> dict[str, list[dict[str, t.Any]]]:
    return {name: list(some) for name, some in itertools.groupby(found, key=operator.itemgetter("t"))}


def _crc(function: str, types: t.Mapping[str, str]) -> str:
    """SQL for the CRC of these columns: of all short values and the lengths of all texts, then of the texts."""
    head, texts = [], []
    for name, kind in types.items():
        if kind in _NUMBERS:
            head.append(f"IFNULL({_number(name, kind)}, '-')")
        else:
            head.append(f"IFNULL(LENGTH({quote_name(name)}), '-')")
            texts.append(f"IFNULL({quote_name(name)}, '')")
    crc = f"{function}(CONCAT_WS('#', {', '.join(head)}))"
    for text in texts:
        crc = f"{function}({crc}, {text})"
    return crc


def _number(name: str, kind: str) -> str:
    """SQL for a value that is written as a number."""
    column = quote_name(name)
    if kind == "float":  # as such it is written with six digits
        return f"CAST({column} AS DOUBLE)"
    return f"{column} + 0" if kind == "bit" else column


def _literal(name: str, kind: str) -> str:
    """SQL for a column's value as a literal that is read back as the same value."""
    column = quote_name(name)
    if kind in _NUMBERS:
        return f"IFNULL({_number(name, kind)}, 'NULL')"
    if kind in _BYTES:
        return f"IFNULL(CONCAT('x''', HEX({column}), ''''), 'NULL')"
    return f"QUOTE(CONVERT({column} USING utf8mb4))"


def differences(one: t.Iterable[Pack], other: t.Iterable[Pack]) -> t.Iterator[tuple[int, int, list[int]]]:
    """For every pack: the table's index, the number of chunks, and the numbers of those that differ."""
    which = operator.itemgetter(0, 1)
    for (place, _number), found in itertools.groupby(heapq.merge(one, other, key=which), key=which):
        texts = [text.split("\n") for _place, _number, text in found]
        if len(texts) == 2 and texts[0] == texts[1]:
            yield place, len(texts[0]), []
        else:
            lines = collections.Counter(itertools.chain.from_iterable(texts))
            chunks = {line: int(line.partition(" ")[0]) for line in lines}
            differing = {chunks[line] for line, count in lines.items() if count == 1}
            yield place, len(set(chunks.values())), sorted(differing)

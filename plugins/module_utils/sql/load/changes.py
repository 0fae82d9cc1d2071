# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that the server changed while it took them: what it warned of, by table and column, with what helps."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import quote_name

INVALID_TEXT = "invalid_text"  # bytes that are no text in their character set; each became '?'
TRUNCATED = "truncated"  # too long a text, too precise a number
OUT_OF_RANGE = "out_of_range"  # a number or time that the column cannot hold
INVALID_VALUE = "invalid_value"  # no value of the column's type
NO_VALUE = "no_value"  # NULL or nothing, where the column demands a value
TIME_ZONE = "time_zone"  # times that this server shows at another hour
OTHER = "other"

_KINDS = {
    1048: NO_VALUE,
    1263: NO_VALUE,
    1364: NO_VALUE,
    1264: OUT_OF_RANGE,
    1265: TRUNCATED,
    1406: TRUNCATED,
    1292: INVALID_VALUE,
    1299: INVALID_VALUE,
    1366: INVALID_VALUE,
    1411: INVALID_VALUE,
    1300: INVALID_TEXT,
    1977: INVALID_TEXT,
    3854: INVALID_TEXT,
}
_TEXT = re.compile(r"incorrect string value|invalid \w+ character string|cannot convert", re.IGNORECASE)
# What the server will not have in a later release; no value is changed.
DEPRECATIONS = frozenset({1287, 1681, 1831, 3719, 3778})
# MariaDB names database, table and column for some warnings; both servers name the column alone for others.
_COLUMN = re.compile(
    r"(?:column|field) (?:`(?:[^`]|``)*`\.`(?:[^`]|``)*`\.`((?:[^`]|``)+)`|'((?:[^'\\]|'')+)')", re.IGNORECASE
)
AT_ROW = re.compile(r"at row (\d+)")
_MOST_ROWS = 10

_REMEDIES = {
    INVALID_TEXT: "The source holds bytes that are no text, and each became '?'. Find them by SELECT * FROM {table} "
    "WHERE {column} LIKE '%?%'; set the right text there, or correct it in the source before the last backup.",
    TRUNCATED: "The column is narrower than the value was. Compare SHOW CREATE TABLE {table} with the source's, widen "
    "it (ALTER TABLE {table} MODIFY {column} …) and set these values, or correct them in the source before the last "
    "backup.",
    OUT_OF_RANGE: "The column's type cannot hold the value, and the nearest or a zero stands for it. Take the values "
    "from the source (SELECT {column} FROM {table}), and correct them there or here.",
    INVALID_VALUE: "The value is none of the column's type, and a zero or an empty one stands for it. Take the values "
    "from the source (SELECT {column} FROM {table}), and correct them there or here.",
    NO_VALUE: "The column demands a value and got none, so that its default or a zero stands there. Look at "
    "SELECT {column} FROM {table} here and in the source, and set what is meant.",
    OTHER: "Compare these rows with the source's (SELECT * FROM {table}); look the number up in the server's manual.",
}


class Change(t.NamedTuple):
    """One warning of the server. `row` counts from the table's first in the dump; None where the server names none."""

    code: int
    text: str
    row: int | None = None

    @property
    def kind(self) -> str:
        kind = _KINDS.get(self.code, OTHER)
        return INVALID_TEXT if kind == INVALID_VALUE and _TEXT.search(self.text) else kind

    @property
    def column(self) -> str:
        found = _COLUMN.search(self.text)
        return (found.group(1) or found.group(2)).replace("``", "`") if found else ""


def note(warnings: dict[tuple[str, str, int], dict[str, t.Any]], table: str, change: Change) -> None:
    """Count a change under its kind, column and number."""
    kind, column = change.kind, change.column
    found = warnings.get((kind, column, change.code))
    if found is None:
        names = {"table": quote_name(table), "column": quote_name(column) if column else "…"}
        found = warnings[(kind, column, change.code)] = {
            "table": table,
            "column": column,
            "kind": kind,
            "code": change.code,
            "text": change.text,
            "count": 0,
            "rows": [],
            "remedy": _REMEDIES[kind].format(**names),
        }
    found["count"] += 1
    if change.row is not None and len(found["rows"]) < _MOST_ROWS and change.row not in found["rows"]:
        found["rows"] = sorted([*found["rows"], change.row])


def time_zone(database: str, zone: str, columns: int) -> dict[str, t.Any]:
    """The warning for a server that does not run in UTC, where the dump has columns of type TIMESTAMP."""
    return {
        "table": database,
        "column": "",
        "kind": TIME_ZONE,
        "code": 0,
        "text": f"the server's time zone is {zone}, and columns of type TIMESTAMP are loaded as UTC",
        "count": columns,
        "rows": [],
        "remedy": "The portal would read these times shifted. Let hosts, PHP and server run in UTC "
        "(site_timezone: Etc/UTC; elsewhere date.timezone = UTC for PHP, and SET GLOBAL time_zone = '+00:00' with "
        "default_time_zone = '+00:00' in the server's [mysqld]).",
    }


def told(warnings: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """Each as a sentence for people."""
    return [_sentence(warning) for warning in warnings]


def _sentence(warning: t.Mapping[str, t.Any]) -> str:
    column = f".{warning['column']}" if warning["column"] else ""
    rows = f", rows {', '.join(map(str, warning['rows']))} of the dump's table" if warning["rows"] else ""
    number = f", code {warning['code']}" if warning["code"] else ""
    head = f"{warning['table']}{column}: {warning['text']} ({warning['kind']}, {warning['count']} times{number}{rows})."
    return f"{head} {warning['remedy']}"

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The staging database, and the switch that makes it the live one.

All tables change their databases in one RENAME TABLE, which MariaDB 10.6 and MySQL 8 do wholly or not at all. What
must be done around it is written down before (in the database that takes the old tables), so that a killed switch is
finished by calling it again.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import (
    DatabaseError,
    error_code,
    error_text,
    execute,
    quote_name,
    rows,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.create_view import SYSTEM_DATABASES
from ansible_collections.boxlift.portal.plugins.module_utils.sql.cursor import RESERVED_PREFIX
from ansible_collections.boxlift.portal.plugins.module_utils.sql.notes import drop_notes, read_note, write_note

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

# How long a switch waits for sessions that still use the live tables.
LOCK_WAIT_SECONDS = 60
_SWITCH = "switch"


class SwitchResult(t.NamedTuple):
    """What was switched. `switched` is false where the staging database held no table (any more)."""

    switched: bool
    tables: int
    views: int
    previous_tables: int
    # Views of the previous state that could not be made again there, with the server's reason.
    views_lost: dict[str, str]


@dataclass(frozen=True)
class Names:
    """The three databases of one portal."""

    live: str
    staging: str
    previous: str

    @classmethod
    def of(cls, live: str) -> Names:
        names = cls(live, f"{live}_staging", f"{live}_previous")
        for name in (names.live, names.staging, names.previous):
            quote_name(name)  # refuses what cannot be a name
        if live.lower() in SYSTEM_DATABASES:
            raise BoxliftError(f"{live} is a database of the server itself.", "Name the portal's database.")
        return names


def exists(conn: Connection[t.Any], database: str) -> bool:
    return bool(_defaults(conn, database))


def create_empty(
    conn: Connection[t.Any], database: str, charset: str = "utf8mb4", collation: str = "utf8mb4_unicode_ci"
) -> None:
    """The database with nothing in it, whatever was there before."""
    drop(conn, database)
    execute(conn, f"CREATE DATABASE {quote_name(database)} CHARACTER SET {charset} COLLATE {collation}")


def drop(conn: Connection[t.Any], database: str) -> None:
    execute(conn, f"DROP DATABASE IF EXISTS {quote_name(database)}")


def tables(conn: Connection[t.Any], database: str) -> list[str]:
    """The names of the database's tables, without views and without our own notes."""
    names = _objects(conn, database, "BASE TABLE")
    return [name for name in names if not name.lower().startswith(RESERVED_PREFIX)]


def switch_in(conn: Connection[t.Any], staging: str, live: str, previous: str) -> SwitchResult:
    """Staging becomes live, live becomes previous; what was previous is dropped. Call it again after a kill."""
    interrupted = _interrupted(conn, staging, previous)
    if interrupted is not None:
        result = _finish(conn, interrupted)
        if interrupted["source"] == staging and not tables(conn, staging):
            return result
    incoming = tables(conn, staging)
    if not incoming:
        drop(conn, staging)
        return SwitchResult(False, len(tables(conn, live)), len(_objects(conn, live, "VIEW")), 0, {})
    outgoing = tables(conn, live)
    _check(conn, staging, live, incoming)
    if not exists(conn, live):
        _create_like(conn, live, staging)
    drop(conn, previous)
    _create_like(conn, previous, live)
    plan = {
        "source": staging,
        "live": live,
        "aside": previous,
        "defaults": _defaults(conn, staging),
        "tables": len(incoming),
        "previous_tables": len(outgoing),
        "views": _view_definitions(conn, staging),
        "previous_views": _view_definitions(conn, live),
    }
    write_note(conn, previous, _SWITCH, plan)
    _rename(conn, [(live, name, previous) for name in outgoing] + [(staging, name, live) for name in incoming])
    return _finish(conn, plan)


def switch_back(conn: Connection[t.Any], staging: str, live: str, previous: str) -> SwitchResult:
    """The previous state becomes live again; what was switched in goes back to staging."""
    if not tables(conn, previous) and _interrupted(conn, previous, staging) is None:
        raise BoxliftError(
            f"There is nothing to switch back to: {previous} holds no table.",
            "Restore from a backup instead.",
        )
    return switch_in(conn, previous, live, staging)


def _interrupted(conn: Connection[t.Any], *databases: str) -> dict[str, t.Any] | None:
    """The plan of a switch that was killed behind its RENAME."""
    for database in databases:
        plan: dict[str, t.Any] | None = read_note(conn, database, _SWITCH)
        # The database aside was empty, or the live one, when the plan was written.
        if plan is not None and tables(conn, plan["aside"] if plan["previous_tables"] else plan["live"]):
            return plan
    return None


def _finish(conn: Connection[t.Any], plan: dict[str, t.Any]) -> SwitchResult:
    """Everything behind the RENAME; each step may be done again."""
    source, live, aside = plan["source"], plan["live"], plan["aside"]
    execute(conn, f"ALTER DATABASE {quote_name(live)} {plan['defaults']}")
    for name in set(_objects(conn, live, "VIEW")) - set(plan["views"]):
        execute(conn, f"DROP VIEW {quote_name(live)}.{quote_name(name)}")
    failed = _make_views(conn, live, plan["views"])
    if failed:
        name, error = next(iter(failed.items()))
        raise BoxliftError(
            f"The tables are switched in, but view {name} cannot be made in {live}: {error_text(error)}.",
            "Put the cause right and run again; only the views are missing.",
        )
    lost = _make_views(conn, aside, plan["previous_views"])
    drop_notes(conn, aside)
    if not tables(conn, source):  # else somebody has imported again since
        drop(conn, source)
    if not plan["previous_tables"] and not _objects(conn, aside, "VIEW"):
        drop(conn, aside)
    return SwitchResult(
        True,
        plan["tables"],
        len(plan["views"]),
        plan["previous_tables"],
        {name: error_text(error) for name, error in lost.items()},
    )


def _check(conn: Connection[t.Any], staging: str, live: str, incoming: t.Collection[str]) -> None:
    """What would make RENAME fail is said before anything is touched."""
    triggers = rows(
        conn,
        "SELECT TRIGGER_NAME AS n, EVENT_OBJECT_TABLE AS t FROM information_schema.TRIGGERS "
        "WHERE TRIGGER_SCHEMA IN (%s, %s)",
        (staging, live),
    )
    if triggers:
        shown = ", ".join(f"{row['n']} on {row['t']}" for row in triggers[:10])
        raise BoxliftError(
            f"The tables of {live} cannot be switched: {len(triggers)} triggers hang on them ({shown}).",
            "Save their definitions, drop them, run again, and create them afterwards if they are still needed.",
        )
    clash = sorted(set(_objects(conn, live, "VIEW")) & set(incoming))
    if clash:
        raise BoxliftError(
            f"{live} has views with the names of incoming tables: {', '.join(clash[:10])}.", "Drop these views first."
        )


def _rename(conn: Connection[t.Any], moves: t.Iterable[tuple[str, str, str]]) -> None:
    text = ", ".join(
        f"{quote_name(old)}.{quote_name(name)} TO {quote_name(new)}.{quote_name(name)}" for old, name, new in moves
    )
    execute(conn, f"SET SESSION lock_wait_timeout = {LOCK_WAIT_SECONDS}")
    try:
        execute(conn, f"RENAME TABLE {text}")
    except DatabaseError as error:
        in_use = error_code(error) == 1205
        raise BoxliftError(
            f"The tables could not be switched in, everything is as it was: {error_text(error)}.",
            "Stop the portal (PHP-FPM and cron) and run again." if in_use else "Put the cause right and run again.",
            code=error_code(error),
        ) from error


def _view_definitions(conn: Connection[t.Any], database: str) -> dict[str, str]:
    """Each view as a statement without database names, which the server leaves out while the view works."""
    names = _objects(conn, database, "VIEW")
    if names:
        conn.select_db(database)
    found = {name: rows(conn, f"SHOW CREATE VIEW {quote_name(name)}")[0]["Create View"] for name in names}
    return {name: text.replace("CREATE ", "CREATE OR REPLACE ", 1) for name, text in found.items()}


def _make_views(conn: Connection[t.Any], database: str, definitions: t.Mapping[str, str]) -> dict[str, Exception]:
    """Make the views in rounds, since one may be made of others; those that cannot be made, and why."""
    waiting = dict(definitions)
    if waiting:
        conn.select_db(database)
    while waiting:
        failed: dict[str, Exception] = {}
        for name, text in waiting.items():
            try:
                execute(conn, text)
            except DatabaseError as error:
                failed[name] = error
        if len(failed) == len(waiting):
            return failed
        waiting = {name: waiting[name] for name in failed}
    return {}


def _objects(conn: Connection[t.Any], database: str, kind: str) -> list[str]:
    query = (
        "SELECT TABLE_NAME AS n FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = %s ORDER BY 1"
    )
    return [row["n"] for row in rows(conn, query, (database, kind))]


def _defaults(conn: Connection[t.Any], database: str) -> str:
    """The database's default character set and collation as a clause; empty where there is no such database."""
    found = rows(
        conn,
        "SELECT DEFAULT_CHARACTER_SET_NAME AS cs, DEFAULT_COLLATION_NAME AS co FROM information_schema.SCHEMATA "
        "WHERE SCHEMA_NAME = %s",
        (database,),
    )
    return f"CHARACTER SET {found[0]['cs']} COLLATE {found[0]['co']}" if found else ""


def _create_like(conn: Connection[t.Any], database: str, like: str) -> None:
    execute(conn, f"CREATE DATABASE {quote_name(database)} {_defaults(conn, like)}")

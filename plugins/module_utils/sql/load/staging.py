# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The staging database, and the switch that makes it the live one.

All tables change their databases in one RENAME TABLE, which MariaDB 10.6 and MySQL 8 do wholly or not at all. What
must be done around it is written down before (in the database that takes the old tables), so that a killed switch is
finished by calling it again.
"""

from __future__ import annotations

import time
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
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_view import SYSTEM_DATABASES
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.token_cursor import RESERVED_PREFIX
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.notes import read_note, write_note

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

# How long a switch waits for sessions that still use the live tables.
LOCK_WAIT_SECONDS = 60
_SWITCH = "switch"
_NO_SUCH_THREAD = 1094


class SwitchResult(t.NamedTuple):
    """What was switched. `switched` is false where it had been done before: the source holds no table any more."""

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


def end_connections(conn: Connection[t.Any], database: str) -> None:
    """Those of an importer that was killed: the server goes on with what they had handed in until it notices."""
    until = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        left = rows(
            conn,
            "SELECT ID AS id FROM information_schema.PROCESSLIST "
            "WHERE DB = %s AND USER = SUBSTRING_INDEX(USER(), '@', 1) AND ID <> CONNECTION_ID()",
            (database,),
        )
        if not left:
            return
        if time.monotonic() > until:
            raise BoxliftError(
                f"Connection {left[0]['id']} of an earlier import still works in {database}.",
                "Wait until the server has ended it, and run again.",
            )
        for row in left:
            try:
                execute(conn, f"KILL {int(row['id'])}")
            except DatabaseError as error:
                if error_code(error) != _NO_SUCH_THREAD:
                    raise
        time.sleep(0.02)


def tables(conn: Connection[t.Any], database: str) -> list[str]:
    """The names of the database's tables, without views and without our own notes."""
    names = _objects(conn, database, views=False)
    return [name for name in names if not name.lower().startswith(RESERVED_PREFIX)]


def switch_in(conn: Connection[t.Any], staging: str, live: str, previous: str) -> SwitchResult:
    """Staging becomes live, live becomes previous; what was previous is dropped. Call it again after a kill."""
    result = _switch(conn, staging, live, previous)
    if result is None:
        raise BoxliftError(f"There is nothing to switch in: {staging} holds no table.", "Import a dump first.")
    return result


def switch_back(conn: Connection[t.Any], staging: str, live: str, previous: str) -> SwitchResult:
    """The previous state becomes live again; what was switched in goes back to staging."""
    result = _switch(conn, previous, live, staging)
    if result is None:
        raise BoxliftError(
            f"There is nothing to switch back to: {previous} holds no table.", "Restore from a backup instead."
        )
    return result


def _switch(conn: Connection[t.Any], source: str, live: str, aside: str) -> SwitchResult | None:
    """None where there is nothing to switch, and never was."""
    plans = [plan for plan in (_plan_behind_rename(conn, name) for name in (source, aside)) if plan is not None]
    done = {plan["source"]: _finish(conn, plan) for plan in plans}
    incoming, outgoing = tables(conn, source), tables(conn, live)
    if not incoming:
        return done.get(source)
    _check(conn, source, live, incoming)
    if not exists(conn, live):
        _create_like(conn, live, source)
    drop(conn, aside)
    _create_like(conn, aside, live)
    plan = {
        "source": source,
        "live": live,
        "aside": aside,
        "defaults": _defaults(conn, source),
        "incoming": incoming,
        "outgoing": outgoing,
        "incoming_views": view_definitions(conn, source),
        "outgoing_views": view_definitions(conn, live),
        "views_lost": {},
        "finished": False,
    }
    write_note(conn, aside, _SWITCH, plan)
    _rename(conn, [(live, name, aside) for name in outgoing] + [(source, name, live) for name in incoming])
    return _finish(conn, plan)


def _plan_behind_rename(conn: Connection[t.Any], aside: str) -> dict[str, t.Any] | None:
    """What was planned when this database was to take the old tables, if it really took them."""
    plan: dict[str, t.Any] | None = read_note(conn, aside, _SWITCH)
    if plan is None or not set(plan["incoming"]) <= set(tables(conn, plan["live"])):
        return None
    return plan if plan["outgoing"] == tables(conn, aside) else None


def _finish(conn: Connection[t.Any], plan: dict[str, t.Any]) -> SwitchResult:
    """Everything behind the RENAME; each step may be done again. A finished plan is only told."""
    source, lost = plan["source"], plan["views_lost"]
    if not plan["finished"]:
        lost = _finish_views(conn, plan)
        write_note(conn, plan["aside"], _SWITCH, {**plan, "finished": True, "views_lost": lost})
    if not tables(conn, source):  # else somebody has imported again since
        drop(conn, source)
    return SwitchResult(
        not plan["finished"], len(plan["incoming"]), len(plan["incoming_views"]), len(plan["outgoing"]), lost
    )


def _finish_views(conn: Connection[t.Any], plan: dict[str, t.Any]) -> dict[str, str]:
    """The live database gets its views, the one aside those of the old state; which of the latter cannot be made."""
    live = plan["live"]
    execute(conn, f"ALTER DATABASE {quote_name(live)} {plan['defaults']}")
    for name in set(_objects(conn, live, views=True)) - set(plan["incoming_views"]):
        execute(conn, f"DROP VIEW {quote_name(live)}.{quote_name(name)}")
    failed = make_views(conn, live, plan["incoming_views"])
    if failed:
        name, error = next(iter(failed.items()))
        raise BoxliftError(
            f"The tables are switched in, but view {name} cannot be made in {live}: {error_text(error)}.",
            "Put the cause right and run again; only the views are missing.",
        )
    lost = make_views(conn, plan["aside"], plan["outgoing_views"])
    return {name: error_text(error) for name, error in lost.items()}


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
    clash = sorted(set(_objects(conn, live, views=True)) & set(incoming))
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


def view_definitions(conn: Connection[t.Any], database: str) -> dict[str, str]:
    """Each view as a statement without database names, which the server leaves out while the view works."""
    names = _objects(conn, database, views=True)
    if names:
        conn.select_db(database)
    found = {name: rows(conn, f"SHOW CREATE VIEW {quote_name(name)}")[0]["Create View"] for name in names}
    return {name: text.replace("CREATE ", "CREATE OR REPLACE ", 1) for name, text in found.items()}


def make_views(conn: Connection[t.Any], database: str, definitions: t.Mapping[str, str]) -> dict[str, Exception]:
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


def _objects(conn: Connection[t.Any], database: str, *, views: bool) -> list[str]:
    """Views, or everything else that RENAME TABLE moves (MariaDB has more kinds of tables than one)."""
    query = (
        "SELECT TABLE_NAME AS n, TABLE_TYPE AS kind FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s ORDER BY 1"
    )
    return [row["n"] for row in rows(conn, query, (database,)) if (row["kind"] == "VIEW") == views]


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

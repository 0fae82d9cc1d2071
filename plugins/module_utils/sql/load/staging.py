# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The staging database, and the switch that makes it the live one.

All tables move in one RENAME TABLE, which MariaDB 10.6 and MySQL 8 do wholly or not at all. What has to follow it is
noted before, in the database that takes the old tables, so that calling a killed switch again finishes it.
"""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import (
    DatabaseError,
    error_code,
    error_text,
    execute,
    quote_name,
    rows,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.notes import read_note, write_note

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

# How long a switch waits for sessions that still use the live tables.
LOCK_WAIT_SECONDS = 60
_SWITCH = "switch"
_NO_SUCH_THREAD = 1094


class SwitchResult(t.NamedTuple):
    """What was switched. `switched` is false where an earlier call had done it: the source holds no table any more."""

    switched: bool
    tables: int
    views: int
    previous_tables: int
    # Views that could not be made in the database that took the old tables, with the server's reason.
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
        if live.lower() in schema.SYSTEM_DATABASES:
            raise BoxliftError(f"{live} is a database of the server itself.", "Name the portal's database.")
        return names


def end_connections(conn: Connection[t.Any], database: str) -> None:
    """End what a killed importer left: the server runs the statements it was given until it notices the kill."""
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


def switch_in(conn: Connection[t.Any], staging: str, live: str, previous: str) -> SwitchResult:
    """Staging becomes live and live becomes previous; the former previous is dropped. Call it again after a kill."""
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
    """None where there is nothing to switch and no earlier call did it."""
    plans = [plan for plan in (_plan_behind_rename(conn, name) for name in (source, aside)) if plan is not None]
    done = {plan["source"]: _finish(conn, plan) for plan in plans}
    incoming, outgoing = schema.tables(conn, source), schema.tables(conn, live)
    if not incoming:
        return done.get(source)
    _check(conn, source, live, incoming)
    if not schema.exists(conn, live):
        schema.create_like(conn, live, source)
    schema.drop(conn, aside)
    schema.create_like(conn, aside, live)
    plan = {
        "source": source,
        "live": live,
        "aside": aside,
        "defaults": schema.defaults(conn, source),
        "incoming": incoming,
        "outgoing": outgoing,
        "incoming_views": schema.view_definitions(conn, source),
        "outgoing_views": schema.view_definitions(conn, live),
        "views_lost": {},
        "finished": False,
    }
    write_note(conn, aside, _SWITCH, plan)
    _rename(conn, [(live, name, aside) for name in outgoing] + [(source, name, live) for name in incoming])
    return _finish(conn, plan)


def _plan_behind_rename(conn: Connection[t.Any], aside: str) -> dict[str, t.Any] | None:
    """The plan noted in this database, if its RENAME was really done."""
    plan: dict[str, t.Any] | None = read_note(conn, aside, _SWITCH)
    if plan is None or not set(plan["incoming"]) <= set(schema.tables(conn, plan["live"])):
        return None
    return plan if plan["outgoing"] == schema.tables(conn, aside) else None


def _finish(conn: Connection[t.Any], plan: dict[str, t.Any]) -> SwitchResult:
    """Do what follows the RENAME; every step may be repeated. A finished plan is only reported."""
    source, lost = plan["source"], plan["views_lost"]
    if not plan["finished"]:
        lost = _finish_views(conn, plan)
        write_note(conn, plan["aside"], _SWITCH, {**plan, "finished": True, "views_lost": lost})
    if not schema.tables(conn, source):  # else somebody has imported again since
        schema.drop(conn, source)
    return SwitchResult(
        not plan["finished"], len(plan["incoming"]), len(plan["incoming_views"]), len(plan["outgoing"]), lost
    )


def _finish_views(conn: Connection[t.Any], plan: dict[str, t.Any]) -> dict[str, str]:
    """Make the views of both databases; return those of the old state that cannot be made, and why."""
    live = plan["live"]
    execute(conn, f"ALTER DATABASE {quote_name(live)} {plan['defaults']}")
    for name in set(schema.objects(conn, live, views=True)) - set(plan["incoming_views"]):
        execute(conn, f"DROP VIEW {quote_name(live)}.{quote_name(name)}")
    failed = schema.make_views(conn, live, plan["incoming_views"])
    if failed:
        name, error = next(iter(failed.items()))
        raise BoxliftError(
            f"The tables are switched in, but view {name} cannot be made in {live}: {error_text(error)}.",
            "Put the cause right and run again; only the views are missing.",
        )
    lost = schema.make_views(conn, plan["aside"], plan["outgoing_views"])
    return {name: error_text(error) for name, error in lost.items()}


def _check(conn: Connection[t.Any], staging: str, live: str, incoming: t.Collection[str]) -> None:
    """Raise BoxliftError for what would make the RENAME fail, before anything is touched."""
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
    clash = sorted(set(schema.objects(conn, live, views=True)) & set(incoming))
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

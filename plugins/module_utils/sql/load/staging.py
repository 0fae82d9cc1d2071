# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The staging database, and the switch that makes it the live one.

All tables move in one RENAME TABLE, which MariaDB 10.6 and MySQL 8 do wholly or not at all: staging to live, live to
previous, and what lay in previous out of the way, to be dropped when the switch is certain. What has to follow is noted
in a table that moves with them, so that calling a killed switch again finishes it.
"""

from __future__ import annotations

import re
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import (
    asking,
    execute,
    explained,
    quote_name,
    rows,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import (
    LOST,
    RIGHTS,
    DatabaseFailed,
    Session,
    foreign_keys,
    sessions,
    who_holds,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.notes import read_note, write_note

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

# How long a switch waits for sessions that still use the live tables: first without a lock of its own, behind which the
# portal would have to wait, then with it.
LOCK_WAIT_SECONDS = 60
_LOOK_SECONDS = 0.1
_SWITCH = "switch"
# Holds the plan of a switch. It lies in staging before, and moves with the tables.
_PLAN_TABLE = f"{schema.RESERVED_PREFIX}switch"
_LOCK_TIMEOUT = 1205
_NO_SUCH_THREAD = 1094
_PROBE = f"{schema.RESERVED_PREFIX}probe"


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
        for name in (names.live, names.staging, names.previous, out_of_the_way(names.previous)):
            quote_name(name)  # refuses what cannot be a name
        if live.lower() in schema.SYSTEM_DATABASES:
            raise BoxliftError(f"{live} is a database of the server itself.", "Name the portal's database.")
        return names


def generation(live: str, number: int) -> str:
    """The database that holds what was live. The importer, and earlier restores, keep one without a number: it is 0."""
    return f"{live}_previous_{number}" if number else f"{live}_previous"


def generations(conn: Connection[t.Any], live: str) -> list[int]:
    """The numbers of the databases with tables that were live."""
    pattern = re.compile(rf"{re.escape(live)}_previous(?:_([1-9]\d{{0,8}}))?")
    found = rows(conn, "SELECT SCHEMA_NAME AS n FROM information_schema.SCHEMATA")
    matches = [match for row in found if (match := pattern.fullmatch(row["n"]))]
    return sorted(int(match.group(1) or 0) for match in matches if schema.tables(conn, match.group()))


def out_of_the_way(aside: str) -> str:
    """The database that takes what lay in `aside`, until the switch is certain. It is a database of its own because
    the names of foreign keys are unique in one.
    """
    return f"{aside}_old"


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
                f"Connection {left[0]['id']} of an earlier import still works in {database}, though told to end.",
                f"See what it does (SHOW FULL PROCESSLIST), run KILL {left[0]['id']} as root, and run again.",
            )
        for row in left:
            try:
                execute(conn, f"KILL {int(row['id'])}")
            except DatabaseFailed as error:
                if error.code != _NO_SUCH_THREAD:
                    raise
        time.sleep(0.02)


def switch_in(conn: Connection[t.Any], staging: str, live: str, previous: str) -> SwitchResult:
    """Staging becomes live and live becomes previous; then the former previous is dropped. Call it again after a kill.

    Raises BoxliftError; where nothing could be switched, all three are as they were.
    """
    result = _switch(conn, staging, live, previous)
    if result is None:
        raise BoxliftError(f"There is nothing to switch in: {staging} holds no table.", "Import a dump first.")
    return result


def refuse_early(conn: Connection[t.Any], staging: str, live: str, previous: str) -> None:
    """Raise BoxliftError for what would stop `switch_in` hours later: triggers, foreign keys, and rights.

    The rights are proven by a table of our own, which is made and renamed as the switch will rename the portal's.
    """
    _check(conn, staging, live, previous, [])
    there = {name: schema.exists(conn, name) for name in (staging, live, previous)}
    # Of a run that ended here.
    for name in there:
        if there[name]:
            execute(conn, f"DROP TABLE IF EXISTS {quote_name(name)}.{quote_name(_PROBE)}")
    made = []
    try:
        for name in there:
            if not there[name]:
                schema.create_empty(conn, name)
                made.append(name)
        execute(conn, f"CREATE TABLE {quote_name(staging)}.{quote_name(_PROBE)} (ID int) ENGINE=InnoDB")
        for source, target in ((staging, live), (live, previous)):
            names = (f"{quote_name(name)}.{quote_name(_PROBE)}" for name in (source, target))
            execute(conn, "RENAME TABLE {} TO {}".format(*names))
        execute(conn, f"DROP TABLE {quote_name(previous)}.{quote_name(_PROBE)}")
    except DatabaseFailed as error:
        if error.code in RIGHTS:  # the number is another one at the next switch
            error.remedy = re.sub(r"(\\_previous\\_)\d+`", r"\1%`", error.remedy)
        raise
    finally:
        for name in made:
            schema.drop(conn, name)


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
    _check(conn, source, live, aside, incoming)
    _wait_for_others(conn, live)
    for name, like in ((live, source), (aside, live)):
        if not schema.exists(conn, name):
            schema.create_like(conn, name, like)
    old = out_of_the_way(aside)
    schema.drop(conn, old)  # tables of a switch that is done
    schema.create_like(conn, old, aside)
    plan = {
        "source": source,
        "live": live,
        "aside": aside,
        "defaults": schema.defaults(conn, source),
        "outgoing_defaults": schema.defaults(conn, live),
        "incoming": incoming,
        "outgoing": outgoing,
        "incoming_views": schema.view_definitions(conn, source),
        "outgoing_views": schema.view_definitions(conn, live),
        "views_lost": {},
        "finished": False,
    }
    write_note(conn, source, _SWITCH, plan, _PLAN_TABLE)
    moves = [(aside, name, old) for name in schema.objects(conn, aside, views=False)]
    moves += [(live, name, aside) for name in outgoing] + [(source, name, live) for name in incoming]
    _rename(conn, live, [*moves, (source, _PLAN_TABLE, aside)])
    return _finish(conn, plan)


def _plan_behind_rename(conn: Connection[t.Any], aside: str) -> dict[str, t.Any] | None:
    """The plan in this database, if its RENAME was done: before, it lies in the database that is switched in."""
    plan: dict[str, t.Any] | None = read_note(conn, aside, _SWITCH, _PLAN_TABLE)
    if plan is None or plan["aside"] != aside or not set(plan["incoming"]) <= set(schema.tables(conn, plan["live"])):
        return None
    return plan if plan["outgoing"] == schema.tables(conn, aside) else None


def _finish(conn: Connection[t.Any], plan: dict[str, t.Any]) -> SwitchResult:
    """Do what follows the RENAME; every step may be repeated. A finished plan is only reported."""
    source, lost = plan["source"], plan["views_lost"]
    if not plan["finished"]:
        lost = _finish_views(conn, plan)
        write_note(conn, plan["aside"], _SWITCH, {**plan, "finished": True, "views_lost": lost}, _PLAN_TABLE)
    schema.drop(conn, out_of_the_way(plan["aside"]))
    if not schema.tables(conn, source):  # else somebody has imported again since
        schema.drop(conn, source)
    return SwitchResult(
        not plan["finished"], len(plan["incoming"]), len(plan["incoming_views"]), len(plan["outgoing"]), lost
    )


def _finish_views(conn: Connection[t.Any], plan: dict[str, t.Any]) -> dict[str, str]:
    """Make the views of both databases; return those of the old state that cannot be made, and why."""
    live, aside = plan["live"], plan["aside"]
    execute(conn, f"ALTER DATABASE {quote_name(live)} {plan['defaults']}")
    execute(conn, f"ALTER DATABASE {quote_name(aside)} {plan['outgoing_defaults']}")
    for database, views in ((live, plan["incoming_views"]), (aside, plan["outgoing_views"])):
        for name in set(schema.objects(conn, database, views=True)) - set(views):
            execute(conn, f"DROP VIEW {quote_name(database)}.{quote_name(name)}")
    failed = schema.make_views(conn, live, plan["incoming_views"])
    if failed:
        # A view over another one fails for that other one's reason.
        name, error = min(failed.items(), key=lambda pair: pair[1].code in schema.NO_SUCH_VIEW)
        raise BoxliftError(
            f"The tables are switched in, but view {name} cannot be made in {live}: {error.text}.",
            f"{error.remedy} Only the views are missing.",
            **error.details,
        )
    lost = schema.make_views(conn, aside, plan["outgoing_views"])
    return {name: error.text for name, error in lost.items()}


def _check(conn: Connection[t.Any], source: str, live: str, aside: str, incoming: t.Collection[str]) -> None:
    """Raise BoxliftError for what would make the RENAME, or what follows it, fail, before anything is touched."""
    triggers = rows(
        conn,
        "SELECT TRIGGER_SCHEMA AS d, TRIGGER_NAME AS n, EVENT_OBJECT_TABLE AS t FROM information_schema.TRIGGERS "
        "WHERE TRIGGER_SCHEMA IN (%s, %s, %s)",
        (source, live, aside),
    )
    if triggers:
        shown = ", ".join(f"{row['n']} on {row['t']}" for row in triggers[:10])
        first = f"{quote_name(triggers[0]['d'])}.{quote_name(triggers[0]['n'])}"
        raise BoxliftError(
            f"The tables of {live} cannot be switched: {len(triggers)} triggers hang on them ({shown}).",
            f"Save their definitions (SHOW CREATE TRIGGER {first}), drop them (DROP TRIGGER {first}), run again, and "
            "create them afterwards if they are still needed.",
        )
    for database, coming in ((live, incoming), (aside, schema.tables(conn, live))):
        clash = sorted(set(schema.objects(conn, database, views=True)) & set(coming))
        if clash:
            raise BoxliftError(
                f"{database} has views with the names of incoming tables: {', '.join(clash[:10])}.",
                f"Drop these views first (DROP VIEW {quote_name(database)}.{quote_name(clash[0])}).",
            )
    # Those into live would follow its tables into previous, and stop the switch after this one.
    with explained(conn):
        keys = foreign_keys(asking(conn), [source, live, aside])
    if keys:
        shown = "; ".join(map(str, keys[:5]))
        raise BoxliftError(
            f"The tables of {live} cannot be switched: foreign keys of other databases point at them ({shown}).",
            f"Run {keys[0].drop}; then run again, and add the key again afterwards if it is needed.",
            foreign_keys=[key._asdict() for key in keys],
        )


def _wait_for_others(conn: Connection[t.Any], live: str) -> None:
    """Wait for the transactions that are open now, without a lock behind which the portal would wait.

    Raises BoxliftError that names them, where one of them outlasts `LOCK_WAIT_SECONDS`.
    """
    until = time.monotonic() + LOCK_WAIT_SECONDS
    held = _transactions(conn, live)
    while held:
        if time.monotonic() > until:
            _refuse_held(live, list(held.values()))
        time.sleep(_LOOK_SECONDS)
        now = _transactions(conn, live)
        held = {which: now[which] for which in held if which in now}


def _transactions(conn: Connection[t.Any], live: str) -> dict[tuple[int, str], Session]:
    """Of sessions in this database, each with its beginning: a session that goes on with another one is not meant."""
    found = sessions(asking(conn), [live])
    return {
        (each.id, each.transaction): each
        for each in found
        if each.transaction and each.database.lower() == live.lower()
    }


def _refuse_held(live: str, holders: t.Sequence[Session], **details: t.Any) -> t.NoReturn:
    known = (
        f"{who_holds(holders)} Let it end, or end it with KILL {holders[0].id}"
        if holders
        else "Find the session that holds one (SHOW FULL PROCESSLIST as root), and end it with KILL"
    )
    raise BoxliftError(
        f"The tables of {live} could not be switched in within {LOCK_WAIT_SECONDS} s, everything is as it was: another "
        "session uses them.",
        f"{known}; or stop the portal (PHP-FPM and cron). Then run again.",
        holders=[each._asdict() for each in holders],
        **details,
    )


def _rename(conn: Connection[t.Any], live: str, moves: t.Iterable[tuple[str, str, str]]) -> None:
    text = ", ".join(
        f"{quote_name(old)}.{quote_name(name)} TO {quote_name(new)}.{quote_name(name)}" for old, name, new in moves
    )
    execute(conn, f"SET SESSION lock_wait_timeout = {LOCK_WAIT_SECONDS}")
    try:
        execute(conn, f"RENAME TABLE {text}")
    except DatabaseFailed as error:
        if error.code == _LOCK_TIMEOUT:
            _refuse_held(live, sessions(asking(conn), [live]), code=error.code)
        if error.code in LOST:
            raise  # it may have been done; the next call knows
        raise BoxliftError(
            f"The tables could not be switched in, everything is as it was: {error.text} (error {error.code}).",
            error.remedy,
            **error.details,
        ) from error

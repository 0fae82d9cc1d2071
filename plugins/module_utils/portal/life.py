# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether people work with a portal: what is there that was not there when the portal came here.

Only what people write here counts: new records by their numbers, log-ins, and new files below `upload/`. Agents,
caches, sessions, statistics and the search index are written by the portal itself. Numbers are asked instead of times,
since the clocks of the source and of this host may differ by hours; and they are found without reading a table.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import quote_name, rows

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

# What, as people read it: table, and the column with the moment at which a record was made.
RECORDS: dict[str, tuple[str, str]] = {
    "leads": ("b_crm_lead", "DATE_CREATE"),
    "deals": ("b_crm_deal", "DATE_CREATE"),
    "quotes": ("b_crm_quote", "DATE_CREATE"),
    "invoices": ("b_crm_invoice", "DATE_INSERT"),
    "orders": ("b_sale_order", "DATE_INSERT"),
    "contacts": ("b_crm_contact", "DATE_CREATE"),
    "companies": ("b_crm_company", "DATE_CREATE"),
    "activities": ("b_crm_act", "CREATED"),
    "calls": ("b_voximplant_statistic", "CALL_START_DATE"),
    "messages": ("b_im_message", "DATE_CREATE"),
    "tasks": ("b_tasks", "CREATED_DATE"),
    "comments": ("b_forum_message", "POST_DATE"),
    "posts": ("b_blog_post", "DATE_CREATE"),
    "calendar entries": ("b_calendar_event", "DATE_CREATE"),
    "list elements": ("b_iblock_element", "DATE_CREATE"),
    "documents": ("b_disk_object", "CREATE_TIME"),
    "file records": ("b_file", "TIMESTAMP_X"),
    "users": ("b_user", "DATE_REGISTER"),
}
# Of types that a site has made itself, such as b_crm_dynamic_items_31.
_OWN_TYPES = "b_crm_dynamic_items_"
# The portal's own messages have no author.
_BY_PEOPLE = {"b_im_message": ("AUTHOR_ID", "`AUTHOR_ID` > 0")}
# By these columns a transfer finds again what it has carried over (docs/crm.md); people wrote that in another portal.
_CARRIED_BY = ("ORIGINATOR_ID", "XML_ID")
_CARRIED = "boxlift:"
# Bots, channels and mail boxes are accounts that nobody works with.
_MACHINES = ("bot", "imconnector", "controller", "replica", "email", "sale", "saleanonymous", "shop", "call")
_LOGINS = ("LAST_LOGIN", "LAST_ACTIVITY_DATE")
# Folders of upload/ that the portal fills by itself.
_FILLED = ("resize_cache", "tmp", "managed_cache", "cache")
_SHOWN = 6
Tables = dict[str, set[str]]


@dataclasses.dataclass(frozen=True)
class Sign:
    """People have worked: `count` of `what`; the newest one and its moment, empty where that is not known."""

    what: str
    count: int
    newest: str = ""
    moment: str = ""

    def __str__(self) -> str:
        shown = ", ".join(part for part in (self.newest, self.moment) if part)
        return f"{self.count} {self.what}" + (f" (newest: {shown})" if shown else "")


def told(signs: t.Sequence[Sign]) -> str:
    """The signs as one clause."""
    more = f" and {len(signs) - _SHOWN} more kinds of records" if len(signs) > _SHOWN else ""
    return ", ".join(map(str, signs[:_SHOWN])) + more


def marks(conn: Connection[t.Any], database: str, tables: Tables) -> dict[str, t.Any]:
    """What the database holds of people's work now, fit for JSON: the last number of each kind, and the log-ins."""
    last = {}
    for table in _kinds(tables).values():
        found = rows(conn, f"SELECT MAX(`ID`) AS n FROM {quote_name(database)}.{quote_name(table)}")
        last[table] = int(found[0]["n"] or 0)
    return {"last": last, "logins": _logins(conn, database, tables)}


def signs_of_records(
    conn: Connection[t.Any], database: str, tables: Tables, known: dict[str, t.Any] | None
) -> list[Sign]:
    """What people have done since `known`, which `marks` returned; with None, whatever they ever did."""
    last = known["last"] if known else {}
    found = []
    for what, table in _kinds(tables).items():
        sign = _new(conn, database, what, table, tables[table], last.get(table, 0))
        if sign is not None:
            found.append(sign)
    if known and (active := _active(conn, database, tables, known["logins"])) is not None:
        found.append(active)
    return found


def signs_of_files(document_root: str, moment: float) -> list[Sign]:
    """Files below `upload/` that came after this time of the clock.

    Only folders that changed since are looked into: in a portal of a million files nothing else is quick.
    """
    count, newest, at = 0, "", moment
    pending = [os.path.join(document_root, "upload")] if os.path.isdir(os.path.join(document_root, "upload")) else []
    top = len(pending[0]) + 1 if pending else 0
    while pending:
        folder = pending.pop()
        try:
            changed = os.stat(folder).st_mtime > moment
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.path[top:] not in _FILLED:
                            pending.append(entry.path)
                    elif changed and (came := entry.stat(follow_symlinks=False).st_ctime) > moment:
                        count += 1
                        if came >= at:
                            newest, at = os.path.relpath(entry.path, document_root), came
        except FileNotFoundError:
            continue  # the portal is at work, and removes files too
    if not count:
        return []
    return [Sign("new files", count, os.fsencode(newest).decode("utf-8", "replace"), clock(at))]


def clock(seconds: float) -> str:
    """A time of the clock as people read it, in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def domain_of(conn: Connection[t.Any], database: str, tables: Tables) -> str:
    """The portal's own name as its database has it, empty where it says none."""
    stated = []
    if "b_option" in tables:
        table = f"{quote_name(database)}.b_option"
        query = f"SELECT VALUE AS d FROM {table} WHERE MODULE_ID = 'main' AND NAME = 'server_name'"
        stated += [row["d"] for row in rows(conn, query)]
    if "SERVER_NAME" in tables.get("b_lang", ()):
        query = f"SELECT SERVER_NAME AS d FROM {quote_name(database)}.b_lang ORDER BY ACTIVE = 'Y' DESC, DEF = 'Y' DESC"
        stated += [row["d"] for row in rows(conn, query)]
    return next((str(name).partition(":")[0].strip().lower() for name in stated if name), "")


def tables_of(conn: Connection[t.Any], database: str) -> Tables:
    """The columns of each of the portal's tables, which all questions here depend on: asked once for all of them."""
    found: dict[str, set[str]] = {}
    query = (
        "SELECT C.TABLE_NAME AS t, C.COLUMN_NAME AS c FROM information_schema.COLUMNS AS C"
        " WHERE C.TABLE_SCHEMA = %s AND C.TABLE_NAME LIKE 'b\\_%%'"
    )
    for row in rows(conn, query, (database,)):
        found.setdefault(row["t"], set()).add(row["c"])
    return found


def _kinds(tables: Tables) -> dict[str, str]:
    """The tables of people's records that are there, by what they hold."""
    kinds = {what: table for what, (table, _made) in RECORDS.items()}
    kinds.update({f"items of type {name[len(_OWN_TYPES) :]}": name for name in tables if name.startswith(_OWN_TYPES)})
    return {what: table for what, table in kinds.items() if "ID" in tables.get(table, ())}


def _new(
    conn: Connection[t.Any], database: str, what: str, table: str, columns: t.Collection[str], last: int
) -> Sign | None:
    made = RECORDS[what][1] if what in RECORDS else "CREATED_TIME"
    needed, condition = _BY_PEOPLE.get(table, ("", ""))
    where = f"`ID` > {last}" + (f" AND {condition}" if needed in columns and condition else "")
    for column in _CARRIED_BY:
        if column in columns and table.startswith("b_crm_"):
            where += f" AND LEFT(COALESCE(`{column}`, ''), {len(_CARRIED)}) <> '{_CARRIED}'"
    latest = f"MAX({quote_name(made)})" if made in columns else "NULL"
    asked = f"COUNT(*) AS n, MAX(`ID`) AS last, {latest} AS latest"
    row = rows(conn, f"SELECT {asked} FROM {quote_name(database)}.{quote_name(table)} WHERE {where}")[0]
    if not row["n"]:
        return None
    return Sign(what, int(row["n"]), f"number {row['last']}", str(row["latest"] or ""))


def _people(columns: t.Collection[str]) -> str:
    if "EXTERNAL_AUTH_ID" not in columns:
        return ""
    names = ", ".join(f"'{name}'" for name in _MACHINES)
    return f" WHERE COALESCE(`EXTERNAL_AUTH_ID`, '') NOT IN ({names})"


def _logins(conn: Connection[t.Any], database: str, tables: Tables) -> dict[str, t.Any]:
    """A sum over everybody's last log-in, which the next one changes; and the latest of them."""
    columns = tables.get("b_user", ())
    dates = [name for name in _LOGINS if name in columns]
    if "ID" not in columns or not dates:
        return {"sum": 0, "latest": ""}
    row = rows(
        conn,
        f"SELECT COALESCE(SUM(CRC32(CONCAT_WS('|', `ID`, {', '.join(dates)}))), 0) AS s, "
        f"{', '.join(f'MAX({name}) AS {name}' for name in dates)} "
        f"FROM {quote_name(database)}.b_user{_people(columns)}",
    )[0]
    return {"sum": int(row["s"]), "latest": max(str(row[name] or "") for name in dates)}


def _active(conn: Connection[t.Any], database: str, tables: Tables, known: dict[str, t.Any]) -> Sign | None:
    now = _logins(conn, database, tables)
    if now["sum"] == known["sum"]:
        return None
    columns = tables.get("b_user", ())
    later = " OR ".join(f"{name} > %s" for name in _LOGINS if name in columns)
    where = _people(columns)
    query = f"SELECT COUNT(*) AS n FROM {quote_name(database)}.b_user{where}{' AND' if where else ' WHERE'} ({later})"
    count = rows(conn, query, [known["latest"] or "1000-01-01"] * later.count("%s"))[0]["n"] if later else 0
    # Where the source's clock was ahead, log-ins seem to be older than they are; the sum has seen them all the same.
    return Sign("people logged in or at work", max(int(count), 1), "", str(now["latest"]))

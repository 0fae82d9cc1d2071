# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a portal is: version, modules, counts and newest dates by entity, and a fingerprint of all that."""

from __future__ import annotations

import datetime
import hashlib
import json
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles, module_version, read
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import Opaque
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import quote_name, rows

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

# Entity: table, condition for rows that count, and the column with the date of the newest, if there is one.
ENTITIES: dict[str, tuple[str, str, str]] = {
    "users": ("b_user", "ACTIVE = 'Y'", "LAST_ACTIVITY_DATE"),
    "groups": ("b_sonet_group", "", "DATE_CREATE"),
    "tasks": ("b_tasks", "", "CHANGED_DATE"),
    "comments": ("b_forum_message", "", "POST_DATE"),
    "leads": ("b_crm_lead", "", "DATE_CREATE"),
    "deals": ("b_crm_deal", "", "DATE_CREATE"),
    "contacts": ("b_crm_contact", "", "DATE_CREATE"),
    "companies": ("b_crm_company", "", "DATE_CREATE"),
    "activities": ("b_crm_act", "", "CREATED"),
    "timeline": ("b_crm_timeline", "", "CREATED"),
    "chats": ("b_im_chat", "", ""),
    "messages": ("b_im_message", "", "DATE_CREATE"),
    "files": ("b_file", "", "TIMESTAMP_X"),
    "disk_objects": ("b_disk_object", "", "UPDATE_TIME"),
    "search_index": ("b_search_content", "", "DATE_CHANGE"),
    "events": ("b_event_log", "", "TIMESTAMP_X"),
}


def gather(files: PortalFiles | None, conn: Connection[t.Any] | None) -> dict[str, t.Any]:
    """What can be read from the files and the database; what cannot is null."""
    portal: dict[str, t.Any] = {"version": None, "modules": {}, "encoding": {}, "counts": {}, "newest": {}}
    if files is not None:
        portal["modules"] = disk_modules(files)
        portal["version"] = portal["modules"].get("main")
        utf_mode = files.sections().get("utf_mode")
        portal["encoding"]["utf_mode"] = utf_mode.source if isinstance(utf_mode, Opaque) else utf_mode
    if conn is not None:
        portal["registered"] = sorted(row["ID"] for row in rows(conn, "SELECT ID FROM b_module"))
        portal["encoding"].update(_database_encoding(conn))
        portal["counts"], portal["newest"] = _contents(conn)
    portal["fingerprint"] = hashlib.sha256(json.dumps(portal, sort_keys=True).encode()).hexdigest()
    return portal


def disk_modules(files: PortalFiles) -> dict[str, str | None]:
    """The modules whose folders are on the disk, with the version that each states."""
    modules: dict[str, str | None] = {}
    for folder in sorted((files.root / "bitrix" / "modules").glob("*/")):
        candidates = [folder / "install/version.php"]
        if folder.name == "main":
            candidates.insert(0, folder / "classes/general/version.php")
        stated = [path for path in candidates if path.is_file()]
        if stated:
            modules[folder.name] = module_version(read(stated[0]), str(stated[0]))
    return modules


def _database_encoding(conn: Connection[t.Any]) -> dict[str, str]:
    sql = "SELECT @@character_set_database AS charset, @@collation_database AS collation"
    row = rows(conn, sql)[0]
    return {"database_charset": row["charset"], "database_collation": row["collation"]}


def _contents(conn: Connection[t.Any]) -> tuple[dict[str, int | None], dict[str, str | None]]:
    sql = "SELECT TABLE_NAME AS t, COLUMN_NAME AS c FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
    columns = {(row["t"], row["c"]) for row in rows(conn, sql)}
    tables = {table for table, _column in columns}
    counts: dict[str, int | None] = {}
    newest: dict[str, str | None] = {}
    for entity, (table, condition, date) in ENTITIES.items():
        if table not in tables:
            # The module is not installed: null, which is not the same as none.
            counts[entity] = None
            continue
        latest = f"MAX({quote_name(date)})" if (table, date) in columns else "NULL"
        where = f" WHERE {condition}" if condition else ""
        row = rows(conn, f"SELECT COUNT(*) AS n, {latest} AS latest FROM {quote_name(table)}{where}")[0]
        counts[entity] = int(row["n"])
        if date:
            newest[entity] = row["latest"].isoformat(" ") if isinstance(row["latest"], datetime.datetime) else None
    return counts, newest

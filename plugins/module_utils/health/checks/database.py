# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database: whether it can be asked, the server's variables, and the tables' shape."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    DoesNotApply,
    Verdict,
    failed,
    passed,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.portal.login import portal_login
from ansible_collections.boxlift.portal.plugins.module_utils.portal.site import has_table
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import rows

_NEEDS = ("database.reachable",)
_CHARSETS = ("utf8", "utf8mb3", "utf8mb4")
_NUMBERED = (
    *(
        "b_user",
        "b_file",
        "b_event",
        "b_agent",
        "b_tasks",
        "b_forum_topic",
        "b_forum_message",
        "b_im_chat",
        "b_im_message",
    ),
    *("b_crm_lead", "b_crm_deal", "b_crm_contact", "b_crm_company", "b_crm_act", "b_crm_timeline", "b_disk_object"),
)
CLOCK_SECONDS = 1.0
PACKET = 16 * 1024 * 1024


@check(
    "database.reachable",
    why="Nearly everything that a portal knows is in its database.",
    expected="the database answers and is a portal's",
    remedy="Start the server; check the option database, or the credentials in .settings.php.",
    blocks="everybody",
)
def database_reachable(context: Context) -> Verdict:
    try:
        found = has_table(context.connection, "b_option")
    except BoxliftError as error:
        if "code" not in error.details:
            raise  # the server was not reached at all
        return failed(error.message, error.remedy)
    if not found:
        return failed("there is no table b_option", "Restore the dump; is this the right database?")
    return passed(f"server {context.value('SELECT VERSION()')}")


@check(
    "database.login",
    why="The portal logs in with what its own files say, whatever the administrator's account may do.",
    expected="the portal's own credentials open its database",
    remedy="Make the account and the password in .settings.php agree (role boxlift.portal.database, portal_settings).",
    blocks="everybody",
    reference="site checker: check_mysql_connection",
    needs=("settings.credentials",),
)
def database_login(context: Context) -> Verdict:
    login, name = portal_login(context.files)
    try:
        conn = context.connect(login, name)
    except BoxliftError as error:
        if "code" not in error.details:
            raise  # the server was not reached at all
        return failed(error.message, error.remedy)
    try:
        if not has_table(conn, "b_option"):
            return failed(f"{login} opens {name}, where there is no table b_option")
    finally:
        conn.close()
    return passed(f"{login} opens {name}")


@check(
    "database.variables",
    why="The portal's SQL is written for a server without strict mode; a default MariaDB refuses part of it.",
    expected="sql_mode empty, innodb_strict_mode OFF, tables InnoDB DYNAMIC by default, max_allowed_packet 16M or more",
    remedy="Set the variables in the server's configuration and restart it (role boxlift.portal.database).",
    blocks="some",
    reference="site checker: check_mysql_mode",
    needs=_NEEDS,
)
def database_variables(context: Context) -> Verdict:
    names = (
        "'sql_mode', 'innodb_strict_mode', 'default_storage_engine', 'innodb_default_row_format', 'max_allowed_packet'"
    )
    found = {
        row["Variable_name"]: str(row["Value"])
        for row in context.query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
    }
    wanted = {
        "sql_mode": "",
        "innodb_strict_mode": "OFF",
        "default_storage_engine": "INNODB",
        "innodb_default_row_format": "DYNAMIC",
    }
    wrong = [f"{name} is {found.get(name)!r}" for name, value in wanted.items() if found.get(name, "").upper() != value]
    if int(found["max_allowed_packet"]) < PACKET:
        wrong.append(f"max_allowed_packet is {found['max_allowed_packet']}")
    return failed("; ".join(wrong)) if wrong else passed("all as expected")


@check(
    "database.charset",
    why="Tables in another character set or collation than the database's break comparisons and joins.",
    expected="the database and all its tables have one collation of utf8mb4 or utf8",
    remedy="ALTER DATABASE and the tables named here to the database's collation, or import the dump again.",
    blocks="some",
    reference="site checker: check_mysql_db_charset, check_mysql_table_charset",
    needs=_NEEDS,
)
def database_charset(context: Context) -> Verdict:
    database = context.query("SELECT @@character_set_database AS charset, @@collation_database AS collation")[0]
    if database["charset"] not in _CHARSETS:
        return failed(f"the database's character set is {database['charset']}")
    other = context.query(
        "SELECT TABLE_NAME AS t, TABLE_COLLATION AS c FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
        " AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME LIKE 'b\\_%%' AND TABLE_COLLATION <> %s ORDER BY TABLE_NAME",
        database["collation"],
    )
    if other:
        shown = some([f"{row['t']} ({row['c']})" for row in other])
        return failed(f"the database has {database['collation']}, but {len(other)} tables have not: {shown}")
    return passed(f"{database['collation']} everywhere")


@check(
    "database.after_connect",
    why="A statement that every connection begins with, and that this server does not know, stops the portal.",
    expected="after_connect files name only collations that the server has",
    remedy="Replace the collation in this file by utf8mb4_unicode_ci.",
    blocks="everybody",
    reference="ERROR 1273 Unknown collation",
    needs=("database.reachable", "settings.readable"),
)
def database_after_connect(context: Context) -> Verdict:
    folder = context.files.root / "bitrix" / "php_interface"
    files = [path for path in (folder / "after_connect.php", folder / "after_connect_d7.php") if path.is_file()]
    if not files:
        raise DoesNotApply("there are no after_connect files")
    known = {row["Collation"].lower() for row in context.query("SHOW COLLATION")}
    bad = []
    for path in files:
        words = path.read_text("utf-8", "replace").lower().replace("'", " ").replace('"', " ").replace(";", " ").split()
        bad += [
            f"{word} in {path}"
            for word in words
            if word.startswith(("utf8", "latin1_", "cp1251_")) and "_" in word and word not in known
        ]
    return failed(some(bad)) if bad else passed(f"{len(files)} files")


@check(
    "database.tables",
    why="Transactions and long indexes need InnoDB with the row format DYNAMIC.",
    expected="every table of the portal is InnoDB and neither COMPACT nor REDUNDANT",
    remedy="ALTER TABLE … ENGINE=InnoDB ROW_FORMAT=DYNAMIC for the tables named here.",
    blocks="nobody",
    reference="site checker: check_mysql_table_format",
    needs=_NEEDS,
)
def database_tables(context: Context) -> Verdict:
    tables = context.query(
        "SELECT TABLE_NAME AS t, ENGINE AS e, ROW_FORMAT AS f FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME LIKE 'b\\_%' ORDER BY TABLE_NAME"
    )
    wrong = [
        f"{row['t']} ({row['e']} {row['f']})"
        for row in tables
        if row["e"] != "InnoDB" or str(row["f"]).upper() in ("COMPACT", "REDUNDANT")
    ]
    return failed(f"{len(wrong)} of {len(tables)}: {some(wrong)}") if wrong else passed(f"{len(tables)} tables")


@check(
    "database.clock",
    why="Sessions, agents and counters compare the clocks of the web host and of the database.",
    expected="both clocks agree within one second",
    remedy="Run a time service on both hosts (role boxlift.portal.host).",
    blocks="some",
    reference="site checker: check_mysql_time",
    needs=_NEEDS,
)
def database_clock(context: Context) -> Verdict:
    rows(context.connection, "SELECT 1")  # so that the time to connect is not counted
    before = context.now()
    stated = float(rows(context.connection, "SELECT UNIX_TIMESTAMP(SYSDATE(6)) AS t")[0]["t"])
    after = context.now()
    apart = max(before - stated, stated - after, 0.0)
    observed = f"{apart:.1f} s apart"
    return passed(observed) if apart <= CLOCK_SECONDS else failed(observed)


@check(
    "database.server_charset",
    why="Tables that an update creates get the server's character set where the statement names none.",
    expected="character_set_server is utf8mb4 or utf8, and connections answer in what they ask in",
    remedy="Set character-set-server and collation-server on the server (role boxlift.portal.database).",
    blocks="nobody",
    reference="site checker: check_mysql_connection_charset",
    needs=_NEEDS,
)
def database_server_charset(context: Context) -> Verdict:
    row = context.query(
        "SELECT @@global.character_set_server AS server, @@character_set_connection AS asked,"
        " @@character_set_results AS answered"
    )[0]
    if row["server"] not in _CHARSETS:
        return failed(f"character_set_server is {row['server']}")
    if row["asked"] != row["answered"]:
        return failed(f"connections ask in {row['asked']} and get answers in {row['answered']}")
    return passed(str(row["server"]))


@check(
    "database.table_status",
    why="A table that the server cannot open, or a view on a missing one, stops the page that needs it.",
    expected="the server can open every table and every view",
    remedy="Restore the table named here from the dump (database_import), or drop the view.",
    blocks="some",
    reference="site checker: check_mysql_table_status",
    needs=_NEEDS,
)
def database_table_status(context: Context) -> Verdict:
    # Asking for the number of rows makes the server open each table.
    tables = context.query(
        "SELECT TABLE_NAME AS t, TABLE_TYPE AS kind, ENGINE AS e, TABLE_ROWS AS n FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME"
    )
    columns = context.query(
        "SELECT DISTINCT TABLE_NAME AS t FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
    )
    opened = {row["t"] for row in columns}
    broken = [
        row["t"] for row in tables if row["t"] not in opened or (row["kind"] == "BASE TABLE" and row["e"] is None)
    ]
    return failed(f"{len(broken)}: {some(broken)}") if broken else passed(f"{len(tables)} tables and views")


@check(
    "database.auto_increment",
    why="A table that has lost its counter takes no second new row: no new task, no new lead.",
    expected="the numbers (ID) of the portal's main tables are given by the server",
    remedy="ALTER TABLE … MODIFY ID … NOT NULL AUTO_INCREMENT for the tables named here.",
    blocks="some",
    needs=_NEEDS,
)
def database_auto_increment(context: Context) -> Verdict:
    names = ", ".join(f"'{name}'" for name in _NUMBERED)
    found = context.query(
        "SELECT TABLE_NAME AS t, EXTRA AS x FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
        f" AND COLUMN_NAME = 'ID' AND TABLE_NAME IN ({names}) ORDER BY TABLE_NAME"
    )
    lost = [str(row["t"]) for row in found if "auto_increment" not in str(row["x"])]
    return failed(f"lost in {some(lost)}") if lost else passed(f"{len(found)} tables")

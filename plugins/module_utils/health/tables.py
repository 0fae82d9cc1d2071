# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table that a check asked for and that is not there: whether that is right depends on the module that owns it."""

from __future__ import annotations

import re

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import Verdict, failed
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import DatabaseFailed

NO_SUCH_TABLE = 1146
_NAMED = re.compile(r"'(?:[^'.]*\.)?([^']+)'")
#: Prefixes of tables that do not begin with the name of their module. All others without a module's name are main's.
_OWNERS = {
    "b_app_": "main",
    "b_bp_": "bizproc",
    "b_clouds_": "clouds",
    "b_dav_": "dav",
    "b_hlblock_": "highloadblock",
    "b_imconnectors_": "imconnector",
    "b_sec_": "security",
    "b_sonet_": "socialnetwork",
}
_MODULES = (
    *("bitrixcloud", "bizproc", "calendar", "crm", "disk", "extranet", "forum", "iblock", "im", "imbot", "imopenlines"),
    *(
        "landing",
        "ldap",
        "mail",
        "messageservice",
        "pull",
        "rest",
        "sale",
        "search",
        "sender",
        "socialservices",
        "tasks",
    ),
    *("transformer", "voximplant"),
)


def owner(table: str) -> str:
    """The portal's module that makes this table."""
    for prefix, module in (*_OWNERS.items(), *((f"b_{name}_", name) for name in _MODULES)):
        if table == prefix[:-1] or table.startswith(prefix):
            return module
    return "main"


def missing_table(problem: DatabaseFailed) -> str:
    """The table that the server does not find; empty for every other error."""
    named = _NAMED.search(problem.text) if problem.code == NO_SUCH_TABLE else None
    return named.group(1) if named else ""


def judge_missing(context: Context, table: str) -> Verdict:
    """A failure where the portal has the module that owns the table, and else a check that does not apply."""
    module = owner(table)
    lost = f"the table {table} is missing, and the portal has its module {module}"
    remedy = (
        f"See why the restore left {table} out (its warnings, and role restore's variable restore_exclude); restore "
        "again, or load the dump's table with boxlift.portal.database_import."
    )
    if module == "main" or context.query("SELECT 1 AS one FROM b_module WHERE ID = %s", module):
        return failed(lost, remedy)
    return Verdict("skip", f"there is no table {table}: the module {module} is not installed")

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search index: whether it is built and fresh, and whether its engine answers."""

from __future__ import annotations

import datetime
import shutil

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, program
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check

_REINDEX = (
    "Build the index: boxlift.portal.configure does it where it is empty, bitrix/admin/search_reindex.php in any case."
)
# With fewer than this share of the tasks the index counts as not built.
SHARE = 0.5


@check(
    "search.index",
    why="The vendor's backup may leave the index out; users then find nothing, and think that their data is lost.",
    expected="the index holds the portal's content",
    remedy=_REINDEX,
    blocks="some",
    reference="admin notice SEARCH_REINDEX",
    needs=("database.reachable",),
)
def search_index(context: Context) -> Verdict:
    context.need_table("b_search_content")
    modules = {
        row["MODULE_ID"]: int(row["n"])
        for row in context.query("SELECT MODULE_ID, COUNT(*) AS n FROM b_search_content GROUP BY MODULE_ID")
    }
    total = sum(modules.values())
    if not total:
        return failed("b_search_content is empty")
    texts = int(context.value("SELECT COUNT(*) FROM b_search_content_text"))
    if texts < total * SHARE:
        return failed(f"{total} entries, but only {texts} have a text")
    tasks = int(context.value("SELECT COUNT(*) FROM b_tasks"))
    if modules.get("tasks", 0) < tasks * SHARE:
        return failed(f"{total} entries, but only {modules.get('tasks', 0)} of {tasks} tasks are in the index")
    newest = context.value("SELECT MAX(DATE_CHANGE) FROM b_search_content")
    return passed(f"{total} entries of {len(modules)} modules, the newest from {newest}")


@check(
    "search.engine",
    why="With an engine that does not answer, search finds nothing although the index is there.",
    expected="the engine that search.full_text_engine names is ready",
    remedy="Start the engine (role boxlift.portal.search), or set search.full_text_engine to bitrix and reindex.",
    blocks="some",
    needs=("database.reachable",),
)
def search_engine(context: Context) -> Verdict:
    context.need_table("b_search_content")
    engine = context.option("search", "full_text_engine", "bitrix") or "bitrix"
    if engine == "bitrix":
        return passed("the portal's own engine")
    if engine == "mysql":
        index = context.query(
            "SELECT 1 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND INDEX_TYPE = 'FULLTEXT'"
            " AND TABLE_NAME = 'b_search_content_text' AND COLUMN_NAME = 'SEARCHABLE_CONTENT'"
        )
        if index:
            return passed("mysql, with its full text index")
        return failed(
            "mysql, but b_search_content_text has no full text index",
            "CREATE FULLTEXT INDEX fti ON b_search_content_text (SEARCHABLE_CONTENT).",
        )
    if engine != "sphinx":
        raise CannotLook(f"engine {engine} is not known to this check")
    place = context.option("search", "sphinx_connection", "127.0.0.1:9306") or "127.0.0.1:9306"
    host, _colon, port = place.rpartition(":")
    if not port.isdigit():
        return failed(
            f"search.sphinx_connection is {place!r}, which is no host and port",
            "Set search.sphinx_connection to an address such as 127.0.0.1:9306 with portal_option.",
        )
    if context.connect_tcp is None:
        raise CannotLook("connections cannot be made from here")
    try:
        context.connect_tcp(host or "127.0.0.1", int(port)).close()
    except OSError as problem:
        return failed(f"sphinx at {place} does not answer: {problem}")
    return passed(f"sphinx at {place} answers")


@check(
    "search.reindex_notice",
    why="The portal itself says that its index is not complete.",
    expected="no admin notice asks for the index to be built",
    remedy=_REINDEX,
    blocks="nobody",
    reference="admin notice SEARCH_REINDEX",
    needs=("database.reachable",),
)
def search_reindex_notice(context: Context) -> Verdict:
    asked = int(context.value("SELECT COUNT(*) FROM b_admin_notify WHERE TAG = 'SEARCH_REINDEX'"))
    return warned("the administration asks for it") if asked else passed("no notice")


@check(
    "search.fresh",
    why="An index that was built once and is not kept up finds only what was there that day.",
    expected="the index is at most a day older than the newest task",
    remedy=_REINDEX + " See that agents run.",
    blocks="some",
    needs=("search.index",),
)
def search_fresh(context: Context) -> Verdict:
    context.need_table("b_tasks")
    newest = context.value("SELECT MAX(CHANGED_DATE) FROM b_tasks")
    indexed = context.value("SELECT MAX(DATE_CHANGE) FROM b_search_content")
    if newest is None:
        raise DoesNotApply("there are no tasks")
    if indexed is None:
        raise CannotLook("the index states no date")
    observed = f"newest task {newest}, newest entry {indexed}"
    return warned(observed) if newest - indexed > datetime.timedelta(days=1) else passed(observed)


@check(
    "search.users",
    why="Colleagues are found by an index of their own; without it nobody can be added to a chat or a task.",
    expected="every active user is in b_user_index",
    remedy="Build the users' index: in the administration, or by saving the users (role search).",
    blocks="some",
    needs=("database.reachable",),
)
def search_users(context: Context) -> Verdict:
    context.need_table("b_user_index")
    total, bare = (
        int(
            context.value(
                f"SELECT COUNT(*) FROM b_user u WHERE ACTIVE = 'Y' AND COALESCE(EXTERNAL_AUTH_ID, '') = ''{more}"
            )
        )
        for more in ("", " AND NOT EXISTS (SELECT 1 FROM b_user_index i WHERE i.USER_ID = u.ID)")
    )
    return warned(f"{bare} of {total} users are missing") if bare else passed(f"{total} users")


@check(
    "search.extractors",
    why="The text of documents is read by programs; where one is missing, documents are found by their names alone.",
    expected="every program that intranet.search_file_extension_exe_* names is on the host",
    remedy="Install catdoc and poppler-utils on the web host, or empty these options.",
    blocks="nobody",
    reference="site checker: check_search",
    needs=("database.reachable",),
)
def search_extractors(context: Context) -> Verdict:
    options = context.query(
        "SELECT NAME, VALUE FROM b_option WHERE MODULE_ID = 'intranet'"
        " AND NAME LIKE 'search\\_file\\_extension\\_exe\\_%' AND COALESCE(VALUE, '') <> '' ORDER BY NAME"
    )
    if context.run_command is None:
        raise CannotLook("commands cannot be run from here")
    programs = sorted({program(str(row["VALUE"])) for row in options} - {""})
    if not programs:
        raise DoesNotApply("no program is set")
    missing = [name for name in programs if shutil.which(name) is None]
    return warned(f"not there: {', '.join(missing)}") if missing else passed(", ".join(programs))

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Agents on cron, and the mail that only they send."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check

FRESH_SECONDS = 180
_REMEDY = "See that cron runs cron_events.php every minute as the portal's user (role boxlift.portal.portal)."


@check(
    "agents.configuration",
    why="Agents on hits make visitors wait and do not run at night.",
    expected="dbconn.php defines BX_CRONTAB_SUPPORT, or main.agents_use_crontab is Y",
    remedy="Define BX_CRONTAB_SUPPORT with portal_settings.",
    reference="site checker: check_bx_crontab",
    needs=("database.reachable", "settings.readable"),
)
def agents_configuration(context: Context) -> Verdict:
    dbconn = context.files.dbconn()
    if dbconn.constants.get("BX_CRONTAB_SUPPORT") is True:
        return passed("BX_CRONTAB_SUPPORT is defined")
    if context.option("main", "agents_use_crontab") == "Y":
        return passed("main.agents_use_crontab is Y")
    if dbconn.conditional("constant", "BX_CRONTAB_SUPPORT"):
        return warned("BX_CRONTAB_SUPPORT is defined under a condition")
    return failed("agents run on the visitors' hits")


@check(
    "agents.cron",
    why="Mail, reminders, robots, synchronisation and clean-up are agents: when cron stops, they stop without a sound.",
    expected="an agent ran less than three minutes ago and none is overdue by more than 15 minutes",
    remedy=f"{_REMEDY} Where cron runs and single agents stay overdue, their module is missing or they die: read the"
    " PHP error log, and remove the agents of modules that are gone.",
    reference="site checker: check_bx_crontab",
    needs=("database.reachable",),
)
def agents_cron(context: Context) -> Verdict:
    row = context.query(
        "SELECT COUNT(*) AS n, TIMESTAMPDIFF(SECOND, MAX(LAST_EXEC), NOW()) AS age,"
        " SUM(NEXT_EXEC < NOW() - INTERVAL 15 MINUTE) AS overdue"
        " FROM b_agent WHERE ACTIVE = 'Y' AND IS_PERIOD = 'N'"
    )[0]
    if not row["n"]:
        raise CannotLook("there is no active agent with IS_PERIOD='N'")
    if row["age"] is None:
        return failed(f"none of {row['n']} agents has ever run here")
    observed = f"last run {row['age']} s ago, {row['overdue']} of {row['n']} overdue"
    if row["overdue"]:
        late = context.query(
            "SELECT MODULE_ID, NAME FROM b_agent WHERE ACTIVE = 'Y' AND IS_PERIOD = 'N'"
            " AND NEXT_EXEC < NOW() - INTERVAL 15 MINUTE ORDER BY NEXT_EXEC LIMIT 3"
        )
        names = ", ".join(f"{agent['MODULE_ID']} {str(agent['NAME'])[:60]}" for agent in late)
        return failed(f"{observed}: {names}")
    return failed(observed) if row["age"] >= FRESH_SECONDS else passed(observed)


@check(
    "agents.stuck",
    why="An agent that died while running is not started again; what it did stays undone.",
    expected="no agent has been running for more than an hour, none is being retried",
    remedy="Read the PHP error log of the agent named here; then set its RUNNING to N and RETRY_COUNT to 0.",
    needs=("database.reachable",),
)
def agents_stuck(context: Context) -> Verdict:
    stuck = context.query(
        "SELECT ID, NAME FROM b_agent WHERE ACTIVE = 'Y' AND (RETRY_COUNT > 0 OR (RUNNING = 'Y'"
        " AND COALESCE(DATE_CHECK, LAST_EXEC, NEXT_EXEC) < NOW() - INTERVAL 1 HOUR)) ORDER BY ID LIMIT 20"
    )
    if stuck:
        return warned("; ".join(f"{row['ID']} {str(row['NAME'])[:60]}" for row in stuck[:5]))
    return passed("none")


@check(
    "mail.queue",
    why="Mail waits in b_event until an agent sends it; users only notice that nothing comes.",
    expected="no message has waited for more than ten minutes, none has failed within a day",
    remedy=_REMEDY + " Failed messages: look at the mail relay's log, then set SUCCESS_EXEC to N to send them again.",
    reference="site checker: check_mail_b_event",
    needs=("database.reachable",),
)
def mail_queue(context: Context) -> Verdict:
    row = context.query(
        "SELECT COALESCE(SUM(SUCCESS_EXEC = 'N'), 0) AS waiting,"
        " COALESCE(SUM(SUCCESS_EXEC = 'N' AND DATE_INSERT < NOW() - INTERVAL 10 MINUTE), 0) AS late,"
        " COALESCE(SUM(SUCCESS_EXEC IN ('F', 'P') AND DATE_INSERT > NOW() - INTERVAL 1 DAY), 0) AS failed,"
        " COALESCE(SUM(SUCCESS_EXEC = '0'), 0) AS bare FROM b_event"
    )[0]
    observed = f"{row['waiting']} waiting, {row['late']} of them too long, {row['failed']} failed within a day, "
    observed += f"{row['bare']} without a template"
    if row["late"]:
        return failed(observed)
    return warned(observed) if row["failed"] else passed(observed)

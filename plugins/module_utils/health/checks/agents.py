# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Agents: the portal's background jobs, which cron runs once a minute."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check

FRESH_SECONDS = 180
ON_CRON = "See that cron runs cron_events.php every minute as the portal's user (role boxlift.portal.portal)."


@check(
    "agents.configuration",
    why="Agents on hits make visitors wait and do not run at night.",
    expected="dbconn.php defines BX_CRONTAB_SUPPORT, or main.agents_use_crontab is Y",
    remedy="Define BX_CRONTAB_SUPPORT with portal_settings.",
    blocks="nobody",
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
    remedy=f"{ON_CRON} The role's cron line leaves a portal alone whose .settings.php names another database host than"
    " portal_database_host: run configure. Where cron runs and single agents stay overdue, their module is missing or"
    " they die: read the PHP error log, and remove the agents of modules that are gone.",
    blocks="some",
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
    blocks="some",
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
    "agents.switched_off",
    why="A restored copy of a test portal keeps its switches: no agents, no mail, and nobody is told.",
    expected="main.check_agents and main.check_events are not N",
    remedy="Set both to Y with portal_option.",
    blocks="some",
    reference="site checker: check_bx_crontab",
    needs=("database.reachable",),
)
def agents_switched_off(context: Context) -> Verdict:
    off = [f"main.{name}" for name in ("check_agents", "check_events") if context.option("main", name, "Y") == "N"]
    return failed(f"switched off: {', '.join(off)}") if off else passed("both are on")


@check(
    "agents.messenger_queue",
    why="Tasks and calendars hand their work over through this queue; when nobody takes it, changes do not show.",
    expected="nothing has waited in the queue for more than ten minutes",
    remedy=ON_CRON + " See section messenger of .settings.php.",
    blocks="some",
    reference="b_main_messenger_message",
    needs=("database.reachable",),
)
def agents_messenger_queue(context: Context) -> Verdict:
    context.need_table("b_main_messenger_message")
    late = context.query(
        "SELECT QUEUE_ID, COUNT(*) AS n FROM b_main_messenger_message"
        " WHERE AVAILABLE_AT < NOW() - INTERVAL 10 MINUTE GROUP BY QUEUE_ID ORDER BY n DESC"
    )
    if late:
        waiting = [f"{row['n']} in {row['QUEUE_ID']}" for row in late]
        return warned(f"too late: {some(waiting)}")
    return passed("nothing waits")

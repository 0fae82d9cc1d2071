# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Agents on cron, and the mail that only they send."""

from __future__ import annotations

import shlex
import shutil

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.php import web_php
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


@check(
    "agents.switched_off",
    why="A restored copy of a test portal keeps its switches: no agents, no mail, and nobody is told.",
    expected="main.check_agents and main.check_events are not N",
    remedy="Set both to Y with portal_option.",
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
    remedy=_REMEDY + " See section messenger of .settings.php.",
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


@check(
    "mail.transport",
    why="PHP hands every letter to this program; where it is missing, the portal believes that it was sent.",
    expected="the program of sendmail_path is on the host",
    remedy="Install a mail program that hands letters to the company's relay, and name it in sendmail_path.",
    reference="site checker: check_mail",
    needs=("settings.readable",),
)
def mail_transport(context: Context) -> Verdict:
    if context.setting("smtp", "enabled") is True:
        raise DoesNotApply("the portal sends by SMTP itself")
    command = web_php(context).settings.get("sendmail_path", "")
    if not command:
        return failed("sendmail_path is empty")
    program = shlex.split(command)[0]
    return passed(program) if shutil.which(program) else failed(f"{program} is not there")


@check(
    "mail.mailboxes",
    why="Letters of customers come in through these mailboxes; one that cannot be reached loses leads.",
    expected="the server of every active mailbox can be reached",
    remedy="Open the way to the mail server; enter the passwords again where crypto_key is a new one.",
    owner="customer",
    reference="site checker: check_connect_mail",
    needs=("database.reachable",),
)
def mail_mailboxes(context: Context) -> Verdict:
    context.need_table("b_mail_mailbox")
    boxes = context.query(
        "SELECT SERVER, PORT, COUNT(*) AS n FROM b_mail_mailbox"
        " WHERE ACTIVE = 'Y' AND SERVER_TYPE = 'imap' AND COALESCE(SERVER, '') <> ''"
        " GROUP BY SERVER, PORT ORDER BY SERVER"
    )
    if not boxes:
        raise DoesNotApply("no mailbox is connected")
    count = {(str(box["SERVER"]), int(box["PORT"])): box["n"] for box in boxes}
    wrong = [
        f"{host}:{port} for {count[host, port]} mailboxes: {problem}"
        for (host, port), problem in context.silent(list(count)).items()
    ]
    return failed(some(wrong)) if wrong else passed(f"{sum(int(box['n']) for box in boxes)} mailboxes")


@check(
    "mail.passwords",
    why="Passwords of mailboxes and senders are encrypted; without the old key they cannot be read.",
    expected="where mailboxes or senders have passwords, .settings.php has a crypto_key",
    remedy="Take crypto_key over from the old .settings.php, or have the owners enter the passwords again.",
    owner="customer",
    reference=".settings.php crypto",
    needs=("database.reachable", "settings.readable"),
)
def mail_passwords(context: Context) -> Verdict:
    context.need_table("b_mail_mailbox")
    boxes = int(
        context.value("SELECT COUNT(*) FROM b_mail_mailbox WHERE ACTIVE = 'Y' AND COALESCE(PASSWORD, '') <> ''")
    )
    context.need_table("b_main_mail_sender")
    senders = int(context.value("SELECT COUNT(*) FROM b_main_mail_sender WHERE OPTIONS LIKE '%smtp%'"))
    observed = f"{boxes} mailboxes and {senders} senders have passwords"
    if boxes + senders and not context.setting("crypto", "crypto_key"):
        return failed(f"{observed}, and there is no crypto_key")
    return passed(observed)

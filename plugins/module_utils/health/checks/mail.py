# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail: the queue that agents empty, the program that takes letters, and the mailboxes that are read."""

from __future__ import annotations

import shutil

from ansible_collections.boxlift.portal.plugins.module_utils.health.checks.agents import ON_CRON
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, program, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.php import web_php
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check

#: Where a mailbox states no port.
IMAPS = 993


@check(
    "mail.queue",
    why="Mail waits in b_event until an agent sends it; users only notice that nothing comes.",
    expected="no message has waited for more than ten minutes, none has failed within a day",
    remedy=ON_CRON + " Failed messages: look at the mail relay's log, then set SUCCESS_EXEC to N to send them again.",
    blocks="some",
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
    "mail.transport",
    why="PHP hands every letter to this program; where it is missing, the portal believes that it was sent.",
    expected="the program of sendmail_path is on the host",
    remedy="Install a mail program that hands letters to the company's relay, and name it in sendmail_path.",
    blocks="some",
    reference="site checker: check_mail",
    needs=("settings.readable",),
)
def mail_transport(context: Context) -> Verdict:
    if context.setting("smtp", "enabled") is True:
        raise DoesNotApply("the portal sends by SMTP itself")
    command = web_php(context).settings.get("sendmail_path", "")
    if not command:
        return failed("sendmail_path is empty")
    name = program(command)
    return passed(name) if name and shutil.which(name) else failed(f"{name or repr(command)} is not there")


@check(
    "mail.mailboxes",
    why="Letters of customers come in through these mailboxes; one that cannot be reached loses leads.",
    expected="the server of every active mailbox can be reached",
    remedy="Open the way to the mail server; enter the passwords again where crypto_key is a new one.",
    blocks="some",
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
    count = {(str(box["SERVER"]), int(box["PORT"] or IMAPS)): box["n"] for box in boxes}
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
    blocks="some",
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

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchange itself: it runs, lets its users in with the right rights, and is known to the carriers."""

from __future__ import annotations

import re
import time

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check import console
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.context import (
    NoConsole,
    TelephonyContext,
    check,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.manager import (
    LoginRefused,
    ManagerUser,
    session,
)

YOUNG_SECONDS = 300
PING_SECONDS = 1.0


@check(
    "telephony.exchange",
    why="While Asterisk does not run, nobody is called and nobody can call.",
    expected="Asterisk answers on its console",
    remedy="Start it (systemctl start asterisk), and read why it ended: journalctl -u asterisk.",
    blocks="some",
)
def exchange(context: TelephonyContext) -> Verdict:
    try:
        return passed(f"it runs since {_seconds(context)} s")
    except NoConsole as problem:
        return failed(str(problem))


@check(
    "telephony.restarts",
    why="An exchange that restarts by itself drops every call at that moment.",
    expected="systemd has not had to start Asterisk again, and it has not just begun",
    remedy="Read what it says before it ends: journalctl -u asterisk, and /var/log/asterisk/messages.log.",
    blocks="nobody",
    needs=("telephony.exchange",),
)
def restarts(context: TelephonyContext) -> Verdict:
    seconds = _seconds(context)
    state = context.command("systemctl", "show", "asterisk", "--property=NRestarts")
    found = re.search(r"^NRestarts=(\d+)", state, re.M)
    if found is None:
        raise CannotLook("systemctl does not tell NRestarts of asterisk")
    if found[1] != "0":
        return failed(f"systemd has started it again {found[1]} times; it runs since {seconds} s")
    if seconds < YOUNG_SECONDS:
        return warned(f"it runs since {seconds} s only", "Ask who restarted it, or wait five minutes and look again.")
    return passed(f"it runs since {seconds} s")


def _seconds(context: TelephonyContext) -> int:
    text = context.console("core show uptime seconds")
    seconds = console.uptime(text)
    if seconds is None:
        raise CannotLook(f"core show uptime seconds says {text.strip()[:100]!r}")
    return seconds


@check(
    "telephony.manager",
    why="Without events the connector hears of no call; with too many rights, its password is a key to everything.",
    expected="each user of AMI logs in, is answered within a second, and has exactly the rights that it needs",
    remedy="Correct manager.conf (role boxlift.portal.telephony writes it), then: asterisk -rx 'manager reload'.",
    blocks="some",
    needs=("telephony.exchange",),
)
def manager(context: TelephonyContext) -> Verdict:
    if context.manager_connect is None or not context.manager_users:
        raise DoesNotApply("no user of AMI was given")
    wrong, loose = [], []
    for user in context.manager_users:
        wrong += _login(context, user)
        shown = console.rights(context.console(f"manager show user {user.name}"))
        if shown is None:
            wrong.append(f"Asterisk knows no user {user.name}")
            continue
        for kind, needed in (("read", set(user.read)), ("write", set(user.write))):
            given = shown[kind]
            lacking = set() if "all" in given else needed - given
            if lacking:
                wrong.append(f"{user.name} lacks {kind}={','.join(sorted(lacking))}")
            if given - needed:
                loose.append(f"{user.name} has {kind}={','.join(sorted(given - needed))} and needs it not")
    if wrong:
        return failed("; ".join(wrong + loose))
    if loose:
        return warned("; ".join(loose), "Take away what it does not need in manager.conf, then manager reload.")
    return passed(", ".join(user.name for user in context.manager_users))


def _login(context: TelephonyContext, user: ManagerUser) -> list[str]:
    """What is wrong with this user's session."""
    if context.manager_connect is None:
        raise CannotLook("connections cannot be made from here")
    try:
        with session(context.manager_connect, user) as manager:
            begun = time.monotonic()
            answer = manager.ask("Ping")
            took = time.monotonic() - begun
    except LoginRefused as refused:
        return [refused.message]
    except OSError as problem:
        raise CannotLook(f"AMI does not answer: {problem}") from problem
    if answer.get("Ping") != "Pong":
        return [f"{user.name}: Ping is answered with {answer.get('Message', answer['Response'])}"]
    return [f"{user.name}: Ping took {took:.1f} s"] if took > PING_SECONDS else []


@check(
    "telephony.trunks",
    why="A trunk that is not registered takes no calls: clients hear that the number does not exist.",
    expected="each trunk is registered with its carrier, or its carrier is reached and answers",
    remedy="Compare user, password and address with the carrier's letter; asterisk -rx 'pjsip send register NAME'",
    blocks="some",
    owner="customer",
    needs=("telephony.exchange",),
)
def trunks(context: TelephonyContext) -> Verdict:
    if not context.trunks:
        raise DoesNotApply("no trunk was given")
    registered = console.registrations(context.console("pjsip show registrations"))
    contacts = console.contacts(context.console("pjsip show contacts"))
    wrong, unseen = [], []
    for name in context.trunks:
        states = {contact.status for contact in contacts if contact.aor == name}
        if name in registered and registered[name] != "Registered":
            wrong.append(f"{name}: {registered[name]}")
        elif name not in registered and not states:
            wrong.append(f"{name}: neither a registration nor a contact")
        elif states and states <= {"Unavail"}:
            wrong.append(f"{name}: the carrier does not answer (Unavail)")
        elif name not in registered and "Avail" not in states:
            unseen.append(f"{name}: nobody asks whether the carrier answers ({', '.join(sorted(states))})")
    if wrong:
        return failed("; ".join(wrong + unseen))
    if unseen:
        return warned("; ".join(unseen), "Set qualify_frequency=60 on the trunk's aor.")
    return passed(", ".join(context.trunks))


def pairs_without_a_codec(allowed: dict[str, list[str]], trunks: tuple[str, ...]) -> list[str]:
    """Trunk and phone that have no codec in common: between them a call is refused, or every second is converted."""
    found = []
    for trunk in trunks:
        for name, codecs in allowed.items():
            if name not in trunks and not set(codecs) & set(allowed[trunk]):
                found.append(f"{trunk} ({','.join(allowed[trunk])}) and {name} ({','.join(codecs)})")
    return found


def need_endpoint(context: TelephonyContext, name: str) -> dict[str, str]:
    """An endpoint's parameters. Raises BoxliftError where there is none."""
    found = context.endpoint(name)
    if not found:
        raise BoxliftError(
            f"Asterisk knows no endpoint {name}.", "Compare telephony_trunks and telephony_phones with pjsip.conf."
        )
    return found

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The channels that a site has set, and what preflight says of them."""

from __future__ import annotations

import re
import socket
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import mail
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.due import ways
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load

Data = dict[str, t.Any]
REACH_SECONDS = 5.0


def server(given: t.Mapping[str, t.Any] | None) -> mail.Server | None:
    """The mail server; None if none is set. Raises BoxliftError for what cannot be one."""
    if not given:
        return None
    options = {name: value for name, value in given.items() if name != "timeout"}
    lacking = [name for name in ("host", "sender") if not options.get(name)]
    known = mail.Server.__dataclass_fields__
    if lacking or set(options) - set(known) or options.get("secure", "always") not in mail.SECURE:
        raise BoxliftError(
            "notify_smtp lacks host or sender, or says what means nothing.",
            "ansible-doc boxlift.portal.notify describes it as smtp.",
        )
    made = mail.Server(**{**options, "port": int(options.get("port", 465)), "seconds": float(given.get("timeout", 20))})
    if made.username and made.secure == "never":
        raise BoxliftError("notify_smtp would send a password without TLS.", "Set secure to always or to starttls.")
    return made


def webhook(name: str, given: t.Any) -> Data:
    """One entry of `webhooks`. Raises BoxliftError for one that is not encrypted on its way to another machine."""
    known = {"url", "headers", "ca_path"}
    if not isinstance(given, t.Mapping) or not given.get("url") or set(given) - known:
        raise BoxliftError(
            f"The webhook {name} has no url, or a key that means nothing.", "Give it url, headers and ca_path."
        )
    url = str(given["url"])
    if not re.match(r"https://|http://(127[.0-9]+|localhost)[:/]", url):
        raise BoxliftError(
            f"The address of the webhook {name} does not begin with https://.",
            "Give one that does; http:// serves for this very machine only.",
        )
    return {"url": url, "headers": dict(given.get("headers") or {}), "ca_path": str(given.get("ca_path") or "")}


def is_reached(host: str, port: int) -> str:
    """Why a connection cannot be made; empty if it can."""
    try:
        socket.create_connection((host, port), timeout=REACH_SECONDS).close()
    except (OSError, UnicodeError) as error:  # the latter for what is no host's name
        return getattr(error, "strerror", None) or str(error)
    return ""


def findings(
    plan: t.Any, smtp: t.Any, webhooks: t.Any, reach: t.Callable[[str, int], str] = is_reached
) -> list[Finding]:
    """What preflight says: people whom nobody can tell, and channels that do not answer. Nothing without a plan.

    `plan`, `smtp` and `webhooks` are the variables migration_plan, notify_smtp and notify_webhooks of the inventory.
    """
    if not plan or not (smtp or webhooks):
        return []
    try:
        made = load(plan)
        mails = server(smtp)
        hooks = {str(name): webhook(str(name), given) for name, given in (webhooks or {}).items()}
    except BoxliftError as error:
        return [_finding("notices", "fail", error.message, "a plan and channels for its notices", error.remedy)]
    known = ways(made, mails is not None, hooks)
    silent = [made.people[name].name for name, its in known.items() if not its]
    lost = sorted({one.webhook for one in made.people.values() if one.webhook} - set(hooks))
    doubt = [f"no channel leads to {', '.join(silent)}"] if silent else []
    doubt += [f"people of the plan name the webhook {', '.join(lost)}, which notify_webhooks has not"] if lost else []
    out = [
        _finding(
            "notices",
            "warn" if doubt else "pass",
            "; ".join(doubt) or "everybody of the plan can be told",
            "an email with notify_smtp, or a webhook, for everybody of the plan",
            "Give them email or webhook in the plan, and the channel in the inventory." if doubt else "",
        )
    ]
    places = [("notify_smtp", mails.host, mails.port)] if mails is not None else []
    for name, hook in hooks.items():
        parts = urllib.parse.urlsplit(hook["url"])
        places.append((f"webhook {name}", parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)))
    for name, host, port in places:
        reason = reach(host, port)
        out.append(
            _finding(
                name.replace(" ", "_"),
                "warn" if reason else "pass",
                f"{host}:{port} of {name} cannot be reached from here: {reason}" if reason else f"{name} answers",
                "a channel that can be reached from the controller",
                f"Correct {name} in the inventory, or let the controller reach it." if reason else "",
            )
        )
    return out


def _finding(name: str, status: str, observed: str, expected: str, remedy: str) -> Finding:
    return Finding(
        id=f"inventory.{name}", area="inventory", status=status, observed=observed, expected=expected, remedy=remedy
    )

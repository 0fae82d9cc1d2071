# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the difference of the CRM can be carried over: both webhooks, asked from the web host."""

from __future__ import annotations

import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding

CLOUD, BOX = "cloud", "box"
NEEDED_SCOPES = ("crm", "user")
#: Without it calls are not carried over, and nothing else is missing.
CALLS = "telephony"
#: Without import, records would get new dates, and robots would write to clients.
IMPORT = "crm.item.import"
_RIGHTS = "Make the webhook anew as an administrator, with the rights crm, user and telephony (docs/crm.md)."


class Answer(t.Protocol):
    @property
    def result(self) -> t.Any: ...


class Asked(t.Protocol):
    """The part of `crm.rest.Rest` that is used here."""

    def call(self, method: str, params: t.Mapping[str, t.Any] | None = None) -> Answer: ...


def findings(which: str, webhook: str, domain: str, ask: t.Callable[[str], Asked]) -> list[Finding]:
    """What is known of one portal. `domain` is the box's name, which tells the two portals apart."""
    wrong_place = _place(which, webhook, domain)
    try:
        rest = ask(webhook)
        profile = rest.call("profile").result
    except BoxliftError as error:
        return [wrong_place, _silent(which, error)]
    found = [wrong_place, _finding(which, "answers", "pass", f"the {which}'s webhook works", "a webhook that works")]
    found.append(_administrator(which, profile))
    for look in (_scopes, *((_import,) if which == BOX else ())):
        try:
            found.append(look(which, rest))
        except BoxliftError as error:
            name = look.__name__.strip("_")
            found.append(_finding(which, name, "unknown", error.message.rstrip("."), "an answer", error.remedy))
    return found


def _place(which: str, webhook: str, domain: str) -> Finding:
    """Two webhooks that were mixed up would carry the box into the cloud."""
    host = urllib.parse.urlsplit(webhook).hostname or ""
    is_box = host == domain.lower()
    good = not domain or is_box == (which == BOX)
    seen = f"site_crm_{which}_webhook leads to {host}"
    wish = f"{domain}, the box" if which == BOX else f"the cloud's portal, which is not {domain}"
    remedy = f"Correct site_crm_{which}_webhook: the webhooks of cloud and box may have been mixed up."
    return _finding(which, "portal", "pass" if good else "fail", seen, wish, "" if good else remedy)


def _silent(which: str, error: BoxliftError) -> Finding:
    """The box may not be restored yet; playbook delta refuses then."""
    status = "fail" if which == CLOUD else "warn"
    remedy = error.remedy or f"Try the webhook of the {which} from the web host."
    return _finding(which, "answers", status, error.message.rstrip("."), "a webhook that works", remedy)


def _administrator(which: str, profile: t.Any) -> Finding:
    admin = isinstance(profile, dict) and profile.get("ADMIN") in (True, "Y", "1", 1, "true")
    seen = f"the {which}'s webhook belongs to {'an administrator' if admin else 'somebody who is no administrator'}"
    status, remedy = ("pass", "") if admin else ("fail", _RIGHTS)
    return _finding(which, "administrator", status, seen, "an administrator's webhook", remedy)


def _scopes(which: str, rest: Asked) -> Finding:
    given = {str(scope) for scope in rest.call("scope").result}
    missing = [scope for scope in NEEDED_SCOPES if scope not in given]
    wish = f"the rights {', '.join(NEEDED_SCOPES)} and {CALLS}"
    if missing:
        return _finding(which, "scopes", "fail", f"the rights {', '.join(missing)} are missing", wish, _RIGHTS)
    if CALLS not in given:
        return _finding(which, "scopes", "warn", f"{CALLS} is missing: calls are not carried over", wish, _RIGHTS)
    return _finding(which, "scopes", "pass", "the webhook has the rights that are needed", wish)


def _import(which: str, rest: Asked) -> Finding:
    told = rest.call("method.get", {"name": IMPORT}).result
    good = isinstance(told, dict) and bool(told.get("isExisting")) and bool(told.get("isAvailable"))
    return _finding(
        which,
        "import",
        "pass" if good else "fail",
        f"{IMPORT} is {'there' if good else 'not available'}",
        f"{IMPORT}, which keeps dates and starts no robots",
        "" if good else "Update the box's module crm, and give the webhook the right crm.",
    )


def _finding(which: str, name: str, status: str, seen: str, wish: str, remedy: str = "") -> Finding:
    return Finding(f"crm.{which}_{name}", "crm", status, seen, wish, remedy)

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the portal must know: our credential, the employees' inner numbers, our lines, and its own address."""

from __future__ import annotations

import collections
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.context import TelephonyContext, check
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.rest import Rest, RestRefused

#: What the portal says to a registration without an employee, where the credential may register at all.
NO_EMPLOYEE = "USER_ID or USER_PHONE_INNER"
DENIED = ("ACCESS_DENIED", "WRONG_AUTH_TYPE", "insufficient_scope")


@check(
    "telephony.credential",
    why="A portal may let only applications register calls; with the wrong kind of credential no call reaches a card.",
    expected="the credential may register calls, and read the statistics of calls",
    remedy="Give the webhook or application the rights telephony, crm and user, and its employee the call statistics.",
    blocks="some",
    reference="b24restdocs: telephony.externalCall.register, voximplant.statistic.get",
)
def credential(context: TelephonyContext) -> Verdict:
    context.need_rest()
    seen = {rest.kind: _may(rest) for rest in context.rest}
    used, *others = seen.items()
    observed = "; ".join(f"{kind}: {problem or 'may register and read'}" for kind, problem in seen.items())
    if used[1]:
        return failed(observed)
    return warned(observed) if any(problem for _kind, problem in others) else passed(observed)


def _may(rest: Rest) -> str:
    """Why this credential cannot be used. Nothing is registered: the request names no employee."""
    try:
        rest.call("telephony.externalCall.register", PHONE_NUMBER="0", TYPE=2)
    except RestRefused as refused:
        if NO_EMPLOYEE not in refused.description:
            return f"may not register calls ({refused.code}: {refused.description})"
    else:
        return "the portal registers calls without an employee; this is no portal that is known"
    try:
        rest.call("voximplant.statistic.get", FILTER={"CALL_ID": "boxlift-check"})
    except RestRefused as refused:
        return f"may not read the statistics ({refused.code}: {refused.description})"
    return ""


@check(
    "telephony.inner_numbers",
    why="A call is given to the employee whose inner number rang; without it, or with two, it goes to somebody else.",
    expected="each inner number of the exchange belongs to exactly one active employee",
    remedy="Enter the inner number in the employee's profile (field UF_PHONE_INNER), once.",
    blocks="some",
    owner="customer",
    needs=("telephony.credential",),
)
def inner_numbers(context: TelephonyContext) -> Verdict:
    if not context.inner_numbers:
        raise DoesNotApply("no inner number was given")
    users = context.need_rest().all("user.get", FILTER={"ACTIVE": True})
    if not users:
        raise CannotLook("user.get names no active employee: the credential lacks the right user")
    holders = collections.defaultdict(list)
    for user in users:
        number = str(user.get("UF_PHONE_INNER") or "").strip()
        if number:
            holders[number].append(f"{user.get('NAME', '')} {user.get('LAST_NAME', '')}".strip() or f"ID {user['ID']}")
    missing = [number for number in context.inner_numbers if number not in holders]
    double = [f"{number} ({', '.join(names)})" for number, names in sorted(holders.items()) if len(names) > 1]
    wrong = ([f"in no profile: {', '.join(missing)}"] if missing else []) + (
        [f"in several profiles: {'; '.join(double)}"] if double else []
    )
    return failed("; ".join(wrong)) if wrong else passed(f"{len(context.inner_numbers)} inner numbers, each once")


@check(
    "telephony.lines",
    why="A call by a line that the portal does not know is counted for none, and its sources cannot be compared.",
    expected="the portal knows each of our lines",
    remedy="Run boxlift.portal.telephony, which adds them, or add them with telephony.externalLine.add.",
    blocks="some",
    needs=("telephony.credential",),
)
def lines(context: TelephonyContext) -> Verdict:
    if not context.lines:
        raise DoesNotApply("no line was given")
    try:
        rows: t.Any = context.need_rest().call("telephony.externalLine.get")
    except RestRefused as refused:
        if refused.code in DENIED:
            raise CannotLook(f"the credential may not see the lines ({refused.code})") from None
        raise
    known = {str(row.get("NUMBER")) for row in rows}
    missing = [line for line in context.lines if line not in known]
    if missing:
        return failed(f"not in the portal: {', '.join(missing)}; it knows {', '.join(sorted(known)) or 'none'}")
    return passed(", ".join(context.lines))


@check(
    "telephony.outgoing_line",
    why="A click on a number reaches our application only if it is the default outgoing line.",
    expected="the portal's default outgoing line is the one that was given",
    remedy="Telephony, Configure, Default outgoing number: choose our application.",
    blocks="some",
    owner="customer",
    needs=("telephony.credential",),
)
def outgoing_line(context: TelephonyContext) -> Verdict:
    if not context.outgoing_line:
        raise DoesNotApply("no default outgoing line was given: click-to-call is not used")
    try:
        shown = str(context.need_rest().call("voximplant.line.outgoing.get") or "")
    except RestRefused as refused:
        if refused.code in DENIED:
            raise CannotLook(f"the credential may not see the default line ({refused.code})") from None
        raise
    if shown != context.outgoing_line:
        return failed(f"it is {shown or 'not set'}, not {context.outgoing_line}")
    return passed(shown)


@check(
    "telephony.portal_url",
    why="After a cloud's backup the telephony module still names the cloud: recordings and events go there.",
    expected="voximplant.portal_url is https, and names this portal",
    remedy="Run boxlift.portal.portal_site with the domain, or set voximplant.portal_url with portal_option.",
    blocks="some",
)
def portal_url(context: TelephonyContext) -> Verdict:
    if context.portal_url is None or not context.domain:
        raise DoesNotApply("portal_url of the portal, or its domain, was not given")
    parts = urllib.parse.urlsplit(context.portal_url)
    if not context.portal_url:
        return failed("it is empty")
    if (parts.hostname or "") != context.domain.lower():
        return failed(f"it is {context.portal_url}, and the portal is {context.domain}")
    if parts.scheme != "https":
        return failed(f"it is {context.portal_url}, which is not https")
    return passed(context.portal_url)

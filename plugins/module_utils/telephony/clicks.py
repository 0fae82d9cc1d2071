# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clicks on numbers in the portal: the event that it sends, and the call that the exchange is asked to make."""

from __future__ import annotations

import dataclasses
import datetime
import hmac
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import OUTGOING, CallFact, Exchange
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.settings import Listening

CLICK = "ONEXTERNALCALLSTART"
# Who clicked so long ago has given up, or clicked again.
PATIENCE_SECONDS = 60.0
_CALL_ID = re.compile(r"[\w.-]{1,100}")


class Forged(BoxliftError):
    """Whoever sent this does not know the token."""


class Unusable(BoxliftError):
    """An event that no call can be made of."""


@dataclasses.dataclass(frozen=True)
class Click:
    """Somebody wants to call a number. The portal has registered the call already, under `call_id`."""

    call_id: str
    user: int
    number: str  # digits, perhaps with a plus in front
    line: str


def click_of(form: t.Mapping[str, str], token: str) -> Click:
    """The event that a form holds. Raises Forged, or Unusable."""
    given = form.get("auth[application_token]", "")
    if not token or not hmac.compare_digest(given.encode(), token.encode()):
        raise Forged("An event came with another application_token.", "Set call_connector_click_token to the portal's.")
    if form.get("event", "").upper() != CLICK:
        raise Unusable(f"No call is made for the event {form.get('event', '')[:40]!r}.", f"Send {CLICK} here only.")
    return click_in({name[5:-1]: value for name, value in form.items() if name.startswith("data[")})


def click_in(data: object) -> Click:
    """The event's data, checked. Raises Unusable."""
    if not isinstance(data, dict):
        raise Unusable("An event has no data.", "See the portal's event handlers.")
    call_id = str(data.get("CALL_ID") or "")
    given = str(data.get("PHONE_NUMBER_INTERNATIONAL") or data.get("PHONE_NUMBER") or "")
    number = re.sub(r"[\s().-]", "", given)
    user = str(data.get("USER_ID") or "")
    if not _CALL_ID.fullmatch(call_id) or not user.isdigit():
        raise Unusable("An event has no CALL_ID or no USER_ID.", "See the portal's event handlers.")
    if not re.fullmatch(r"\+?[0-9*#]{1,32}", number):
        raise Unusable(f"Nothing can be dialled as {given[:40]!r}.", "Correct the number on the client's card.")
    return Click(call_id, int(user), number, str(data.get("LINE_NUMBER") or ""))


def age_of(event: t.Mapping[str, t.Any], now: float) -> float:
    """Seconds since a queued event; 0 where the portal does not say when it was."""
    try:
        return now - datetime.datetime.fromisoformat(str(event.get("TIMESTAMP_X"))).timestamp()
    except ValueError:
        return 0.0


def linkedid_of(click: Click) -> str:
    """The Linkedid that the exchange is asked to give the call, so that its events are known from the first."""
    return f"click-{click.call_id}"


def fact_of_click(click: Click, inner: str, exchange: Exchange, now: float) -> CallFact:
    """The call before the exchange has begun it."""
    return CallFact(
        external_id=exchange.external_id(linkedid_of(click)),
        kind=OUTGOING,
        number=click.number,
        line=click.line,
        started=now,
        inner=inner,
        portal_call_id=click.call_id,
    )


def originate_fields(click: Click, inner: str, listening: Listening) -> dict[str, str]:
    """Originate: first the employee's phone rings, then the number is dialled as from that phone."""
    return {
        "Channel": listening.channel.format(inner=inner),
        "ChannelId": linkedid_of(click),
        "Context": listening.context,
        "Exten": click.number.lstrip("+"),
        "Priority": "1",
        "CallerID": inner,
        "Variable": f"__BOXLIFT_CALL_ID={click.call_id}",
        "Timeout": "30000",
        "Async": "true",
    }


def not_made(fact: CallFact, status: str) -> CallFact:
    """The call that the exchange does not make: the portal waits for its end."""
    return dataclasses.replace(fact, stage="ended", ringing=(), status=status)

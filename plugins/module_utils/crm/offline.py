# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Offline events: the portal keeps a queue of what happened, for an application whose user is an administrator.

Reading reserves rows; they are taken away only when what they said is in a finished snapshot. Rows that a killed run
has reserved are not given again for 30 days. What they say is found by counting then, as without any queue.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import Answer, RestError
from ansible_collections.boxlift.portal.plugins.module_utils.crm.commands import Command

ADD, UPDATE, DELETE = "ADD", "UPDATE", "DELETE"
#: What nothing else tells: records that are gone, and comments that were edited.
EVENTS = (
    *(f"ONCRM{kind}DELETE" for kind in ("LEAD", "DEAL", "CONTACT", "COMPANY", "DYNAMICITEM", "ACTIVITY")),
    *(f"ONCRMTIMELINECOMMENT{what}" for what in (ADD, UPDATE, DELETE)),
)
_NAME = re.compile(r"ONCRM(LEAD|DEAL|CONTACT|COMPANY|DYNAMICITEM|ACTIVITY|TIMELINECOMMENT)(ADD|UPDATE|DELETE)")
_PAGE = 50
_MOST = 2000  # readings of the queue in one pass


class Rest(t.Protocol):
    """What is needed of `crm.rest.Rest`."""

    def call(self, method: str, params: t.Mapping[str, t.Any] | None = None, *, repeat: bool = True) -> Answer: ...
    def batch(self, commands: t.Sequence[Command], *, repeat: bool = True, halt: bool = False) -> t.Sequence[t.Any]: ...


class Event(t.NamedTuple):
    """`kind` is a name of `kinds`, `what` is ADD, UPDATE or DELETE."""

    kind: str
    id: int
    what: str


def bind(rest: Rest) -> list[str]:
    """Have the portal keep events from now on; those that it refuses, with its reason. It knows no binding twice."""
    commands = [Command("event.bind", {"event": name, "event_type": "offline"}) for name in EVENTS]
    refused = []
    for name, outcome in zip(EVENTS, rest.batch(commands)):
        if isinstance(outcome, RestError):
            if "already" not in outcome.message.lower():
                refused.append(f"{name}: {outcome.message}")
        elif not isinstance(outcome, Answer):
            raise outcome
    return refused


def take(rest: Rest) -> tuple[list[Event], list[str]]:
    """What happened since the queue was read last, and the reservations, which `clear` ends.

    Raises RestError, Unanswered.
    """
    found: list[Event] = []
    reservations: list[str] = []
    for _reading in range(_MOST):
        # Not repeated after a lost answer: that would reserve others, and these would seem not to be there.
        result = rest.call("event.offline.get", {"clear": 0, "limit": _PAGE}, repeat=False).result
        events = result.get("events") or []
        if result.get("process_id") and events:
            reservations.append(str(result["process_id"]))
        found += [event for event in map(_read, events) if event is not None]
        if len(events) < _PAGE:
            break
    return found, reservations


def clear(rest: Rest, reservations: t.Iterable[str]) -> None:
    """Take away what is in a finished snapshot."""
    for outcome in rest.batch([Command("event.offline.clear", {"process_id": each}) for each in reservations]):
        if not isinstance(outcome, (Answer, RestError)):
            raise outcome


def _read(event: t.Mapping[str, t.Any]) -> Event | None:
    match = _NAME.fullmatch(str(event.get("EVENT_NAME")).upper())
    data = event.get("EVENT_DATA")
    fields = data.get("FIELDS") if isinstance(data, dict) else None
    if match is None or not isinstance(fields, dict) or not str(fields.get("ID", "")).isdecimal():
        return None
    name = match[1].lower()
    if name == "dynamicitem":
        entity_type = str(fields.get("ENTITY_TYPE_ID", ""))
        if not entity_type.isdecimal() or int(entity_type) < kinds.FIRST_SMART:
            return None
        name = f"smart:{entity_type}"
    return Event("comment" if name == "timelinecomment" else name, int(fields["ID"]), match[2])

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test calls: each is made or awaited, and followed from the exchange's record to the client's card.

What a test call leaves on cards is deleted afterwards: its activity, and the client that was created for it. The row in
the portal's statistics stays, because the REST interface cannot delete it.
"""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.context import Record, Records
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.media import is_silent, recording_problem
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.rest import Rest, RestRefused

#: Result that is asked for → the disposition that the exchange records, and the codes that the portal may show.
RESULTS = {
    "answered": ("ANSWERED", ("200",)),
    "missed": ("NO ANSWER", ("304", "603-S")),
    "busy": ("BUSY", ("486",)),
}
#: The exchange counts talk to the microsecond, the portal in whole seconds.
TALK_TOLERANCE = 2.0
#: Clocks of two hosts may differ by so much.
CLOCK_SECONDS = 5.0
DELETABLE = ("LEAD", "CONTACT", "COMPANY")


@dataclasses.dataclass(frozen=True)
class PlannedCall:
    """A row of the plan. Without `dial`, the fields of AMI's Originate, somebody makes the call by hand."""

    name: str
    direction: str
    client: str
    line: str = ""
    result: str = "answered"
    queue: bool = False
    recorded: bool = True
    lead: bool = False
    dial: t.Mapping[str, str] | None = None


@dataclasses.dataclass
class Followed:
    """What became of a call, and what is wrong with that."""

    plan: PlannedCall
    record: Record | None = None
    rows: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)
    deleted: list[str] = dataclasses.field(default_factory=list)
    unseen: str = ""

    @property
    def status(self) -> str:
        return "fail" if self.problems else "unknown" if self.unseen else "pass"

    def as_dict(self) -> dict[str, t.Any]:
        """The row of the matrix."""
        row = self.rows[0] if self.rows else {}
        plan = {name: getattr(self.plan, name) for name in ("name", "direction", "line", "result", "queue", "recorded")}
        return {
            **plan,
            "status": self.status,
            "talk": round(self.record.talk) if self.record else None,
            "facts": len(self.rows),
            "code": row.get("CALL_FAILED_CODE"),
            "call_id": row.get("CALL_ID"),
            "problems": self.problems or ([self.unseen] if self.unseen else []),
            "deleted": self.deleted,
        }

    def finding(self) -> Finding:
        sound = ", a recording that holds sound" if self.plan.recorded else ""
        expected = f"{self.plan.result}, one call fact{sound}"
        observed = "; ".join(self.problems) or self.unseen or f"one call fact, {', '.join(self._seen())}"
        remedy = "Follow the call by its identifier in the exchange's and the connector's logs, and call again."
        name = re.sub(r"\W+", "_", self.plan.name)
        return Finding(f"telephony.call.{name}", "telephony", self.status, observed, expected,
                       "" if self.status == "pass" else remedy, blocks="some")  # fmt: skip

    def _seen(self) -> list[str]:
        row = self.rows[0] if self.rows else {}
        return [f"code {row.get('CALL_FAILED_CODE')}", f"{row.get('CALL_DURATION')} s of talk"]


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """The exchange and the portal, as far as a test call needs them; `pause` waits a moment."""

    rest: Rest
    records: Records
    recordings: str
    prefix: str
    now: t.Callable[[], float]
    pause: t.Callable[[], None]
    dial: t.Callable[[t.Mapping[str, str]], None] | None = None
    #: The bytes behind a recording's address; None where the portal does not show it to us.
    fetch: t.Callable[[str], bytes | None] = lambda _url: None
    patience: float = 120.0


def follow_all(plans: t.Sequence[PlannedCall], around: Surroundings) -> list[Followed]:
    """One call after the other: calls of one client would be taken for each other."""
    taken: set[str] = set()
    followed = []
    for plan in plans:
        outcome = Followed(plan)
        followed.append(outcome)
        try:
            _follow(outcome, around, taken)
        except (BoxliftError, OSError) as problem:
            outcome.unseen = f"could not look: {problem}"
    return followed


def _follow(outcome: Followed, around: Surroundings, taken: set[str]) -> None:
    plan, begun = outcome.plan, around.now()
    before = _cards(around.rest, plan.client)
    if plan.dial:
        if around.dial is None:
            raise BoxliftError("No user of AMI may dial.", "Give a user with write=originate, or call by hand.")
        around.dial(plan.dial)
    outcome.record = _await(around, lambda: _record_of(plan, around, begun - CLOCK_SECONDS, taken))
    if outcome.record is None:
        outcome.problems.append(f"the exchange recorded no such call within {around.patience:.0f} s")
        return
    taken.add(outcome.record.linkedid)
    try:
        outcome.rows = _await(around, lambda: _facts_of(outcome.record, around)) or []
        _judge_record(outcome, around)
        _judge_fact(outcome, around)
        if plan.lead and not set(_cards(around.rest, plan.client)) - set(before):
            outcome.problems.append("no lead was created")
    finally:
        _clean_up(outcome, around.rest, before)


def _await(around: Surroundings, look: t.Callable[[], t.Any]) -> t.Any:
    """What `look` finds, as soon as it is something, at most until the patience ends."""
    deadline = around.now() + around.patience
    while not (found := look()) and around.now() < deadline:
        around.pause()
    return found or None


def _record_of(plan: PlannedCall, around: Surroundings, since: float, taken: set[str]) -> Record | None:
    for record in around.records(since, around.now() + CLOCK_SECONDS):
        meant = record.direction == plan.direction and _same_number(record.client, plan.client)
        if meant and record.linkedid not in taken and plan.line in ("", record.line):
            return record
    return None


def _same_number(one: str, other: str) -> bool:
    """Whether two ways of writing are one number: with or without the country, a plus or a prefix."""
    first, second = (re.sub(r"\D", "", each)[-10:] for each in (one, other))
    return first == second


def _facts_of(record: Record | None, around: Surroundings) -> list[dict[str, t.Any]]:
    """The rows of the portal's statistics. What the portal does not understand as a filter it ignores: look again."""
    if record is None:
        return []
    name, value = "EXTERNAL_CALL_ID", around.prefix + record.linkedid
    if record.portal_call_id:
        name, value = "CALL_ID", record.portal_call_id
    rows = around.rest.call("voximplant.statistic.get", FILTER={name: value})
    return [row for row in rows if str(row.get(name)) == value]


def _judge_record(outcome: Followed, around: Surroundings) -> None:
    plan, record = outcome.plan, outcome.record
    if record is None:
        return
    disposition = RESULTS[plan.result][0]
    if record.disposition != disposition:
        outcome.problems.append(f"the exchange recorded {record.disposition}, not {disposition}")
    if record.queue != plan.queue:
        outcome.problems.append("it went through a queue" if record.queue else "it went through no queue")
    if plan.recorded and plan.result == "answered":
        wrong = recording_problem(around.recordings, record) if record.recording else ["nothing was recorded"]
        if not wrong and is_silent(os.path.join(around.recordings, record.recording)):
            wrong = ["the recording is silent: no sound came from either side"]
        outcome.problems += wrong


def _judge_fact(outcome: Followed, around: Surroundings) -> None:
    plan, record = outcome.plan, outcome.record
    if len(outcome.rows) != 1 or record is None:
        word = f"{len(outcome.rows)} call facts: it counts double" if outcome.rows else "no call fact: the call is lost"
        outcome.problems.append(word)
        return
    [row] = outcome.rows
    # A client who met a busy phone is one to be called back.
    codes = ("486", "304") if (plan.result, plan.direction) == ("busy", "in") else RESULTS[plan.result][1]
    if str(row.get("CALL_FAILED_CODE")) not in codes:
        outcome.problems.append(f"the portal shows {row.get('CALL_FAILED_CODE')}, not {' or '.join(codes)}")
    told = float(row.get("CALL_DURATION") or 0)
    if abs(told - record.talk) > TALK_TOLERANCE:
        outcome.problems.append(f"the portal shows {told:.0f} s of talk, the exchange {record.talk:.0f} s")
    if row.get("CRM_ENTITY_ID") and not _has_activity(row, around.rest):
        outcome.problems.append("the client's card has no activity of the call")
    if plan.recorded and plan.result == "answered" and record.recording:
        outcome.problems += _recording_in_the_portal(row, record, around)


def _has_activity(row: dict[str, t.Any], rest: Rest) -> bool:
    number = row.get("CRM_ACTIVITY_ID")
    if not number:
        return False
    try:
        activity = rest.call("crm.activity.get", ID=number)
    except RestRefused:
        return False
    return str(activity.get("ORIGIN_ID")) == f"VI_{row['CALL_ID']}"


def _recording_in_the_portal(row: dict[str, t.Any], record: Record, around: Surroundings) -> list[str]:
    """The connector sends it after the call's end, so it is waited for."""

    def attached() -> dict[str, t.Any] | None:
        rows = around.rest.call("voximplant.statistic.get", FILTER={"CALL_ID": row["CALL_ID"]})
        mine = [each for each in rows if each.get("CALL_ID") == row["CALL_ID"]]
        return next((each for each in mine if each.get("RECORD_FILE_ID")), None)

    found = row if row.get("RECORD_FILE_ID") else _await(around, attached)
    if not found:
        return ["the portal has no recording"]
    content = around.fetch(str(found["CALL_RECORD_URL"])) if found.get("CALL_RECORD_URL") else None
    if content is None:
        return []  # the portal shows recordings to people only
    with open(os.path.join(around.recordings, record.recording), "rb") as stream:
        kept = stream.read()
    return [] if content == kept else [f"the portal's recording has {len(content)} bytes, the exchange's {len(kept)}"]


def _cards(rest: Rest, client: str) -> dict[tuple[str, int], str]:
    """The clients with this number: kind and ID → name."""
    rows = rest.call("telephony.externalCall.searchCrmEntities", PHONE_NUMBER=client)
    return {(str(row["CRM_ENTITY_TYPE"]), int(row["CRM_ENTITY_ID"])): str(row.get("NAME")) for row in rows}


def _clean_up(outcome: Followed, rest: Rest, before: t.Mapping[tuple[str, int], str]) -> None:
    """Delete the call's activity and the client that was created for it. What cannot be deleted is told."""
    for row in outcome.rows:
        if row.get("CRM_ACTIVITY_ID") and _has_activity(row, rest):
            _delete(outcome, rest, "crm.activity.delete", int(row["CRM_ACTIVITY_ID"]))
    named = {(str(row.get("CRM_ENTITY_TYPE")), str(row.get("CRM_ENTITY_ID"))) for row in outcome.rows}
    for kind, number in _cards(rest, outcome.plan.client):
        if (kind, number) in before:
            continue
        if (kind, str(number)) not in named or kind not in DELETABLE:
            outcome.problems.append(f"left behind: {kind.lower()} {number}, which no call fact names")
            continue
        if kind == "CONTACT":
            deals = rest.call("crm.deal.list", filter={"CONTACT_ID": number}, select=["ID", "CONTACT_ID"])
            # A filter that a portal does not know matches everything.
            for deal in [each for each in deals if str(each.get("CONTACT_ID")) == str(number)]:
                _delete(outcome, rest, "crm.deal.delete", int(deal["ID"]))
        _delete(outcome, rest, f"crm.{kind.lower()}.delete", number)


def _delete(outcome: Followed, rest: Rest, method: str, number: int) -> None:
    try:
        rest.call(method, ID=number)
        outcome.deleted.append(f"{method.split('.')[1]} {number}")
    except RestRefused as refused:
        outcome.problems.append(f"{method} {number}: {refused.description}: delete it by hand")

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one entrance for incidents: what may be written of them, and how they stand, in words for a telephone."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
import zoneinfo

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.units import duration
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import incidents as inc
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.due import SENT
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.kept import Kept
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.matters import TROUBLE
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.records import Records

LIST = "list"
ACTIONS = (LIST, inc.OPEN, inc.NOTE, inc.HAND_OVER, inc.CLOSE)
VIP, REGULAR = "vip", "regular"
CUSTOMER_CLASSES = (VIP, REGULAR)
#: Whose people hear of incidents where nobody says otherwise; an important customer's account manager hears too.
AUDIENCE = ("contractor", "customer")
AUDIENCES = {VIP: (*AUDIENCE, "sales"), REGULAR: AUDIENCE}
TELEPHONE = "telephone"

Data = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Wish:
    """What somebody wants to write. `told` are people who have just heard by telephone. `began` is in seconds.

    `raises` says that a normal incident is critical from now on.
    """

    action: str
    number: int = 0
    title: str = ""
    kind: str = inc.CRITICAL
    owner: str = ""
    users: str = ""
    text: str = ""
    cause: str = ""
    cure: str = ""
    told: tuple[str, ...] = ()
    began: float | None = None
    audience: tuple[str, ...] = AUDIENCE
    group: str = ""
    alerts: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    raises: bool = False


def lines_for(records: Records, plan: Plan, wish: Wish) -> tuple[int, list[tuple[str, Data]]]:
    """The incident's number, and the lines that the wish adds, each with its kind; none if the records say it already.

    Raises BoxliftError for what cannot be.
    """
    if wish.action == inc.OPEN:
        return _open(records, plan, wish)
    incident = chosen(records, wish)
    said: Data = {"number": incident.number, "what": wish.action}
    if wish.action == inc.NOTE:
        return incident.number, _note(plan, incident, wish, said)
    if not incident.is_open:
        if wish.action == inc.CLOSE and (wish.cause, wish.cure) == (incident.cause, incident.cure):
            return incident.number, []
        raise BoxliftError(
            f"Incident {incident.number} is closed.",
            "Add to it with incident_action=note, or open another one if the trouble is back.",
        )
    if wish.action == inc.HAND_OVER:
        owner = _owner(plan, wish.owner or _nobody(plan))
        if owner == incident.owner:
            return incident.number, []
        return incident.number, [(inc.EVENT, {**said, "owner": owner, "text": wish.text})]
    if not (wish.cause and wish.cure):
        raise BoxliftError(
            f"Incident {incident.number} is closed with its cause and its cure.",
            "Say both, as people should read them: incident_cause and incident_cure. "
            "Where the cause is not known, say so.",
        )
    return incident.number, [(inc.EVENT, {**said, "cause": wish.cause, "cure": wish.cure, "text": wish.text})]


def _open(records: Records, plan: Plan, wish: Wish) -> tuple[int, list[tuple[str, Data]]]:
    if not wish.title:
        raise BoxliftError("An incident has no title.", "Say in a few words what is wrong: incident_title.")
    same = [
        each
        for each in records.incidents
        if each.is_open and (each.group == wish.group if wish.group else each.title == wish.title)
    ]
    if same:
        return same[-1].number, []
    owner = _owner(plan, wish.owner) if wish.owner else _usual_owner(plan)
    unknown = sorted(set(wish.audience) - set(plan.organisations))
    if unknown:
        raise BoxliftError(
            f"incident_audience: the plan has no organisation {', '.join(unknown)}.",
            f"Possible are {', '.join(plan.organisations)}.",
        )
    people = [one.id for one in plan.people.values() if one.org in wish.audience or one.id == owner]
    number = max([each.number for each in records.incidents], default=0) + 1
    line: Data = {
        "number": number, "what": inc.OPEN, "title": wish.title, "class": wish.kind, "owner": owner, "people": people,
        "users": wish.users, "text": wish.text,
        **({"began": wish.began} if wish.began is not None else {}),
        **({"group": wish.group, "alerts": dict(wish.alerts)} if wish.group else {}),
    }  # fmt: skip
    return number, [(inc.EVENT, line)]


def _note(plan: Plan, incident: inc.Incident, wish: Wish, said: Data) -> list[tuple[str, Data]]:
    out: list[tuple[str, Data]] = []
    known = [note.text for note in incident.notes if note.kind == inc.NOTE]
    changed = {name: state for name, state in wish.alerts.items() if incident.alerts.get(name) != state}
    if (wish.text and wish.text not in known[-1:]) or wish.users not in ("", incident.users) or changed or wish.raises:
        more = {**({"users": wish.users} if wish.users else {}), **({"alerts": changed} if changed else {})}
        more.update({"class": inc.CRITICAL} if wish.raises else {})
        out.append((inc.EVENT, {**said, "text": wish.text, **more}))
    if not (wish.text or wish.users or wish.told or wish.alerts):
        raise BoxliftError(
            f"There is nothing to note of incident {incident.number}.",
            "Say what is new (incident_text), what people notice now (incident_users), or who has heard by telephone "
            "(incident_told).",
        )
    for person in wish.told:
        if person not in plan.people:
            raise BoxliftError(
                f"incident_told: the plan has no person {person}.", f"Possible are {', '.join(plan.people)}."
            )
    if wish.told:
        if not incident.is_open:
            raise BoxliftError(
                f"Incident {incident.number} is closed: nobody is waiting for news of it.",
                "Leave incident_told out.",
            )
        line = {
            "matter": incident.id, "kind": TROUBLE, "since": round(incident.class_since * 1000), "channel": TELEPHONE,
            "people": list(wish.told), "language": plan.language, "outcome": SENT,
        }  # fmt: skip
        out.append(("notice", line))
    return out


def chosen(records: Records, wish: Wish) -> inc.Incident:
    """The incident of that number; without a number, the only one that is open. Raises BoxliftError."""
    everything = records.incidents
    open_ones = [each for each in everything if each.is_open]
    found = [each for each in everything if each.number == wish.number] if wish.number else open_ones
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"{each.number} ({each.title})" for each in open_ones) or "none"
    what = f"There is no incident {wish.number}" if wish.number else "It is not clear which incident is meant"
    raise BoxliftError(f"{what}; open are: {there}.", "Give its number: -e incident_number=NUMBER.")


def _owner(plan: Plan, owner: str) -> str:
    if owner in plan.people or owner in plan.organisations:
        return owner
    named = [one.id for one in plan.people.values() if one.name == owner]
    if named:
        return named[0]
    raise BoxliftError(
        f"incident_owner: the plan has nobody called {owner}.",
        f"Possible are {', '.join([*plan.people, *plan.organisations])}.",
    )


def _usual_owner(plan: Plan) -> str:
    """Whoever works on the hosts; else the contractor."""
    return next((one.id for one in plan.people.values() if "operator" in one.roles), "contractor")


def _nobody(plan: Plan) -> str:
    raise BoxliftError(
        "Nobody is named who takes the incident over.",
        f"Name the new owner: incident_owner. Possible are {', '.join(plan.people)}.",
    )


# -- how they stand


def name_of(plan: Plan, owner: str) -> str:
    return plan.people[owner].name if owner in plan.people else plan.organisations.get(owner, owner)


def overview(plan: Plan, cadences: t.Iterable[tuple[inc.Incident, Kept]], now: float) -> list[str]:
    """Every open incident with what is due and overdue, to be read out; empty where none is open."""
    out: list[str] = []
    for incident, kept in cadences:
        if incident.is_open:
            owner, lasts = name_of(plan, incident.owner), duration(now - incident.opened)
            out.append(f"Incident {incident.number} ({incident.kind}), open for {lasts}, {owner}: {incident.title}")
            out += [f"  {line}" for line in _due(plan, kept, now)]
    return out


def _due(plan: Plan, kept: Kept, now: float) -> t.Iterator[str]:
    ahead: dict[float, list[str]] = {}
    for person, moment in kept.next.items():
        if moment < now:
            why = [each.reason for each in kept.late if each.person == person]
            told = f" ({why[-1]})" if why else ""
            yield f"OVERDUE since {clock(plan, moment)}: {name_of(plan, person)}{told}"
        else:
            ahead.setdefault(moment, []).append(name_of(plan, person))
    for moment, people in sorted(ahead.items()):
        yield f"Next notice by {clock(plan, moment)}: {', '.join(people)}"
    if kept.late:
        yield f"Late so far: {len(kept.late)}"
    if not kept.next:
        yield "Nobody of the plan is to hear of it."


def clock(plan: Plan, at: float) -> str:
    return datetime.datetime.fromtimestamp(at, tz=zoneinfo.ZoneInfo(plan.timezone)).strftime("%Y-%m-%d %H:%M %Z")

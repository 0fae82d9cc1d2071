# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people have to hear of: steps at work, errors, gates that wait, a required decision, owed licences, incidents.

All of it is folded from the plan and the journal's lines, so that a killed sender knows after its restart what is due.
What the lines of others do not say is written down when it is first seen (`observations`): that a run was killed, and
that the forecast asks for a decision. Times are seconds since the epoch. Nothing here looks at a clock or a file.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import typing as t
import zoneinfo

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt, Failure, Run, moment
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import incidents as inc
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import owed
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import course
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast import Forecast
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.gate import APPROVE, REQUEST, SIGNATURE, Decision
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.graph import reach
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import (
    Estimate,
    Gate,
    Moment,
    Notice,
    Plan,
    Step,
)

MINUTE = 60.0
#: An incident and a decision: nobody waits longer, whatever the step's own cadence is.
FIRST, EVERY = 5 * MINUTE, 20 * MINUTE
GATE_EVERY, GATE_TIMES = 30 * MINUTE, 12  # a gate of a week is not told of every half an hour
DEBT_FIRST = 12 * 60 * MINUTE  # from a morning of the ladder until the evening of that day
ONCE = math.inf  # the cadence of a state that people hear of once, though it goes on

RUNNING, WAITING, INCIDENT, KILLED, ENDED = "running", "waiting", "incident", "killed", "ended"
ASKED, DECIDED, DECISION = "asked", "decided", "decision"
OWED, OVERDUE, PAID = "owed", "overdue", "paid"
OF_DEBTS = (OWED, OVERDUE, PAID)
#: Of the portal in operation; INCIDENT is an error that has stopped a step of the move.
TROUBLE, CURED = "trouble", "cured"
OF_INCIDENTS = (TROUBLE, CURED)
OPEN = (RUNNING, WAITING, INCIDENT, KILLED, ASKED, DECISION, OWED, OVERDUE, TROUBLE)

#: Events of lines: a notice that was sent or failed, and what a sender has seen.
NOTICE, OBSERVED = "notice", "observed"
LINE_KINDS = (NOTICE, OBSERVED)

Line = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Span:
    """A matter's state from `since` until `until` (None: it lasts).

    People hear `first` seconds after `since` at the latest, and then every `every` seconds, or not again if that is
    ONCE. `prompt` says that they are told at once, and not only when it has lasted until then. Each state has facts of
    its own, for the text.
    """

    kind: str
    since: float
    until: float | None
    first: float
    every: float
    prompt: bool = True
    facts: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def mark(self) -> tuple[str, int]:
        """By which the lines about it are known again."""
        return self.kind, round(self.since * 1000)

    @property
    def is_open(self) -> bool:
        """Whether it goes on. What is not open is the end of something."""
        return self.kind in OPEN

    @property
    def repeats(self) -> bool:
        """Whether people hear of it again and again."""
        return self.is_open and self.every < ONCE


@dataclasses.dataclass(frozen=True)
class Matter:
    """`people` hear of it. A debt and an incident have no stage.

    `id` is an occurrence (`move.fetch@final`), `gate go@final`, `decision final`, `debt fax@host` or `incident 7`.
    """

    id: str
    subject: str
    stage: str
    people: tuple[str, ...]
    spans: tuple[Span, ...]

    def at(self, now: float) -> Span | None:
        """The state that it is in."""
        return next((span for span in reversed(self.spans) if span.since <= now), None)


@dataclasses.dataclass(frozen=True)
class Sight:
    """All that a look at the move takes in. `attempts` are those of its own journal, in the order of their start."""

    plan: Plan
    attempts: t.Sequence[Attempt]
    gate_lines: t.Sequence[Line]
    decisions: t.Mapping[tuple[str, str], Decision]
    lines: t.Sequence[Line]  # of LINE_KINDS
    is_running: t.Callable[[str], bool]
    now: float
    runs: t.Sequence[Run] = ()

    @functools.cached_property
    def debts(self) -> list[owed.Debt]:
        return owed.debts(self.runs)

    @functools.cached_property
    def killed(self) -> dict[tuple[str, str, int], float]:
        """When an attempt was first seen to be killed, by step, stage and number of its line."""
        seen = [line for line in self.lines if line["event"] == OBSERVED and line["what"] == KILLED]
        return {(line["step"], line["stage"], line["line"]): moment(line["time"]) for line in seen}


def matters(sight: Sight) -> list[Matter]:
    """Everything that people hear of by the journal; what is over has its end as the last span."""
    found = [*_occurrences(sight), *_gates(sight), *_decisions(sight), *_debts(sight)]
    return [each for each in found if each.spans]


def observations(sight: Sight, forecast: Forecast | None) -> list[dict[str, t.Any]]:
    """Lines (without event and time) to be written before anybody is told: what was not known until now."""
    out: list[dict[str, t.Any]] = []
    for attempt in _last_ones(sight):
        if _is_lost(sight, attempt) and not _broken(sight, attempt) and _seen_killed(sight, attempt) is None:
            out.append({"what": KILLED, "step": attempt.step, "stage": attempt.stage, "line": attempt.line})
    if forecast is not None:
        before = [line for line in sight.lines if line["event"] == OBSERVED and line["what"] == DECISION]
        before = [line for line in before if line["stage"] == forecast.stage]
        required = forecast.decision is not None
        if required != bool(before and before[-1]["required"]):
            more = {"before": round(forecast.decision.before)} if forecast.decision is not None else {}
            out.append({"what": DECISION, "stage": forecast.stage, "required": required, **more})
    return out


# -- steps


@dataclasses.dataclass(frozen=True)
class _About:
    title: str
    owner: str
    notice: Notice
    estimate: Estimate


def about(plan: Plan, step: str) -> _About | None:
    """A step's title, owner, cadence and estimate; those of the rollback too. None for one that is not in the plan."""
    if step == course.ROLLBACK:
        first = plan.steps[plan.cutover.first]
        return _About("Rollback", first.owner, first.notice, plan.cutover.rollback)
    known = plan.steps.get(step)
    return None if known is None else _About(known.title, known.owner, known.notice, known.estimate)


def _people(plan: Plan, organisations: t.Collection[str]) -> tuple[str, ...]:
    return tuple(person.id for person in plan.people.values() if person.org in organisations)


def _occurrences(sight: Sight) -> t.Iterator[Matter]:
    plan = sight.plan
    night = _night(plan)
    rounds: dict[Moment, list[Attempt]] = {}
    for attempt in sight.attempts:
        rounds.setdefault(Moment(attempt.step, attempt.stage), []).append(attempt)
    for each in night:
        if each.manual:
            rounds.setdefault(Moment(each.id, _stage_of_the_night(plan)), [])
    for occurrence, attempts in rounds.items():
        step = about(plan, occurrence.step)
        if step is None or occurrence.stage not in plan.stages:
            continue
        spans = [span for attempt in attempts for span in _spans(sight, attempt, step)]
        by_people = any(each.id == occurrence.step and each.manual for each in night)
        if by_people and occurrence.stage == _stage_of_the_night(plan):
            spans += _waiting(sight, plan.steps[occurrence.step], occurrence.stage, attempts)
        people = _people(plan, {*step.notice.audience, step.owner})
        yield Matter(str(occurrence), step.title, occurrence.stage, people, _in_order(spans))


def _in_order(spans: t.Iterable[Span]) -> tuple[Span, ...]:
    """Each span ends where the next one begins."""
    ordered = sorted(spans, key=lambda span: span.since)
    ends = [*(span.since for span in ordered[1:]), None]
    return tuple(dataclasses.replace(span, until=_earliest(span.until, end)) for span, end in zip(ordered, ends))


def _earliest(*moments: float | None) -> float | None:
    """None, which is never, if there is none among them."""
    return min((moment for moment in moments if moment is not None), default=None)


def _spans(sight: Sight, attempt: Attempt, step: _About) -> t.Iterator[Span]:
    """An attempt at work, then what went wrong with it, then its end."""
    first, every = step.notice.first_minutes * MINUTE, step.notice.every_minutes * MINUTE
    passed = _passed(sight, attempt)
    over = _earliest(attempt.end, passed)
    facts = {"number": _number(sight, attempt), "process": attempt.process, "waiting_for": attempt.waiting_for}
    yield Span(RUNNING, attempt.start, over, first, every, step.estimate.seconds > first, facts)
    failure = _broken(sight, attempt)
    killed = _seen_killed(sight, attempt)
    fixed = attempt.end if attempt.outcome != "failed" else None
    until = _earliest(fixed, passed)
    if failure is not None:
        wrong = {"message": failure.message, "task": failure.task, "host": failure.host}
        yield Span(INCIDENT, failure.at, until, FIRST, min(every, EVERY), True, {**facts, **wrong})
    elif killed is not None:
        facts = {**facts, "alive": max([task.end for task in attempt.tasks], default=attempt.start)}
        yield Span(KILLED, killed, until, FIRST, min(every, EVERY), True, facts)
    if attempt.end is not None and attempt.outcome != "failed":
        seconds = {"outcome": attempt.outcome, "seconds": attempt.seconds}
        yield Span(ENDED, attempt.end, None, FIRST, every, True, {**facts, **seconds})


def _number(sight: Sight, attempt: Attempt) -> int:
    same = [each for each in sight.attempts if (each.step, each.stage) == (attempt.step, attempt.stage)]
    return 1 + same.index(attempt)


def _last_ones(sight: Sight) -> list[Attempt]:
    return list({(attempt.step, attempt.stage): attempt for attempt in sight.attempts}.values())


def _is_lost(sight: Sight, attempt: Attempt) -> bool:
    """Not ended, and nobody is at it any more."""
    gone = attempt.end is None and not attempt.awaited and not sight.is_running(attempt.process)
    return gone and _passed(sight, attempt) is None and about(sight.plan, attempt.step) is not None


def _broken(sight: Sight, attempt: Attempt) -> Failure | None:
    """The failure that stopped the attempt. A host that went on afterwards was rescued by its playbook."""
    stopped = [failure for failure in attempt.failures if not _went_on(attempt, failure)]
    run = attempt.run
    if attempt.outcome == "failed" or (attempt.end is None and run is not None and run.failed):
        # What ran afterwards, on the way out, has not mended anything.
        stopped = stopped or attempt.failures
    return stopped[0] if stopped else None


def _went_on(attempt: Attempt, failure: Failure) -> bool:
    return any(
        task.host == failure.host and task.start >= failure.at - 0.002 and task.status in ("ok", "changed")
        for task in attempt.tasks
    )


def _seen_killed(sight: Sight, attempt: Attempt) -> float | None:
    return sight.killed.get((attempt.step, attempt.stage, attempt.line))


def _passed(sight: Sight, attempt: Attempt) -> float | None:
    """When a later stage began: what was left open before is nobody's trouble any more."""
    order = list(sight.plan.stages)
    if attempt.stage not in order:
        return None
    later = order[order.index(attempt.stage) + 1 :]
    return _earliest(*(each.start for each in sight.attempts if each.stage in later and each.start > attempt.start))


# -- steps of people, while nobody can work


def _stage_of_the_night(plan: Plan) -> str:
    return plan.steps[plan.cutover.last].stages[-1]


def _night(plan: Plan) -> list[Step]:
    """The steps between the end of work and the opening."""
    stage = _stage_of_the_night(plan)
    steps = {step.id: step for step in plan.occurrences(stage)}
    behind = reach(plan.cutover.first, lambda name: [one.id for one in steps.values() if name in one.depends])
    needed = reach(plan.cutover.last, lambda name: [one for one in plan.steps[name].depends if one in steps])
    return [step for name, step in steps.items() if name in behind & needed]


def _waiting(sight: Sight, step: Step, stage: str, attempts: t.Sequence[Attempt]) -> t.Iterator[Span]:
    """From the end of what it depends on until people said that it is done."""
    first, every = step.notice.first_minutes * MINUTE, step.notice.every_minutes * MINUTE
    rollbacks = [each.end for each in sight.attempts if each.step == course.ROLLBACK and each.outcome == "ok"]
    back = max([end for end in rollbacks if end is not None], default=0.0)
    for until in [*(attempt.start for attempt in attempts), None]:
        since = _ready(sight, step, stage, until, back if until is None else 0.0)
        earlier = [each for each in attempts if each.outcome == "ok" and (until is None or each.start < until)]
        if since is None or any(each.start >= since for each in earlier):
            continue
        yield Span(WAITING, since, until, first, every, True, {"owner": step.owner})


def _ready(sight: Sight, step: Step, stage: str, until: float | None, back: float) -> float | None:
    """When everything was there that the step waits for; None if it was not."""
    moments = []
    for name in step.depends:
        if name not in sight.plan.steps or stage not in sight.plan.steps[name].stages:
            continue
        ends = [
            each.end
            for each in sight.attempts
            if (each.step, each.stage) == (name, stage)
            and each.outcome in ("ok", "skipped")
            and each.end is not None
            and each.end > back
            and (until is None or each.end <= until)
        ]
        if not ends:
            return None
        moments.append(ends[-1])
    for name in step.gates:
        decision = sight.decisions.get((name, sight.plan.gates[name].stage))
        opened = decision.opened if decision is not None and decision.is_open else None
        if opened is None or (until is not None and opened.timestamp() > until):
            return None
        moments.append(opened.timestamp())
    return max(moments, default=None)


# -- gates, and the decision


def _gates(sight: Sight) -> t.Iterator[Matter]:
    for gate in sight.plan.gates.values():
        mine = [line for line in sight.gate_lines if (line.get("gate"), line.get("stage")) == (gate.id, gate.stage)]
        requests = [line for line in mine if line["event"] == REQUEST]
        if not requests:
            continue
        decision = sight.decisions.get((gate.id, gate.stage))
        spans = [_asked(gate, line, decision) for line in requests]
        last, outcome = requests[-1], _outcome(sight, mine, decision)
        if outcome is not None:
            state, at = outcome
            spans[-1] = dataclasses.replace(spans[-1], until=at)
            facts = {"state": state, "signers": decision.signers if decision is not None else ()}
            spans.append(Span(DECIDED, max(at, float(last["asked"])), None, FIRST, spans[-1].every, True, facts))
        needs = {(need.role, need.org) for need in gate.needs}
        able = [one.id for one in sight.plan.people.values() if needs & {(role, one.org) for role in one.roles}]
        people = tuple(dict.fromkeys([*able, *([last["by"]] if last["by"] in sight.plan.people else [])]))
        yield Matter(f"gate {gate.id}@{gate.stage}", gate.title, gate.stage, people, _in_order(spans))


def _asked(gate: Gate, line: Line, decision: Decision | None) -> Span:
    every = max(GATE_EVERY, gate.timeout_minutes * MINUTE / GATE_TIMES)
    missing = tuple((need.count, need.role, need.org) for need in (decision.missing if decision else gate.needs))
    facts = {"missing": missing, "expires": float(line["expires"]), "by": line["by"]}
    return Span(ASKED, float(line["asked"]), float(line["expires"]), FIRST, every, True, facts)


def _outcome(sight: Sight, lines: t.Sequence[Line], decision: Decision | None) -> tuple[str, float] | None:
    """How the last request ended, and when; None while it waits."""
    if decision is None or decision.state in ("requested", "closed"):
        return None
    if decision.is_open and decision.opened is not None:
        return "open", decision.opened.timestamp()
    if decision.state == "rejected":
        against = [line for line in lines if line["event"] == SIGNATURE and line.get("verdict") != APPROVE]
        return "rejected", moment(against[-1]["time"]) if against else sight.now
    return "expired", decision.expires.timestamp() if decision.expires is not None else sight.now


def _decisions(sight: Sight) -> t.Iterator[Matter]:
    plan = sight.plan
    seen = [line for line in sight.lines if line["event"] == OBSERVED and line["what"] == DECISION]
    gate = plan.gates.get(plan.cutover.commit)
    signers = [need.org for need in gate.needs] if gate is not None else []
    organisations = {*plan.steps[plan.cutover.first].notice.audience, *signers}
    for stage in dict.fromkeys(line["stage"] for line in seen):
        mine = [line for line in seen if line["stage"] == stage]
        spans = []
        for line, following in zip(mine, [*mine[1:], None]):
            if line["required"]:
                until = moment(following["time"]) if following is not None else None
                facts = {"before": line["before"]}
                spans.append(Span(DECISION, moment(line["time"]), until, FIRST, EVERY, True, facts))
        yield Matter(f"decision {stage}", "", stage, _people(plan, organisations), tuple(spans))


# -- licences that are owed


def _debts(sight: Sight) -> t.Iterator[Matter]:
    """For the people of the organisation that owes it, and the coordinator. Another owner begins anew."""
    plan = sight.plan
    same: dict[tuple[str, str, str], list[owed.Debt]] = {}
    for debt in sight.debts:
        same.setdefault((debt.host, debt.feature, debt.owner), []).append(debt)
    for (host, feature, owner), debts in same.items():
        spans = [span for debt in debts for span in _spans_of_debt(debt, plan, sight.now)]
        org = plan.people[owner].org if owner in plan.people else owner
        people = tuple(one.id for one in plan.people.values() if one.org == org or "coordinator" in one.roles)
        yield Matter(f"debt {feature}@{host}", f"{feature} ({host})", "", people, _in_order(spans))


def _spans_of_debt(debt: owed.Debt, plan: Plan, now: float) -> t.Iterator[Span]:
    """Each rung of the ladder is a state of its own, which people hear of once."""
    zone = zoneinfo.ZoneInfo(plan.timezone)
    facts = {name: getattr(debt, name) for name in ("host", "feature", "owner", "day", "reason", "remedy")}
    moments = owed.hearings(debt, zone, now)
    for since, following in zip(moments, moments[1:]):
        if debt.end is None or since < debt.end:
            kind = OVERDUE if debt.day is not None and owed.day_of(since, zone) > debt.day else OWED
            yield Span(kind, since, debt.end, DEBT_FIRST, ONCE, True, {**facts, "next": following + DEBT_FIRST})
    if debt.paid and debt.end is not None:
        yield Span(PAID, debt.end, None, DEBT_FIRST, ONCE, True, facts)


# -- incidents of the portal in operation


def of_incidents(incidents: t.Iterable[inc.Incident]) -> list[Matter]:
    """For those who were to hear when it was opened: whoever joins the plan later has missed nothing."""
    return [Matter(each.id, each.title, "", each.people, tuple(_spans_of_incident(each))) for each in incidents]


def _spans_of_incident(incident: inc.Incident) -> t.Iterator[Span]:
    every, news = inc.EVERY[incident.kind], incident.news
    facts: dict[str, t.Any] = {
        **{name: getattr(incident, name) for name in ("number", "opened", "owner", "users", "cause", "cure")},
        "news": (news.at, news.text) if news is not None else None,
    }
    # Once it is critical, people hear of that within 5 minutes, and more often; what was in time before stays so.
    if incident.raised is not None:
        yield Span(TROUBLE, incident.opened, incident.raised, FIRST, inc.EVERY[inc.NORMAL], True, facts)
    yield Span(TROUBLE, incident.class_since, incident.closed, FIRST, every, True, facts)
    if incident.closed is not None:
        facts = {**facts, "seconds": incident.closed - incident.opened}
        yield Span(CURED, incident.closed, None, FIRST, every, True, facts)

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the portal opens: from the journals of rehearsals, the sizes of the final run, and what of it is done.

P50 is the time that is kept in half of the cases, P80 the one that is kept in four of five. Times are seconds since the
epoch. Nothing here looks at a clock or a file.
"""

from __future__ import annotations

import dataclasses
import math
import random
import statistics
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt, Journal
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import graph
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.graph import Node
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Estimate, Moment, Plan, Step

# What P80 is of P50 where nothing shows the spread: by one measurement, and by a rule of thumb.
ONE_SAMPLE, NO_SAMPLE = 1.5, 2.0
# Two equal measurements do not prove that a third one is equal: the least spread, of the logarithm.
LEAST_SPREAD = 0.05
# A slow line, a slow disk or a tired team slows most steps down, not one.
SHARED = 0.5  # the part of the variance that all steps have in common
DRAWS = 1000
# Student's t for P80, by the number of measurements minus one.
_T80 = (1.376, 1.061, 0.978, 0.941, 0.920, 0.906, 0.896, 0.889, 0.883, 0.879)
_NORMAL = statistics.NormalDist()
_Z80 = _NORMAL.inv_cdf(0.8)

DONE, SKIPPED, RUNNING, AWAITED, UNKNOWN, FAILED, AHEAD = (
    *("done", "skipped", "running", "awaited", "unknown", "failed", "ahead"),
)
UNRECORDED = "unrecorded"  # a step that nobody wrote down, while what waits for it has begun
OVER = (DONE, SKIPPED, UNRECORDED)


@dataclasses.dataclass(frozen=True)
class Sample:
    """How long a step took once, all attempts of that stage together, and the sizes that were known then."""

    seconds: float
    sizes: t.Mapping[str, int]
    at_least: bool = False  # a killed attempt says less than it took


@dataclasses.dataclass(frozen=True)
class Range:
    p50: float
    p80: float
    samples: int
    basis: str  # where both come from, for people


@dataclasses.dataclass(frozen=True)
class StepForecast:
    """A step or gate until the opening; `seconds` is None for what is over. `actual` is how long that took."""

    id: str
    title: str
    kind: str
    state: str
    seconds: Range | None
    actual: float | None
    begin: Range
    end: Range


@dataclasses.dataclass(frozen=True)
class Leads:
    """Leads that arrive while nobody can work, and since the backup was made: the latter must be brought over."""

    per_day: float
    closed: Range
    since_backup: Range | None


@dataclasses.dataclass(frozen=True)
class Decision:
    """Somebody must decide before `before`: go on, or turn back."""

    before: float
    text: str


@dataclasses.dataclass(frozen=True)
class Forecast:
    """`fits` is None for a plan without a window. `drift` is how many seconds the finished steps took more than P50.

    `point_of_no_return` is the plan's, or earlier if the attempts at a step `rollback` took longer than the plan says.
    """

    at: float
    stage: str
    begun: bool
    opened: bool
    steps: tuple[StepForecast, ...]
    opening: Range
    closed: Range
    drift: float
    window: tuple[float, float] | None
    fits: bool | None
    rollback: Range
    point_of_no_return: float | None
    decision: Decision | None
    leads: Leads | None


# -- what the journals say


def sizes_of(attempts: t.Iterable[Attempt]) -> dict[str, int]:
    """The sizes that were measured: the numbers among the values of steps, and what modules found out."""
    sizes: dict[str, int] = {}
    for attempt in attempts:
        for result in (result for task in attempt.tasks for result in task.results):
            volumes = [part["size"] for part in result.get("volumes") or [] if isinstance(part.get("size"), int)]
            if volumes:
                sizes["backup_bytes"] = sum(volumes)
            sizes.update({key: result[key] for key in ("rows", "files") if _is_size(result.get(key))})
        sizes.update({key: int(value) for key, value in attempt.values.items() if _is_size(value)})
    return sizes


def _is_size(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def samples_of(journal: Journal, current: str, stage: str) -> dict[str, list[Sample]]:
    """By step: how long it took in every other stage and journal than `stage` of the journal `current`."""
    rounds: dict[tuple[str, str], list[Attempt]] = {}
    for attempt in journal.attempts:
        if (attempt.journal, attempt.stage) != (current, stage):
            rounds.setdefault((attempt.journal, attempt.stage), []).append(attempt)
    out: dict[str, list[Sample]] = {}
    for attempts in rounds.values():
        sizes = sizes_of(attempts)
        for step in {attempt.step for attempt in attempts}:
            sample = _sample([attempt for attempt in attempts if attempt.step == step], sizes)
            if sample is not None:
                out.setdefault(step, []).append(sample)
    return out


def _sample(attempts: t.Sequence[Attempt], sizes: t.Mapping[str, int]) -> Sample | None:
    """A killed or failed attempt has done a part of the work, so it counts; None if none was a success."""
    if all(attempt.outcome != "ok" for attempt in attempts):
        return None
    seconds, at_least = 0.0, False
    for attempt in attempts:
        if attempt.seconds is not None:
            seconds += attempt.seconds
        else:
            at_least = True
            seconds += max([task.end for task in attempt.tasks], default=attempt.start) - attempt.start
        if attempt.outcome == "ok":
            break
    return Sample(seconds, sizes, at_least)


# -- how long a step takes


def expected(estimate: Estimate, scale: str | None, samples: t.Sequence[Sample], sizes: t.Mapping[str, int]) -> Range:
    """P50 and P80 of a step, in seconds."""
    if not samples:
        seconds = float(estimate.seconds)
        basis = f"never measured: estimate ({estimate.source}), P80 taken as {NO_SAMPLE:g} times as much"
        return Range(seconds, seconds * NO_SAMPLE, 0, basis)
    factors = [_factor(scale, sample, sizes) for sample in samples]
    times = [sample.seconds * (factor or 1.0) for sample, factor in zip(samples, factors)]
    bases = [_measured(samples)]
    if scale:
        known = [factor for factor in factors if factor is not None]
        bases.append(f"times {statistics.mean(known):.2f} by {scale}" if known else f"not scaled: {scale} is not known")
    if any(sample.at_least for sample in samples):
        bases.append("at least, since an attempt was killed")
    p50 = statistics.median(times)
    if len(times) == 1:
        bases.append(f"which shows no spread: P80 taken as {ONE_SAMPLE:g} times as much")
        return Range(p50, p50 * ONE_SAMPLE, 1, ", ".join(bases))
    logs = [math.log(max(seconds, 0.001)) for seconds in times]
    spread = max(statistics.stdev(logs), LEAST_SPREAD) * math.sqrt(1 + 1 / len(logs))
    return Range(p50, p50 * math.exp(_T80[min(len(logs) - 1, len(_T80)) - 1] * spread), len(times), ", ".join(bases))


def _measured(samples: t.Sequence[Sample]) -> str:
    return "measured once" if len(samples) == 1 else f"measured {len(samples)} times"


def _factor(scale: str | None, sample: Sample, sizes: t.Mapping[str, int]) -> float | None:
    if scale is None or not sizes.get(scale) or not sample.sizes.get(scale):
        return None
    return sizes[scale] / sample.sizes[scale]


# -- when the portal opens


def forecast(
    plan: Plan,
    journal: Journal,
    current: str,
    stage: str,
    now: float,
    is_running: t.Callable[[str], bool],
    sizes: t.Mapping[str, int] | None = None,
    leads_per_day: float | None = None,
    backup_time: float | None = None,
) -> Forecast:
    """The forecast for a stage that ends with the opening.

    `journal` holds all journals, `current` is the one that the stage is written into. `sizes` are those of the final
    run where they are known beforehand; what it has measured itself counts more.
    """
    return _Forecaster(plan, journal, current, stage, now, is_running, dict(sizes or {})).forecast(
        leads_per_day, backup_time
    )


class _Forecaster:
    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        current: str,
        stage: str,
        now: float,
        is_running: t.Callable[[str], bool],
        sizes: dict[str, int],
    ) -> None:
        self.plan, self.stage, self.now, self.is_running = plan, stage, now, is_running
        whole = graph.build(plan)
        self.last = graph.step_node(plan, plan.cutover.last, stage)
        self.first = graph.step_node(plan, plan.cutover.first, stage)
        needed = graph.reach(self.last, lambda node: (one for one in whole.before[node] if one.stage == stage))
        self.before = {node: [one for one in whole.before[node] if one in needed] for node in needed}
        self.order = [node for node in whole.order if node in needed]
        mine = {
            step: [one for one in attempts if (one.journal, one.stage) == (current, stage)]
            for step, attempts in journal.steps.items()
        }
        self.attempts = {step: attempts for step, attempts in mine.items() if attempts}
        self.sizes = {**sizes, **sizes_of(one for attempts in self.attempts.values() for one in attempts)}
        self.samples = samples_of(journal, current, stage)
        begun = {node for node in self.order if node.id in self.attempts}
        for node in reversed(self.order):
            begun.update(self.before[node] if node in begun else ())
        self.states = {node: self._state(node, node in begun) for node in self.order}
        self.ranges = {node: self._range(node) for node in self.order}

    def _step(self, node: Node) -> Step:
        return self.plan.steps[node.id]

    def _state(self, node: Node, begun: bool) -> str:
        """`begun` says that it, or something behind it, has begun."""
        attempts = self.attempts.get(node.id)
        if node.kind == "gate":
            return DONE if begun else AHEAD  # nobody begins what waits for a gate that is closed
        if attempts is None:
            done = Moment(node.id, self.stage) in self.plan.done
            return DONE if done else UNRECORDED if begun else AHEAD
        last = attempts[-1]
        if last.end is None:
            return RUNNING if self.is_running(last.process) else AWAITED if last.awaited else UNKNOWN
        return {"ok": DONE, "skipped": SKIPPED, "undone": AHEAD}.get(last.outcome, FAILED)

    def _range(self, node: Node) -> Range:
        if node.kind == "gate":
            return Range(node.seconds * 0.5, node.seconds * 0.8, 0, "a gate: any time until it expires")
        step = self._step(node)
        return expected(step.estimate, step.scale, self.samples.get(node.id, []), self.sizes)

    def forecast(self, leads_per_day: float | None, backup_time: float | None) -> Forecast:
        cutover = self.plan.cutover
        begins, ends = self._draw()
        window = None
        if cutover.window_start is not None and cutover.window_end is not None:
            window = (cutover.window_start.timestamp(), cutover.window_end.timestamp())
        opening = _range_of(ends[self.last], "of the opening")
        gaps = [end - begin for begin, end in zip(begins[self.first], ends[self.last])]
        closed = _range_of(gaps, "from the end of work to the opening")
        rollback = expected(cutover.rollback, None, self.samples.get("rollback", []), self.sizes)
        no_return = cutover.point_of_no_return.timestamp() if cutover.point_of_no_return is not None else None
        if no_return is not None and window is not None and rollback.samples:
            no_return = min(no_return, window[1] - rollback.p80)  # what was rehearsed may take longer than was planned
        return Forecast(
            at=self.now,
            stage=self.stage,
            begun=bool(self.attempts),
            opened=self.states[self.last] in OVER,
            steps=tuple(self._told(node, begins[node], ends[node]) for node in self.order),
            opening=opening,
            closed=closed,
            drift=sum(self._actual(node) - self.ranges[node].p50 for node in self.order if self._counts(node)),
            window=window,
            fits=opening.p80 <= window[1] if window else None,
            rollback=rollback,
            point_of_no_return=no_return,
            decision=self._decision(opening, no_return),
            leads=_leads(leads_per_day, gaps, backup_time, ends[self.last]),
        )

    def _counts(self, node: Node) -> bool:
        return self.states[node] == DONE and node.id in self.attempts

    def _actual(self, node: Node) -> float:
        """Seconds of all attempts at a step that is over."""
        sample = _sample(self.attempts[node.id], {})
        return sample.seconds if sample else 0.0

    def _told(self, node: Node, begins: t.Sequence[float], ends: t.Sequence[float]) -> StepForecast:
        over = self.states[node] in OVER
        return StepForecast(
            id=node.id,
            title=self._step(node).title if node.kind == "step" else self.plan.gates[node.id].title,
            kind=node.kind,
            state=self.states[node],
            seconds=None if over else self.ranges[node],
            actual=self._actual(node) if self._counts(node) else None,
            begin=_range_of(begins, "of its begin"),
            end=_range_of(ends, "of its end"),
        )

    def _decision(self, opening: Range, no_return: float | None) -> Decision | None:
        if no_return is None or not self.attempts or self.states[self.last] in OVER or opening.p80 <= no_return:
            return None
        if self.now >= no_return:
            text = "The point of no return is past: a rollback would not end within the window. Go on, or move its end."
        elif opening.p50 > no_return:
            text = "It will probably open after the point of no return. Go on, or turn back before it."
        else:
            text = "It may open after the point of no return (P80). Go on, or turn back before it."
        return Decision(no_return, text)

    def _draw(self) -> tuple[dict[Node, list[float]], dict[Node, list[float]]]:
        """Begin and end of every node, DRAWS times. The same journals at the same moment draw the same."""
        dice = random.Random(DRAWS)
        evenly = [_NORMAL.inv_cdf((number + 0.5) / DRAWS) for number in range(DRAWS)]
        # Every step draws the same deviations in an order of its own: with so few draws, chance would show else.
        own = {node: dice.sample(evenly, DRAWS) for node in self.order}
        begins: dict[Node, list[float]] = {node: [] for node in self.order}
        ends: dict[Node, list[float]] = {node: [] for node in self.order}
        for number in range(DRAWS):
            for node in self.order:
                deviate = math.sqrt(SHARED) * evenly[number] + math.sqrt(1 - SHARED) * own[node][number]
                ready = max((ends[one][number] for one in self.before[node]), default=self.now)
                begin, end = self._once(node, ready, deviate)
                begins[node].append(begin)
                ends[node].append(end)
        return begins, ends

    def _once(self, node: Node, ready: float, deviate: float) -> tuple[float, float]:
        """Begin and end of a node in one draw, if what it waits for is over at `ready`."""
        attempts = self.attempts.get(node.id, [])
        state = self.states[node]
        if state in OVER:
            end = attempts[-1].end if attempts else None
            return (attempts[0].start, end) if end is not None else (ready, ready)
        if state in (RUNNING, AWAITED):
            begin = attempts[-1].start
            return attempts[0].start, begin + _lasting(self.ranges[node], deviate, max(self.now - begin, 0.0))
        begin = max(ready, self.now)
        if node == self.first and not attempts and self.plan.cutover.window_start is not None:
            begin = max(begin, self.plan.cutover.window_start.timestamp())
        # What a killed or failed attempt has done may have to be done again.
        return attempts[0].start if attempts else begin, begin + _lasting(self.ranges[node], deviate, 0.0)


def _lasting(seconds: Range, deviate: float, elapsed: float) -> float:
    """A duration of a log-normal distribution with this P50 and P80, given that so much has passed already."""
    if seconds.p50 <= 0:
        return elapsed
    sigma = math.log(max(seconds.p80 / seconds.p50, 1.0)) / _Z80
    if elapsed > 0 and sigma > 0:
        passed = _NORMAL.cdf(math.log(elapsed / seconds.p50) / sigma)
        share = min(passed + _NORMAL.cdf(deviate) * (1 - passed), 1 - 1e-12)
        deviate = _NORMAL.inv_cdf(max(share, 1e-12))
    return max(seconds.p50 * math.exp(sigma * deviate), elapsed)


def _range_of(draws: t.Sequence[float], basis: str) -> Range:
    ordered = sorted(draws)
    at = [ordered[max(math.ceil(len(ordered) * share) - 1, 0)] for share in (0.5, 0.8)]
    return Range(at[0], at[1], len(ordered), basis)


def _leads(
    per_day: float | None, gaps: t.Sequence[float], backup_time: float | None, openings: t.Sequence[float]
) -> Leads | None:
    if per_day is None:
        return None
    a_second = per_day / 86400
    since = None if backup_time is None else [max(opening - backup_time, 0.0) * a_second for opening in openings]
    return Leads(
        per_day,
        _range_of([gap * a_second for gap in gaps], "leads"),
        None if since is None else _range_of(since, "leads"),
    )


def as_data(what: Forecast) -> dict[str, t.Any]:
    """The same as plain data, for a page or a module's result; times are whole seconds since the epoch."""
    return t.cast("dict[str, t.Any]", _plain(dataclasses.asdict(what)))


def _plain(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return round(value) if isinstance(value, float) else value

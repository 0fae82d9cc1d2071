# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forecast: measured steps, honest spreads, a night played by a simulated clock."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Journal, moment, read
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import forecast as fc
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast_text import lines
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Estimate, Plan
from unit.plugins.plugin_utils.by_hand import BY_HAND

HOUR = 3600.0
GB = 10**9
WINDOW = {"window_start": "2026-11-28 22:00", "window_end": "2026-11-29 06:00"}
NIGHT = moment("2026-11-28T22:00:00.000Z")
TOOK = {
    "move.fetch": 10 * HOUR,
    "move.restore": HOUR,
    "move.configure": 600.0,
    "move.telephony": 900.0,
    "move.health": 120.0,
    "move.test_calls": 1200.0,
    "move.sales_test": 5400.0,
    "move.report": 30.0,
}
FINAL = ("move.freeze", "move.delta", "move.switch_domain", "move.last_health", "move.open")


class Stage:
    """Writes a stage into a journal, by its own clock."""

    def __init__(self, path: Path, stage: str, clock: float, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.stage, self.clock = path, stage, clock
        monkeypatch.setattr(writer.time, "time", lambda: self.clock)
        self.again = lambda: monkeypatch.setattr(writer.time, "time", lambda: self.clock)

    def write(self, event: str, **fields: t.Any) -> None:
        self.again()
        writer.append(str(self.path), event, fields)

    def begin(self, step: str, process: str = "") -> None:
        self.write("step", step=step, stage=self.stage, state="begin", process=process)

    def end(self, step: str, outcome: str = "ok", **values: int) -> None:
        self.write("step", step=step, stage=self.stage, state="end", outcome=outcome, values=values)

    def do(self, step: str, seconds: float, **values: int) -> None:
        self.begin(step)
        self.clock += seconds
        self.end(step, **values)


@pytest.fixture
def plan() -> Plan:
    return load({"cutover": WINDOW, "steps": BY_HAND})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., Stage]:
    """Begins a stage in a journal of its own."""

    def begin(name: str, stage: str = "rehearsal", clock: float = NIGHT - 14 * 86400) -> Stage:
        return Stage(tmp_path / f"{name}.jsonl", stage, clock, monkeypatch)

    return begin


def rehearse(stage: Stage, factor: float = 1.0, size: int = 30 * GB) -> Stage:
    for step, seconds in TOOK.items():
        stage.do(step, seconds * factor, **({"backup_bytes": size} if step == "move.fetch" else {}))
    return stage


def told(plan: Plan, folder: Path, now: float, running: str = "", **options: t.Any) -> fc.Forecast:
    journal = read([str(folder)]) if list(folder.glob("*.jsonl")) else Journal([], [], [])
    current = str(folder / "final.jsonl")
    return fc.forecast(plan, journal, current, "final", now, lambda process: process == running != "", **options)


def step(of: fc.Forecast, name: str) -> fc.StepForecast:
    return next(one for one in of.steps if one.id == name)


def seconds(of: fc.Forecast, name: str) -> fc.Range:
    found = step(of, name).seconds
    assert found is not None
    return found


# -- one step


def test_what_nobody_measured_says_so() -> None:
    of = fc.expected(Estimate(100, "model"), "backup_bytes", [], {"backup_bytes": 5})
    assert (of.p50, of.p80, of.samples) == (100, 200, 0)
    assert of.basis == "never measured: estimate (model), P80 taken as 2 times as much"


def test_one_measurement_is_scaled_and_its_spread_is_said_to_be_unknown() -> None:
    sample = fc.Sample(1000, {"backup_bytes": 30 * GB})
    of = fc.expected(Estimate(1, "model"), "backup_bytes", [sample], {"backup_bytes": 36 * GB})
    assert (of.p50, of.p80) == (1200, 1800)
    assert of.basis == (
        "measured once, times 1.20 by backup_bytes, which shows no spread: P80 taken as 1.5 times as much"
    )
    of = fc.expected(Estimate(1, "model"), "backup_bytes", [sample], {})
    assert of.p50 == 1000 and "not scaled: backup_bytes is not known" in of.basis
    assert fc.expected(Estimate(1, "model"), None, [sample], {"backup_bytes": 1}).p50 == 1000


def test_equal_measurements_do_not_prove_that_the_next_is_equal() -> None:
    of = fc.expected(Estimate(1, "model"), None, [fc.Sample(100, {})] * 3, {})
    assert of.p50 == 100 and 105 < of.p80 < 110


@pytest.mark.parametrize("count", [2, 3, 5])
def test_p80_is_kept_in_four_of_five_cases(count: int) -> None:
    """Measurements and final run of one distribution, 4,000 times."""
    dice = random.Random(count)
    kept = 0
    for _number in range(4000):
        *measured, final = [100 * math.exp(dice.gauss(0, 0.3)) for _sample in range(count + 1)]
        kept += final <= fc.expected(Estimate(1, "model"), None, [fc.Sample(one, {}) for one in measured], {}).p80
    assert 0.77 < kept / 4000 < 0.83


# -- what the journals say


def test_a_killed_attempt_counts_as_far_as_it_is_known(tmp_path: Path, site: t.Callable[..., Stage]) -> None:
    stage = site("rehearsal")
    stage.write("start", version=2, playbook="fetch", process="1-1-1")
    stage.begin("move.fetch", process="1-1-1")
    stage.clock += 500
    stage.write("task", start=writer.iso(stage.clock - 500), seconds=480, play="", role="", name="x", host="h",
                action="boxlift.portal.backup_fetch", status="failed", message="no line",
                results=[{"volumes": [{"size": 7}, {"size": 8}]}])  # fmt: skip
    stage.clock += 100_000
    stage.do("move.fetch", 300)
    stage.clock += 50
    stage.begin("move.restore")
    stage.end("move.restore", "failed")
    samples = fc.samples_of(read([str(tmp_path)]), "final.jsonl", "final")
    assert samples == {"move.fetch": [fc.Sample(780, {"backup_bytes": 15}, at_least=True)]}
    assert (
        "at least, since an attempt was killed"
        in fc.expected(Estimate(1, "model"), None, samples["move.fetch"], {}).basis
    )


# -- the night


def test_the_final_run_is_forecast_from_one_rehearsal(tmp_path: Path, plan: Plan, site: t.Callable[..., Stage]) -> None:
    rehearse(site("rehearsal"))
    before = NIGHT - 80 * HOUR
    of = told(plan, tmp_path, before, sizes={"backup_bytes": 33 * GB})
    for name in ("move.fetch", "move.restore"):
        assert seconds(of, name).p50 == pytest.approx(TOOK[name] * 1.1)
    assert seconds(of, "move.configure").p50 == TOOK["move.configure"]
    assert [one.id for one in of.steps if one.kind == "gate"] == ["go"]
    assert step(of, "move.freeze").begin.p50 == NIGHT
    # 2 h 45 min of estimates that were never measured: what may take twice as long does not end early as often.
    assert NIGHT + 9900 < of.opening.p50 < NIGHT + 9900 * 1.25
    assert of.opening.p50 < of.opening.p80 < NIGHT + 9900 * 2.1
    assert (of.begun, of.fits, of.decision) == (False, True, None)
    assert of.point_of_no_return == NIGHT + 7.5 * HOUR
    site("rollback").do("rollback", 2 * HOUR)
    of = told(plan, tmp_path, before)
    assert of.rollback.p80 == 3 * HOUR
    assert of.point_of_no_return == NIGHT + 5 * HOUR


def test_it_is_said_when_the_window_is_too_short(tmp_path: Path, site: t.Callable[..., Stage]) -> None:
    rehearse(site("rehearsal"))
    short = load({"cutover": {**WINDOW, "window_end": "2026-11-29 01:00"}, "steps": BY_HAND})
    of = told(short, tmp_path, NIGHT - 20 * HOUR)
    assert (of.fits, of.decision) == (False, None)
    assert any(
        "does NOT fit the window (P80), which ends at 2026-11-29 01:00 UTC" in line for line in lines(of, "Etc/UTC")
    )
    assert told(load({}), tmp_path, NIGHT).fits is None


def test_a_night_that_drifts_asks_for_a_decision(tmp_path: Path, plan: Plan, site: t.Callable[..., Stage]) -> None:
    """Recomputed after each step: the transfer of the difference takes 6 h instead of 2 h."""
    rehearse(site("rehearsal"), 1.1)
    final = rehearse(site("final", "final", NIGHT - 16 * HOUR))
    final.clock = NIGHT
    final.do("move.freeze", 900)
    of = told(plan, tmp_path, final.clock)
    assert of.decision is None and of.fits
    assert step(of, "go").state == fc.DONE
    assert of.drift == pytest.approx(-sum(TOOK.values()) * 0.1, abs=1)
    final.begin("move.delta", process="1-2-3")
    seen = []
    for hours in (1, 2, 4, 6, 6.5):
        of = told(plan, tmp_path, NIGHT + 900 + hours * HOUR, running="1-2-3")
        assert step(of, "move.delta").state == fc.RUNNING
        seen.append(of.opening.p80)
    assert seen == sorted(seen)
    assert of.decision is not None and of.decision.before == NIGHT + 7.5 * HOUR
    text = lines(of, "Europe/Moscow")
    assert text[0].startswith("DECISION REQUIRED before 2026-11-29 08:30 MSK: It will probably open after the point")
    # The playbook was killed: the whole of the step may be ahead again.
    assert step(told(plan, tmp_path, NIGHT + 7 * HOUR), "move.delta").state == fc.UNKNOWN
    final.clock = NIGHT + 900 + 6.5 * HOUR
    final.end("move.delta")
    for name in FINAL[2:]:
        final.do(name, 300)
    of = told(plan, tmp_path, final.clock)
    assert of.decision is None
    assert of.opening.p50 == of.opening.p80 == final.clock
    assert of.closed.p50 == final.clock - NIGHT
    assert of.opened
    unwritten = "move.order_backup, move.tell_users, move.entitlement, move.name_ttl, move.name"
    assert f"Nobody wrote down: {unwritten}." in lines(of, "Etc/UTC")
    assert lines(of, "Etc/UTC")[-1] == "Opened at 2026-11-29 05:00 UTC; closed for 7 h."


def test_every_step_of_a_like_night_is_within_a_fifth(tmp_path: Path, plan: Plan, site: t.Callable[..., Stage]) -> None:
    """Two rehearsals that differ by 10 %, and a final run with a bigger backup on the same disks."""
    rehearse(site("one"), 0.95)
    rehearse(site("two", clock=NIGHT - 9 * 86400), 1.05)
    of = told(plan, tmp_path, NIGHT - 20 * HOUR, sizes={"backup_bytes": 40 * GB})
    for name, took in TOOK.items():
        grown = took * (40 / 30 if name in ("move.fetch", "move.restore") else 1) * 1.08
        assert abs(seconds(of, name).p50 / grown - 1) < 0.2
        assert seconds(of, name).samples == 2
        assert seconds(of, name).p80 >= grown


def test_leads_at_risk_are_rate_times_gap(tmp_path: Path, plan: Plan, site: t.Callable[..., Stage]) -> None:
    rehearse(site("rehearsal"))
    of = told(plan, tmp_path, NIGHT - 20 * HOUR, leads_per_day=120.0, backup_time=NIGHT - 48 * HOUR)
    assert of.leads is not None and of.leads.since_backup is not None
    assert of.leads.closed.p50 == pytest.approx(of.closed.p50 / 86400 * 120)
    assert of.leads.since_backup.p80 == pytest.approx((of.opening.p80 - NIGHT + 48 * HOUR) / 86400 * 120)
    assert any(line.startswith("Leads at risk while closed: P50 1") for line in lines(of, "Etc/UTC"))


def test_what_a_plan_says_is_done_is_done(tmp_path: Path, site: t.Callable[..., Stage]) -> None:
    plan = load({"cutover": WINDOW, "steps": BY_HAND, "done": {"move.order_backup@final": "2026-11-20"}})
    assert step(told(plan, tmp_path, NIGHT), "move.order_backup").state == fc.DONE


def test_the_same_journals_at_the_same_moment_give_the_same_as_plain_data(
    tmp_path: Path, plan: Plan, site: t.Callable[..., Stage]
) -> None:
    rehearse(site("rehearsal"))
    one, two = (told(plan, tmp_path, NIGHT, leads_per_day=100.0) for _number in range(2))
    assert one == two
    data = fc.as_data(one)
    assert json.loads(json.dumps(data)) == data
    assert data["opening"]["p50"] == round(one.opening.p50)
    assert set(data) == {field.name for field in dataclasses.fields(one)}

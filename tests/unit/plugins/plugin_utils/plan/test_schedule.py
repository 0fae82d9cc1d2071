# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dates of a plan: examples that were counted by hand, and what holds for every plan."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import graph
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Estimate, Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.schedule import Order, Schedule, Slot, schedule
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.source import PlanError
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.plugins.plugin_utils.by_hand import BY_HAND

Data = dict[str, t.Any]
WINDOW = {"window_start": "2026-11-28 22:00", "window_end": "2026-11-29 06:00"}
DAY = datetime.timedelta(days=1)


def planned(site: Data | None = None, today: str = "") -> Schedule:
    steps = {**BY_HAND, **(site or {}).get("steps", {})}
    plan = load({"cutover": WINDOW, **(site or {}), "steps": steps})
    return schedule(plan, datetime.date.fromisoformat(today) if today else None)


def slot(of: Schedule, moment: str) -> Slot:
    return next(one for one in of.slots if one.node.kind == "step" and str(one.node.moment) == moment)


def order(of: Schedule, item: str) -> Order:
    return next(one for one in of.orders if one.item.id == item)


def clock(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


class TestByHand:
    def test_the_night_is_counted_forwards(self) -> None:
        """15 min freeze, 2 h difference, 15 min name, 5 min resolvers, 5 min health, 10 min opening."""
        of = planned()
        assert clock(slot(of, "move.freeze@final").begin) == "2026-11-28 22:00"
        assert clock(slot(of, "move.delta@final").begin) == "2026-11-28 22:15"
        assert clock(of.opening) == "2026-11-29 00:50"
        assert clock(of.point_of_no_return) == "2026-11-29 05:30"
        assert of.conflicts == ()

    def test_what_comes_before_is_counted_backwards(self) -> None:
        """1 h decision, 1 min TTL, 1 min report, 2 h test, 5 min health, 20 min configure, 2 h restore, 12 h fetch."""
        of = planned()
        assert clock(slot(of, "move.sales_test@final").end) == "2026-11-28 20:58"
        assert clock(slot(of, "move.restore@final").begin) == "2026-11-28 16:33"
        assert clock(slot(of, "move.fetch@final").begin) == "2026-11-28 04:33"
        assert clock(slot(of, "move.preproduction@rehearsal").end) == "2026-11-14 22:00"
        assert clock(of.stages["rehearsal"][1]) == "2026-11-14 22:00"

    def test_order_by_dates(self) -> None:
        of = planned()
        second = order(of, "second_backup")
        assert (str(second.need), str(second.there_by), str(second.order_by)) == (
            "2026-11-28",
            "2026-11-26",
            "2026-11-21",
        )
        assert str(order(of, "announcement").order_by) == "2026-11-07"

    def test_working_days_leave_out_weekends_and_holidays(self) -> None:
        """20 working days before Thursday, 26 November: four weeks, and a day more where one of them is a holiday."""
        filing = {
            "title": "Filing with the authority",
            "owner": "customer",
            "provide": "The company's documents.",
            "lead_days": 20,
            "working_days": True,
            "buffer_days": 2,
            "need_by": "move.freeze",
        }
        site: Data = {"lead_items": {"filing": filing}}
        assert str(order(planned(site), "filing").order_by) == "2026-10-29"
        assert str(order(planned({**site, "holidays": ["2026-11-04"]}), "filing").order_by) == "2026-10-28"

    def test_a_day_of_rest_is_no_day_of_arrival(self) -> None:
        """What must be there on Sunday has to come on Friday; one working day before that is Thursday."""
        item = {"lead_days": 1, "working_days": True, "buffer_days": 7}
        filing = order(planned({"lead_items": {"low_ttl": item}}), "low_ttl")
        assert (str(filing.there_by), str(filing.order_by)) == ("2026-11-22", "2026-11-19")

    def test_the_critical_path_ends_with_the_opening(self) -> None:
        of = planned()
        names = [str(node.moment) if node.kind == "step" else f"{node.kind} {node.id}" for node in of.critical]
        assert names == [
            "lead hosts",
            *("prepare.preflight@prepare", "prepare.provision@prepare", "prepare.accept@prepare", "gate prepared"),
            *("move.order_backup@rehearsal", "lead first_backup", "move.fetch@rehearsal", "move.restore@rehearsal"),
            *("move.configure@rehearsal", "move.health@rehearsal", "move.sales_test@rehearsal"),
            *("move.report@rehearsal", "gate rehearsed"),
            *("move.freeze@final", "move.delta@final", "move.switch_domain@final", "move.name@final"),
            *("move.last_health@final", "move.open@final"),
        ]
        assert [one.node for one in of.slots if one.critical] == [one for one in of.critical if one.kind != "lead"]
        assert [one.item.id for one in of.orders if one.critical] == ["hosts", "first_backup"]

    def test_an_agreed_start_of_the_rehearsal_is_kept(self) -> None:
        of = planned({"stages": {"rehearsal": {"start": "2026-10-26 09:00"}}})
        assert clock(slot(of, "move.order_backup@rehearsal").begin) == "2026-10-26 09:00"
        # Five days until the backup is there, and two for the unforeseen.
        assert clock(slot(of, "move.fetch@rehearsal").begin) == "2026-11-02 00:00"
        assert clock(slot(of, "prepare.accept@prepare").end) == "2026-10-25 09:00"
        assert of.conflicts == ()

    def test_a_rehearsal_that_begins_too_late(self) -> None:
        of = planned({"stages": {"rehearsal": {"start": "2026-11-20 09:00"}}})
        assert of.conflicts[0].startswith("Rehearsal begins too late: "), of.conflicts

    def test_a_window_that_is_too_short(self) -> None:
        too_short = planned({"cutover": {**WINDOW, "window_end": "2026-11-29 00:00"}})
        assert too_short.conflicts[0].startswith("The window is too short: it ends at 2026-11-29 00:00, and")
        no_way_back = planned({"cutover": {**WINDOW, "window_end": "2026-11-29 01:00"}})
        assert "after the point of no return at 2026-11-29 00:30" in no_way_back.conflicts[0]

    def test_the_night_of_the_change_of_clocks_has_its_own_length(self) -> None:
        """Three in the morning comes twice: five hours lie between 22:00 and 02:00 of winter time."""
        of = planned(
            {
                "timezone": "Europe/Berlin",
                "cutover": {"window_start": "2026-10-24 22:00", "window_end": "2026-10-25 06:00"},
                "steps": {"move.delta": {"estimate": {"seconds": 5 * 3600 - 900, "source": "model"}}},
            }
        )
        assert clock(slot(of, "move.switch_domain@final").begin) == "2026-10-25 02:00"
        assert slot(of, "move.switch_domain@final").begin.utcoffset() == datetime.timedelta(hours=1)

    def test_visits_are_counted_from_the_opening(self) -> None:
        assert {name: str(day) for name, day in planned().visits.items()} == {
            "d3": "2026-12-02",
            "d8": "2026-12-07",
            "d15": "2026-12-14",
        }

    def test_without_a_window_nothing_has_a_date(self) -> None:
        of = schedule(load(), datetime.date(2026, 10, 1))
        assert (of.dated, of.today, of.late, of.conflicts) == (False, None, [], ())


class TestLate:
    def test_an_order_that_nobody_made(self) -> None:
        last = order(planned(), "hosts").order_by
        assert order(planned(today=str(last)), "hosts").state == "open"
        late = order(planned(today=str(last + 3 * DAY)), "hosts")
        assert (late.state, late.late_days) == ("late", 3)

    def test_an_order_that_comes_too_late(self) -> None:
        last = order(planned(), "hosts").order_by
        site: Data = {"lead_items": {"hosts": {"ordered": str(last + 2 * DAY)}}}
        late = order(planned(site, today=str(last + 2 * DAY)), "hosts")
        assert (late.state, late.late_days, late.expected) == ("late", 2, late.there_by + 2 * DAY)
        in_time = order(planned({"lead_items": {"hosts": {"ordered": str(last)}}}, today=str(last + 2 * DAY)), "hosts")
        assert (in_time.state, in_time.expected) == ("ordered", in_time.there_by)

    def test_what_is_there_is_not_late(self) -> None:
        site: Data = {"lead_items": {"hosts": {"arrived": "2026-11-20"}}}
        assert order(planned(site, today="2026-12-24"), "hosts").state == "arrived"

    def test_steps(self) -> None:
        done = {"prepare.agree": "2026-11-03"}
        of = planned({"done": done}, today="2026-11-06")
        assert slot(of, "prepare.agree@prepare").state == "done"
        assert slot(of, "prepare.inventory@prepare").state == "late"
        assert slot(of, "move.order_backup@rehearsal").state == "now"
        assert slot(of, "move.fetch@rehearsal").state == "ahead"
        assert {one.node.kind for one in of.late if isinstance(one, Slot)} == {"step"}

    def test_a_step_of_the_final_run_is_not_done_by_the_rehearsal(self) -> None:
        of = planned({"done": {"move.fetch@rehearsal": "2026-11-14"}}, today="2026-12-24")
        assert slot(of, "move.fetch@rehearsal").state == "done"
        assert slot(of, "move.fetch@final").state == "late"


def test_steps_that_wait_for_each_other_are_refused() -> None:
    with pytest.raises(PlanError) as caught:
        load({"steps": {"move.restore": {"depends": ["move.fetch", "move.health"]}}})
    [problem] = caught.value.problems
    assert problem.path == "steps > move.restore"
    assert all(name in problem.message for name in ("move.restore@", "move.configure@", "move.health@"))


USUAL = load({"cutover": WINDOW, "timezone": "Europe/Berlin"})
days = st.integers(0, 60)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """The usual order with other times, days and nights."""
    night = datetime.datetime(2026, 1, 1, 22, tzinfo=datetime.timezone.utc) + datetime.timedelta(
        hours=draw(st.integers(0, 24 * 400))
    )
    steps = {
        name: dataclasses.replace(step, estimate=Estimate(draw(st.integers(1, 10**6)), "model"))
        for name, step in USUAL.steps.items()
    }
    items = {
        name: dataclasses.replace(
            item, lead_days=draw(days), buffer_days=draw(st.integers(0, 9)), working_days=draw(st.booleans())
        )
        for name, item in USUAL.lead_items.items()
    }
    free = draw(st.frozensets(st.dates(datetime.date(2025, 10, 1), datetime.date(2027, 3, 1)), max_size=9))
    cutover = dataclasses.replace(USUAL.cutover, window_start=night, window_end=night + 30 * DAY)
    return dataclasses.replace(USUAL, steps=steps, lead_items=items, holidays=free, cutover=cutover)


@settings(max_examples=25, deadline=None)
@given(plans())
def test_nothing_begins_before_what_it_waits_for(plan: Plan) -> None:
    of = schedule(plan)
    at = {one.node: one for one in of.slots}
    order_by = {graph.lead_node(plan, one.item.id): one for one in of.orders}
    for node, others in graph.build(plan).before.items():
        for other, lag in others.items():
            if node.kind == "lead":
                assert at[other].end.date() <= order_by[node].order_by
            elif other.kind == "lead":
                assert order_by[other].need <= at[node].begin.date()
            else:
                gap = at[node].begin.astimezone(datetime.timezone.utc) - at[other].end
                assert gap >= datetime.timedelta(seconds=lag), (other, node)
    assert at[graph.step_node(plan, "move.freeze", "final")].begin == of.window[0]


@settings(max_examples=25, deadline=None)
@given(plans(), st.sampled_from(sorted(USUAL.lead_items)))
def test_an_order_on_its_day_is_in_time_and_a_day_later_is_not(plan: Plan, name: str) -> None:
    one = order(schedule(plan), name)

    def state(ordered: datetime.date) -> str:
        item = dataclasses.replace(one.item, ordered=ordered)
        changed = dataclasses.replace(plan, lead_items={**plan.lead_items, name: item})
        return order(schedule(changed, today=one.order_by), name).state

    assert state(one.order_by) == "ordered"
    later = one.order_by + DAY
    while one.item.working_days and (later.weekday() > 4 or later in plan.holidays):
        later += DAY
    # What takes no time at all may still be ordered on the last days of rest before it is needed.
    assert state(later) == "late" or (one.item.working_days and one.item.lead_days == 0)


@settings(max_examples=25, deadline=None)
@given(plans())
def test_the_critical_path_is_a_chain_of_that_length(plan: Plan) -> None:
    of = schedule(plan)
    whole = graph.build(plan)
    lags = [whole.before[node][one] for one, node in zip(of.critical, of.critical[1:])]
    assert sum(node.seconds for node in of.critical) + sum(lags) == of.shortest
    assert of.critical[-1] == graph.step_node(plan, "move.open", "final")
    assert not whole.before[of.critical[0]]


@settings(max_examples=15, deadline=None)
@given(plans(), st.integers(-20, 20))
def test_a_week_later_everything_is_a_week_later(plan: Plan, weeks: int) -> None:
    """Where clocks are never changed and nobody has holidays."""
    plan = dataclasses.replace(plan, timezone="Etc/UTC", holidays=frozenset())
    start = t.cast(datetime.datetime, plan.cutover.window_start)
    moved = dataclasses.replace(plan.cutover, window_start=start + 7 * weeks * DAY)
    first, second = schedule(plan), schedule(dataclasses.replace(plan, cutover=moved))
    assert [one.begin + 7 * weeks * DAY for one in first.slots] == [one.begin for one in second.slots]
    assert [one.order_by + 7 * weeks * DAY for one in first.orders] == [one.order_by for one in second.orders]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and times of a portal that nobody has seen: what grows with what, and where the figures come from."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.sizing import hosts as needed
from ansible_collections.boxlift.portal.plugins.plugin_utils.sizing import page
from ansible_collections.boxlift.portal.plugins.plugin_utils.sizing.hosts import hosts
from ansible_collections.boxlift.portal.plugins.plugin_utils.sizing.measured import FILE, GB, known, portal, shipped
from ansible_collections.boxlift.portal.plugins.plugin_utils.sizing.times import Times, times
from bench import scale_page

ROOT = Path(__file__).resolve().parents[5]
PLAN = load()
RESULTS = (ROOT / "tests" / "bench" / "results.md").read_text(encoding="utf-8")


def of(people: int = 800, gigabytes: float = 400, link: float = 200, **changes: t.Any) -> Times:
    return times(PLAN, portal(people, gigabytes, link), known(**changes))


class TestTimes:
    def test_grow_with_the_backup(self) -> None:
        small, large = of(gigabytes=100), of(gigabytes=200)
        for step in ("move.fetch", "move.restore"):
            assert large.step(step).p50 == pytest.approx(2 * small.step(step).p50)
        assert large.ready.p50 > small.ready.p50 + small.step("move.restore").p50
        assert [one.seconds.p50 for one in large.beside] == [pytest.approx(2 * one.seconds.p50) for one in small.beside]

    def test_the_night_does_not_grow(self) -> None:
        assert of(gigabytes=30).closed.p50 == pytest.approx(of(gigabytes=2000).closed.p50, rel=0.01)

    def test_a_fast_line_is_limited_by_the_proof(self) -> None:
        measured = shipped().measured
        slow, fast, faster = (of(link=link).step("move.fetch").p50 for link in (100, 10_000, 100_000))
        assert slow == pytest.approx(400e9 / (100e6 / 8) * measured["line"].seconds * 8388608 / measured["line"].amount)
        assert fast == faster == pytest.approx(400e9 / measured["proof"].rate)

    def test_come_from_the_forecast_with_its_reasons(self) -> None:
        found = {one.id: one.seconds for one in of().steps if one.seconds}
        assert found["move.fetch"].basis.startswith("measured once, times ")
        assert "Import of the database: measured once, times " in found["move.restore"].basis
        assert found["move.sales_test"].basis.startswith("never measured: estimate (model)")
        assert found["move.restore"].p80 == pytest.approx(1.5 * found["move.restore"].p50)

    def test_a_measurement_of_the_site_counts_instead(self) -> None:
        own = {"restore_files": {"gigabytes": 40, "seconds": 360}, "restore_database": {"gigabytes": 10, "seconds": 90}}
        found = of(gigabytes=400, measured=own)
        assert found.step("move.restore").p50 == pytest.approx(3600 + 1800)

    def test_whole_is_both(self) -> None:
        found = of()
        assert found.whole.p50 == pytest.approx(found.ready.p50 + found.closed.p50, rel=0.05)

    def test_a_plan_with_a_window_gives_the_same(self) -> None:
        window = {"window_start": "2026-12-05 22:00", "window_end": "2026-12-06 06:00"}
        dated = times(load({"cutover": window}), portal(800, 400, 200), known())
        assert dated.closed == of().closed and dated.ready == of().ready


class TestHosts:
    def test_few_people_have_one_host(self) -> None:
        found = hosts(portal(50, 30, 50), known())
        assert not found.several and found.hosts[0].count == 1
        assert [one.groups for one in found.hosts] == ["web, database, cache, push", "backup_repository"]

    def test_many_people_have_several(self) -> None:
        found = hosts(portal(5000, 1000, 500), known())
        counts = {one.groups: one.count for one in found.hosts}
        assert found.several and "cores" in found.reason
        assert (counts["balancer"], counts["database"], counts["cache"]) == (2, 2, 3)

    def test_one_web_host_may_die(self) -> None:
        found = hosts(portal(20_000, 2000, 1000), known())
        web = next(one for one in found.hosts if one.groups == "web")
        value = known().value
        wanted = 20_000 * value("online") / value("pause") * value("peak") * value("processor")
        assert (web.count - 1) * web.cores >= wanted
        assert (web.count - 1) * needed.MOST_PROCESSES >= found.processes

    def test_a_large_database_alone_needs_several(self) -> None:
        found = hosts(portal(100, 800, 100, database_gigabytes=700), known())
        assert found.several and found.reason.endswith("GiB of memory")

    def test_more_people_need_more(self) -> None:
        """Only rounding to whole hosts may take something back."""
        cores = [
            sum(one.count * one.cores for one in hosts(portal(people, 100, 100), known()).hosts)
            for people in range(100, 20_001, 100)
        ]
        assert all(later >= 0.85 * earlier for earlier, later in zip(cores, cores[1:]))
        assert cores[-1] > 20 * cores[0]

    def test_disks_hold_what_preflight_asks_for(self) -> None:
        asked = portal(50, 30, 50)
        assert asked.sizes == {"backup_bytes": 30 * GB, "tree_bytes": 30 * GB, "database_bytes": 15 * GB}
        assert hosts(asked, known()).hosts[0].disk > sum(asked.sizes.values())

    def test_processes_are_those_of_the_role(self) -> None:
        rule = (ROOT / "roles/web/vars/main.yml").read_text(encoding="utf-8")
        assert f"// {needed.PROCESS_MB}, 5] | max, {needed.MOST_PROCESSES}] | min" in rule
        pool = (ROOT / "roles/database/vars/main.yml").read_text(encoding="utf-8")
        assert f"(__database_memory | int) * {needed.BUFFER_POOL * 10:.0f} // 10" in pool


class TestInput:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("lots", 400, 200), "size_people is 'lots'."),
            ((800, 0, 200), "size_gigabytes is 0."),
            ((800, 400, "nan"), "size_link_mbit is 'nan'."),
            ((800, 400, 200, -1), "size_database_gigabytes is -1."),
            ((800, 90_000, 200), "800 people and 90000 GB are beyond what this sizing knows."),
        ],
    )
    def test_is_refused_by_its_name(self, arguments: tuple[t.Any, ...], said: str) -> None:
        with pytest.raises(BoxliftError) as caught:
            portal(*arguments)
        assert caught.value.message == said and caught.value.remedy

    @pytest.mark.parametrize(
        ("measured", "assumed", "said"),
        [
            ({"restore": {"gigabytes": 1, "seconds": 1}}, {}, "size_measured: there is no measurement restore."),
            ({"seed": {"seconds": 1}}, {}, "size_measured: seed has no gigabytes and seconds."),
            ({"seed": {"gigabytes": 1, "seconds": "x"}}, {}, "size_measured: seconds of seed is 'x'."),
            ({}, {"line": 1}, "size_assumed: there is no assumption line."),
            ({}, {"online": 0}, "size_assumed: online is 0."),
        ],
    )
    def test_figures_of_a_site(self, measured: t.Any, assumed: t.Any, said: str) -> None:
        with pytest.raises(BoxliftError) as caught:
            known(measured, assumed)
        assert caught.value.message == said


def test_the_page_has_the_tables_of_the_code() -> None:
    text = scale_page.PAGE.read_text(encoding="utf-8")
    assert scale_page.made(text) == text, "run scale_page.py, which writes them anew"


def test_measurements_of_the_bench_are_those_in_its_results() -> None:
    rows = dict(re.findall(r"^\| (fetch and prove, [^|]+?) \| `aria2c [^|]+ \| ([\d.]+) \|", RESULTS, re.MULTILINE))
    measured = shipped().measured
    assert float(rows["fetch and prove, 4 × 2 MiB/s"]) == measured["line"].seconds
    assert float(rows["fetch and prove, no limit"]) == measured["proof"].seconds


def test_the_restore_is_that_of_the_largest_run_of_the_bench() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert scale_page.rated(text) == text, "run scale_page.py, which writes it anew"
    assert shipped().measured["restore_files"].amount == scale_page.measured()["rows"][-1]["size"]


def test_the_view_names_every_source() -> None:
    said = page.view(PLAN, portal(800, 400, 200), known())
    assert len(said["measured"]) == len(shipped().measured) and all(one["source"] for one in said["measured"])
    written = page.render(said)
    assert all(one["reason"] in written for one in said["assumed"]) and "<script" not in written

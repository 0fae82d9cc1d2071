# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan's page, the letter and their drawings."""

from __future__ import annotations

import datetime
import html
import html.parser
import re
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import chart
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load_merged
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.page import letter, render
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.schedule import schedule
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.view import Data, lowered, view
from unit.plugins.plugin_utils.balance import Balance
from unit.plugins.plugin_utils.by_hand import BY_HAND

SITE: Data = {
    "site": "portal.example.com",
    "timezone": "Europe/Moscow",
    "issued": "2026-10-01",
    "cutover": {"window_start": "2026-11-28 22:00", "window_end": "2026-11-29 06:00"},
    "people": {"approver": {"name": "Anna <b>Schmidt</b>"}, "operator": {"name": "Pavel\u202eIvanov"}},
    "steps": {
        **BY_HAND,
        **{"move.telephony": None, "move.test_calls": None, "move.fetch": {"estimate": {"seconds": 50000}}},
    },
    "lead_items": {"numbers": None},
}
ON_THE_WAY = {"hosts": {"ordered": "2026-10-21"}, "access": {"arrived": "2026-10-25"}}


class Page(Balance):
    def parts(self, tag: str) -> bool:
        return tag in ("td", "th", "b", "span", "div")


def made(site: Data | None = None, today: str = "", org: str = "") -> str:
    plan, merged = load_merged(SITE if site is None else site)
    of = schedule(plan, datetime.date.fromisoformat(today) if today else None)
    return letter(plan, of, merged, org) if org else render(plan, of, merged)


def read(page: str) -> str:
    return re.sub(r"\s+", " ", Page(page).text)


def drawings(site: Data | None = None, today: str = "") -> list[Data]:
    plan, _merged = load_merged(SITE if site is None else site)
    of = schedule(plan, datetime.date.fromisoformat(today) if today else None)
    return [chart.overview(plan, of), *chart.stages(plan, of)]


@pytest.mark.parametrize("org", ["", "customer", "sales", "contractor"])
@pytest.mark.parametrize("site", [{}, SITE], ids=["usual", "site"])
class TestEveryPage:
    def test_loads_nothing_and_is_closed(self, site: Data, org: str) -> None:
        page = made(site, "2026-11-10", org)
        Page(page)
        assert not re.search(r"https?:|//|\bsrc=|\bhref=|url\(|@import|<script|<link", page)
        assert "default-src 'none'" in page

    def test_is_the_same_again(self, site: Data, org: str) -> None:
        assert made(site, "2026-11-10", org) == made(site, "2026-11-10", org)

    def test_shows_every_value_as_text(self, site: Data, org: str) -> None:
        page = made({**site, "title": "A <i>move</i> & more\u200b"}, "", org)
        assert "A &lt;i&gt;move&lt;/i&gt; &amp; more\\u200b" in page
        assert "<i>move" not in page


class TestPage:
    def test_first_line(self) -> None:
        for site, today, expected in (
            ({}, "2026-10-01", "The cutover has no date yet."),
            (SITE, "", "Work in the cloud portal stops on Sat 2026-11-28 22:00."),
            (
                SITE,
                "2026-10-01",
                "Nothing is late, 58 days before the cutover. Next, until Fri 2026-10-23: order: Hosts",
            ),
            (SITE, "2026-10-24", "1 thing is late."),
            ({**SITE, "cutover": {**SITE["cutover"], "window_end": "2026-11-29 01:00"}}, "", "1 cannot be as planned."),
        ):
            assert expected in read(made(site, today)), (expected, read(made(site, today))[:400])

    def test_what_it_says(self) -> None:
        text = read(made({**SITE, "lead_items": {**SITE["lead_items"], **ON_THE_WAY}}, "2026-11-03"))
        for expected in (
            "Site portal.example.com · Plan move of Thu 2026-10-01 · as of Tue 2026-11-03 · times of Europe/Moscow",
            "Hosts for production and pre-production Customer Mon 2026-11-02 ordered, but not there; a day late",
            "Certificate of the portal's name Customer Wed 2026-10-28 not ordered, 6 days late",
            "Sun 2026-11-29 05:30 point of no return",
            "Sun 2026-11-29 01:50 End of the commit window. If nobody has decided by then, a rollback is proposed.",
            "Customer: Anna <b>Schmidt</b> (approver)",
            "Contractor Coordinator, Pavel\\u202eIvanov",
            "by Wed 2026-10-28 Order or ask for: certificate of the portal's name to be there by Mon 2026-11-02 late",
            "Steps taken out: move.warm, move.warm_again, move.telephony, move.test_calls",
            "Steps changed: move.delta, move.fetch",
            "Lead items taken out: numbers",
            "Mon 2026-12-14 Third visit: end of the watch",
        ):
            assert expected in text, expected

    def test_without_a_window_times_count_from_it(self) -> None:
        text = read(made({"steps": BY_HAND}))
        assert "T−3 h 2 min" in text  # the sales test ends an hour and a minute before the decision's hour
        assert "T+2 h 50 min" in text
        assert "T−21 d" in text  # the announcement
        assert "2001" not in text

    def test_the_night_is_told_in_order_of_time(self) -> None:
        plan, merged = load_merged(SITE)
        night = [row["when"] for row in view(plan, schedule(plan), merged)["night"]]
        assert night == sorted(night, key=lambda when: when[4:])


class TestLetter:
    def test_names_what_one_organisation_provides_and_no_other(self) -> None:
        plan, _merged = load_merged(SITE)
        text = read(made(SITE, "2026-11-03", "customer"))
        for item in plan.lead_items.values():
            assert (html.unescape(item.provide) in text) == (item.owner == "customer"), item.id
        assert "To Customer: Anna <b>Schmidt</b>, Administrator, Head of sales" in text
        assert "Fri 2026-10-23 Mon 2026-11-02 late" in text
        assert "Sign: go or no-go: work in the cloud portal stops (1 person as key user)" in text
        assert "Pavel\\u202eIvanov Contractor operator" in text

    def test_for_those_who_provide_nothing(self) -> None:
        text = read(made({**SITE, "lead_items": {**SITE["lead_items"], "licence": None}}, "", "sales"))
        assert "What you provide" not in text
        assert "Sign: acceptance of the move" in text


class TestDrawings:
    def test_everything_lies_within_the_picture(self) -> None:
        for site in ({}, SITE):
            for drawing in drawings(site, "2026-11-10"):
                for row in drawing["rows"]:
                    assert 0 <= row["y"] <= drawing["height"] - 20
                    for drawn in row["bars"]:
                        assert drawn["x"] >= chart.LABEL - 0.1
                        assert drawn["x"] + drawn["width"] <= chart.WIDTH - chart.VALUE + chart.SHORTEST_BAR + 0.1
                for mark in [
                    *drawing["lines"],
                    *drawing["ticks"],
                    *(m for row in drawing["rows"] for m in row["marks"]),
                ]:
                    assert chart.LABEL - 0.1 <= mark["x"] <= chart.WIDTH - chart.VALUE + 0.1
                assert 2 <= len(drawing["ticks"]) <= chart.MOST_TICKS + 1, drawing["title"]

    def test_bars_begin_in_order_and_where_the_steps_do(self) -> None:
        night = next(one for one in drawings() if one["title"] == "Final run, from Sat 2026-11-28 02:39")
        steps = {row["label"]: row["bars"][0] for row in night["rows"]}
        assert [drawn["x"] for drawn in steps.values()] == sorted(drawn["x"] for drawn in steps.values())
        freeze = steps["Stop work in the cloud portal"]
        delta = next(drawn for label, drawn in steps.items() if label.startswith("Carry over the last of"))
        assert delta["x"] == pytest.approx(freeze["x"] + freeze["width"], abs=0.2)
        assert delta["width"] == pytest.approx(8 * freeze["width"], rel=0.02)
        assert [line["text"] for line in night["lines"]] == ["work stops", "no return"]
        assert night["lines"][0]["x"] == pytest.approx(freeze["x"], abs=0.1)

    def test_ticks_are_round_hours(self) -> None:
        night = next(one for one in drawings() if one["title"].startswith("Final run, from Sat"))
        assert [tick["text"] for tick in night["ticks"]][:4] == ["03:00", "06:00", "09:00", "12:00"]
        assert "29 Nov" in [tick["text"] for tick in night["ticks"]]

    def test_what_is_late_is_red_and_what_is_done_green(self) -> None:
        site = {**SITE, "lead_items": {"access": {"arrived": "2026-10-20"}}, "done": {"prepare.agree": "2026-10-02"}}
        overview, preparation, *_rest = drawings(site, "2026-10-24")
        levels = {row["label"]: row["bars"][0]["level"] for row in overview["rows"] if row["bars"]}
        assert [label for label, one in levels.items() if one == "bad"] == ["Hosts for production and pre-production"]
        assert [label for label, one in levels.items() if one == "done"] == ["Access for the contractor"]
        assert preparation["rows"][0]["bars"][0]["level"] == "done"


def test_lowered() -> None:
    examples: list[tuple[str, t.Any]] = [("Hosts", "hosts"), ("DNS name", "DNS name"), ("A", "A"), ("", "")]
    assert [lowered(text) for text, _expected in examples] == [expected for _text, expected in examples]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies and what is ahead: nights, drills, and rows with their levels, each from an answer that is right or wrong."""

from __future__ import annotations

import typing as t
import zoneinfo
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import answers, copies, outlook, report
from unit.plugins.plugin_utils.service import sample_month as sample
from unit.plugins.plugin_utils.service.sample_month import BEGIN, END, MONTH, NOW, at
from unit.plugins.plugin_utils.service.site import DAY, HOUR, Site

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
Data = dict[str, t.Any]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def nights(prometheus: Data, asked: Data | None = None, now: float = NOW) -> str:
    """One letter for each night: a copy, none, or unknown."""
    given = sample.copies() if asked is None else asked
    found = copies.copies(answers.Answers(prometheus, given), BEGIN, END, now, BERLIN)
    return "".join({True: "c", False: "n", None: "?"}[each.copied] for each in found.nights)


def only(**more: t.Any) -> Data:
    """The first store alone."""
    found = sample.copies(**more)
    found["portal-prod"]["stores"] = found["portal-prod"]["stores"][:1]
    return found


def test_nights_that_the_repository_has_forgotten_are_known_by_the_history() -> None:
    assert nights(sample.prometheus()) == 31 * "c"
    assert nights(sample.prometheus(nights=[*range(1, 9), *range(11, 32)])) == 8 * "c" + "nn" + 21 * "c"


def test_a_night_of_which_nobody_knows_is_neither_good_nor_bad() -> None:
    hole = [(at(10), at(13))]
    assert nights(sample.prometheus(holes=hole, nights=[*range(1, 10), *range(13, 32)])) == 9 * "c" + "nnn" + 19 * "c"
    # When Prometheus is back, the last copy is that of the 12th, and nobody knows whether there was one before it.
    assert nights(sample.prometheus(holes=hole, nights=[*range(1, 10), *range(12, 32)])) == 9 * "c" + "??" + 20 * "c"
    # Without Prometheus, a repository knows of the last week alone.
    assert nights({}) == 25 * "?" + 5 * "n" + "c"
    assert nights({}, {}) == 31 * "?"


def test_a_damaged_copy_is_none() -> None:
    damaged = {"ended": at(31, 2.6), "damaged": True}
    assert nights({}, only(copies=[damaged])) == 25 * "?" + 6 * "n"


def test_the_night_that_is_not_over_counts_only_where_its_copy_is_there() -> None:
    assert nights(sample.prometheus(now=at(3, 2)), {}, at(3, 2)) == "cc"
    assert nights(sample.prometheus(now=at(3, 9)), {}, at(3, 9)) == "ccc"


@pytest.mark.parametrize(
    ("more", "level", "said"),
    [
        ({}, "ok", "A proven copy of every night; the last rehearsed restore took 38 min 30 s."),
        ({"last_good": None, "copies": []}, "ok", "A proven copy of every night"),  # the far store has them
        ({"verified": {"slices": {}, "ratio_7_days": 0.857}}, "warn", "A proven copy of every night"),
        (
            {"findings": [{"code": "damaged", "severity": "fail", "text": "Pack 4a is damaged.", "remedy": "…"}]},
            "bad",
            "but something is wrong with the copies at main.",
        ),
        ({"findings": [{"code": "same_host", "severity": "warn", "text": "…", "remedy": "…"}]}, "warn", "every night"),
        ({"drills": []}, "ok", "but no restore was rehearsed in the last 90 days."),
        ({"drills": [sample.drill(NOW - 91 * DAY, 2000)]}, "ok", "but no restore was rehearsed in the last 90 days."),
    ],
)
def test_the_word_on_copies(site: Site, more: Data, level: str, said: str) -> None:
    found = report.build(sample.told(site, copies=sample.copies(**more)), MONTH)
    assert found["copies"]["level"] == level
    assert said in found["result"]["text"]


def test_a_repository_that_cannot_be_reached_is_not_known_and_the_other_one_speaks(site: Site) -> None:
    lost = {"reachable": False, "problem": "Wrong password.", "last_good": None, "copies": [], "drills": []}
    found = report.build(sample.told(site, copies=sample.copies(**lost)), MONTH)["copies"]
    assert {each["name"]: each["problem"] for each in found["stores"]} == {"main": "Wrong password.", "far": ""}
    assert found["last_good"] is not None
    silent = {"portal-prod": {"unreachable": True, "msg": "no route"}}
    nothing = report.build(sample.told(site, copies=silent, prometheus={}), MONTH)
    assert nothing["copies"]["why"] == "portal-prod: the host could not be reached: no route"
    assert "Whether it could be restored is not known." in nothing["result"]["text"]


def test_an_old_copy_is_bad(site: Site) -> None:
    old = {"id": "x", "ended": NOW - 51 * HOUR}
    one = only(last_good=old, copies=[old])
    assert report.build(sample.told(site, copies=one), MONTH)["copies"]["level"] == "bad"


# -- what is ahead


@pytest.mark.parametrize(
    ("instants", "row", "level", "text"),
    [
        ({"certificate": NOW + 20.5 * DAY}, 0, "warn", "valid until 2027-01-21: 20 days left"),
        ({"certificate": NOW + 6 * DAY}, 0, "bad", "6 days left"),
        ({"certificate": NOW - DAY}, 0, "bad", "over since 2026-12-31"),
        ({"certificate": None}, 0, "unknown", "not known"),
        ({"certificate": "NaN"}, 0, "unknown", "not known"),
        ({"licence": NOW + 29.5 * DAY}, 1, "warn", "29 days left"),
        ({"disks": [({"host": "a", "path": "/"}, 13.9)]}, 2, "warn", "full in 13 days at the present growth: / on a"),
        ({"disks": [({"host": "a", "path": "/"}, "+Inf")]}, 2, "ok", "no disk grows"),
        ({"disks": [({"host": "a", "path": "/"}, "NaN")]}, 2, "unknown", "not known"),
        ({"quota": None, "quota_status": None}, 3, "unknown", "not known"),
        ({"quota": None, "quota_status": 3}, 3, "unknown", "not known"),
        ({"quota": None, "quota_used": None, "quota_status": 4}, 3, "ok", "sets itself no limit"),
        ({"quota_status": 4}, 3, "ok", "sets itself no limit"),
        ({"quota_used": 460 * 2**30}, 3, "warn", "460 GiB of 500 GiB used (92 %); full in 44 days"),
        ({"quota_growth": 30 * 2**30}, 3, "warn", "full in 9 days at the present growth"),
        ({"quota_growth": -5.0}, 3, "ok", "212 GiB of 500 GiB used (42 %)"),
    ],
)
def test_rows_of_what_is_ahead(instants: Data, row: int, level: str, text: str) -> None:
    rows = list(outlook.outlook(answers.Answers(sample.prometheus(instants=instants)), NOW))
    assert rows[row]["level"] == level
    assert text in rows[row]["text"]
    assert bool(rows[row]["why"]) == (level == "unknown")


@pytest.mark.parametrize(
    ("result", "level", "text"),
    [
        ({"findings": [], "debts": []}, "ok", "all in order"),
        ({"findings": [{"status": "unknown", "observed": "no file"}]}, "unknown", "1 not known: no file"),
        (
            {"findings": [{"status": "warn", "observed": "soon"}, {"status": "fail", "observed": "expired"}]},
            "bad",
            "1 not in order, 1 to be watched: expired",
        ),
        ({"failed": True, "msg": "MODULE FAILURE"}, "unknown", "not known"),
        ({"unreachable": True, "msg": "it did not answer"}, "unknown", "not known"),
    ],
)
def test_licences(result: Data, level: str, text: str) -> None:
    (row,) = outlook.licences(answers.Answers(entitlements={"pbx": result}))[1]
    assert (row["level"], row["text"]) == (level, text)


def test_checks_that_fail_now(site: Site) -> None:
    failing = [({"check": "mail.queue", "area": "mail", "host": "portal-prod"}, 2)]
    asked = sample.prometheus(instants={"checks": failing})
    found = report.build(sample.told(site, prometheus=asked), MONTH)
    assert [each["check"] for each in found["checks"]["failing"]] == ["mail.queue"]
    assert "1 health check fails now." in found["result"]["text"]
    never = report.build(sample.told(site, prometheus=sample.prometheus(instants={"checks_run": None})), MONTH)
    assert never["checks"]["why"] == "no health check has run"
    stopped = {"checks_run": sample.NOW - 5 * 86400}
    old = report.build(sample.told(site, prometheus=sample.prometheus(instants=stopped)), MONTH)
    assert old["checks"]["why"] == "the last health check ran 5 d ago"
    assert {"what": "Health checks", "why": old["checks"]["why"]} in old["unknown"]

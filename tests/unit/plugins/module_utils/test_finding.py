# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.finding import STATUSES, WORST_FIRST, merge


def finding(name: str, status: str, observed: str = "x", **more: t.Any) -> dict[str, t.Any]:
    return {"id": name, "status": status, "observed": observed, "remedy": f"remedy of {status}", **more}


def test_every_status_has_a_rank() -> None:
    assert sorted(WORST_FIRST) == sorted(STATUSES)


@pytest.mark.parametrize(("host", "outside"), list(itertools.product(WORST_FIRST, WORST_FIRST)))
def test_the_worse_one_counts(host: str, outside: str) -> None:
    (merged,) = merge([finding("a.b", host, "in")], [finding("a.b", outside, "out")])
    worse = WORST_FIRST[min(WORST_FIRST.index(host), WORST_FIRST.index(outside))]
    assert (merged["status"], merged["remedy"]) == (worse, f"remedy of {worse}")
    assert merged["observed"] == "from the host: in; from outside: out"
    assert merged["seen_from"] == ["host", "outside"]


def test_the_same_observation_is_said_once() -> None:
    (merged,) = merge([finding("a.b", "pass", "answered 200")], [finding("a.b", "pass", "answered 200")])
    assert merged["observed"] == "answered 200"


def test_each_place_keeps_what_the_other_does_not_have() -> None:
    merged = merge(
        [finding("a.one", "pass"), finding("a.two", "fail", before="9")],
        [finding("b.x", "warn"), finding("a.two", "pass")],
    )
    assert [(each["id"], each["seen_from"]) for each in merged] == [
        ("a.one", ["host"]),
        ("a.two", ["host", "outside"]),
        ("b.x", ["outside"]),
    ]
    assert merged[1]["before"] == "9"


def test_nothing_is_changed_in_place_and_nothing_is_invented() -> None:
    host, outside = [finding("a.b", "pass")], [finding("a.b", "fail")]
    merge(host, outside)
    assert "seen_from" not in host[0] and host[0]["status"] == "pass"
    assert merge([], []) == []


@pytest.mark.parametrize(
    ("host", "outside", "blocks"),
    [("fail", "fail", "everybody"), ("fail", "pass", "some"), ("warn", "fail", "some"), ("unknown", "fail", "")],
)
def test_what_one_place_got_through_does_not_block_everybody(host: str, outside: str, blocks: str) -> None:
    (merged,) = merge(*[[finding("a.b", status, blocks="everybody")] for status in (host, outside)])
    assert (merged["status"], merged["blocks"]) == ("fail", blocks)

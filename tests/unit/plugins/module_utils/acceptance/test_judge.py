# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure against its threshold, on both sides of it, and where there is none."""

from __future__ import annotations

import math
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.acceptance.judge import (
    AREAS,
    KINDS,
    Measured,
    Threshold,
    judge,
    kinds_of,
    thresholds_from,
)
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding

SPEED, LATENCY = {"cpu.speed": Threshold(25, 12)}, {"disk.latency": Threshold(10, 50)}


def one(thresholds: dict[str, Threshold], value: float | None, **options: t.Any) -> Finding:
    [finding] = judge(thresholds, [Measured(next(iter(thresholds)), value, **options)])
    return finding


@pytest.mark.parametrize(
    ("value", "status"), [(25, "pass"), (90, "pass"), (24.9, "warn"), (12, "warn"), (11.9, "fail"), (0, "fail")]
)
def test_more_is_better(value: float, status: str) -> None:
    finding = one(SPEED, value)
    assert finding.status == status
    assert bool(finding.remedy) == (status != "pass")


@pytest.mark.parametrize(("value", "status"), [(0, "pass"), (10, "pass"), (10.1, "warn"), (50, "warn"), (50.1, "fail")])
def test_less_is_better(value: float, status: str) -> None:
    assert one(LATENCY, value).status == status


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -1.0])
def test_without_a_figure_nothing_passes(value: float | None) -> None:
    for thresholds in (SPEED, LATENCY):
        finding = one(thresholds, value, reason="fio is not installed", remedy="Install it.")
        assert finding.status == "unknown"
        assert "not measured" in finding.observed and "fio is not installed" in finding.observed
        assert finding.remedy == "Install it."


def test_what_a_finding_says() -> None:
    assert one(LATENCY, 81.23, place="/srv/portal").as_dict() == {
        "id": "disk.latency./srv/portal",
        "area": "disk",
        "status": "fail",
        "observed": "durable writes of 4 KiB, 99th percentile: 81.2 ms in /srv/portal",
        "expected": "at most 10 ms; not accepted above 50 ms",
        "remedy": KINDS["disk.latency"].remedy,
        "owner": "customer",
        "reference": "",
    }


def test_every_kind_belongs_to_an_area_and_has_a_remedy() -> None:
    assert sorted(kind for area in AREAS for kind in kinds_of(area)) == sorted(KINDS)
    assert all(kind.remedy for kind in KINDS.values())


def test_only_thresholds_of_what_is_measured_are_needed() -> None:
    given = {name: {"warn": 1, "fail": "1"} for name in kinds_of("php")}
    assert thresholds_from(given, ["php"]) == {"php.speed": Threshold(1, 1)}


@pytest.mark.parametrize("pair", [None, 5, {}, {"warn": 5}, {"warn": "fast", "fail": 1}, {"warn": math.nan, "fail": 1}])
def test_no_pair_of_numbers(pair: t.Any) -> None:
    with pytest.raises(BoxliftError) as caught:
        thresholds_from({"php.speed": pair}, ["php"])
    assert "acceptance_php_speed" in caught.value.remedy


@pytest.mark.parametrize(("kind", "area", "warn", "fail"), [("php.speed", "php", 1, 2), ("disk.latency", "disk", 2, 1)])
def test_a_threshold_the_wrong_way_round(kind: str, area: str, warn: float, fail: float) -> None:
    given = {name: {"warn": 0, "fail": 0} for name in kinds_of(area)}
    with pytest.raises(BoxliftError, match=f"threshold of {kind} fails"):
        thresholds_from({**given, kind: {"warn": warn, "fail": fail}}, [area])

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module on the machine that runs the tests: figures, findings, and when it fails."""

from __future__ import annotations

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.acceptance.judge import AREAS, KINDS
from ansible_collections.boxlift.portal.plugins.modules import host_acceptance

from .conftest import RunModule

EASY = {
    name: {"warn": 0, "fail": 0} if kind.more_is_better else {"warn": 1e9, "fail": 1e9} for name, kind in KINDS.items()
}
CPU = {"areas": ["cpu"], "seconds": 0.2}


def test_a_host_that_is_fast_enough(run_module: RunModule) -> None:
    result = run_module(host_acceptance, thresholds=EASY, fail_on="warn", **CPU)
    assert not result["failed"] and not result["changed"]
    assert result["summary"] == {"pass": 4, "warn": 0, "fail": 0, "unknown": 0, "skip": 0}
    assert set(result["figures"]) == {"cpu.cores", "cpu.speed", "cpu.together", "cpu.stolen"}


def test_a_host_that_is_too_slow(run_module: RunModule) -> None:
    thresholds = {**EASY, "cpu.cores": {"warn": 4000, "fail": 2000}}
    result = run_module(host_acceptance, thresholds=thresholds, fail_on="fail", **CPU)
    assert result["failed"]
    assert result["msg"].startswith("This host is not accepted: processor cores: ")
    assert "at least 4000; not accepted below 2000" in result["msg"]
    assert result["summary"]["fail"] == 1


@pytest.mark.parametrize(("fail_on", "failed"), [("never", False), ("fail", False), ("unknown", True)])
def test_what_could_not_be_measured(run_module: RunModule, fail_on: str, failed: bool) -> None:
    options = {"areas": ["database"], "database_socket": "/nowhere.sock", "seconds": 0.2}
    result = run_module(host_acceptance, thresholds=EASY, fail_on=fail_on, **options)
    assert result["failed"] == failed
    assert result["summary"]["unknown"] == 2
    assert result["figures"] == {}


def test_check_mode_measures_nothing(run_module: RunModule) -> None:
    result = run_module(host_acceptance, check=True, thresholds=EASY, domain="portal.example.com", fail_on="warn")
    assert not result["failed"]
    assert result["summary"]["skip"] == len(KINDS) == len(result["findings"])
    assert {finding["area"] for finding in result["findings"]} == set(AREAS)


def test_a_load_without_a_name_is_refused(run_module: RunModule) -> None:
    result = run_module(host_acceptance, thresholds=EASY)
    assert result["failed"]
    assert result["msg"] == "domain is empty, and areas holds http. Set domain (site_domain), or leave http out."

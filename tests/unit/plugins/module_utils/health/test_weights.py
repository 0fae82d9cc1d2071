# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The weight of each check: the report's first line rests on it."""

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.health import catalogue, runner
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import failed
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import Registry
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check import catalogue as telephony
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.verdict import FRONT_DOOR

CHECKS = {**catalogue.all_checks().checks, **telephony.all_checks().checks}


def test_every_check_says_whom_a_failure_keeps_from_working() -> None:
    assert [name for name, check in CHECKS.items() if check.blocks not in ("everybody", "some", "nobody")] == []


def test_nobody_can_work_without_what_every_page_needs() -> None:
    needed = {FRONT_DOOR, "database.reachable", "database.login", "settings.readable", "settings.credentials"}
    assert needed <= {name for name, check in CHECKS.items() if check.blocks == "everybody"}


def test_a_hole_is_mended_while_people_work() -> None:
    assert {check.blocks for name, check in CHECKS.items() if name.startswith("security.")} == {"nobody"}


@pytest.mark.parametrize("blocks", ["everybody", "nobody", ""])
def test_the_weight_goes_with_the_finding(blocks: str) -> None:
    def refuse(*_arguments: t.Any) -> t.Any:
        raise AssertionError("no connection is made here")

    checks = Registry()
    checks.check("a.b", why="", expected="", remedy="", blocks=blocks)(lambda _context: failed("x"))
    (finding,) = runner.run(Context(now=time.time, connect=refuse), runner.select(checks, "host"))
    assert finding.as_dict().get("blocks", "") == blocks

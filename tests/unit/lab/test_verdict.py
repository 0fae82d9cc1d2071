# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's last line and exit status."""

from __future__ import annotations

import typing as t

import pytest
from lab.verdict import NEEDED, verdict

GOOD = dict.fromkeys(NEEDED, "pass")
NOBODY = 'Nobody can work: https://portal.boxlift.test/ answered 200, but with no page of the portal: "over".'


def report(text: str, **statuses: str) -> dict[str, t.Any]:
    found = [{"id": name, "status": status, "observed": f"saw {name}"} for name, status in statuses.items()]
    return {"findings": found or None, "result": {"level": "x", "text": text}}


def test_good_only_where_people_can_work() -> None:
    said = "People can work, with limits: Mail (mail.queue). 3 of 137 checks failed."
    assert verdict(report(said, **GOOD), True) == (f"The demo is done. {said}", 0)


def test_a_dead_kernel_is_the_last_line() -> None:
    statuses = {**GOOD, "web.answers": "fail", "search.index": "fail"}
    for moved in (True, False):
        assert verdict(report(NOBODY, **statuses), moved) == (f"The demo has FAILED. {NOBODY}", 1)


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("status", ["fail", "unknown", "skip"])
def test_what_was_not_seen_is_not_good(name: str, status: str) -> None:
    line, code = verdict(report("1 of 2 checks failed.", **{**GOOD, name: status}), True)
    assert (line, code) == (f"The demo has FAILED. 1 of 2 checks failed. {name}: saw {name}", 1)


def test_nothing_seen_is_not_good() -> None:
    line, code = verdict(report("No step failed."), True)
    assert code == 1 and "web.answers: was not looked at" in line


def test_a_move_that_stopped_is_not_good() -> None:
    assert verdict(report("migrate stopped.", **GOOD), False) == ("The demo has FAILED. migrate stopped.", 1)

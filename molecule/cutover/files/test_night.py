# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every night has left: a whole journal that tells it, no step done twice, no gate lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import reader, verify
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.proceedings import Proceedings

WORK = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
JOURNAL = WORK / "move.jsonl"
END = {"cutover": "committed", "take_back": "rolled_back"}


@pytest.fixture(scope="module")
def proceedings() -> Proceedings:
    return Proceedings(load(str(WORK / "plan.yml")), str(JOURNAL))


def test_the_journal_is_whole(proceedings: Proceedings) -> None:
    assert verify.verify(JOURNAL.read_bytes()).code == verify.WHOLE
    program = Path(verify.__file__)
    said = subprocess.run([sys.executable, str(program), str(JOURNAL)], capture_output=True, text=True, check=True)
    assert "whole" in said.stdout
    assert proceedings.course.state == END[os.environ["MOLECULE_SCENARIO_NAME"]] and proceedings.course.jumps == ()


def test_the_controller_was_killed() -> None:
    """Chance decides how often; but in six tries it is not never."""
    assert json.loads((WORK / "night.json").read_text(encoding="utf-8"))["kills"] > 0


def test_no_step_of_a_stage_was_done_twice() -> None:
    steps = reader.read([str(JOURNAL)]).steps
    for name, attempts in steps.items():
        for stage in {each.stage for each in attempts}:
            mine = [each.outcome for each in attempts if each.stage == stage]
            # What was killed has an attempt without an end. What is not in the plan is left out once.
            assert mine.count("ok") + mine.count("skipped") == 1 and mine[-1] in ("ok", "skipped"), (name, stage, mine)


def test_every_gate_was_opened_by_those_whom_the_plan_names(proceedings: Proceedings) -> None:
    signers = {name: set(found.signers) for (name, _stage), found in proceedings.last_decisions.items()}
    both = {"approver", "coordinator"}
    assert (signers["prepared"], signers["rehearsed"], signers["go"]) == (both, both, {*both, "key_user"})
    go = proceedings.last_decisions["go", "final"]
    assert {(each.input, each.person) for each in go.waived} == {("entitlement", "approver")}


def test_nobody_had_to_sign_twice() -> None:
    """A request that was made anew, since its run was killed, would have cost the signatures on it."""
    lines = [json.loads(line) for line in JOURNAL.read_text(encoding="utf-8").splitlines()]
    asked = [line["gate"] for line in lines if line["event"] == "gate_request"]
    assert sorted(asked) == ["commit", "go", "prepared", "rehearsed"]


def test_people_were_told_in_time_and_each_once() -> None:
    posts = json.loads((WORK / "posts.json").read_text(encoding="utf-8"))
    lines = map(json.loads, JOURNAL.read_text(encoding="utf-8").splitlines())
    notices = [line for line in lines if line["event"] == "notice"]
    assert {line["outcome"] for line in notices} == {"sent"}
    assert len(posts) - len(notices) in (0, 1)  # the follower was ended, perhaps before it had written a line
    told = {(post["matter"], post["kind"]) for post in posts}
    assert told >= {
        ("move.restore@rehearsal", "running"), ("gate go@final", "asked"), ("move.freeze@final", "waiting"),
        ("move.freeze@final", "ended"),
    }  # fmt: skip
    assert {post["language"] for post in posts} == {"ar", "de", "en", "hi", "ru", "zh"}


def test_the_journal_has_no_secret() -> None:
    assert "anary" not in JOURNAL.read_text(encoding="utf-8")


def test_the_portal_answers(host: t.Any) -> None:
    program = "import urllib.request; print(urllib.request.urlopen('https://portal.boxlift.test/', timeout=20).status)"
    assert host.check_output("python3 -c %s", program) == "200"

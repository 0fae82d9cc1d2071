# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the move has left: the portal as it was before, and a whole journal that tells it."""

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
#: What a portal that nobody uses writes in by itself, and the index, which the rollback builds anew.
ALIVE = {"portal.b_agent", "portal.b_search_content"}


@pytest.fixture(scope="module")
def night() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((WORK / "night.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def proceedings() -> Proceedings:
    return Proceedings(load(str(WORK / "plan.yml")), str(JOURNAL))


def changed(night: dict[str, list[str]], before: str, after: str) -> set[str]:
    return {line.split("\t")[0] for line in set(night[before]) ^ set(night[after])}


def test_the_rollback_brings_back_files_and_database(night: dict[str, list[str]]) -> None:
    assert night["rehearsed"][0] != night["second"][0]
    assert len(night["taken_back"]) == len(night["rehearsed"]) > 20
    assert changed(night, "rehearsed", "taken_back") <= ALIVE


def test_the_opening_was_of_the_second_backup(night: dict[str, list[str]]) -> None:
    assert changed(night, "second", "open") <= ALIVE


def test_the_journal_is_whole(proceedings: Proceedings) -> None:
    assert verify.verify(JOURNAL.read_bytes()).code == verify.WHOLE
    program = Path(verify.__file__)
    said = subprocess.run([sys.executable, str(program), str(JOURNAL)], capture_output=True, text=True, check=True)
    assert "whole" in said.stdout
    assert proceedings.course.state == "rolled_back" and proceedings.course.jumps == ()


def test_no_step_of_a_stage_was_done_twice() -> None:
    steps = reader.read([str(JOURNAL)]).steps
    for name, attempts in steps.items():
        for stage in {each.stage for each in attempts}:
            mine = [each.outcome for each in attempts if each.stage == stage]
            assert mine.count("ok") == 1 or mine == ["skipped"], (name, stage, mine)


def test_every_gate_was_opened_by_those_whom_the_plan_names(proceedings: Proceedings) -> None:
    signers = {name: set(found.signers) for (name, _stage), found in proceedings.decisions.items()}
    both = {"approver", "coordinator"}
    assert (signers["prepared"], signers["rehearsed"], signers["go"]) == (both, both, {*both, "key_user"})
    go = proceedings.decisions["go", "final"]
    assert [(each.input, each.person) for each in go.waived] == [("entitlement", "approver")]
    assert proceedings.decisions["commit", "final"].state == "requested"


def test_the_journal_has_no_secret() -> None:
    assert "anary" not in JOURNAL.read_text(encoding="utf-8")


def test_the_portal_answers(host: t.Any) -> None:
    program = "import urllib.request; print(urllib.request.urlopen('https://portal.boxlift.test/', timeout=20).status)"
    assert host.check_output("python3 -c %s", program) == "200"

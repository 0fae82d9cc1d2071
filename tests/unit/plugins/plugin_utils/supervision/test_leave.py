# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run may change hosts: by the lines of a journal, and the key beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.boxlift.portal.plugins.lookup.leave import is_forbidden
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import process, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load

PLAYBOOKS = Path(__file__).parents[5] / "playbooks"
#: What only looks, or writes on the controller alone.
ONLY_LOOK = {"entitlement", "health", "name", "preflight", "report"}


def line(journal: Path, state: str, item: str, run: str) -> None:
    writer.append(str(journal), "supervision", {"state": state, "item": item, "process": run})


def test_a_run_changes_hosts_while_its_own_step_is_open(tmp_path: Path) -> None:
    journal, me = tmp_path / "move.jsonl", process.own_process()
    assert not is_forbidden(str(journal)), "no dictated site"
    (tmp_path / "supervision.key").touch()
    assert is_forbidden(str(journal))
    line(journal, "accepted", "3.4", "somebody else")
    assert is_forbidden(str(journal))
    line(journal, "accepted", "3.5", me)
    assert not is_forbidden(str(journal))
    # A stop of somebody else takes no leave from what has begun.
    line(journal, "accepted", "stop", "somebody else")
    line(journal, "ended", "stop", "")
    assert not is_forbidden(str(journal))
    line(journal, "ended", "3.5", "")
    assert is_forbidden(str(journal))


def test_a_process_that_is_not_known_has_no_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where /proc is missing: an empty name is nobody's."""
    for name in ("own_process", "parent_process"):
        monkeypatch.setattr(process, name, lambda: "")
    (tmp_path / "supervision.key").touch()
    line(tmp_path / "move.jsonl", "accepted", "3.5", "")
    assert is_forbidden(str(tmp_path / "move.jsonl"))


def test_every_playbook_of_the_plan_that_changes_hosts_asks_first() -> None:
    steps = load().steps.values()
    named = {each for step in steps for each in (step.playbook, step.undo.playbook) if each} - ONLY_LOOK
    for playbook in sorted(named | {"hold_calls"}):
        first = yaml.safe_load((PLAYBOOKS / f"{playbook}.yml").read_text())[0]
        assert re.fullmatch(r"\{\{ lookup\('boxlift\.portal\.leave', '[^']+'\) \}\}", first["hosts"]), playbook

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.move_info, and playbook status, which shows what it says."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.action.move_info import look, moment_of
from ansible_collections.boxlift.portal.plugins.action.step import outlook_of
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import process, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.known import gathered
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from unit.plugins.playbook import run_playbook

STATUS = """
- import_playbook: boxlift.portal.status
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A rehearsal that has fetched, and a final run that fetches in this very process."""
    for name, stage in (("rehearsal", "rehearsal"), ("final", "final")):
        path = str(tmp_path / f"journal/{name}.jsonl")
        mine = process.token(os.getpid()) if stage == "final" else ""
        step = {"step": "move.fetch", "stage": stage}
        writer.append(path, "step", {**step, "state": "begin", "operator": "anna", "process": mine})
        if stage == "rehearsal":
            writer.append(path, "step", {**step, "state": "end", "outcome": "ok", "values": {"backup_bytes": 10}})
    return tmp_path / "journal/final.jsonl"


def seen(journal: Path, now: float = 1796000000.0, **options: t.Any) -> dict[str, t.Any]:
    given = {"plan": None, "stage": "final", "sizes": {}, "leads_per_day": None, "backup_time": None, **options}
    return look(str(journal), gathered(str(journal), []), given, now)


def test_it_reads_the_history_beside_the_journal(journal: Path) -> None:
    out = seen(journal, sizes={"backup_bytes": "20"})
    # Both may begin within the same millisecond.
    assert sorted((one["stage"], one["outcome"]) for one in out["steps"]) == [("final", "unknown"), ("rehearsal", "ok")]
    (fetch,) = [step for step in out["forecast"]["steps"] if step["id"] == "move.fetch"]
    assert (fetch["state"], fetch["seconds"]["samples"]) == ("running", 1)
    assert "times 2.00 by backup_bytes" in fetch["seconds"]["basis"]
    assert any(line.startswith("move.fetch is running; ends P50 ") for line in out["text"])
    assert json.loads(json.dumps(out)) == out


def test_it_counts_the_notices(journal: Path) -> None:
    assert seen(journal)["notices"] == []
    writer.append(str(journal), "observed", {"what": "channels", "people": {"approver": ["mail"]}})
    since = round(1000 * gathered(str(journal), []).steps["move.fetch"][-1].start)
    notice = {"matter": "move.fetch@final", "kind": "running", "since": since, "channel": "mail", "language": "en"}
    for outcome in ("failed", "sent"):
        writer.append(str(journal), "notice", {**notice, "people": ["approver"], "outcome": outcome})
    out = seen(journal, now=since / 1000 + 60)
    assert out["notices"] == [
        {"person": "approver", "sent": {"mail": 1}, "failed": {"mail": 1}, "reasons": {}, "late": 0, "overdue": False}
    ]
    assert out["text"][-1] == "Notices: 1 sent, 0 late, 1 attempts of a channel failed."
    (late,) = seen(journal, now=since / 1000 + 31 * 60)["notices"]
    assert (late["late"], late["overdue"]) == (1, True)


def test_what_is_wrong_is_named(journal: Path) -> None:
    with pytest.raises(BoxliftError, match="No opening is planned in stage 'rehearsal'") as error:
        seen(journal, stage="rehearsal")
    assert error.value.remedy == "Give one of these as stage: final."
    with pytest.raises(BoxliftError, match="which is no time"):
        seen(journal, backup_time="yesterday")
    with pytest.raises(BoxliftError, match="The plan cannot be used"):
        seen(journal, plan={"steps": {"move.fetch": {"colour": "blue"}}})


def test_a_step_of_the_final_run_begins_with_the_outlook(journal: Path) -> None:
    """The same lines as in status, without the steps that are ahead; none before the stage that opens the portal."""
    known = gathered(str(journal), [])
    told = outlook_of(load(), known, str(journal), "final")
    assert told[0].startswith("Stage final: ") and any(line.startswith("Opening: P50 ") for line in told)
    assert not any(" is ahead" in line for line in told)
    assert outlook_of(load(), known, str(journal), "rehearsal") == []


def test_a_moment_without_a_zone_is_in_utc() -> None:
    assert moment_of("2026-11-26T18:00:00+03:00") == moment_of("2026-11-26T15:00:00Z") == moment_of("2026-11-26T15:00")
    assert moment_of(None) is None


@pytest.mark.slow
def test_status_says_when_the_portal_will_open(journal: Path, tmp_path: Path) -> None:
    window = {"window_start": "2030-11-28 22:00", "window_end": "2030-11-29 06:00"}
    given = {"status_leads_per_day": "120", "status_sizes": {"backup_bytes": 20}, "migration_plan": {"cutover": window}}
    arguments = ("-e", json.dumps(given), "-c", "local")
    done = run_playbook(tmp_path, STATUS, *arguments, name="status.yml", BOXLIFT_JOURNAL=str(journal))
    assert done.returncode == 0, done.stdout + done.stderr
    # Nobody wrote down that the backup was ordered, and it is fetched already.
    assert "Stage final: 1 of 20 steps until the opening are over." in done.stdout
    assert "Nobody wrote down: move.order_backup." in done.stdout
    assert "Callback dispatch" not in done.stdout + done.stderr
    assert "which ends at 2030-11-29 06:00 UTC." in done.stdout
    assert "Leads at risk while closed: P50 " in done.stdout
    # Without steps, and without a journal, it has nothing to say.
    for settings in ({"BOXLIFT_JOURNAL": str(tmp_path / "other/move.jsonl")}, {"ANSIBLE_CALLBACKS_ENABLED": ""}):
        done = run_playbook(tmp_path, STATUS, "-c", "local", name="status.yml", **settings)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Look at the plan and the journals" in done.stdout and "Stage final" not in done.stdout

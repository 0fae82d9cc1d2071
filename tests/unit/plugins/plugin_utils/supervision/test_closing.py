# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of an item, by the run and the journal: a run that did nothing is no success."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import read
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import gate
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import closing, codes, screen, session
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.desk import Desk
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.site import Site
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.state import Ended

PLAN = load({"supervision": {"mode": "dictated", "operator": "executor", "watchers": ["coordinator"]}})


class Run:
    """One item of a site, from its code to its end."""

    def __init__(self, folder: Path) -> None:
        self.journal = str(folder / "move.jsonl")
        self.session, _papers = session.make(PLAN)
        session.write(session.place_of(self.journal), self.session)
        self.alive = True

    @property
    def site(self) -> Site:
        return Site(PLAN, self.journal, "me", lambda _process: self.alive)

    def begin(self, number: str, step: bool = True) -> None:
        desk = Desk(PLAN, self.journal + ".mirror", self.session)
        for ended in self.site.state.unread:
            desk.take(ended.read_back)
        given = desk.give(number)
        assert given is not None
        self.site.begin(number, given.code)
        name, stage = self.site.step_of(number)
        if step:
            self.line(name or "rollback", stage or "final", state="begin", process="me")

    def line(self, step: str, stage: str, **fields: str) -> None:
        writer.append(self.journal, "step", {"step": step, "stage": stage, **fields})

    def close(self, failed: bool = False, worked: bool = True) -> Ended | None:
        return closing.close(self.site, failed, worked)

    def outcomes(self, step: str) -> list[str]:
        return [attempt.outcome for attempt in read([self.journal]).steps[step]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.mark.parametrize(
    ("failed", "worked", "outcome"), [(False, True, "ok"), (True, True, "failed"), (False, False, "failed")]
)
def test_a_playbook_ends_as_its_run_did(run: Run, failed: bool, worked: bool, outcome: str) -> None:
    run.begin("1.3")
    ended = run.close(failed, worked)
    assert ended is not None
    assert ended.entry.outcome == outcome
    assert run.outcomes("prepare.preflight") == [outcome]
    assert run.close() is None, "it ends once"
    if not worked:
        assert ended.message == "No host did anything."


def test_work_that_was_never_begun_has_failed(run: Run) -> None:
    run.begin("1.3", step=False)
    ended = run.close()
    assert ended is not None
    assert (ended.entry.outcome, ended.message) == (codes.FAILED, "Its work was not begun.")


def test_an_earlier_attempt_does_not_speak_for_this_one(run: Run) -> None:
    run.line("prepare.preflight", "prepare", state="begin")
    run.line("prepare.preflight", "prepare", state="end", outcome="ok")
    run.begin("1.3", step=False)
    ended = run.close()
    assert ended is not None
    assert ended.entry.outcome == codes.FAILED


def test_a_rollback_ends_by_its_own_playbook(run: Run) -> None:
    run.begin(codes.ROLLBACK)
    run.line("rollback", "final", state="end", outcome="ok")
    ended = run.close()
    assert ended is not None
    assert (ended.entry.item, ended.entry.outcome) == (codes.ROLLBACK, codes.OK)


def test_a_gate_ends_by_its_decision(run: Run) -> None:
    run.begin("1.6", step=False)
    ended = run.close(failed=True)
    assert ended is not None
    assert ended.entry.outcome == codes.FAILED
    wanted, now = PLAN.gates["prepared"], 1e9
    seen = [gate.Input(name, True, "seen") for name in wanted.inputs]
    run.begin("1.6", step=False)
    asked = gate.request(PLAN, wanted, "executor", "anna", seen, now)
    writer.append(run.journal, gate.REQUEST, {**asked, "expires": 1e11})
    ended = run.close(failed=True)
    assert ended is not None
    assert ended.entry.outcome == codes.WAITING
    assert ended.message == "Still to sign: 1 coordinator of contractor, 1 approver of customer."
    assert "ask for a new code and type: mig 1.6 CODE" in "\n".join(screen.block("x", ended, True))


def test_people_end_their_work_themselves(run: Run) -> None:
    run.begin("1.1")
    assert run.close() is None
    run.alive = False
    assert closing.close_broken(run.site) is None
    ended = closing.tell(run.site, "failed", "Nobody came.")
    assert (ended.entry.outcome, ended.message) == ("failed", "Nobody came.")
    assert run.outcomes("prepare.agree") == ["failed"]
    with pytest.raises(BoxliftError, match="Nothing is open"):
        closing.tell(run.site, "ok")


def test_what_a_killed_run_has_left_open_is_ended_as_broken_off(run: Run) -> None:
    run.begin("1.3")
    assert closing.close_broken(run.site) is None, "it still runs"
    run.alive = False
    ended = closing.close_broken(run.site)
    assert ended is not None
    assert ended.entry.outcome == codes.UNKNOWN
    assert "Result: BROKEN OFF" in "\n".join(screen.block("x", ended, True))
    assert closing.close_broken(run.site) is None


def test_a_run_that_was_killed_behind_the_end_of_its_step_is_told_by_it(run: Run) -> None:
    run.begin("1.3")
    run.line("prepare.preflight", "prepare", state="end", outcome="ok")
    run.alive = False
    ended = closing.close_broken(run.site)
    assert ended is not None
    assert ended.entry.outcome == codes.OK


def test_the_block_says_what_is_permitted(run: Run) -> None:
    run.begin("1.3")
    ended = run.close(failed=True)
    assert ended is not None
    block = screen.block("Preflight", ended, False)
    assert block[1] == "  1.3  Preflight"
    assert block[2].startswith("  Result: FAILED, about ")
    digits = next(line for line in block if line.startswith("      ") and line.strip()[0].isdigit())
    assert digits.replace(" ", "") == ended.read_back.replace(" ", "")
    assert "      mig 1.3 CODE         to do this step once more" in block
    assert "rollback" not in "".join(block) and "rollback" in "".join(screen.block("Preflight", ended, True))
    assert f"  Write on the page: {ended.head}" in block

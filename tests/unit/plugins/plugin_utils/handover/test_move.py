# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan adds to the report: the first line by the state of the move, waivers, closure, and what is proven."""

from __future__ import annotations

import datetime
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.move import with_plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import verify
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import read
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.schedule import schedule
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.build import build
from unit.plugins.plugin_utils import sample_move
from unit.plugins.plugin_utils.sample_move import Move

DAY = datetime.date(2026, 5, 11)


def report(out: Move, today: datetime.date | None = DAY) -> dict[str, t.Any]:
    journal = read([str(out.path)])
    return with_plan(build(journal), journal, out.plan, today)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Move:
    return sample_move.write(tmp_path_factory.mktemp("move") / "move.jsonl")


@pytest.fixture(scope="module")
def told(whole: Move) -> dict[str, t.Any]:
    return report(whole)


@pytest.fixture
def out(tmp_path: Path) -> Move:
    """Up to the signatures of the gate go."""
    move = Move(tmp_path / "move.jsonl")
    sample_move.until_the_freeze(move)
    return move


def test_the_report_is_plain_data_and_keeps_what_the_journal_says(whole: Move, told: dict[str, t.Any]) -> None:
    assert json.loads(json.dumps(told)) == told
    plain = build(read([str(whole.path)]))
    assert {**told, "move": None} == plain
    assert told["result"]["text"].startswith("People can work, with limits: Messenger and live updates (push.server).")
    assert (told["move"]["state"], told["move"]["faults"]) == ("committed", [])


def test_before_the_freeze_people_work_in_the_cloud(out: Move) -> None:
    said = report(out)["result"]
    assert said["text"].startswith(
        "People work in the cloud portal as before. On the new one (accepted): people can work, with limits: Messenger"
    )
    assert said["level"] == "bad"


def test_while_it_is_closed_nobody_can_work(out: Move) -> None:
    out.people("move.freeze", "final", 900)
    since = "Nobody can work since 2026-05-09 20:06 CEST: work in the cloud portal has stopped, and the new one is not "
    assert report(out, None)["result"] == {"level": "warn", "text": f"{since}open yet."}
    out.people("move.delta", "final", 11 * 3600)
    assert report(out, None)["result"] == {"level": "bad", "text": f"{since}open yet. The window is over."}


def test_after_a_rollback_people_work_in_the_cloud(out: Move) -> None:
    out.people("move.freeze", "final", 900)
    out.step("rollback", "final", 60)
    told = report(out, None)
    assert told["result"] == {"level": "warn", "text": "The cutover was taken back: people work in the cloud portal."}
    # What was taken back was not closed and opened.
    assert (told["move"]["closure"]["from"], told["move"]["closure"]["seconds"]) == (None, None)


def test_notices_are_counted_and_so_is_what_came_late(told: dict[str, t.Any], out: Move) -> None:
    # The fourth failed, and the fifth came 36 minutes after the third.
    assert told["move"]["notices"] == [
        {"person": name, "sent": 5, "failed": 1, "late": 1} for name in ("Decision maker", "Coordinator")
    ]
    assert report(out)["move"]["notices"] == [], "nobody was to be told"


def test_the_closure_is_measured_from_the_freeze_to_the_opening(told: dict[str, t.Any], whole: Move) -> None:
    closure = told["move"]["closure"]
    # The difference, the name, the resolvers, the last look, each with 20 s behind it, and the opening.
    assert closure["seconds"] == 5760 + 1500 + 380 + 20 + 180 + 20 + 420
    dates = schedule(whole.plan)
    planned = dates.opening.astimezone(datetime.timezone.utc) - dates.window[0]
    assert closure["planned"] == planned.total_seconds() > 2 * 3600
    assert closure["to"] - closure["from"] == closure["seconds"]


def test_work_stops_when_the_freeze_begins(out: Move) -> None:
    out.event("step", step="move.freeze", state="begin", stage="final")
    begun = out.now
    out.wait(300)
    out.event("step", step="move.freeze", state="end", outcome="ok", stage="final")
    assert report(out, None)["move"]["closure"]["from"] == begun


def test_no_day_makes_what_has_happened_undone(whole: Move) -> None:
    early = report(whole, datetime.date(2026, 1, 1))["move"]
    assert early["as_of"] == report(whole, None)["move"]["as_of"] == whole.now
    assert early["state"] == "committed"


def test_a_waiver_stands_first_until_it_is_over(whole: Move, told: dict[str, t.Any]) -> None:
    (waiver,) = told["move"]["waivers"]
    assert (waiver["input"], waiver["person"], waiver["in_force"]) == ("entitlement", "Decision maker", True)
    assert waiver["reason"] == "The licence of the voice library comes on 20 May"
    assert [each["in_force"] for each in report(whole, datetime.date(2026, 6, 9))["move"]["waivers"]] == [False]


def test_a_waiver_without_a_request_is_in_force_too(tmp_path: Path) -> None:
    move = Move(tmp_path / "move.jsonl")
    move.step("prepare.preflight", "prepare", 1)
    move.waive("go", "entitlement", "approver", "seen by hand", 2)
    move.waive("go", "entitlement", "executor", "he may not", 2)
    assert [each["reason"] for each in report(move, None)["move"]["waivers"]] == ["seen by hand"]


def test_an_edited_journal_proves_nothing(whole: Move, tmp_path: Path) -> None:
    path = tmp_path / "move.jsonl"
    path.write_bytes(whole.path.read_bytes().replace(b'"seconds":39600.0', b'"seconds":19600.0'))
    edited = Move(tmp_path / "none.jsonl")
    edited.path = path
    told = report(edited)
    (fault,) = told["move"]["faults"]
    assert "is not as it was written: Line " in fault
    found = "people can work, with limits: Messenger and live updates (push.server). 1 of 12 checks failed."
    text = f"Whether people can work is not proven. {fault} By the findings: {found}"
    assert told["result"] == {"level": "bad", "text": text}
    # No gate is open by such a journal, and nothing is waived.
    assert {each["state"] for each in told["move"]["protocol"]["gates"]} == {"closed"}
    assert told["move"]["waivers"] == []


def test_another_plan_than_the_signed_one_proves_nothing(whole: Move) -> None:
    other = Move(whole.path.with_name("other.jsonl"), {**sample_move.PLAN, "title": "Edited after the signatures"})
    other.path = whole.path
    told = report(other)
    assert [fault.partition(" (")[0] for fault in told["move"]["faults"]] == [
        f"The gate {name} was asked for with another version of the plan"
        for name in ("prepared", "rehearsed", "go", "commit")
    ]
    # By that plan no gate was ever open, so its states would say that people still work in the cloud.
    assert told["result"]["text"].startswith("Whether people can work is not proven. The gate prepared was asked for")


def test_what_no_state_admits_is_named(tmp_path: Path) -> None:
    move = Move(tmp_path / "move.jsonl")
    move.people("move.open", "final", 0)
    assert report(move, None)["move"]["faults"] == ["move.open@final would make the move open, and it was planned."]


def test_each_stage_has_the_volumes_that_the_journal_states(told: dict[str, t.Any]) -> None:
    stages = {each["id"]: each for each in told["move"]["stages"]}
    assert list(stages) == ["rehearsal", "final"]
    assert {key: stages["final"][key] for key in ("parts", "intact", "files", "tables")} == {
        "parts": 301, "intact": 301, "files": 58_143, "tables": 812,
    }  # fmt: skip
    assert (stages["rehearsal"]["rows"], stages["final"]["rows"]) == (18_438_896, 18_603_696)
    assert (stages["rehearsal"]["calls"], stages["final"]["calls"]) == ([2, 3], [3, 3])


def test_findings_of_both_runs_stand_beside_each_other(told: dict[str, t.Any]) -> None:
    compared = told["move"]["compared"]
    assert compared["stages"] == ["Rehearsal", "Final run"]
    assert compared["rows"][0] == {"host": "prod", "id": "search.index", "statuses": ["fail", "pass"]}
    assert len(compared["rows"]) + compared["calm"] == len(sample_move.FINDINGS)


def test_visits_count_from_the_opening(told: dict[str, t.Any], out: Move) -> None:
    assert [each["day"] for each in told["move"]["visits"]] == ["2026-05-12", "2026-05-17", "2026-05-24"]
    undated = Move(out.path.with_name("undated.jsonl"), {"id": "undated"})
    undated.step("prepare.preflight", "prepare", 1)
    assert [(each["day"], each["days"]) for each in report(undated)["move"]["visits"]][:2] == [("", 3), ("", 8)]


def test_remarks_and_cures(told: dict[str, t.Any]) -> None:
    assert [(each["owner"], each["due"], each["late"]) for each in told["move"]["remarks"]] == [
        ("Administrator", "2026-04-10", True),
        ("Customer", "2026-05-12", False),
    ]
    (error,) = told["move"]["errors"]
    assert error["message"].startswith("prod: /var is full.")
    assert [(cure["text"], cure["seconds"]) for cure in error["cures"]] == [("Grew /var by 40 GiB", 1500)]


def test_the_protocol_names_what_was_proven_and_who_signs(whole: Move, told: dict[str, t.Any]) -> None:
    protocol = told["move"]["protocol"]
    assert protocol["sha256"] == whole.plan.sha256
    assert [each["name"] for each in protocol["evidence"]] == ["manifest.json", "manifest.json"]
    assert [(each["org"], each["role"]) for each in protocol["signers"]] == [
        ("Contractor", "coordinator"),
        ("Customer", "approver"),
        ("Sales", "commercial owner"),
    ]
    gates = {each["title"]: each for each in protocol["gates"]}
    go = gates["Go or no-go: work in the cloud portal stops"]
    assert [each["name"] for each in go["signers"]] == ["Coordinator", "Decision maker", "Head of sales"]
    assert go["opened"] == go["signers"][-1]["at"]
    assert (gates["Acceptance of the move"]["state"], gates["Acceptance of the move"]["signers"]) == ("closed", [])


def test_only_signatures_that_count_are_named(tmp_path: Path) -> None:
    move = Move(tmp_path / "move.jsonl")
    move.step("prepare.accept", "prepare", 1)
    move.opened("go", ("approver", 60), ("key_user", 60))
    old = move.asked
    move.opened("go", ("executor", 60), ("coordinator", 60))  # asked for anew; and the executor may not sign
    at, move.asked = move.now, old
    move.sign("coordinator", 60)  # an answer to the old request
    (go,) = [each for each in report(move, None)["move"]["protocol"]["gates"] if each["title"].startswith("Go or")]
    assert (go["state"], [(each["name"], each["at"]) for each in go["signers"]]) == ("requested", [("Coordinator", at)])


def test_the_head_proves_the_journal_and_stays_when_others_look(out: Move) -> None:
    (head,) = report(out)["move"]["protocol"]["journals"]
    assert head["line"] > 100
    for noted in (head["hash"], head["digits"]):
        assert verify.verify(out.path.read_bytes(), noted).code == verify.WHOLE
    before = report(out)
    out.start("report")
    out.begin_play("Write the report")
    out.task("Write the report", 1, action="boxlift.portal.report", host="localhost")
    out.end()
    assert report(out) == before
    # Cut off behind the head it is still the journal of this protocol; without the head's line it is not.
    kept = b"".join(out.path.read_bytes().splitlines(keepends=True)[: head["line"] - 1])
    assert verify.verify(kept, head["digits"]).code == verify.OTHER_HEAD

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left to do: everything open, for its owner, what is late first."""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.evidence import Evidence
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.todo import todo
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import read
from unit.plugins.plugin_utils import sample_move
from unit.plugins.plugin_utils.sample_move import Move


@pytest.fixture
def out(tmp_path: Path) -> Move:
    return Move(tmp_path / "move.jsonl")


def left(
    out: Move, day: str, findings: t.Sequence[dict[str, t.Any]] = (), debts: t.Sequence[dict[str, t.Any]] = ()
) -> dict[str, list[tuple[str, str, str, bool]]]:
    of = Evidence(out.plan, read([str(out.path)]), datetime.date.fromisoformat(day))
    return {
        each["owner"]: [(one["kind"], one["what"], one["due"], one["late"]) for one in each["items"]]
        for each in todo(of, findings, debts)
    }


def finding(status: str, blocks: str, owner: str = "customer", remedy: str = "Mend it.") -> dict[str, t.Any]:
    return {"id": "a.b", "status": status, "blocks": blocks, "owner": owner, "remedy": remedy, "observed": "seen"}


def test_open_steps_are_those_up_to_the_first_stage_that_is_not_over(out: Move) -> None:
    out.at("2026-03-23T08:00:00")
    out.people("prepare.agree", "prepare", 0)
    steps = [item for item in left(out, "2026-03-23")["Contractor"] if item[0] == "step"]
    assert [what.partition(":")[0] for _kind, what, _due, _late in steps] == [
        "Write down what the cloud portal is",
        "Preflight",
        "Build the production hosts",
        "Measure and accept the hosts",
    ]
    assert {late for _kind, _what, _due, late in steps} == {False}
    late = [item for item in left(out, "2026-05-01")["Contractor"] if item[0] == "step"]
    assert all(item[3] for item in late) and len(late) == 4


def test_what_takes_days_is_named_until_it_is_there(out: Move) -> None:
    out.at("2026-03-23T08:00:00")
    out.people("prepare.agree", "prepare", 0)
    orders = [item for item in left(out, "2026-05-08")["Customer"] if item[0] == "order"]
    assert ("order", "Order or ask for: Second backup of the cloud portal, with its password") in [
        one[:2] for one in orders
    ]
    # What has arrived is not named, and what is not ordered in time is late.
    assert not [one for one in orders if "Certificate" in one[1]]
    assert next(one[3] for one in orders if "Second backup" in one[1]) is True
    sample_move.run(out, "final", 1.0, [])
    orders = [item for item in left(out, "2026-05-08")["Customer"] if item[0] == "order"]
    assert not [one for one in orders if "Second backup" in one[1]], "the step that needs it is done"


def test_who_has_not_signed_yet(out: Move) -> None:
    out.at("2026-05-09T17:20:00")
    out.step("prepare.accept", "prepare", 1)
    out.opened("go", ("coordinator", 60))
    mine = left(out, "2026-05-09")
    assert [item[1:3] for item in mine["Customer"] if item[0] == "sign"] == [
        ("Sign: Go or no-go: work in the cloud portal stops", "2026-05-09"),
        ("Sign: Go or no-go: work in the cloud portal stops", "2026-05-09"),
    ]
    assert not [item for item in mine["Contractor"] if item[0] == "sign"]
    # A day later the request has expired.
    assert [item[1:] for item in left(out, "2026-05-11")["Customer"] if item[0] == "sign"][0] == (
        "Ask anew, then sign: Go or no-go: work in the cloud portal stops", "2026-05-09", True,
    )  # fmt: skip


def test_remarks_and_waivers_have_owner_and_day(out: Move) -> None:
    sample_move.until_the_freeze(out)
    mine = left(out, "2026-05-10", [finding("fail", "some")])["Customer"]
    assert mine[0] == ("remark", "Name the second administrator", "2026-04-10", True)
    assert ("waiver", "Settle what was waived: entitlement", "2026-06-08", False) in mine
    late = left(out, "2026-06-10")["Customer"]
    assert ("waiver", "Settle what was waived: entitlement", "2026-06-08", True) in late


@pytest.mark.parametrize(
    ("status", "blocks", "due"),
    [
        ("fail", "everybody", "now"),
        ("fail", "some", "now"),
        ("fail", "nobody", ""),
        ("unknown", "everybody", ""),
        ("warn", "some", ""),
    ],
)
def test_what_keeps_people_from_working_is_mended_now(out: Move, status: str, blocks: str, due: str) -> None:
    out.step("prepare.preflight", "prepare", 1)
    found = left(out, "2026-04-01", [finding(status, blocks), finding("pass", blocks), finding("skip", blocks)])
    assert [item for item in found["Customer"] if item[0] == "finding"] == [("finding", "Mend it.", due, False)]


def test_what_the_vendor_has_to_do_has_a_list_of_its_own(out: Move) -> None:
    out.step("prepare.preflight", "prepare", 1)
    found = left(out, "2026-04-01", [finding("warn", "some", "vendor", "")])
    assert found["Vendor"] == [("finding", "seen", "", False)]


def test_a_debt_stands_for_its_warning_and_is_late_after_its_day(out: Move) -> None:
    out.step("prepare.preflight", "prepare", 1)
    debts = [{**each, "host": "pbx"} for each in sample_move.LICENCES["debts"]]
    found = [{**finding("warn", "nobody", "sales"), "id": "entitlement.fax", "host": host} for host in ("pbx", "prod")]
    found.append({**finding("fail", "some", "sales"), "id": "entitlement.voice_library", "host": "pbx"})
    mine = left(out, "2026-05-31", found, debts)["Sales"]
    assert ("debt", sample_move.PAY, "2026-05-31", False) in mine
    # The warning of the other host has no debt, and what fails is mended now.
    assert [item for item in mine if item[0] == "finding"] == [
        ("finding", "Mend it.", "now", False),
        ("finding", "Mend it.", "", False),
    ]
    # What fails on the same host is no matter of days.
    worse = [{**found[0], "status": "fail"}]
    assert ("finding", "Mend it.", "", False) in left(out, "2026-05-31", worse, debts)["Sales"]
    assert left(out, "2026-06-01", found, debts)["Sales"][0] == ("debt", sample_move.PAY, "2026-05-31", True)
    person = [{**each, "owner": "commercial_owner", "until": ""} for each in debts]
    assert ("debt", sample_move.PAY, "", False) in left(out, "2026-06-01", [], person)["Sales"]

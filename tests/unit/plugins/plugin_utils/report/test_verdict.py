# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first line: nobody, some with limits, everybody; and not known where nobody has seen a page."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import read
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.build import build
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.verdict import stopped_by, verdict_of
from unit.plugins.plugin_utils.sample_journal import Writer, finding

DOOR = ("web.answers", "pass", "everybody")


def found(*findings: tuple[str, str, str], host: str = "prod") -> list[dict[str, t.Any]]:
    return [
        {**finding(name, status, f"{name} seen"), "blocks": blocks, "host": host} for name, status, blocks in findings
    ]


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ([DOOR, ("push.key", "fail", "some")], "People can work, with limits: Messenger and live updates (push.key). "),
        ([DOOR, ("security.ssh", "fail", "nobody")], "People can work. "),
        ([DOOR, ("database.login", "fail", "everybody")], "Nobody can work: database.login seen. "),
        ([("web.answers", "fail", "some")], "People can work, with limits: Web and encryption (web.answers). "),
        ([("web.answers", "fail", "")], "Whether people can work is not known: "),
        ([("web.answers", "warn", "everybody")], "Whether people can work is not known: "),
        ([("push.key", "pass", "some")], "Whether people can work is not known: "),
        ([DOOR, ("mail.queue", "unknown", "some")], "People can work, as far as was seen. "),
    ],
)
def test_who_can_work(findings: list[tuple[str, str, str]], said: str) -> None:
    assert verdict_of(found(*findings))["text"].startswith(said)


def test_what_keeps_nobody_from_working_is_still_red() -> None:
    assert verdict_of(found(DOOR, ("security.ssh", "fail", "nobody"))) == {
        "level": "bad",
        "text": "People can work. 1 of 2 checks failed. None of that keeps anybody from working.",
    }


def test_the_areas_with_most_failures_are_named_and_the_rest_counted() -> None:
    failed = [(name, "fail", "some") for name in ("agents.a", "mail.a", "mail.b", "push.a", "search.a", "web.a")]
    assert verdict_of(found(DOOR, *failed))["text"] == (
        "People can work, with limits: Mail (mail.a, mail.b); Background work (agents.a); Messenger and live updates "
        "(push.a); 2 more areas. 6 of 7 checks failed."
    )


def test_a_second_host_that_answers_proves_that_somebody_can_work() -> None:
    copy = found(("web.answers", "fail", "everybody"), host="preprod")
    assert stopped_by(copy) == copy[0]
    assert stopped_by([*copy, *found(DOOR)]) is None


def test_the_front_door_is_named_before_what_is_behind_it() -> None:
    behind = found(("database.login", "fail", "everybody"), ("web.answers", "fail", "everybody"))
    assert stopped_by(behind) == behind[1]


def test_what_nobody_has_weighed_counts_for_the_portal_and_not_for_its_hosts(tmp_path: Path) -> None:
    out = Writer(tmp_path / "move.jsonl")
    out.start("health")
    out.begin_play("Check")
    for module, name in (("portal_health", "branch.printers"), ("host_acceptance", "disk.reads")):
        findings = [finding(name, "fail", "slow")]
        out.task("Check", 1, action=f"boxlift.portal.{module}", results=[{"findings": findings}])
    out.end()
    assert {each["id"]: each["blocks"] for each in build(read([str(out.path)]))["findings"]} == {
        "branch.printers": "some",
        "disk.reads": "nobody",
    }

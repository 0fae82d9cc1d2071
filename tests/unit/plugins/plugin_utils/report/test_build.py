# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import read
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.build import build, groups_of
from unit.plugins.plugin_utils.sample_journal import FINDINGS, VOLUMES, Writer, finding, write
from unit.plugins.plugin_utils.sample_move import LICENCES

INTACT = [{"name": "b.tar", "status": "intact", "size": 5}]
UNSEEN = "Whether people can work is not known: web.answers has not seen a page of the portal."
LIMITED = "People can work, with limits: Messenger and live updates (push.server)."
TORN = [*INTACT, {"name": "b.tar.1", "status": "truncated", "size": 2, "reason": "ends at byte 2"}]


@pytest.fixture
def out(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "move.jsonl")


def health(out: Writer, *statuses: str, failed: bool = False, **more: t.Any) -> None:
    """A run of the health playbook in which the checks ended so. The first that passed has seen the portal."""
    out.start("health")
    out.begin_play("Check the portal", check=more.pop("check", False))
    findings = [finding(f"area.{number}", status, "seen") for number, status in enumerate(statuses)]
    if statuses[:1] == ("pass",):
        findings[0]["id"] = "web.answers"
    action = "boxlift.portal.portal_health"
    out.task("Check", 1, "failed" if failed else "ok", action=action, results=[{"findings": findings}], **more)
    out.end()


def verify(out: Writer, volumes: list[dict[str, t.Any]], status: str = "ok") -> None:
    out.start("fetch")
    out.begin_play("Fetch")
    out.task("Prove", 1, status, action="boxlift.portal.backup_verify", results=[{"volumes": volumes}])
    out.end()


def built(out: Writer, title: str = "") -> dict[str, t.Any]:
    return build(read([str(out.path)]), title)


@pytest.mark.parametrize(
    ("statuses", "level", "text"),
    [
        (["pass", "pass"], "ok", "People can work. All 2 checks passed."),
        (["pass", "skip"], "ok", "People can work. The only check passed. 1 skipped, with the reasons below."),
        (["pass", "warn"], "warn", "People can work. No check failed; 1 of 2 warned."),
        (["pass", "warn", "unknown"], "unknown", "People can work, as far as was seen. 1 of 3 checks could not look."),
        (["pass", "fail"], "bad", "People can work, with limits: Area (area.1). 1 of 2 checks failed."),
        (["fail", "warn", "unknown", "pass"], "bad", f"{UNSEEN} 1 of 4 checks failed."),
        (["warn", "pass"], "unknown", f"{UNSEEN} No check failed; 1 of 2 warned."),
        (["skip"], "unknown", "The health check ran, but not one check gave an answer."),
        ([], "unknown", "The health check ran, but not one check gave an answer."),
    ],
)
def test_the_verdict_is_the_worst_that_is_known(out: Writer, statuses: list[str], level: str, text: str) -> None:
    health(out, *statuses)
    assert built(out)["result"] == {"level": level, "text": text}


CALL = {"name": "mobile to sales", "direction": "in", "line": "+74951000001", "result": "answered", "queue": True}
CALL |= {"recorded": True, "status": "fail", "talk": None, "code": None, "problems": ["no call fact: the call is lost"]}


def telephony(out: Writer, *calls: dict[str, t.Any]) -> None:
    out.start("telephony")
    out.begin_play("Check")
    found = {"findings": [finding("telephony.trunks", "pass", "carrier")]}
    result = {**found, "calls": list(calls)} if calls else found
    out.task("Look", 1, action="boxlift.portal.telephony_check", results=[result])
    out.end()


def test_test_calls_are_those_of_the_last_run_that_made_any(out: Writer) -> None:
    telephony(out)
    assert built(out)["calls"] == []
    telephony(out, {**CALL, "name": "an older one"})
    telephony(out, CALL)
    telephony(out)  # looked without a call
    report = built(out)
    assert [{**call, "host": "pbx"} for call in report["calls"]] == [{**CALL, "host": "pbx"}]
    assert [each["id"] for each in report["findings"]] == ["telephony.trunks"]
    # The portal itself was not looked at.
    assert report["result"]["level"] == "unknown"


def test_without_a_health_check_nothing_is_proven(out: Writer) -> None:
    verify(out, INTACT)
    assert built(out)["result"]["level"] == "unknown"
    assert "no health check was run" in built(out)["result"]["text"]


def test_a_check_that_failed_its_task_still_counts_as_findings(out: Writer) -> None:
    health(out, "pass", "fail", failed=True)
    assert built(out)["result"]["text"] == "People can work, with limits: Area (area.1). 1 of 2 checks failed."


def test_a_health_task_that_failed_without_a_failed_check_is_bad(out: Writer) -> None:
    health(out, "warn", "pass", failed=True)
    assert built(out)["result"] == {"level": "bad", "text": "health failed."}


def test_a_stopped_run_names_its_task_and_host(out: Writer) -> None:
    health(out, "pass")
    out.start("configure")
    out.begin_play("Configure")
    out.task("Write the domain", 1, "failed", message="no such table", host="db1")
    out.end()
    assert built(out)["result"] == {"level": "bad", "text": 'configure stopped at "Write the domain" on db1.'}
    assert [problem["message"] for problem in built(out)["problems"]] == ["no such table"]


SAID = 'answered 200, but with no page of the portal: "The trial is over."'


def answers(out: Writer, *statuses: str) -> None:
    """A run of health in which web.answers ended so from the host, and from outside."""
    out.start("health")
    out.begin_play("Check")
    for vantage, host, status in zip(("host", "outside"), ("prod", "prod -> localhost"), statuses):
        findings = [finding("web.answers", status, SAID, blocks="everybody"), finding("web.other", "pass", "fine")]
        result = {"vantage": vantage, "findings": findings}
        out.task("Check", 1, host=host, action="boxlift.portal.portal_health", results=[result])
    out.end()


@pytest.mark.parametrize("statuses", [("fail",), ("fail", "fail")])
def test_the_first_line_says_that_nobody_can_work(out: Writer, statuses: tuple[str, ...]) -> None:
    answers(out, *statuses)
    text = f"Nobody can work: {SAID}. 1 of 2 checks failed."
    assert built(out)["result"] == {"level": "bad", "text": text}
    # A run that went well and did not look again proves nothing else.
    verify(out, INTACT)
    assert built(out)["result"]["text"] == text


@pytest.mark.parametrize("statuses", [("fail", "pass"), ("pass", "fail"), ("warn",), ("unknown", "fail")])
def test_somebody_can_work_where_a_page_was_seen_from_one_place(out: Writer, statuses: tuple[str, ...]) -> None:
    answers(out, *statuses)
    assert "Nobody" not in built(out)["result"]["text"]


def test_a_stopped_health_run_says_so_before_where_it_stopped(out: Writer) -> None:
    answers(out, "fail")
    out.start("health")
    out.begin_play("Check")
    result = {"vantage": "host", "findings": [finding("web.answers", "fail", SAID, blocks="everybody")]}
    out.task("Check", 1, host="prod", action="boxlift.portal.portal_health", results=[result])
    out.task("Stop", 1, "failed", message="1 checks are not in order", host="prod")
    out.end()
    assert built(out)["result"]["text"].startswith(f"Nobody can work: {SAID}")


def test_configure_says_that_nobody_can_work(out: Writer) -> None:
    health(out, "pass")
    out.start("configure")
    out.begin_play("Configure")
    message = 'Nobody can work: the portal\'s kernel stops and says "The trial is over."'
    out.task("Demand that agents ran", 1, "failed", message=message, host="prod")
    out.end()
    assert built(out)["result"] == {"level": "bad", "text": message}


def test_a_failure_that_was_rescued_is_a_problem_but_no_verdict(out: Writer) -> None:
    out.start("restore")
    out.begin_play("Restore")
    out.task("Try", 1, "failed", message="first time", host="prod")
    out.task("Mend", 1, "changed", host="prod")
    out.end(rescued="prod")
    health(out, "pass")
    assert built(out)["result"]["level"] == "ok"
    assert [problem["name"] for problem in built(out)["problems"]] == ["Try"]


@pytest.mark.parametrize("volumes", [TORN, [{"name": "x"}]])
def test_a_backup_that_is_not_whole_is_bad(out: Writer, volumes: list[dict[str, t.Any]]) -> None:
    verify(out, volumes, "failed")
    assert built(out)["result"]["level"] == "bad"
    assert "1 of" in built(out)["result"]["text"]
    assert built(out)["backup"]["whole"] is False


def test_no_volumes_are_no_whole_backup(out: Writer) -> None:
    verify(out, [])
    assert built(out)["backup"]["whole"] is False
    assert built(out)["result"]["level"] == "bad"


def test_a_backup_whose_content_is_wrong_is_not_whole_although_its_parts_are(out: Writer) -> None:
    out.start("fetch")
    out.begin_play("Fetch")
    wrong = [finding("backup.dump", "fail", "the dump has no last line")]
    result = {"volumes": INTACT, "intact": False, "findings": wrong}
    out.task("Prove", 1, "failed", action="boxlift.portal.backup_verify", results=[result])
    out.end()
    assert built(out)["result"] == {"level": "bad", "text": "The backup is not whole: see the findings."}
    assert built(out)["findings"][0]["observed"] == "the dump has no last line"


def test_what_preflight_found_counts_until_the_portal_was_looked_at(out: Writer) -> None:
    out.start("preflight")
    out.begin_play("Preflight")
    findings = [finding("disk.room", "fail", "3 GiB are free", remedy="Add a disk.")]
    out.task("Ask the host", 1, action="boxlift.portal.preflight", results=[{"findings": findings}])
    out.task("Refuse what cannot go well", 1, "failed", message="1 thing stands in the way")
    out.end()
    assert built(out)["result"]["text"] == 'preflight stopped at "Refuse what cannot go well" on prod.'
    assert [f["remedy"] for f in built(out)["findings"]] == ["Add a disk."]
    health(out, "pass")
    assert [f["id"] for f in built(out)["findings"]] == ["web.answers"]


def test_a_host_that_was_not_accepted_stays_a_finding_beside_those_of_the_portal(out: Writer) -> None:
    out.start("accept")
    out.begin_play("Accept the hosts")
    findings = [finding("disk.reads./srv/portal", "fail", "800 a second", remedy="A faster disk.")]
    out.task("Measure", 1, "failed", action="boxlift.portal.host_acceptance", results=[{"findings": findings}])
    out.end()
    assert built(out)["result"] == {"level": "bad", "text": f"{UNSEEN} 1 of 1 check failed."}
    health(out, "pass")
    assert [f["id"] for f in built(out)["findings"]] == ["disk.reads./srv/portal", "web.answers"]


def test_what_verify_found_replaces_what_fetch_found(out: Writer) -> None:
    out.start("fetch")
    out.begin_play("Fetch")
    for module, status in (("backup_fetch", "unknown"), ("backup_verify", "pass")):
        result = {"volumes": INTACT, "findings": [finding("backup.entries", status, "seen")]}
        out.task("Look", 1, action=f"boxlift.portal.{module}", results=[result])
    out.end()
    assert [f["status"] for f in built(out)["findings"]] == ["pass"]
    assert "no health check was run" in built(out)["result"]["text"], "a good backup is no healthy portal"


def test_the_newest_look_at_the_backup_counts(out: Writer) -> None:
    verify(out, TORN, "failed")
    verify(out, INTACT)
    health(out, "pass")
    assert built(out)["backup"]["whole"] is True
    assert built(out)["result"]["level"] == "ok"


def test_only_the_findings_of_the_newest_health_run_count(out: Writer) -> None:
    health(out, "fail", "fail")
    health(out, "pass", "pass")
    assert built(out)["counts"]["findings"] == {"fail": 0, "unknown": 0, "warn": 0, "skip": 0, "pass": 2}


def test_every_host_has_findings_of_its_own(out: Writer) -> None:
    out.start("health")
    out.begin_play("Check")
    for host, status in (("prod", "pass"), ("preprod", "fail")):
        findings = [finding("web.tls", status, "seen")]
        out.task("Check", 1, host=host, action="boxlift.portal.portal_health", results=[{"findings": findings}])
    out.end()
    assert [(f["host"], f["status"]) for f in built(out)["findings"]] == [("preprod", "fail"), ("prod", "pass")]


def test_what_was_seen_from_outside_joins_what_the_host_saw(out: Writer) -> None:
    out.start("health")
    out.begin_play("Check")
    for vantage, host, status in (("host", "prod", "pass"), ("outside", "prod -> localhost", "fail")):
        result = {"vantage": vantage, "findings": [finding("web.tls", status, f"seen by {vantage}")]}
        out.task("Check", 1, host=host, action="boxlift.portal.portal_health", results=[result])
    out.end()
    (shown,) = built(out)["findings"]
    assert (shown["host"], shown["status"]) == ("prod", "fail")
    assert shown["observed"] == "from the host: seen by host; from outside: seen by outside"


def test_check_mode_proves_nothing(out: Writer) -> None:
    health(out, "pass", check=True)
    report = built(out)
    assert report["result"]["level"] == "unknown"
    assert report["findings"] is None
    assert report["runs"][0]["check"] is True


def test_findings_come_with_the_most_urgent_first(out: Writer) -> None:
    health(out, "pass", "skip", "warn", "unknown", "fail")
    assert [f["status"] for f in built(out)["findings"]] == ["fail", "unknown", "warn", "skip", "pass"]


def test_an_area_stands_as_its_worst_check(out: Writer) -> None:
    out.start("health")
    out.begin_play("Check")
    statuses = {"mail": ("pass", "warn"), "web": ("pass", "skip"), "push": ("warn", "fail"), "search": ("skip",)}
    findings = [
        {**finding(f"{area}.{number}", status, "seen"), "area": area}
        for area, mine in statuses.items()
        for number, status in enumerate(mine)
    ]
    out.task("Check", 1, action="boxlift.portal.portal_health", results=[{"findings": findings}])
    out.end()
    areas = built(out)["areas"]
    assert [(area["area"], area["status"], area["worst"]) for area in areas] == [
        ("push", "fail", "push.1"),
        ("mail", "warn", "mail.1"),
        ("search", "skip", "search.0"),
        ("web", "pass", "web.1"),
    ]
    assert areas[1]["counts"] == {"fail": 0, "unknown": 0, "warn": 1, "skip": 0, "pass": 1}


def test_bytes_and_repairs_of_all_fetches_are_added(out: Writer) -> None:
    for number in (1, 2):
        out.start("fetch")
        out.begin_play("Fetch")
        result = {
            "volumes": INTACT,
            "bytes_fetched": number,
            "bytes_refetched": 10,
            "repairs": [{"name": str(number)}],
        }
        out.task("Fetch", 1, "changed", action="boxlift.portal.backup_fetch", results=[result])
        out.end()
    backup = built(out)["backup"]
    assert (backup["bytes_fetched"], backup["bytes_refetched"]) == (3, 20)
    assert [repair["name"] for repair in backup["repairs"]] == ["1", "2"]


def test_a_second_restore_that_had_nothing_to_do_hides_no_figures(out: Writer) -> None:
    for files, status in ((57, "changed"), (0, "ok")):
        out.start("restore")
        out.begin_play("Restore")
        out.task("Restore", 1, status, action="boxlift.portal.backup_restore", results=[{"files": files}])
        out.end()
    assert built(out)["restore"]["files"] == 57


def test_a_run_without_an_end_was_interrupted_unless_it_is_the_last(out: Writer) -> None:
    for _number in range(2):
        out.start("fetch")
        out.begin_play("Fetch")
        out.task("Ask", 1)
    assert [run["state"] for run in built(out)["runs"]] == ["interrupted", "in progress"]


def test_tasks_are_gathered_by_role_and_long_ones_stand_alone(out: Writer) -> None:
    out.start("provision")
    out.begin_play("Build")
    for number in range(20):
        out.task(f"Small {number}", 2, role="web" if number % 2 else "host", status="skipped" if number == 3 else "ok")
    out.task("Long", 600, "changed", role="web")
    groups = groups_of(read([str(out.path)]).runs[0])
    assert [(g["role"], g["task"], sum(g["statuses"].values())) for g in groups] == [
        ("host", "", 10),
        ("web", "", 9),
        ("web", "Long", 1),
    ]
    assert groups[0]["seconds"] == 20
    assert len(groups[0]["spans"]) == 10


def test_an_empty_journal_makes_a_report_too(out: Writer) -> None:
    out.start("fetch")
    report = built(out, "Nothing")
    assert report["title"] == "Nothing"
    assert report["result"]["level"] == "unknown"
    assert report["started"] is None


def test_the_whole_sample(tmp_path: Path) -> None:
    write(tmp_path / "move.jsonl")
    report = build(read([str(tmp_path)]))
    assert json.loads(json.dumps(report)) == report
    assert report["title"] == "The move of portal.boxlift.test"
    assert report["result"] == {"level": "bad", "text": f"{LIMITED} 1 of 13 checks failed."}
    assert len(report["steps"]) == 273
    assert len(report["findings"]) == len(FINDINGS) + 1
    assert report["backup"]["volumes"] == VOLUMES
    assert report["restore"]["rows"] == 18_438_896
    assert 12 * 3600 < report["seconds"] < 13 * 3600


def entitlement(out: Writer, host: str, *features: str) -> None:
    """A run of the playbook entitlement on one host, on which these features are owed."""
    out.start("entitlement")
    out.begin_play("Hold the licences against what the site uses")
    debts = [{"feature": each, "until": f"2026-05-3{number}"} for number, each in enumerate(features)]
    found = {"findings": [finding("entitlement.uses", "pass", "seen")], "debts": debts, "files": []}
    out.task("Hold", 1, action="boxlift.portal.entitlement_check", host=host, results=[found])
    out.end()


def test_a_debt_stays_until_a_later_look_at_its_host_finds_it_paid(out: Writer) -> None:
    def owed() -> list[tuple[str, str]]:
        return [(each["host"], each["feature"]) for each in built(out)["debts"]]

    entitlement(out, "pbx", "voice", "fax")
    entitlement(out, "prod", "editor")
    health(out, "pass")
    assert owed() == [("pbx", "voice"), ("prod", "editor"), ("pbx", "fax")]
    entitlement(out, "pbx", "fax")
    assert owed() == [("pbx", "fax"), ("prod", "editor")]
    entitlement(out, "pbx -> localhost")
    entitlement(out, "prod")
    assert owed() == []


def test_a_missing_licence_is_a_limit_of_the_first_line(out: Writer) -> None:
    health(out, "pass")
    out.start("entitlement")
    out.begin_play("Hold")
    out.task("Hold", 1, action="boxlift.portal.entitlement_check", results=[LICENCES])
    out.end()
    report = built(out)
    words = "People can work, with limits: Entitlements (entitlement.voice_library). 1 of 3 checks failed."
    assert report["result"] == {"level": "bad", "text": words}
    assert [(each["id"], each["proven"]) for each in report["licences"]] == [("voice.lic", True), ("fax.lic", False)]

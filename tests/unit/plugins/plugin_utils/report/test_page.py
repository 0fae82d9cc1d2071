# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import html.parser
import json
import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover import gantt
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.move import with_plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import read
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.build import build
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.page import (
    LEVELS,
    area_name,
    area_text,
    level,
    render,
)
from unit.plugins.plugin_utils import sample_move
from unit.plugins.plugin_utils.sample_journal import FINDINGS, Writer, finding, write
from unit.plugins.plugin_utils.sample_move import Move

VOID = {"meta", "line", "rect"}
NOT_FROM_ELSEWHERE = {"script", "link", "img", "iframe", "object", "embed", "base", "form", "a", "image", "use"}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202egnp.exe\x1b[31m{{ 7 * 7 }}"


class Page(html.parser.HTMLParser):
    """Tags and attributes of a page; every tag must be closed by its own."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def test_test_calls_are_a_table(tmp_path: Path) -> None:
    out = Writer(tmp_path / "move.jsonl")
    out.start("telephony")
    out.begin_play("Check")
    call = {"name": HOSTILE, "direction": "in", "line": "+74951000001", "result": "answered", "queue": True}
    call |= {"recorded": False, "status": "fail", "talk": None, "code": "304", "problems": ["no lead was created"]}
    result = {"findings": [finding("telephony.trunks", "pass", "carrier")], "calls": [call]}
    out.task("Look", 1, action="boxlift.portal.telephony_check", results=[result])
    out.end()
    page = Page(render(build(read([str(out.path)]))))
    assert "script" not in page.tags and "Test calls" in page.text
    for text in ("+74951000001", "304", "no lead was created"):
        assert text in page.text


def test_the_last_pass_of_each_mode_says_what_it_carried_over(tmp_path: Path) -> None:
    out = Writer(tmp_path / "move.jsonl")
    out.start("delta")
    out.begin_play("Carry over")
    counts = {"source": 812, "target": 811, "new": 12, "changed": 3, "compared": 15, "lost": 1, "different": 0}
    counts |= {"created": 11, "updated": 3, "deleted": 0, "skipped": 1, "explained": 0}
    delta = {
        "mode": "final",
        "grade": "good",
        "text": "It has everything.",
        "reasons": ["1 entry stays."],
        "ended": 9.0,
    }
    delta |= {"source": HOSTILE, "target": "box", "counts": {"lead": counts}, "skipped": 1, "skipped_sha256": "ab" * 32}
    for given in (delta, {**delta, "grade": "poor", "text": "It lacks a lead."}):
        out.task("Carry over", 1, action="boxlift.portal.crm_transfer", results=[{"delta": given}])
    out.task(
        "Carry over",
        1,
        action="boxlift.portal.crm_transfer",
        results=[{"delta": {**delta, "mode": "warm", "ended": 1.0}}],
    )
    out.end()
    built = build(read([str(out.path)]))
    assert [(each["mode"], each["grade"], each["host"]) for each in built["transfers"]] == [
        ("warm", "good", "prod"),
        ("final", "poor", "prod"),
    ]
    page = Page(render(built))
    assert "script" not in page.tags
    for text in ("CRM: final pass", "It lacks a lead.", "poor", "812", "ab" * 32):
        assert text in page.text


def store(name: str, **values: t.Any) -> dict[str, t.Any]:
    last = {"id": "20261130T010000Z-ab12", "began": 900.0, "ended": 1000.0, "kind": "full", "bytes": {}, "warnings": []}
    return {
        **{"name": name, "repository": "/srv/backup/portal", "reachable": True, "problem": "", "same_host": True},
        **{"last_good": last, "copies": [last], "unproven": 0, "restorable_until": 4000.0, "pruned": None},
        **{"verified": {"slices": {}, "ratio_7_days": 0.86}, "drills": [], "findings": [], **values},
    }


def drill(began: float, **values: t.Any) -> dict[str, t.Any]:
    compared = {"tables": 612, "rows": 4410233, "files": 81234, "noted_files": 81234}
    return {
        **{"format": 1, "copy": "20261130T010000Z-ab12", "host": "copy", "began": began, "ended": began + 700},
        **{"passed": True, "phases": {"recover": 200.0}, "rto_seconds": 240.0, "rpo_seconds": 212.0},
        **{"compared": compared, "findings": [], "left": [], **values},
    }


def test_the_copies_are_shown_with_what_drills_have_measured(tmp_path: Path) -> None:
    failed = drill(9000.0, passed=False, rto_seconds=None, rpo_seconds=None, compared={})
    failed["findings"] = [{"code": "left", "severity": "fail", "text": HOSTILE, "remedy": "x"}]
    out = Writer(tmp_path / "move.jsonl")
    out.start("drill")
    out.begin_play("Drill")
    promise = {"rto_seconds": 300.0, "rpo_seconds": 265.0, "of_drills": 1, "text": "From the last drill that passed."}
    seen = [
        store("near", drills=[drill(100.0)]),
        store(HOSTILE, last_good=None, restorable_until=None, reachable=False),
    ]
    for stores in ([store("near", last_good=None)], seen):  # the last look counts
        out.task("Look", 1, action="boxlift.portal.backup_status", results=[{"stores": stores, "promise": promise}])
    for each in (drill(100.0), failed):  # the first one stands in the repository too
        out.task("Record", 1, action="boxlift.portal.backup_drill", host="copy", results=[{"drill": each}])
    out.end()
    copies = build(read([str(out.path)]))["copies"]
    assert [each["name"] for each in copies["stores"]] == [HOSTILE, "near"]
    assert [(each["began"], each["passed"]) for each in copies["drills"]] == [(9000.0, False), (100.0, True)]
    assert copies["last_passed"]["rto_seconds"] == 240.0 and copies["promise"] == promise
    page = Page(render(build(read([str(out.path)]))))
    assert "script" not in page.tags
    for text in (
        "Copies of the portal",
        "86 %",
        "4 min",
        "a recovery within 5 min",
        "at most 4 min 25 s lost",
        "612 tables",
    ):
        assert text in page.text, text


def test_the_health_of_a_recovered_portal_is_not_that_of_production(tmp_path: Path) -> None:
    out = Writer(tmp_path / "move.jsonl")
    for playbook, role, host, status in (("health", "health", "prod", "pass"), ("drill", "drill", "copy", "fail")):
        out.start(playbook)
        out.begin_play("Look")
        found = {"findings": [finding("web.answers", status, "the first page")]}
        role = f"boxlift.portal.{role}"
        out.task("Check", 1, action="boxlift.portal.portal_health", role=role, host=host, results=[found])
        out.end()
    built = build(read([str(out.path)]))
    assert [(each["host"], each["status"]) for each in built["findings"]] == [("prod", "pass")]


def test_nothing_is_said_of_copies_that_nobody_has_looked_at(sample: str) -> None:
    assert "Copies of the portal" not in Page(sample).text


def test_a_promise_that_cannot_be_made_is_not_made_up(tmp_path: Path) -> None:
    out = Writer(tmp_path / "move.jsonl")
    out.start("backup")
    out.begin_play("Look")
    seen = {"stores": [store("near", last_good=None, copies=[], restorable_until=None, verified={})], "promise": None}
    out.task("Look", 1, action="boxlift.portal.backup_status", results=[seen])
    out.end()
    text = Page(render(build(read([str(out.path)])))).text
    assert "Nothing can be promised" in text and "not known" in text and "recovery within" not in text


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("journal")
    write(folder / "move.jsonl")
    return render(build(read([str(folder)])))


def hostile(folder: Path) -> dict[str, t.Any]:
    """A report in which every text that comes from outside is an attack."""
    out = Writer(folder / "move.jsonl")
    out.start(HOSTILE)
    out.begin_play(HOSTILE)
    out.event("site", domain=HOSTILE)
    finding = {**dict.fromkeys(("id", "area", "observed", "expected", "remedy", "owner", "reference"), HOSTILE)}
    volume = {"name": HOSTILE, "status": HOSTILE, "sha256": HOSTILE, "reason": HOSTILE, "size": None}
    more: dict[str, t.Any] = {"role": HOSTILE, "host": HOSTILE, "message": HOSTILE, "warnings": [HOSTILE]}
    verified = {"volumes": [volume], "format": HOSTILE, "encrypted": True}
    fetched = {
        "volumes": [volume],
        "bytes_fetched": 1,
        "repairs": [{"name": HOSTILE, "status": HOSTILE, "reason": HOSTILE, "bytes": 1}],
    }
    restored: dict[str, t.Any] = {"files": 1, "timings": {HOSTILE: 2}, "rows": 3}
    restored["tables"] = [{"name": HOSTILE, "rows": 3, "structure_only": True}]
    restored["repairs"] = [{"table": HOSTILE, "kind": HOSTILE, "detail": HOSTILE, "count": 3}]
    checked = {"findings": [{**finding, "status": status} for status in ("fail", "pass", HOSTILE)]}
    for module, result in (
        ("backup_verify", verified),
        ("backup_fetch", fetched),
        ("backup_restore", restored),
        ("portal_info", {"portal": {"version": HOSTILE, "counts": {HOSTILE: 3}}}),
        ("portal_health", checked),
    ):
        out.task(HOSTILE, 1, "failed", action=f"boxlift.portal.{module}", results=[result], **more)
    out.end()
    return build(read([str(folder)]), HOSTILE)


def test_the_page_is_well_formed_and_loads_nothing(sample: str) -> None:
    page = Page(sample)
    assert not page.tags & NOT_FROM_ELSEWHERE
    names = {name for name, _value in page.attributes}
    assert not names & {"src", "href", "srcset", "action", "xlink:href", "data"}
    assert not [name for name in names if name.startswith("on")]
    assert "url(" not in sample
    assert "@import" not in sample
    assert "http:" not in sample
    assert "https:" not in sample


def test_the_page_says_what_the_report_says(sample: str) -> None:
    text = Page(sample).text
    assert "1 of 13 checks failed." in text
    assert "12 h 42 min of work in 5 runs" in text
    for found in FINDINGS:
        for key in ("id", "observed"):
            assert found[key] in text
        if found["status"] not in ("pass", "skip"):
            assert found["remedy"] in text
    assert "20260418_170000_12345678.enc.gz.300" in text
    assert "the answer was an HTML page" in text
    assert "18\u202f438\u202f896" in text
    assert "48\u202f211" in text
    assert "All 273 tasks" in text


def test_the_most_urgent_finding_comes_first(sample: str) -> None:
    places = [sample.index(name) for name in ("push.server", "certificate.renewal", "users.login", "agents.cron")]
    assert places == sorted(places)


def test_every_area_has_its_light_and_its_words(sample: str) -> None:
    # What the verification of the backup found is an area beside those of the health check.
    areas = {"backup", *(found["area"] for found in FINDINGS)}
    assert sample.count('<div class="light ') == len(areas)
    text = Page(sample).text
    for area in areas:
        assert area_name(area) in text
    counts = {"fail": 1, "warn": 2, "skip": 0, "pass": 3}
    assert area_text({"status": "fail", "worst": "push.key", "counts": counts}) == (
        "1 failed, 2 warned, 3 passed: push.key"
    )


def test_what_was_compared_is_shown_before_and_after(tmp_path: Path) -> None:
    out = Writer(tmp_path / "move.jsonl")
    out.start("health")
    out.begin_play("Check")
    compared = {**finding("content.counts", "warn", "1 198 tasks"), "before": "1 200 tasks"}
    out.task("Check", 1, action="boxlift.portal.portal_health", results=[{"findings": [compared]}])
    out.end()
    page = render(build(read([str(tmp_path)])))
    assert "Before and after" in page
    assert page.index("1 200 tasks") < page.index("1 198 tasks")


def test_light_dark_and_print_are_provided_for(sample: str) -> None:
    assert "prefers-color-scheme: dark" in sample
    assert "@media print" in sample


def test_every_value_is_escaped(tmp_path: Path) -> None:
    report = hostile(tmp_path)
    page = Page(render(report))
    assert not page.tags & {"script", "img"}
    assert not [name for name, _value in page.attributes if name.startswith("on")]
    written = json.dumps(report)
    assert written.count("onerror") >= 25
    # Whatever is shown is shown as text, with what cannot be seen as its code.
    assert page.text.count("<script>alert(1)</script>") >= 25
    assert "\u202e" not in page.text
    assert "\x1b" not in page.text
    assert "\\u202egnp.exe\\u001b[31m{{ 7 * 7 }}" in page.text


def with_its_plan(out: Move) -> str:
    journal = read([str(out.path)])
    report = with_plan(build(journal), journal, out.plan)
    return render(report, gantt.drawn(report["move"]))


def test_the_page_of_a_move_by_its_plan(tmp_path: Path) -> None:
    text = with_its_plan(sample_move.write(tmp_path / "move.jsonl"))
    page = Page(text)
    assert not page.tags & NOT_FROM_ELSEWHERE and "url(" not in text
    assert "http:" not in text and "https:" not in text
    said = page.text
    order = [
        "People can work, with limits: Messenger and live updates (push.server).",
        "Waived:",
        "What is left to do",
        "Planned and actual: Move",
        "Who waited for whom",
        "How it stands, area by area",
        "Acceptance protocol",
        "The undersigned accept the move",
    ]
    places = [said.index(words) for words in order]
    assert places == sorted(places)
    for words in ("2 h 18 min", "Name the second administrator", "Grew /var by 40 GiB", "2026-05-12", "4c" * 32):
        assert words in said
    # Every time is one of the plan's zone.
    assert "CEST" in said and "UTC" not in said and "Times are of Europe/Berlin" in said


def test_what_is_owed_stands_with_its_owner_and_its_day(tmp_path: Path) -> None:
    out = sample_move.write(tmp_path / "move.jsonl")
    assert "Licences that are owed" not in Page(with_its_plan(out)).text
    out.step("move.entitlement", "final", 8, module="entitlement_check", results=[sample_move.LICENCES])
    said = Page(with_its_plan(out)).text
    for words in (sample_move.PAY, sample_move.TRIAL, "2026-05-31", "signature verified", "Example Ltd"):
        assert words in said
    assert said.index("What is left to do") < said.index(sample_move.PAY) < said.index("Licences that are owed")


def test_the_head_of_a_table_is_repeated_on_each_printed_page(tmp_path: Path) -> None:
    text = with_its_plan(sample_move.write(tmp_path / "move.jsonl"))
    heads = re.findall(r"<tr>\s*<th", text)
    assert heads and len(heads) == len(re.findall(r"<thead><tr>\s*<th", text))
    for rule in ("thead { display: table-header-group; }", "tr, .tile, .card", ".protocol { break-before: page;"):
        assert rule in text.partition("@media print")[2]


def test_what_a_plan_and_its_people_write_is_escaped(tmp_path: Path) -> None:
    # The plan's own texts come from the customer too.
    owned = {"owner": "contractor", "title": HOSTILE}
    plan = {
        **sample_move.PLAN,
        "title": HOSTILE,
        "organisations": {"contractor": HOSTILE, "customer": HOSTILE, "sales": HOSTILE},
        "people": {"approver": {"name": HOSTILE}, "coordinator": {"name": HOSTILE}},
        "steps": {"move.fetch": owned},
        "gates": {"go": {"title": HOSTILE}},
        "visits": {"d3": owned},
        "stages": {"rehearsal": {"title": HOSTILE}},
        "phases": {"move": {"title": HOSTILE}},
    }
    out = Move(tmp_path / "move.jsonl", plan)
    out.step("prepare.accept", "prepare", 1)
    out.step("move.fetch", "rehearsal", 100, "failed", message=HOSTILE)
    out.event("remark", step="move.fetch", error=out.last.seq - 2, text=HOSTILE, operator=HOSTILE)
    proof = {"path": f"/srv/{HOSTILE.replace('/', '')}", "sha256": HOSTILE, "bytes": 3}
    out.step("move.fetch", "rehearsal", 100, evidence=[proof], waiting_for=HOSTILE)
    found = [{**finding(HOSTILE, "fail", HOSTILE), "owner": HOSTILE, "remedy": HOSTILE}]
    for stage in ("rehearsal", "final"):
        out.step("move.health", stage, 1, module="portal_health", results=[{"findings": found}])
    out.waive("go", "entitlement", "approver", HOSTILE, 3)
    out.opened("go", ("coordinator", 90), ("approver", 90), remarks=[{"text": HOSTILE, "owner": HOSTILE, "due": "x"}])
    text = with_its_plan(out)
    page = Page(text)
    assert not page.tags & {"script", "img"}
    assert not [name for name, _value in page.attributes if name.startswith("on")]
    assert page.text.count("<script>alert(1)</script>") >= 40
    assert "\u202e" not in text and "\x1b" not in text


def test_a_report_of_nothing_can_be_shown(tmp_path: Path) -> None:
    Writer(tmp_path / "move.jsonl").start("fetch")
    assert "Nothing was done yet" in Page(render(build(read([str(tmp_path)])))).text


def test_a_status_that_is_not_known_is_never_shown_as_good() -> None:
    assert level("melted") == "bad"
    assert {status for status, colour in LEVELS.items() if colour == "ok"} == {"pass", "intact", "ok", "finished"}

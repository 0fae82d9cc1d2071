# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The printed pages: what stands on each, for whom, and that nothing of a plan becomes HTML."""

from __future__ import annotations

import hashlib
import html.parser
import re
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual import content, page, steps, wrapped
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual.envelopes import Envelope
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual.words import Words
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.text import LANGUAGES
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast import Sample
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, numbers
from unit.plugins.plugin_utils.manual import sites

VOID = {"meta", "br"}


class Pages(html.parser.HTMLParser):
    """The text of each page and its boxes; every tag that opens is closed, in the right order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.boxes: list[int] = []
        self.attributes: dict[str, dict[str, str | None]] = {}
        self.feed(source)
        self.close()
        assert self.open == []
        self.texts = [re.sub(r"\s+", " ", text).strip() for text in self.texts]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.setdefault(tag, dict(attrs))
        if tag == "section":
            self.texts.append("")
            self.boxes.append(0)
        self.boxes[-1:] = [count + (tag == "i") for count in self.boxes[-1:]]
        if tag not in ("bdi", "b", "i", "code", "span"):
            self.handle_data(" ")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, self.getpos()
            if tag not in ("bdi", "i"):
                self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        if "section" in self.open:
            self.texts[-1] += data


def item_pages(language: str = "en", **other: object) -> dict[str, str]:
    """The text of each item's page, by its number."""
    found, source, _id = sites.made(sites.plan(language, **other))
    texts = Pages(source).texts
    return {one.number: texts[one.page - 1] for one in found.pages}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_a_page_for_each_item(language: str) -> None:
    of = sites.plan(language)
    found, source, manual_id = sites.made(of)
    pages = Pages(source)
    direction = "rtl" if language == "ar" else "ltr"
    assert pages.attributes["html"] == {"lang": language, "dir": direction}
    items = numbers.items(of)
    assert [one.number for one in found.pages] == [item.number for item in items]
    assert len(pages.texts) == found.count == items_before(found) + len(items)
    say = Words(language)
    for number, text in enumerate(pages.texts, start=1):
        assert f"{of.sha256[:12]}" in text
        assert manual_id in text
        assert text.endswith(re.sub("<[^>]+>", "", say("page_of", page=number, pages=found.count)))
    for one in found.pages:
        text = pages.texts[one.page - 1]
        assert f" mig {one.number} " in text
        assert say.plain("line_lost_do") in text
        assert all(say.plain(f"bad_{number}") in text for number in range(1, 5))
        # Two codes of 7 digits, two read-backs and two heads of 15; a decision has its inputs to tick off as well.
        assert pages.boxes[one.page - 1] == 2 * 7 + 4 * 15 + len(one.inputs)


def items_before(found: content.Manual) -> int:
    return found.pages[0].page - 1


@pytest.mark.parametrize("language", ["en", "ar"])
def test_no_page_loads_anything(language: str) -> None:
    found, source, manual_id = sites.made(sites.plan(language))
    words = Words(language)
    sealed = [Envelope("stop", "mig stop", ("40711", "22694", "55086"), 1, 1)]
    for text in (source, page.codes(found, words, manual_id), page.envelopes(sealed, found, words, manual_id)):
        Pages(text)
        shown = text.replace(found.mig, "")
        assert not re.search(r"https?:|\bsrc=|\bhref=|url\(|@import|<script|<link|<img", shown)
        assert "default-src 'none'" in text


def test_the_first_page_names_who_and_what() -> None:
    of = sites.plan()
    _found, source, _id = sites.made(of)
    first, how, officer, contents, *_rest = Pages(source).texts
    for text in (of.sha256, codes.spoken(of.sha256), "portal.example.com", "At the keyboard Administrator"):
        assert text in first
    assert "On the telephone Coordinator" in first
    assert "2026-11-28 22:00 to 2026-11-29 08:00 (Europe/Moscow)" in first
    assert all(person.name in first for person in of.people.values())
    assert "Finish this step. Do not begin the next one." in how
    assert "mig rollback CODE goes back to the old state." in how
    assert re.sub(r"\s+", " ", steps.command().decode()).strip() in officer
    for file in wrapped.files_of("supervise"):
        assert f"{file.name} {file.sha256}" in officer
    assert re.search(r" 1\.1 Agree on this plan, its people and its dates 2 h people 6 ", contents)


def test_a_page_of_a_playbook() -> None:
    text = item_pages()["3.4"]
    content_of = (wrapped.PLAYBOOKS / "restore.yml").read_bytes()
    for part in (
        "3.4 Restore files and database Files and data of the copy become the new portal.",
        "Who Contractor: Coordinator, Operator",
        "about 2 h usually within 4 h (estimated)",
        "Only after 3.3",
        "3.4 Restore files and database Result: OK",
        "3.4 Restore files and database Result: FAILED",
        "mig rollback CODE to take the cutover back",
        "To undo: The supervisor decides. mig rollback",
        "counts of files, tables and rows",
        f"restore.yml {hashlib.sha256(content_of).hexdigest()}",
    ):
        assert part in text, part


def test_what_is_no_part_of_the_cutover_is_not_taken_back_by_it() -> None:
    assert re.search(r"To undo: The supervisor decides\. +Try ", item_pages()["2.3"])


def test_a_page_of_people() -> None:
    text = item_pages()["3.15"]
    assert "Type before you begin mig 3.15" in text
    assert "Note down: the grade of the transfer, its counts, and the list of what was skipped" in text
    assert "When it is done, type mig 3.15 ok If it cannot be done, type mig 3.15 failed" in text


def test_a_page_of_a_decision() -> None:
    text = item_pages()["3.13"]
    assert "valid for 1 h" in text
    assert "Coordinator (Contractor, coordinator) mig sign 3.13 coordinator" in text
    assert "Head of sales (Customer, key user) mig sign 3.13 key_user" in text
    assert "the licences cover what is used" in text
    assert "Result: WAITS FOR SIGNATURES" in text


def test_what_lies_days_back_is_no_step_before() -> None:
    assert "Only after 3.2, 3.12, 3.13 " in item_pages()["3.14"]
    assert "Only after nothing " in item_pages()["1.1"]


def test_one_of_several_may_sign() -> None:
    text = item_pages(people={"deputy": {"name": "Deputy", "org": "customer", "roles": ["approver"]}})["3.13"]
    assert "1 of: Decision maker" in text
    assert "1 of: Deputy" in text
    assert "1 of: Coordinator" not in text


def test_the_screen_is_the_one_of_the_supervision_without_its_digits() -> None:
    assert set(content.DIGITS) == {"•", " "}
    assert "• • • • •     • • • • •     • • • • •" in sites.made(sites.plan())[1]


def test_measured_durations_take_the_estimates_place() -> None:
    of = sites.plan()
    words = Words("en")
    found = content.content(of, words, {"final": {"move.restore": [Sample(3000, {}), Sample(3300, {})]}})
    takes = {one.number: one.takes for one in found.pages}
    assert (takes["3.4"].p50, takes["3.4"].measured) == ("53 min", True)
    assert (takes["2.3"].p50, takes["2.3"].measured) == ("2 h", False)


def test_the_id_can_be_proven_by_hand() -> None:
    _found, source, manual_id = sites.made(sites.plan())
    assert hashlib.sha256(source.replace(manual_id, page.UNKNOWN).encode()).hexdigest().startswith(manual_id)
    assert f"sed s/{manual_id}/{page.UNKNOWN}/g manual.html | sha256sum" in source


def test_a_plan_gives_the_same_manual_again_and_another_plan_another_one() -> None:
    assert sites.made(sites.plan()) == sites.made(sites.plan())
    assert sites.made(sites.plan(title="Another title"))[2] != sites.made(sites.plan())[2]


HOSTILE = "</h1><script>alert(1)</script>{{ 7 * 7 }} {title} \u202eevil\u2066"


def test_nothing_of_a_plan_becomes_html() -> None:
    of = sites.plan(
        title=HOSTILE,
        organisations={"customer": HOSTILE},
        people={"approver": {"name": HOSTILE}},
        stages={"final": {"title": HOSTILE}},
        steps={
            "move.restore": {"title": HOSTILE, "purpose": HOSTILE, "not_yet": HOSTILE, "evidence": [HOSTILE]},
            "move.freeze": {"title": HOSTILE, "undo": {"reason": HOSTILE}},
        },
        gates={"go": {"title": HOSTILE}},
    )
    found, source, manual_id = sites.made(of)
    sealed = [Envelope(HOSTILE, HOSTILE, (HOSTILE,), 1, 2)]
    words = Words("en")
    for text in (source, page.codes(found, words, manual_id), page.envelopes(sealed, found, words, manual_id)):
        assert "<script" not in text
        assert "{{ 7 * 7 }} {title} \\u202eevil\\u2066" in text  # shown as it was written
        assert "\u202e" not in text
        Pages(text)


def test_the_supervisors_sheet_has_a_line_for_each_item_and_some_to_spare() -> None:
    found, _source, manual_id = sites.made(sites.plan())
    sheets = Pages(page.codes(found, Words("en"), manual_id))
    lines = len(sheets.texts) * page.SHEET_ROWS
    assert sum(sheets.boxes) == lines * (7 + 15)
    assert lines >= len(found.pages) + page.SPARE_ROWS
    assert all(any(f" {one.number} {one.title} " in text for text in sheets.texts) for one in found.pages)


def test_an_envelope_has_its_code_once_and_says_who_and_when() -> None:
    found, _source, manual_id = sites.made(sites.plan())
    sealed = [
        Envelope("stop", "mig stop", ("40711", "22694", "55086"), 2, 2),
        Envelope("3.4 Restore files", "mig 3.4", ("12340", "56785", "90123"), 1, 1),
    ]
    stop, restore = Pages(page.envelopes(sealed, found, Words("en"), manual_id)).texts
    assert stop.count("Envelope: Stop 2/2") == 2  # outside and inside
    assert stop.count("40711 22694 55086") == 1
    assert "mig stop" in stop
    assert "Only the security officer, before a witness." in stop
    assert "Only if something is wrong and nobody answers on the telephone." in stop
    assert restore.count("Envelope: 3.4 Restore files") == 2
    assert "Only as agreed for this envelope." in restore


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_says_much_is_set_smaller_and_what_is_usual_is_not(language: str) -> None:
    usual, _source, _id = sites.made(sites.plan(language))
    assert min(one.scale for one in usual.pages) > 0.75
    wordy = {one.number: one for one in sites.made(sites.wordy(language))[0].pages}
    assert wordy["3.15"].scale < 0.8
    assert max(len(one.title) for one in wordy.values()) <= content.LONGEST["title"]


def test_what_no_page_could_hold_is_refused() -> None:
    with pytest.raises(BoxliftError, match=r"What the plan says of go \(3.13\) does not fit onto one page."):
        sites.made(sites.wordy("en", signers=24))


def test_a_sites_own_playbook_is_summed_too(tmp_path: Path) -> None:
    own = tmp_path / "work.yml"
    own.write_text("- hosts: localhost\n")
    expected = hashlib.sha256(own.read_bytes()).hexdigest()
    assert wrapped.files_of(str(own)) == (wrapped.File("work.yml", expected),)
    assert wrapped.files_of(str(tmp_path / "absent.yml")) == (wrapped.File("absent.yml", ""),)
    assert wrapped.files_of("other.collection.play") == (wrapped.File("other.collection.play", ""),)


def test_what_a_playbook_imports_is_summed_too() -> None:
    names = [file.name for file in wrapped.files_of("take_back")]
    assert {"take_back.yml", "steps/begin.yml", "hold_calls.yml", "rollback.yml", "health.yml"} <= set(names)
    assert len(names) == len(set(names))


def test_the_variables_of_an_item_are_the_plans() -> None:
    of = load({})
    files = {item.number: steps.variables(of, item) for item in numbers.items(of)}
    assert files["3.19"] == {
        "supervise_number": "3.19",
        "supervise_step": "move.name",
        "supervise_kind": "playbook",
        "supervise_playbook": "name",
        "supervise_plan": of.sha256,
        "migration_stage": "final",
        "name_led": True,
    }
    assert files["3.15"]["gate"] == "go"
    assert set(steps.files(of)) == {f"{number}.json" for number in files}

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a transfer, as people read it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.crm import transfer_page
from unit.plugins.plugin_utils.balance import Balance
from unit.plugins.plugin_utils.crm import sample_transfer as sample


class Page(Balance):
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not any(name in ("src", "href") for name, _value in attrs), "the page loads something"
        super().handle_starttag(tag, attrs)


def read(result: sample.grade.Data) -> str:
    return " ".join(Page(transfer_page.render(result)).text.split())


def test_a_perfect_transfer() -> None:
    text = read(sample.perfect())
    assert "Equal on both sides" in text
    assert f"{sample.BOX} has everything that {sample.CLOUD} has: 1 904 activities, 512 leads, 212 contacts" in text
    assert "Nothing was left behind." in text
    assert "27 s from the freeze to the proof" in text
    assert "What is not as it should be" not in text and "Changed on both sides" not in text


def test_what_differs_with_a_reason() -> None:
    text = read(sample.good())
    assert "good. " in text and "What differs is listed, with the reason." in text
    assert "214 differences are listed" in text
    assert "mail activity whole record 14 Activities 14" in text
    assert "Leads 19871 → 19871 stageId, opportunity" in text
    assert "58 rows of the exports are there already, 10 were still missing, 1 are for people" in text
    assert "88 unreadable The last line was cut off" in text
    assert f"{sample.BOX} 96 2 1.4 s" in text


def test_what_is_not_as_it_should_be() -> None:
    page = transfer_page.render(sample.poor())
    text = read(sample.poor())
    assert "poor. Do not open portal.example.com yet" in text
    assert (
        "Leads 20402 → 20723 differs createdTime 2026-11-28T14:03:00+03:00 2026-11-28T17:03:00+03:00 Run the pass"
        in text
    )
    assert "Leads 20377 → – missing" in text
    assert "+7 495 123-45-67, +7 495 123-45-67" in text
    assert "Calls not seen voximplant.statistic.get: <denied>." in text
    assert "<denied>" not in page and "<b>Schmidt" not in page


def test_who_still_works_in_the_source() -> None:
    late = {"kind": "lead", "id": 20513, "what": "added", "title": "At night", "who": "Anna (7)", "when": ""}
    result = {**sample.good(), "late": [late]}
    assert f"Changed in {sample.CLOUD} while the pass ran" in read(result)
    assert "Leads 20513 added At night Anna (7) –" in read(result)


def test_no_script_and_nothing_from_elsewhere() -> None:
    for result in (sample.perfect(), sample.good(), sample.poor()):
        page = transfer_page.render(result)
        assert "<script" not in page and "http://" not in page and "https://" not in page and "url(" not in page


def test_a_result_is_read_and_anything_else_refused() -> None:
    result = transfer_page.parsed(json.dumps(sample.good()), "final-result.json")
    assert transfer_page.render(result) == transfer_page.render(sample.good())
    for text in ("{", "[]", '{"format": 2, "delta": {}}'):
        with pytest.raises(BoxliftError, match="final-result.json is not the result of a transfer"):
            transfer_page.parsed(text, "final-result.json")

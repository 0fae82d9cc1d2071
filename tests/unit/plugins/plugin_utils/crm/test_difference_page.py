# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import typing as t
import xml.dom.minidom

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.crm.difference_page import (
    columns,
    render,
    render_history,
    told,
)

SIDE = {"portal": "example.bitrix24.com", "ended": 1_796_000_431.0, "clock": "2026-11-30T04:00:00+03:00"}


def kind(name: str, title: str, **counts: t.Any) -> dict[str, t.Any]:
    return {
        "kind": name,
        "title": title,
        "before": 0,
        "after": 0,
        "added": 0,
        "changed": 0,
        "deleted": 0,
        "fields": {},
    } | counts


def difference(**given: t.Any) -> dict[str, t.Any]:
    lead = {"kind": "lead", "when": "2026-11-30T15:12:09+03:00", "who": "Anna Ivanova (7)", "fields": []}
    stage = {"field": "stageId", "title": "Stage", "before": "NEW", "after": "C1:WON", "after_name": "Deal won"}
    phones = [{"id": 1, "typeId": "PHONE", "valueType": "WORK", "value": "+7900"}]
    return {
        "before": {**SIDE, "snapshot": 11, "began": 1_796_000_400.0},
        "after": {**SIDE, "snapshot": 12, "began": 1_796_086_800.0},
        "same": False,
        "kinds": [
            kind("user", "Users", before=7, after=7),
            kind("lead", "Leads", before=20015, after=20017, added=4, changed=1, deleted=2, fields={"Stage": 1}),
        ],
        "records": [
            {**lead, "id": 5, "what": "changed", "title": "<b>Kitchen</b>", "fields": [
                stage,
                {"field": "fm", "title": "Phones, e-mail and links", "before": None, "after": phones},
            ]},
            {**lead, "id": 3, "what": "deleted", "title": "Office\u202e"},
            {**lead, "id": 9, "what": "added", "title": "Flat"},
        ],
        "alerts": [],
        "left_out": 4,
        "trend": [
            {"snapshot": n, "began": 1_796_000_400.0 + n, "full": n == 1, "records": 100, "added": 100 if n == 1 else n,
             "changed": 0, "deleted": 0}
            for n in range(1, 5)
        ],
        "seconds": 0.1,
        **given,
    }  # fmt: skip


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("<main>")[2]).split())


def test_what_people_read() -> None:
    page = render(difference())
    text = text_of(page)
    assert "What changed in the CRM of example.bitrix24.com" in text
    assert "4 added, 1 changed, 2 deleted. No kind of record changed more than is usual." in text
    assert "Stage : NEW → Deal won" in text and "Phones, e-mail and links : – → +7900" in text
    # Deletions first; what was not told one by one is said.
    assert text.index("lead 3") < text.index("lead 5") < text.index("lead 9")
    assert "4 more are counted above" in text
    assert "2026-11-30 15:12" in text and "Anna Ivanova (7)" in text


def test_it_is_safe_and_loads_nothing() -> None:
    page = render(difference())
    assert "&lt;b&gt;Kitchen" in page and "<b>Kitchen" not in page and "\u202e" not in page
    assert not re.search(r"(src|href)=|url\(|@import|<script|<link", page)
    assert "default-src 'none'" in page
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) == 2
    for drawing in drawings:
        xml.dom.minidom.parseString(drawing)


def test_alerts() -> None:
    alert = {
        "kind": "lead",
        "what": "deleted",
        "records": 2000,
        "of": 20015,
        "percent": 9.99,
        "threshold": 5.0,
        "text": "",
    }
    text = text_of(render(difference(alerts=[alert, {**alert, "what": "changed"}])))
    assert "Leads: 2 000 of 20 015 were deleted, more than is usual, and 1 more alert." in text
    assert "at most 5 %" in text and "crm_restore brings records back from snapshot 11" in text


def test_nothing_differs() -> None:
    kinds = [kind("lead", "Leads", before=5, after=5)]
    page = render(difference(same=True, kinds=kinds, records=[], left_out=0, trend=[]))
    assert "Nothing differs." in page and "<svg" not in page


def test_two_portals() -> None:
    found = difference()
    found["after"]["portal"] = "box.example.com"
    assert "example.bitrix24.com and box.example.com: how their CRMs differ" in render(found)


def test_the_first_snapshot_is_no_column() -> None:
    drawn = columns(difference()["trend"])
    assert drawn is not None and len(drawn["columns"]) == 3
    assert columns(difference()["trend"][:2]) is None


def test_history() -> None:
    record = {"kind": "deal", "id": 4711, "portal": "example.bitrix24.com"}
    amount = {"field": "opportunity", "title": "Amount", "before": 10, "after": 12.5}
    events = [
        {"snapshot": 1, "what": "added", "when": "2026-11-01T10:00:00+03:00", "who": "", "fields": []},
        {"snapshot": 2, "what": "changed", "when": "2026-11-02T10:00:00+03:00", "who": "Anna (7)", "fields": [amount]},
        {"snapshot": 3, "what": "deleted", "when": "", "who": "", "fields": []},
    ]
    events = [{**event, "seen": 1_796_000_400.0} for event in events]
    text = text_of(render_history(record, events))
    assert "History of deal 4711" in text and "Amount : 10 → 12.5" in text
    assert text.index("deleted") < text.index("Amount") < text.index("2026-11-01 10:00")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        ([], "–"),
        ([1, 2], "1, 2"),
        ({"file": True, "id": 5}, "file 5"),
        ("a\n  b", "a b"),
        ({"a": 1}, '{"a": 1}'),
        ("x" * 500, "x" * 239 + "…"),
    ],
)
def test_values(value: t.Any, text: str) -> None:
    assert told(value) == text

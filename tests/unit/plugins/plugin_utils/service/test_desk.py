# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one entrance for incidents: what is written, what is refused, and how they stand."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import verify
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import incidents as inc
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import tell
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import desk, records
from unit.plugins.plugin_utils.service.site import BEGIN, MINUTE, Site

EVERYBODY = ("coordinator", "operator", "approver", "executor", "key_user")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def test_an_incident_from_its_opening_to_its_end(site: Site) -> None:
    assert site.wish("open", title="Mail does not leave", users="Invitations do not arrive") == 1
    site.now += 3 * MINUTE
    site.wish("note", text="The relay refuses us.")
    site.now += MINUTE
    site.wish("hand_over", owner="Ravi Kumar")
    site.now += 30 * MINUTE
    site.wish("close", cause="The relay's certificate had expired.", cure="It has a new one.")
    (found,) = site.records.incidents
    assert (found.number, found.kind, found.owner, found.people) == (1, inc.CRITICAL, "executor", EVERYBODY)
    assert (found.opened, found.closed) == (BEGIN, BEGIN + 34 * MINUTE)
    assert found.cause == "The relay's certificate had expired."
    assert [note.kind for note in found.notes] == ["open", "note", "hand_over", "close"]
    assert verify.verify(Path(site.path).read_bytes()).code == verify.WHOLE
    assert site.wish("open", title="Mail does not leave") == 2  # the same again, later, is another one


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ({"action": "open", "title": "Slow"}, {"action": "open", "title": "Slow"}),
        ({"action": "note", "text": "It is the disk."}, {"action": "note", "text": "It is the disk."}),
        ({"action": "hand_over", "owner": "executor"}, {"action": "hand_over", "owner": "Ravi Kumar"}),
        ({"action": "close", "cause": "a", "cure": "b"}, {"action": "close", "number": 1, "cause": "a", "cure": "b"}),
    ],
)
def test_the_same_again_writes_nothing(site: Site, first: dict[str, t.Any], again: dict[str, t.Any]) -> None:
    site.wish("open", title="Slow")
    site.wish(**first)
    before = Path(site.path).read_bytes()
    assert site.wish(**again) == 1
    assert Path(site.path).read_bytes() == before


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"action": "open"}, "An incident has no title."),
        ({"action": "open", "title": "x", "owner": "bob"}, "the plan has nobody called bob"),
        ({"action": "open", "title": "x", "audience": ("press",)}, "the plan has no organisation press"),
        ({"action": "note", "text": "x", "number": 9}, r"There is no incident 9; open are: 1 \(Slow\), 2 \(Mail\)."),
        ({"action": "note", "text": "x"}, r"not clear which incident is meant; open are: 1 \(Slow\), 2 \(Mail\)."),
        ({"action": "note", "number": 1}, "There is nothing to note of incident 1."),
        ({"action": "note", "number": 1, "told": ("bob",)}, "the plan has no person bob"),
        ({"action": "hand_over", "number": 1}, "Nobody is named who takes the incident over."),
        ({"action": "close", "number": 1, "cause": "x"}, "Incident 1 is closed with its cause and its cure."),
        ({"action": "close", "number": 3, "cause": "x", "cure": "y"}, "Incident 3 is closed."),
        ({"action": "note", "number": 3, "told": ("operator",)}, "nobody is waiting for news of it"),
    ],
)
def test_what_cannot_be_is_refused_with_its_remedy(site: Site, wish: dict[str, t.Any], message: str) -> None:
    for title in ("Slow", "Mail", "Old"):
        site.wish("open", title=title)
    site.wish("close", number=3, cause="a", cure="b")
    before = Path(site.path).read_bytes()
    with pytest.raises(BoxliftError, match=message) as refused:
        site.wish(**wish)
    assert refused.value.remedy
    assert Path(site.path).read_bytes() == before


def test_a_closed_incident_can_be_added_to(site: Site) -> None:
    site.wish("open", title="Slow")
    site.wish("close", cause="a", cure="b")
    site.wish("note", number=1, text="The vendor has confirmed it.")
    (found,) = site.records.incidents
    assert not found.is_open and found.news is not None and found.news.text == "The vendor has confirmed it."


def test_nothing_is_added_to_records_that_were_edited(site: Site) -> None:
    site.wish("open", title="Slow")
    site.wish("note", text="x")
    file = Path(site.path)
    file.write_bytes(file.read_bytes().replace(b'"critical"', b'"normal"'))
    with pytest.raises(BoxliftError, match="prove nothing any more: Line 1 was edited") as refused:
        site.wish("note", text="y")
    assert "tell people by telephone" in refused.value.remedy
    assert "Line 1 was edited" in records.read(site.path).fault
    assert records.read(site.path).incidents[0].kind == "normal"  # it is still shown


def test_half_a_line_of_a_killed_writer_is_sealed_by_the_next(site: Site) -> None:
    site.wish("open", title="Slow")
    with Path(site.path).open("ab") as stream:
        stream.write(b'{"event":"incident","time":"2026')
    assert "cut off" in site.records.fault
    site.wish("note", text="x")
    assert site.records.fault == ""
    assert len(site.records.incidents[0].notes) == 2


def test_the_overview_says_until_when_and_what_is_overdue_and_why(site: Site) -> None:
    assert desk.overview(site.plan, site.cadences(), site.now) == []
    site.wish("open", title="Mail does not leave", audience=("customer",))
    text = desk.overview(site.plan, site.cadences(), site.now + MINUTE)
    assert text == [
        "Incident 1 (critical), open for 1 min, Li Wei: Mail does not leave",
        "  Next notice by 2026-11-28 13:05 CET: Li Wei, Anna Schmidt, Ravi Kumar, Fatima Haddad",
    ]
    site.now += 2 * MINUTE
    site.wish("note", told=("approver", "key_user"))
    site.now += 4 * MINUTE
    text = desk.overview(site.plan, site.cadences(), site.now)
    why = "no notice was tried: playbook notify did not run"
    assert text[1:] == [
        f"  OVERDUE since 2026-11-28 13:05 CET: Li Wei ({why})",
        f"  OVERDUE since 2026-11-28 13:05 CET: Ravi Kumar ({why})",
        "  Next notice by 2026-11-28 13:22 CET: Anna Schmidt, Fatima Haddad",
        "  Late so far: 2",
    ]
    site.wish("close", cause="a", cure="b")
    assert desk.overview(site.plan, tell.cadences(site.path, site.now), site.now) == []

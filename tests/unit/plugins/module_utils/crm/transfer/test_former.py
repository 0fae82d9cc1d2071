# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records that people have entered by hand are found again, so that the transfer does not double them."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.former import Adoption, Entry, adopt_former

HEADER = "ID;Название лида;Рабочий телефон;Рабочий e-mail;Дата создания\n"


class Records:
    """A store that is a dictionary."""

    def __init__(self, **kinds: dict[int, dict[str, t.Any]]) -> None:
        self._kinds = kinds

    def records(self, kind: str) -> t.Iterator[tuple[int, dict[str, t.Any]]]:
        return iter(sorted(self._kinds.get(kind, {}).items()))

    def record(self, kind: str, number: int) -> dict[str, t.Any] | None:
        return self._kinds.get(kind, {}).get(number)


class Pairs:
    """The same ids up to 100."""

    def __init__(self, **known: int) -> None:
        self._known = {int(name[1:]): target for name, target in known.items()}

    def target_of(self, kind: str, source_id: int) -> int | None:
        return source_id if source_id <= 100 else self._known.get(source_id)

    def source_of(self, kind: str, target_id: int) -> int | None:
        return (
            target_id if target_id <= 100 else next((s for s, each in self._known.items() if each == target_id), None)
        )


def lead(title: str, phone: str = "", created: str = "2026-11-28T14:03:00+00:00") -> dict[str, t.Any]:
    multi = [{"id": 1, "typeId": "PHONE", "valueType": "WORK", "value": phone}] if phone else []
    return {"title": title, "createdTime": created, "fm": multi}


def adopted(tmp_path: Path, text: str, source: Records, target: Records, pairs: Pairs | None = None) -> Adoption:
    (tmp_path / "leads.csv").write_text(HEADER + text, encoding="utf-8")
    return adopt_former([str(tmp_path / "leads.csv")], source, target, pairs or Pairs())


def told(found: Adoption) -> list[tuple[int, str, int | None, int | None]]:
    return [(each.line, each.state, each.source_id, each.target_id) for each in found.lines]


PHONE = "+7 495 123-45-67"
ENTERED = "2026-11-30T09:00:00+00:00"  # by hand, after the export


def test_a_record_entered_by_hand_is_found_by_its_number_and_title(tmp_path: Path) -> None:
    source = Records(lead={150: lead("Заявка", PHONE), 151: lead("Other", "+7 900 0000001")})
    target = Records(lead={107: lead(" заявка ", "84951234567", ENTERED)})
    text = f"150;Заявка;{PHONE};;28.11.2026 14:03:00\n151;Other;+7 900 0000001;;28.11.2026 14:03:00\n"
    found = adopted(tmp_path, text, source, target)
    assert told(found) == [(2, "there", 150, 107), (3, "new", 151, None)]
    assert found.entries == (Entry("lead", 150, 107),)
    assert found.counts == {"there": 1, "new": 1, "ambiguous": 0, "unreadable": 0}
    assert found.for_people == []


def test_what_the_id_map_or_the_backup_has_needs_no_entry(tmp_path: Path) -> None:
    source = Records(lead={7: lead("Old", PHONE), 150: lead("New")})
    found = adopted(tmp_path, "7;Old;;;\n150;New;;;\n", source, Records(lead={7: lead("Old")}), Pairs(s150=222))
    assert told(found) == [(2, "there", 7, 7), (3, "there", 150, 222)]
    assert found.entries == ()


def test_the_same_client_with_another_request_is_new(tmp_path: Path) -> None:
    source = Records(lead={150: lead("Second request", PHONE)})
    target = Records(lead={5: lead("First request", PHONE), 107: lead("Third request", PHONE, ENTERED)})
    found = adopted(tmp_path, f"150;Second request;{PHONE};;\n", source, target)
    assert told(found) == [(2, "new", 150, None)]


def test_the_counterpart_of_another_record_is_no_candidate(tmp_path: Path) -> None:
    """Lead 5 came with the backup: it is the source's lead 5, however alike."""
    source = Records(lead={150: lead("Request", PHONE), 5: lead("Request", PHONE)})
    target = Records(lead={5: lead("Request", PHONE), 110: lead("Request", PHONE)})
    found = adopted(tmp_path, f"150;Request;{PHONE};;\n", source, target, Pairs(s149=110))
    assert told(found) == [(2, "new", 150, None)]


def test_entered_twice(tmp_path: Path) -> None:
    source = Records(lead={150: lead("Request", PHONE)})
    target = Records(lead={107: lead("Request", PHONE, ENTERED), 108: lead("Request", PHONE, ENTERED)})
    found = adopted(tmp_path, f"150;Request;{PHONE};;28.11.2026 14:03:00\n", source, target)
    assert told(found) == [(2, "ambiguous", 150, None)]
    assert "107, 108" in found.for_people[0].reason
    assert found.entries == ()


def test_of_several_the_time_of_creation_decides(tmp_path: Path) -> None:
    source = Records(lead={150: lead("Request", PHONE)})
    target = Records(lead={107: lead("Request", PHONE, ENTERED), 108: lead("Request", PHONE)})
    found = adopted(tmp_path, f"150;Request;{PHONE};;28.11.2026 14:03:00\n", source, target)
    assert told(found) == [(2, "there", 150, 108)]


def test_a_title_alone_is_for_people(tmp_path: Path) -> None:
    source = Records(lead={150: lead("Request")})
    found = adopted(tmp_path, "150;Request;;;\n", source, Records(lead={107: lead("Request", PHONE, ENTERED)}))
    assert told(found) == [(2, "ambiguous", 150, None)]
    assert "Only the title" in found.lines[0].reason


def test_without_an_id_the_source_is_searched_too(tmp_path: Path) -> None:
    source = Records(
        lead={150: lead("Request", PHONE), 151: lead("Same", PHONE, ENTERED), 152: lead("Same", PHONE, ENTERED)}
    )
    target = Records(lead={107: lead("Request", PHONE, ENTERED)})
    found = adopted(tmp_path, f";Request;{PHONE};;\n;Same;{PHONE};;\n", source, target)
    assert told(found) == [(2, "there", 150, 107), (3, "ambiguous", None, None)]
    assert "151, 152" in found.lines[1].reason


def test_an_export_of_another_portal(tmp_path: Path) -> None:
    source = Records(lead={150: lead("Request", PHONE)})
    found = adopted(tmp_path, "150;Wholly different;+7 900 7777777;;01.01.2020 10:00:00\n", source, Records())
    assert told(found) == [(2, "ambiguous", 150, None)]
    assert "another record in the source" in found.lines[0].reason


def test_what_neither_portal_has(tmp_path: Path) -> None:
    found = adopted(tmp_path, f"150;Request;{PHONE};;\n", Records(), Records())
    assert told(found) == [(2, "ambiguous", None, None)]
    there = adopted(tmp_path, f"150;Request;{PHONE};;\n", Records(), Records(lead={107: lead("Request", PHONE)}))
    assert told(there) == [(2, "there", None, 107)]
    assert there.entries == ()


def test_no_record_of_the_target_stands_for_two(tmp_path: Path) -> None:
    source = Records(lead={150: lead("Request", PHONE), 151: lead("Request", PHONE)})
    target = Records(lead={107: lead("Request", PHONE, ENTERED)})
    found = adopted(tmp_path, f"150;Request;{PHONE};;\n151;Request;{PHONE};;\n", source, target)
    assert told(found) == [(2, "ambiguous", 150, None), (3, "ambiguous", 151, None)]
    assert "150, 151" in found.lines[0].reason
    assert found.entries == ()


def test_doubled_and_unreadable_lines(tmp_path: Path) -> None:
    source = Records(lead={150: lead("Request", PHONE)})
    target = Records(lead={107: lead("Request", PHONE, ENTERED)})
    row = f"150;Request;{PHONE};;\n"
    found = adopted(tmp_path, row + row + "151;Requ", source, target)
    assert told(found) == [(2, "there", 150, 107), (3, "there", 150, 107), (4, "unreadable", None, None)]
    assert found.lines[1].reason.startswith("The same as line 2.")
    assert found.entries == (Entry("lead", 150, 107),)
    assert [each.line for each in found.for_people] == [4]


def test_entered_before_the_baseline_was_noted(tmp_path: Path) -> None:
    """The ids up to 100 are said to be the same, but the backup ended at 60: 71 of the box is the cloud's 72."""
    source = Records(
        lead={71: lead("Other", "+7 900 0000001"), 72: lead("Request", PHONE, "2026-11-28T15:00:00+00:00")}
    )
    target = Records(lead={71: lead("Request", PHONE, ENTERED)})
    found = adopted(tmp_path, f"72;Request;{PHONE};;\n71;Other;+7 900 0000001;;\n", source, target)
    assert told(found) == [(2, "there", 72, 71), (3, "new", 71, None)]
    assert found.entries == (Entry("lead", 72, 71),)
    assert found.absent == (("lead", 71),)


def test_times_of_an_export_are_of_the_sources_zone(tmp_path: Path) -> None:
    """A deal has neither phone nor e-mail: title and time are all there is."""
    source = Records(lead={150: lead("Request", created="2026-11-28T17:03:00+03:00")})
    target = Records(lead={107: lead("Request", created="2026-11-28T19:03:00+05:00")})
    found = adopted(tmp_path, "150;Request;;;28.11.2026 17:03:00\n", source, target)
    assert told(found) == [(2, "there", 150, 107)]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports of a CRM as people really have them."""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm import former_csv
from ansible_collections.boxlift.portal.plugins.module_utils.crm.former_csv import Row, Unreadable

HEADER = '"ID";"Название лида";"Имя";"Рабочий телефон";"Мобильный телефон";"Рабочий e-mail";"Дата создания"\n'
MOSCOW = datetime.timezone(datetime.timedelta(hours=3))


def line(
    number: object = 7, title: str = "Заявка с сайта", created: str = "28.11.2026 14:03:00", phone: str = ""
) -> str:
    work = f"8 (495) 123-45-6{str(number)[-1]}"
    return f'"{number}";"{title}";"Анна";"{work}";"{phone}";"A{number}@example.com";"{created}"\n'


def read(tmp_path: Path, content: str | bytes, **options: t.Any) -> list[Row | Unreadable]:
    file = tmp_path / "export.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(former_csv.read(str(file), **options))


def rows(found: list[Row | Unreadable]) -> list[Row]:
    return [each for each in found if isinstance(each, Row)]


def faults(found: list[Row | Unreadable]) -> list[tuple[int, int, str]]:
    return [(each.line, each.last, each.reason) for each in found if isinstance(each, Unreadable)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251"])
def test_a_row_in_each_encoding(tmp_path: Path, encoding: str) -> None:
    found = read(tmp_path, (HEADER + line(phone="+7 901 000-11-22 доб. 5")).encode(encoding), zone=MOSCOW)
    moment = datetime.datetime(2026, 11, 28, 11, 3, tzinfo=datetime.timezone.utc)
    phones = ("74951234567", "79010001122")
    assert found == [Row(2, "lead", 7, "заявка с сайта", phones, ("a7@example.com",), moment, True)]


def test_encodings_mixed_line_by_line(tmp_path: Path) -> None:
    """Somebody has put two exports together; of one, UTF-8 was turned into UTF-8 once more."""
    twice = line(9).encode().decode("cp1251").encode()
    found = read(tmp_path, HEADER.encode() + line(7).encode("cp1251") + line(8).encode() + twice)
    assert [(each.number, each.title) for each in rows(found)] == [(n, "заявка с сайта") for n in (7, 8, 9)]
    assert faults(found) == []


def test_a_line_in_no_encoding(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        HEADER.encode() + line(7).encode() + line(8).encode("cp1251").replace(b"\xc0", b"\x98") + line(9).encode(),
    )
    assert [each.number for each in rows(found)] == [7, 9]
    assert faults(found) == [(3, 3, "The line is neither UTF-8 nor windows-1251.")]


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("ID;Название лида;Дата создания", "lead"),
        ("ID;Lead Name;Created on", "lead"),
        ("ID;Название сделки;Дата создания", "deal"),
        ("ID;Deal Name;Created", "deal"),
        ("ID;Название компании;Дата создания", "company"),
        ("ID;Имя;Фамилия", "contact"),
        ("ID;First name;Last name", "contact"),
    ],
)
def test_kinds_by_their_headers(tmp_path: Path, header: str, kind: str, delimiter: str) -> None:
    text = f"{header}\n5;Ivan;{'Petrov' if kind == 'contact' else '28.11.2026'}\n".replace(";", delimiter)
    found = read(tmp_path, text)
    assert [(each.kind, each.number) for each in rows(found)] == [(kind, 5)]
    assert rows(found)[0].title == ("ivan petrov" if kind == "contact" else "ivan")


def test_a_deal_does_not_take_its_contacts_number(tmp_path: Path) -> None:
    found = read(tmp_path, "ID;Название сделки;Контакт: Рабочий телефон\n5;Дом;+7 495 1234567\n")
    assert rows(found)[0].phones == ()


@pytest.mark.parametrize(
    ("text", "moment", "whole"),
    [
        ("28.11.2026 14:03:09", (2026, 11, 28, 14, 3, 9), True),
        ("28.11.2026 14:03", (2026, 11, 28, 14, 3, 0), False),
        ("28.11.2026", (2026, 11, 28, 0, 0, 0), False),
        ("11/28/2026 02:03:09 pm", (2026, 11, 28, 14, 3, 9), True),
        ("11/28/2026 12:03 am", (2026, 11, 28, 0, 3, 0), False),
        ("2026-11-28 14:03:09", (2026, 11, 28, 14, 3, 9), True),
    ],
)
def test_dates(tmp_path: Path, text: str, moment: tuple[int, ...], whole: bool) -> None:
    year, month, day, hour, minute, second = moment
    found = rows(read(tmp_path, HEADER + line(created=text), zone=MOSCOW))
    assert found[0].created == datetime.datetime(year, month, day, hour, minute, second, tzinfo=MOSCOW)
    assert found[0].whole_seconds is whole


def test_a_date_with_an_offset_keeps_it(tmp_path: Path) -> None:
    found = rows(read(tmp_path, HEADER + line(created="2026-11-28T14:03:09+05:00"), zone=MOSCOW))
    assert found[0].created == datetime.datetime(2026, 11, 28, 9, 3, 9, tzinfo=datetime.timezone.utc)


def test_a_doubled_row_names_the_first(tmp_path: Path) -> None:
    found = rows(read(tmp_path, HEADER + line(7) + line(8) + line(7)))
    assert [(each.line, each.repeats) for each in found] == [(2, None), (3, None), (4, 2)]


def test_a_last_line_that_was_cut_off(tmp_path: Path) -> None:
    whole = HEADER + line(7) + line(8)
    assert faults(read(tmp_path, whole[:-5])) == [(3, 3, "A quote is opened and never closed: the line was cut off.")]
    cut = whole[: whole.rindex(";")]
    assert faults(read(tmp_path, cut)) == [(3, 3, "The last line was cut off after 6 of 7 columns.")]


def test_a_quote_that_is_never_closed_costs_one_record(tmp_path: Path) -> None:
    found = read(
        tmp_path, HEADER + line(6) + line(7).replace('сайта"', "сайта") + "".join(line(n) for n in range(10, 320))
    )
    assert [each.number for each in rows(found)] == [6, *range(10, 320)]
    assert [(first, last) for first, last, _reason in faults(found)] == [(3, 3)]


def test_a_record_of_several_lines(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER + line(7, title="Заявка\nс  сайта") + line(8) + ";;;;;;\n\n")
    assert [(each.line, each.number, each.title) for each in rows(found)] == [
        (2, 7, "заявка с сайта"),
        (4, 8, "заявка с сайта"),
    ]
    assert faults(found) == []


def test_columns_that_have_moved(tmp_path: Path) -> None:
    more = line(8).replace('"Анна";', '"Анна";"Петровна";')
    found = read(tmp_path, HEADER + line(7) + more + line(9))
    assert faults(found) == [(3, 3, "The line has 8 columns, the header 7: its columns have moved.")]
    assert [each.number for each in rows(found)] == [7, 9]


@pytest.mark.parametrize(
    ("moved", "column"),
    [
        ('"Заявка";"7";"";"";"";"";""', "ID holds no number"),
        ('"7";"Заявка";"";"Анна";"";"";""', "Рабочий телефон holds no telephone number"),
        ('"7";"Заявка";"";"a@example.com 22";"";"";""', "Рабочий телефон holds no telephone number"),
        ('"7";"Заявка";"";"";"";"84951234567";""', "Рабочий e-mail holds no e-mail address"),
        ('"7";"Заявка";"";"";"";"";"Новый"', "Дата создания holds no date"),
        ('"7";"Заявка";"";"";"";"";"31.02.2026"', "Дата создания holds no date"),
    ],
)
def test_cells_that_cannot_stand_there(tmp_path: Path, moved: str, column: str) -> None:
    found = read(tmp_path, f"{HEADER}{moved}\n{line(9)}")
    assert faults(found) == [(2, 2, f"The column {column}: the columns have moved.")]
    assert [each.number for each in rows(found)] == [9]


def test_the_wrong_kind_of_record(tmp_path: Path) -> None:
    found = read(tmp_path, "ID;Название сделки\n5;Дом\n", kind="lead")
    assert faults(found) == [(1, 1, "The file holds records of the kind deal, where lead was expected.")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<html><body>login</body></html>", "HTML page"),
        (b"\xef\xbb\xbf<meta http-equiv><table>", "HTML page"),
        (b"PK\x03\x04\x14\x00", "workbook"),
        ("ID;Title\n".encode("utf-16"), "UTF-16"),
        (b"Order;Price\n1;2\n", "names no column"),
        (b"\n", "names no column"),
    ],
)
def test_files_that_are_no_export(tmp_path: Path, content: bytes, reason: str) -> None:
    (fault,) = read(tmp_path, content)
    assert isinstance(fault, Unreadable) and fault.line == 1 and reason in fault.reason and fault.remedy


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("8 (495) 123-45-67", "74951234567"),
        ("+7 495 1234567", "74951234567"),
        ("4951234567", "74951234567"),
        ("tel:+74951234567;ext=5", "74951234567"),
        ("0049 30 123456", "4930123456"),
        ("112", ""),
    ],
)
def test_numbers_that_are_the_same(text: str, key: str) -> None:
    assert former_csv.phone_key(text) == key

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
import urllib.parse

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.commands import Command, text_of, variables
from unit.plugins.module_utils.crm.fake_portal import nested_of


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, "m"),
        ({"filter": {"<=ID": 5}}, "m?filter[%3C%3DID]=5"),
        ({"filter": {"@id": [1, 2]}}, "m?filter[%40id][0]=1&filter[%40id][1]=2"),
        ({"a": True, "b": False, "c": None}, "m?a=1&b=0&c="),
        ({"n": -1, "f": 1.5, "big": 10**20}, f"m?n=-1&f=1.5&big={10**20}"),
        ({"v": "a&b=c%d+e f#g?h"}, "m?v=a%26b%3Dc%25d%2Be%20f%23g%3Fh"),
        ({"v": "Ёж\n\t\"'€𝄞"}, "m?v=" + urllib.parse.quote("Ёж\n\t\"'€𝄞")),
        ({"f": {"UF_A": [], "UF_B": {}}}, "m?f[UF_A][]=&f[UF_B][]="),
        ({"fm": [{"typeId": "PHONE", "value": "+7"}]}, "m?fm[0][typeId]=PHONE&fm[0][value]=%2B7"),
        ({"file": ["a.txt", "aGk=/+"]}, "m?file[0]=a.txt&file[1]=aGk%3D%2F%2B"),
        ({"v": ("x", ["y"])}, "m?v[0]=x&v[1][0]=y"),
        ({"Поле": "1"}, "m?%D0%9F%D0%BE%D0%BB%D0%B5=1"),
    ],
)
def test_a_command_is_written_as_php_reads_it(params: dict[str, t.Any], text: str) -> None:
    assert text_of(Command("m", params)) == text
    assert text_of(Command("m", params)).isascii()


def test_what_php_reads_is_what_was_meant() -> None:
    params = {
        "filter": {
            "!=%STAGE": "C9:NEW",
            "logic": "OR",
            ">=updatedTime": "2026-11-28T10:00:00+03:00",
            "0": {"a": "=&[]"},
        },
        "select": ["*", "UF_*"],
        "fields": {"title": "100 % & more = «да»", "fm": [{"value": "a"}, {"value": "b"}]},
    }
    read = nested_of(urllib.parse.parse_qsl(text_of(Command("m", params)).partition("?")[2], keep_blank_values=True))
    assert read["filter"]["!=%STAGE"] == "C9:NEW"
    assert read["filter"]["0"] == {"a": "=&[]"}
    assert read["filter"][">=updatedTime"] == "2026-11-28T10:00:00+03:00"
    assert read["select"] == {"0": "*", "1": "UF_*"}
    assert read["fields"] == {"title": "100 % & more = «да»", "fm": {"0": {"value": "a"}, "1": {"value": "b"}}}


def test_php_counts_a_variable_for_each_value() -> None:
    assert variables({"a": 1, "b": [1, 2, {"c": 3, "d": []}], "e": {}}) == 6
    params = {"a": 1, "b": [1, 2, {"c": 3, "d": []}], "e": {}}
    assert variables(params) == text_of(Command("m", params)).count("=")

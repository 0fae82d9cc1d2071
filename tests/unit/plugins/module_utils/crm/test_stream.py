# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import json
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.stream import Cut, JsonStream, NotJson

VALUES: list[t.Any] = [
    {"a": [1, 2.5, -3e10, True, None, 'ё\\"\u2028𝄞'], "b": {}, "c": []},
    [[], [[]], {"x": {"y": []}}],
    12345678901234567890,
    "text",
    None,
]


def stream(text: str | bytes, size: int = 7) -> JsonStream:
    source = io.BytesIO(text if isinstance(text, bytes) else text.encode())
    return JsonStream(lambda wanted: source.read(min(size, wanted)))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 17, 1000])
@pytest.mark.parametrize("value", VALUES)
def test_reads_a_value_however_it_arrives(value: t.Any, size: int) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=2)):
        found = stream(f" {text}\n", size)
        assert found.value() == value
        found.end()


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_walks_a_map_of_lists(size: int) -> None:
    found = stream('{"a": [1, 23, {"b": 4}] , "c":[], "d": {"e":  {}} ,"f":"g"}', size)
    seen: list[t.Any] = []
    for key in found.members():
        if key in "ac":
            seen += [key, list(found.values())]
        else:
            found.skip()
            seen.append(key)
    found.end()
    assert seen == ["a", [1, 23, {"b": 4}], "c", [], "d", "f"]


def test_a_list_of_php_is_a_map_with_numbers() -> None:
    found = stream('["x","y"]')
    assert [(key, found.value()) for key in found.members()] == [("0", "x"), ("1", "y")]
    assert list(stream("[]").members()) == []
    assert list(stream("{}").members()) == []


def test_a_number_is_not_given_before_its_end() -> None:
    found = stream("[123456789]", 4)
    assert list(found.values()) == [123456789]


@pytest.mark.parametrize("text", ["1", "12", "tru", "[12", '{"a": 12'])
def test_a_number_at_the_end_of_what_came_is_not_believed(text: str) -> None:
    found = stream(text)
    with pytest.raises(Cut):
        if text[0] == "[":
            list(found.values())
        elif text[0] == "{":
            for _key in found.members():
                found.value()
        else:
            found.value()


@pytest.mark.parametrize("text", ["", "  ", '{"a', '{"a": ', '{"a": 1', '{"a": [1, 2', '{"a": "x'])
def test_an_answer_that_ends_early(text: str) -> None:
    found = stream(text)
    with pytest.raises(Cut):
        for _key in found.members():
            found.value()


@pytest.mark.parametrize("text", ["<html>", '{"a" 1}', "{1: 2}", '{"a": 1; }', b"\xff\xfe"])
def test_what_is_no_json(text: str | bytes) -> None:
    found = stream(text)
    with pytest.raises((NotJson, Cut)):
        for _key in found.members():
            found.value()


def test_something_behind_the_answer() -> None:
    found = stream("{} <br>Warning")
    assert list(found.members()) == []
    with pytest.raises(NotJson, match="follows"):
        found.end()


def test_a_long_list_is_never_held_as_a_whole() -> None:
    row = json.dumps({"id": 1, "text": "x" * 1000})
    begun, held = [0], [0]

    def read(size: int) -> bytes:
        begun[0] += 1
        return (
            (b"[" if begun[0] == 1 else b",") + row.encode() if begun[0] <= 3000 else b"]" if begun[0] == 3001 else b""
        )

    found = JsonStream(read)
    for _row in found.values():
        held[0] = max(held[0], len(found._text))
    assert begun[0] == 3001
    assert held[0] < 3 * len(row)

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of a licence file: every format and encoding, and whatever somebody sends who wants to harm."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.documents import (
    ENCODINGS,
    FORMATS,
    Node,
    find,
    parse,
    read_bounded,
)
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from hypothesis import given, settings
from hypothesis import strategies as st


def texts(data: bytes | str, form: str, path: str, encoding: str = "auto") -> list[str]:
    root = parse(data.encode() if isinstance(data, str) else data, form, encoding)
    return [each.text for each in find(root, path)]


@pytest.mark.parametrize(
    ("form", "content", "path", "expected"),
    [
        ("key_value", "# note\nFeatures = voice, fax\n", "Features", ["voice, fax"]),
        ("key_value", "Expires: 2026-12-05 23:59\r\nHost=pbx\r\n", "Expires", ["2026-12-05 23:59"]),
        ("key_value", "-----BEGIN-----\nName = 'a = b'\n=\n", "Name", ["a = b"]),
        ("key_value", "A=1\rA=2", "A", ["1", "2"]),
        ("key_value", "A=\n", "A", [""]),
        ("ini", "top=1\n[ modules ]\nvoice=yes\n[other]\nvoice=no\n", "modules/voice", ["yes"]),
        ("ini", "top=1\n[modules]\nvoice=yes\n[modules]\nfax=yes\n", "modules/fax", ["yes"]),
        ("ini", "top=1\n[modules]\n", "top", ["1"]),
        ("json", '{"a": {"b": [{"id": "x"}, {"id": "y"}]}}', "a/b/id", ["x", "y"]),
        ("json", '{"f": [{"id": "x", "end": 1}, {"id": "y", "end": 2.50}]}', "f[id=y]/end", ["2.50"]),
        ("json", '{"f": [[true], [[false]], null]}', "f", ["true", "false", ""]),
        ("json", '[{"a": 1}, {"a": 2}, 3]', "a", ["1", "2"]),
        ("json", '{"a": 1, "a": 2}', "a", ["1", "2"]),
        ("xml", '<l><f name="x" on="1"/><f name="y"/></l>', "f/@name", ["x", "y"]),
        ("xml", '<l><f name="x" on="1"/><f name="y"/></l>', "f[@on=1]/@name", ["x"]),
        ("xml", '<v:l xmlns:v="urn:v"><v:f> voice </v:f></v:l>', "f", ["voice"]),
        ("xml", "<l><f><![CDATA[a&b]]></f><f>a&amp;b&#33;</f></l>", "f", ["a&b", "a&b!"]),
    ],
)
def test_fields(form: str, content: str, path: str, expected: list[str]) -> None:
    assert texts(content, form, path) == expected


@pytest.mark.parametrize("path", ["", "/", "a//b", "a[", "a[b]", "a/b]", "/a/", "a[b=c]x", "[a=b]"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(BoxliftError, match="is no path of a field"):
        find(Node("", (("a", Node("1")),)), path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_are_known_by_themselves(encoding: str) -> None:
    assert texts("Name = Fax\nOther = Zürich, Москва\n".encode(encoding), "key_value", "Other") == ["Zürich, Москва"]
    assert texts('{"a": "é"}'.encode(encoding), "json", "a") == ["é"]


def test_encodings_that_are_told() -> None:
    assert texts("Кто = Пример".encode("cp1251"), "key_value", "Кто", "windows-1251") == ["Пример"]
    assert texts("<l><f>語</f></l>".encode("shift_jis"), "xml", "f", "shift_jis") == ["語"]
    xml = '<?xml version="1.0" encoding="{}"?><l><f>Пример</f></l>'
    assert texts(xml.format("windows-1251").encode("cp1251"), "xml", "f") == ["Пример"]
    assert texts(xml.format("UTF-16").encode("utf-16"), "xml", "f") == ["Пример"]


@pytest.mark.parametrize(
    ("form", "data", "words"),
    [
        ("key_value", b"A=\xff\xfe", "no text in utf-8 at byte 2"),
        ("key_value", b"\xff\xfeA", "no text in utf-16"),
        ("key_value", b"A=1\0\0", "NUL bytes"),
        ("json", b'{"a": "b\0"}', "NUL bytes"),
        ("json", b"{", "no JSON"),
        ("json", b'{"a": NaNa}', "no JSON"),
        ("json", b'"text"', "no object"),
        ("json", b"[" * 200_000, "nested too deeply"),
        ("json", b'{"a":' * 200_000, "nested too deeply"),
        ("xml", b"<l>" * 100, "nested too deeply"),
        ("xml", b"<l><f></l>", "no XML"),
        ("xml", b"<l>\0</l>", "no XML"),
        ("xml", b'<?xml version="1.0" encoding="rot13"?><l/>', "no XML"),
        ("xml", b'<?xml version="1.0" encoding="gb18030"?><l/>', "no XML"),
        ("xml", b"", "no XML"),
        ("csv", b"a", "format csv is not known"),
    ],
)
def test_what_is_nothing_of_the_kind_is_refused(form: str, data: bytes, words: str) -> None:
    with pytest.raises(BoxliftError, match=words):
        parse(data, form)


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "billion laughs": f'<!DOCTYPE l [<!ENTITY l0 "lol">{LAUGHS}]><l><f>&l9;</f></l>',
    "external entity": '<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><l><f>&x;</f></l>',
    "parameter entity": '<!DOCTYPE l [<!ENTITY % x SYSTEM "http://192.0.2.1/x.dtd"> %x;]><l/>',
    "external type": '<!DOCTYPE l SYSTEM "http://192.0.2.1/x.dtd"><l><f>x</f></l>',
    "type alone": "<!DOCTYPE l><l/>",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_hostile_xml_is_refused_before_it_does_anything(content: str, encoding: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BoxliftError, match="document type or entities of its own"):
            parse(content.encode(encoding), "xml")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_long_numbers_cost_no_time() -> None:
    """As texts: to make a number of a million digits takes seconds."""
    assert texts(b'{"a": ' + b"9" * 1_000_000 + b"}", "json", "a") == ["9" * 1_000_000]


def test_a_file_is_read_up_to_a_bound(tmp_path: Path) -> None:
    big = tmp_path / "big.lic"
    with big.open("wb") as stream:
        stream.truncate(10 * 2**20)
    with pytest.raises(BoxliftError, match=r"it has 10\.0 MiB, and a licence has 1\.0 MiB at most"):
        read_bounded(str(big))
    assert read_bounded(str(big), 10 * 2**20) == b"\0" * 10 * 2**20


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(BoxliftError, match="it is no file"):
            read_bounded(str(path))


LIKELY = st.sampled_from("aF=:[]{}<>/\"'\\&;!?-,.0123 \n\r\t@é\0\ufeff")


@given(
    st.one_of(st.binary(max_size=300), st.text(LIKELY, max_size=300).map(lambda text: text.encode("utf-8"))),
    st.sampled_from(FORMATS),
    st.sampled_from(ENCODINGS),
    st.one_of(st.text(max_size=30), st.text(st.sampled_from("aF/[=]@"), max_size=12)),
)
@settings(max_examples=400)
def test_nothing_raises_anything_else(data: bytes, form: str, encoding: str, path: str) -> None:
    try:
        root = parse(data, form, encoding)
        assert all(isinstance(each, Node) for each in find(root, path))
    except BoxliftError as error:
        assert error.message and error.remedy

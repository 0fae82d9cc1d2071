# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A licence file by its field map: what it grants, and when nobody can say."""

from __future__ import annotations

import base64
import datetime
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement import licence
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.dates import UTC
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.licence import Absent, Licence, declared
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

VENDOR = """\
; Voice products
Customer = Example Ltd
Modules = VL-PRO; FAX | queue
HostId = 00-16-3E-AA-BB-CC
Until = 31.12.2027
Edition = Full
"""
FIELDS = {"features": "Modules", "expires": "Until", "mac": "HostId", "trial": "Edition", "customer": "Customer"}


def read(text: str | bytes, **entry: t.Any) -> Licence:
    file = declared({"path": "/etc/voice.lic", "fields": FIELDS, "date_format": "%d.%m.%Y", **entry}, "Europe/Berlin")
    return licence.read(file, text.encode() if isinstance(text, str) else text)


def test_a_file_by_its_map() -> None:
    assert read(VENDOR, names={"vl-pro": "voice_library"}) == Licence(
        features=frozenset(("voice_library", "fax", "queue")),
        expires=datetime.datetime(2027, 12, 31, 23, tzinfo=UTC),
        customer="Example Ltd",
        bound={"mac": ("00-16-3E-AA-BB-CC",)},
    )


def test_what_the_map_does_not_name_is_not_asked() -> None:
    assert read(VENDOR, fields={}, grants=["Voice_Library"]) == Licence(frozenset(("voice_library",)))


@pytest.mark.parametrize(
    ("form", "text", "path", "expected"),
    [
        ("json", '{"m": ["voice", "fax, queue"]}', "m", {"voice", "fax", "queue"}),
        ("json", '{"m": {"voice": true, "fax": false, "queue": "Yes", "n": 1, "x": 0}}', "m", {"voice", "queue", "n"}),
        ("json", '{"m": [{"id": "voice", "on": true}, {"id": "fax", "on": false}]}', "m[on=true]/id", {"voice"}),
        ("ini", "[modules]\nvoice=1\nfax=no\n", "modules", {"voice"}),
        ("xml", "<l><m n='voice'/><m n='fax'/></l>", "m/@n", {"voice", "fax"}),
        ("key_value", "m=voice\nm=fax\nm=voice\n", "m", {"voice", "fax"}),
        ("key_value", "m=\n", "m", set()),
    ],
)
def test_features_are_listed_in_many_ways(form: str, text: str, path: str, expected: set[str]) -> None:
    assert read(text, format=form, fields={"features": path}).features == expected


def test_a_separator_of_its_own() -> None:
    assert read("m=a, b:c\n", fields={"features": "m"}, separator=":").features == {"a, b", "c"}


@pytest.mark.parametrize("word", ["never", "Perpetual", "UNLIMITED"])
def test_what_never_ends(word: str) -> None:
    assert read(VENDOR.replace("31.12.2027", word)).expires is None


@pytest.mark.parametrize(
    ("change", "entry", "words"),
    [
        (("Until = 31.12.2027", "Until ="), {}, "its field Until is empty"),
        (("Until = 31.12.2027", "Till = 31.12.2027"), {}, "no field Until; there is: Customer, Modules, HostId, Till"),
        (("Until = 31.12.2027", "Until = 31.12.2027\nUntil = 31.12.2099"), {}, "Until is there 2 times"),
        (("31.12.2027", "2027-12-31"), {}, "'2027-12-31' is no date of the format %d.%m.%Y"),
        (("31.12.2027", "29.02.2027"), {}, "'29.02.2027' is no date"),
        (("31.12.2027", "0"), {}, "'0' is no date"),
        (("Full", "NFR"), {}, "its field Edition is 'NFR', and nothing says whether that is a trial"),
        (("Edition = Full", "Edition ="), {}, "its field Edition is empty"),
        (("00-16-3E-AA-BB-CC", ""), {}, "its field HostId is empty"),
        (("HostId", "Host"), {}, "it has no field HostId"),
        (("Modules", "Features"), {}, "it has no field Modules"),
        (("x", "x"), {"fields": {}}, "nothing says which features it grants"),
        (("x", "x"), {"fields": {**FIELDS, "colour": "Edition"}}, "its map names colour"),
        (("x", "x"), {"timezone": "Mars"}, "The time zone 'Mars' is not known"),
        (("x", "x"), {"format": "json"}, "it is no JSON"),
        (("x", "x"), {"fields": {**FIELDS, "expires": "[Until]"}}, "is no path of a field"),
    ],
)
def test_nothing_is_taken_for_granted(change: tuple[str, str], entry: dict[str, t.Any], words: str) -> None:
    with pytest.raises(BoxliftError) as raised:
        read(VENDOR.replace(*change), **entry)
    assert words in raised.value.message and raised.value.remedy


def test_the_same_value_twice_is_one() -> None:
    assert read(VENDOR + "Until = 31.12.2027\n").expires == read(VENDOR).expires


def test_empty_may_mean_without_an_end_and_for_any_host() -> None:
    found = read(VENDOR.replace("31.12.2027", "").replace("00-16-3E-AA-BB-CC", ""), unlimited=[""], any_host=[""])
    assert (found.expires, found.bound) == (None, {})
    assert read(VENDOR.replace("00-16-3E-AA-BB-CC", "ANY")).bound == {}


@pytest.mark.parametrize(
    ("value", "entry", "trial"),
    [
        ("Full", {}, False),
        ("TRIAL", {}, True),
        ("1", {}, True),
        ("NFR", {"trial_values": ["nfr"]}, True),
        ("Gold", {"full_values": ["gold"]}, False),
        ("Full", {"trial": True}, True),
    ],
)
def test_trials(value: str, entry: dict[str, t.Any], trial: bool) -> None:
    assert read(VENDOR.replace("Full", value), **entry).trial is trial


def test_of_what_is_signed_only_the_payload_counts() -> None:
    """Whatever somebody has added beside it says nothing."""
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    told = licence.signed_as({"method": "ed25519", "verify_with": base64.b64encode(public), "layout": "jws"}, None)
    head, payload = (base64.urlsafe_b64encode(each).rstrip(b"=") for each in (b"Modules=everything\n", VENDOR.encode()))
    data = head + b"." + payload + b"." + base64.urlsafe_b64encode(key.sign(head + b"." + payload))
    file = declared({"path": "/etc/voice.lic", "fields": FIELDS, "date_format": "%d.%m.%Y"}, "Europe/Berlin")
    found = licence.load(file, data, told)
    assert found.proven and found.features == {"vl-pro", "fax", "queue"}
    assert not read(VENDOR).proven


def test_what_would_disturb_a_terminal_is_replaced() -> None:
    found = read(
        '{"m": "voice", "c": "\\u001b[2JEvil\\ud800\\u202e"}', format="json", fields={"features": "m", "customer": "c"}
    )
    assert found.customer == "\ufffd[2JEvil\ufffd\ufffd"


def test_a_file_that_is_not_there_is_another_matter_than_one_that_cannot_be_read(tmp_path: Path) -> None:
    def load(path: Path | str, content: bytes | None = None) -> Licence:
        return licence.load(declared({"path": str(path), "grants": ["voice"]}, "UTC"), content)

    (tmp_path / "a.lic").write_text("x = y\n")
    assert load(tmp_path / "a.lic").features == {"voice"}
    for path in (tmp_path / "b.lic", tmp_path / "a.lic" / "c.lic"):
        with pytest.raises(Absent):
            load(path)
    (tmp_path / "empty.lic").write_text(" \n")
    for other, content, words in (
        (tmp_path, None, "it is no file"),
        (tmp_path / "empty.lic", None, "it is empty"),
        ("a\0b", None, "its path is none"),
        ("anywhere", b"x" * 2**21, "too big for a licence"),
    ):
        with pytest.raises(BoxliftError, match=words) as raised:
            load(other, content)
        assert not isinstance(raised.value, Absent)
    with pytest.raises(OSError, match="too long"):
        load("x" * 5000)


def test_files_of_one_name_are_told_apart() -> None:
    entries = [{"path": "/a/x.lic"}, {"path": "/b/X.lic"}, {"path": "/c", "id": "x.lic"}, {"path": "/d/"}]
    assert [each.id for each in licence.declared_all(entries, "UTC")] == ["x.lic", "x.lic.2", "x.lic.3", "d"]


def test_what_the_action_brings_is_base64() -> None:
    assert licence.brought("eA==") == b"x"
    with pytest.raises(BoxliftError, match="no Base64"):
        licence.brought("é")


WORDS = st.text(st.sampled_from("Modules=Until:HostId[]{}\"',;<>/é 0123.-\n\r\0"), max_size=200)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "format": st.sampled_from(["key_value", "ini", "json", "xml", "other"]),
        "encoding": st.sampled_from(["auto", "utf-8", "utf-16", "windows-1251", "gb18030"]),
        "fields": st.dictionaries(st.sampled_from(licence.FIELDS), st.sampled_from(["Modules", "Until", "a/b", "["])),
        "grants": st.lists(st.text(max_size=5), max_size=2),
        "names": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        "separator": st.text(max_size=2),
        "date_format": st.one_of(st.sampled_from(["iso", "unix", "unix_ms", "%d.%m.%Y"]), st.text(max_size=6)),
        "timezone": st.one_of(st.sampled_from(["UTC", "Europe/Berlin"]), st.text(max_size=6)),
        "unlimited": st.lists(st.text(max_size=2), max_size=2),
        "any_host": st.lists(st.text(max_size=2), max_size=2),
    },
)


@given(st.one_of(st.binary(max_size=200), WORDS.map(str.encode)), ENTRIES)
@settings(max_examples=400)
def test_nothing_raises_anything_else(data: bytes, entry: dict[str, t.Any]) -> None:
    try:
        assert isinstance(read(data, **entry), Licence)
    except BoxliftError as error:
        assert error.message and error.remedy

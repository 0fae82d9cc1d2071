# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names are refused, and that no name of a genuine backup is."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.safety import refusal
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import decode_name, printable
from lab.reference import GENUINE, reference_backups

CONTROLS = [byte for byte in (*range(1, 32), 127) if byte not in (9, 10)]


@pytest.mark.parametrize(
    ("path", "reason"),
    (
        (b"", "it has no name"),
        (b"/etc/passwd", "its path is absolute"),
        (b"a\0b", "its name holds a NUL byte"),
        (b"..\\evil", "its name holds a backslash, which other readers take for a separator"),
        (b"..", "its path leaves the target"),
        (b"a/../../evil", "its path leaves the target"),
        (b"a/..", "its path leaves the target"),
        (b"a//b", "its path has an empty component"),
        (b"a/./b", "its path has an empty component"),
        (b"a/", "its path has an empty component"),
        (b"/".join([b"x" * 255] * 17), "its path has 4351 bytes, more than 4095"),
        (b"/".join([b"d"] * 129), "it lies 129 directories deep, more than 128"),
    ),
)
def test_refused(path: bytes, reason: str) -> None:
    assert refusal(path) == reason


@pytest.mark.parametrize("byte", CONTROLS)
def test_control_characters_are_refused_and_named(byte: int) -> None:
    assert refusal(b"upload/a%c.txt" % byte) == f"its name holds the control character \\x{byte:02x}"


@pytest.mark.parametrize(
    "path",
    (
        b"upload/new\nline and\ttab.txt",
        b"...",
        b"a/..b/.c",
        b"x" * 255,
        b"x" * 256,  # it gets another name
        b"/".join([b"d"] * 128),
        b"con",
        b"nul.txt",
        "Прайс.xls".encode("cp1251"),
        "\u0085\u009b\u202e\u200b.txt".encode(),  # converted once too often, or copied out of a file manager
    ),
)
def test_allowed(path: bytes) -> None:
    assert refusal(path) is None


@pytest.mark.parametrize("name", sorted(reference_backups()))
def test_no_name_of_a_reference_backup_is_refused(name: str) -> None:
    manifest = json.loads((reference_backups()[name] / "manifest.json").read_text())
    paths = [base64.b64decode(entry["path_b64"]) for entry in manifest["entries"]]
    assert paths
    assert {path: refusal(path) for path in paths if refusal(path)} == {}
    if GENUINE.is_dir():  # our own stand-ins for them have no such names
        assert any(b"\n" in path for path in paths)
        assert any(b"\t" in path for path in paths)


def test_what_is_allowed_is_still_shown_harmlessly() -> None:
    shown = printable("a\nb\x1b[2J\u009b\u202e".encode())
    assert shown == "a\\x0ab\\x1b[2J\\x9b\\x202e"
    assert shown.isprintable()


def test_each_component_is_a_name_of_its_own() -> None:
    """A cp1251 file in a folder with a UTF-8 name belongs into that folder."""
    assert decode_name("Папка".encode() + b"/" + "Прайс".encode("cp1251")) == "Папка/Прайс"

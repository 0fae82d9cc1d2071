# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import grp
import json
import os
import pwd
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.modules import host_files

OWNER = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}


@pytest.fixture
def settle(run_module: t.Any, tmp_path: Path) -> t.Callable[..., dict[str, t.Any]]:
    """Runs the module with paths below the test's folder."""

    def run(*files: dict[str, t.Any], check: bool = False) -> dict[str, t.Any]:
        entries = [{**OWNER, **entry, "path": str(tmp_path / entry["path"])} for entry in files]
        result: dict[str, t.Any] = run_module(host_files, check=check, files=entries)
        return result

    return run


def mode_of(path: Path) -> int:
    return path.lstat().st_mode & 0o7777


UNIT = (
    {"path": "a.d", "state": "directory"},
    {"path": "a.d/unit.conf", "content": "[Unit]\n"},
    {"path": "key.json", "content": "x", "mode": "0640"},
    {"path": "old.conf", "state": "absent"},
)


def test_check_change_repeat(settle: t.Any, tmp_path: Path) -> None:
    (tmp_path / "old.conf").write_text("old")
    predicted = settle(*UNIT, check=True)
    assert predicted["changed"] and [path.name for path in tmp_path.iterdir()] == ["old.conf"]
    changed = settle(*UNIT)
    assert changed["paths"] == predicted["paths"] == [str(tmp_path / entry["path"]) for entry in UNIT]
    assert changed["diff"] == predicted["diff"]
    assert (tmp_path / "a.d/unit.conf").read_text() == "[Unit]\n"
    assert [mode_of(tmp_path / name) for name in ("a.d", "a.d/unit.conf", "key.json")] == [0o755, 0o644, 0o640]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.d", "key.json"]
    repeated = settle(*UNIT)
    assert (repeated["changed"], repeated["paths"], repeated["diff"]) == (False, [], [])


def test_a_file_that_is_right_is_not_touched(settle: t.Any, tmp_path: Path) -> None:
    settle(*UNIT)
    before = (tmp_path / "key.json").stat()
    settle(*UNIT)
    assert (tmp_path / "key.json").stat() == before


def test_rights_alone(settle: t.Any, tmp_path: Path) -> None:
    settle(*UNIT)
    (tmp_path / "key.json").chmod(0o644)
    (tmp_path / "a.d").chmod(0o700)
    inode = (tmp_path / "key.json").stat().st_ino
    result = settle(*UNIT)
    assert [(Path(item["before_header"]).name, item["before"], item["after"]) for item in result["diff"]] == [
        ("a.d", {"mode": "0700"}, {"mode": "0755"}),
        ("key.json", {"mode": "0644"}, {"mode": "0640"}),
    ]
    assert (mode_of(tmp_path / "key.json"), mode_of(tmp_path / "a.d")) == (0o640, 0o755)
    assert (tmp_path / "key.json").stat().st_ino == inode


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_an_owner_that_is_another_one(settle: t.Any, tmp_path: Path) -> None:
    settle({"path": "x", "content": "x", "owner": "daemon", "group": "daemon"})
    assert (tmp_path / "x").owner() == "daemon"
    result = settle({"path": "x", "content": "x"})
    assert result["diff"][0]["before"] == {"owner": "daemon", "group": "daemon"}
    assert (tmp_path / "x").owner() == OWNER["owner"]


def test_a_changed_text_is_shown_and_rights_with_it(settle: t.Any, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old\n")
    (tmp_path / "x").chmod(0o600)
    result = settle({"path": "x", "content": "new\n"})
    assert [(item["before"], item["after"]) for item in result["diff"]] == [
        ("old\n", "new\n"),
        ({"mode": "0600"}, {"mode": "0644"}),
    ]


def test_a_confidential_text_is_shown_nowhere(settle: t.Any, tmp_path: Path) -> None:
    for content in ("canary-one", "canary-two"):
        result = settle({"path": "x", "content": content, "confidential": True})
        assert result["changed"] and (tmp_path / "x").read_text() == content
        assert "canary" not in json.dumps(result)
        assert result["diff"][0]["after"] == {"content": "(confidential, changed)"}


def test_what_is_not_valid_does_not_come_into_place(settle: t.Any, tmp_path: Path) -> None:
    proof = "/bin/sh -c 'grep -q good $0 || { echo line 1 is bad >&2; exit 1; }' %s"
    assert settle({"path": "x", "content": "good", "validate": proof})["changed"]
    refused = settle({"path": "x", "content": "evil", "validate": proof})
    assert refused["failed"] and "x would not be valid: line 1 is bad" in refused["msg"]
    assert (tmp_path / "x").read_text() == "good"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_what_a_killed_run_left_is_no_obstacle(settle: t.Any, tmp_path: Path) -> None:
    (tmp_path / ".x.new").write_text("a longer text that was half writ")
    assert settle({"path": "x", "content": "whole"})["changed"]
    assert (tmp_path / "x").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_link_is_replaced_and_its_target_left_alone(settle: t.Any, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("same")
    (tmp_path / "x").symlink_to("target")
    assert settle({"path": "x", "content": "same"})["changed"]
    assert not (tmp_path / "x").is_symlink() and (tmp_path / "target").read_text() == "same"
    (tmp_path / "folder").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to("folder")
    assert not settle({"path": "link", "state": "directory"})["changed"]


def test_check_mode_waits_for_accounts_and_folders(settle: t.Any) -> None:
    result = settle({"path": "none/x", "content": "x", "owner": "nobody-has-this-name"}, check=True)
    assert result["changed"] and not result["failed"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"path": "folder", "content": ""}, "folder is a directory already"),
        ({"path": "folder", "state": "absent"}, "folder is a directory already"),
        ({"path": "file", "state": "directory"}, "file is a file already"),
        ({"path": "none/x", "content": "x"}, "There is no folder"),
        ({"path": "x", "content": "x", "owner": "nobody-has-this-name"}, "cannot be given to nobody-has-this-name"),
        ({"path": "x", "content": "x", "mode": "rw"}, "is 'rw'. Write four octal digits"),
        ({"path": "x"}, "content"),
    ],
)
def test_bad_input(settle: t.Any, tmp_path: Path, entry: dict[str, t.Any], words: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    result = settle(entry)
    assert result["failed"] and words in result["msg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "kept"


def test_a_relative_path_is_refused(run_module: t.Any) -> None:
    result = run_module(host_files, files=[{"path": "x", "content": "x"}])
    assert result["failed"] and "x is no absolute path" in result["msg"]


def test_a_disk_that_says_no_is_named(settle: t.Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: t.Any) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "x").write_text("before")
    monkeypatch.setattr("os.fsync", full)
    result = settle({"path": "x", "content": "after"})
    assert result["failed"] and f"{tmp_path}/x: No space left on device." in result["msg"]
    assert (tmp_path / "x").read_text() == "before"

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal names no range before it is on the disk, and is believed only as far as the file goes."""

from __future__ import annotations

import errno
import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.download import partial
from ansible_collections.boxlift.portal.plugins.module_utils.download.partial import PartialFile
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError


def begun(folder: Path, total: int = 35) -> PartialFile:
    part = PartialFile(str(folder), "base.tar.1", 1, 10)
    part.begin(total, "host", "version")
    return part


def test_a_range_is_on_the_disk_before_the_journal_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part, happened = begun(tmp_path), []
    real = partial.write_json

    def note(path: str, content: dict[str, t.Any]) -> None:
        happened.append(tuple(content["done"]))
        real(path, content)

    monkeypatch.setattr(os, "fdatasync", lambda descriptor: happened.append("synced"))
    monkeypatch.setattr(partial, "write_json", note)
    part.write(10, b"x" * 10)
    part.finish(1)
    part.write(30, b"x" * 5)
    part.finish(3)
    assert happened == ["synced", (1,), "synced", (1, 3)]
    again = PartialFile(str(tmp_path), "base.tar.1", 1, 10)
    assert (again.total, again.validators) == (35, {"host": "version"})
    assert (again.missing(), again.here, again.complete) == ([0, 2], 15, False)


def test_a_journal_that_claims_more_than_there_is(tmp_path: Path) -> None:
    part = begun(tmp_path)
    for number in range(3):
        part.write(10 * number, b"x" * 10)
        part.finish(number)
    part.close()
    os.truncate(part.path, 25)
    assert PartialFile(str(tmp_path), "base.tar.1", 1, 10).missing() == [2, 3]
    os.unlink(part.path)
    assert PartialFile(str(tmp_path), "base.tar.1", 1, 10).total < 0
    assert list(tmp_path.iterdir()) == []


def test_a_note_of_another_kind_is_not_believed(tmp_path: Path) -> None:
    """As an earlier release left it: one request for each part, and no journal."""
    (tmp_path / ".base.tar.1.partial").write_bytes(b"x" * 20)
    (tmp_path / ".base.tar.1.partial.json").write_text(json.dumps({"total": 35, "validator": "version"}))
    assert PartialFile(str(tmp_path), "base.tar.1", 1, 10).total < 0
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    part = begun(tmp_path)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(BoxliftError, match=rf"{tmp_path} is full: base\.tar\.1 could not be written \(No space left"):
        part.write(0, b"x")

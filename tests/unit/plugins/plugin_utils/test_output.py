# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils import output


def test_a_file_is_written_where_it_differs(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/page.html"
    assert output.bring({str(path): "one"}, check=True) and not path.exists()
    assert output.bring({str(path): "one"}, check=False)
    assert not output.bring({str(path): "one"}, check=False)
    assert path.read_text() == "one" and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_must_not_be_there(tmp_path: Path) -> None:
    path = str(tmp_path / "page.html")
    assert output.holds(path, None) and not output.holds(path, b"")
    output.put(path, b"one")
    assert not output.holds(path, None)
    output.put(path, None)
    assert output.read(path) is None


def test_the_mode_counts_where_it_is_given(tmp_path: Path) -> None:
    path = str(tmp_path / "secret/command")
    output.put(path, b"one", 0o700, folder_mode=0o700)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o700
    assert output.holds(path, b"one") and output.holds(path, b"one", 0o700) and not output.holds(path, b"one", 0o600)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "page.html")
    output.put(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BoxliftError, match=r"page\.html cannot be written: No space left on device"):
        output.put(path, b"new")
    assert output.holds(path, b"old")
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(BoxliftError, match="Not a directory") as refused:
        output.bring({str(tmp_path / "out/page.html"): "one"}, check=False)
    assert refused.value.remedy == "Give a writable folder as dest."

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file system that fills up while a restore is at work: a clear error, and the next run completes."""

from __future__ import annotations

import random
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore import restore as restore_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore import sink as sink_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore.restore import Restore, RestoreRequest
from lab.archive_writer import Entry, write_archive

from .test_restore_files import tree_of

FILES, SIZE = 600, 16_000
NEEDED = FILES * 16_384


@pytest.fixture
def disk(tmp_path: Path) -> t.Iterator[Path]:
    """A file system of its own, with room for one and a half trees."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={NEEDED * 3 // 2}", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    noise = random.Random(50)
    entries = [Entry(b"d%d/%d" % (number % 20, number), data=noise.randbytes(SIZE), mtime=9) for number in range(FILES)]
    return write_archive(entries, tmp_path_factory.mktemp("source"), "base", part_limit=1_500_000)[0]


@pytest.fixture(scope="module")
def expected(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bytes, t.Any]:
    """The tree of a restore that nothing disturbs."""
    place = tmp_path_factory.mktemp("reference")
    Restore(RestoreRequest(str(source), str(place / "www"), str(place / "state")), None).run()
    return tree_of(place / "www")


@pytest.mark.parametrize("state_beside", (False, True))
@pytest.mark.parametrize("percent", (50, 90, 99))
def test_a_disk_that_fills_up(
    tmp_path: Path,
    disk: Path,
    source: Path,
    expected: dict[bytes, t.Any],
    monkeypatch: pytest.MonkeyPatch,
    percent: int,
    state_beside: bool,
) -> None:
    monkeypatch.setattr(restore_module, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(sink_module, "NOTE_SECONDS", 0.0)
    live = disk / "site" / "www"
    live.mkdir(parents=True)
    (live / "old.txt").write_text("old")
    request = RestoreRequest(str(source), str(live), str((disk if state_beside else tmp_path) / "state"), jobs=2)
    restore = Restore(request, None)
    clear = restore._clear
    filler = disk / "filler"

    def clear_then_fill() -> None:
        """Somebody else takes the room that was free when the restore looked."""
        clear()
        with open(filler, "wb") as other:
            other.truncate(0)
            other.write(bytes(NEEDED * 3 // 2 - NEEDED * percent // 100))

    monkeypatch.setattr(restore, "_clear", clear_then_fill)
    with pytest.raises(BoxliftError, match=r"The disk is full: .* could not be written"):
        restore.run()
    assert [path.name for path in live.iterdir()] == ["old.txt"]
    filler.unlink()
    result = Restore(request, None).run()
    assert result["files"] == FILES
    found = tree_of(live)
    assert set(found) == set(expected)
    assert all(found[path] == expected[path] for path in found if b"/" in path)

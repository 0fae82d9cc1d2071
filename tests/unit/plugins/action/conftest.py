# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site whose backup takes a while to prove."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab.archive_writer import Entry, write_archive


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a backup that is small on the disk, but takes a second or so to prove."""
    folder = tmp_path_factory.mktemp("backup")
    with (folder / "zeros").open("wb") as stream:
        stream.truncate(300 * 2**20)
    entries = [Entry(b"zeros", data=folder / "zeros"), Entry(b"index.php", data=b"<?php")]
    write_archive(entries, folder, "base", kind="enc.gz", password="canary-1", part_limit=2**26, level=1)
    (folder / "zeros").unlink()
    return folder


@pytest.fixture
def backup_site(tmp_path: Path, backup: Path) -> Path:
    """Where a playbook runs; the backup is in it."""
    (tmp_path / "backup").symlink_to(backup)
    return tmp_path

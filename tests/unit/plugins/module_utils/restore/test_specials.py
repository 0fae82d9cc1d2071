# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the vendor's restore treats specially is left out or named, and a list of files is only text."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.restore.cloud_files import (
    CloudFile,
    compare_with_tree,
    find_list,
    read_line,
)
from ansible_collections.boxlift.portal.plugins.module_utils.restore.specials import left_out, survey

TIME = b"2026-04-13 12:00:00"


def put(root: Path, name: str, content: bytes = b"x") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "path",
    (b"restore.php", b"bitrixsetup.php", b"RESTORE.PHP", b"bitrix/backup/sites/s2/restore.php"),
)
def test_installers_are_never_placed(path: bytes) -> None:
    assert left_out(path)


@pytest.mark.parametrize(
    "path",
    (b"index.php", b"docs/restore.php", b"restore.php.txt", b"bitrix/modules/main/restore.php", b"restore.php/a"),
)
def test_nothing_else_is_left_out(path: bytes) -> None:
    assert not left_out(path)


@pytest.mark.parametrize(
    ("line", "size", "source", "target"),
    (
        (b"42 b24-1/disk/a b.txt", 42, b"b24-1/disk/a b.txt", b"upload/disk/a b.txt"),
        (b"\t 0\tb24-1/x", 0, b"b24-1/x", b"upload/x"),
        ("7 b24-1/Прайс".encode(), 7, "b24-1/Прайс".encode(), "upload/Прайс".encode()),
        (b"7 alone", 7, b"alone", b"upload/alone"),
        (b"7 b24-1/disk/cache/x", 7, b"b24-1/disk/cache/x", b"upload/disk/cache/x"),
    ),
)
def test_a_line_of_the_list(line: bytes, size: int, source: bytes, target: bytes) -> None:
    assert read_line(TIME + b" " + line) == CloudFile(TIME.decode(), size, source, target)


@pytest.mark.parametrize("path", (b"b/cache/x", b"b/resize_cache/x", b"b/tmp/x", b"b/main_tmp/x", b"b/test.txt"))
def test_what_the_portal_makes_anew_is_passed_over(path: bytes) -> None:
    assert read_line(TIME + b" 1 " + path) is None


@pytest.mark.parametrize(
    ("line", "message"),
    (
        (b"<?php system('id'); ?>", "not a time, a size and a path"),
        (TIME + b" many b/x", "not a time, a size and a path"),
        (TIME + b" " + b"9" * 5000 + b" b/x", "not a time, a size and a path"),
        (TIME + b" 1 b/../../etc/passwd", r"b/\.\./\.\./etc/passwd is refused: its path leaves the target"),
        (TIME + b" 1 /etc/passwd", "is refused: its path has an empty component"),
        (TIME + b" 1 b/x\\y", "a backslash"),
        (TIME + b" 1 b/\x1b[2J", "the control character"),
    ),
)
def test_a_line_that_is_not_followed(line: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_line(line)


def test_the_list_against_the_tree(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    lines = [
        f"<?php die(); touch({str(marker)!r}); ?>".encode(),
        TIME + b" 3 b/disk/there.txt",
        TIME + b" 3 b/disk/smaller.txt",
        TIME + b" 5 b/disk/absent.txt",
        TIME + b" 4 b/disk/folder",
        TIME + b" 6 b/" + "Прайс".encode("cp1251"),
        TIME + b" 9 b/cache/passed.over",
        TIME + b" 9 b/../evil",
        b"",
        TIME + b" 9 b/" + b"x" * 20_000,
        b"no line",
    ]
    put(tmp_path, "bitrix/restore_cloud.php", b"\r\n".join(lines))
    put(tmp_path, "upload/disk/there.txt", b"abc")
    put(tmp_path, "upload/disk/smaller.txt", b"a")
    put(tmp_path, "upload/disk/folder/x")
    put(tmp_path, "upload/Прайс", b"123456")
    found = compare_with_tree(str(tmp_path))
    assert found is not None
    assert (found.files, found.bytes) == (5, 21)
    assert (found.absent, found.absent_bytes) == (3, 12)
    assert (found.passed_over, found.unread) == (1, 3)
    assert found.unread_lines == [
        "line 8: b/../evil is refused: its path leaves the target",
        "line 10: not a time, a size and a path",
        "line 11: not a time, a size and a path",
    ]
    assert not marker.exists()


def test_lines_that_mean_nothing_are_counted_and_not_kept(tmp_path: Path) -> None:
    put(tmp_path, "bitrix/restore_cloud.txt", b"nonsense\n" * 1000)
    found = compare_with_tree(str(tmp_path))
    assert found is not None
    assert (found.unread, len(found.unread_lines)) == (1000, 20)


def test_a_list_that_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "bitrix" / "restore_cloud.php").mkdir(parents=True)
    (tmp_path / "bitrix" / "restore_cloud.txt").symlink_to("/etc/passwd")
    assert find_list(str(tmp_path)) is None
    assert compare_with_tree(str(tmp_path)) is None


def test_a_plain_portal_needs_nothing(tmp_path: Path) -> None:
    put(tmp_path, "index.php")
    put(tmp_path, ".htaccess")
    found = survey(str(tmp_path))
    assert found.warnings() == []
    assert found.as_dict() == {"leftovers": [], "buckets": [], "sites": [], "cloud_files": None}


def test_what_still_has_to_be_done_is_said(tmp_path: Path) -> None:
    put(tmp_path, "bitrix/restore_cloud.php", TIME + b" 1073741824 b/big.bin\n" + b"odd\n")
    put(tmp_path, "bitrix/backup/clouds/3/a/b.bin", bytes(100))
    put(tmp_path, "bitrix/backup/clouds/3/c.bin", bytes(50))
    put(tmp_path, "bitrix/backup/sites/s2/index.php")
    put(tmp_path, ".htaccess.restore")
    put(tmp_path, "bitrix/php_interface/dbconn.restore.php")
    os.symlink("/etc", tmp_path / "bitrix" / "backup" / "clouds" / "link")
    found = survey(str(tmp_path))
    result = found.as_dict()
    assert json.loads(json.dumps(result)) == result
    assert result["buckets"] == [{"name": "3", "files": 2, "bytes": 150}]
    assert result["sites"] == [{"name": "s2", "files": 1, "bytes": 1}]
    assert found.warnings() == [
        "1 of 1 files that bitrix/restore_cloud.php names (1.0 GiB) lie in the vendor's storage and not in this "
        "backup: fetch them into upload/ before users work.",
        "1 lines of bitrix/restore_cloud.php were not followed (line 2: not a time, a size and a path): "
        "look into them.",
        "bitrix/restore_cloud.php lies in the document root: remove it when its files are there.",
        "bitrix/backup/clouds holds files of cloud storage (3: 2 files, 150 B): the portal looks for them in the "
        "vendor's storage until they are moved to upload/ and registered there.",
        "bitrix/backup/sites holds further sites (s2: 1 files, 1 B): give each a document root of its own.",
        "An earlier restore on the source left .htaccess.restore, bitrix/php_interface/dbconn.restore.php: compare and "
        "remove them.",
    ]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a restore refuses of a backup, `backup_verify` names first; and what is excluded never blocks either."""

from __future__ import annotations

import ast
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import WrongPassword
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore.restore import Restore, RestoreRequest
from lab.archive_writer import Entry, tar_blocks, write_archive
from lab.hostile import ATTACKS, COLLISIONS, FALSE_HEADERS, Attack, header, long_named, write_hostile

FOLDER = Path(__file__).parents[5] / "plugins" / "module_utils" / "restore"

# Every place in restore/ that raises an error, and what it is about. `backup`: of the backup, so that a verification
# must say it first (the tests below bring each about); anything else is a reason that lies outside of the backup.
PLACES = {
    ("restore.py", "_refuse"): "backup",
    ("writer.py", "_target"): "backup",
    ("writer.py", "begin_file"): "backup",
    ("writer.py", "_explained"): "backup",
    ("writer.py", "replace_file"): "_explained",
    ("writer.py", "_try_names"): "_explained",
    ("writer.py", "open_file"): "_explained",
    ("writer.py", "write"): "_explained",
    ("writer.py", "end_file"): "_explained",
    ("writer.py", "_make"): "_explained",
    ("writer.py", "remove_directory"): "the disk",
    ("writer.py", "_create"): "_explained",
    ("writer.py", "_open"): "_explained",
    ("pipeline.py", "run"): "handed on",
    ("pipeline.py", "_take_offers"): "a part that changed meanwhile",
    ("pipeline.py", "_listen"): "handed on",
    ("pipeline.py", "_place_the_rest"): "handed on",
    ("tasks.py", "chunks"): "a part that changed meanwhile",
    ("tasks.py", "changed"): "a part that changed meanwhile",
    ("tasks.py", "run"): "a part that changed meanwhile",
    ("dumpfeed.py", "_in_order"): "a restore that failed elsewhere",
    ("dumpfeed.py", "_read"): "a part that changed meanwhile",
    ("sink.py", "_attempt"): "a full disk",
    ("sink.py", "withdraw"): "not raised, or handed on",
    ("switch.py", "of"): "the document root",
    ("room.py", "check_room"): "free space",
    ("room.py", "check_stated"): "free space",
    ("room.py", "_too_small"): "free space",
    ("owner.py", "identity"): "an account of this host",
    ("switch.py", "take_out"): "a tree that came meanwhile",
    ("switch.py", "lead_elsewhere"): "a share that is not mounted (test_elsewhere.py)",
    ("restore.py", "_refuse_half_done"): "another switch (test_living.py)",
    ("generations.py", "refuse_living"): "a portal in use (test_living.py)",
    ("generations.py", "find"): "a number (test_living.py)",
    ("generations.py", "_outgoing_number"): "a wrong order of calls",
    ("rollback.py", "_opened"): "another switch (test_living.py)",
    ("rollback.py", "_before_last_restore"): "no way back (test_living.py)",
    ("rollback.py", "_refuse"): "a generation that cannot be (test_living.py)",
    ("rollback.py", "_complete"): "a wrong order of calls",
    ("rollback.py", "_exchange_databases"): "handed on",
    ("database.py", "_at_work"): "a wrong order of calls",
    ("cloud_files.py", "read_line"): "a line of a list, which becomes a warning",
    ("cloud_files.py", "_size"): "the disk",
}
OTHERS = ("database.py",)  # what the dump and its server refuse is judged by tests of their own


def places() -> set[tuple[str, str]]:
    """Every function of restore/ that raises, or makes an error."""
    found = set()
    for file in FOLDER.glob("*.py"):
        for function in ast.walk(ast.parse(file.read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            for node in ast.walk(function):
                made = isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("BoxliftError", "DiskFull")
                if made or isinstance(node, ast.Raise):
                    found.add((file.name, function.name))
    return found


def test_every_refusal_is_in_the_table() -> None:
    assert {place for place in places() if place[0] not in OTHERS} == {
        place for place in PLACES if place[0] not in OTHERS
    }


def restore(place: Path, first: Path, **options: t.Any) -> dict[str, t.Any]:
    return Restore(RestoreRequest(str(first), str(place / "www"), str(place / "state"), **options), None).run()


def odd_dumps() -> t.Iterator[tuple[str, list[Entry]]]:
    end = b"-- Started\n-- Finished"
    yield "cut", [Entry(b"bitrix/backup/b.sql", data=b"-- Started\n")]
    yield "gap", [Entry(b"bitrix/backup/b.sql"), Entry(b"bitrix/backup/b.sql.2", data=end)]
    yield "twice", [Entry(b"bitrix/backup/b.sql", data=end), Entry(b"bitrix/backup/b.sql", data=end)]
    yield "two", [Entry(b"bitrix/backup/a.sql", data=end), Entry(b"bitrix/backup/b.sql", data=end)]
    yield "order", [Entry(b"bitrix/backup/b.sql.1", data=end), Entry(b"bitrix/backup/b.sql", data=b"-- Started\n")]


BLOCKS = [*((attack.name, attack.blocks) for attack in (*ATTACKS, *COLLISIONS, *FALSE_HEADERS))]
BLOCKS += [(name, b"".join(tar_blocks(entries))) for name, entries in odd_dumps()]


# In parts of 1 KiB too, where these are not as many as the blocks of a long one.
SPLIT = [(*given, 1024) for given in BLOCKS if len(given[1]) <= 64 * 1024] + [(*given, 1 << 21) for given in BLOCKS]


@pytest.mark.parametrize(("name", "blocks", "part_limit"), SPLIT, ids=[f"{each[0]}-{each[2]}" for each in SPLIT])
def test_verify_names_it_first(tmp_path: Path, name: str, blocks: bytes, part_limit: int) -> None:
    first = write_hostile(tmp_path / "backup", blocks, part_limit=part_limit)
    report = verify(str(first))
    assert not report.sound
    with pytest.raises(BoxliftError) as caught:
        restore(tmp_path, first)
    failed = [finding for finding in report.findings if finding.status == "fail"]
    assert failed
    assert all(finding.remedy for finding in failed[:1])
    assert not (tmp_path / "www").exists()
    if not report.damaged():  # it is about an entry or the dump: both name the same one
        said, message = [finding.observed for finding in failed], caught.value.message
        shared = any(line in message for line in said)
        assert shared or any(line.split("'")[1] in message for line in said)


def test_the_wrong_password_is_named_by_both(tmp_path: Path) -> None:
    first = write_archive([Entry(b"a")], tmp_path, "base", kind="enc.gz", password="right")[0]
    for password in ("wrong", None):
        with pytest.raises(WrongPassword):
            verify(str(first), password)
        with pytest.raises(WrongPassword):
            restore(tmp_path, first, password=password)


# An entry without a name cannot be named in exclude.
@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack.entry], ids=lambda attack: attack.name)
def test_what_is_excluded_never_blocks(tmp_path: Path, attack: Attack) -> None:
    first = write_hostile(tmp_path / "backup", attack.blocks)
    [finding] = [finding for finding in verify(str(first)).findings if finding.status == "fail"]
    assert finding.remedy
    exclude = ("[!il]*",)  # all but index.php and last.txt
    report = verify(str(first), exclude=exclude)
    assert report.intact, report.summary()
    result = restore(tmp_path, first, exclude=exclude)
    assert (sorted(os.listdir(tmp_path / "www")), result["files"]) == (["index.php", "last.txt"], 2)
    assert not (tmp_path / "evil").exists()


LONG = b"upload/" + b"n" * 301 + b".xls"
LONGS = {
    "ascii": LONG,
    "folder": b"f" * 300 + b"/inner.txt",
    "cyrillic": "я".encode() * 128 + b".txt",
    "cp1251": "я".encode("cp1251") * 256,
    "no ending": b"d/" + b"e" * 4000,
}


@pytest.mark.parametrize("path", LONGS.values(), ids=LONGS)
@pytest.mark.parametrize("part_limit", (1024, 1 << 20))
def test_a_name_that_no_disk_holds(tmp_path: Path, path: bytes, part_limit: int) -> None:
    first = write_hostile(tmp_path / "backup", long_named(path, b"kept"), part_limit=part_limit)
    report = verify(str(first))
    assert report.intact
    [finding] = [finding for finding in report.findings if finding.id == "backup.names"]
    assert (finding.status, bool(finding.remedy)) == ("warn", True)
    result = restore(tmp_path, first)
    [placed] = [file for file in (tmp_path / "www").rglob("*") if file.is_file() and file.read_bytes() == b"kept"]
    [warning] = result["warnings"]
    shown = str(placed.relative_to(tmp_path / "www"))
    assert shown in finding.observed
    assert shown in warning
    assert restore(tmp_path, first, exclude=("*nnn*", "fff*", "*яяя*", "*eee*"))["warnings"] == []


def test_the_fault_long_name(tmp_path: Path) -> None:
    """The input that stopped a restore: 305 bytes, in an archive of two parts."""
    folder = Path(__file__).parents[3] / "faults" / "long_name"
    report = verify(str(folder))
    assert report.intact, report.summary()
    result = restore(tmp_path, folder / "base.tar.gz")
    assert any("the file system holds no such name" in warning for warning in result["warnings"])
    assert result["files"] == report.tally.files


def test_many_long_names_are_counted(tmp_path: Path) -> None:
    blocks = b"".join(long_named(b"%03d" % number + b"n" * 260) for number in range(150))
    first = write_hostile(tmp_path / "backup", blocks, part_limit=1 << 20)
    said = [finding.observed for finding in verify(str(first)).findings if finding.id == "backup.names"]
    assert len(said) == 21
    assert said[-1] == "130 more entries get another name in the same way."
    result = restore(tmp_path, first)
    assert len(result["warnings"]) == 101
    assert result["files"] == 152


def test_an_unknown_type_that_is_excluded(tmp_path: Path) -> None:
    first = write_hostile(tmp_path / "backup", header(b"upload/link", b"2", link=b"/etc/passwd"))
    assert not verify(str(first)).intact
    assert verify(str(first), exclude=("upload/link",)).intact
    assert restore(tmp_path, first, exclude=("upload/link",))["files"] == 2
    assert not (tmp_path / "www" / "upload" / "link").exists()

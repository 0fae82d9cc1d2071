# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: every kind restores exactly, can be killed anywhere, and never touches the live tree before its time."""

from __future__ import annotations

import base64
import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
import signal
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore import pipeline as pipeline_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore import restore as restore_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore import sink as sink_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore import writer as writer_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore.restore import Restore, RestoreRequest
from lab.archive_writer import Entry, write_archive
from lab.reference import reference_backups


def request_for(tmp_path: Path, source: Path, **options: t.Any) -> RestoreRequest:
    return RestoreRequest(str(source), str(tmp_path / "site" / "www"), str(tmp_path / "state"), **options)


def tree_of(root: Path) -> dict[bytes, tuple[str, int, int]]:
    """Relative raw name → (sha256 or '' for a directory, mode, mtime)."""
    found = {}
    start = os.fsencode(root)
    for folder, folders, files in os.walk(start):
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            content = "" if name in folders else hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest()
            found[os.path.relpath(path, start)] = (content, status.st_mode & 0o7777, int(status.st_mtime))
    return found


def expected_tree(manifest: dict[str, t.Any]) -> dict[bytes, tuple[str, int | None, int | None]]:
    tree = {}
    for entry in manifest["entries"]:
        raw = base64.b64decode(entry["path_b64"])
        name = entry["path_cp1251"].encode() if "path_cp1251" in entry else raw
        mode = int(entry["mode"], 8) if "mode" in entry else None
        tree[name] = (entry.get("sha256", ""), mode, entry.get("mtime"))
    return tree


@pytest.mark.parametrize("name", sorted(reference_backups()))
def test_every_file_of_the_manifest(tmp_path: Path, name: str) -> None:
    folder = reference_backups()[name]
    manifest = json.loads((folder / "manifest.json").read_text())
    request = request_for(tmp_path, folder / manifest["parts"][0]["name"], password=manifest["password"])
    result = Restore(request, None).run()
    assert result["changed"]
    assert (result["files"], result["directories"]) == (manifest["entries_files"], manifest["entries_dirs"])
    found, expected = tree_of(Path(request.document_root)), expected_tree(manifest)
    assert set(found) == set(expected)
    for path, (content, mode, mtime) in expected.items():
        assert found[path][0] == content, path
        if path == b"bitrix/backup":
            continue  # its time changed between the writer's look and the manifest's
        # The manifest says nothing about the dump's own mode and time.
        assert mode is None or found[path][1] == mode, path
        assert mtime is None or found[path][2] == mtime, path
    again = Restore(request, None).run()
    assert not again["changed"]
    assert again["files"] == result["files"]


def small(directory: Path, *more: Entry) -> Path:
    entries = [
        Entry(b"index.php", data=b"<?php", mtime=1700000000),
        Entry(b"upload", type="dir", mode=0o755, mtime=1600000000),
        Entry(b"upload/a.bin", data=bytes(range(256)) * 40, mode=0o600, mtime=1500000000),
        *more,
        Entry(b"last.txt", data=b"last", mtime=1400000000),
    ]
    directory.mkdir()
    return write_archive(entries, directory, "base", part_limit=4096)[0]


def test_previous_trees_are_kept_up_to_a_number(tmp_path: Path) -> None:
    live = tmp_path / "site" / "www"
    live.mkdir(parents=True)
    (live / "old.txt").write_text("old")
    request = request_for(tmp_path, small(tmp_path / "one"))
    result = Restore(request, None).run()
    previous = Path(result["previous"])
    assert (previous / "old.txt").read_text() == "old"
    assert sorted(path.name for path in live.iterdir()) == ["index.php", "last.txt", "upload"]
    Restore(request_for(tmp_path, small(tmp_path / "two", Entry(b"new.txt"))), None).run()
    assert (live / "new.txt").exists()
    assert (previous / "old.txt").read_text() == "old"
    assert (previous.with_name(".www.previous-2") / "index.php").exists()
    Restore(request_for(tmp_path, small(tmp_path / "three"), keep_previous=1), None).run()
    assert sorted(path.name for path in live.parent.iterdir()) == [".www.previous-3", "www"]


def test_previous_tree_is_removed_when_not_wanted(tmp_path: Path) -> None:
    live = tmp_path / "site" / "www"
    live.mkdir(parents=True)
    (live / "old.txt").write_text("old")
    result = Restore(request_for(tmp_path, small(tmp_path / "one"), keep_previous=False), None).run()
    assert result["previous"] is None
    assert sorted(path.name for path in live.parent.iterdir()) == ["www"]


def test_settings_that_cannot_be_edited_are_named_before_the_switch(tmp_path: Path) -> None:
    """The staged tree is kept: once its file is corrected, the next run switches it in as it is."""
    live = tmp_path / "site" / "www"
    live.mkdir(parents=True)
    (live / "old.txt").write_text("old")
    dbconn = b"bitrix/php_interface/dbconn.php"
    portal = (
        Entry(b"bitrix/.settings.php", data=b"<?php\nreturn ['cache' => ['value' => ['type' => 'files']]];\n"),
        Entry(dbconn, data=b"<?php\n$done = define('BX_CRONTAB_SUPPORT', true);\n"),
    )
    source = small(tmp_path / "one", *portal)
    request = request_for(tmp_path, source, judge_settings=True)
    for _run in range(2):
        with pytest.raises(
            BoxliftError, match="dbconn.php, line 2, column 16: BX_CRONTAB_SUPPORT is set in a way"
        ) as caught:
            Restore(request, None).run()
        assert [path.name for path in live.iterdir()] == ["old.txt"]
    staged = Path(caught.value.details["path"])
    assert staged.is_file() and str(staged).endswith(os.fsdecode(dbconn)) and live not in staged.parents
    staged.write_text("<?php\ndefine('BX_CRONTAB_SUPPORT', true);\n")
    result = Restore(request, None).run()
    assert (result["changed"], result["resumed"]) == (True, True)
    assert (live / os.fsdecode(dbconn)).read_text() == "<?php\ndefine('BX_CRONTAB_SUPPORT', true);\n"


def test_settings_are_judged_only_where_it_was_asked_for(tmp_path: Path) -> None:
    source = small(tmp_path / "one", Entry(b"bitrix/.settings.php", data=b"no PHP"))
    assert Restore(request_for(tmp_path, source), None).run()["changed"]


def test_a_tree_that_was_removed_is_restored_again(tmp_path: Path) -> None:
    request = request_for(tmp_path, small(tmp_path / "one"))
    Restore(request, None).run()
    shutil.rmtree(request.document_root)
    assert Restore(request, None).would_change()
    assert Restore(request, None).run()["changed"]
    assert (Path(request.document_root) / "index.php").exists()


def test_damage_leaves_the_live_tree_alone(tmp_path: Path) -> None:
    live = tmp_path / "site" / "www"
    live.mkdir(parents=True)
    (live / "old.txt").write_text("old")
    first = small(tmp_path / "one")
    part = first.with_name(first.name + ".1")
    whole = part.read_bytes()
    part.write_bytes(whole[:-30])
    with pytest.raises(BoxliftError, match=rf"nothing was restored.*{part.name} is truncated"):
        Restore(request_for(tmp_path, first), None).run()
    assert [path.name for path in live.iterdir()] == ["old.txt"]
    # The intact parts stay placed, so that only the repaired one is left to do.
    part.write_bytes(whole)
    result = Restore(request_for(tmp_path, first), None).run()
    assert result["resumed"]
    assert (live / "upload" / "a.bin").read_bytes() == bytes(range(256)) * 40
    assert sorted(path.name for path in live.iterdir()) == ["index.php", "last.txt", "upload"]


@pytest.mark.parametrize("path", (b"../evil", b"/tmp/evil", b"a/../../evil"))
def test_an_entry_that_leaves_the_target(tmp_path: Path, path: bytes) -> None:
    with pytest.raises(BoxliftError, match="is refused"):
        Restore(request_for(tmp_path, small(tmp_path / "one", Entry(path, data=b"x"))), None).run()
    assert not (tmp_path / "site" / "www").exists()
    assert not list(tmp_path.rglob("evil"))
    assert not Path("/tmp/evil").exists()


def test_a_link_planted_in_the_staging_tree_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    request = request_for(tmp_path, small(tmp_path / "one"))
    restore = Restore(request, None)
    clear = restore._clear

    def plant() -> None:
        clear()
        (tmp_path / "site" / ".www.staging" / "upload").symlink_to(outside)

    monkeypatch.setattr(restore, "_clear", plant)
    with pytest.raises(BoxliftError, match="a file or link stands where its path needs a directory"):
        restore.run()
    assert list(outside.iterdir()) == []


def test_the_same_name_in_two_encodings(tmp_path: Path) -> None:
    """Neither of the two is lost: the cp1251 one keeps its own bytes, and the result says so."""
    twins = [Entry("Прайс".encode(), data=b"utf"), Entry("Прайс".encode("cp1251"), data=b"cp")]
    result = Restore(request_for(tmp_path, small(tmp_path / "one", *twins)), None).run()
    live = os.fsencode(tmp_path / "site" / "www")
    assert Path(os.fsdecode(live + b"/" + "Прайс".encode())).read_bytes() == b"utf"
    assert Path(os.fsdecode(live + b"/" + "Прайс".encode("cp1251"))).read_bytes() == b"cp"
    assert result["warnings"] == [
        "'Прайс' is in the archive in UTF-8 and in cp1251: UTF-8 gets the name, the other keeps its bytes. "
        "Look whether both are of use, and remove the one that is not."
    ]


def test_forbidden_bits_are_dropped(tmp_path: Path) -> None:
    Restore(request_for(tmp_path, small(tmp_path / "one", Entry(b"tool", data=b"x", mode=0o6777))), None).run()
    assert (tmp_path / "site" / "www" / "tool").stat().st_mode & 0o7777 == 0o777


def test_rights_that_nobody_gets(tmp_path: Path) -> None:
    """Files, folders of the archive, those made for what is in them, and the tree itself."""
    entries = (Entry(b"made/tool", data=b"x", mode=0o6777), Entry(b"said", type="dir", mode=0o757))
    request = dataclasses.replace(request_for(tmp_path, small(tmp_path / "one", *entries)), umask=0o027)
    Restore(request, None).run()
    live = tmp_path / "site" / "www"
    modes = {path: (live / path).stat().st_mode & 0o7777 for path in (".", "made", "made/tool", "said")}
    assert modes == {".": 0o750, "made": 0o750, "made/tool": 0o750, "said": 0o750}


def test_exclude(tmp_path: Path) -> None:
    result = Restore(request_for(tmp_path, small(tmp_path / "one"), exclude=("upload", "*.txt")), None).run()
    assert sorted(path.name for path in (tmp_path / "site" / "www").iterdir()) == ["index.php"]
    assert result["excluded"] == 2


def test_a_full_disk_is_seen_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        f_bavail, f_frsize = 1, 4096

    monkeypatch.setattr(restore_module.os, "statvfs", lambda _path: Full)
    with pytest.raises(BoxliftError, match=r"has 4\.0 KiB free, and the backup needs 26\.0 KiB"):
        Restore(request_for(tmp_path, small(tmp_path / "one")), None).run()
    assert list((tmp_path / "site").iterdir()) == []


def test_a_disk_that_fills_up_names_the_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _content: bytes) -> int:
        raise OSError(28, "No space left on device")

    request = request_for(tmp_path, small(tmp_path / "one"))
    with monkeypatch.context() as patch:
        patch.setattr(writer_module.TreeWriter, "write", lambda self, content: _raise_full(self))
        with pytest.raises(BoxliftError, match=r"disk is full: '[^']+'"):
            Restore(request, None).run()
    assert not Path(request.document_root).exists()
    assert Restore(request, None).run()["changed"]


def _raise_full(writer: writer_module.TreeWriter) -> None:
    raise writer_module._explained(OSError(28, "No space left on device"), writer._entry)


def test_a_second_runner_is_refused(tmp_path: Path) -> None:
    request = request_for(tmp_path, small(tmp_path / "one"))
    restore = Restore(request, None)
    Path(request.state_dir).mkdir()
    with open(restore._lock_path, "w") as lock:
        lock.write("process 4711 on prod")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BoxliftError, match="already being worked on by process 4711 on prod"):
            restore.run()


class Killed(BaseException):
    """Stands for the process's end: nothing in the code under test may catch it."""


@pytest.mark.parametrize("survived", range(0, 37, 3))
def test_a_worker_killed_after_so_many_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: int) -> None:
    """A worker dies at a write; run again: the tree is the same as without the death."""
    monkeypatch.setattr(restore_module, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(sink_module, "NOTE_SECONDS", 0.0)
    monkeypatch.setattr("ansible_collections.boxlift.portal.plugins.module_utils.archive.inflate._OUTPUT_LIMIT", 2048)
    more = [Entry(b"d%d" % number, type="dir", mtime=1300000000) for number in range(5)]
    more += [Entry(b"d%d/file%d" % (number % 5, number), data=b"%d" % number * 600) for number in range(20)]
    source = small(tmp_path / "one", *more)
    undisturbed = request_for(tmp_path / "reference", source)
    Restore(undisturbed, None).run()
    request = request_for(tmp_path, source, jobs=1)
    left = survived
    write = writer_module.TreeWriter.write

    def counted(self: writer_module.TreeWriter, content: memoryview) -> None:
        nonlocal left
        if left == 0:
            write(self, content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        write(self, content)

    with monkeypatch.context() as patch:
        patch.setattr(writer_module.TreeWriter, "write", counted)
        with pytest.raises(BoxliftError, match="worker process was killed"):
            Restore(request, None).run()
    assert not Path(request.document_root).exists()
    result = Restore(request, None).run()
    assert result["files"] == 23
    assert result["resumed"]
    assert tree_of(Path(request.document_root)) == tree_of(Path(undisturbed.document_root))


@pytest.mark.parametrize("rename", (1, 2))
def test_killed_between_the_renames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rename: int) -> None:
    live = tmp_path / "site" / "www"
    live.mkdir(parents=True)
    (live / "old.txt").write_text("old")
    request = request_for(tmp_path, small(tmp_path / "one"))
    done = 0
    real = os.rename

    def counted(source: str, target: str) -> None:
        nonlocal done
        real(source, target)
        done += 1
        if done == rename:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", counted)
        with pytest.raises(Killed):
            Restore(request, None).run()
    result = Restore(request, None).run()
    assert (live / "index.php").exists()
    assert (Path(result["previous"]) / "old.txt").exists()


def test_a_part_that_changes_behind_the_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of a file from an earlier part is read after the proof: it is what was proven, or the restore fails."""
    (tmp_path / "one").mkdir()
    entries = [Entry(b"a.txt", data=b"a" * 5000), Entry(b"b.txt", data=b"b" * 5000)]
    first = write_archive(entries, tmp_path / "one", "base", kind="tar", part_limit=4096)[0]
    request = request_for(tmp_path, first)
    give_lead = pipeline_module.Pipeline._give_lead

    def change_then_give(self: pipeline_module.Pipeline, index: int) -> None:
        part = first.with_name(f"{first.name}.{index}")
        content = bytearray(part.read_bytes())
        content[200] ^= 1
        part.write_bytes(content)
        give_lead(self, index)

    monkeypatch.setattr(pipeline_module.Pipeline, "_give_lead", change_then_give)
    with pytest.raises(BoxliftError, match=r"base\.tar\.\d has changed since it was verified"):
        Restore(request, None).run()
    assert not Path(request.document_root).exists()


@pytest.mark.parametrize(
    ("root", "message"), (("/www", "directly in /"), ("/", "directly in /"), ("/proc", "directly in /"))
)
def test_document_roots_that_cannot_be_renamed(tmp_path: Path, root: str, message: str) -> None:
    request = RestoreRequest(str(small(tmp_path / "one")), root, str(tmp_path / "state"))
    with pytest.raises(BoxliftError, match=message):
        Restore(request, None)


def test_a_mount_point_cannot_be_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: path == str(tmp_path / "site" / "www"))
    with pytest.raises(BoxliftError, match="is a mount point"):
        Restore(request_for(tmp_path, small(tmp_path / "one")), None)


def test_an_unreadable_state_file_is_named(tmp_path: Path) -> None:
    request = request_for(tmp_path, small(tmp_path / "one"))
    restore = Restore(request, None)
    Path(request.state_dir).mkdir()
    Path(restore._state_path).write_text("{half")
    with pytest.raises(BoxliftError, match=rf"{restore._state_path} is not readable"):
        restore.run()


def test_what_a_backup_brings_beside_the_portal(tmp_path: Path) -> None:
    """Installers are not placed; what else needs a hand is placed, named and warned of."""
    more = [
        Entry(b"restore.php", data=b"<?php"),
        Entry(b"bitrix/backup/clouds/7/a.jpg", data=b"jpg"),
        Entry(b"bitrix/.settings.restore.php", data=b"<?php"),
    ]
    result = Restore(request_for(tmp_path, small(tmp_path / "one", *more)), None).run()
    live = tmp_path / "site" / "www"
    assert result["left_out"] == ["restore.php"]
    assert not (live / "restore.php").exists()
    assert (live / "bitrix/backup/clouds/7/a.jpg").exists()
    assert result["specials"]["buckets"] == [{"name": "7", "files": 1, "bytes": 3}]
    assert result["specials"]["leftovers"] == ["bitrix/.settings.restore.php"]
    assert len(result["warnings"]) == 2


def test_names_keep_their_bytes_where_asked(tmp_path: Path) -> None:
    raw = "Прайс".encode("cp1251")
    Restore(request_for(tmp_path, small(tmp_path / "one", Entry(raw, data=b"cp")), raw_names=True), None).run()
    assert raw in os.listdir(os.fsencode(tmp_path / "site" / "www"))


def test_sums_that_were_taken_at_the_source(tmp_path: Path) -> None:
    """They close the gap that an archive without checksums has."""
    (tmp_path / "one").mkdir()
    entries = [Entry(b"a.txt", data=b"a" * 5000), Entry(b"b.txt", data=b"b" * 5000)]
    parts = write_archive(entries, tmp_path / "one", "base", kind="tar", part_limit=4096)
    sums = tuple(f"{hashlib.sha256(part.read_bytes()).hexdigest()}  {part.name}" for part in parts)
    content = bytearray(parts[1].read_bytes())
    content[3000] ^= 1
    parts[1].write_bytes(content)
    with pytest.raises(BoxliftError, match=rf"{parts[1].name} is corrupt \(its sha256 is not the one"):
        Restore(request_for(tmp_path, parts[0], expected=sums), None).run()
    content[3000] ^= 1
    parts[1].write_bytes(content)
    result = Restore(request_for(tmp_path, parts[0], expected=sums), None).run()
    assert {row["id"]: row["status"] for row in result["findings"]}["backup.checksums"] == "pass"

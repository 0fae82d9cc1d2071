# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.backup import database, night, restic
from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import contents, good_copies
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Database
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore.generations import name_of
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import lead_elsewhere
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import DatabaseFailed
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock
from unit.plugins.module_utils.backup.kept_copies import DAY, Killed, Portal


def test_a_copy_is_a_manifest_and_its_parts(portal: Portal) -> None:
    manifest = portal.night()
    (copy,) = good_copies(portal.memory)
    assert manifest["id"].startswith("20270115T080000Z-")
    assert (copy.id, copy.kind, copy.base, copy.domain) == (manifest["id"], "full", None, "portal.example")
    assert copy.parts["files"]["files"] == 2
    assert copy.parts["files"]["bytes"] == 1005
    assert copy.parts["database"]["bytes"] == 5000
    assert copy.parts["database"]["to_lsn"] == 1000
    assert copy.parts["database"]["binlog"] == {"file": "binlog.000001", "position": 342, "gtid": "0-1-10"}
    assert copy.noted == {"tables": {"b_user": [120, 120], "b_file": [400, 400]}, "files": 2}
    assert copy.warnings == ()


def on_a_share(portal: Portal, folder: Path) -> Path:
    """The folder in which the portal's uploads lie from now on."""
    shutil.move(portal.root / "upload", folder / "held")
    (folder / "share").mkdir()
    lead_elsewhere(str(portal.root), {"upload": str(folder / "share")}, -1, -1, 0o755)
    place = Path(os.readlink(portal.root / "upload"))
    shutil.copytree(folder / "held", place, dirs_exist_ok=True)
    return place


def test_what_web_hosts_share_is_a_part_of_the_copy(
    portal: Portal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = on_a_share(portal, tmp_path)
    (place / "resize_cache").mkdir()
    portal.settings = dataclasses.replace(portal.settings, exclude=(f"{portal.root}/upload/resize_cache", "/x"))
    excluded = []
    backup = portal.memory.backup

    def noted(paths: t.Sequence[str], tags: t.Sequence[str], exclude: t.Sequence[str] = (), *more: t.Any) -> t.Any:
        excluded.append((list(paths), list(exclude)))
        return backup(paths, tags, exclude, *more)

    monkeypatch.setattr(portal.memory, "backup", noted)
    manifest = portal.night()
    (copy,) = good_copies(portal.memory)
    assert copy.parts["elsewhere"]["places"] == {"upload": str(place)}
    assert (copy.parts["elsewhere"]["files"], copy.parts["files"]["files"], copy.noted["files"]) == (1, 1, 2)
    assert ([str(place)], [f"{place}/resize_cache"]) in excluded
    assert manifest["noted"]["files"] == 2


@pytest.mark.parametrize("gone", [True, False])
def test_a_share_that_is_not_mounted_is_no_success(portal: Portal, tmp_path: Path, gone: bool) -> None:
    place = on_a_share(portal, tmp_path)
    shutil.rmtree(place)
    if not gone:
        place.mkdir()
    with pytest.raises(night.CopyFailed, match="is empty or not there") as refused:
        portal.night()
    assert refused.value.code == "empty" and good_copies(portal.memory) == []


def test_people_do_not_wait_for_the_copy(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is read slowly, and its writes are held no longer than between two looks at its log."""
    commands: list[t.Sequence[str]] = []
    stream = portal.memory.backup_stream

    def noted(command: t.Sequence[str], *given: t.Any, **more: t.Any) -> restic.Saved:
        commands.append(command)
        return stream(command, *given, **more)

    monkeypatch.setattr(portal.memory, "backup_stream", noted)
    portal.night()
    assert {"--throttle=30", "--log-copy-interval=50"} <= set(commands[0])


def test_the_parts_are_written_as_unproven_and_the_manifest_last(portal: Portal) -> None:
    portal.night()
    tags = [each.tags for each, _files in portal.memory.held.values()]
    assert [("unproven" in each, "good" in each) for each in tags] == [(True, False)] * 3 + [(False, True)]


def test_the_configuration_holds_what_is_there_and_the_list_of_packages(portal: Portal) -> None:
    manifest = portal.night()
    files = portal.memory.held[manifest["parts"]["configuration"]["snapshot"]][1]
    assert sorted(map(os.path.basename, files)) == ["packages.txt", "settings"]


def test_the_next_nights_follow_the_full_copy_until_one_is_due(portal: Portal) -> None:
    first = portal.night()
    kinds = []
    for _night in range(8):
        portal.now += DAY
        kinds.append(portal.night())
    assert [each["kind"] for each in kinds] == ["incremental"] * 6 + ["full", "incremental"]
    assert {each["base"] for each in kinds[:6]} == {first["id"]}
    assert kinds[7]["base"] == kinds[6]["id"]
    # Each holds all since the full one, not since the night before.
    assert [each["parts"]["database"]["from_lsn"] for each in kinds[:6]] == [1000] * 6


def test_a_full_copy_is_taken_where_one_is_asked_for(portal: Portal) -> None:
    portal.night()
    assert portal.night(full=True)["kind"] == "full"


@pytest.mark.parametrize(("name", "value"), [("born", "78"), ("series", "11.8.9-MariaDB")])
def test_another_data_directory_or_series_of_the_server_needs_a_full_copy(
    portal: Portal, name: str, value: str
) -> None:
    portal.night()
    setattr(portal.server, name, value)
    assert portal.night()["kind"] == "full"


def test_a_data_directory_that_was_made_anew_is_known_without_its_file_number(tmp_path: Path) -> None:
    (tmp_path / "mysql").mkdir()
    (tmp_path / "ibdata1").touch()
    server = database.Server(Database("portal", data_dir=str(tmp_path)))
    seen = {server.incarnation()}
    for made in (1_000, 2_000):
        (tmp_path / "mysql" / "db.frm").touch()
        os.utime(tmp_path / "mysql" / "db.frm", (3_000, made))
        seen.add(server.incarnation())
    assert len(seen) == 3
    os.utime(tmp_path / "ibdata1", (9_000, 9_000))
    assert server.incarnation() in seen


@pytest.mark.parametrize("code", [1146, 1034])
def test_a_table_that_is_dropped_while_rows_are_counted_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    (tmp_path / "my.cnf").write_text("[client]\nuser = a\n")

    def answer(_conn: object, sql: str, _values: object = ()) -> list[dict[str, t.Any]]:
        if "information_schema" in sql:
            return [{"name": "b_gone"}, {"name": "b_user"}]
        if "b_gone" in sql:
            raise DatabaseFailed("Broken.", "Mend it.", code, "broken")
        return [{"n": 3}]

    monkeypatch.setattr(database, "connect", lambda _login: contextlib.ExitStack())
    monkeypatch.setattr(database, "rows", answer)
    server = database.Server(Database("portal", str(tmp_path / "my.cnf")))
    if code == 1146:
        assert server.count() == {"b_user": 3}
    else:
        with pytest.raises(DatabaseFailed):
            server.count()


def test_a_full_copy_from_the_future_is_no_base_and_is_told(portal: Portal) -> None:
    ahead = portal.night()
    portal.now -= 3 * DAY
    manifest = portal.night()
    assert manifest["kind"] == "full"
    assert manifest["warnings"] == [
        f"copies that ended later than now: {ahead['id']}; this host's clock was or is wrong"
    ]


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"code": 1}, "mariadb-backup failed"),
        ({"word": "[00] all but done"}, "without the words 'completed OK!'"),
        ({"word": "completed OK!\nand then an error"}, "without the words 'completed OK!'"),
        ({"bytes": 0}, "mariadb-backup failed"),
        ({"lsn": 0}, "did not say to which LSN"),
    ],
)
def test_a_database_that_is_not_whole_makes_no_copy(portal: Portal, wanted: dict[str, t.Any], text: str) -> None:
    before = portal.night()
    portal.wanted.update(wanted)
    with pytest.raises(restic.ProducerFailed, match=text):
        portal.night()
    known = contents(portal.memory)
    assert [copy.id for copy in known.good] == [before["id"]]
    assert len(known.unproven) == 1


@pytest.mark.parametrize(("code", "failure"), [(0, OSError), (1, restic.ProducerFailed)])
def test_a_working_folder_that_cannot_be_removed_is_told_unless_there_is_more_to_tell(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, code: int, failure: type[Exception]
) -> None:
    removals: list[str] = []

    def remove_tree(path: str) -> None:
        removals.append(path)
        if len(removals) > 1:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(database, "remove_tree", remove_tree)
    portal.wanted["code"] = code
    with pytest.raises(failure):
        portal.night()
    assert len(removals) == 2 and good_copies(portal.memory) == []


def test_what_a_killed_copy_has_left_in_the_working_folder_is_removed(portal: Portal) -> None:
    left = Path(portal.settings.within("scratch", "xtrabackup_checkpoints"))
    left.parent.mkdir(parents=True)
    left.write_text("to_lsn = 7")
    assert portal.night()["parts"]["database"]["to_lsn"] == 1000
    assert not left.parent.exists()


def test_an_empty_database_is_no_success(portal: Portal) -> None:
    portal.server.tables = {"b_user": 0}
    with pytest.raises(night.CopyFailed, match="holds no rows") as failed:
        portal.night()
    assert failed.value.code == "empty"
    assert good_copies(portal.memory) == []


@pytest.mark.parametrize("gone", [True, False])
def test_an_empty_tree_is_no_success(portal: Portal, gone: bool) -> None:
    shutil.rmtree(portal.root)
    if not gone:
        portal.root.mkdir()
    with pytest.raises(night.CopyFailed, match="empty or not there") as failed:
        portal.night()
    assert failed.value.code == "empty"
    assert portal.memory.held == {}


def test_a_tree_of_empty_folders_is_no_success(portal: Portal) -> None:
    shutil.rmtree(portal.root)
    (portal.root / "upload").mkdir(parents=True)
    with pytest.raises(night.CopyFailed, match="The repository lists 0 B in 0 files as files") as failed:
        portal.night()
    assert failed.value.code == "unproven"


def test_a_stopped_database_is_named_as_such(portal: Portal) -> None:
    portal.server.stopped = BoxliftError("Cannot connect.", "Start it.")
    with pytest.raises(night.CopyFailed, match="does not answer") as failed:
        portal.night()
    assert failed.value.code == "database_stopped"


def test_a_database_that_stops_in_the_middle_is_named_as_such(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = portal.memory.backup_stream

    def stop(*given: t.Any, **named: t.Any) -> restic.Saved:
        portal.server.stopped = BoxliftError("Cannot connect.", "Start it.")
        return taken(*given, **named)

    portal.wanted["code"] = 1
    monkeypatch.setattr(portal.memory, "backup_stream", stop)
    with pytest.raises(night.CopyFailed) as failed:
        portal.night()
    assert failed.value.code == "database_stopped"


def test_a_copy_during_which_another_host_became_the_primary_is_of_neither(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal.night()
    taken = portal.memory.backup_stream

    def switch(*given: t.Any, **named: t.Any) -> restic.Saved:
        portal.server.born = "78"
        return taken(*given, **named)

    monkeypatch.setattr(portal.memory, "backup_stream", switch)
    with pytest.raises(night.CopyFailed, match="Another server became the primary while the copy was taken") as failed:
        portal.night()
    assert failed.value.code == "failover"
    monkeypatch.undo()
    assert portal.night()["kind"] == "full"


def test_a_part_that_the_repository_lists_otherwise_proves_nothing(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portal.memory, "sizes", lambda _snapshot: (3, 16))
    monkeypatch.setattr(portal.memory, "list", lambda _snapshot: iter([restic.Entry("/a", "file", 17, 0.0)]))
    with pytest.raises(night.CopyFailed, match="lists 17 B in 3 files as files") as failed:
        portal.night()
    assert failed.value.code == "unproven"
    assert good_copies(portal.memory) == []


def test_files_that_restic_counts_once_are_there_all_the_same(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    real = portal.memory.sizes
    monkeypatch.setattr(portal.memory, "sizes", lambda snapshot: (real(snapshot)[0], real(snapshot)[1] - 5))
    portal.night()
    assert len(good_copies(portal.memory)) == 1


def test_unread_files_are_warned_of(portal: Portal) -> None:
    portal.memory.unread = ("/srv/a", "/srv/b")
    manifest = portal.night()
    assert manifest["parts"]["files"]["unread"] == ["/srv/a", "/srv/b"]
    assert "could not be read: /srv/a, /srv/b" in manifest["warnings"][0]


@pytest.mark.parametrize(("size", "share"), [(100, "10 %"), (9000, "180 %")])
def test_a_part_of_an_unusual_size_is_warned_of(portal: Portal, size: int, share: str) -> None:
    (portal.root / "upload" / "a").write_text("a" * 5000)
    for _night in range(3):
        portal.night()
        portal.now += DAY
    (portal.root / "upload" / "a").write_text("a" * (size - 5 if size < 5000 else size))
    (warning,) = portal.night()["warnings"]
    assert warning.startswith("files: ")
    assert "of what is usual (4.9 KiB)" in warning


def test_lost_rows_are_warned_of(portal: Portal) -> None:
    portal.night()
    portal.now += DAY
    portal.server.tables = {"b_user": 120}
    assert portal.night()["warnings"] == [
        "database: 120 rows, where 520 are usual",
        "table b_file: gone, where 400 were before",
    ]


def test_no_copy_while_the_document_root_is_restored(portal: Portal) -> None:
    folder = Path(portal.settings.restore_state_dir)
    folder.mkdir()
    path = folder / f"{name_of(str(portal.root))}.lock"
    holder = subprocess.Popen(["flock", str(path), "sh", "-c", "echo; read x"], stdin=-1, stdout=-1)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(night.CopyFailed, match="already being worked on") as failed:
            portal.night()
    finally:
        holder.communicate(b"\n")
    assert failed.value.code == "busy"
    portal.night()


def test_no_copy_of_a_portal_that_is_half_restored(portal: Portal) -> None:
    folder = Path(portal.settings.restore_state_dir)
    folder.mkdir()
    (folder / f"{name_of(str(portal.root))}.generations.json").write_text(json.dumps({"switch": {"kind": "restore"}}))
    with pytest.raises(night.CopyFailed, match="cut off between files and database") as failed:
        portal.night()
    assert failed.value.code == "half_restored"


def test_while_a_copy_reads_no_restore_begins(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.path.join(portal.settings.restore_state_dir, f"{name_of(str(portal.root))}.lock")
    seen = []
    taken = portal.memory.backup

    def look(*given: t.Any, **named: t.Any) -> restic.Saved:
        seen.append(subprocess.run(["flock", "--nonblock", path, "true"], check=False).returncode)
        return taken(*given, **named)

    monkeypatch.setattr(portal.memory, "backup", look)
    portal.night()
    assert seen == [1, 1]
    with Lock(path, "the restore"):
        pass


def test_a_lost_mount_is_seen_before_anything_is_written(portal: Portal, tmp_path: Path) -> None:
    object.__setattr__(portal.memory.store, "mount", str(tmp_path))
    with pytest.raises(night.CopyFailed, match="is no mount point") as failed:
        portal.night()
    assert failed.value.code == "not_mounted"
    assert portal.memory.calls == []


def test_too_little_room_to_work_in(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(night, "free_bytes", lambda _path: 1 << 20)
    with pytest.raises(night.CopyFailed, match="has 1.0 MiB left") as failed:
        portal.night()
    assert failed.value.code == "room"


def test_a_failed_repository_is_named_and_nothing_is_left_behind(portal: Portal) -> None:
    portal.memory.failure = restic.ResticFailed("full", "no room", "make room")
    with pytest.raises(restic.ResticFailed) as failed:
        portal.night()
    assert failed.value.code == "full"


def test_killed_before_every_call_the_copies_before_are_good_and_the_next_night_works(portal: Portal) -> None:
    portal.memory.cache = str(portal.root.parent / "cache")  # each manifest is read once, so that the calls are few
    good = [portal.night()["id"]]
    good_copies(portal.memory)
    for number in itertools.count(1):
        portal.now += 60
        portal.memory.calls.clear()
        portal.memory.dies_at = number
        with contextlib.suppress(Killed):
            portal.night()
        ended_by_itself = len(portal.memory.calls) < number
        # The call before which it died is the last one of the list.
        declared = "save_text" in portal.memory.calls[: number - 1]
        portal.memory.dies_at = None
        known = [copy.id for copy in good_copies(portal.memory)]
        assert known[: len(good)] == good
        assert len(known) - len(good) == declared
        good = known
        if ended_by_itself:
            break
    assert number > 10
    assert portal.night()["kind"] == "incremental"

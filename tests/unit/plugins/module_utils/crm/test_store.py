# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.kinds import hash_of
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from unit.plugins.module_utils.crm.own_process import ENVIRONMENT

PORTAL = "cloud.example.com"


def lead(number: int, title: str = "A lead", **more: t.Any) -> dict[str, t.Any]:
    return {"id": number, "title": title, "updatedTime": f"2026-11-{number % 28 + 1:02}T10:00:00+03:00", **more}


@pytest.fixture
def store(tmp_path: Path) -> t.Iterator[Store]:
    with Store(str(tmp_path / "cloud.sqlite")) as opened:
        yield opened


def fill(store: Store, leads: t.Mapping[int, str], gone: t.Sequence[int] = (), full: bool = False) -> None:
    with store.new_pass(PORTAL, full):
        for number, title in leads.items():
            store.put("lead", number, lead(number, title))
        store.gone("lead", gone)


def titles(store: Store, at: int | None = None) -> dict[int, str]:
    return {number: content["title"] for number, content in store.records("lead", at)}


def test_versions_are_seen_by_their_snapshots(store: Store) -> None:
    fill(store, {1: "a", 2: "b", 3: "c"}, full=True)
    fill(store, {1: "a", 2: "B", 4: "d"}, gone=[3])
    fill(store, {2: "b", 3: "c"})
    assert titles(store, 1) == {1: "a", 2: "b", 3: "c"}
    assert titles(store, 2) == {1: "a", 2: "B", 4: "d"}
    assert titles(store) == titles(store, 3) == {1: "a", 2: "b", 3: "c", 4: "d"}
    assert [(each.number, each.full) for each in store.snapshots()] == [(1, True), (2, False), (3, False)]
    second = store.snapshots()[1].kinds["lead"]
    assert (second.records, second.added, second.changed, second.deleted) == (3, 1, 1, 1)
    assert second.bytes > 0
    assert list(store.ids("lead", 2)) == [1, 2, 4]
    assert dict(store.hashes("lead", 2))[2] == hash_of("lead", lead(2, "B"))
    assert store.record("lead", 3, 2) is None
    assert store.count("lead", 1) == 3 and store.count("lead", 1, after=1, upto=2) == 1
    assert store.max_id("lead") == 4 and store.max_id("contact") == 0
    assert store.kind_names() == ["lead"]


def test_what_put_answers(store: Store) -> None:
    with store.new_pass(PORTAL, True):
        assert store.put("lead", 1, lead(1)) == "added"
        assert store.put("lead", 1, lead(1)) == "same"
        assert store.put("lead", 1, lead(1, "Other")) == "added"
        assert store.record("lead", 1) == lead(1, "Other")
    with store.new_pass(PORTAL, False):
        assert store.put("lead", 1, {**lead(1, "Other"), "updatedTime": "2027-01-01T00:00:00+00:00"}) == "same"
        assert store.put("lead", 1, lead(1, "Third")) == "changed"
        assert store.put("lead", 1, lead(1, "Other")) == "same"
        assert store.gone("lead", [1, 77]) == 1
        assert store.put("lead", 1, lead(1, "Other")) == "same"
    assert [version.since for version in store.history("lead", 1)] == [1]
    with pytest.raises(RuntimeError):
        store.put("lead", 1, lead(1))


def test_history_says_when_and_by_whom(store: Store) -> None:
    fill(store, {1: "a"}, full=True)
    with store.new_pass(PORTAL, False):
        store.put("lead", 1, lead(1, "b", updatedBy=7))
    fill(store, {}, gone=[1])
    fill(store, {1: "c"})
    versions = store.history("lead", 1)
    assert [(each.since, each.until, each.content and each.content["title"]) for each in versions] == [
        (1, 2, "a"),
        (2, 3, "b"),
        (3, None, None),
        (4, None, "c"),
    ]
    assert versions[1].changed_by == "7" and versions[1].changed_at == "2026-11-02T10:00:00+03:00"


def test_an_unfinished_pass_is_invisible_and_gone_on_with(store: Store) -> None:
    fill(store, {1: "a", 2: "b"}, full=True)
    with pytest.raises(KeyError), store.new_pass(PORTAL, False) as first:
        store.put("lead", 1, lead(1, "A"))
        store.gone("lead", [2])
        first.set_done("lead", 17)
        first.clock = "2026-11-30T03:00:00+03:00"
        raise KeyError
    assert titles(store) == {1: "a", 2: "b"} and [each.until for each in store.history("lead", 2)] == [None]
    with store.new_pass(PORTAL, False) as second:
        assert second.resumed and second.number == first.number and second.done("lead") == 17
        assert titles(store) == {1: "A"}
    assert titles(store) == {1: "A"} and store.snapshots()[-1].clock == "2026-11-30T03:00:00+03:00"
    with store.new_pass(PORTAL, False) as third:
        assert not third.resumed and third.done("lead") is None


def test_a_full_pass_undoes_an_unfinished_incremental_one(store: Store) -> None:
    fill(store, {1: "a", 2: "b"}, full=True)
    with pytest.raises(KeyError), store.new_pass(PORTAL, False):
        store.put("lead", 1, lead(1, "A"))
        store.put("lead", 3, lead(3, "C"))
        store.gone("lead", [2])
        raise KeyError
    with store.new_pass(PORTAL, True) as full:
        assert not full.resumed
        assert titles(store) == {1: "a", 2: "b"}


def test_others_read_and_note_while_a_pass_is_at_work(store: Store) -> None:
    fill(store, {1: "a", 2: "b"}, full=True)
    with Store(store.path) as other, store.new_pass(PORTAL, False) as at_work:
        store.put("lead", 1, lead(1, "A"))
        assert titles(other) == {1: "a", 2: "b"}
        at_work.settle()
        assert titles(other) == {1: "a", 2: "b"} and titles(store) == {1: "A", 2: "b"}
        other.set_note("elsewhere", {"a": 1})
        with pytest.raises(BoxliftError, match="is already being worked on"), other.new_pass(PORTAL, False):
            pass
    with Store(store.path) as other:
        assert titles(other) == {1: "A", 2: "b"} and other.note("elsewhere") == {"a": 1}


def test_children(store: Store) -> None:
    with store.new_pass(PORTAL, True):
        for number, owner in ((1, 7), (2, 8), (3, 7)):
            store.put("comment", number, {"ID": number, "ENTITY_TYPE": "lead", "ENTITY_ID": owner})
            store.put("activity", number, {"ID": number, "OWNER_TYPE_ID": "1", "OWNER_ID": str(owner)})
    with store.new_pass(PORTAL, False):
        store.gone("comment", [3])
    assert store.child_ids("comment", 1, 7) == [1] and store.child_ids("activity", 1, 7) == [1, 3]
    assert [number for number, _content in store.children("comment", 1, 7, at=1)] == [1, 3]
    assert store.children("comment", 2, 7) == []


def test_one_store_holds_one_portal(store: Store) -> None:
    fill(store, {1: "a"}, full=True)
    with (
        pytest.raises(BoxliftError, match="holds snapshots of cloud.example.com, not of box"),
        store.new_pass("box", True),
    ):
        pass
    with pytest.raises(BoxliftError, match="has no snapshot 9") as failure:
        list(store.ids("lead", 9))
    assert failure.value.remedy == "It has: 1."


def test_the_file_is_for_its_owner_alone(store: Store) -> None:
    fill(store, {1: "a"}, full=True)
    for path in Path(store.path).parent.iterdir():
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600, path


def test_encrypted(tmp_path: Path) -> None:
    path, key = str(tmp_path / "sealed.sqlite"), bytes(range(32))
    with Store(path, key) as store:
        fill(store, {1: "Ivanova"}, full=True)
    assert b"Ivanova" not in Path(path).read_bytes()
    with Store(path, key) as store:
        assert titles(store) == {1: "Ivanova"}
    with pytest.raises(BoxliftError, match="not the one that the store"):
        Store(path, bytes(32))
    with pytest.raises(BoxliftError, match="is encrypted") as failure:
        Store(path)
    assert "store_key_file" in failure.value.remedy
    # A record cannot be put in the place of another one.
    with sqlite3.connect(path) as db:
        db.execute("UPDATE version SET id = 2")
    with Store(path, key) as store, pytest.raises(BoxliftError, match="lead 2 cannot be read"):
        store.record("lead", 2)


def test_not_a_store(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database at all, but long enough to be looked at" * 20)
    with pytest.raises(BoxliftError, match="cannot be read"):
        Store(str(tmp_path / "text"))
    with pytest.raises(BoxliftError, match="There is no store"):
        Store(str(tmp_path / "none"), create=False)


KILLED = """
import os, signal, sys
from ansible_collections.boxlift.portal.plugins.module_utils.crm import store as module
path, fatal = sys.argv[1], int(sys.argv[2])
module._COMMIT_EVERY = 7
done = 0
def step(*_given):
    global done
    done += 1
    if done == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    return 0
with module.Store(path) as store:
    store._db.set_progress_handler(step, 25)
    with store.new_pass("cloud.example.com", False):
        for number in range(1, 60):
            store.put("lead", number, {"id": number, "title": "new"})
        store.gone("lead", range(60, 80))
print(done)
"""


def attempt(path: str, fatal: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", KILLED, path, str(fatal)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def test_killed_at_any_moment_the_last_finished_pass_stands(tmp_path: Path) -> None:
    before, after = dict.fromkeys(range(1, 80), "old"), dict.fromkeys(range(1, 60), "new")
    with Store(str(tmp_path / "origin.sqlite")) as store:
        fill(store, before, full=True)
    shutil.copy(store.path, whole := str(tmp_path / "whole.sqlite"))
    steps = int(attempt(whole, 0).stdout)
    finished = []
    for fatal in [*random.Random(20).sample(range(1, steps + 1), 10), steps]:
        shutil.copy(store.path, path := str(tmp_path / f"{fatal}.sqlite"))
        assert attempt(path, fatal).returncode == -signal.SIGKILL
        with Store(path) as killed:
            found = titles(killed)
            assert found == (before if len(killed.snapshots()) == 1 else after) and not killed.check()
            finished.append(found == after)
        assert attempt(path, 0).returncode == 0
        with Store(path) as mended:
            assert titles(mended) == after and titles(mended, 1) == before and not mended.check()
    assert not all(finished)


def test_prune_keeps_what_is_visible_in_the_others(store: Store) -> None:
    for number in range(1, 8):
        fill(store, {1: f"a{number}", 2: "b", 10 + number: "new"}, gone=[10 + number - 1], full=number == 1)
    wanted = {at: titles(store, at) for at in (3, 7)}
    pruned = store.prune([3])
    assert pruned.snapshots == [1, 2, 4, 5, 6] and pruned.versions == 5 + 5
    assert [each.number for each in store.snapshots()] == [3, 7]
    assert {at: titles(store, at) for at in (3, 7)} == wanted and store.check() == []
    assert [each.since for each in store.history("lead", 1)] == [3, 7]
    assert store.prune([3]).snapshots == [] and store.prune([]).snapshots == [3]
    with pytest.raises(BoxliftError, match="has no snapshot 3"):
        store.count("lead", 3)


def test_prune_spares_a_pass_at_work(store: Store) -> None:
    fill(store, {1: "a", 2: "b"}, full=True)
    fill(store, {1: "A"})
    with pytest.raises(KeyError), store.new_pass(PORTAL, False):
        store.put("lead", 1, lead(1, "later"))
        raise KeyError
    store.prune([])
    assert titles(store) == {1: "A", 2: "b"} and store.check() == []
    fill(store, {2: "B"})
    assert titles(store) == {1: "later", 2: "B"}


def test_check_finds_what_was_altered(store: Store) -> None:
    fill(store, {1: "a", 2: "b", 3: "c"}, full=True)
    assert store.check() == []
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE content SET data = (SELECT data FROM content WHERE number = 1) WHERE number = 2")
        db.execute("DELETE FROM content WHERE number = 3")
    assert store.check() == [
        "lead 2 of snapshot 1 does not have the content that it was stored with",
        "lead 3 of snapshot 1 has no content",
    ]


@pytest.mark.parametrize("key", [None, bytes(range(32))])
def test_files_are_kept_once(tmp_path: Path, key: bytes | None) -> None:
    content = bytes(range(256)) * 8192 + b"end"
    with Store(str(tmp_path / "s.sqlite"), key) as store:
        with store.new_pass(PORTAL, True):
            for number in (1, 2):
                store.put("lead", number, lead(number, UF_CRM_FILE={"id": number, "urlMachine": "https://secret"}))
                kept = store.put_file(f"item:{number}", "a.bin", lambda out: out.write(content))
            store.put_file("item:9", "none.bin", lambda out: out.write(b""))
        assert kept.sha256 == hashlib.sha256(content).hexdigest() and kept.size == len(content)
        assert store.file("item:1") == dataclasses.replace(kept, id="item:1") and store.file("item:7") is None
        folder = Path(f"{store.path}.files")
        held = [path for path in folder.rglob("*") if path.is_file()]
        assert len(held) == 2 and all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in held)
        assert (content[:64] in (folder / kept.sha256[:2] / kept.sha256).read_bytes()) == (key is None)
        with store.open_file(kept.sha256) as source:
            assert source.read() == content
        assert store.record("lead", 1) == lead(1, UF_CRM_FILE={"file": True, "id": 1})
        assert b"secret" not in Path(store.path).read_bytes() and store.check() == []
        # What no record names goes, what a kept version names stays.
        fill(store, {2: "without"})
        store.prune([])
        assert store.file("item:9") is None and store.file("item:1") is not None and store.check() == []
        path = folder / kept.sha256[:2] / kept.sha256
        path.write_bytes(path.read_bytes()[:-7])
        assert [each.split(":")[0] for each in store.check()] == ["file item"]
        with pytest.raises(BoxliftError, match="cannot be read"):
            store.open_file(kept.sha256)


def test_a_full_disk_says_so_and_loses_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "cloud.sqlite")
    with Store(path) as store, store.new_pass("cloud", True):
        store.put("lead", 1, {"title": "Kept"})
    with pytest.raises(BoxliftError) as failed, Store(path) as store:
        store._db.execute("PRAGMA max_page_count=30")  # the disk is full
        with store.new_pass("cloud", False):
            for number in range(2, 500):
                store.put("lead", number, {"title": os.urandom(500).hex()})
    assert path in failed.value.message and "full" in failed.value.message and "room" in failed.value.remedy
    with Store(path) as store:
        assert dict(store.records("lead")) == {1: {"title": "Kept"}} and store.check() == []
        with store.new_pass("cloud", False):
            store.put("lead", 2, {"title": "Next"})
        assert store.count("lead") == 2


def test_a_store_that_is_in_use_is_not_called_damaged(tmp_path: Path) -> None:
    path = str(tmp_path / "cloud.sqlite")
    with Store(path) as one, pytest.raises(BoxliftError) as failed, Store(path) as other:
        one._db.execute("BEGIN IMMEDIATE")
        other._db.execute("PRAGMA busy_timeout=0")
        other.set_note("quota", 1)
    assert "locked" in failed.value.message and "damaged" not in failed.value.message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_writes_belongs_to_the_stores_account(tmp_path: Path) -> None:
    """Playbooks run as root, and the nightly program has an account of its own."""
    path = tmp_path / "box.sqlite"
    path.touch()
    os.chown(path, 65534, 65534)
    with Store(str(path)) as store, store.new_pass("box", True):
        store.put_file("item:1", "plan", lambda out: out.write(b"a plan"))
        store.put("lead", 1, {"title": "A lead"})
        made = [each for each in tmp_path.rglob("*") if not each.name.endswith(".lock")]
        assert len(made) >= 5 and {(each.stat().st_uid, each.stat().st_gid) for each in made} == {(65534, 65534)}

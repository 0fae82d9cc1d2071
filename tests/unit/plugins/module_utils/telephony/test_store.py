# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the store keeps, and what it never changes again."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import os
import pathlib
import sqlite3
import threading

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import CallFact
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.store import DiskFailed, Store
from lab.exchange.events import CLIENT, EPOCH

RINGING = CallFact("pbx1-1.1", 2, CLIENT, "line", EPOCH, inner="101", ringing=("101",))
ENDED = dataclasses.replace(RINGING, talk_seconds=30, status="200", stage="ended")


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Store:
    return Store(str(tmp_path / "calls.db"), lambda: EPOCH + 100)


def test_nobody_else_reads_it(store: Store) -> None:
    assert pathlib.Path(store.path).stat().st_mode & 0o777 == 0o600


def test_a_commit_outlasts_a_crash_of_the_host(store: Store) -> None:
    assert store._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert store._db.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_changes_share_one_write_to_the_disk(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that wait at the same time are served by one, and by none that began before their change."""
    synced: list[int] = []
    began, go_on = threading.Event(), threading.Event()

    def sync(descriptor: int) -> None:
        synced.append(descriptor)
        began.set()
        assert go_on.wait(10)

    monkeypatch.setattr(os, "fdatasync", sync)
    store = Store(str(tmp_path / "calls.db"), lambda: EPOCH + 100, grouped=True)

    async def test() -> None:
        store.put([RINGING], {})
        first = asyncio.ensure_future(store.settled())
        while not began.is_set():
            await asyncio.sleep(0)
        others = []
        for name in ("a", "b", "c"):
            store.set_meta(name, "1")
            others.append(asyncio.ensure_future(store.settled()))
        await asyncio.sleep(0)
        assert not first.done() and not any(each.done() for each in others)
        go_on.set()
        await asyncio.gather(first, *others)
        assert len(synced) == 2
        await store.settled()  # nothing is new
        assert len(synced) == 2

    asyncio.run(test())
    assert os.path.samestat(os.fstat(synced[0]), os.stat(f"{store.path}-wal"))
    store.close()


def test_a_disk_that_fails_ends_the_process(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again, the kernel would say that all is well. The error is none that makes a call a dead letter."""

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    store = Store(str(tmp_path / "calls.db"), lambda: EPOCH + 100, grouped=True)
    store.put([RINGING], {})
    with pytest.raises(DiskFailed, match="calls.db-wal: Input/output error") as caught:
        asyncio.run(store.settled())
    assert not isinstance(caught.value, (OSError, BoxliftError))


def test_what_has_ended_only_learns_of_its_recording(store: Store) -> None:
    """The records of the exchange know less than its events, and come later."""
    assert store.put([RINGING], {}) == ["pbx1-1.1"]
    assert store.put([ENDED], {}) == []
    store.put([dataclasses.replace(ENDED, talk_seconds=99, recording="a.wav")], {})
    store.put([dataclasses.replace(RINGING, recording="b.wav")], {})
    stored = store.get("pbx1-1.1")
    assert stored is not None and stored.fact == dataclasses.replace(ENDED, recording="a.wav")


def test_a_recording_that_is_learned_of_late_opens_the_call_again(store: Store) -> None:
    store.put([ENDED], {})
    store.registered("pbx1-1.1", "c")
    store.finished("pbx1-1.1", "c")
    store.closed("pbx1-1.1")
    store.put([dataclasses.replace(ENDED, recording="a.wav")], {})
    assert store.due(9) == ["pbx1-1.1"] and store.counts()["finished"] == 1


def test_a_registered_call_is_due_when_it_ends(store: Store) -> None:
    store.put([RINGING], {})
    assert store.due(9) == ["pbx1-1.1"]
    store.registered("pbx1-1.1", "c")
    assert store.due(9) == [] and store.next_due() is None and [c.call_id for c in store.open_calls()] == ["c"]
    store.put([ENDED], {})
    assert store.due(9) == ["pbx1-1.1"] and store.open_calls() == []


def test_the_portals_own_call_is_one_row_whatever_the_exchange_calls_it(store: Store) -> None:
    click = dataclasses.replace(RINGING, external_id="pbx1-click", portal_call_id="c", kind=1)
    store.put([click], {})
    store.put([dataclasses.replace(ENDED, external_id="pbx1-1.2", portal_call_id="c", kind=1, number="")], {})
    stored = store.get("pbx1-click")
    assert stored is not None and stored.fact.ended and stored.fact.number == CLIENT
    assert store.get("pbx1-1.2") is None


def test_a_batch_is_stored_whole_or_not_at_all(store: Store) -> None:
    broken = dataclasses.replace(RINGING, external_id="pbx1-2", started=None)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        store.put([RINGING, broken], {})
    assert store.get("pbx1-1.1") is None
    assert store.put([RINGING], {}) == ["pbx1-1.1"]


def test_another_process_holds_and_replays(store: Store) -> None:
    store.put([ENDED], {})
    store.dead("pbx1-1.1", "because")
    command = Store(store.path, lambda: EPOCH)
    command.hold(True)
    assert command.replay() == 1
    assert store.held and store.due(9) == ["pbx1-1.1"]


def test_retention_leaves_what_is_not_done(store: Store) -> None:
    store.put(
        [ENDED, dataclasses.replace(ENDED, external_id="pbx1-2"), dataclasses.replace(ENDED, external_id="3")], {}
    )
    store.closed("pbx1-1.1")
    store.dead("pbx1-2", "because")
    assert store.forget(EPOCH + 1) == 1
    assert store.counts() == {"stored": 1, "registered": 0, "finished": 0, "closed": 0, "dead": 1}


def test_a_store_of_another_version_is_refused(store: Store) -> None:
    store._db.execute("PRAGMA user_version=9")
    store.close()
    with pytest.raises(BoxliftError, match="version 9"):
        Store(store.path, lambda: EPOCH)

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of the simulated portal, over HTTPS: an application's events, faults on the way, kills at any moment."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.kinds import hash_of
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Application, Rest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.snapshot import PassResult, refresh
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from lab.crm.filling import activities, fill, links
from lab.crm.portal import Rules
from lab.crm.server import CrmServer
from lab.rest.faults import Fault
from lab.rest.service import CLIENT
from unit.plugins.module_utils.crm.own_process import ENVIRONMENT

KINDS = ("company", "contact", "lead", "deal", "activity")
FIELDS = {1: "lead", 2: "deal", 3: "contact", 4: "company"}


@pytest.fixture
def server(tls: t.Any) -> t.Iterator[CrmServer]:
    with CrmServer(tls.certificate, tls.key) as running:
        for kind, amount in (("company", 30), ("contact", 60), ("lead", 110), ("deal", 30)):
            fill(running.crm, kind, amount, user_fields=2)
        links(running.crm, "deal")
        activities(running.crm, "lead", 110)
        yield running


class Reader:
    """The portal and its store."""

    def __init__(self, server: CrmServer, tls: t.Any, folder: Path) -> None:
        self.server, self.path = server, str(folder / "cloud.sqlite")
        self.given = (server.webhook(1), str(tls.authority))
        self.rest = Rest(server.webhook(1), ca_file=str(tls.authority), sleep=lambda _seconds: None)
        application = folder / "application.json"
        tokens = {"client_id": CLIENT[0], "client_secret": CLIENT[1], "refresh_token": server.service.refresh_token(1)}
        application.write_text(json.dumps({**tokens, "oauth_url": f"{server.url}/oauth/token/"}))
        application.chmod(0o600)
        self.application = Rest(
            Application(f"{server.url}/rest/", str(application)),
            ca_file=str(tls.authority),
            sleep=lambda _seconds: None,
        )

    def read(self, **given: t.Any) -> PassResult:
        with Store(self.path) as store:
            return refresh(self.rest, store, **given)

    def differs(self) -> list[str]:
        """What the store has otherwise than the portal, asked one by one past the reading that is tested."""
        found = []
        with Store(self.path) as store:
            for kind in KINDS:
                live = {int(row["ID" if kind == "activity" else "id"]): row for row in self.server.crm.rows(kind)}
                if list(store.ids(kind)) != sorted(live):
                    found.append(f"{kind}: {sorted(set(store.ids(kind)) ^ set(live))}")
                title = "SUBJECT" if kind == "activity" else "comments"
                for number, content in store.records(kind):
                    if number in live and content[title] != live[number][title]:
                        found.append(f"{kind} {number}")
        return found

    def change(self, seed: int) -> None:
        """People work."""
        chance, crm = random.Random(seed), self.server.crm
        for kind in KINDS[:4]:
            numbers = [row["id"] for row in crm.rows(kind)]
            for number in chance.sample(numbers, 9):
                crm.update(kind, number, comments=f"Changed {seed}")
            crm.delete(kind, *chance.sample(numbers, 3))
            crm.add(kind, comments=f"New {seed}", title="New", name="New")
        chosen = chance.sample([row["ID"] for row in crm.rows("activity")], 4)
        crm.delete("activity", chosen[0])
        crm.update("activity", chosen[1], SUBJECT=f"Changed {seed}")


@pytest.fixture
def reader(server: CrmServer, tls: t.Any, tmp_path: Path) -> Reader:
    return Reader(server, tls, tmp_path)


def test_amid_faults(reader: Reader) -> None:
    faults = [
        Fault("lose_answer", "batch", times=3, skip=1),
        Fault("error", "batch", times=2, skip=3),
        Fault("html", "batch", times=1, skip=6),
    ]
    reader.server.faults.set(faults)
    assert reader.read().full and reader.differs() == []
    reader.change(1)
    reader.server.faults.set(faults)
    assert not reader.read().full and reader.differs() == []


def test_what_is_asked_of_the_portal_changes_nothing_in_it(reader: Reader) -> None:
    before = {kind: reader.server.crm.rows(kind) for kind in (*KINDS, "comment", "productrow", "event", "handler")}
    reader.read()
    reader.change(2)
    after_change = {kind: reader.server.crm.rows(kind) for kind in before}
    automation = dict(reader.server.crm.automation)
    reader.read()
    assert {kind: reader.server.crm.rows(kind) for kind in before} == after_change
    assert dict(reader.server.crm.automation) == automation


def test_hashes_are_those_of_the_portal(reader: Reader) -> None:
    """What others compute of a row that they read themselves."""
    reader.read()
    answer = reader.rest.call("crm.item.get", {"entityTypeId": 1, "id": 7, "useOriginalUfNames": "Y"})
    with Store(reader.path) as store:
        assert dict(store.hashes("lead"))[7] == hash_of("lead", answer.result["item"])


KILLED = """
import os, signal, sys
from ansible_collections.boxlift.portal.plugins.module_utils.crm import rest, snapshot, store
webhook, authority, path, fatal, full = sys.argv[1:]
store._COMMIT_EVERY, snapshot._CURSOR_EVERY = 20, 30
done = 0
def step(*_given):
    global done
    done += 1
    if done == int(fatal):
        os.kill(os.getpid(), signal.SIGKILL)
    return 0
with store.Store(path) as opened:
    opened._db.set_progress_handler(step, 300)
    snapshot.refresh(rest.Rest(webhook, ca_file=authority), opened, full=bool(int(full)))
print(done)
"""


def attempt(reader: Reader, fatal: int, full: bool = False) -> subprocess.CompletedProcess[str]:
    given = [*reader.given, reader.path, str(fatal), str(int(full))]
    command = [sys.executable, "-c", KILLED, *given]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("begin", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 20, 2))])
def test_killed_while_people_work(reader: Reader, full: bool, begin: int) -> None:
    assert reader.read().full
    chance = random.Random(21 + full + begin)
    for seed in range(begin, begin + 2):
        with Store(reader.path) as store:
            before = (len(store.snapshots()), dict(store.hashes("lead")))
        reader.change(seed)
        killed = attempt(reader, chance.randrange(1, 250), full)
        assert killed.returncode in (-signal.SIGKILL, 0), killed.stderr
        with Store(reader.path) as store:
            if killed.returncode == -signal.SIGKILL:
                assert (len(store.snapshots()), dict(store.hashes("lead"))) == before
            assert store.check() == []
        reader.change(seed + 100)
        reader.read(full=full)
        assert reader.differs() == []


def test_offline_events(reader: Reader, server: CrmServer) -> None:
    with Store(reader.path) as store:
        first = refresh(reader.application, store, events=True)
        assert first.full and first.warnings == [] and server.crm.count("handler") == 9
        reader.rest.call(
            "crm.timeline.comment.add", {"fields": {"ENTITY_ID": 7, "ENTITY_TYPE": "lead", "COMMENT": "A"}}
        )
        refresh(reader.application, store, events=True)
        assert [content["COMMENT"] for _number, content in store.records("comment")] == ["A"]
        # An edited comment moves no time of its owner; only the queue tells.
        reader.rest.call("crm.timeline.comment.update", {"id": 1, "fields": {"COMMENT": "B"}})
        server.crm.delete("lead", 9)
        assert server.crm.count("event") == 2
        result = refresh(reader.application, store, events=True)
        assert result.warnings == [] and server.crm.count("event") == 0
        assert [content["COMMENT"] for _number, content in store.records("comment")] == ["B"]
        assert store.record("lead", 9) is None


def test_events_outlive_a_run_that_ends_early(
    reader: Reader, server: CrmServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(reader.path) as store:
        refresh(reader.application, store, events=True)
        server.crm.delete("lead", 9)
        call = reader.application.batch

        def cut(commands: t.Sequence[t.Any], **given: t.Any) -> t.Any:
            if any(command.method == "event.offline.clear" for command in commands):
                raise KeyboardInterrupt
            return call(commands, **given)

        monkeypatch.setattr(reader.application, "batch", cut)
        with pytest.raises(KeyboardInterrupt):
            refresh(reader.application, store, events=True)
        # The snapshot is finished, its events still wait; the next run takes them away.
        assert len(store.snapshots()) == 2 and server.crm.count("event") == 1
        monkeypatch.undo()
        refresh(reader.application, store, events=True)
        assert server.crm.count("event") == 0 and reader.differs() == []


def test_a_plan_without_offline_events(tls: t.Any, tmp_path: Path) -> None:
    with CrmServer(tls.certificate, tls.key, rules=Rules(offline_events=False)) as server:
        fill(server.crm, "lead", 5)
        reader = Reader(server, tls, tmp_path)
        with Store(reader.path) as store:
            result = refresh(reader.application, store, events=True)
            assert "keeps no offline events" in result.warnings[0]
            server.crm.delete("lead", 3)
            refresh(reader.application, store, events=True)
            assert list(store.ids("lead")) == [1, 2, 4, 5]

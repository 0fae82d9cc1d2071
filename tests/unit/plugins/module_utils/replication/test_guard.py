# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard decides, by its note, its own server and its peers."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.replication import command, guard
from ansible_collections.boxlift.portal.plugins.module_utils.replication.server import State, Term
from ansible_collections.boxlift.portal.plugins.module_utils.replication.settings import (
    Note,
    Peer,
    Settings,
    read_note,
    read_settings,
    write_note,
)

CLOSED = State(1, "10.11", writable=False, position="0-1-9", term=Term(1, "db1", ""))
OPEN = dataclasses.replace(CLOSED, writable=True)
LATER = dataclasses.replace(CLOSED, term=Term(2, "db2", "0-1-9"))
ALSO = dataclasses.replace(CLOSED, term=Term(1, "db2", "0-1-8"))
PRIMARY = Note("primary", 1, "db1")


def settings(*peers: str) -> Settings:
    return Settings("db1", tuple(Peer(name, 3312, "", 3308) for name in peers), "u", "p")


@pytest.mark.parametrize(
    ("note", "own", "peers", "what"),
    [
        (PRIMARY, CLOSED, {"db2": CLOSED}, guard.OPEN),
        (PRIMARY, OPEN, {"db2": CLOSED}, guard.KEEP),
        (PRIMARY, OPEN, {"db2": None}, guard.KEEP),  # the network is split: it goes on, until it learns of another one
        (PRIMARY, CLOSED, {"db2": None}, guard.WAIT),
        (PRIMARY, CLOSED, {"db2": OPEN}, guard.WAIT),
        (PRIMARY, CLOSED, {"db2": LATER}, guard.CLOSE),
        (PRIMARY, OPEN, {"db2": LATER}, guard.CLOSE),
        (PRIMARY, CLOSED, {"db2": CLOSED, "db3": None}, guard.OPEN),
        (PRIMARY, CLOSED, {"db2": None, "db3": None}, guard.WAIT),
        (PRIMARY._replace(gone=("db2",)), CLOSED, {"db2": None}, guard.OPEN),
        (Note("replica", 1, "db2"), CLOSED, {"db2": CLOSED}, guard.KEEP),
        (Note(), OPEN, {"db2": None}, guard.KEEP),
        (Note("replica", 1, "db2"), OPEN, {"db2": None}, guard.CLOSE),
        (PRIMARY, CLOSED, {"db2": ALSO}, guard.WAIT),
        (PRIMARY, CLOSED, {"db2": CLOSED, "db3": ALSO}, guard.WAIT),
        (PRIMARY, CLOSED, {"db2": dataclasses.replace(ALSO, writable=True)}, guard.CLOSE),
        (PRIMARY, OPEN, {"db2": ALSO}, guard.KEEP),
    ],
)
def test_what_it_decides(note: Note, own: State, peers: dict[str, State | None], what: str) -> None:
    assert guard.decide(settings(*peers), note, own, peers).what == what


def test_a_peer_that_was_given_up_counts_again_once_it_answers(tmp_path: pathlib.Path) -> None:
    here = dataclasses.replace(
        settings("db2"), note=f"{tmp_path}/note.json", seen=f"{tmp_path}/seen.json", socket=f"{tmp_path}/none"
    )
    write_note(here.note, PRIMARY._replace(gone=("db2",)))

    class Open:
        """A server that says it is open."""

        def __enter__(self) -> object:
            return self

        def __exit__(self, *_failure: object) -> None:
            return None

        def state(self) -> State:
            return OPEN

    own: t.Any = lambda _settings: Open()  # noqa: E731 (a stand-in of one line)
    assert guard.round_of(here, 7, look=lambda *_peer: None, own=own).what == guard.KEEP
    assert read_note(here.note).gone == ("db2",)
    guard.round_of(here, 7, look=lambda *_peer: CLOSED, own=own)
    assert read_note(here.note).gone == ()
    told = json.loads(pathlib.Path(here.seen).read_text())
    assert (told["time"], told["role"], told["own"]["writable"], told["peers"]["db2"]["writable"]) == (
        7,
        "primary",
        True,
        False,
    )


class Demoted:
    """A server that is demoted between two looks of the guard."""

    def __init__(self, note: str) -> None:
        self.note, self.done = note, list[str]()

    def __enter__(self) -> Demoted:
        return self

    def __exit__(self, *_failure: object) -> None:
        return None

    def state(self) -> State:
        write_note(self.note, PRIMARY._replace(role="replica"))
        return CLOSED

    def do(self, sql: str) -> None:
        self.done.append(sql)


def test_it_does_not_open_what_is_demoted_while_it_looks(tmp_path: pathlib.Path) -> None:
    here = dataclasses.replace(settings("db2"), note=f"{tmp_path}/note.json", seen=f"{tmp_path}/seen.json")
    write_note(here.note, PRIMARY)
    server = Demoted(here.note)
    own: t.Any = lambda _settings: server  # noqa: E731 (a stand-in of one line)
    decision = guard.round_of(here, 7, look=lambda *_peer: CLOSED, own=own)
    assert decision.what == guard.WAIT and "another role" in decision.why
    assert server.done == [] and read_note(here.note).role == "replica"


def test_it_says_that_its_server_does_not_answer(tmp_path: pathlib.Path) -> None:
    settings_file = tmp_path / "database.json"
    given = {"note": f"{tmp_path}/note.json", "seen": f"{tmp_path}/seen/guard.json", "socket": f"{tmp_path}/none"}
    peers = [{"name": "db2", "port": 1, "seed_address": "192.0.2.1", "seed_port": 3308}]
    settings_file.write_text(json.dumps({"host": "db1", "peers": peers, "user": "u", "password": "p", **given}))
    assert command.main(["--settings", str(settings_file), "once"]) == 0
    told = json.loads((tmp_path / "seen" / "guard.json").read_text())
    assert (told["decision"], told["own"]) == ("wait", None) and "none" in told["why"]


def test_settings_that_are_wrong(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings_file = tmp_path / "database.json"
    settings_file.write_text('{"host": "db1"}')
    with pytest.raises(BoxliftError, match="is wrong"):
        read_settings(str(settings_file))
    assert command.main(["--settings", str(settings_file), "once"]) == 1
    assert "Run the playbook provision" in capsys.readouterr().err
    with pytest.raises(BoxliftError, match="db1 knows no database host db9, but db2"):
        settings("db2").peer("db9")

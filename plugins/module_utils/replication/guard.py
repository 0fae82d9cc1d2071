# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps a server that was primary from writing while another one is; opens it where it still is the primary."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, from_system
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file
from ansible_collections.boxlift.portal.plugins.module_utils.replication.server import (
    Server,
    State,
    own_server,
    peer_server,
)
from ansible_collections.boxlift.portal.plugins.module_utils.replication.settings import (
    PRIMARY,
    REPLICA,
    Note,
    Peer,
    Settings,
    read_note,
    write_note,
)
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock

#: What is done with the server: nothing, writes allowed, writes refused for now, and for good.
KEEP, OPEN, WAIT, CLOSE = "keep", "open", "wait", "close"


class Decision(t.NamedTuple):
    what: str
    why: str


def decide(settings: Settings, note: Note, own: State, peers: t.Mapping[str, State | None]) -> Decision:
    """What is to be done with a server, by its note, its own state, and its peers' (None: no answer)."""
    if note.role == REPLICA and own.writable:
        # Whoever ended its writes was killed before they had ended.
        return Decision(CLOSE, "a replica that takes writes")
    if note.role != PRIMARY:
        return Decision(KEEP, "a replica" if note.role == REPLICA else "nothing is decided yet")
    term = max(note.term, own.term.number)
    for name, peer in peers.items():
        if peer is not None and peer.term.number > term:
            return Decision(CLOSE, f"{peer.term.host or name} is primary since term {peer.term.number}")
        # Each became it while the other one was gone: the one that takes writes is it.
        if peer is not None and peer.term.number == term and peer.term.host != own.term.host and not own.writable:
            also = f"{peer.term.host or name} became primary in term {term}, too"
            return Decision(CLOSE if peer.writable else WAIT, also)
    if own.writable:
        return Decision(KEEP, f"the primary of term {term}")
    for name, peer in peers.items():
        if peer is not None and peer.writable:
            return Decision(WAIT, f"{name} takes writes")
    answering = sum(peer is not None or name in note.gone for name, peer in peers.items())
    # Itself included, more than half of all must agree; of two, that is both.
    if 2 * (answering + 1) > len(peers) + 1:
        return Decision(OPEN, f"the primary of term {term}, and no peer knows of a later one")
    silent = ", ".join(name for name, peer in peers.items() if peer is None and name not in note.gone)
    return Decision(WAIT, f"{silent} does not answer, and may have become the primary")


def ask(settings: Settings, look: t.Callable[[Settings, Peer], State | None]) -> dict[str, State | None]:
    """What the peers say, all asked at once: each may need its whole time limit."""
    with concurrent.futures.ThreadPoolExecutor(max(1, len(settings.peers))) as callers:
        found = callers.map(lambda peer: look(settings, peer), settings.peers)
        return {peer.name: state for peer, state in zip(settings.peers, found)}


def look_at_peer(settings: Settings, peer: Peer) -> State | None:
    """None where it does not answer, or does not know the account yet."""
    with contextlib.suppress(BoxliftError, OSError), peer_server(settings, peer) as server:
        return server.state()
    return None


def close(server: Server) -> None:
    server.do("SET GLOBAL read_only = 1")
    server.do("SET GLOBAL rpl_semi_sync_master_enabled = 0")


def open_up(server: Server, settings: Settings) -> None:
    """Let it take writes. Semi-synchronous first, so that no write is acknowledged before a replica has it."""
    server.do(f"SET GLOBAL rpl_semi_sync_master_enabled = {int(settings.semi_synchronous)}")
    server.do("SET GLOBAL read_only = 0")


def round_of(
    settings: Settings,
    now: float,
    look: t.Callable[[Settings, Peer], State | None] = look_at_peer,
    own: t.Callable[[Settings], t.ContextManager[Server]] = own_server,
) -> Decision:
    """One look at this server and its peers, and what follows; it is written down for the health checks."""
    note = read_note(settings.note)
    state, peers = None, dict[str, t.Optional[State]]()
    try:
        with own(settings) as server:
            state = server.state()
            peers = ask(settings, look)
            known = _without_returned(note, peers)
            decision = decide(settings, known, state, peers)
            if decision.what in (OPEN, CLOSE) or known != note:
                _under_lock(server, settings, note, known, decision.what)
                note, state = read_note(settings.note), server.state()
    except BoxliftError as error:
        decision = Decision(WAIT, error.message)
    _tell(settings, now, note, state, peers, decision)
    return decision


def _under_lock(server: Server, settings: Settings, read: Note, note: Note, what: str) -> None:
    """Act, unless the host is being given another role than the one that was read. Raises BoxliftError."""
    try:
        with Lock(f"{settings.note}.lock", "The database's role"):
            if read_note(settings.note) != read:
                raise BoxliftError("The host has just been given another role.", "")
            _act(server, settings, note, what)
    except OSError as problem:
        # A full disk takes no note. Each round closes it anew then.
        if what == CLOSE:
            close(server)
        raise from_system(problem, settings.note) from problem


def _act(server: Server, settings: Settings, note: Note, what: str) -> None:
    # The note first: a server that is killed in between must not open again.
    write_note(settings.note, note._replace(role=REPLICA) if what == CLOSE else note)
    if what == OPEN:
        open_up(server, settings)
    elif what == CLOSE:
        close(server)


def _without_returned(note: Note, peers: t.Mapping[str, State | None]) -> Note:
    """Who was given up and answers again may become the primary again, and is to be asked."""
    return note._replace(gone=tuple(name for name in note.gone if peers.get(name) is None))


def _tell(
    settings: Settings,
    now: float,
    note: Note,
    own: State | None,
    peers: t.Mapping[str, State | None],
    decision: Decision,
) -> None:
    told = {
        "time": now,
        "host": settings.host,
        "role": note.role,
        "term": note.term,
        "decision": decision.what,
        "why": decision.why,
        "semi_synchronous_wanted": settings.semi_synchronous,
        "own": None if own is None else dataclasses.asdict(own),
        "peers": {name: None if peer is None else dataclasses.asdict(peer) for name, peer in peers.items()},
    }
    os.makedirs(os.path.dirname(settings.seen), exist_ok=True)
    replace_file(settings.seen, json.dumps(told).encode(), mode=0o644, durable=False)

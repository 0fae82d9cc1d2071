# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server becomes primary, ends being it, or follows another one. Every step may be killed and run again."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.replication import guard
from ansible_collections.boxlift.portal.plugins.module_utils.replication.server import (
    DIVERGED,
    OWN,
    Following,
    Server,
    Term,
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

_TABLES = (
    f"CREATE DATABASE IF NOT EXISTS {OWN}",
    f"CREATE TABLE IF NOT EXISTS {OWN}.term (number BIGINT UNSIGNED PRIMARY KEY, host VARCHAR(255) NOT NULL,"
    " began DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, position VARCHAR(1000) NOT NULL)"
    " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
)
#: Errors of a connection that may still come: the server, the link or the name is not there.
_NOT_YET = {2002, 2003, 2005, 2013, 2026}


def is_primary(server: Server, settings: Settings, above: int = 0) -> bool:
    """Whether there is nothing left to do for promote()."""
    note, state = read_note(settings.note), server.state()
    done = note.role == PRIMARY and state.writable and state.following is None
    return done and note.term > above and state.term == Term(note.term, settings.host, state.term.position)


def promote(
    server: Server,
    settings: Settings,
    position: str,
    seconds: int,
    unplanned: bool,
    gone: t.Sequence[str] = (),
    above: int = 0,
    accept_loss: bool = False,
) -> Term:
    """Make it the primary, once it has all of `position`, else all that it has received; the term that begins.

    `gone` are the peers that a person gives up. `unplanned`: what has arrived from the old primary is applied, and that
    is all there will be. The term becomes later than `above`, the latest that any other host knows. Raises BoxliftError
    where it is not there within `seconds`, unless `accept_loss`; nothing has changed then, except that an unplanned one
    receives no more.
    """
    following = server.following()
    if unplanned and following is not None:
        if following.receiving == "Yes":
            raise BoxliftError(
                f"{settings.host} still receives from its primary, so that one lives and takes writes.",
                "Where it has just gone, run it again after 15 seconds. Else run it as a planned switch, or end the old"
                " primary first (power it off).",
            )
        server.do("STOP SLAVE IO_THREAD")
        position = ""
    if following is not None and not position:
        # What is received and not applied goes with the relay log, below.
        position = (server.following() or following).received
    lossy = accept_loss and following is not None and following.applying == "No"
    if position and server.value("SELECT MASTER_GTID_WAIT(%s, %s)", position, seconds) != 0 and not lossy:
        raise BoxliftError(
            f"{settings.host} has not applied all up to {position} within {seconds} s; it is at "
            f"{server.value('SELECT @@gtid_current_pos')}. {following.error if following else ''}".rstrip(),
            "Wait until it has caught up, or choose another replica.",
        )
    if following is not None:
        server.do("STOP SLAVE")
        # Else it would dial its old primary again after a restart.
        server.do("RESET SLAVE ALL")
    # Before it writes anything: where its own history parts from that of the old primary.
    here = server.value("SELECT @@gtid_current_pos") or ""
    for statement in _TABLES:
        server.do(statement)
    known, note = server.term(), read_note(settings.note)
    if known.host == settings.host and note.role != PRIMARY and known.number > max(note.term, above):
        term = known  # a run that was killed has written it
    else:
        term = Term(max(known.number, note.term, above) + 1, settings.host, here)
        server.do(f"INSERT INTO {OWN}.term (number, host, position) VALUES (%s, %s, %s)", term.number, term.host, here)
    write_note(settings.note, Note(PRIMARY, term.number, settings.host, tuple(gone)))
    guard.open_up(server, settings)
    return term


def demote(server: Server, settings: Settings, primary: str, seconds: int) -> str:
    """End its writes; all that it has written. Raises BoxliftError where writes do not end within `seconds`."""
    note = read_note(settings.note)
    write_note(settings.note, note._replace(role=REPLICA, primary=primary))
    try:
        server.do(f"SET SESSION lock_wait_timeout = {int(seconds)}")
        guard.close(server)
    except BoxliftError:
        write_note(settings.note, note)
        raise
    return str(server.value("SELECT @@gtid_binlog_pos") or "")


def follows(server: Server, settings: Settings, peer: Peer) -> bool:
    """Whether it follows this peer as it should, and would not write after a restart."""
    following = server.following()
    if following is None or following.port != peer.port or not following.works:
        return False
    return not server.state().writable and read_note(settings.note).role == REPLICA


def follow(
    server: Server, settings: Settings, peer: Peer, seconds: float, wait: t.Callable[[float], None]
) -> Following:
    """Make it follow the peer, read-only; how it follows then, which may be that it has diverged.

    Raises BoxliftError where there is no connection within `seconds`.
    """
    note = read_note(settings.note)
    if note.role == PRIMARY:
        raise BoxliftError(
            f"{settings.host} is noted as the primary of term {note.term}, and follows nobody.",
            f"Run: ansible-playbook boxlift.portal.failover -e failover_to={peer.name}",
        )
    write_note(settings.note, Note(REPLICA, max(note.term, server.term().number), peer.name))
    guard.close(server)
    if server.following() is not None:
        server.do("STOP SLAVE")
        server.do("RESET SLAVE ALL")
    server.do(
        "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%s, MASTER_USER=%s, MASTER_PASSWORD=%s,"
        " MASTER_CONNECT_RETRY=5, MASTER_USE_GTID=slave_pos, MASTER_DEMOTE_TO_SLAVE=1",
        peer.port,
        settings.user,
        settings.password,
    )
    server.do("START SLAVE")
    return settled(server, seconds, wait)


def settled(server: Server, seconds: float, wait: t.Callable[[float], None]) -> Following:
    """How it follows, once that is clear."""
    step, following = 0.5, None
    for _attempt in range(max(1, int(seconds / step))):
        following = server.following()
        if following is None:
            break
        # While it is connecting it tries again by itself, whatever the error.
        ended = "No" in (following.receiving, following.applying)
        if following.works or (ended and following.number and following.number not in _NOT_YET):
            return following
        wait(step)
    raise BoxliftError(
        f"The replica has no connection to its primary: {following.error if following else 'it follows nobody'}.",
        "Look whether the link runs on both hosts (systemctl status boxlift-link), and the server there.",
    )


def must_be_seeded(following: Following) -> str:
    """Why it needs its primary's data anew; empty where it does not."""
    if following.number == DIVERGED:
        return f"it has diverged from its primary, or the primary has not its logs any more: {following.error}"
    return (
        "" if following.works else f"it cannot apply what its primary did (error {following.number}): {following.error}"
    )

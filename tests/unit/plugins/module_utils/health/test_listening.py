# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open ports: those that the kernel lists, and those that answer."""

from __future__ import annotations

import pathlib
import socket
import threading
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.listening import listening, open_ports, says


def refuse(*_arguments: object) -> t.NoReturn:
    raise ConnectionRefusedError(111, "refused")


def test_reads_what_the_kernel_lists(tmp_path: pathlib.Path) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/tcp").write_text("head\n 0: 0100007F:0CEA 0:0 0A x\n 1: 0100007F:1111 0:0 01 x\n")
    (tmp_path / "proc/net/tcp6").write_text(
        "head\n 0: 00000000000000000000000000000000:0050 0:0 0A x\n"
        " 1: 00000000000000000000000001000000:18EB 0:0 0A x\n"
        " 2: B80D0120000000000000000001000000:01BB 0:0 0A x\n"
    )
    context = Context(now=time.time, connect=refuse, host_root=tmp_path)
    assert listening(context) == [("127.0.0.1", 3306), ("2001:db8::1", 443), ("::", 80), ("::1", 6379)]


def test_sees_this_machines_own_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        context = Context(now=time.time, connect=refuse, host_root=pathlib.Path("/"))
        assert server.getsockname() in listening(context)


def test_says_what_a_server_answers_and_nothing_of_a_silent_one() -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(b"+PONG\r\n")
    asked: list[tuple[str, int]] = []

    def connect(host: str, port: int) -> socket.socket:
        asked.append((host, port))
        return ours

    with theirs:
        context = Context(now=time.time, connect=refuse, connect_tcp=connect)
        assert says(context, ("0.0.0.0", 6379), b"PING\r\n") == b"+PONG\r\n"
        assert theirs.recv(100) == b"PING\r\n"
    assert asked == [("127.0.0.1", 6379)]
    context.connect_tcp = refuse
    assert says(context, ("::", 6379), b"PING\r\n") == b""


def test_all_ports_are_tried_at_once() -> None:
    """Each waits until all others have begun: one after the other would wait for ever, and breaks the barrier."""
    together = threading.Barrier(30, timeout=5)

    def connect(_host: str, port: int) -> socket.socket:
        together.wait()
        if port != 7:
            raise ConnectionRefusedError(111, "refused")
        ours, theirs = socket.socketpair()
        theirs.close()
        return ours

    context = Context(now=time.time, connect=refuse, connect_tcp=connect)
    assert open_ports(context, "portal.test", range(1, 31)) == [7]


@pytest.mark.parametrize("text", ["", "  \n"])
def test_a_kernel_that_lists_nothing_is_not_taken_for_closed(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/tcp").write_text(text)
    context = Context(now=time.time, connect=refuse, host_root=tmp_path)
    with pytest.raises(Exception, match="/proc/net/tcp is not there"):
        listening(context)

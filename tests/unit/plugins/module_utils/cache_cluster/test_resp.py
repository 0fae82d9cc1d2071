# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis's protocol over a real socket."""

from __future__ import annotations

import pathlib
import socket
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.cache_cluster import resp


def asked(answer: bytes, *words: str) -> tuple[t.Any, bytes]:
    """What the client makes of an answer, and what it asked."""
    ours, theirs = socket.socketpair()
    theirs.sendall(answer)
    theirs.shutdown(socket.SHUT_WR)
    with theirs, resp.Client(ours, "redis at c1") as client:
        found = client.ask(*(words or ("PING",)))
        return found, theirs.recv(1000)


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        (b"+OK\r\n", "OK"),
        (b":12\r\n", 12),
        (b"$4\r\na\r\nb\r\n", "a\r\nb"),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"*0\r\n", []),
        (b"*2\r\n*1\r\n+a\r\n$3\r\n\xc3\xa4b\r\n", [["a"], "\u00e4b"]),
    ],
)
def test_what_an_answer_means(answer: bytes, meant: t.Any) -> None:
    assert asked(answer)[0] == meant


def test_a_word_may_hold_anything() -> None:
    assert (
        asked(b"+OK\r\n", "AUTH", "a", "b c\r\n\u00e4")[1]
        == b"*3\r\n$4\r\nAUTH\r\n$1\r\na\r\n$7\r\nb c\r\n\xc3\xa4\r\n"
    )


def test_an_error_names_the_server_and_no_word_of_the_question() -> None:
    with pytest.raises(resp.Refused) as raised:
        asked(b"-WRONGPASS invalid username-password pair\r\n", "AUTH", "operator", "canary")
    assert raised.value.code == "WRONGPASS" and raised.value.message.startswith("redis at c1 refuses: WRONGPASS")
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    "answer", [b"", b"+OK", b"$4\r\nab", b"*2\r\n+a\r\n", b"HTTP/1.1 400\r\n", b"$9999999\r\n", b":x\r\n"]
)
def test_half_an_answer_and_another_protocol_are_none(answer: bytes) -> None:
    with pytest.raises(resp.Silent, match="redis at c1 gives no answer"):
        asked(answer)


def test_nobody_listens(tmp_path: pathlib.Path) -> None:
    with pytest.raises(resp.Silent, match="Nobody answers at .*absent.sock: No such file"):
        resp.open_socket(str(tmp_path / "absent.sock"))

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames and answers in pieces, as networks bring them; the whole is tested against the stand-in."""

from __future__ import annotations

import base64
import hashlib
import queue
import socket
import threading
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.push_channel import (
    Broken,
    LongPoll,
    Refused,
    WebSocket,
    public_signature,
    signed,
    texts,
    with_channel,
)

#: What a thread has forgotten would be closed.
KEPT: list[socket.socket] = []
URL = "ws://push.test/bitrix/subws/?CHANNEL_ID=x"
ONE = '#!NGINXNMS!#{"text":1}#!NGINXNME!#'
PRIVATE, PUBLIC = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"


def test_signatures_are_the_vendors() -> None:
    assert signed(PRIVATE, "testkey123").endswith(".fa9ad17500fa27fac8ac6891fcde22ce7b7e167c")
    assert signed(f"{PRIVATE}:{PUBLIC}", "testkey123").endswith(".f86de932b7eec2db10a61bfc8927d7e4dfe43c29")
    assert public_signature(PUBLIC, "testkey123") == "084415f187c11dfd6026b5e5d77db7ce2dfcd6f4"
    with pytest.raises(BoxliftError, match="signature_algo 'sha0' is not known"):
        signed(PRIVATE, "k", "sha0")


def test_both_forms_of_an_answer() -> None:
    assert texts(ONE + ONE) == ['{"text":1}', '{"text":1}']
    assert texts('[{"text": 1}]') == ['{"text": 1}']
    assert texts("<html>") == []


def test_the_channel_joins_what_an_address_has() -> None:
    assert with_channel("http://a/b/", "c") == "http://a/b/?CHANNEL_ID=c"
    assert with_channel("http://a/b/?d=e", "c") == "http://a/b/?d=e&CHANNEL_ID=c"


def answering(answer: t.Callable[[socket.socket, str], None]) -> socket.socket:
    """A connection to somebody who answers so, in a thread of its own."""
    ours, theirs = socket.socketpair()
    KEPT.append(theirs)

    def serve() -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += theirs.recv(4096)
        answer(theirs, request.decode())

    threading.Thread(target=serve, daemon=True).start()
    return ours


def open_websocket(frames: bytes, proof: str = "", then: t.Callable[[socket.socket], None] | None = None) -> WebSocket:
    """One that sends these bytes, one at a time."""

    def answer(sock: socket.socket, request: str) -> None:
        key = request.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
        magic = (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()
        good = base64.b64encode(hashlib.sha1(magic, usedforsecurity=False).digest()).decode()
        head = f"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {proof or good}\r\n\r\n"
        for number in head.encode() + frames:
            sock.sendall(bytes([number]))
        if then is not None:
            then(sock)

    return WebSocket(answering(answer), URL)


def frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([first, size]) + payload
    if size < 65536:
        return bytes([first, 126]) + size.to_bytes(2, "big") + payload
    return bytes([first, 127]) + size.to_bytes(8, "big") + payload


@pytest.mark.parametrize("size", [1, 200, 70000])
def test_a_message_in_pieces(size: int) -> None:
    text = '{"text":"' + "x" * size + '"}'
    web = open_websocket(frame(0x81, f"#!NGINXNMS!#{text}#!NGINXNME!#".encode()))
    assert web.arrived(10) == [text]


def test_a_message_in_several_frames_with_a_ping_between() -> None:
    pongs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    frames = frame(0x01, ONE[:10].encode()) + frame(0x89, b"still there") + frame(0x80, ONE[10:].encode())
    web = open_websocket(frames, then=lambda sock: pongs.put(sock.recv(100)))
    assert web.arrived(5) == ['{"text":1}']
    web.close()
    pong = pongs.get(timeout=30)
    mask, masked = pong[2:6], pong[6:17]
    assert pong[0] == 0x8A and bytes(b ^ mask[i % 4] for i, b in enumerate(masked)) == b"still there"


def test_nothing_comes_and_the_wait_ends() -> None:
    assert open_websocket(b"").arrived(0.1) == []


def test_a_websocket_that_the_server_closes() -> None:
    web = open_websocket(frame(0x88, b"\x03\xe8"))
    with pytest.raises(Broken, match="has closed the WebSocket"):
        web.arrived(5)


def test_somebody_who_does_not_speak_websocket() -> None:
    with pytest.raises(Broken, match="does not speak WebSocket"):
        open_websocket(b"", proof="xxx")
    refusing = answering(lambda sock, _request: (sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), sock.close())[1])
    with pytest.raises(Refused, match="answered 400"):
        WebSocket(refusing, URL)
    with pytest.raises(Broken, match="no answer to the WebSocket handshake"):
        WebSocket(answering(lambda sock, _request: sock.close()), URL)


def test_a_long_poll_in_pieces_and_refused() -> None:
    def in_pieces(sock: socket.socket, _request: str) -> None:
        for (
            number
        ) in f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{len(ONE):x}\r\n{ONE}\r\n0\r\n\r\n".encode():
            sock.sendall(bytes([number]))
        sock.close()

    assert LongPoll(answering(in_pieces), URL).arrived(5) == ['{"text":1}']
    refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 22\r\n\r\n4010: Wrong Channel Id."
    poll = LongPoll(answering(lambda sock, _request: (sock.sendall(refusal), sock.close())[1]), URL)
    with pytest.raises(Refused, match="answered 400 .4010: Wrong Channel Id") as refused:
        poll.arrived(5)
    assert refused.value.status == 400


def test_a_page_that_says_no_is_told_without_its_markup() -> None:
    page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<h1>502 Bad Gateway</h1>\r\n</body>"
    assert str(Refused(502, page)) == "answered 502 (502 Bad Gateway)"

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for the push server answers as the vendor's does, in one process and through Redis between two."""

from __future__ import annotations

import http.client
import json
import pathlib
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.health import push_channel
from ansible_collections.boxlift.portal.plugins.module_utils.health.push_channel import LongPoll, Refused, WebSocket
from lab.push.pack import pack

# Vectors that were made with the vendor's algorithm.
KEY = "testkey123"
PRIVATE, PUBLIC = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
SIGNED = f"{PRIVATE}.fa9ad17500fa27fac8ac6891fcde22ce7b7e167c"
SIGNED_PAIR = f"{PRIVATE}:{PUBLIC}.f86de932b7eec2db10a61bfc8927d7e4dfe43c29"
PUBLIC_SIGNATURE = "084415f187c11dfd6026b5e5d77db7ce2dfcd6f4"
LIMIT = 5000
PATIENCE = 30  # seconds for what comes at once, unless the machine is loaded


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PushServer:
    """A publisher and a subscriber, which are one process or two."""

    def __init__(self, code: pathlib.Path, folder: pathlib.Path, redis: str, key: str = KEY) -> None:
        self.sub, self.pub = free_port(), free_port()
        sub = {"name": "sub", "port": self.sub, "routes": {"sub": "/bitrix/subws/"}}
        routes = {"pub": "/bitrix/pub/", "rest": "/bitrix/rest/", "stat": "/server-stat/"}
        pub = {"name": "pub", "port": self.pub, "routes": routes}
        storage = {"type": "redis", "socket": redis} if redis else {"type": "memory"}
        self.processes = []
        for name, servers in (("sub", [sub]), ("pub", [pub])) if redis else (("both", [sub, pub]),):
            config = {"servers": servers, "processUniqueId": name, "storage": storage, "limits": {"maxPayload": LIMIT}}
            path = folder / f"{name}.json"
            path.write_text(json.dumps({**config, "security": {"key": key}}))
            command = ["node", str(code / "server.js"), "--config", str(path)]
            self.processes.append(subprocess.Popen(command))
        for port in (self.sub, self.pub):
            wait_for_port(port)
        until = time.monotonic() + PATIENCE
        while self.ask("GET", "/server-stat/")[0] != 200:
            assert time.monotonic() < until, "the storage does not answer"
            time.sleep(0.05)

    def ask(self, method: str, path: str, body: str | None = None, port: int = 0, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.pub, timeout=10)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def publish(self, channels: str, text: str, **headers: str) -> tuple[int, str]:
        return self.ask("POST", f"/bitrix/pub/?CHANNEL_ID={channels}", text, **headers)

    def poll(self, channels: str, more: str = "") -> LongPoll:
        url = f"http://127.0.0.1:{self.sub}/bitrix/subws/?CHANNEL_ID={channels}{more}"
        return LongPoll(socket.create_connection(("127.0.0.1", self.sub)), url)

    def websocket(self, channels: str, more: str = "") -> WebSocket:
        url = f"ws://127.0.0.1:{self.sub}/bitrix/subws/?CHANNEL_ID={channels}{more}"
        return WebSocket(socket.create_connection(("127.0.0.1", self.sub)), url)

    def wait_for_listeners(self, channel: str, count: int = 1) -> None:
        until = time.monotonic() + PATIENCE
        expected = {"infos": [{"channel": channel, "subscribers": count}]}
        while json.loads(self.ask("GET", f"/bitrix/pub/?CHANNEL_ID={channel}")[1]) != expected:
            assert time.monotonic() < until, f"{channel} has not {count} listeners"
            time.sleep(0.02)

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
            process.wait(10)


def wait_for_port(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"nothing listens on port {port}")


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Packed and unpacked, so that what is tested is what a role installs."""
    assert shutil.which("node"), "apt-get install nodejs"
    folder = tmp_path_factory.mktemp("push")
    pack(folder / "push-server.tgz")
    with tarfile.open(folder / "push-server.tgz") as tar:
        tar.extractall(folder, filter="data")
    return folder / "push-server"


@pytest.fixture(scope="module")
def redis() -> t.Iterator[str]:
    """The socket of a Redis of the tests' own."""
    # One program, which asks by what name it was called. Debian's package redis-server has only the name (and a system
    # service, which the machine that runs the tests is not made to carry); the program is in redis-tools.
    program = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    assert program, "apt-get install redis-tools"
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/redis.sock"
        options = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", folder]
        process = subprocess.Popen(["redis-server", *options], executable=program, stdout=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE
        while not pathlib.Path(path).exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        yield path
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module", params=["memory", "redis"])
def server(
    request: pytest.FixtureRequest, code: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> t.Iterator[PushServer]:
    redis = request.getfixturevalue("redis") if request.param == "redis" else ""
    running = PushServer(code, tmp_path_factory.mktemp("config"), redis)
    yield running
    running.close()


def channel() -> tuple[str, str]:
    """A new channel, bare and signed."""
    new = push_channel.new_id()
    return new, push_channel.signed(new, KEY)


def message(text: str) -> dict[str, t.Any]:
    return dict(json.loads(text))


def test_the_vectors_are_accepted(server: PushServer) -> None:
    for signed in (SIGNED, SIGNED_PAIR):
        poll = server.poll(signed)
        server.wait_for_listeners(PRIVATE)
        assert server.publish(PRIVATE, '"hello"') == (200, "")
        (text,) = poll.arrived(PATIENCE)
        assert message(text)["text"] == "hello"
        poll.close()
        server.wait_for_listeners(PRIVATE, 0)
    assert push_channel.signed(PRIVATE, KEY) == SIGNED
    assert push_channel.signed(f"{PRIVATE}:{PUBLIC}", KEY) == SIGNED_PAIR
    assert push_channel.public_signature(PUBLIC, KEY) == PUBLIC_SIGNATURE


@pytest.mark.parametrize(
    "wrong",
    [
        SIGNED[:-1] + "d",
        PRIVATE,
        SIGNED.upper(),
        f"{PRIVATE}:{PUBLIC}.fa9ad17500fa27fac8ac6891fcde22ce7b7e167c",
        SIGNED_PAIR.replace(PUBLIC, PRIVATE),
        f"{SIGNED}/{'a' * 32}.{'b' * 40}",
        "",
        "x",
    ],
)
def test_a_wrong_channel_is_refused(server: PushServer, wrong: str) -> None:
    with pytest.raises(Refused, match="answered 400 .4010: Wrong Channel Id"):
        server.poll(wrong).arrived(PATIENCE)
    with pytest.raises(Refused, match="answered 400"):
        server.websocket(wrong)


def test_a_message_has_the_form_that_clients_read(server: PushServer) -> None:
    bare, signed = channel()
    poll = server.poll(signed)
    server.wait_for_listeners(bare)
    server.publish(bare, '{"module_id":"im","command":"message"}')
    got = message(poll.arrived(PATIENCE)[0])
    assert list(got) == ["id", "mid", "channel", "tag", "time", "text"]
    assert got["mid"].isdigit() and len(got["mid"]) == 26
    assert got["channel"] == "-" and got["text"] == {"module_id": "im", "command": "message"}


def test_a_websocket_gets_every_message(server: PushServer) -> None:
    bare, signed = channel()
    web = server.websocket(signed)
    server.wait_for_listeners(bare)
    server.publish(bare, '"first"')
    long = json.dumps("x" * 4000)
    assert message(web.arrived(PATIENCE)[0])["text"] == "first"
    server.publish(bare, long)
    assert message(web.arrived(PATIENCE)[0])["text"] == "x" * 4000
    web.close()
    server.wait_for_listeners(bare, 0)


def test_a_message_reaches_all_that_listen_and_nobody_else(server: PushServer) -> None:
    (bare, signed), (other, other_signed) = channel(), channel()
    web, poll, stranger = (
        server.websocket(signed),
        server.poll(f"{other_signed}/{signed}"),
        server.websocket(channel()[1]),
    )
    server.wait_for_listeners(bare, 2)
    server.publish(f"{bare}/{other}", '"all"')
    assert [message(text)["text"] for text in (*web.arrived(PATIENCE), *poll.arrived(PATIENCE))] == ["all", "all"]
    assert stranger.arrived(0.3) == []


def test_what_was_missed_comes_again(server: PushServer) -> None:
    bare, signed = channel()
    for text in ('"one"', '"two"'):
        server.publish(bare, text)
    missed = server.poll(signed, "&mid=" + "0" * 26).arrived(PATIENCE)
    assert [message(text)["text"] for text in missed] == ["one", "two"]
    after = message(missed[0])["mid"]
    assert [message(text)["text"] for text in server.poll(signed, f"&mid={after}").arrived(PATIENCE)] == ["two"]
    assert [message(text)["text"] for text in server.websocket(signed, f"&mid={after}").arrived(PATIENCE)] == ["two"]


def test_an_expired_message_does_not_come_again(server: PushServer) -> None:
    bare, signed = channel()
    server.publish(bare, '"short"', Message_Expiry="1")
    server.publish(bare, '"long"', Message_Expiry="600")
    time.sleep(1.1)
    missed = server.poll(signed, "&mid=" + "0" * 26).arrived(PATIENCE)
    assert [message(text)["text"] for text in missed] == ["long"]


def test_the_other_form_of_an_answer(server: PushServer) -> None:
    bare, signed = channel()
    server.publish(bare, '"one"')
    status, text = server.ask("GET", f"/bitrix/subws/?CHANNEL_ID={signed}&mid={'0' * 26}&format=json", port=server.sub)
    assert (status, [each["text"] for each in json.loads(text)]) == (200, ["one"])


def test_what_publishing_refuses(server: PushServer) -> None:
    assert server.publish(push_channel.new_id(), "x" * (LIMIT + 1))[0] == 413
    assert server.publish("", '"x"') == (400, "No channel id provided.")
    assert server.publish("x", '"x"') == (400, "Channel id is not correct.")
    assert server.ask("GET", "/bitrix/subws/?CHANNEL_ID=" + SIGNED)[0] == 404


def test_many_messages_and_questions_at_once(server: PushServer) -> None:
    bare, signed = channel()
    web = server.websocket(signed)
    server.wait_for_listeners(bare)
    requests = [
        {"incomingMessages": {"messages": [{"receivers": [{"id": bare, "isPrivate": True}], "body": '"batch"'}]}},
        {"channelStats": {"channels": [{"id": bare, "isPrivate": True}]}},
        {"serverStats": {}},
    ]
    body = json.dumps({"requests": requests})
    status, text = server.ask("POST", "/bitrix/pub/", body, Content_Type="application/json")
    online, processes = json.loads(text)["responses"]
    assert (status, message(web.arrived(PATIENCE)[0])["text"]) == (200, "batch")
    assert online["channelStats"]["channels"] == [{"id": bare, "isPrivate": True, "isOnline": True}]
    assert all({"pid", "date"} <= set(each) for each in json.loads(processes["serverStats"]["json"]))


def test_browsers_publish_to_public_ids_with_signatures(server: PushServer) -> None:
    private, public = push_channel.new_id(), push_channel.new_id()
    web = server.websocket(push_channel.signed(f"{private}:{public}", KEY))
    server.wait_for_listeners(public)

    def send(sender: str, **receiver: t.Any) -> tuple[int, str]:
        messages = [{"receivers": [receiver], "body": '"from a browser"'}]
        body = json.dumps({"requests": [{"incomingMessages": {"messages": messages}}]})
        return server.ask("POST", f"/bitrix/rest/?CHANNEL_ID={sender}", body)

    good = push_channel.public_signature(public, KEY)
    assert send(SIGNED_PAIR, id=public, signature=good)[0] == 200
    assert message(web.arrived(PATIENCE)[0])["text"] == "from a browser"
    assert send(SIGNED, id=public, signature=good)[1].startswith("4012")
    assert send(SIGNED[:-1] + "d", id=public, signature=good) == (400, "4010: Wrong Channel Id.")
    assert send(SIGNED_PAIR, id=public, signature="0" * 40)[0] == 400
    assert send(SIGNED_PAIR, id=private, isPrivate=True, signature=good)[0] == 400
    assert web.arrived(0.3) == []


def test_every_process_reports(server: PushServer) -> None:
    status, text = server.ask("GET", "/server-stat/")
    assert status == 200
    until = time.monotonic() + PATIENCE
    while len(json.loads(server.ask("GET", "/server-stat/")[1])) < len(server.processes):
        assert time.monotonic() < until, text
        time.sleep(0.1)


def test_other_origins_may_ask(server: PushServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.sub)
    connection.request("OPTIONS", "/bitrix/subws/")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")


def test_a_poll_without_message_ends_after_forty_seconds(code: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """With the same code, told that 40 seconds are less."""
    short = tmp_path / "short"
    shutil.copytree(code, short)
    source = (short / "server.js").read_text()
    assert "const POLL_SECONDS = 40;" in source
    (short / "server.js").write_text(source.replace("POLL_SECONDS = 40", "POLL_SECONDS = 0.3"))
    server = PushServer(short, tmp_path, "")
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.sub)
        connection.request("GET", f"/bitrix/subws/?CHANNEL_ID={SIGNED}")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Last-Message-Id"]) == (304, "0" * 26)
    finally:
        server.close()


def test_without_a_key_nothing_is_signed_and_public_ids_are_refused(code: pathlib.Path, tmp_path: pathlib.Path) -> None:
    server = PushServer(code, tmp_path, "", key="")
    try:
        server.websocket(PRIVATE).close()
        with pytest.raises(Refused):
            server.websocket(SIGNED_PAIR)
    finally:
        server.close()


def test_the_archive_is_the_same_each_time(tmp_path: pathlib.Path) -> None:
    pack(tmp_path / "one.tgz")
    pack(tmp_path / "two.tgz")
    assert (tmp_path / "one.tgz").read_bytes() == (tmp_path / "two.tgz").read_bytes()
    with tarfile.open(tmp_path / "one.tgz") as tar:
        assert {"push-server/server.js", "push-server/package.json"} <= set(tar.getnames())

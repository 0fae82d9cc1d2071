# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of the role preproduction: the sink, the proof, and the two ends of the copy."""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import json
import os
import pathlib
import smtplib
import socket
import subprocess
import threading
import typing as t

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles" / "preproduction"


def load(name: str) -> t.Any:
    spec = importlib.util.spec_from_file_location(name.replace("-", "_"), ROLE / "files" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sink, prove = load("sink"), load("prove-silence")


class Running(t.NamedTuple):
    folder: pathlib.Path
    smtp: int
    any: int

    def caught(self) -> list[dict[str, t.Any]]:
        log = self.folder / "caught.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.fixture
def running(tmp_path: pathlib.Path) -> t.Iterator[Running]:
    """The sink, on ports of this test alone."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    ports: list[int] = []

    async def start() -> None:
        catcher = sink.Sink(tmp_path)
        for handler in (catcher.smtp, catcher.any):
            server = await asyncio.start_server(handler, "127.0.0.1", 0)
            ports.append(server.sockets[0].getsockname()[1])
        ready.set()

    loop.create_task(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    assert ready.wait(10)
    yield Running(tmp_path, *ports)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


class TestSink:
    def test_keeps_a_letter_and_says_who_it_was_for(self, running: Running) -> None:
        with smtplib.SMTP("127.0.0.1", running.smtp, timeout=10) as client:
            client.sendmail("portal@copy.test", ["a@b.test", "c@d.test"], "Subject: Hello\r\n\r\nline\r\n.dot\r\n")
        (letter,) = (running.folder / "mail").glob("*.eml")
        assert letter.read_bytes() == b"Subject: Hello\r\n\r\nline\r\n.dot\r\n"
        (note,) = running.caught()
        assert note["kind"] == "mail" and note["file"] == letter.name and "Subject: Hello" in note["text"]
        assert [line.split(":")[1].split(">")[0] for line in note["envelope"]] == [
            "<portal@copy.test",
            "<a@b.test",
            "<c@d.test",
        ]

    def test_a_letter_that_breaks_off_is_said(self, running: Running) -> None:
        with socket.create_connection(("127.0.0.1", running.smtp), timeout=10) as client:
            client.recv(100)
            client.sendall(b"DATA\r\nhalf a let")
            client.shutdown(socket.SHUT_WR)
            while client.recv(1000):
                pass
        assert [note["kind"] for note in running.caught()] == ["smtp"]
        assert list((running.folder / "mail").iterdir()) == []

    @pytest.mark.parametrize(
        ("begin", "kind", "answer"),
        [(b"POST /x HTTP/1.1\r\n\r\n", "http", b"HTTP/1.1 503"), (b"\x16\x03\x01x", "tls", b""), (b"x", "tcp", b"")],
    )
    def test_takes_whatever_comes(self, running: Running, begin: bytes, kind: str, answer: bytes) -> None:
        with socket.create_connection(("127.0.0.1", running.any), timeout=10) as client:
            client.sendall(begin)
            assert client.recv(1000)[: len(answer)] == answer
        assert [note["kind"] for note in running.caught()] == [kind]
        assert running.caught()[0]["to"]


class TestProof:
    @pytest.fixture
    def world(self, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, t.Any]:
        """A host that is silent; a test makes it less so."""
        world: dict[str, t.Any] = {"left": 0, "lost": set(), "udp": []}

        def deliver(what: str, token: str) -> list[str]:
            if what not in world["lost"]:
                with (tmp_path / "caught.jsonl").open("a") as log:
                    log.write(json.dumps({"text": token}) + "\n")
            return []

        monkeypatch.setattr(prove, "left", lambda: world["left"])
        monkeypatch.setattr(prove, "send_mail", lambda _account, token: deliver("mail", f"{token}-mail"))
        monkeypatch.setattr(prove, "send_http", lambda what, _host, _port, _begin, token: deliver(what, token))
        monkeypatch.setattr(prove, "ask_by_udp", lambda: world["udp"])
        monkeypatch.setattr(prove, "PATIENCE", 0.3)
        return world

    def test_silence_is_proven(self, world: dict[str, t.Any], tmp_path: pathlib.Path, capsys: t.Any) -> None:
        assert prove.main("portal", tmp_path) == 0
        assert "ended in the sink" in capsys.readouterr().out

    @pytest.mark.parametrize("what", ["mail", "push", "webhook"])
    def test_a_canary_that_is_missing_is_named(
        self, world: dict[str, t.Any], tmp_path: pathlib.Path, capsys: t.Any, what: str
    ) -> None:
        world["lost"].add(what)
        assert prove.main("portal", tmp_path) == 1
        assert f"-{what} did not arrive" in capsys.readouterr().err

    def test_whatever_left_is_a_failure(self, world: dict[str, t.Any], tmp_path: pathlib.Path, capsys: t.Any) -> None:
        world["left"] = 3
        assert prove.main("portal", tmp_path) == 1
        assert "3 packets left" in capsys.readouterr().err
        world.update(left=0, udp=["a UDP packet was sent"])
        assert prove.main("portal", tmp_path) == 1


def render(name: str, **variables: t.Any) -> str:
    """A template of the role with its own defaults and variables."""
    given = {
        **yaml.safe_load((ROLE / "defaults/main.yml").read_text()),
        **yaml.safe_load((ROLE / "vars/main.yml").read_text()),
        "preproduction_source_host": "web1",
        "preproduction_source_address": "192.0.2.10",
        "preproduction_source_database_host": "web1",
        **variables,
    }
    trusted = {key: trust_as_template(value) if isinstance(value, str) else value for key, value in given.items()}
    templar = Templar(loader=DataLoader(), variables=trusted)
    return str(templar.template(trust_as_template((ROLE / "templates" / name).read_text())))


class Ends:
    """Both scripts of the copy, with programs of this test in front of the real ones."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.lock = folder / "lock"
        self.lock.mkdir()
        state = {
            "__preproduction_state": str(folder),
            "__preproduction_lock": str(self.lock),
            "preproduction_document_root": str(folder / "copy"),
        }
        source = {"preproduction_source_document_root": str(folder / "production")}
        for name in ("fetch-copy", "serve-copy"):
            self.program(name, render(f"{name}.j2", **state, **source))

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def run(self, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        values = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", **environment}
        command = [str(self.bin / name), *arguments]
        return subprocess.run(command, env=values, input="{}", capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def ends(tmp_path: pathlib.Path) -> Ends:
    found = Ends(tmp_path)
    # What sshd does with the key: the forced command, with the wish in the environment.
    ssh = '#!/bin/bash\nwhile [[ $1 == -* ]]; do shift 2; done; shift\nSSH_ORIGINAL_COMMAND="$*" exec serve-copy\n'
    found.program("ssh", ssh)
    return found


class TestCopy:
    def test_both_lead_to_the_database(self, ends: Ends) -> None:
        """The module portal_copy speaks to the server through them."""
        ends.program("socat", '#!/bin/bash\necho "$@"; cat\n')
        done = ends.run("fetch-copy", "database")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "-b 65536 STDIO UNIX-CONNECT:/run/mysqld/mysqld.sock\n{}"

    def test_waits_for_the_copy_of_the_night(self, ends: Ends) -> None:
        ends.program("socat", "#!/bin/bash\ncat\n")
        values = {**os.environ, "PATH": f"{ends.bin}:{os.environ['PATH']}", "SSH_ORIGINAL_COMMAND": "database"}
        command, pipe = [str(ends.bin / "serve-copy")], subprocess.PIPE
        held = os.open(ends.lock, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
        with subprocess.Popen(command, env=values, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
            assert process.stderr is not None
            assert "waits until it ends" in process.stderr.readline()
            os.close(held)
            assert process.communicate("rows", timeout=30) == ("rows", "")
        assert process.returncode == 0

    def test_keeps_the_copy_of_the_night_waiting(self, ends: Ends) -> None:
        ends.program("socat", "#!/bin/bash\nflock --exclusive --nonblock --conflict-exit-code 75 $LOCK true; echo $?\n")
        assert ends.run("serve-copy", SSH_ORIGINAL_COMMAND="database", LOCK=str(ends.lock)).stdout == "75\n"

    def test_only_differences_are_fetched(self, ends: Ends) -> None:
        production, copy = ends.folder / "production", ends.folder / "copy"
        (production / "bitrix/cache").mkdir(parents=True)
        (production / "upload").mkdir()
        (production / "bitrix/cache/x").write_text("x")
        for name in ("a.txt", "b.txt"):
            (production / "upload" / name).write_text("content " * 1000)
        owner = {"preproduction_user": str(os.getuid()), "preproduction_group": str(os.getgid())}
        state = {"__preproduction_state": str(ends.folder), "preproduction_document_root": str(copy)}
        ends.program("fetch-copy", render("fetch-copy.j2", **state, **owner))
        first = ends.run("fetch-copy", "files")
        assert first.returncode == 0, first.stderr
        assert sorted(str(path.relative_to(copy)) for path in copy.rglob("*.txt")) == ["upload/a.txt", "upload/b.txt"]
        assert not (copy / "bitrix/cache").exists()
        (production / "upload/a.txt").unlink()
        (production / "upload/c.txt").write_text("new")
        second = ends.run("fetch-copy", "files", "--stats")
        assert "Number of regular files transferred: 1\n" in second.stdout, second.stdout + second.stderr
        assert sorted(path.name for path in copy.rglob("*.txt")) == ["b.txt", "c.txt"]

    @pytest.mark.parametrize("wish", ["", "id", "database; id", "rsync --server . /etc", "sh -c database"])
    def test_the_key_does_nothing_else(self, ends: Ends, wish: str) -> None:
        done = ends.run("serve-copy", SSH_ORIGINAL_COMMAND=wish)
        assert done.returncode == 1 and done.stdout == ""
        assert "it cannot do" in done.stderr

    def test_the_key_cannot_write(self, ends: Ends) -> None:
        (ends.folder / "production").mkdir()
        done = ends.run("serve-copy", SSH_ORIGINAL_COMMAND="rsync --server --sender --remove-source-files -e.L . /")
        assert done.returncode != 0

    def test_a_refused_connection_stops_it(self, ends: Ends) -> None:
        ends.program("ssh", "#!/bin/bash\nexit 255\n")
        for what in ("database", "files"):
            assert ends.run("fetch-copy", what).returncode != 0
        assert ends.run("fetch-copy").returncode == 2


def test_what_may_leave_is_in_all_three_chains() -> None:
    allowed = [{"address": "2001:db8::53", "port": 53, "protocol": "udp"}]
    text = render("egress.nft.j2", preproduction_egress_allowed=allowed)
    assert text.count("ip6 daddr 2001:db8::53 udp dport 53") == 3
    assert text.count("ip daddr 192.0.2.10 tcp dport 22") == 3
    assert "policy drop;" in text
    assert text.index("udp dport 53 return") < text.index("redirect to")


def test_a_database_host_of_its_own_is_asked_itself() -> None:
    apart = {
        "preproduction_source_database_host": "db1",
        "hostvars": {"db1": {"ansible_host": "192.0.2.12"}},
    }
    assert "portal-copy@192.0.2.12 database" in render("fetch-copy.j2", **apart)
    assert "portal-copy@192.0.2.10:/ " in render("fetch-copy.j2", **apart)
    text = render("egress.nft.j2", **apart)
    assert text.count("ip daddr 192.0.2.10 tcp dport 22") == text.count("ip daddr 192.0.2.12 tcp dport 22") == 3

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database host lends: whole, proven, or refused with the reason; and nothing else of that host."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import socket
import ssl
import sys
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.backup import lend
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import ProducerFailed
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Database, Lender
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from lab.authority import Authority

DATA = os.urandom(3 << 20)
# In the place of mariadb-backup: it says and writes what it is told, and notes how it was called.
ENGINE = """#!{python}
import sys
folder = next(each.partition("=")[2] for each in sys.argv if each.startswith("--extra-lsndir="))
open({called!r}, "w").write(" ".join(sys.argv[1:]))
open(folder + "/xtrabackup_checkpoints", "w").write("from_lsn = 100\\nto_lsn = 4711\\n")
place = "binlog_pos = filename 'bin.000007', position '42', GTID of the last change '0-1-9'\\n"
open(folder + "/xtrabackup_info", "w").write(place)
sys.stdout.buffer.write(open({data!r}, "rb").read())
print({word!r}, file=sys.stderr)
sys.exit({code})
"""


@dataclasses.dataclass
class Host:
    """A database host in a folder."""

    folder: Path

    def __post_init__(self) -> None:
        for name in ("data/mysql", "logs"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "data/ibdata1").write_text("")
        (self.folder / "logs/bin.000007").write_bytes(DATA)
        (self.folder / "secret.1").write_text("canary")
        (self.folder / "logs/link.000008").symlink_to("../secret.1")
        self.lent = lend.Lent(str(self.folder / "data"), str(self.folder / "logs"), "/run/mysqld/mysqld.sock")
        self.engine()

    def engine(self, word: str = "completed OK!", code: int = 0) -> None:
        (self.folder / "given").write_bytes(DATA)
        text = ENGINE.format(
            python=sys.executable, called=f"{self.folder}/called", data=f"{self.folder}/given", word=word, code=code
        )
        self.program = self.folder / "mariadb-backup"
        self.program.write_text(text)
        self.program.chmod(0o755)

    def answered(self, **question: t.Any) -> tuple[bytes, dict[str, t.Any]]:
        """The data, and how the answer ends."""
        out, found = io.BytesIO(), io.BytesIO()
        lend.answer(io.BytesIO(json.dumps(question).encode() + b"\n"), out, self.lent, str(self.program))
        out.seek(0)
        ended = lend.read_answer(out, found.write)
        return found.getvalue(), ended


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "host")


def test_a_copy_comes_with_its_proof(host: Host) -> None:
    data, ended = host.answered(want="data", since=100, read_mb=7)
    assert (
        data == DATA
        and ended["to_lsn"] == 4711
        and ended["binlog"] == {"file": "bin.000007", "position": 42, "gtid": "0-1-9"}
    )
    called = (host.folder / "called").read_text()
    assert "--incremental-lsn=100" in called and "--throttle=7" in called and "--user=root" in called
    host.answered(want="data", since=None, read_mb=0)
    assert "--incremental-lsn" not in (host.folder / "called").read_text()


@pytest.mark.parametrize(
    ("word", "code", "says"), [("no right", 3, "ended with 3"), ("all is well", 0, "without the words 'completed OK!'")]
)
def test_what_failed_there_is_no_copy_here(host: Host, word: str, code: int, says: str) -> None:
    host.engine(word, code)
    _data, ended = host.answered(want="data")
    assert says in ended["problem"] and word in ended["said"] and "to_lsn" not in ended


def test_a_binary_log_comes_whole(host: Host) -> None:
    assert host.answered(want="log", name="bin.000007") == (DATA, {"bytes": len(DATA)})


@pytest.mark.parametrize(
    "question",
    [
        {"want": "log", "name": "../secret.1"},
        {"want": "log", "name": "/etc/passwd.1"},
        {"want": "log", "name": "link.000008"},
        {"want": "log", "name": "bin.000009"},
        {"want": "log"},
        {"want": "everything"},
        {"since": 3},
    ],
)
def test_nothing_else_is_lent(host: Host, question: dict[str, t.Any]) -> None:
    _data, ended = host.answered(**question)
    assert ended["problem"] and "canary" not in json.dumps(ended)


def test_it_says_who_it_is(host: Host) -> None:
    _data, ended = host.answered(want="self")
    assert ended == {"node": os.uname().nodename, "incarnation": lend.server_part.incarnation_of(host.lent.data_dir)}


@pytest.mark.parametrize("cut", [0, 3, 5000, -1, -3])
def test_what_was_cut_off_is_no_answer(host: Host, cut: int) -> None:
    out = io.BytesIO()
    lend.answer(io.BytesIO(b'{"want": "log", "name": "bin.000007"}\n'), out, host.lent)
    with pytest.raises((EOFError, ValueError)):
        lend.read_answer(io.BytesIO(out.getvalue()[:cut]), len)


class Offered:
    """The link in front of a host: TLS, then the program that answers. Proving clients is the link's part."""

    def __init__(self, host: Host, folder: Path) -> None:
        authority = Authority(folder / "authority")
        own, other = authority.issue("web"), authority.issue("db")
        self.link = folder / "link"
        self.link.mkdir()
        for name, path in (
            ("authority.pem", authority.certificate),
            ("certificate.pem", own.certificate),
            ("certificate.key", own.key),
        ):
            (self.link / name).write_bytes(path.read_bytes())
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(other.certificate, other.key)
        self._host, self._listener = host, socket.create_server(("127.0.0.1", 0))
        self.lender = Lender("db", "127.0.0.1", self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _address = self._listener.accept()
            except OSError:
                return
            try:
                with (
                    plain,
                    self._context.wrap_socket(plain, server_side=True) as secure,
                    secure.makefile("rwb") as stream,
                ):
                    both = t.cast("t.BinaryIO", stream)
                    lend.answer(both, both, self._host.lent, str(self._host.program))
            except OSError:
                continue  # whoever asked did not like the certificate

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def offered(host: Host, tmp_path: Path) -> t.Iterator[Offered]:
    made = Offered(host, tmp_path)
    yield made
    made.close()


def database(offered: Offered, *lenders: Lender) -> Database:
    return Database("portal", lenders=lenders or (offered.lender,), link=str(offered.link))


def test_the_lender_is_the_one_whose_server_answers(offered: Offered) -> None:
    gone = Lender("dead", "127.0.0.1", 1)
    found, said = lend.lender_of(database(offered, gone, offered.lender), os.uname().nodename)
    assert found == offered.lender and said["incarnation"]
    with pytest.raises(BoxliftError, match="No database host that lends its data is another, whose server answers"):
        lend.lender_of(database(offered), "another")


def test_whoever_has_another_name_is_not_the_lender(offered: Offered) -> None:
    with pytest.raises(BoxliftError, match="has not come whole"):
        other = dataclasses.replace(offered.lender, name="web2")
        lend.ask(other, str(offered.link), {"want": "self"}, len)


def test_a_log_is_brought_or_not_there(offered: Offered, tmp_path: Path) -> None:
    lend.bring_log(offered.lender, str(offered.link), "bin.000007", str(tmp_path))
    assert (tmp_path / "bin.000007").read_bytes() == DATA
    with pytest.raises(ProducerFailed, match="db: "):
        lend.bring_log(offered.lender, str(offered.link), "bin.000009", str(tmp_path))


def test_what_is_borrowed_ends_with_its_proof(offered: Offered) -> None:
    command = lend.borrowing(offered.lender, database(offered), 100)
    out = io.BytesIO()
    words = lend.borrow(command[-1], out)
    assert out.getvalue() == DATA
    assert lend.proof_of(words)["to_lsn"] == 4711
    with pytest.raises(ProducerFailed, match="did not say what it has copied"):
        lend.proof_of("completed OK!")


def test_the_failure_of_the_other_host_is_the_failure_of_the_copy(offered: Offered, host: Host) -> None:
    host.engine("disk is gone", 5)
    with pytest.raises(ProducerFailed, match="db: .* ended with 5") as failed:
        lend.borrow(lend.borrowing(offered.lender, database(offered), None)[-1], io.BytesIO())
    assert "disk is gone" in failed.value.said

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A primary's data put in the place of a replica's: killed at each step, and run again."""

from __future__ import annotations

import functools
import io
import pathlib
import socket
import ssl
import tarfile
import threading
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.replication import seed
from ansible_collections.boxlift.portal.plugins.module_utils.replication.settings import Peer, Settings
from lab.authority import Authority

PEER = Peer("db1", 3311, "127.0.0.1", 0)
FILES = {
    "ibdata1": b"new" * 1000,
    "portal/orders.ibd": b"rows",
    "xtrabackup_binlog_info": b"binlog.000003\t1234\t0-1-77\n",
    "xtrabackup_checkpoints": b"to_lsn = 9\n",
    "xtrabackup_info": b"tool_name = mariadb-backup\n",
}


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def chunks_of(data: bytes) -> t.Callable[[Settings, Peer], t.Iterator[bytes]]:
    return lambda _settings, _peer: iter([data[:700], data[700:]])


class Host:
    """A host with old data, and the commands that were run on it."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root, self.commands, self.fails = root, list[str](), ""
        self.data, self.logs = root / "mysql", root / "mysql-binlog"
        for folder in (self.data / "old_db", self.logs):
            folder.mkdir(parents=True)
        (self.data / "ibdata1").write_bytes(b"old")
        (self.logs / "binlog.000001").write_bytes(b"mine alone")
        self.settings = Settings("db2", (PEER,), "u", "p", data=str(self.data), binary_logs=str(self.logs))

    def run(self, command: t.Sequence[str]) -> tuple[int, str, str]:
        self.commands.append(" ".join(command[:2]))
        return (1, "", "it refused") if self.fails and self.fails in command else (0, "", "")

    def bring(self, data: bytes = packed(FILES)) -> seed.Brought:
        # A later run knows a later term.
        return seed.bring(self.settings, PEER, self.run, 1796000000, chunks_of(data), term=3 + len(self.commands))

    def content(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.data)): path.read_bytes() for path in self.data.rglob("*") if path.is_file()}

    def left(self) -> set[str]:
        return {path.name for path in self.root.iterdir()} - {"bin"}


@pytest.fixture
def host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """mbstream stands for any program that unpacks a stream and says whether it could."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "mbstream").write_text('#!/bin/sh\nexec tar -x -f - -C "$3"\n')
    (programs / "mbstream").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return Host(tmp_path)


def test_the_new_data_take_the_place_of_the_old_ones(host: Host) -> None:
    brought = host.bring()
    assert brought == ("0-1-77", f"{host.logs}-kept/20261130T005320Z", 3)
    assert host.content() == FILES
    assert pathlib.Path(brought.kept, "binlog.000001").read_bytes() == b"mine alone"
    assert not list(host.logs.iterdir())
    assert host.commands == ["mariadb-backup --prepare", "systemctl stop", "chown -R", "systemctl start"]
    seed.done(host.settings)
    assert host.left() == {"mysql", "mysql-binlog", "mysql-binlog-kept"}


@pytest.mark.parametrize("missing", ["xtrabackup_info", "xtrabackup_checkpoints"])
def test_a_stream_that_ended_early_is_refused_and_the_old_data_stay(host: Host, missing: str) -> None:
    with pytest.raises(BoxliftError, match=f"have not come whole: {missing} is missing"):
        host.bring(packed({name: content for name, content in FILES.items() if name != missing}))
    assert host.content() == {"ibdata1": b"old"}
    assert host.left() == {"mysql", "mysql-binlog"}
    assert host.commands == []


def test_what_is_no_stream_is_refused(host: Host) -> None:
    with pytest.raises(BoxliftError, match="could not be unpacked"):
        host.bring(b"\0garbage" * 900)
    assert host.left() == {"mysql", "mysql-binlog"}


def test_data_that_cannot_be_prepared_are_thrown_away(host: Host) -> None:
    host.fails = "--prepare"
    with pytest.raises(BoxliftError, match="cannot be prepared: it refused"):
        host.bring()
    assert host.content() == {"ibdata1": b"old"} and host.left() == {"mysql", "mysql-binlog"}


def test_names_since_version_11(host: Host) -> None:
    files = {name.replace("xtrabackup", "mariadb_backup"): content for name, content in FILES.items()}
    assert host.bring(packed(files)).position == "0-1-77"


def test_a_run_that_is_killed_anywhere_goes_on(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each move of a file and each note may be the last thing that a run does."""
    kills, real = 0, seed.os.replace
    while True:
        left = [kills]

        def replace(left: list[int], source: str, target: str) -> None:
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            real(source, target)

        with monkeypatch.context() as patched:
            patched.setattr(seed.os, "replace", functools.partial(replace, left))
            try:
                host.bring()
                break
            except KeyboardInterrupt:
                kills += 1
    assert kills >= 5
    brought = host.bring()
    assert host.content() == FILES
    assert brought.term == 4  # that of the run whose stream came whole
    assert pathlib.Path(brought.kept, "binlog.000001").read_bytes() == b"mine alone"


@pytest.fixture
def primary(tmp_path: pathlib.Path) -> t.Iterator[tuple[Settings, ssl.SSLContext, socket.socket]]:
    """The end of the link at the primary, as a listening socket; certificates of both hosts."""
    authority = Authority(tmp_path / "authority")
    own, other = authority.issue("db2"), authority.issue("db1")
    link = tmp_path / "link"
    link.mkdir()
    for name, path in (
        ("authority.pem", authority.certificate),
        ("certificate.pem", own.certificate),
        ("certificate.key", own.key),
    ):
        (link / name).write_bytes(path.read_bytes())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(other.certificate, other.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield Settings("db2", (), "u", "p", link=str(link)), tls, listening


def sent(
    given: tuple[Settings, ssl.SSLContext, socket.socket], name: str, serve: t.Callable[[t.Any], None]
) -> list[bytes]:
    """What arrives from a primary that does this with its one connection."""
    settings, tls, listening = given

    def answer() -> None:
        plain, _address = listening.accept()
        with plain:
            try:
                serve(tls.wrap_socket(plain, server_side=True))
            except (OSError, ssl.SSLError):
                return

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        return list(seed.stream(settings, Peer(name, 3311, "127.0.0.1", listening.getsockname()[1])))
    finally:
        thread.join()


def test_a_stream_over_tls(primary: t.Any) -> None:
    def serve(secure: t.Any) -> None:
        secure.sendall(b"all of it")
        secure.unwrap()

    assert b"".join(sent(primary, "db1", serve)) == b"all of it"


def test_a_connection_that_is_cut_is_no_end(primary: t.Any) -> None:
    with pytest.raises(BoxliftError, match="The data of db1 have not come whole"):
        sent(primary, "db1", lambda secure: (secure.sendall(b"half"), secure.close())[0])


def test_another_host_is_not_taken_for_the_primary(primary: t.Any) -> None:
    with pytest.raises(BoxliftError, match="The data of db3 have not come whole"):
        sent(primary, "db3", lambda secure: secure.sendall(b"x"))

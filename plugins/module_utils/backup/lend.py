# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database host lends its server to the host that copies the portal: data files as a stream, and binary logs.

The link between the hosts carries it: both ends prove each other by their certificates (roles/link). Each connection
has one question, a line of JSON. The answer is frames of data, an empty one, and a line of JSON that says how it ended.
Without that line nothing of an answer counts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup import database as server_part
from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import Copy
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import ProducerFailed, Restic
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Database, Lender
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, from_system
from ansible_collections.boxlift.portal.plugins.module_utils.files import free_bytes
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import mutual_context
from ansible_collections.boxlift.portal.plugins.module_utils.program import start
from ansible_collections.boxlift.portal.plugins.module_utils.units import size

Answer = dict[str, t.Any]
Sink = t.Callable[[bytes], t.Any]
_CHUNK = 1 << 20
_LENGTH = struct.Struct("!I")
#: Of a question, and of the line that ends an answer.
_LINE = 1 << 20
#: Of what mariadb-backup complains of, its end is told.
_SAID = 64 << 10
_CONNECTING, _SILENCE = 30, 600  # seconds
_LOG_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*\.[0-9]+")
_REMEDY = (
    "Look at it there: journalctl -u 'boxlift-lend@*' -u boxlift-link. Playbooks provision and backup_nightly set the "
    "lending up."
)


# On the database host


@dataclasses.dataclass(frozen=True)
class Lent:
    """What this host lends."""

    data_dir: str
    binlog_dir: str
    socket: str


def answer(given: t.BinaryIO, out: t.BinaryIO, lent: Lent, program: str = "mariadb-backup") -> int:
    """Answer the one question of a connection; the exit status. Raises OSError where the other end has gone."""
    try:
        ended = _answered(given.readline(_LINE), _framed(out), lent, program)
    except BoxliftError as error:
        ended = {"problem": error.message, "remedy": error.remedy, "said": getattr(error, "said", "")[-_SAID:]}
    out.write(_LENGTH.pack(0) + json.dumps(ended).encode() + b"\n")
    out.flush()
    return 1 if "problem" in ended else 0


def _framed(out: t.BinaryIO) -> Sink:
    def write(data: bytes) -> None:
        out.write(_LENGTH.pack(len(data)))
        out.write(data)

    return write


def _answered(line: bytes, sink: Sink, lent: Lent, program: str) -> Answer:
    try:
        question = json.loads(line)
        want = question["want"]
    except (ValueError, KeyError, TypeError) as error:
        raise BoxliftError(
            "The question of the host that copies is none.", "Bring both hosts to one release."
        ) from error
    if want == "self":
        return {"node": os.uname().nodename, "incarnation": server_part.incarnation_of(lent.data_dir)}
    if want == "log":
        return _log(str(question.get("name")), sink, lent)
    if want == "data":
        since = question.get("since")
        return _data(None if since is None else int(since), int(question.get("read_mb", 0)), sink, lent, program)
    raise BoxliftError(f"This host does not lend {want!r}.", "Bring both hosts to one release.")


def _log(name: str, sink: Sink, lent: Lent) -> Answer:
    if not _LOG_NAME.fullmatch(name):
        raise BoxliftError(f"{name!r} is no name of a binary log.", "Bring both hosts to one release.")
    path, count = os.path.join(lent.binlog_dir, name), 0
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as log:
            while chunk := log.read(_CHUNK):
                sink(chunk)
                count += len(chunk)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise from_system(error, path) from error
    return {"bytes": count}


def _data(since: int | None, read_mb: int, sink: Sink, lent: Lent, program: str) -> Answer:
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as complaints:
        login = ["--user=root", f"--socket={lent.socket}"]
        command = server_part.command_of(program, login, lent.data_dir, scratch, read_mb, since)
        process = start(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints)
        source = t.cast("t.IO[bytes]", process.stdout)
        try:
            while chunk := source.read(_CHUNK):
                sink(chunk)
            status = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            source.close()
        complaints.seek(0)
        said = complaints.read().decode("utf-8", "replace")
        if status != 0:
            raise ProducerFailed(f"{program} ended with {status}.", "Cure what it complains of.", said)
        return {**server_part.proven(said, scratch), "said": said[-_SAID:]}


# On the host that copies


class BorrowedServer(server_part.Server):
    """The server of another host: asked by SQL, and by what that host lends."""

    def lender(self) -> Lender:
        """Raises BoxliftError."""
        return lender_of(self.database, self.node())[0]

    def incarnation(self) -> str:
        return str(lender_of(self.database, self.node())[1].get("incarnation"))

    def take(
        self, restic: Restic, tags: t.Sequence[str], base: Copy | None, scratch: str, on_bytes: server_part.OnBytes
    ) -> server_part.Taken:
        since = server_part.since_of(base)
        return server_part.store(restic, borrowing(self.lender(), self.database, since), tags, proof_of, on_bytes)

    @contextlib.contextmanager
    def logs_at_hand(self, names: t.Sequence[str], scratch: str) -> t.Iterator[str]:
        sizes = {str(row["Log_name"]): int(row["File_size"]) for row in self.ask("SHOW BINARY LOGS")}
        needed, free = sum(sizes.get(name, 0) for name in names), free_bytes(os.path.dirname(scratch))
        if free < needed:
            raise BoxliftError(
                f"{os.path.dirname(scratch)} has {size(free)} left, and the binary logs that are not stored yet have "
                f"{size(needed)}.",
                "Make room, then: boxlift-backup binlogs.",
            )
        lender = self.lender()
        with server_part.made_for_now(scratch):
            for name in names:
                bring_log(lender, self.database.link, name, scratch)
            yield scratch


def server_of(database: Database) -> server_part.Server:
    return BorrowedServer(database) if database.lenders else server_part.Server(database)


def lender_of(database: Database, node: str) -> tuple[Lender, Answer]:
    """The lender whose server has this node name, which SQL reaches, and what it says of itself.

    After a failover that is another one than before. Raises BoxliftError where none of them has it.
    """
    told = []
    for lender in database.lenders:
        try:
            said = ask(lender, database.link, {"want": "self"}, _nothing)
        except BoxliftError as error:
            told.append(error.message)
            continue
        if said.get("node") == node:
            return lender, said
        told.append(f"{lender.name} is {said.get('node')}.")
    raise BoxliftError(
        f"No database host that lends its data is {node}, whose server answers. {' '.join(told)}", _REMEDY
    )


def ask(lender: Lender, link: str, question: Answer, sink: Sink) -> Answer:
    """One question: its data go to `sink`, and the line that ends it is returned. Raises BoxliftError."""
    try:
        tls = mutual_context(*(f"{link}/{name}" for name in ("authority.pem", "certificate.pem", "certificate.key")))
        plain = socket.create_connection((lender.address, lender.port), timeout=_CONNECTING)
        # A connection that was cut must not look like one that has ended.
        with plain, tls.wrap_socket(plain, server_hostname=lender.name, suppress_ragged_eofs=False) as secure:
            secure.settimeout(_SILENCE)
            secure.sendall(json.dumps(question).encode() + b"\n")
            with secure.makefile("rb") as source:
                ended = read_answer(source, sink)
    except (OSError, ssl.SSLError, EOFError, ValueError) as error:
        raise BoxliftError(f"What {lender.name} lends has not come whole: {error}.", _REMEDY) from error
    if "problem" in ended:
        raise ProducerFailed(f"{lender.name}: {ended['problem']}", str(ended.get("remedy")), str(ended.get("said", "")))
    return ended


def read_answer(source: t.BinaryIO, sink: Sink) -> Answer:
    """Raises EOFError where it ends too early, and ValueError where it ends with no object."""
    while length := _LENGTH.unpack(_exactly(source, _LENGTH.size))[0]:
        while length:
            chunk = _exactly(source, min(length, _CHUNK))
            sink(chunk)
            length -= len(chunk)
    line = source.readline(_LINE)
    if not line.endswith(b"\n"):
        raise EOFError("it was cut off")
    ended = json.loads(line)
    if not isinstance(ended, dict):
        raise ValueError("it does not say how it ended")
    return ended


def _exactly(source: t.BinaryIO, count: int) -> bytes:
    data = source.read(count)
    if len(data) < count:
        raise EOFError("it was cut off")
    return data


def _nothing(_data: bytes) -> None:
    """For answers without data."""


def bring_log(lender: Lender, link: str, name: str, folder: str) -> None:
    """A binary log as a file in the folder. Raises BoxliftError, OSError."""
    with open(os.path.join(folder, name), "xb") as target:
        ended = ask(lender, link, {"want": "log", "name": name}, target.write)
        if ended.get("bytes") != target.tell():
            raise BoxliftError(f"The binary log {name} of {lender.name} has not come whole.", _REMEDY)


def borrowing(lender: Lender, database: Database, since: int | None) -> list[str]:
    """The command that writes the lender's data to standard output; `borrow` is what it does."""
    question = {"want": "data", "since": since, "read_mb": database.read_mb}
    return [sys.argv[0], "borrow", json.dumps([lender.name, lender.address, lender.port, database.link, question])]


def borrow(given: str, out: t.BinaryIO) -> str:
    """Write the data. What is to be said on standard error is returned; its last line is the proof.

    Raises ProducerFailed where the database host says that it failed, BoxliftError where not all of it came.
    """
    name, address, port, link, question = json.loads(given)
    ended = ask(Lender(name, address, port), link, question, out.write)
    out.flush()
    said = str(ended.pop("said", ""))
    return f"{said.rstrip()}\n{json.dumps(ended)}"


def proof_of(words: str) -> Answer:
    """What `borrow` has proven, from its last line. Raises ProducerFailed."""
    try:
        found = json.loads(words.strip().splitlines()[-1])
        return {"from_lsn": int(found["from_lsn"]), "to_lsn": int(found["to_lsn"]), "binlog": found["binlog"]}
    except (IndexError, ValueError, KeyError, TypeError) as error:
        raise ProducerFailed(
            "The database host did not say what it has copied; nothing of it was kept.", _REMEDY, words
        ) from error

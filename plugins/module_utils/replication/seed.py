# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A primary's data brought to a replica: streamed by mariadb-backup over TLS, prepared, put in place, and followed.

The stream cannot be resumed, so a killed run begins it anew; what was proven and is being put in place goes on. Binary
logs of this host are kept beside, since they may hold what nobody else has. Its old data go once the new ones serve.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils import state as state_file
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import mutual_context
from ansible_collections.boxlift.portal.plugins.module_utils.program import complained, start
from ansible_collections.boxlift.portal.plugins.module_utils.replication.settings import Peer, Settings

Run = t.Callable[[t.Sequence[str]], "tuple[int, str, str]"]
Chunks = t.Iterator[bytes]
_CHUNK = 1 << 20
_SILENCE = 600  # seconds without a byte
#: Written last by mariadb-backup, under one name or, since 11, the other: without them the stream was cut off.
_LAST = (("mariadb_backup_checkpoints", "xtrabackup_checkpoints"), ("mariadb_backup_info", "xtrabackup_info"))
_POSITION = ("mariadb_backup_binlog_info", "xtrabackup_binlog_info")
STREAMED, CLEARING, FILLING, PLACED = "streamed", "clearing", "filling", "placed"


class Places(t.NamedTuple):
    """Folders of one seeding, each on the device of what it takes in."""

    stage: str
    old: str
    kept: str
    progress: str


def places(settings: Settings) -> Places:
    # Beside the data; within, where these are a file system of their own.
    data, logs = (
        f"{path}/.boxlift" if os.path.ismount(path) else path for path in (settings.data, settings.binary_logs)
    )
    return Places(f"{data}-seed", f"{data}-old", f"{logs}-kept", f"{data}-seed.json")


def stream(settings: Settings, peer: Peer) -> Chunks:
    """The primary's data as mariadb-backup writes them. Raises BoxliftError where they do not come whole."""
    link = settings.link
    tls = mutual_context(*(f"{link}/{name}" for name in ("authority.pem", "certificate.pem", "certificate.key")))
    try:
        plain = socket.create_connection((peer.seed_address, peer.seed_port), timeout=60)
        # A connection that was cut must not look like one that has ended.
        with plain, tls.wrap_socket(plain, server_hostname=peer.name, suppress_ragged_eofs=False) as secure:
            secure.settimeout(_SILENCE)
            while chunk := secure.recv(_CHUNK):
                yield chunk
    except (OSError, ssl.SSLError) as error:
        raise BoxliftError(
            f"The data of {peer.name} have not come whole: {error}.",
            "Look at it there: journalctl -u 'boxlift-seed@*' -u boxlift-link. Then run it again: it begins anew.",
        ) from error


def unpack(chunks: Chunks, folder: str) -> int:
    """Write the stream's files into an empty folder; its size. Raises BoxliftError."""
    size = 0
    with tempfile.TemporaryFile() as complaints:
        process = start(["mbstream", "-x", "-C", folder], stdin=subprocess.PIPE, stderr=complaints)
        sink = t.cast("t.IO[bytes]", process.stdin)
        try:
            for chunk in chunks:
                sink.write(chunk)
                size += len(chunk)
            sink.close()
            status = process.wait()
        except BrokenPipeError:
            status = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if status != 0:
            raise BoxliftError(
                f"The data could not be unpacked into {folder}. {complained(complaints)}",
                "If the disk is full, make room; else run it again.",
            )
    there = os.listdir(folder)
    absent = [names[-1] for names in _LAST if not set(names) & set(there)]
    if absent:
        raise BoxliftError(
            f"The data have not come whole: {', '.join(absent)} is missing.",
            "Look at the primary: journalctl -u 'boxlift-seed@*'. Then run it again.",
        )
    return size


def position_of(folder: str) -> str:
    """The GTID position of prepared data; empty where the primary had none."""
    for name in _POSITION:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as stream_:
                return (stream_.read().split("\n")[0].split("\t") + ["", "", ""])[2].strip()
    raise BoxliftError(
        "The data do not say at which position they are.", "Set log_bin on the primary: run the playbook provision."
    )


class Brought(t.NamedTuple):
    """The position of what was brought, where this host's own binary logs are now, and the term that it knew before."""

    position: str
    kept: str
    term: int = 0


def bring(
    settings: Settings,
    peer: Peer,
    run: Run,
    now: float,
    chunks: t.Callable[[Settings, Peer], Chunks] = stream,
    term: int = 0,
) -> Brought:
    """Put the peer's data in the place of this host's, and start its server.

    Run it again after whatever interrupted it. Raises BoxliftError.
    """
    place = places(settings)
    progress = state_file.read_json(place.progress) or {}
    if not progress:
        for folder in (place.stage, place.old):
            shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(place.stage, mode=0o700)
        try:
            unpack(chunks(settings, peer), place.stage)
            _must(run, ["mariadb-backup", "--prepare", f"--target-dir={place.stage}"], "The data cannot be prepared")
        except BaseException:
            # What is of no use must not fill the disk of a replica that still follows.
            shutil.rmtree(place.stage, ignore_errors=True)
            raise
        kept = f"{place.kept}/{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}"
        progress = {"phase": STREAMED, "position": position_of(place.stage), "kept": kept, "term": term}
        state_file.write_json(place.progress, progress)
    if progress["phase"] != PLACED:
        _must(run, ["systemctl", "stop", settings.service], f"{settings.service} does not stop")
        _place(settings, place, progress, run)
    _must(run, ["systemctl", "start", settings.service], f"{settings.service} does not start with the new data")
    return Brought(str(progress["position"]), str(progress["kept"]), int(progress.get("term", 0)))


def done(settings: Settings) -> None:
    """Remove what a seeding leaves, once the replica follows. The kept binary logs stay."""
    place = places(settings)
    for folder in (place.stage, place.old):
        shutil.rmtree(folder, ignore_errors=True)
    if os.path.exists(place.progress):
        os.unlink(place.progress)


def _place(settings: Settings, place: Places, progress: dict[str, t.Any], run: Run) -> None:
    """Old data out, new ones in. Each half may be killed and goes on: a phase is left when nothing is left to move."""
    if progress["phase"] == STREAMED:
        _must(run, ["chown", "-R", "mysql:mysql", place.stage], "The data cannot be given to mysql")
        progress["phase"] = CLEARING
        state_file.write_json(place.progress, progress)
    if progress["phase"] == CLEARING:
        _move(settings.data, place.old)
        _move(settings.binary_logs, progress["kept"])
        progress["phase"] = FILLING
        state_file.write_json(place.progress, progress)
    _move(place.stage, settings.data)
    progress["phase"] = PLACED
    state_file.write_json(place.progress, progress)


def _move(source: str, target: str) -> None:
    os.makedirs(target, mode=0o700, exist_ok=True)
    for name in os.listdir(source):
        if not name.startswith(".boxlift"):
            os.replace(os.path.join(source, name), os.path.join(target, name))


def _must(run: Run, command: t.Sequence[str], problem: str) -> None:
    status, output, error = run(command)
    if status != 0:
        said = (error or output).strip()[-600:]
        raise BoxliftError(
            f"{problem}: {said or f'status {status}'}.", "See its log (journalctl -e), then run it again."
        )

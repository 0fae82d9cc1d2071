# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole restore from a source of a fixed rate: how long after the last byte everything is in place.

Files and database, over TLS, with a database server of its own on the tmpfs. One more row: what Ansible adds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from bench.lines_archive import LIBRARY, make_backup, parts_of
from bench.lines_database import ask, server
from bench.row import Figure, Row
from lab.authority import Authority
from lab.cloud.server import CloudServer

SECONDS = 20.0  # that the download takes
CONNECTIONS = 4
SCRIPT = f"""
import json, sys, time
from {LIBRARY}.http.client import Client
from {LIBRARY}.http.tls import tls_context
from {LIBRARY}.download.fetch import Fetch
from {LIBRARY}.download.bandwidth import BandwidthLimit
from {LIBRARY}.download.request import FetchRequest
from {LIBRARY}.restore.database import StagedDatabase
from {LIBRARY}.restore.restore import Restore, RestoreRequest
from {LIBRARY}.restore.source import FetchedParts
from {LIBRARY}.sql.connection import Login
url, target, authority, socket = sys.argv[1:]
client = Client({{}}, 60, tls_context(authority, True))
wanted = FetchRequest(url, target + "/parts", None, {CONNECTIONS})
source = FetchedParts(lambda prove: Fetch(wanted, client, BandwidthLimit(None), prove=prove))
request = RestoreRequest(source.first, target + "/www", target + "/state", database_name="bench")
result = Restore(request, StagedDatabase(Login(unix_socket=socket), "bench"), source).run()
last = max(moments[1] for moments in source.fetched.values())
print(json.dumps([time.time() - last, result["files"], len(result["tables"])]))
"""


def lines(work: Path, size: str, pairs: int) -> t.Iterator[Row | Figure]:
    backup = make_backup(work, size, "tar.gz")
    (backup / "manifest.json").unlink()
    parts = parts_of(backup)
    authority = Authority(work / "tls")
    issued, total = authority.issue("127.0.0.1"), sum(part.stat().st_size for part in parts)
    target = work / "target"
    after = []
    with server(work / "server") as socket:
        for _run in range(pairs):
            shutil.rmtree(target, ignore_errors=True)
            ask(socket, "DROP DATABASE IF EXISTS bench; DROP DATABASE IF EXISTS bench_previous")
            rate = int(total / SECONDS / CONNECTIONS)  # of each connection
            with CloudServer(backup, certificate=issued.certificate, key=issued.key, rate=rate) as cloud:
                arguments = [f"{cloud.url}{parts[0].name}", str(target), str(authority.certificate), str(socket)]
                command = [sys.executable, "-c", SCRIPT, *arguments]
                said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            seconds, _files, tables = json.loads(said)
            if not tables:
                raise SystemExit("bench: no table was restored")
            after.append(seconds)
    what = (
        f"whole restore, files and database, {total >> 20} MiB over TLS in about {SECONDS:.0f} s: after the last byte"
    )
    yield Figure(what, after, "s", "5")
    yield overhead(parts[0], pairs)
    shutil.rmtree(target, ignore_errors=True)
    shutil.rmtree(backup)


def overhead(first: Path, pairs: int) -> Row:
    """The same verification as a module of ad-hoc Ansible, and by the library alone."""
    row = Row("verification as an Ansible task, watched", "the library alone", [], [])
    ansible = [str(Path(sys.executable).with_name("ansible")), "localhost", "-m", "boxlift.portal.backup_verify"]
    library = f"from {LIBRARY}.archive.verify import verify; assert verify({str(first)!r}).intact"
    for _pair in range(pairs):
        for command, found in (
            ([*ansible, "-a", f"path={first}"], row.ours),
            ([sys.executable, "-c", library], row.peers),
        ):
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "ANSIBLE_NOCOLOR": "1"})
            found.append(time.perf_counter() - began)
    return row

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fetch against aria2c over TLS, and the repair of damaged parts against a run without damage and against curl.

Needs aria2c, curl, nginx and pigz. The server limits the rate, as in real life; one row has no limit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import time
import typing as t
import urllib.request
from pathlib import Path

from bench.row import Row
from lab.archive_writer import Entry, write_archive
from lab.authority import Authority

MIB = 2**20
PARTS, PART_SIZE = 12, 16 * MIB
FAST_PART_SIZE = 64 * MIB  # for the row without a limit, so that starting a program is not most of what is measured
CONNECTIONS = 4
# Bytes per second of each connection: a line of 67 Mbit/s for the comparison, four times as much for the repair.
LINE, RATE = 2 * MIB, 8 * MIB
DAMAGED = (2, 6, 9)
PASSWORD = "bench"
LIBRARY = "ansible_collections.boxlift.portal.plugins.module_utils"
FETCH = f"""
import json, pickle, sys
from {LIBRARY}.http.client import Client
from {LIBRARY}.http.tls import tls_context
from {LIBRARY}.download.fetch import Fetch
from {LIBRARY}.download.bandwidth import BandwidthLimit
from {LIBRARY}.download.request import FetchRequest
url, dest, password, authority, known = sys.argv[1:]
scans = pickle.load(open(known, "rb")) if known else None
fetch = Fetch(
    FetchRequest(url, dest, password, {CONNECTIONS}),
    Client({{}}, 60, tls_context(authority, True)),
    BandwidthLimit(None),
    prove=(lambda index, path: scans[index]) if scans else None,
)
result = fetch.run()
assert result["intact"]
print(json.dumps([result["bytes_refetched"], len(result["repairs"])]))
"""
KNOWN = f"""
import os, pickle, sys
from {LIBRARY}.archive.parts import PartFiles, find_parts
from {LIBRARY}.archive.scan import scan_part
from {LIBRARY}.archive.stream import backup_cipher
parts = find_parts(sys.argv[1])
cipher = backup_cipher(parts, sys.argv[2])
pickle.dump({{index: scan_part(parts, cipher, index) for index in parts.present}}, open(sys.argv[3], "wb"))
"""


class Bench:
    """A backup of twelve parts, servers for it, and somewhere to fetch it to."""

    def __init__(self, work: Path, part_size: int) -> None:
        self.work = work
        self.folder, self.dest = work / "source", work / "dest"
        self.folder.mkdir(parents=True)
        noise = hashlib.shake_256(b"bench").digest(PARTS * part_size - part_size // 2)
        entries = [Entry(b"upload/noise.bin", data=noise)]
        self.parts = write_archive(entries, self.folder, "base", kind="enc.gz", part_limit=part_size, password=PASSWORD)
        authority = Authority(work / "tls")
        self.issued, self.authority = authority.issue("127.0.0.1"), authority.certificate
        self.known = work / "known"
        subprocess.run([sys.executable, "-c", KNOWN, str(self.parts[0]), PASSWORD, str(self.known)], check=True)

    def timed(self, command: list[str]) -> tuple[float, str]:
        shutil.rmtree(self.dest, ignore_errors=True)
        self.dest.mkdir()
        began = time.perf_counter()
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        return time.perf_counter() - began, said

    def ours(self, url: str, known: str = "") -> tuple[float, str]:
        address = url + self.parts[0].name
        return self.timed([sys.executable, "-c", FETCH, address, str(self.dest), PASSWORD, str(self.authority), known])

    def aria2(self, url: str) -> tuple[float, str]:
        links = self.work / "links"
        links.write_text("".join(f"{url}{part.name}\n" for part in self.parts))
        split = [f"-x{CONNECTIONS}", f"-s{CONNECTIONS}", f"-j{CONNECTIONS}", "--file-allocation=none", "--quiet"]
        trust = [f"--ca-certificate={self.authority}", "--no-conf", f"--dir={self.dest}", f"--input-file={links}"]
        return self.timed(["aria2c", *split, *trust])

    def classical(self, url: str) -> tuple[float, str]:
        """Download part by part and unpack. If that fails, find the damaged part, get it again, start over."""
        key = hashlib.md5(PASSWORD.encode(), usedforsecurity=False).hexdigest().encode().hex()
        names = " ".join(part.name for part in self.parts)
        get = f"curl --silent --show-error --fail --cacert {shlex.quote(str(self.authority))} -O {url}$part"
        script = f"""
            cd {shlex.quote(str(self.dest))}
            for part in {names}; do {get}; done
            while :; do
              rm -rf tree; mkdir tree
              cat {names} | pigz -dc 2>/dev/null | tail -c +513 |
                openssl enc -d -aes-256-ecb -K {key} -nosalt -nopad 2>/dev/null | tar x -C tree 2>/dev/null && break
              for part in {names}; do pigz -t $part 2>/dev/null || {{ {get}; break; }}; done
            done
        """
        return self.timed(["bash", "-o", "pipefail", "-c", script])


def lines(work: Path, pairs: int) -> t.Iterator[Row]:
    for tool in ("aria2c", "curl", "nginx", "pigz"):
        if not shutil.which(tool, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin"):
            raise SystemExit(f"bench: {tool} is missing: apt-get install {tool.replace('aria2c', 'aria2')}")
    with made(work / "fetch", PART_SIZE) as bench:
        yield from against_aria2(bench, pairs, LINE)
        yield from repair(bench, pairs)
    with made(work / "fetch", FAST_PART_SIZE) as bench:
        yield from against_aria2(bench, pairs, None)


@contextlib.contextmanager
def made(work: Path, part_size: int) -> t.Iterator[Bench]:
    try:
        yield Bench(work, part_size)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def against_aria2(bench: Bench, pairs: int, rate: int | None) -> t.Iterator[Row]:
    line = f"{CONNECTIONS} × {rate // MIB} MiB/s" if rate else "no limit"
    peer = f"aria2c -x{CONNECTIONS} -s{CONNECTIONS} -j{CONNECTIONS}"
    plain = Row(f"fetch only, {line}", peer, [], [])
    proven = Row(f"fetch and prove, {line}", peer, [], plain.peers)
    # nginx applies its limit in whole seconds, too coarse for ranges. The lab's server is even, and fast enough.
    with cloud(bench, {}, rate) if rate else nginx(bench) as url:
        for _pair in range(pairs):
            plain.ours.append(bench.ours(url, str(bench.known))[0])
            plain.peers.append(bench.aria2(url)[0])
            proven.ours.append(bench.ours(url)[0])
    yield plain
    yield proven


def repair(bench: Bench, pairs: int) -> t.Iterator[Row]:
    """One bit in each of three parts is wrong the first time that it is sent."""
    damaged: list[float] = []
    undamaged: list[float] = []
    classical: list[float] = []
    refetched = set()
    faults = {bench.parts[part].name: [{"kind": "bit_flip", "at": (part + 1) * MIB, "times": 1}] for part in DAMAGED}
    for _pair in range(pairs):
        with cloud(bench, faults) as url:
            seconds, said = bench.ours(url)
            damaged.append(seconds)
            refetched.add(tuple(json.loads(said)))
        with cloud(bench, {}) as url:
            undamaged.append(bench.ours(url)[0])
        with cloud(bench, faults) as url:
            classical.append(bench.classical(url)[0])
    ((size, repairs),) = refetched
    what = f"fetch and prove, {repairs} of {PARTS} parts damaged, {size / MIB:.2f} MiB fetched again"
    yield Row(what, "the same without damage", damaged, undamaged)
    yield Row(what, "curl one by one; cat | pigz | openssl | tar x; again from zero", damaged, classical)


@contextlib.contextmanager
def nginx(bench: Bench) -> t.Iterator[str]:
    port, conf = free_port(), bench.work / "nginx.conf"
    conf.write_text(
        f"""daemon off; pid {bench.work}/nginx.pid; error_log {bench.work}/nginx.log; worker_processes 1; user root;
        events {{ }}
        http {{ access_log off; client_body_temp_path {bench.work}/t; sendfile on; keepalive_requests 100000;
          proxy_temp_path {bench.work}/t; fastcgi_temp_path {bench.work}/t; uwsgi_temp_path {bench.work}/t;
          scgi_temp_path {bench.work}/t;
          server {{ listen 127.0.0.1:{port} ssl; root {bench.folder};
            ssl_certificate {bench.issued.certificate}; ssl_certificate_key {bench.issued.key}; }} }}"""
    )
    with running(["/usr/sbin/nginx", "-c", str(conf)], bench, port):
        yield f"https://127.0.0.1:{port}/"


@contextlib.contextmanager
def cloud(bench: Bench, faults: t.Mapping[str, t.Any], rate: int = RATE) -> t.Iterator[str]:
    """The lab's server: it can damage what it sends."""
    port, plan = free_port(), bench.work / "faults.json"
    plan.write_text(json.dumps(faults))
    command = [sys.executable, "-m", "lab.cloud.server", "--folder", str(bench.folder), "--faults", str(plan)]
    command += ["--certificate", str(bench.issued.certificate), "--key", str(bench.issued.key)]
    with running([*command, "--port", str(port), "--rate", str(rate)], bench, port):
        yield f"https://127.0.0.1:{port}/backup/"


@contextlib.contextmanager
def running(command: list[str], bench: Bench, port: int) -> t.Iterator[None]:
    with (bench.work / "server.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            context = ssl.create_default_context(cafile=str(bench.authority))
            deadline = time.monotonic() + 20
            while True:
                try:
                    address = f"https://127.0.0.1:{port}/"
                    urllib.request.urlopen(address, timeout=5, context=context).close()
                except urllib.error.HTTPError:
                    break  # it answers
                except OSError as error:
                    if time.monotonic() > deadline or server.poll() is not None:
                        said = (bench.work / "server.log").read_text()[-500:]
                        raise SystemExit(f"bench: the server did not start: {error}: {said}") from error
                    time.sleep(0.05)
                else:
                    break
            yield
        finally:
            server.terminate()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures a host: processor, disks, database, PHP and a short HTTP load. Files and tables it makes are removed."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import glob
import os
import random
import secrets
import shutil
import tempfile
import typing as t
import zlib

from ansible_collections.boxlift.portal.plugins.module_utils.acceptance.judge import AREAS, Measured, kinds_of
from ansible_collections.boxlift.portal.plugins.module_utils.acceptance.tools import MIB, read_fio, read_wrk
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import free_bytes
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows
from ansible_collections.boxlift.portal.plugins.module_utils.units import size
from ansible_collections.boxlift.portal.plugins.module_utils.workers import processors

Run = t.Callable[[t.Sequence[str]], "tuple[int, str, str]"]

SCRATCH = "boxlift_acceptance"
ROWS = 10000
CONNECTIONS = 16
PHP_PROGRAM = """
$end = microtime(true) + (float) $argv[1];
for ($steps = 0; microtime(true) < $end; $steps += 1000) {
    $names = [];
    for ($i = 0; $i < 1000; $i++) { $names['name' . ($i % 97)] = md5($i . $steps); }
    ksort($names);
    $text = str_replace('a', 'bb', implode(',', $names));
    if (unserialize(serialize($names)) !== $names || $text === '') { exit(1); }
}
echo $steps;
"""
PAGE = """<?php
for ($i = 0; $i < 500; $i++) { $names['name' . ($i % 97)] = md5((string) $i); }
ksort($names);
echo json_encode(['acceptance' => $names]);
"""


@dataclasses.dataclass(frozen=True)
class Place:
    """What is measured, and for how long."""

    directories: t.Sequence[str]
    document_root: str
    domain: str
    seconds: float
    disk_mib: int


@dataclasses.dataclass(frozen=True)
class Host:
    """Access to the host. `fetch` returns status and text of a path under the portal's name on this host."""

    run: Run
    clock: t.Callable[[], float]
    connect: t.Callable[[], t.Any]
    fetch: t.Callable[[str], tuple[int, str]]
    stat_path: str = "/proc/stat"


def measure(host: Host, place: Place, areas: t.Sequence[str]) -> list[Measured]:
    """Every figure of the areas, or the reason for its absence. Raises BoxliftError for an unknown area."""
    unknown = [area for area in areas if area not in AREAS]
    if unknown or not areas:
        raise BoxliftError(f"areas holds {', '.join(unknown) or 'nothing'}.", f"Known are {', '.join(AREAS)}.")
    found: list[Measured] = []
    for area in [area for area in AREAS if area in areas]:
        if area == "disk":
            for directory in one_for_each_disk(place.directories):
                found += attempt(area, functools.partial(disk, host, place, directory), directory)
        else:
            work = {"cpu": cpu, "database": database, "php": php, "http": http}[area]
            found += attempt(area, functools.partial(work, host, place))
    return found


def attempt(area: str, work: t.Callable[[], dict[str, float]], where: str = "") -> list[Measured]:
    reason, remedy = "the measurement gave no figure", ""
    try:
        figures = work()
    except BoxliftError as error:
        figures, reason, remedy = {}, error.message, error.remedy
    except OSError as error:
        figures, reason = {}, str(error)
    return [Measured(kind, figures.get(kind), reason, remedy, where) for kind in kinds_of(area)]


def one_for_each_disk(directories: t.Sequence[str]) -> list[str]:
    """The first directory on each file system; a missing one is kept, so that its finding says that it is missing."""
    first: dict[t.Any, str] = {}
    for directory in directories:
        first.setdefault(os.stat(directory).st_dev if os.path.isdir(directory) else directory, directory)
    if not first:
        raise BoxliftError("There is no directory whose disk could be measured.", "Name one in directories.")
    return list(first.values())


def cpu(host: Host, place: Place) -> dict[str, float]:
    cores = processors()
    text = _text()
    before = _ticks(host.stat_path)
    alone = _compressed(host, text, 1, place.seconds / 2)
    together = _compressed(host, text, cores, place.seconds / 2)
    after = _ticks(host.stat_path)
    spent = sum(after) - sum(before)
    figures = {"cpu.cores": float(cores), "cpu.speed": alone, "cpu.together": 100 * together / cores / alone}
    if spent > 0 and len(after) > 7:
        figures["cpu.stolen"] = 100 * (after[7] - before[7]) / spent
    return figures


def disk(host: Host, place: Place, directory: str) -> dict[str, float]:
    if not os.path.isdir(directory):
        raise BoxliftError(f"{directory} is no directory.", "Build the host first, or correct acceptance_directories.")
    needed = 2 * place.disk_mib * MIB
    free = free_bytes(directory)
    if free < needed:
        raise BoxliftError(
            f"{directory} has {size(free)} free, and {size(needed)} are wanted.",
            "Make room, or lower acceptance_disk_mb.",
        )
    for left in glob.glob(f"{glob.escape(directory)}/.boxlift-acceptance-*"):  # of a killed run
        shutil.rmtree(left)
    # The dot keeps web servers from showing it.
    folder = tempfile.mkdtemp(prefix=".boxlift-acceptance-", dir=directory)
    try:
        job = ["--name=acceptance", f"--filename={folder}/data", f"--size={place.disk_mib}M", "--time_based"]
        job += [f"--runtime={max(1, round(place.seconds))}", "--output-format=json"]
        fast = ["--direct=1", "--ioengine=libaio"]
        writing = _fio(host, [*job, *fast, "--rw=write", "--bs=1M", "--iodepth=4"], "write")
        reading = _fio(host, [*job, *fast, "--rw=randread", "--bs=4k", "--iodepth=16"], "read")
        # Each write waits for the disk, as the database's log does.
        durable = _fio(host, [*job, "--ioengine=psync", "--sync=dsync", "--rw=randwrite", "--bs=4k"], "write")
    finally:
        shutil.rmtree(folder)
    return {
        "disk.writing": writing.mib_per_second,
        "disk.reads": reading.per_second,
        "disk.latency": durable.p99_ms,
    }


def database(host: Host, place: Place) -> dict[str, float]:
    connection = host.connect()
    with contextlib.closing(connection):
        # A killed run may have left one.
        execute(connection, f"DROP DATABASE IF EXISTS {SCRATCH}")
        execute(connection, f"CREATE DATABASE {SCRATCH}")
        try:
            table = f"{SCRATCH}.rows_"
            execute(
                connection,
                f"CREATE TABLE {table} (id INT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(200)) ENGINE=InnoDB",
            )
            commits = _rate(
                host,
                place.seconds / 2,
                lambda: execute(connection, f"INSERT INTO {table} (title) VALUES (%s)", ["x" * 200]),
            )
            last = rows(connection, f"SELECT MAX(id) AS last FROM {table}")[0]["last"]
            dice = random.Random(1)
            reads = _rate(
                host,
                place.seconds / 2,
                lambda: rows(connection, f"SELECT title FROM {table} WHERE id = %s", [dice.randint(1, last)]),
            )
        finally:
            execute(connection, f"DROP DATABASE {SCRATCH}")
    return {"database.commits": commits, "database.reads": reads}


def php(host: Host, place: Place) -> dict[str, float]:
    seconds = max(1, round(place.seconds / 2))
    code, output, errors = host.run(["php", "-r", PHP_PROGRAM, str(seconds)])
    if code != 0 or not output.strip().isdigit():
        raise BoxliftError(
            f"php ended with {code}: {' '.join((errors or output).split())[:200]}",
            "Build the web server first (role web), or correct what php says.",
        )
    return {"php.speed": int(output) / seconds / 1000}


def http(host: Host, place: Place) -> dict[str, float]:
    for left in glob.glob(f"{glob.escape(place.document_root)}/boxlift-acceptance-*.php"):  # of a killed run
        os.unlink(left)
    # The name cannot be guessed while the page exists.
    name = f"boxlift-acceptance-{secrets.token_hex(16)}.php"
    path = os.path.join(place.document_root, name)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as page:
            page.write(PAGE)
            os.fchmod(page.fileno(), 0o644)
        status, text = host.fetch(f"/{name}")
        if status != 200 or not text.startswith('{"acceptance":'):
            raise BoxliftError(
                f"The web server of this host answers {status} for a page of PHP in {place.document_root}.",
                "Build the web server first (role web); its error.log says what is wrong.",
            )
        command = ["wrk", "--latency", "-t2", f"-c{CONNECTIONS}", f"-d{max(1, round(place.seconds))}s"]
        # With the port's number: wrk looks a missing one up in /etc/services, which a small host does not have.
        url = f"https://127.0.0.1:443/{name}"
        code, output, errors = host.run([*command, "-H", f"Host: {place.domain}", url])
    finally:
        os.unlink(path)
    if code != 0:
        raise BoxliftError(f"wrk ended with {code}: {' '.join((errors or output).split())[:200]}", "Run it by hand.")
    load = read_wrk(output)
    return {"http.requests": load.per_second, "http.latency": load.p99_ms, "http.errors": float(load.errors)}


def _fio(host: Host, options: t.Sequence[str], direction: str) -> t.Any:
    code, output, errors = host.run(["fio", *options])
    if code != 0:
        raise BoxliftError(f"fio ended with {code}: {' '.join((errors or output).split())[:200]}", "Run it by hand.")
    return read_fio(output, direction)


def _rate(host: Host, seconds: float, work: t.Callable[[], t.Any]) -> float:
    """Calls of `work` per second."""
    begin = host.clock()
    count = 0
    while host.clock() < begin + seconds:
        work()
        count += 1
    return count / (host.clock() - begin)


def _compressed(host: Host, text: bytes, threads: int, seconds: float) -> float:
    """MiB per second compressed by all threads together; zlib releases the interpreter's lock."""
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        rates = list(pool.map(lambda _n: _rate(host, seconds, lambda: zlib.compress(text, 6)), range(threads)))
    return sum(rates) * len(text) / MIB


def _text() -> bytes:
    """A text that is the same on every host, and as compressible as web pages."""
    dice = random.Random(1)
    words = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(2, 9))) for _word in range(2000)]
    return " ".join(dice.choices(words, k=60000)).encode()


def _ticks(path: str) -> list[int]:
    """Ticks of all cores: user, nice, system, idle, iowait, irq, softirq, steal."""
    with open(path, encoding="ascii") as stream:
        return [int(field) for field in stream.readline().split()[1:9]]

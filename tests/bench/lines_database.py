# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our import of a dump against `mariadb < dump.sql` and myloader: one server on a tmpfs, one dump, alternating runs.

The dump has the shape of a portal's: hundreds of small tables, and a few huge ones that hold nearly all of it.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import random
import resource
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from bench.row import Figure, Row
from lab.dump_writer import FLUSH_CHARS, Table
from lab.portal import data
from lab.portal.data.world import World

DUMP_BYTES = 300 * 1024 * 1024
SMALL_TABLES = 600
JOBS = 2
OURS, PEER, REFERENCE = "ours", "peer", "reference"
# The settings of the role `database` for a server with 2 GB.
SETTINGS = ["--innodb-buffer-pool-size=1G", "--innodb-log-file-size=256M", "--innodb-flush-log-at-trx-commit=2"]
SETTINGS += ["--max-allowed-packet=64M", "--innodb-strict-mode=OFF"]
# Without it the peers fail on rows with id 0, which the vendor's dump has.
SETTINGS += ["--sql-mode=NO_AUTO_VALUE_ON_ZERO"]
_COLLATION = "utf8mb4_unicode_ci"
_WORDS = ["заявка", "клиент", "счёт", "договор", "оплата", "звонок", "встреча", "order", "invoice", "call", "meeting"]


class Load(t.NamedTuple):
    """Seconds that a load took, and processor seconds of the server and of the program that feeds it."""

    seconds: float
    server: float
    program: float


class Huge(t.NamedTuple):
    """A huge table: its share of the dump, its definition, and a row's values as SQL."""

    share: float
    table: Table
    row: t.Callable[[random.Random, int], str]


def _body(columns: str, keys: str) -> str:
    lines = [line.strip() for line in (columns + keys).strip().splitlines()]
    return ",\n".join(f"  {line.rstrip(',')}" for line in lines)


def _text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(_WORDS, k=words)) + f" {rng.getrandbits(32):x}\\n\\'{rng.getrandbits(20)}\\'"


def _when(rng: random.Random) -> str:
    return f"'2025-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} {rng.randint(0, 23):02}:{rng.randint(0, 59):02}:00'"


def _message(rng: random.Random, item: int) -> str:
    return f"{item}, {rng.randint(1, 900)}, {rng.randint(1, 300)}, '{_text(rng, 12)}', NULL, {_when(rng)}, 0, 'N'"


def _timeline(rng: random.Random, item: int) -> str:
    return f"{item}, 6, {_when(rng)}, {rng.randint(1, 300)}, {rng.randint(1, 40000)}, 2, '{_text(rng, 20)}'"


# Columns of an activity that the bench leaves empty.
_EMPTY = ", NULL" * (len(data.schema()["b_crm_act"].columns) - 13)


def _activity(rng: random.Random, item: int) -> str:
    owner = f"{rng.randint(1, 40000)}, {rng.randint(1, 4)}, '{_text(rng, 5)}', 'Y', {rng.randint(1, 300)}"
    return (
        f"{item}, 2, 'CRM_EMAIL', {owner}, 1, {_when(rng)}, {_when(rng)}, '{_text(rng, 10)}', '{rng.getrandbits(99)}'"
        + _EMPTY
    )


def _field(rng: random.Random, item: int) -> str:
    return (
        f"{item}, 'CONTACT', {rng.randint(1, 90000)}, 'PHONE', 'WORK', 'PHONE_WORK', '+7{rng.randint(10**9, 10**10)}'"
    )


def _searched(rng: random.Random, item: int) -> str:
    return f"{item}, '{rng.getrandbits(128):032x}', '{_text(rng, 60)}'"


def huge_tables() -> list[Huge]:
    schema = data.schema()
    act = schema["b_crm_act"].body + ",\n  KEY `IX_ACT_1` (`RESPONSIBLE_ID`,`COMPLETED`,`CREATED`)"
    act += ",\n  KEY `IX_ACT_2` (`ORIGIN_ID`),\n  KEY `IX_ACT_3` (`SUBJECT`(100)),\n  KEY `IX_ACT_4` (`LAST_UPDATED`)"
    searched = schema["b_search_content_text"].body.replace("SEARCH_CONTENT", "ENTITY")
    return [
        Huge(0.35, schema["b_im_message"], _message),
        Huge(0.2, schema["b_crm_timeline"], _timeline),
        Huge(0.2, Table("b_crm_act", act, ()), _activity),
        Huge(0.1, schema["b_crm_field_multi"], _field),
        Huge(0.1, Table("b_crm_entity_text", searched, ()), _searched),
    ]


def make_dump(path: Path, size: int = DUMP_BYTES) -> None:
    """The same bytes every time. In the order of the tables' names, as the vendor's writer has them."""
    world = World()
    huge = {entry.table.name: entry for entry in huge_tables()}
    # Without BIT: the peers misread what the vendor writes for it.
    small = {name: table for name, table in data.schema().items() if name not in huge and "bit(" not in table.body}
    names = [f"b_module_{number:03}" for number in range(SMALL_TABLES - len(small))]
    like = list(small.values())
    small.update({name: Table(name, like[index % len(like)].body, ()) for index, name in enumerate(names)})
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.write(f"-- Started: {world.moment}\nSET NAMES 'utf8mb4';\n")
        for name in sorted([*small, *huge]):
            table = huge[name].table if name in huge else small[name]
            out.write(f"DROP TABLE IF EXISTS `{name}`;\nCREATE TABLE {table.create('utf8mb4', _COLLATION)};\n\n")
            rows = _huge_rows(huge[name], size) if name in huge else _small_rows(table, world)
            for block in _blocks(rows):
                out.write(f"INSERT INTO `{name}` VALUES\n" + ",\n".join(block) + ";\n")
        out.write(f"-- Finished: {world.moment}")


def _huge_rows(huge: Huge, size: int) -> t.Iterator[str]:
    rng = random.Random(huge.table.name)
    written = item = 0
    while written < size * huge.share:
        item += 1
        row = f"({huge.row(rng, item)})"
        written += len(row.encode()) + 2
        yield row


def _small_rows(table: Table, world: World) -> t.Iterator[str]:
    for row in data.ROWS[table.name](world) if table.name in data.ROWS else ():
        values = zip(table.columns, table.values(row))
        yield "(" + ", ".join(column.sql(value) for column, value in values) + ")"


def _blocks(rows: t.Iterator[str]) -> t.Iterator[list[str]]:
    block: list[str] = []
    length = 0
    for row in rows:
        block.append(row)
        length += len(row) + 2
        if length > FLUSH_CHARS:
            yield block
            block, length = [], 0
    if block:
        yield block


@contextlib.contextmanager
def server(base: Path) -> t.Iterator[Path]:
    """A server of our own; the path of its socket."""
    shutil.rmtree(base, ignore_errors=True)
    (base / "tmp").mkdir(parents=True)
    paths = ["--no-defaults", f"--datadir={base}/data", f"--tmpdir={base}/tmp", f"--user={getpass.getuser()}"]
    path = f"{os.environ['PATH']}:/usr/sbin"
    installer, daemon = shutil.which("mariadb-install-db", path=path), shutil.which("mariadbd", path=path)
    if installer is None or daemon is None:
        raise SystemExit("bench: MariaDB is missing: apt-get install mariadb-server")
    install = [installer, *paths, *SETTINGS[:2], "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    socket = base / "socket"
    with (base / "log").open("wb") as log:
        process = subprocess.Popen(
            [daemon, *paths, *SETTINGS, f"--socket={socket}", "--skip-networking", f"--pid-file={base}/pid"],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + 60
        while subprocess.run(
            ["mariadb-admin", f"--socket={socket}", "ping"], capture_output=True, check=False
        ).returncode:
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"bench: the server did not start:\n{(base / 'log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield socket
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(base)


def ask(socket: Path, text: str) -> str:
    command = ["mariadb", f"--socket={socket}", "--batch", "--skip-column-names", "--execute", text]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def checksums(socket: Path, database: str) -> list[str]:
    """A checksum of every table; the loads must agree."""
    names = ask(socket, f"SHOW TABLES FROM {database}").split()
    found = ask(socket, f"USE {database}; CHECKSUM TABLE {', '.join(f'`{name}`' for name in names)}")
    return [line.partition(".")[2] for line in found.splitlines()]


def load(socket: Path, database: str, command: list[str], stdin: Path | None = None) -> Load:
    """A load into an empty database of an idle server."""
    ask(socket, f"DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database} COLLATE {_COLLATION}")
    _settle(socket)
    before = (time.perf_counter(), _server_used(socket), _programs_used())
    with open(stdin or os.devnull, "rb") as source:
        subprocess.run(command, check=True, stdin=source)
    after = (time.perf_counter(), _server_used(socket), _programs_used())
    return Load(*(end - begin for begin, end in zip(before, after)))


def _server_used(socket: Path) -> float:
    """Seconds of processors since it was started."""
    process = int((socket.parent / "pid").read_text())
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _programs_used() -> float:
    """Seconds of processors of all that ran for this process and has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _settle(socket: Path) -> None:
    """Wait for purge and page flushing, so that the next run does not pay for the last one."""
    quick = "GLOBAL innodb_io_capacity_max = 20000, GLOBAL innodb_io_capacity = 20000"
    ask(socket, f"SET {quick}, GLOBAL innodb_max_dirty_pages_pct = 0")
    until = time.monotonic() + 60
    while int(ask(socket, "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'").split()[1]) > 100:
        if time.monotonic() > until:
            raise SystemExit("bench: the server does not come to rest")
        time.sleep(0.1)
    slow = "GLOBAL innodb_io_capacity = 200, GLOBAL innodb_io_capacity_max = 2000"
    ask(socket, f"SET {slow}, GLOBAL innodb_max_dirty_pages_pct = 90")


def lines(work: Path, pairs: int) -> t.Iterator[Row | Figure]:
    if shutil.which("myloader") is None:
        raise SystemExit("bench: a tool is missing: apt-get install mydumper")
    work.mkdir(parents=True, exist_ok=True)
    dump, mydump = work / "portal.sql", work / "mydump"
    make_dump(dump)
    with server(work / "server") as socket:
        login = f"--socket={socket}"
        load(socket, REFERENCE, ["mariadb", login, REFERENCE], dump)
        expected = checksums(socket, REFERENCE)
        shutil.rmtree(mydump, ignore_errors=True)
        subprocess.run(["mydumper", login, "--database", REFERENCE, "--outputdir", str(mydump)], check=True)
        library = "ansible_collections.boxlift.portal.plugins.module_utils.sql"
        ours = (
            f"from {library} import connection\n"
            f"from {library}.dump.files import feed_files\n"
            f"from {library}.load.importer import Importer\n"
            f"login = connection.Login(unix_socket={str(socket)!r})\n"
            f"target = Importer(lambda: connection.connect(login, {OURS!r}), jobs={JOBS})\n"
            f"feed_files(target, [{str(dump)!r}])\n"
            "target.finish()"
        )
        myloader = ["myloader", login, "--directory", str(mydump), "--database", PEER, "--threads", str(JOBS)]
        peers: dict[str, tuple[list[str], Path | None]] = {
            "mariadb < dump.sql": (["mariadb", login, PEER], dump),
            f"myloader --threads {JOBS}": (myloader, None),
        }
        what = f"import of {dump.stat().st_size >> 20} MiB of SQL"
        found: dict[str, list[Load]] = {who: [] for who in (OURS, *peers)}
        rows = {peer: Row(what, peer, [], []) for peer in peers}
        for _pair in range(pairs):
            for peer, (command, stdin) in peers.items():
                found[OURS].append(load(socket, OURS, [sys.executable, "-c", ours]))
                found[peer].append(load(socket, PEER, command, stdin))
                rows[peer].ours.append(found[OURS][-1].seconds)
                rows[peer].peers.append(found[peer][-1].seconds)
                for database in (OURS, PEER):
                    if checksums(socket, database) != expected:
                        raise SystemExit(f"bench: {database} does not hold what the dump holds")
        yield from rows.values()
        for who, loads in found.items():
            profile = f"profile of the import, time of all processors, {who}"
            yield Figure(f"{profile}: the server", [each.server for each in loads], "s", "")
            yield Figure(f"{profile}: what feeds it", [each.program for each in loads], "s", "")
    shutil.rmtree(mydump)
    dump.unlink()

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No module ends in a traceback, whatever the database answers: each error at each place of the code that asks it."""

from __future__ import annotations

import collections
import itertools
import json
import pathlib
import sys
import threading
import typing as t

import pymysql
import pytest
from ansible_collections.boxlift.portal.plugins.modules import (
    backup_restore,
    database_import,
    host_acceptance,
    portal_compare,
    portal_copy,
    portal_health,
    portal_info,
    portal_neutralize,
    portal_option,
    portal_site,
)
from lab.archive_writer import Entry, write_archive
from unit.plugins.module_utils.health import toy_fixtures
from unit.plugins.module_utils.health.toy_portal import DOMAIN
from unit.plugins.module_utils.portal import loud
from unit.plugins.module_utils.sql import samples

from .test_host_acceptance import EASY

portal_server = toy_fixtures.portal_server
portal = toy_fixtures.portal

CODES = (
    *(3, 28, 126, 144, 145, 1006, 1008, 1020, 1021, 1026, 1030, 1034, 1035, 1036, 1038, 1040, 1041, 1044, 1045, 1049),
    *(1053, 1054, 1062, 1064, 1114, 1129, 1130, 1142, 1143, 1146, 1153, 1159, 1193, 1194, 1203, 1205, 1213, 1217),
    *(1223, 1226, 1227, 1267, 1273, 1290, 1305, 1317, 1366, 1406, 1451, 1698, 1712, 1792, 1834, 1836, 1927, 1932),
    *(1969, 2006, 2013, 2014, 2055, 3024, 4031),
)
LOST = {1053, 1159, 1927, 2006, 2013, 2014, 2055, 4031}
Place = tuple[str, int]
Statement = tuple[str, int, int]
# Of the statements that one place sends, so many are tried: the first ones, which differ most.
MOST_OF_A_PLACE = 3
Run = t.Callable[[], "dict[str, t.Any]"]


def place() -> Place | None:
    """File and line of the collection's code that asks the database, above the functions that all of it uses."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if "/plugins/" in name and "/tests/" not in name and not name.endswith(("sql/connection.py", "sql/failure.py")):
            return name.rpartition("/plugins/")[2], frame.f_lineno
        frame = t.cast(t.Any, frame.f_back)
    return None


class Server:
    """Between PyMySQL and the server: notes the places that ask, and fails at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: dict[Statement, None] = {}
        self.used: set[t.Any] = set()
        self._counts: collections.Counter[Place] = collections.Counter()
        self._at: Statement | None = None
        self._code = 0
        self._lock = threading.Lock()
        self.hit = False
        real = pymysql.connections.Connection._execute_command

        def execute(conn: t.Any, *args: t.Any) -> t.Any:
            here = place()
            with self._lock:
                now = False
                if here is not None:
                    self.used.add(conn)
                    self._counts[here] += 1
                    statement = (*here, self._counts[here])
                    if self._counts[here] <= MOST_OF_A_PLACE:
                        self.seen.setdefault(statement)
                    now = statement == self._at
                    self.hit = self.hit or now
            if now:
                if self._code in LOST:
                    conn._force_close()
                raise pymysql.err.OperationalError(self._code, f"The server's words for {self._code}")
            return real(conn, *args)

        monkeypatch.setattr(pymysql.connections.Connection, "_execute_command", execute)

    def fail(self, at: Statement, code: int) -> None:
        self._counts.clear()
        self.used.clear()
        self._at, self._code, self.hit = at, code, False

    def heal(self) -> None:
        self._at = None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


def try_all(server: Server, run: Run, codes: t.Iterator[t.Sequence[int]], fewest: int) -> None:
    """Run once well, then once for each place and code; every failure says what to do."""
    first = run()
    assert not first["failed"], first
    places, failures, hits = list(server.seen), 0, 0
    assert len(places) >= fewest, places
    for where in places:
        for code in next(codes):
            server.fail(where, code)
            result = run()
            server.heal()
            hits += server.hit
            # A module's process would end them; whoever calls the library twice runs out of connections.
            assert not [conn for conn in server.used if conn.open], (where, code)
            told = json.dumps(result)
            assert "Traceback" not in told and "pymysql" not in told, (where, code)
            if result["failed"] and "findings" not in result:
                failures += 1
                # A connection that is lost while the module asks who else is there is named by its next statement.
                named = str(code) in told or (code in LOST and "connection was lost" in told)
                assert result["remedy"] and named, (where, code, result)
    assert hits >= fewest - 2 and failures >= fewest // 2, (hits, failures, len(places))


def one_each() -> t.Iterator[t.Sequence[int]]:
    return iter([code] for code in itertools.cycle(CODES))


def every() -> t.Iterator[t.Sequence[int]]:
    return itertools.repeat(CODES)


HOW = [pytest.param(one_each, marks=pytest.mark.slow, id="one"), pytest.param(every, marks=pytest.mark.soak, id="all")]


def test_the_list_is_long_enough() -> None:
    assert len(set(CODES)) == len(CODES) >= 40


@pytest.fixture
def number() -> t.Iterator[int]:
    return itertools.count(1)


@pytest.mark.parametrize("how", HOW)
def test_portal_option(portal: t.Any, run_module: t.Any, server: Server, number: t.Any, how: t.Any) -> None:
    def run() -> t.Any:
        options = {"nginx": str(next(number)), f"new{next(number)}": "x"}
        return run_module(portal_option, document_root=str(portal.root), module="pull", options=options)

    try_all(server, run, how(), 5)


@pytest.mark.parametrize("how", HOW)
def test_portal_site(portal: t.Any, run_module: t.Any, server: Server, number: t.Any, how: t.Any) -> None:
    def run() -> t.Any:
        return run_module(portal_site, document_root=str(portal.root), domain=f"n{next(number)}.test")

    try_all(server, run, how(), 12)


@pytest.mark.parametrize("how", HOW)
def test_portal_info(portal: t.Any, run_module: t.Any, server: Server, how: t.Any) -> None:
    try_all(server, lambda: run_module(portal_info, document_root=str(portal.root)), how(), 4)


@pytest.mark.parametrize("how", HOW)
def test_portal_compare(portal: t.Any, run_module: t.Any, server: Server, how: t.Any) -> None:
    def run() -> t.Any:
        return run_module(portal_compare, document_root=str(portal.root), salt="a-salt-of-sixteen-characters")

    try_all(server, run, how(), 5)


@pytest.mark.parametrize("how", HOW)
def test_portal_neutralize(
    portal: t.Any, run_module: t.Any, server: Server, tmp_path: pathlib.Path, how: t.Any
) -> None:
    mark = tmp_path / "mark.json"
    mark.write_text(json.dumps({"domain": "copy.test", "production_domain": DOMAIN}))
    dbconn = portal.root / "bitrix/php_interface/dbconn.php"
    content = dbconn.read_bytes()

    def run() -> t.Any:
        dbconn.write_bytes(content)
        loud.fill(portal)
        try:
            wanted = {"confirm_domain": "copy.test", "mail_to": "trap@sink.test", "mark": str(mark)}
            return run_module(portal_neutralize, document_root=str(portal.root), **wanted)
        finally:
            server.heal()
            loud.clear(portal)

    try_all(server, run, how(), 8)


@pytest.mark.parametrize("how", HOW)
def test_portal_health(portal: t.Any, run_module: t.Any, server: Server, how: t.Any) -> None:
    areas = ["database", "agents", "identity", "content", "licence", "modules"]

    def run() -> t.Any:
        result = run_module(portal_health, document_root=str(portal.root), areas=areas, fail_on="never")
        for finding in result.get("findings", []):
            assert "Error: " not in finding["observed"], finding
            assert finding["status"] != "unknown" or finding["remedy"], finding
        return result

    first = run()
    assert not first["failed"]
    places = list(server.seen)
    codes = how()
    for where in places:
        for code in next(codes):
            server.fail(where, code)
            assert not run()["failed"]
            server.heal()
    assert len(places) > 15


@pytest.mark.parametrize("how", HOW)
def test_portal_copy(
    mariadb: t.Any, run_module: t.Any, server: Server, tmp_path: pathlib.Path, number: t.Any, how: t.Any
) -> None:
    source, copy = mariadb.fresh_database("source"), mariadb.fresh_database("copy")
    production = mariadb.connect(source)
    production.query("CREATE TABLE a (id INT PRIMARY KEY, x TEXT)")
    production.query("CREATE VIEW v AS SELECT 1 AS n")
    (tmp_path / "files").mkdir()

    def run() -> t.Any:
        return run_module(
            portal_copy,
            source={
                "database_command": ["socat", "STDIO", f"UNIX-CONNECT:{mariadb.login.unix_socket}"],
                "files_command": ["rsync", "--archive", f"{tmp_path}/files/", f"{tmp_path}/copied/"],
                "name": source,
                "login_user": "root",
            },
            database={"unix_socket": mariadb.login.unix_socket, "name": copy},
        )

    def changed() -> t.Any:
        n = next(number)
        for text in (
            f"REPLACE INTO a VALUES ({n}, 'x'), (1, '{n}')",
            f"CREATE OR REPLACE VIEW v AS SELECT {n} AS n",
            "DROP TABLE IF EXISTS c",
            f"CREATE TABLE c (x{n} INT)",
        ):
            production.query(text)
        other = mariadb.connect(copy)
        other.query("CREATE TABLE IF NOT EXISTS superfluous (x INT)")
        other.close()
        return run()

    try_all(server, changed, how(), 15)


@pytest.mark.parametrize("how", HOW)
def test_database_import(mariadb: t.Any, run_module: t.Any, server: Server, tmp_path: pathlib.Path, how: t.Any) -> None:
    for name, data in samples.FILES.items():
        (tmp_path / name).write_bytes(data)

    def run() -> t.Any:
        live = mariadb.fresh_name("portal")
        database = {"unix_socket": mariadb.login.unix_socket, "name": live}
        return run_module(database_import, dump=[str(tmp_path / "d.sql")], database=database, jobs=2, diff=True)

    try_all(server, run, how(), 25)


@pytest.mark.parametrize("how", HOW)
def test_backup_restore(
    mariadb: t.Any, run_module: t.Any, server: Server, tmp_path: pathlib.Path, number: t.Any, how: t.Any
) -> None:
    dump = samples.FILES["d.sql"]
    if b"-- Finished" not in dump:
        dump += b"\n-- Finished: 2026-04-13 12:00:01"
    entries = [Entry(b"bitrix/backup/base.sql", data=dump), Entry(b"index.php", data=b"<?php", mode=0o640)]
    source = write_archive(entries, tmp_path, "base")[0]

    def run() -> t.Any:
        folder = tmp_path / str(next(number))
        return run_module(
            backup_restore,
            source=str(source),
            document_root=str(folder / "site" / "www"),
            state_dir=str(folder / "state"),
            database={"unix_socket": mariadb.login.unix_socket, "name": mariadb.fresh_name("portal")},
            keep_previous=False,
        )

    try_all(server, run, how(), 15)


@pytest.mark.parametrize("how", HOW)
def test_host_acceptance(mariadb: t.Any, run_module: t.Any, server: Server, how: t.Any) -> None:
    def run() -> t.Any:
        return run_module(
            host_acceptance,
            areas=["database"],
            thresholds=EASY,
            seconds=0.05,
            database_socket=mariadb.login.unix_socket,
        )

    first = run()
    if first["failed"]:
        pytest.fail(str(first))
    codes = how()
    for where in list(server.seen):
        for code in next(codes):
            server.fail(where, code)
            result = run()
            server.heal()
            assert not result["failed"] and "pymysql" not in json.dumps(result), (where, code, result)

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an address to the live tree and database in one go: parts are put to use while others still come."""

from __future__ import annotations

import functools
import json
import random
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.restore import room
from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows
from ansible_collections.boxlift.portal.plugins.modules import backup_restore, backup_verify
from lab.archive_writer import Entry, write_archive
from lab.cloud.faults import Fault
from lab.cloud.server import CloudServer

from ..module_utils.restore.kills import complete, kill
from ..module_utils.restore.test_restore_database import digests, dump
from ..module_utils.restore.test_restore_files import tree_of

KILLS_PER_ROUND = 7
FILES = 601


class Site:
    """A backup at the simulated cloud, and a host to bring it to."""

    def __init__(self, tmp_path: Path, tls: t.Any, mariadb: t.Any) -> None:
        self.place, self.tls, self.mariadb = tmp_path, tls, mariadb
        self.folder = tmp_path / "cloud"
        self.folder.mkdir()
        noise = random.Random(7)
        entries = [
            Entry(b"bitrix/backup/base.sql", data=dump(tables=6)),
            *(Entry(b"d%d/%d" % (n % 9, n), data=noise.randbytes(3000), mtime=n) for n in range(300)),
            Entry(b"large.bin", data=noise.randbytes(900_000), mtime=3),
            *(Entry(b"e%d/%d" % (n % 9, n), data=noise.randbytes(3000), mtime=n) for n in range(300)),
        ]
        self.parts = write_archive(entries, self.folder, "base", part_limit=300_000)

    def cloud(self, rate: int | None = None, faults: dict[str, list[Fault]] | None = None) -> CloudServer:
        return CloudServer(
            self.folder, certificate=self.tls.certificate, key=self.tls.key, faults=faults or {}, rate=rate
        )

    def params(self, cloud: CloudServer, name: str, database: str) -> dict[str, t.Any]:
        login = self.mariadb.login
        return {
            "source": f"{cloud.url}{self.parts[0].name}",
            "document_root": str(self.place / name / "www"),
            "state_dir": str(self.place / f"{name}-state"),
            "ca_path": str(self.tls.authority),
            "database": {"unix_socket": login.unix_socket, "login_user": login.user, "name": database},
        }


@pytest.fixture
def site(tmp_path: Path, tls: t.Any, mariadb: t.Any) -> Site:
    return Site(tmp_path, tls, mariadb)


def test_everything_is_put_to_use_while_it_comes(site: Site, run_module: t.Any) -> None:
    name = site.mariadb.fresh_name("portal")
    size = sum(part.stat().st_size for part in site.parts)
    with site.cloud(rate=size // 4) as cloud:
        params = site.params(cloud, "a", name)
        assert run_module(backup_restore, check=True, **params)["changed"]
        manifest = site.place / "base.manifest.json"
        result = run_module(backup_restore, manifest=str(manifest), **params)
        assert not result["failed"], result
        parts = site.place / "a-state" / "parts" / site.parts[0].name
        assert run_module(backup_verify, path=str(parts), manifest=str(manifest))["intact"]
        assert (result["files"], result["fetch"]["bytes_fetched"], result["fetch"]["repairs"]) == (601, size, [])
        last_byte = max(row["fetched"][1] for row in result["timeline"])
        early = [row for row in result["timeline"] if row["placed"][1] < last_byte]
        assert len(early) >= len(site.parts) // 2
        served = len(cloud.served)
        again = run_module(backup_restore, **params)
        assert not again["changed"]
        assert not run_module(backup_restore, check=True, **params)["changed"]
        assert len(cloud.served) == served
    local = {**params, "source": str(site.parts[0]), "document_root": str(site.place / "b" / "www")}
    local["state_dir"], other = str(site.place / "b-state"), site.mariadb.fresh_name("portal")
    local["database"] = {**params["database"], "name": other}
    assert run_module(backup_restore, **local)["fetch"] is None
    assert files_of(site.place / "a" / "www") == files_of(site.place / "b" / "www")
    assert digests(site.mariadb, name) == digests(site.mariadb, other)


def files_of(root: Path) -> dict[bytes, t.Any]:
    """Folders that the archive only implies have the time at which they were made."""
    return {path: (seen if seen[0] else seen[:2]) for path, seen in tree_of(root).items()}


@pytest.mark.parametrize("index", (0, 3, -1))
def test_damage_on_the_way_is_repaired_on_the_way(site: Site, run_module: t.Any, index: int) -> None:
    name = site.mariadb.fresh_name("portal")
    part = site.parts[index]
    with site.cloud(faults={part.name: [Fault("bit_flip", at=part.stat().st_size // 2)]}) as cloud:
        result = run_module(backup_restore, **site.params(cloud, "a", name))
    assert not result["failed"], result
    assert [repair["name"] for repair in result["fetch"]["repairs"]] == [part.name]
    assert result["files"] == 601


def test_what_would_stop_the_switch_is_said_before_the_first_byte(site: Site, run_module: t.Any) -> None:
    name = site.mariadb.fresh_database("portal")
    conn = site.mariadb.connect()
    execute(conn, "CREATE USER poor IDENTIFIED BY 'canary'")
    for suffix in ("", r"\_staging", r"\_previous"):
        execute(conn, "GRANT ALL ON `{}`.* TO poor".format(name.replace("_", r"\_") + suffix))
    execute(conn, f"CREATE TABLE {name}.b_user (ID int PRIMARY KEY)")
    with site.cloud() as cloud:
        params = site.params(cloud, "a", name)
        socket = params["database"]["unix_socket"]
        for database, said in (
            ({"unix_socket": socket, "login_user": "nobody"}, "nobody at "),
            (
                {"unix_socket": socket, "login_user": "poor", "login_password": "canary"},
                "GRANT ALL PRIVILEGES ON `{}`.* TO 'poor'".format(name.replace("_", r"\_") + r"\_previous\_%"),
            ),
        ):
            result = run_module(backup_restore, **{**params, "database": {**database, "name": name}})
            assert result["failed"] and said in result["msg"]
        execute(conn, f"CREATE TRIGGER {name}.watch BEFORE INSERT ON {name}.b_user FOR EACH ROW SET @seen = 1")
        assert "1 triggers hang on them" in run_module(backup_restore, **params)["msg"]
        execute(conn, f"DROP TRIGGER {name}.watch")
        execute(conn, f"INSERT INTO {name}.b_user VALUES (1)")
        assert "is in use, and no restore has put it there: 1 users" in run_module(backup_restore, **params)["msg"]
        assert cloud.served == []
    assert schema.tables(conn, name) == ["b_user"] == schema.objects(conn, name, views=False)
    found = {row["d"] for row in rows(conn, "SELECT SCHEMA_NAME AS d FROM information_schema.SCHEMATA")}
    assert not found & {f"{name}_staging", f"{name}_previous_1"}


def test_a_disk_that_is_too_small_is_seen_by_the_first_bytes(
    site: Site, run_module: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = site.mariadb.fresh_name("portal")
    monkeypatch.setattr(room, "free_bytes", lambda _place: 500_000)
    with site.cloud() as cloud:
        result = run_module(backup_restore, **site.params(cloud, "a", name))
    assert result["failed"]
    assert re.search(r"has 488 KiB free, and the backup holds \d\.\d MiB, of which at least half", result["msg"])
    assert not (site.place / "a" / "www").exists()


def test_a_dump_that_is_refused_ends_the_download(site: Site, run_module: t.Any) -> None:
    for part in site.parts:
        part.unlink()
    entries = [Entry(b"bitrix/backup/base.sql", data=b"DROP DATABASE mysql;\n-- Finished: 2026-04-13 12:00:00")]
    entries += [Entry(b"d/%d" % n, data=random.Random(n).randbytes(3000)) for n in range(900)]
    site.parts = write_archive(entries, site.folder, "base", part_limit=300_000)
    size = sum(part.stat().st_size for part in site.parts)
    with site.cloud(rate=size // 8) as cloud:
        result = run_module(backup_restore, **site.params(cloud, "a", site.mariadb.fresh_name("portal")))
    assert result["failed"]
    assert "base.sql" in result["msg"]
    assert sum(request.sent for request in cloud.served) < size
    assert not (site.place / "a" / "www").exists()


SCRIPT = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from ansible_collections.boxlift.portal.plugins.module_utils.restore import dumpfeed, restore, sink
from ansible_collections.boxlift.portal.plugins.modules import backup_restore
restore.CHECKPOINT_SECONDS, sink.NOTE_SECONDS, dumpfeed.NOTE_SECONDS = 0.05, 0.02, 0.02
print(backup_restore.run(json.loads(sys.argv[2]), False)["files"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("most", [KILLS_PER_ROUND, pytest.param(20, marks=pytest.mark.soak)])
def test_killed_again_and_again(site: Site, most: int) -> None:
    """`kill -9` at random moments, from the first request to the switch: the outcome is that of a quiet run."""
    quiet = site.mariadb.fresh_name("portal")
    size = sum(part.stat().st_size for part in site.parts)
    defaults = {
        "owner": None,
        "group": None,
        "password": None,
        "jobs": 2,
        "exclude": [],
        "keep_previous": True,
        "confirm_domain": None,
        "umask": "0000",
        "judge_settings": False,
        "names": "utf8",
        "elsewhere": {},
    }
    defaults |= {
        "parts": None,
        "progress": None,
        "manifest": None,
        "connections": 3,
        "mirrors": [],
        "expected": None,
        "headers": {},
    }
    defaults |= {"bandwidth_limit": None, "bandwidth_schedule": [], "timeout": 20, "validate_certs": True}
    with site.cloud(rate=size // 3) as cloud:

        def start(place: str, name: str) -> subprocess.Popen[str]:
            params = {**defaults, **site.params(cloud, place, name)}
            params["database"] = {"host": "localhost", "port": 3306, "login_password": None, **params["database"]}
            command = [sys.executable, "-c", SCRIPT, json.dumps(sys.path), json.dumps(params)]
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        seconds = complete(functools.partial(start, "quiet", quiet), FILES)
        moments, kills, rounds = random.Random(3), 0, 0
        while kills < most:
            rounds += 1
            place, name = f"killed{rounds}", site.mariadb.fresh_name("portal")
            begin = functools.partial(start, place, name)
            pause = functools.partial(moments.uniform, 0.3 * seconds, seconds)
            kills += kill(begin, site.place / place / "www", pause, min(rounds * KILLS_PER_ROUND, most) - kills)
            complete(begin, FILES)
            assert files_of(site.place / place / "www") == files_of(site.place / "quiet" / "www")
            assert digests(site.mariadb, name) == digests(site.mariadb, quiet)


def test_a_wrong_password_is_told_at_the_first_part(site: Site, run_module: t.Any) -> None:
    for part in site.parts:
        part.unlink()
    entries = [Entry(b"d/%d" % n, data=random.Random(n).randbytes(3000)) for n in range(200)]
    site.parts = write_archive(entries, site.folder, "base", kind="enc.gz", part_limit=300_000, password="right")
    with site.cloud() as cloud:
        params = {**site.params(cloud, "a", "unused"), "database": None}
        result = run_module(backup_restore, password="wrong", **params)
        assert result["failed"]
        assert "password" in result["msg"]
        assert result["remedy"]
        assert run_module(backup_restore, password="right", **params)["files"] == 200


@pytest.mark.parametrize("part_limit", (1536, 1 << 20))
def test_what_is_excluded_never_blocks_a_download(
    tmp_path: Path, tls: t.Any, run_module: t.Any, part_limit: int
) -> None:
    """Nor does a name that is there twice, or one that no disk holds; the fetch judges as the restore does."""
    (tmp_path / "cloud").mkdir()
    (tmp_path / "inner").mkdir()
    inner = [Entry(b"bad\\inner%d" % number, data=b"%d" % number * 300) for number in range(9)]
    packed = write_archive(inner, tmp_path / "inner", "inner", kind="tar")[0].read_bytes()
    entries = [Entry(b"bad\\name", data=b"1"), Entry(b"d/a", data=b"old"), Entry(b"upload/copy.tar", data=packed)]
    entries += [Entry(b"l" * 300, data=b"long"), Entry(b"d/a", data=b"new")]
    parts = write_archive(entries, tmp_path / "cloud", "base", part_limit=part_limit)
    with CloudServer(tmp_path / "cloud", certificate=tls.certificate, key=tls.key, faults={}) as cloud:
        result = run_module(
            backup_restore,
            source=f"{cloud.url}{parts[0].name}",
            ca_path=str(tls.authority),
            document_root=str(tmp_path / "site" / "www"),
            state_dir=str(tmp_path / "state"),
            exclude=["bad*"],
        )
    assert not result["failed"], result["msg"]
    assert (result["files"], result["excluded"]) == (3, 1)
    assert (tmp_path / "site" / "www" / "d" / "a").read_bytes() == b"new"
    assert (tmp_path / "site" / "www" / "upload" / "copy.tar").read_bytes() == packed

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`kill -9` at random moments of real processes, again and again: the outcome is that of an undisturbed run."""

from __future__ import annotations

import functools
import json
import random
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import connect, rows
from lab.archive_writer import Entry, write_archive

from .kills import complete, kill
from .test_restore_database import digests, dump
from .test_restore_files import tree_of

KILLS_PER_ROUND = 10
FILES = 1502
SCRIPT = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from ansible_collections.boxlift.portal.plugins.module_utils.restore import dumpfeed, restore, sink
from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login
restore.CHECKPOINT_SECONDS, sink.NOTE_SECONDS, dumpfeed.NOTE_SECONDS = 0.05, 0.02, 0.02
source, root, state, socket, name = sys.argv[2:]
request = restore.RestoreRequest(source, root, state, database_name=name, jobs=2)
print(json.dumps(restore.Restore(request, StagedDatabase(Login(unix_socket=socket), name)).run()["files"]))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen parts: a dump, many small files, and one file that goes through several parts."""
    sql = dump(tables=12)
    entries = [
        Entry(b"bitrix/backup/base_after_connect.sql", data=b"SET NAMES 'utf8mb4';\n"),
        Entry(b"bitrix/backup/base.sql", data=sql),
        *(Entry(b"d%d" % number, type="dir", mode=0o750, mtime=1300000000 + number) for number in range(40)),
        *(Entry(b"d%d/%d" % (number % 40, number), data=b"%d" % number * 900, mtime=number) for number in range(1500)),
        Entry(b"large.bin", data=random.Random(1).randbytes(3_000_000), mode=0o600, mtime=1200000000),
        Entry(b"last.txt", data=b"last", mtime=1),
    ]
    return write_archive(entries, tmp_path_factory.mktemp("source"), "base", part_limit=600_000)[0]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(3, 10))])
def test_killed_again_and_again(tmp_path: Path, mariadb: t.Any, source: Path, seed: int) -> None:
    def start(place: Path, name: str) -> subprocess.Popen[str]:
        arguments = [str(source), str(place / "site" / "www"), str(place / "state"), mariadb.login.unix_socket, name]
        command = [sys.executable, "-c", SCRIPT, json.dumps(sys.path), *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    undisturbed = mariadb.fresh_name("portal")
    seconds = complete(functools.partial(start, tmp_path / "reference", undisturbed), FILES)
    moments = random.Random(seed)
    kills, restores = 0, 0
    while kills < KILLS_PER_ROUND:
        restores += 1
        place, name = tmp_path / str(restores), mariadb.fresh_name("portal")
        begin = functools.partial(start, place, name)
        pause = functools.partial(moments.uniform, 0.2, seconds)
        kills += kill(begin, place / "site" / "www", pause, KILLS_PER_ROUND - kills)
        complete(begin, FILES)
        assert tree_of(place / "site" / "www") == tree_of(tmp_path / "reference" / "site" / "www")
        assert digests(mariadb, name) == digests(mariadb, undisturbed)
        with connect(mariadb.login) as conn:
            assert not rows(conn, "SHOW DATABASES LIKE %s", (f"{name}_staging",))
        assert sorted(path.name for path in (place / "site").iterdir()) == ["www"]

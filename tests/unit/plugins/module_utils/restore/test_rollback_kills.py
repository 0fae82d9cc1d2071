# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollbacks in processes of their own, killed at random statements and renames; each is completed by the next run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.restore.generations import Generations
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import Trees

from .living import DOMAIN, Site, backup

# Kills itself, as SIGKILL from outside does, before or after its n-th step that changes something: a statement that is
# no question, a rename, or a state file. n < 0 counts the steps.
SCRIPT = """
import json, os, signal, sys
sys.path[:0] = json.loads(sys.argv[1])
tree, state, socket, name, generation, fatal, late = json.loads(sys.argv[2])
from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.restore.rollback import Rollback
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login
import pymysql.cursors
steps = 0
def step(act, *arguments, **options):
    global steps
    steps += 1
    if steps == fatal and not late:
        os.kill(os.getpid(), signal.SIGKILL)
    result = act(*arguments, **options)
    if steps == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
rename, replace, execute = os.rename, os.replace, pymysql.cursors.Cursor.execute
os.rename = lambda *arguments: step(rename, *arguments)
os.replace = lambda *arguments: step(replace, *arguments)
def counted(self, query, args=None):
    quiet = query.split()[0].upper() in ("SELECT", "SHOW", "SET")
    return execute(self, query, args) if quiet else step(execute, self, query, args)
pymysql.cursors.Cursor.execute = counted
result = Rollback(tree, state, StagedDatabase(Login(unix_socket=socket, user="root"), name), generation).run()
print(json.dumps([result["changed"], result["resumed"], steps]))
"""


def start(site: Site, generation: int | None, fatal: int = -1, late: bool = False) -> tuple[int, t.Any]:
    """The process's status, and what it printed."""
    told = [str(site.tree), str(site.base / "state"), site.login.unix_socket, site.name, generation, fatal, late]
    command = [sys.executable, "-c", SCRIPT, json.dumps(sys.path), json.dumps(told)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, json.loads(done.stdout) if done.stdout else None


@pytest.mark.parametrize(
    ("kills", "seed"),
    (
        pytest.param(20, 1, marks=pytest.mark.slow),
        *(pytest.param(60, seed, marks=pytest.mark.soak) for seed in (2, 3, 4)),
    ),
)
def test_killed_anywhere(tmp_path: Path, mariadb: t.Any, kills: int, seed: int) -> None:
    site = Site(tmp_path, mariadb.login, mariadb.fresh_name("portal"))
    orders = {"one": [7, 8, 9], "two": [7, 30]}
    site.restore(backup(tmp_path / "one", "one"))
    for number in (8, 9):
        site.order(number)
    site.restore(backup(tmp_path / "two", "two"), confirm_domain=DOMAIN)
    site.order(30)
    numbers = {1: "one", 2: "two"}
    live = 2
    _status, (changed, _resumed, steps) = start(site, 1)
    assert changed and steps > 20
    live = 1
    dice = random.Random(seed)
    landed = completed = 0
    while landed < kills:
        target = 3 - live
        status, _said = start(site, target, dice.randint(1, steps), dice.random() < 0.5)
        if status == 0:  # the rest has fewer steps where an earlier run was killed
            live, completed = target, completed + 1
        else:
            landed += 1
            if dice.random() < 0.3:
                continue  # killed again before it is completed, with its number
            # Without its number it is completed too, and nothing more is done.
            begun = Generations(Trees.of(str(site.tree)), str(tmp_path / "state"), None).switch
            assert site.rollback(target if begun is None else None)["resumed"] == (begun is not None)
            live = target
        assert site.seen() == (numbers[live], numbers[live])
        assert site.deals() == orders[numbers[live]]
        assert site.deals(f"{site.name}_previous_{3 - live}") == orders[numbers[3 - live]]
        kept = site.tree.with_name(f".www.previous-{3 - live}")
        assert (kept / "index.php").read_text() == numbers[3 - live]
        assert sorted(os.listdir(site.tree.parent)) == sorted([kept.name, "www"])
        assert not site.rollback(live)["changed"]
    assert landed == kills

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose process a line names: ansible-playbook's own, and nobody's once that was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import process

# A parent that forks a worker as ansible-playbook does, and is killed before its worker writes if the argument says so.
PROGRAM = """
import multiprocessing, os, signal, sys, time
sys.path.insert(0, sys.argv[1])
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import process

def work(parent, kill):
    if kill:
        os.kill(parent, signal.SIGKILL)
        while os.getppid() == parent:
            time.sleep(0.001)
    print(process.parent_process() or "nobody", process.is_orphan(), flush=True)

if __name__ == "__main__":
    print(process.own_process(), flush=True)
    worker = multiprocessing.get_context("fork").Process(target=work, args=(os.getpid(), sys.argv[2] == "kill"))
    worker.start()
    worker.join()
"""
ROOT = Path(__file__).parents[5] / ".cache" / "collections"


def told(kill: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT), kill], stdout=subprocess.PIPE, text=True, check=False, timeout=60
    )
    return done.stdout.split()


def test_a_worker_names_its_ansible_playbook() -> None:
    own, named, orphan = told("live")
    assert own == named and own.count("-") == 2
    assert orphan == "False"


def test_a_worker_that_outlives_it_names_nobody() -> None:
    """Its new parent runs for ever: a step that it began would be at work for ever."""
    own, named, orphan = told("kill")
    assert own != "nobody" and named == "nobody"
    assert orphan == "True"


def test_who_was_not_forked_is_no_orphan() -> None:
    assert not process.is_orphan()


def test_what_does_not_run() -> None:
    own = process.own_process()
    assert process.is_running(own)
    assert not any(process.is_running(text) for text in ("", "a-b", "00000000-1-1", f"{own}0"))

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program is run from a thread without any Python code in its child."""

from __future__ import annotations

import subprocess
import sys

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.program import run


def test_what_it_says() -> None:
    assert run([sys.executable, "-c", "import sys; print('out'); sys.exit('err')"]) == (1, "out\n", "err\n")


def test_nothing_is_read_from_the_caller() -> None:
    assert run(["cat"]) == (0, "", "")


def test_bytes_of_another_encoding() -> None:
    assert run(["printf", r"\377"]) == (0, "\udcff", "")


def test_no_such_program() -> None:
    with pytest.raises(FileNotFoundError):
        run(["/no/such/program"])


def test_no_python_in_the_child() -> None:
    """Python's own clean-up in a forked child frees what other threads had; a lock of theirs is never let go there."""
    script = f"""
import os, sys
sys.path[:0] = {sys.path!r}
from ansible_collections.boxlift.portal.plugins.module_utils.program import run
os.register_at_fork(after_in_child=lambda: os.write(2, b"python in the child"))
assert run(["true"]) == (0, "", "")
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")

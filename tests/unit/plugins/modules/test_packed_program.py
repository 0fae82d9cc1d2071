# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import typing as t
import zipfile
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.modules import packed_program

LIBRARY = Path(packed_program.__file__).parents[1] / "module_utils"
NAMES = pytest.mark.parametrize("name", sorted(packed_program.COMMANDS))


@NAMES
def test_check_change_and_second_run(run_module: t.Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert run_module(packed_program, check=True, name=name, path=str(path))["changed"] and not path.exists()
    result = run_module(packed_program, name=name, path=str(path))
    assert result["changed"] and result["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.stat().st_mode & 0o7777 == 0o755
    assert not run_module(packed_program, name=name, path=str(path))["changed"]
    path.chmod(0o700)
    assert run_module(packed_program, name=name, path=str(path))["changed"]


def held(path: Path, package: str) -> set[str]:
    """The files of a package that the program holds."""
    return {Path(name).name for name in zipfile.ZipFile(path).namelist() if f"/{package}/" in name}


def test_it_holds_what_it_needs_and_nothing_else(run_module: t.Any, tmp_path: Path) -> None:
    for name in ("boxlift-backup", "boxlift-crm", "call-connector"):
        run_module(packed_program, name=name, path=str(tmp_path / name))
    assert held(tmp_path / "call-connector", "telephony") == {
        file.name for file in (LIBRARY / "telephony").glob("*.py")
    }
    assert held(tmp_path / "boxlift-crm", "telephony") == set()
    assert {"command.py", "night.py", "restic.py", "status.py"} < held(tmp_path / "boxlift-backup", "backup")
    assert held(tmp_path / "boxlift-backup", "crm") == set()
    # What an answer of the portal says is the same for both.
    assert held(tmp_path / "call-connector", "crm") == {"__init__.py", "answers.py"}
    assert {"command.py", "rest.py", "snapshot.py", "store.py"} < held(tmp_path / "boxlift-crm", "crm")


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("boxlift-backup", "stores"),
        ("boxlift-crm", "portals"),
        ("boxlift-exporter", "folder"),
        ("boxlift-status", "prometheus"),
        ("call-connector", "portal"),
    ],
)
def test_it_runs_by_itself(run_module: t.Any, tmp_path: Path, name: str, missing: str) -> None:
    path = tmp_path / name
    run_module(packed_program, name=name, path=str(path))
    settings = tmp_path / "settings.json"
    settings.write_text("{}")
    # Only what the host has beside it: no collection.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE")}
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, str(path), "--settings", str(settings), "check"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{settings}: {missing} is missing. ")


def test_no_folder(run_module: t.Any, tmp_path: Path) -> None:
    result = run_module(packed_program, name="boxlift-crm", path=str(tmp_path / "none" / "boxlift-crm"))
    assert result["failed"] and "ls -ld" in result["remedy"]

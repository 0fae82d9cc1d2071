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

from ansible_collections.boxlift.portal.plugins.modules import call_connector_app

PACKAGE = Path(call_connector_app.__file__).parents[1] / "module_utils/telephony"


def test_check_change_and_second_run(run_module: t.Any, tmp_path: Path) -> None:
    path = tmp_path / "call-connector"
    assert run_module(call_connector_app, check=True, path=str(path))["changed"] and not path.exists()
    result = run_module(call_connector_app, path=str(path))
    assert result["changed"] and result["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.stat().st_mode & 0o7777 == 0o755
    assert not run_module(call_connector_app, path=str(path))["changed"]
    path.chmod(0o700)
    assert run_module(call_connector_app, path=str(path))["changed"]


def test_it_holds_the_library_and_runs_by_itself(run_module: t.Any, tmp_path: Path) -> None:
    path = tmp_path / "call-connector"
    run_module(call_connector_app, path=str(path))
    inside = {Path(name).name for name in zipfile.ZipFile(path).namelist() if "/telephony/" in name}
    assert inside == {file.name for file in PACKAGE.glob("*.py")} - {"package.py"}
    settings = tmp_path / "settings.json"
    settings.write_text("{}")
    # Only what the host has beside it: no collection.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE")}
    command = [sys.executable, str(path), "--settings", str(settings), "check"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{settings}: portal is missing. ")


def test_no_folder(run_module: t.Any, tmp_path: Path) -> None:
    result = run_module(call_connector_app, path=str(tmp_path / "none" / "call-connector"))
    assert result["failed"] and "ls -ld" in result["remedy"]

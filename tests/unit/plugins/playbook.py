# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-playbook against localhost as a user would, with nothing of the caller's Ansible settings."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


def run_playbook(
    folder: Path, text: str, *arguments: str, name: str = "move.yml", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Write the playbook into the folder and run it there, with the journal enabled."""
    with start_playbook(folder, text, *arguments, name=name, **environment) as process:
        try:
            output, errors = process.communicate(timeout=300)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def start_playbook(
    folder: Path, text: str, *arguments: str, name: str = "move.yml", output: int = subprocess.PIPE, **environment: str
) -> subprocess.Popen[str]:
    """The same, without waiting for its end; `output` may be a terminal's descriptor."""
    (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "BOXLIFT_"))}
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".cache/collections"),
        "ANSIBLE_CALLBACKS_ENABLED": "boxlift.portal.journal",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_HOME": str(folder / ".ansible"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_NOCOLOR": "true",
    }
    values = {key: value for key, value in {**clean, **settings, **environment}.items() if value}
    command = [str(Path(sys.executable).with_name("ansible-playbook")), name, *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=values, stdout=output, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )

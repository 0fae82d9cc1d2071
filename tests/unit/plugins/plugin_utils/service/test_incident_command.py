# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short command for people at a telephone: what it hands to the playbook, whatever stands in the words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import incident_command as command

PLAYBOOK = """#!/bin/sh
printf '%s\\n' "$PWD" "$@" > called
while [ "$1" != -e ]; do shift; done
cp "${2#@}" given.json
alerts=$(sed -n 's/.*"incident_alerts": "\\([^"]*\\)".*/\\1/p' given.json)
[ -z "$alerts" ] || cp "$alerts" alerts.json
exit 3
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {"incident_action": "list"}),
        (["open", "Mail {{ x }}"], {
            "incident_action": "open", "incident_class": "critical", "incident_title": "Mail {{ x }}"}),
        (["normal", "Slow", "Pages take long"], {
            "incident_action": "open", "incident_class": "normal", "incident_title": "Slow",
            "incident_users": "Pages take long"}),
        (["note", "7", "x"], {"incident_action": "note", "incident_text": "x", "incident_number": 7}),
        (["note", "x"], {"incident_action": "note", "incident_text": "x"}),
        (["told", "anna", "ravi"], {"incident_action": "note", "incident_told": ["anna", "ravi"]}),
        (["hand", "7", "ravi"], {"incident_action": "hand_over", "incident_owner": "ravi", "incident_number": 7}),
        (["close", "a", "b"], {"incident_action": "close", "incident_cause": "a", "incident_cure": "b"}),
        (["close", "a"], None),
        (["note"], None),
        (["delete", "7"], None),
        (["open", "a", "b", "c"], None),
    ],
)  # fmt: skip
def test_words(words: list[str], expected: dict[str, t.Any] | None) -> None:
    assert command.variables(words, lambda: "never") == expected


def run(site: Path, *words: str, piped: str = "") -> subprocess.CompletedProcess[str]:
    """In a folder of the site, with a playbook's command that only keeps what it was given."""
    tools, desk = site / "tools", site / "desk"
    for folder in (tools, desk):
        folder.mkdir(exist_ok=True)
    (site / "ansible.cfg").touch()
    (tools / "ansible-playbook").write_text(PLAYBOOK)
    (tools / "ansible-playbook").chmod(0o755)
    (desk / "incident").write_bytes(Path(command.__file__).read_bytes())
    return subprocess.run(
        [sys.executable, str(desk / "incident"), *words],
        input=piped, capture_output=True, text=True, check=False, cwd="/",
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
    )  # fmt: skip


def test_it_runs_the_playbook_in_the_sites_folder_and_tells_its_exit_code(tmp_path: Path) -> None:
    title = "Quote ' and \" and $HOME = {{ x }}"
    assert run(tmp_path, "open", title).returncode == 3
    assert (tmp_path / "called").read_text().splitlines()[:3] == [str(tmp_path), "boxlift.portal.incident", "-e"]
    assert json.loads((tmp_path / "given.json").read_text())["incident_title"] == title


def test_alerts_are_piped_in(tmp_path: Path) -> None:
    assert run(tmp_path, "alerts", piped='{"groupKey": "x"}').returncode == 3
    assert (tmp_path / "alerts.json").read_text() == '{"groupKey": "x"}'


def test_what_means_nothing_shows_what_there_is(tmp_path: Path) -> None:
    done = run(tmp_path, "delete", "7")
    assert (done.returncode, done.stdout) == (2, "")
    assert "incident close" in done.stderr
    assert not (tmp_path / "called").exists()

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook entitlement.yml as a user runs it: the licence that lacks the voice library, long before midnight."""

from __future__ import annotations

import dataclasses
import datetime
import json
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt, Journal, read
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import inputs
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.gate import Input
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from unit.plugins.playbook import run_playbook

PLAYBOOK = """
- name: Hold the licences against what the site uses
  ansible.builtin.import_playbook: boxlift.portal.entitlement
"""
LICENCE = "Modules = {}\r\nValid-Until = 31.12.2099\r\nDomain = portal.example.com\r\n"
SITE: dict[str, t.Any] = {
    "site_domain": "portal.example.com",
    "web_document_root": "/nonexistent/www",
    "site_entitlements": [
        {"feature": "voice_library", "title": "Voice library"},
        {"feature": "fax", "group": "branch"},
    ],
    "site_licence_files": [
        {
            "path": "files/voice.lic",
            "controller": True,
            "fields": {"features": "Modules", "expires": "Valid-Until", "domain": "Domain"},
            "date_format": "%d.%m.%Y",
            "names": {"VL-PRO": "voice_library"},
        }
    ],
}


@pytest.fixture
def site(tmp_path: Path) -> t.Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the playbook in the site's folder on two hosts, which are both this machine."""
    hosts = {name: {"ansible_connection": "local"} for name in ("one", "two")}
    groups = {"production": {"hosts": hosts}, "web": {"hosts": {"one": {}}}, "telephony": {"hosts": {"two": {}}}}
    groups["branch"] = {"hosts": {"two": {}}}
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "voice.lic").write_text(LICENCE.format("queue, fax"), encoding="utf-16")

    def run(**more: t.Any) -> subprocess.CompletedProcess[str]:
        variables = {**SITE, **more}
        (tmp_path / "hosts.json").write_text(json.dumps({"all": {"children": groups, "vars": variables}}))
        return run_playbook(tmp_path, PLAYBOOK, "-i", "hosts.json", BOXLIFT_JOURNAL=str(tmp_path / "move.jsonl"))

    return run


def go(journal: Journal) -> Input:
    """What the gate go sees, where the last run was the step of the final run."""
    plan, run = load(), journal.runs[-1]
    step = Attempt("move.entitlement", 1, run.start, "final", run.end, "ok", tasks=run.steps)
    gate = dataclasses.replace(plan.gates["go"], inputs=("entitlement",))

    def forecast() -> t.Any:
        raise AssertionError("not asked for")

    day = datetime.date(2026, 12, 5)
    (found,) = inputs.look(plan, gate, Journal([run], [], [], {step.step: [step]}), [], day, {}, forecast)
    return found


def test_the_missing_voice_library_is_said_with_owner_and_remedy_and_shuts_the_gate(
    site: t.Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = site()
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.replace("\\n", "\n")
    assert "FAIL entitlement.voice_library: files/voice.lic does not grant it" in said
    assert "sales: Get a licence for Voice library and name its file in site_licence_files" in said
    # The branch's host has no licence file of its own, and no Asterisk that could say what it has loaded.
    assert "FAIL entitlement.fax: no licence file is named for this host" in said
    assert "UNKNOWN entitlement.asterisk_modules" in said
    journal = read([str(tmp_path / "move.jsonl")])
    told = "2 fail: entitlement.fax, entitlement.voice_library; 1 unknown: entitlement.asterisk_modules"
    assert go(journal) == Input("entitlement", False, told)
    # The journal takes none of the site's words for secrets.
    assert "********" not in (tmp_path / "move.jsonl").read_text(encoding="utf-8")


def test_the_right_licence_opens_it(site: t.Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    (tmp_path / "files" / "voice.lic").write_text(LICENCE.format("queue, vl-pro"), encoding="utf-8-sig")
    more = {"site_entitlements": SITE["site_entitlements"][:1], "entitlement_fail_on": "warn"}
    done = site(**more)
    assert done.returncode == 2, "the exchange does not answer"
    done = site(**more, entitlement_exchange=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = go(read([str(tmp_path / "move.jsonl")]))
    assert found.met and "none fails" in found.observed

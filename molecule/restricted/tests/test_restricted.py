# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move by telephone has left on both sides, and that nothing and nobody else was asked."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
import testinfra
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import reader, verify
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.proceedings import Proceedings
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import numbers, state
from testinfra.host import Host

WORK = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
SCENARIO = os.environ["MOLECULE_SCENARIO_NAME"]
ROOT = Path(__file__).parents[3]
LOOK = ROOT / "molecule" / "secrets" / "look.py"
#: Where a secret has to be, by the name of its variable in vars/site.yml.
SETTINGS = {"/srv/portal/www/bitrix/.settings.php", "/srv/portal/www/bitrix/php_interface/dbconn.php"}
NEEDED = {
    "box12": {"database_password": SETTINGS, "mail_password": {"/etc/msmtprc"}},
    "desk": {"vault_password": {"/root/vault-password"}},
}


@pytest.fixture(scope="module")
def desk() -> Host:
    return testinfra.get_host(f"docker://boxlift-{SCENARIO}-desk")


@pytest.fixture(scope="module")
def box() -> Host:
    return testinfra.get_host(f"docker://boxlift-{SCENARIO}-box12")


@pytest.fixture(scope="module")
def calls() -> dict[str, t.Any]:
    found: dict[str, t.Any] = json.loads((WORK / "calls.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def journal(desk: Host) -> Path:
    """The journal of the site, as it leaves on a medium, with the supervisor's copy of the key beside it."""
    folder = WORK / "evidence"
    folder.mkdir(exist_ok=True)
    path = folder / "move.jsonl"
    path.write_text(desk.check_output("cat /opt/boxlift/site/journal/move.jsonl") + "\n", encoding="utf-8")
    shutil.copy2(WORK / "site" / "journal" / "supervision.key", folder)
    return path


@pytest.fixture(scope="module")
def plan() -> t.Any:
    return load(str(WORK / "site" / "plan" / "migration_plan.yml"))


def test_nothing_was_meant_to_leave_the_site() -> None:
    assert (WORK / "wire.txt").read_text(encoding="utf-8").splitlines() == ["listening"]


def test_a_question_to_anybody_else_would_have_been_noticed(desk: Host) -> None:
    """Last, since it is noted."""
    noted = WORK / "wire.txt"
    before = noted.read_text(encoding="utf-8")
    desk.run("timeout 2 python3 -c %s", "import socket; socket.create_connection(('192.0.2.80', 443))")
    assert "to 192.0.2.80 tcp port 443" in noted.read_text(encoding="utf-8")
    noted.write_text(before, encoding="utf-8")


def test_whatever_was_not_signed_for_this_site_was_refused() -> None:
    seen = json.loads((WORK / "entry.json").read_text(encoding="utf-8"))
    assert {name: each["code"] for name, each in seen.items()} == {
        "not accepted yet": 3,
        "accepted": 0,
        "signed by a stranger": 3,
        "of another site": 5,
        "one byte more": 2,
        "one file more": 2,
        "expired": 4,
        "without its base": 6,
        "with its base": 0,
        "installed": 0,
        "installed again": 0,
    }
    assert "README.txt" in seen["one byte more"]["said"]


def test_the_operator_typed_only_what_manual_and_codes_say(calls: dict[str, t.Any]) -> None:
    pages = (WORK / "site" / "boxlift-manual" / "manual.html").read_text(encoding="utf-8")
    commands = set(re.findall(r"<code>(mig[^<]*)</code>", pages)) | {"mig stop", "mig resume"}
    assert len(calls["typed"]) > 20
    for line in calls["typed"]:
        assert re.sub(r"( \d+)+$", "", line) in commands or line in commands, line
        assert len(line) < 40, line


def test_refusals_say_what_to_say(calls: dict[str, t.Any]) -> None:
    for name in ("out of order", "another bundle's", "twice"):
        assert "Nothing was changed. Say on the telephone:" in calls["screens"][name]


def test_both_sides_have_the_same_head(journal: Path, plan: t.Any) -> None:
    theirs = state.read(plan.sha256, str(WORK / "site" / "journal" / "move.jsonl"))
    ours = state.read(plan.sha256, str(journal))
    assert ours.head == theirs.head and len(ours.ended) == len(theirs.ended) > 12
    outcomes = [each.entry.outcome for each in ours.ended]
    assert outcomes.count("unknown") == 1 and outcomes.count("failed") == 0


def test_evidence_on_a_medium_leads_to_the_same_head(journal: Path, plan: t.Any) -> None:
    """With the command that docs/restricted-sites.md prints."""
    page = (ROOT / "docs" / "restricted-sites.md").read_text(encoding="utf-8")
    printed = re.search(r"^BOXLIFT_JOURNAL=evidence/move.jsonl (.*)$", page, re.MULTILINE)
    assert printed
    site = WORK / "site"
    settings = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE")},
        "ANSIBLE_CONFIG": str(site / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
        "BOXLIFT_JOURNAL": str(journal),
    }
    done = subprocess.run(printed[1].split(), cwd=site, env=settings, capture_output=True, text=True, check=True)
    assert f"The chain is at {state.read(plan.sha256, str(site / 'journal' / 'move.jsonl')).head}." in done.stdout


def test_every_item_until_the_rehearsal_is_done(journal: Path, plan: t.Any) -> None:
    assert verify.verify(journal.read_bytes()).code == verify.WHOLE
    proceedings = Proceedings(plan, str(journal))
    assert proceedings.course.state == "accepted"
    wanted = {item.id for item in numbers.items(plan) if item.number.startswith(("1.", "2.")) and item.kind != "gate"}
    assert wanted <= {each.step for each in proceedings.course.done}
    for name, attempts in reader.read([str(journal)]).steps.items():
        assert [each.outcome for each in attempts].count("ok") == 1, name


def test_the_portal_answers(box: Host) -> None:
    program = "import urllib.request; print(urllib.request.urlopen('https://portal.boxlift.test/', timeout=20).status)"
    assert box.check_output("python3 -c %s", program) == "200"


def test_packages_came_from_the_bundle_alone(box: Host) -> None:
    found = re.findall(r"^ *\d+ (\S+)", box.check_output("apt-cache policy"), re.MULTILINE)
    assert "/var/lib/dpkg/status" in found and len(found) > 1
    assert {each for each in found if "://" in each} == set()
    assert [each for each in found if each.startswith("file:")] == ["file:/var/cache/boxlift/packages"]


@pytest.mark.parametrize("name", ["desk", "box12"])
def test_secrets_are_where_they_are_needed_and_nowhere_else(name: str, request: pytest.FixtureRequest) -> None:
    """In no journal, recording, manual, bundle, log with -vvv, temporary file or process."""
    host: Host = request.getfixturevalue({"box12": "box"}.get(name, name))
    let_out = json.loads((WORK / "canaries.json").read_text(encoding="utf-8"))
    seen = json.loads(host.check_output("python3 -c %s", LOOK.read_text(encoding="utf-8")))
    found = {key: set(seen.get(value[:42], [])) for key, value in let_out.items()}
    assert {key: places for key, places in found.items() if places} == NEEDED[name]


@pytest.mark.parametrize("name", ["desk", "box12"])
def test_no_process_had_a_secret_in_its_command_line(name: str, request: pytest.FixtureRequest) -> None:
    host: Host = request.getfixturevalue({"box12": "box"}.get(name, name))
    assert host.check_output("cat /root/processes.txt") == "watching"


def test_the_key_of_the_codes_is_nowhere_else(desk: Host, box: Host) -> None:
    key = json.loads((WORK / "site" / "journal" / "supervision.key").read_text(encoding="utf-8"))["key"]
    command = f"grep -rlaF {key} /etc /home /opt /root /run /srv /tmp /var 2>/dev/null"
    assert set(desk.run(command).stdout.split()) == {
        "/root/supervision.key",
        "/opt/boxlift/site/journal/supervision.key",
    }
    assert box.run(command).stdout == ""
    done = subprocess.run(["grep", "-rlaF", key, str(WORK / "bundle")], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_each_recording_is_there_as_the_journal_says(desk: Host) -> None:
    lines = map(json.loads, desk.check_output("cat /opt/boxlift/site/journal/move.jsonl").splitlines())
    kept = {line["path"]: line["sha256"] for line in lines if line["event"] == "recording"}
    assert len(kept) > 12
    sums = desk.check_output("sha256sum /opt/boxlift/site/journal/recordings/*").split()
    there = dict(zip(sums[1::2], sums[::2]))
    assert {path: there[path] for path in kept} == kept
    # What the run has shown that was killed; nobody was left to write its sum down.
    assert len(there) == len(kept) + 1
    assert desk.file("/opt/boxlift/site/journal/recordings").mode == 0o700
    assert {desk.file(path).mode for path in there} == {0o600}

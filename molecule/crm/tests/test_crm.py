# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the passes and the nightly program have left: files, a timer, and no code of a webhook where others see it."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from testinfra.host import Host

CODES = "canarybox0123456|hook0123456789ab"
STORES = "/var/lib/boxlift-crm"


@pytest.fixture(scope="module")
def report() -> Path:
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "crm-report")


def test_the_timer_waits_for_the_night(host: Host) -> None:
    timer = host.check_output("systemctl show boxlift-crm.timer --property=ActiveState,UnitFileState,Persistent")
    assert set(timer.split()) == {"ActiveState=active", "UnitFileState=enabled", "Persistent=yes"}
    service = host.check_output("systemctl show boxlift-crm.service --property=Result,ExecMainStatus,User")
    assert set(service.split()) == {"Result=success", "ExecMainStatus=0", "User=boxlift-crm"}


def test_stores_and_settings_are_the_accounts_alone(host: Host) -> None:
    for path, mode in ((STORES, 0o700), (f"{STORES}/box.sqlite", 0o600), ("/etc/boxlift-crm/settings.json", 0o600)):
        file = host.file(path)
        assert (file.user, file.mode) == ("boxlift-crm", mode), path
    modes = host.check_output(f"find {STORES} -mindepth 1 -type f -perm /077")
    assert modes == "", "others may read these"


def test_the_program_tells(host: Host) -> None:
    said = json.loads(host.check_output("boxlift-crm status --prove"))
    assert (said["box"]["problem"], said["box"]["webhook"], said["cloud"]["webhook"]) == ("", "", "")
    # The night, and the snapshot by hand; what a move reads lies in a folder of its own.
    assert said["box"]["snapshots"] == 2
    assert host.file(f"{STORES}/move-1/transfer.sqlite").size > 0
    versions = json.loads(host.check_output("boxlift-crm history lead 1"))
    assert "worked" in str(versions[-1]["content"]["comments"])


def test_no_code_is_where_others_see_it(host: Host) -> None:
    # The simulated portals are no part of the collection.
    units = host.check_output(
        'journalctl --no-pager --output=json | grep -E %s | grep -oE \'"_SYSTEMD_UNIT":"[^"]*"\' | sort -u || true',
        CODES,
    )
    assert {unit for unit in units.split() if "lab-crm" not in unit} == set()
    assert host.check_output("ps -eo args | grep -E %s | grep -v grep || true", CODES) == ""
    files = host.check_output(
        "grep -rlE %s /var/log /tmp /run/boxlift /root/.ansible /etc /usr/local --exclude-dir=journal || true", CODES
    )
    assert files.split() == ["/etc/boxlift-crm/settings.json"]


def test_no_code_is_in_what_the_controller_keeps(report: Path) -> None:
    kept = [Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ansible.log"), *report.iterdir()]
    assert len(kept) > 5
    for path in kept:
        text = path.read_text(encoding="utf-8", errors="replace")
        assert not any(code in text for code in CODES.split("|")), path


@pytest.mark.parametrize("mode", ["final", "reverse"])
def test_what_people_get(report: Path, mode: str) -> None:
    page = (report / f"delta-{mode}.html").read_text(encoding="utf-8")
    assert "<html" in page and "src=" not in page
    result: dict[str, t.Any] = json.loads((report / f"{mode}-result.json").read_text(encoding="utf-8"))
    assert result["delta"]["grade"] in ("perfect", "good")
    assert (report / f"{mode}-skipped.jsonl").is_file()

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module backup_status, run as Ansible runs it, over a repository in memory."""

from __future__ import annotations

import dataclasses
import json
import types
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.backup import restic
from ansible_collections.boxlift.portal.plugins.module_utils.backup import status as status_of
from ansible_collections.boxlift.portal.plugins.modules import backup_status
from unit.plugins.module_utils.backup.kept_copies import NOON, Memory, Portal
from unit.plugins.modules.conftest import RunModule

HOUR = 3600.0


class Site:
    """A portal with a settings file, and the time at which its copies are looked at."""

    def __init__(self, folder: Path) -> None:
        self.portal = Portal(folder)
        self.settings = folder / "settings.json"
        self.write()

    def write(self, **others: t.Any) -> None:
        self.settings.write_text(json.dumps({**dataclasses.asdict(self.portal.settings), **others}))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    found = Site(tmp_path)

    def opened(store: t.Any, **_how: t.Any) -> Memory:
        return found.portal.memory if store.name == "local" else Memory(lambda: NOON, store)

    monkeypatch.setattr(status_of, "Restic", opened)
    monkeypatch.setattr(backup_status, "time", types.SimpleNamespace(time=lambda: found.portal.now))
    return found


def codes(store: dict[str, t.Any]) -> dict[str, str]:
    return {each["code"]: each["severity"] for each in store["findings"]}


def test_a_copy_and_how_old_it_is(run_module: RunModule, site: Site) -> None:
    site.portal.night()
    site.portal.now += 2 * HOUR
    found = run_module(backup_status, check=True, settings=str(site.settings))
    assert not found["changed"] and not found["failed"]
    (store,) = found["stores"]
    assert store["last_good"]["kind"] == "full" and len(store["copies"]) == 1
    assert found["age_seconds"] == 2 * HOUR
    assert (found["promise"]["of_drills"], found["promise"]["computed"]) == (0, True)
    assert found["text"][-1].startswith(
        "No drill has passed yet. By its size, computed and not measured, the portal may"
    )
    assert found["text"][0] == "local: proven copies: 1; the newest one is of 2027-01-15 08:00:00 UTC (2 h ago)."
    assert any(store["copies"][0]["id"] in line and "full" in line for line in found["text"])
    assert "local: no binary logs are stored, so only the moments of the copies can be recovered." in found["text"]
    assert codes(store)["same_host"] == "warn"
    assert any(line.startswith("local: warn: ") for line in found["text"])


def test_an_empty_repository_is_no_success(run_module: RunModule, site: Site) -> None:
    found = run_module(backup_status, settings=str(site.settings))
    assert not found["failed"] and found["age_seconds"] is None
    assert "local: no proven copy." in found["text"]
    found = run_module(backup_status, settings=str(site.settings), fail_on="fail")
    assert found["failed"] and found["msg"].startswith("local: There is no proven copy.")


def test_what_cannot_be_read_is_not_called_empty(run_module: RunModule, site: Site) -> None:
    site.portal.memory.failure = restic.ResticFailed("unreachable", "The repository does not answer.", "Look at it.")
    found = run_module(backup_status, settings=str(site.settings), fail_on="fail")
    assert found["failed"] and "local: The repository does not answer. Look at it." in found["msg"]
    assert found["stores"][0]["reachable"] is False
    assert found["text"][0] == "local: cannot be read. Whether copies are there is not known."


def test_a_warning_fails_only_if_that_is_wanted(run_module: RunModule, site: Site) -> None:
    site.portal.night()
    assert not run_module(backup_status, settings=str(site.settings), fail_on="fail")["failed"]
    assert run_module(backup_status, settings=str(site.settings), fail_on="warn")["failed"]


def test_one_repository_of_several(run_module: RunModule, site: Site) -> None:
    site.portal.night()
    local = dataclasses.asdict(site.portal.settings.main)
    site.write(stores=[local, {**local, "name": "far", "repository": "s3:https://far.example/portal", "offsite": True}])
    both = run_module(backup_status, settings=str(site.settings))
    assert [store["name"] for store in both["stores"]] == ["local", "far"]
    far = run_module(backup_status, settings=str(site.settings), store="far")
    assert [store["name"] for store in far["stores"]] == ["far"] and far["age_seconds"] is None
    assert run_module(backup_status, settings=str(site.settings), store="elsewhere")["failed"]


def test_drills_allow_a_promise(run_module: RunModule, site: Site) -> None:
    site.portal.night()
    drill = {"format": 1, "copy": "x", "began": NOON, "ended": NOON + 60, "passed": True}
    note = json.dumps({**drill, "rto_seconds": 600, "rpo_seconds": 120})
    site.portal.memory.save_text("drill.json", note, (restic.OURS, "drill"))
    found = run_module(backup_status, settings=str(site.settings))
    told = {name: found["promise"][name] for name in ("rto_seconds", "rpo_seconds", "of_drills", "computed")}
    assert told == {"rto_seconds": 750, "rpo_seconds": 150, "of_drills": 1, "computed": False}
    words = "Drills that passed: 1; by them the portal is back within 12 min 30 s, and 2 min 30 s of work may be lost."
    assert found["text"][-1] == words


def test_without_settings(run_module: RunModule, tmp_path: Path) -> None:
    found = run_module(backup_status, settings=str(tmp_path / "nothing.json"))
    assert found["failed"] and "nothing.json" in found["msg"]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Against a scripted systemd."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.upkeep import night
from ansible_collections.boxlift.portal.plugins.modules import upkeep_info as module
from unit.plugins.module_utils.upkeep.toy_apt import ToyApt


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> ToyApt:
    toy = ToyApt()
    monkeypatch.setattr(AnsibleModule, "run_command", lambda _module, argv, environ_update: toy(argv))
    monkeypatch.setattr(module, "PROC", str(tmp_path))
    monkeypatch.setattr(module, "REBOOT", str(tmp_path / "reboot-required"))
    return toy


def test_all_is_well(apt: ToyApt, run_module: t.Any) -> None:
    result = run_module(module)
    assert {key: result[key] for key in ("changed", "findings", "outdated", "reboot")} == {
        **{"changed": False, "findings": [], "outdated": [], "reboot": False},
    }


def test_check_mode_says_the_same(apt: ToyApt, run_module: t.Any, tmp_path: pathlib.Path) -> None:
    apt.units["nginx.service"] = "failed"
    (tmp_path / "reboot-required").write_text("")
    result = run_module(module, check=True)
    assert [each["observed"] for each in result["findings"]] == [
        "nginx.service has failed",
        "nginx.service does not run",
    ]
    assert result["findings"][0]["id"] == "host: nginx.service has failed"
    assert (result["findings"][0]["status"], result["reboot"], result["changed"]) == ("fail", True, False)


def test_what_is_known_is_not_waited_for(apt: ToyApt, run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[set[str], float]] = []
    monkeypatch.setattr(night, "settled", lambda _host, known, patience: asked.append((known, patience)))
    apt.units["nginx.service"] = "failed"
    before = run_module(module)
    run_module(module, known=before["findings"], patience=60)
    assert asked == [(set(), 0), ({"nginx.service has failed", "nginx.service does not run"}, 60)]


def test_systemd_does_not_answer(apt: ToyApt, run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AnsibleModule, "run_command", lambda *_args, **_more: (1, "", "Failed to connect to bus"))
    result = run_module(module)
    assert result["failed"] and "Failed to connect to bus" in result["msg"]

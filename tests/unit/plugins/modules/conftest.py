# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module as Ansible does: parameters in, one JSON object out."""

from __future__ import annotations

import json
import types
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args

RunModule = t.Callable[..., "dict[str, t.Any]"]


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> RunModule:
    """`run_module(module, check=False, **params)`: what the module's main() printed, `failed` set where it failed."""
    # Where another test has loaded the controller into this process, warnings would go to its display.
    monkeypatch.setattr("ansible.module_utils._internal.is_controller", False)

    def run(module: types.ModuleType, /, check: bool = False, **params: t.Any) -> dict[str, t.Any]:
        with patch_module_args({**params, "_ansible_check_mode": check}), pytest.raises(SystemExit) as stop:
            module.main()
        result: dict[str, t.Any] = json.loads(capsys.readouterr().out)
        result["failed"] = stop.value.code != 0
        return result

    return run

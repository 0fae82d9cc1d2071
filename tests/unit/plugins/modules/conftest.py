# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module as Ansible does: parameters in, one JSON object out."""

from __future__ import annotations

import json
import types
import typing as t

import pytest
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args

RunModule = t.Callable[..., "dict[str, t.Any]"]


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> RunModule:
    """`run_module(module, check=False, diff=False, **params)`: what main() printed, `failed` set either way."""
    # Where another test has loaded the controller into this process, warnings would go to its display.
    monkeypatch.setattr("ansible.module_utils._internal.is_controller", False)

    def run(module: types.ModuleType, /, check: bool = False, diff: bool = False, **params: t.Any) -> dict[str, t.Any]:
        # Ansible keeps them for a process, which runs one module; this one runs those of many tests.
        warnings._global_warnings.clear()
        warnings._global_deprecations.clear()
        internal = {"_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_remote_tmp": "/tmp"}
        with patch_module_args({**params, **internal}), pytest.raises(SystemExit) as stop:
            module.main()
        result: dict[str, t.Any] = json.loads(capsys.readouterr().out)
        result["failed"] = stop.value.code != 0
        return result

    return run

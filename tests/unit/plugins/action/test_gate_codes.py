# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action gate_codes: what is shown opens, and what is returned does not."""

from __future__ import annotations

import dataclasses
import json
import re

from ansible_collections.boxlift.portal.plugins.action import gate_codes
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.gate import code_of
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load


class Terminal:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, line: str) -> None:
        self.lines.append(line)


def test_codes_are_shown_on_the_terminal_alone() -> None:
    action = gate_codes.ActionModule.__new__(gate_codes.ActionModule)
    action._display = terminal = Terminal()
    result = action.work({"count": 2}, {})
    person = dataclasses.replace(load().people["approver"], codes=tuple(result["codes"]))
    shown = [re.sub(r"^ *\d+  ", "", line) for line in terminal.lines]
    assert [code_of(person, code) for code in shown] == result["codes"]
    assert not any(code.replace(" ", "") in json.dumps(result) for code in shown)
    assert len(set(shown)) == 2

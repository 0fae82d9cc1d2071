# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.gate_codes: makes codes to sign with, shown once and kept nowhere."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.gate import new_code

Data = dict[str, t.Any]


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[Data] = {"count": {"type": "int", "default": 5}}

    def work(self, options: Data, task_vars: Data) -> Data:
        made = [new_code() for _each in range(options["count"])]
        # On the terminal alone: a result would be in the journal, in logs, and in the variables of the host.
        for number, (code, _kept) in enumerate(made, start=1):
            self._display.display(f"{number:3d}  {' '.join(code[at : at + 4] for at in range(0, len(code), 4))}")
        return {"changed": False, "codes": [kept for _code, kept in made]}

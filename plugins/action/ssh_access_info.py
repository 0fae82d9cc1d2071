# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.ssh_access_info: the module of this name, and what only the controller knows."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

Data = dict[str, t.Any]


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: Data | None = None) -> Data:
        result = super().run(tmp, task_vars)
        told: Data = {**result, **self._execute_module(task_vars=task_vars)}
        if told.get("by_ssh"):
            told["has_password"] = self._has_password()
        return told

    def _has_password(self) -> bool:
        given = self._play_context.password
        if self._connection.has_option("password"):
            given = self._connection.get_option("password") or given
        return bool(given)

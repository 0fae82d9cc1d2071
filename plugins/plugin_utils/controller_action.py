# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell of an action that works on the controller alone."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of

Data = dict[str, t.Any]


class ControllerAction(ActionBase):
    """Checks the options by `SPEC` and `RULES`, then does the `work`; an error of ours is the task's failure."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    SPEC: t.ClassVar[Data] = {}
    #: What `validate_argument_spec` takes beside it, such as `required_if`.
    RULES: t.ClassVar[Data] = {}

    def run(self, tmp: str | None = None, task_vars: Data | None = None) -> Data:
        result: Data = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(argument_spec=self.SPEC, **self.RULES)
        try:
            result.update(self.work(options, task_vars or {}))
        except (BoxliftError, OSError) as error:
            return {**result, "failed": True, **result_of(error)}
        return result

    def work(self, options: Data, task_vars: Data) -> Data:
        """What is added to the task's result. Raises BoxliftError, OSError."""
        raise NotImplementedError

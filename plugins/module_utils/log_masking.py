# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps secrets of nested options out of the system log of a host.

Ansible writes a module's call there, with the values of secret options masked. But of a mapping or a list it writes
Python's own text, in which a quote or a backslash has another backslash before it. A secret with one of them is then
not found, and stays in the log.
"""

from __future__ import annotations

import typing as t


class NestedSecretsMasked:
    """Stands before AnsibleModule among the bases of a module that has a secret within a mapping or a list."""

    no_log_values: set[t.Any]

    def _log_invocation(self) -> None:
        self.no_log_values.update([repr(value)[1:-1] for value in self.no_log_values if isinstance(value, str)])
        # AnsibleModule has it, which nothing here may import.
        super()._log_invocation()  # type: ignore[misc]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception family of the libraries; a module turns it into `fail_json` once, in `main()`."""

from __future__ import annotations

import typing as t


class BoxliftError(Exception):
    """A failure that people can act on.

    `message` names the file, host, option, part, entry or statement; `remedy` says what to do about it;
    `details` are returned by the module beside `msg`.
    """

    def __init__(self, message: str, remedy: str = "", **details: t.Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = details

    def as_result(self) -> dict[str, t.Any]:
        """Arguments for `AnsibleModule.fail_json`: `msg`, `remedy` and the details."""
        text = f"{self.message} {self.remedy}".strip()
        return {"msg": text, "remedy": self.remedy, **self.details}

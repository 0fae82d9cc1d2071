# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.report: writes the report of a move on the controller, where the journal is."""

from __future__ import annotations

import json
import os
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.place import FOLDER, configured
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import read as read_journals
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.build import build as build_report
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.page import render


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(
            argument_spec={
                "journal": {"type": "list", "elements": "path"},
                "dest": {"type": "path", "required": True},
                "title": {"type": "str", "default": ""},
            }
        )
        try:
            journals = options["journal"] or [configured() or FOLDER]
            result.update(make(journals, options["dest"], options["title"], self._task.check_mode))
        except BoxliftError as error:
            result.update(failed=True, **error.as_result())
        return result


def make(journals: list[str], dest: str, title: str, check: bool) -> dict[str, t.Any]:
    """Write report.html and report.json to `dest` if they differ; the module's result."""
    content = build_report(read_journals(journals), title)
    files = {
        "html": (os.path.join(dest, "report.html"), render(content)),
        "json": (os.path.join(dest, "report.json"), json.dumps(content, indent=2, ensure_ascii=False) + "\n"),
    }
    changed = False
    for path, text in files.values():
        if not holds(path, text):
            changed = True
            if not check:
                write(path, text)
    return {"changed": changed, "result": content["result"], **{key: os.path.abspath(files[key][0]) for key in files}}


def holds(path: str, text: str) -> bool:
    try:
        with open(path, "rb") as stream:
            return stream.read() == text.encode()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise unusable(path, error) from error


def write(path: str, text: str) -> None:
    """Replace the file atomically, mode 0600. Raises BoxliftError."""
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder or ".", exist_ok=True)
        replace_file(path, text.encode())
    except OSError as error:
        raise unusable(path, error) from error


def unusable(path: str, error: OSError) -> BoxliftError:
    return BoxliftError(f"The report {path} cannot be written: {error.strerror}.", "Give a writable folder as dest.")

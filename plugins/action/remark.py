# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.remark: adds a cure to an error in the journal."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import known, place, process, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Failure, Journal, read
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.redact import masking

Data = dict[str, t.Any]


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[Data] = {
        "step": {"type": "str", "default": ""},
        "error": {"type": "int", "default": 0},
        "text": {"type": "str", "default": ""},
        "minutes": {"type": "int"},
        "operator": {"type": "str"},
        "journal": {"type": "path"},
    }

    def work(self, options: Data, task_vars: Data) -> Data:
        path = place.required(options["journal"])
        return remark(path, options, masking(task_vars), self._task.check_mode)


def remark(path: str, options: Data, mask: t.Callable[[t.Any], t.Any], check: bool) -> Data:
    """Write the cure, if there is a text and it is new. Raises BoxliftError, OSError."""
    journal = read([path])
    steps = [options["step"]] if options["step"] else list(journal.steps)
    out: Data = {"changed": False, "journal": path}
    if options["text"].strip():
        text = mask(options["text"].strip())
        failure = chosen(journal, steps, options, text)
        out.update(step=failure.step, error=failure.line)
        out["changed"] = text not in [cure.text for cure in failure.cures]
        if out["changed"] and not check:
            fields: Data = {"step": failure.step, "error": failure.line, "text": text}
            if options["minutes"] is not None:
                fields["seconds"] = options["minutes"] * 60
            writer.append(path, "remark", {**fields, **process.operator(options["operator"])})
            journal = read([path])
    errors = [error for step in steps for error in known.known_errors(journal, step)]
    return {**out, "errors": errors, "text": known.lines(errors)}


def chosen(journal: Journal, steps: t.Sequence[str], options: Data, text: str) -> Failure:
    """The error with the given number, else the one that has this cure already, else the last one without a cure.

    Raises BoxliftError.
    """
    failures = sorted((one for step in steps for one in journal.failures(step)), key=lambda one: one.line)
    wanted = options["error"]
    if wanted:
        found = [one for one in failures if one.line == wanted]
    else:
        same = [one for one in failures if text in [cure.text for cure in one.cures]]
        found = same or [one for one in failures if not one.cures]
    if found:
        return found[-1]
    there = ", ".join(f"{one.line} ({one.step})" for one in failures) or "none"
    what = f"no error in line {wanted}" if wanted else "no error without a cure"
    of = f" of step {options['step']}" if options["step"] else ""
    raise BoxliftError(
        f"The journal {', '.join(journal.files)} has {what}{of}; its errors stand in the lines: {there}.",
        "Run playbook remark without remark_text: it lists them. Then give the number as remark_error.",
    )

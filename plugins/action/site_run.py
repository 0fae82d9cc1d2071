# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.site_run: a playbook for one site of many, in the site's own folder on the controller."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
import time
import typing as t

from ansible import constants
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, from_system
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.fleet.run import Outcome, refused, run
from ansible_collections.boxlift.portal.plugins.plugin_utils.fleet.site import environment, site

ANSIBLE = (sys.executable, "-m", "ansible", "playbook")
OURS = "boxlift.portal."


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "folder": {"type": "path", "required": True},
        "playbook": {"type": "str", "required": True},
        "extra_vars": {"type": "dict", "default": {}, "no_log": True},
        "timeout_minutes": {"type": "float"},
    }

    def work(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        found = run_site(options, constants.COLLECTIONS_PATHS, self._task.check_mode)
        return {**dataclasses.asdict(found), "failures": [dataclasses.asdict(one) for one in found.failures]}


def run_site(options: t.Mapping[str, t.Any], collections: t.Sequence[str], check: bool) -> Outcome:
    """Raises nothing that is the fault of one site: the others go on, and the summary names it."""
    try:
        of = site(options["folder"])
        minutes = options["timeout_minutes"]
        if minutes is not None and not minutes > 0:
            raise BoxliftError(f"timeout_minutes is {minutes:g}.", "Give a number above 0, or none at all.")
        with tempfile.TemporaryDirectory(prefix="boxlift-site-") as folder:
            command = [*ANSIBLE, options["playbook"], *(["--check"] if check else [])]
            if options["extra_vars"]:
                # Not in the command line, which everybody on this machine can read.
                path = os.path.join(folder, "extra.json")
                with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
                    json.dump(options["extra_vars"], stream)
                command += ["--extra-vars", f"@{path}"]
            return run(
                of,
                name_of(options["playbook"]),
                command,
                environment(of, collections, os.environ),
                time.time,
                minutes * 60 if minutes is not None else None,
            )
    except BoxliftError as error:
        return refused(error)
    except OSError as error:
        return refused(from_system(error, error.filename or options["folder"]))


def name_of(playbook: str) -> str:
    """`health` for `boxlift.portal.health` and for a path that ends with health.yml."""
    name = playbook.removeprefix(OURS) if playbook.startswith(OURS) else os.path.basename(playbook)
    return name.removesuffix(".yml").removesuffix(".yaml")

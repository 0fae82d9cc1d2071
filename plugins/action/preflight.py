# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.preflight: the module of this name, and the steps that its playbook takes on the controller.

The playbook registers its steps as below, since the verdict is about all hosts and reads what each of them was told.
"""

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError, AnsibleUndefinedVariable
from ansible.plugins.action import ActionBase
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import channels
from ansible_collections.boxlift.portal.plugins.plugin_utils.preflight import verdict
from ansible_collections.boxlift.portal.plugins.plugin_utils.preflight.inventory import Hosts, Inventory, inspect

INVENTORY, CERTIFICATE_PROBLEM, HOST = "preflight_inventory", "preflight_certificate_problem", "preflight_host"
Data = dict[str, t.Any]


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: Data | None = None) -> Data:
        result = super().run(tmp, task_vars)
        self._vars = task_vars or {}
        options = dict(self._task.args)
        step = options.pop("step", "module")
        if step == "module":
            return {**result, **self._module(options)}
        if step == "host":
            given = {**self._inventory().options, "controller_time": time.time(), **options}
            return {**result, **self._module(given)}
        if step == "inventory":
            found = self._inventory()
            answers = [finding.as_dict() for finding in [*found.findings, *self._notices()]]
            return {**result, "changed": False, "answers": answers, "certificate": found.certificate}
        if step in ("verdict", "inventory_verdict"):
            of_host = self._of_host if step == "verdict" else self._of_inventory
            findings = verdict.together(of_host(name) for name in self._vars["ansible_play_hosts_all"])
            told = {"refused": verdict.refused(findings), "message": verdict.message(findings)}
            return {**result, "changed": False, **told}
        raise AnsibleActionFail(
            f"preflight has no step {step!r}. Steps are host, inventory, inventory_verdict and verdict."
        )

    def _module(self, options: Data) -> Data:
        """Run the module on the host, with these options."""
        apart = bool(self._task.async_val) and not self._connection.has_native_async
        result: Data = self._execute_module(module_args=options, task_vars=self._vars, wrap_async=apart)
        if not apart:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _inventory(self) -> Inventory:
        hosts = Hosts(self._vars["inventory_hostname"], self._vars["groups"])
        return inspect(_Variables(self), hosts)

    def _notices(self) -> list[Finding]:
        """On the channels of notices, which are the same for every host: said once."""
        if self._vars["inventory_hostname"] != self._vars["ansible_play_hosts_all"][0]:
            return []
        variables = _Variables(self)
        return channels.findings(
            *(variables.get(name) for name in ("migration_plan", "notify_smtp", "notify_webhooks"))
        )

    def _of_host(self, name: str) -> list[Data]:
        """What is known of a host after the playbook's steps."""
        known = self._vars["hostvars"][name]
        problem = str(known.get(CERTIFICATE_PROBLEM, ""))
        inventory, asked = known[INVENTORY], known[HOST]
        about_files = verdict.certificate(inventory["certificate"], problem).as_dict()
        told = asked.get("findings") or [verdict.unasked(name, str(asked.get("msg") or "")).as_dict()]
        return [
            *self._of_inventory(name),
            {**about_files, "host": "controller"},
            *({**finding, "host": name} for finding in told),
        ]

    def _of_inventory(self, name: str) -> list[Data]:
        """What the inventory says for a host, which needs no answer of it."""
        answers = self._vars["hostvars"][name][INVENTORY]["answers"]
        return [{**finding, "host": "controller"} for finding in answers]


class _Variables:
    """The variables of the task's host as templates say them, and files where a playbook's lookups would find them."""

    def __init__(self, action: ActionModule) -> None:
        self._action = action

    def get(self, name: str) -> t.Any:
        variables = self._action._vars
        try:
            return self._action._templar.template(variables[name]) if name in variables else None
        except AnsibleUndefinedVariable:
            return None  # it refers to a variable that is not set, such as one of a missing vault

    def raw(self) -> t.Mapping[str, t.Any]:
        found: t.Mapping[str, t.Any] = self._action._vars["hostvars"].raw_get(self._action._vars["inventory_hostname"])
        return found

    def is_file(self, path: str) -> bool:
        try:
            self._action._find_needle("files", path)
        except AnsibleError:
            return False
        return True

    def read(self, path: str) -> str:
        found = self._action._find_needle("files", path)
        return str(self._action._loader.get_text_file_contents(found)).rstrip()

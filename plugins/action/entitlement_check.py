# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.entitlement_check: brings what of the inventory concerns this host, and files from here."""

from __future__ import annotations

import base64
import os
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.documents import read_bounded
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of

Data = dict[str, t.Any]
# The names that people may use in place of the module's own.
ALIASES = {"required": "uses", "licence": "licence_files", "on": "day"}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: Data | None = None) -> Data:
        result: Data = super().run(tmp, task_vars)
        variables = task_vars or {}
        options = {ALIASES.get(name, name): value for name, value in self._task.args.items()}
        try:
            for name in ("uses", "licence_files"):
                if isinstance(options.get(name), list):
                    options[name] = self._of_this_host(name, options, variables)
            if isinstance(options.get("licence_files"), list):
                options["licence_files"] = [self._brought(each) for each in options["licence_files"]]
        except BoxliftError as error:
            return {**result, "failed": True, **result_of(error)}
        return {**result, **self._execute_module(module_args=options, task_vars=variables)}

    def _of_this_host(self, name: str, options: Data, variables: Data) -> list[t.Any]:
        """The entries whose group has this host. Raises BoxliftError for a group without hosts: nobody would look."""
        mine = []
        for entry in options[name]:
            group = (entry.get("group") if isinstance(entry, dict) else None) or options.get("default_group")
            hosts = variables["groups"].get(group, []) if group else [variables["inventory_hostname"]]
            if not hosts:
                raise BoxliftError(
                    f"An entry of {name} is for the group {group}, which has no host.",
                    "Correct group in site_entitlements and site_licence_files, or put the host into the group.",
                )
            mine += [entry] if variables["inventory_hostname"] in hosts else []
        return mine

    def _brought(self, entry: t.Any) -> t.Any:
        """The entry with what its files on the controller hold. The module judges, also what could not be read."""
        if not isinstance(entry, dict):
            return entry
        entry, told = dict(entry), entry.get("signed")
        try:
            if isinstance(told, dict):
                entry["signed"] = told = {**told, "verify_with": self._content(told.get("public_key_file")) or ""}
                if entry.get("controller"):
                    told["proof"] = self._content(told.get("signature_file"))
            if entry.get("controller"):
                entry["content"] = self._content(entry.get("path"))
                entry["absent"] = entry["content"] is None
        except (BoxliftError, OSError) as error:
            entry["problem"] = result_of(error)["msg"]
        except AnsibleError as error:  # a vault that stays closed, or no file at all
            entry["problem"] = str(error)
        return entry

    def _content(self, path: t.Any) -> str | None:
        """Base64 of a file of the controller, in the site's folder or where a task finds its files; None for none."""
        if not path:
            return None
        found = os.path.abspath(os.path.expanduser(str(path)))
        if not os.path.exists(found):
            try:
                found = self._find_needle("files", str(path))
            except AnsibleError:
                return None
        plain = self._loader.get_real_file(found)  # it may be in a vault
        try:
            return base64.b64encode(read_bounded(plain)).decode("ascii")
        finally:
            self._loader.cleanup_tmp_file(plain)

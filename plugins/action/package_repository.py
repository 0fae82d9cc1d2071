# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.package_repository: sends what the host lacks of a repository, a few files at a time."""

from __future__ import annotations

import os
import tempfile
import typing as t

from ansible import constants
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.boxlift.portal.plugins.module_utils import package_repository as repository
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of

Data = dict[str, t.Any]
#: Bytes that are sent at once: they lie in the host's memory until they are in place.
ROOM = 24 * 2**20


class ActionModule(ActionBase):
    TRANSFERS_FILES = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: Data | None = None) -> Data:
        result: Data = super().run(tmp, task_vars)
        options = dict(self._task.args)
        try:
            if boolean(options.get("remote_src", False), strict=False) or not options.get("src"):
                return {**result, **self._execute_module(module_args=options, task_vars=task_vars)}
            return {**result, **self._bring(options, task_vars)}
        except (BoxliftError, OSError) as error:
            return {**result, "failed": True, **result_of(error)}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _bring(self, options: Data, task_vars: Data | None) -> Data:
        src = os.path.expanduser(str(options["src"]))
        files = repository.listed(src)
        arguments = {**options, "files": [file._asdict() for file in files]}
        found: Data = self._execute_module(module_args=arguments, task_vars=task_vars)
        if found.get("failed") or self._task.check_mode or not found["copied"]:
            return _without_files(found)
        lacking = set(found["copied"])
        # The index comes last of all.
        for batch in repository.batches((file for file in files if file.name in lacking), ROOM):
            sent = self._send(src, batch, options, task_vars)
            if sent.get("failed"):
                return _without_files(sent)
        last: Data = self._execute_module(module_args=arguments, task_vars=task_vars)
        if last.get("failed"):
            return _without_files(last)
        if last["copied"]:
            raise BoxliftError(f"{last['copied'][0]} did not arrive.", "Run again.")
        return {**_without_files(last), "changed": True, "copied": found["copied"]}

    def _send(self, src: str, batch: list[repository.File], options: Data, task_vars: Data | None) -> Data:
        shell = self._connection._shell
        if shell.tmpdir is None:
            self._make_tmp_path()
        remote = shell.join_path(shell.tmpdir, "packages.tar")
        with tempfile.NamedTemporaryFile(dir=constants.DEFAULT_LOCAL_TMP, suffix=".tar") as archive:
            repository.pack(src, batch, archive.name)
            self._transfer_file(archive.name, remote)
        self._fixup_perms2((shell.tmpdir, remote))
        taken = {**options, "step": "take", "archive": remote, "files": [file._asdict() for file in batch]}
        sent: Data = self._execute_module(module_args=taken, task_vars=task_vars)
        return sent


def _without_files(result: Data) -> Data:
    """Hundreds of sums in what Ansible shows of the call would hide the rest."""
    result.get("invocation", {}).get("module_args", {}).pop("files", None)
    return result

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the drive come back from an archive: out of the portal's recycle bin, else uploaded anew."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.disk import DRIVE, size_of
from ansible_collections.boxlift.portal.plugins.module_utils.crm.past import Key, Past
from ansible_collections.boxlift.portal.plugins.module_utils.crm.present import Present, got
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Command, RestError
from ansible_collections.boxlift.portal.plugins.module_utils.crm.restore_plan import CREATE, UPDATE, Ids, Row, Step
from ansible_collections.boxlift.portal.plugins.module_utils.crm.sending import Sender
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

IN_BIN = "3"
#: Bytes that one request may carry: a third more in base64, and all of it in memory.
LARGEST = 200 * 1024 * 1024


class DriveFiles:
    """Plans and carries out what is to be done for files. A file that is there under its id stays as it is."""

    def __init__(self, past: Past, present: Present, ids: Ids) -> None:
        self._past, self._present, self._ids = past, present, ids

    def plan(self, wanted: t.Sequence[Key], refuse: t.Callable[[str, str, str], None]) -> list[Step]:
        """A step for each file; `refuse` is told code, message and remedy of what speaks against one."""
        steps = []
        for key in dict.fromkeys(wanted):
            found = self._past.find(key)
            if found is None:
                refuse("not_in_snapshot", f"No archive has file {key[1]} of the drive.", "Correct its id, or archive.")
                continue
            step = Step(key, *found)
            steps.append(step)
            row = self._row("disk.file.get", self._ids.now(key))
            state = str((row or {}).get("DELETED_TYPE") or 0)
            if row is not None and state in ("0", IN_BIN):
                step.target = int(row["ID"])
                if state == IN_BIN:
                    step.action = UPDATE
                    step.remarks.append("It is taken out of the portal's recycle bin.")
                continue
            self._judge_upload(step, refuse)
        return steps

    def _judge_upload(self, step: Step, refuse: t.Callable[[str, str, str], None]) -> None:
        step.action, step.dated = CREATE, False
        name, folder = step.content.get("NAME"), int(step.content.get("PARENT_ID") or 0)
        kept = self._past.file(step.at, kinds.file_key(DRIVE, step.content["CONTENT"]))
        if kept is None:
            refuse("file_lost", f"The content of {name} ({step.id}) is in no store.", "Look for it in another archive.")
            return
        step.files = {"CONTENT": [kept]}
        if kept.size > LARGEST:
            remedy = "Take it out of the archive by hand, and upload it in the portal."
            refuse("too_large", f"{name} ({step.id}) has {kept.size} bytes.", remedy)
        elif self._row("disk.folder.get", folder) is None:
            remedy = "Bring the folder back from the portal's recycle bin."
            refuse("folder_gone", f"The folder {folder}, where {name} ({step.id}) was, is gone.", remedy)
        else:
            step.remarks.append("It is uploaded anew: author and date are those of the restore.")

    def carry_out(self, steps: t.Sequence[Step], sender: Sender, born: t.Callable[[Step, int], None]) -> list[str]:
        """What the portal refused, in its own words."""
        refused = []
        for step in steps:
            if step.action == UPDATE:
                (result,) = sender.repeat([Command("disk.file.restore", {"id": step.target})])
            elif step.action == CREATE:
                found = self._uploaded_before(step)
                result = {"ID": found} if found else self._upload(step, sender)
            else:
                continue
            if isinstance(result, RestError):
                refused.append(f"{DRIVE} {step.id}: {result.message}")
            elif step.action == CREATE:
                born(step, int(result["ID"]))
        return refused

    def _upload(self, step: Step, sender: Sender) -> t.Any:
        (kept,) = step.files["CONTENT"]
        name = str(step.content["NAME"])
        content = base64.b64encode(self._past.content(kept)).decode()
        params = {"id": int(step.content["PARENT_ID"]), "data": {"NAME": name}, "fileContent": [name, content]}

        def look_up(places: t.Sequence[int]) -> dict[int, t.Any]:
            found = self._uploaded_before(step)
            return dict.fromkeys(places, {"ID": found}) if found else {}

        # A name that somebody has used since gets a number.
        (result,) = sender.send([Command("disk.folder.uploadfile", {**params, "generateUniqueName": "Y"})], look_up)
        return result

    def _uploaded_before(self, step: Step) -> int | None:
        """A file of this content in its folder, under its name or one that was made from it."""
        (kept,) = step.files["CONTENT"]
        stem = os.path.splitext(str(step.content["NAME"]))[0]
        for row in self._present.all_rows("disk.folder.getchildren", {"id": int(step.content["PARENT_ID"])}):
            if row.get("TYPE") != "file" or size_of(row) != kept.size or not str(row.get("NAME")).startswith(stem):
                continue
            content = io.BytesIO()
            self._present.rest.fetch_file(str(row["DOWNLOAD_URL"]), content)
            if hashlib.sha256(content.getvalue()).hexdigest() == kept.sha256:
                return int(row["ID"])
        return None

    def _row(self, method: str, number: int) -> Row | None:
        """What the portal has under this id."""
        (outcome,) = self._present.rest.batch([Command(method, {"id": number})])
        if isinstance(outcome, RestError) and outcome.code.upper() in ("ERROR_NOT_FOUND", "NOT_FOUND"):
            return None
        if isinstance(outcome, RestError) and "scope" in outcome.code.lower():
            raise BoxliftError(outcome.message, "Add the scope disk to the webhook.", code="no_scope")
        return t.cast(Row, got(outcome).result)

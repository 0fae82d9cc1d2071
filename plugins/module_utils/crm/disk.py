# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a portal's drive that a webhook may see: walked folder by folder, many folders in one request."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Answer, Command, Rest, RestError

Row = dict[str, t.Any]
#: Commands in one request; the portal takes no more.
AT_ONCE = 50


class DiskWalk:
    """Reads every folder of every storage once. What it could not see stands in `unseen` and in `complete`."""

    def __init__(self, rest: Rest, storages: t.Collection[int] = (), folders_at_most: int = 0) -> None:
        """`storages`: ids, all where there are none; `folders_at_most`: 0 for no bound."""
        self._rest = rest
        self._wanted = {int(each) for each in storages}
        self._bound = folders_at_most
        #: Places that the portal did not show, with the reason.
        self.unseen: list[str] = []
        #: False where the bound ended the walk.
        self.complete = True
        self.folders = 0

    def storages(self) -> list[Row]:
        """The storages that are walked. Raises Denied where the webhook lacks the scope `disk`."""
        rows: list[Row] = []
        start: int | None = 0
        while start is not None:
            answer = self._rest.call("disk.storage.getlist", {"start": start})
            rows += answer.result or []
            start = answer.next
        return [row for row in rows if not self._wanted or int(row["ID"]) in self._wanted]

    def files(self) -> t.Iterator[Row]:
        """Every file as the portal gives it, with STORAGE for the name of its storage."""
        waiting: list[tuple[str, Row, int]] = [("disk.storage.getchildren", row, 0) for row in self.storages()]
        while waiting:
            now, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
            commands = [Command(method, {"id": int(row["ID"]), "start": start}) for method, row, start in now]
            for (method, row, start), outcome in zip(now, self._rest.batch(commands)):
                if isinstance(outcome, RestError):
                    self.unseen.append(f"{row.get('NAME') or row['ID']}: {outcome.message}")
                    continue
                if not isinstance(outcome, Answer):
                    raise outcome
                self.folders += start == 0
                storage = row.get("STORAGE") or row.get("NAME") or str(row["ID"])
                for child in outcome.result or []:
                    if child.get("TYPE") == "folder":
                        waiting.append(("disk.folder.getchildren", {**child, "STORAGE": storage}, 0))
                    elif str(child.get("DELETED_TYPE") or 0) == "0":
                        yield {**child, "STORAGE": storage}
                if outcome.next is not None:
                    waiting.append((method, row, outcome.next))
            if self._bound and self.folders >= self._bound and waiting:
                self.complete = False
                return


def size_of(file: t.Mapping[str, t.Any]) -> int:
    """Bytes of a file; older portals do not tell."""
    return int(file.get("SIZE") or 0)


#: The kind of the drive's files. They are in archives alone: no snapshot reads the drive.
DRIVE = "drivefile"


def drive_content(file: t.Mapping[str, t.Any]) -> Row:
    """A file's row as an archive keeps it: without addresses, which hold the access code; with its content's key."""
    row = {name: value for name, value in file.items() if name not in ("DOWNLOAD_URL", "DETAIL_URL", "STORAGE")}
    return {**row, "CONTENT": {"id": int(file["ID"]), "file": True}}

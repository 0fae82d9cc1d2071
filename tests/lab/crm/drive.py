# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The portal's drive: storages, folders and files, as far as the methods disk.* show them."""

from __future__ import annotations

import typing as t
import urllib.parse

from lab.crm.fields import file_content
from lab.crm.filters import PAGE
from lab.crm.portal import Crm
from lab.crm.store import All, Condition
from lab.crm.tables import Method, given, required, text_of, the_number
from lab.rest.answers import Answer, Asked, Refused, Row
from lab.rest.service import CODE

STORAGE, OBJECT = "drivestorage", "driveobject"
NOT_DELETED, IN_BIN = 0, 3


class Drive:
    """One drive. Tests fill it with `add_storage`, `add_folder` and `add_file`."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm

    def methods(self) -> dict[str, Method]:
        return {
            "disk.storage.getlist": self.storages,
            "disk.storage.getchildren": self.storage_children,
            "disk.folder.getchildren": self.folder_children,
            "disk.folder.get": lambda asked: Answer(self._shown(self._one(asked, "folder"), asked)),
            "disk.folder.uploadfile": self.upload,
            "disk.file.get": lambda asked: Answer(self._shown(self._one(asked, "file"), asked)),
            "disk.file.markdeleted": lambda asked: self._delete(asked, IN_BIN),
            "disk.file.restore": lambda asked: self._delete(asked, NOT_DELETED),
        }

    # -- for tests ---------------------------------------------------------------------------------------------------

    def add_storage(self, name: str) -> int:
        """Its number; its root is a folder with another one."""
        number = self.crm.store.insert(STORAGE, {"NAME": name, "ENTITY_TYPE": "common"})
        root = self._add(number, 0, name, "folder", 0, b"")
        self.crm.store.replace(STORAGE, number, {"ID": number, "NAME": name, "ROOT_OBJECT_ID": root})
        return number

    def root(self, storage: int) -> int:
        return int(self.crm.store.load(STORAGE, [storage])[storage]["ROOT_OBJECT_ID"])

    def add_folder(self, storage: int, name: str, parent: int = 0) -> int:
        return self._add(storage, parent or self.root(storage), name, "folder", 0, b"")

    def add_file(self, storage: int, name: str, content: bytes, parent: int = 0, **fields: t.Any) -> int:
        """`fields` are those of disk.file.get."""
        file = self.crm.store.put_file(name, content)
        number = self._add(storage, parent or self.root(storage), name, "file", file, content)
        if fields:
            self.change(number, **fields)
        return number

    def change(self, number: int, **fields: t.Any) -> None:
        self.crm.store.replace(OBJECT, number, {**self.crm.store.load(OBJECT, [number])[number], **fields})

    def empty_bin(self) -> None:
        self.crm.store.remove(OBJECT, self.crm.store.find(OBJECT, Condition("DELETED_TYPE", "=", IN_BIN)))

    def names(self) -> list[str]:
        """Of all files that are not in the bin."""
        return sorted(row["NAME"] for row in self.crm.rows(OBJECT) if row["TYPE"] == "file" and not row["DELETED_TYPE"])

    def _add(self, storage: int, parent: int, name: str, type_: str, file: int, content: bytes, user: int = 1) -> int:
        now = self.crm.now()
        row: Row = {"NAME": name, "STORAGE_ID": storage, "PARENT_ID": parent, "TYPE": type_, "DELETED_TYPE": 0}
        row |= {"CREATE_TIME": now, "UPDATE_TIME": now, "DELETE_TIME": None, "CREATED_BY": user, "UPDATED_BY": user}
        if type_ == "file":
            row |= {"FILE_ID": file, "SIZE": len(content), "GLOBAL_CONTENT_VERSION": 1}
        return self.crm.store.insert(OBJECT, row)

    # -- methods -----------------------------------------------------------------------------------------------------

    def _shown(self, row: Row, asked: Asked) -> Row:
        shown = {name: text_of(value) for name, value in row.items()}
        place = f"{asked.base_url}/company/disk/{urllib.parse.quote(row['NAME'])}"
        if row["TYPE"] == "file":
            who = asked.credential
            path = "" if who.app else f"{who.user}/{CODE}/"
            token = urllib.parse.urlencode({"token": f"disk|{row['FILE_ID']}"})
            shown["DOWNLOAD_URL"] = f"{asked.base_url}/rest/{path}crm.controller.item.getFile/?{token}"
        return {**shown, "CODE": None, "DETAIL_URL": place}

    @staticmethod
    def _page(rows: list[Row], asked: Asked) -> Answer:
        start = max(0, int(given(asked).get("start") or 0))
        following = start + PAGE
        return Answer(rows[start:following], len(rows), following if following < len(rows) else None)

    def storages(self, asked: Asked) -> Answer:
        return self._page([{name: text_of(row[name]) for name in row} for row in self.crm.rows(STORAGE)], asked)

    def storage_children(self, asked: Asked) -> Answer:
        number = the_number(asked)
        if not self.crm.store.load(STORAGE, [number]):
            raise Refused(f"Could not find entity with id '{number}'.", "ERROR_NOT_FOUND", 400)
        return self._children(self.root(number), asked)

    def folder_children(self, asked: Asked) -> Answer:
        return self._children(self._one(asked, "folder")["ID"], asked)

    def _children(self, folder: int, asked: Asked) -> Answer:
        there = [Condition("PARENT_ID", "=", folder), Condition("DELETED_TYPE", "=", NOT_DELETED)]
        numbers = self.crm.store.find(OBJECT, All(there))
        rows = self.crm.store.load(OBJECT, numbers)
        return self._page([self._shown(rows[number], asked) for number in numbers], asked)

    def _one(self, asked: Asked, type_: str) -> Row:
        number = the_number(asked)
        row = self.crm.store.load(OBJECT, [number]).get(number)
        if row is None or row["TYPE"] != type_:
            raise Refused(f"Could not find entity with id '{number}'.", "ERROR_NOT_FOUND", 400)
        return row

    def _delete(self, asked: Asked, state: int) -> Answer:
        row = self._one(asked, "file")
        row |= {"DELETED_TYPE": state, "DELETE_TIME": self.crm.now() if state else None}
        self.crm.store.replace(OBJECT, row["ID"], row)
        return Answer(self._shown(row, asked))

    def upload(self, asked: Asked) -> Answer:
        """A name that is there already is refused, unless a new one may be made."""
        folder = self._one(asked, "folder")
        content = file_content(required(asked, "filecontent"))
        if content is None:
            raise Refused("Invalid value of parameter {fileContent}", code="ERROR_ARGUMENT")
        name = str((given(asked).get("data") or {}).get("NAME") or content[0])
        mine = All([Condition("PARENT_ID", "=", folder["ID"]), Condition("NAME", "=", name)])
        if self.crm.store.find(OBJECT, mine):
            if str(given(asked).get("generateuniquename")).lower() not in ("1", "true", "y"):
                raise Refused("Non unique name", "DISK_OBJ_22000", 400)
            stem, dot, end = name.rpartition(".")
            name = f"{stem} (1).{end}" if dot else f"{name} (1)"
        file = self.crm.store.put_file(name, content[1])
        user = asked.credential.user
        number = self._add(folder["STORAGE_ID"], folder["ID"], name, "file", file, content[1], user)
        return Answer(self._shown(self.crm.store.load(OBJECT, [number])[number], asked))

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows as the methods answer with them; encoded rows are kept, so that reading costs next to nothing."""

from __future__ import annotations

import json
import typing as t
import urllib.parse

from lab.crm.fields import MULTIPLE, Field, family_of, legacy_names
from lab.crm.portal import Crm
from lab.crm.store import EVERYTHING
from lab.rest.answers import Asked, Row
from lab.rest.service import CODE

#: Encoded rows that are kept of one kind in one form.
KEPT = 300_000
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Form(t.NamedTuple):
    """How rows are shown: the older way or that of crm.item.*, which fields, and with whose addresses of files."""

    legacy: bool
    original: bool
    select: tuple[str, ...]
    files: str = ""


class RowCache:
    """Rows as JSON. Encoded rows are kept until the portal tells that they have changed."""

    def __init__(self, crm: Crm) -> None:
        self._crm = crm
        self._kept: dict[str, dict[t.Hashable, dict[int, bytes]]] = {}
        crm.when_changed(self._forget)

    def _forget(self, kind: str, numbers: t.Collection[int]) -> None:
        with self._crm.store.lock:
            if not numbers:
                self._kept.pop(kind, None)
            for rows in self._kept.get(kind, {}).values():
                for number in numbers:
                    rows.pop(number, None)

    def rows(self, kind: str, numbers: t.Sequence[int], form: t.Hashable, shown: t.Callable[[Row], Row]) -> list[bytes]:
        """Encoded rows in this form; without those that are gone by now. `shown` makes the form of a row."""
        store = self._crm.store
        with store.lock:
            kept = self._kept.setdefault(kind, {}).setdefault(form, {}) if store.cacheable else {}
            missing = [number for number in numbers if number not in kept]
            if missing:
                if len(kept) > KEPT:
                    kept.clear()
                    missing = list(numbers)
                for number, row in store.load(kind, missing).items():
                    kept[number] = _dumps(shown(row)).encode()
            return [kept[number] for number in numbers if number in kept]


class Encoder:
    """Items as the methods show them."""

    def __init__(self, crm: Crm, cache: RowCache) -> None:
        self._crm, self._cache = crm, cache

    def form(self, kind: str, asked: Asked, *, legacy: bool, original: bool, select: t.Iterable[str]) -> Form:
        files = any(field.type == "file" for field in self._crm.fields(kind).values())
        credential = asked.credential
        path = f"{asked.base_url}/rest/" + ("" if credential.app else f"{credential.user}/{CODE}/")
        return Form(legacy, original, tuple(sorted(select)), path if files else "")

    def rows(self, kind: str, numbers: t.Sequence[int], form: Form) -> list[bytes]:
        """Encoded rows; without those that are gone by now."""
        return self._cache.rows(kind, numbers, form, lambda row: self.shown(kind, row, form))

    def warm(self, kind: str, form: Form) -> None:
        """Encode all rows of a kind now, so that the first reader is as fast as the next."""
        self.rows(kind, self._crm.store.find(kind, EVERYTHING), form)

    def shown(self, kind: str, row: Row, form: Form) -> Row:
        return self._legacy(kind, row, form) if form.legacy else self._item(kind, row, form)

    def _item(self, kind: str, row: Row, form: Form) -> Row:
        every = not form.select or "*" in form.select
        shown: Row = {}
        for field in self._crm.fields(kind).values():
            name = field.name if form.original else field.camel
            if every or name in form.select or name == "id":
                if name == "fm" and not every:
                    continue
                shown[name] = self._value(kind, row, field, form)
        return shown

    def _value(self, kind: str, row: Row, field: Field, form: Form) -> t.Any:
        value = row.get(field.name)
        if field.type == "file" and value:
            if isinstance(value, list):
                return [self.file(kind, row["id"], field, each["id"], form) for each in value]
            return self.file(kind, row["id"], field, value["id"], form)
        if value is None:
            return [] if field.multiple else "N" if field.type == "boolean" else None
        return value

    def file(self, kind: str, number: int, field: Field, file: int, form: Form) -> Row:
        token = f"crm|{self._crm.entity_type(kind)}|{number}|{field.name}|{file}"
        asked = urllib.parse.urlencode({"token": token})
        if form.legacy:
            shown = f"/bitrix/components/bitrix/crm.{family_of(kind)}.show/show_file.php?ownerId={number}"
            shown += f"&fieldName={field.name}&dynamic=Y&fileId={file}"
            return {"id": file, "showUrl": shown, "downloadUrl": f"{shown}&download=y"}
        url = f"/bitrix/services/main/ajax.php?action=crm.controller.item.getFile&{asked}"
        return {"id": file, "url": url, "urlMachine": f"{form.files}crm.controller.item.getFile/?{asked}"}

    def _legacy(self, kind: str, row: Row, form: Form) -> Row:
        select = form.select or ("*",)
        names, shown = legacy_names(family_of(kind)), {"ID": str(row["id"])}
        for field in self._crm.fields(kind).values():
            if field.name == "fm":
                for type_ in MULTIPLE:
                    if type_ in select:
                        self._multiple(row, type_, shown)
                continue
            name = field.name if field.user_field else names[field.name]
            if name in ("CONTACT_IDS", "COMPANY_IDS", "OBSERVERS") and name not in select:
                continue
            if name in select or ("UF_*" if field.user_field else "*") in select:
                shown[name] = as_text(field, self._value(kind, row, field, form))
        return shown

    @staticmethod
    def _multiple(row: Row, type_: str, shown: Row) -> None:
        found = [each for each in row.get("fm", ()) if each["typeId"] == type_]
        if found:
            shown[type_] = [
                {"ID": str(e["id"]), "VALUE_TYPE": e["valueType"], "VALUE": e["value"], "TYPE_ID": type_} for e in found
            ]


def as_text(field: Field, value: t.Any) -> t.Any:
    """The older methods give texts."""
    if isinstance(value, list):
        return [as_text(field, each) for each in value] if field.type != "file" else value
    if field.user_field and field.type == "boolean":
        return "1" if value == "Y" else "0"
    if field.name in ("opportunity", "taxValue", "revenue") and value is not None:
        return f"{value:.2f}"
    return value if value is None or isinstance(value, (str, dict)) else str(value)

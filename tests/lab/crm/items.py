# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The methods crm.item.*."""

from __future__ import annotations

import typing as t

from lab.crm.encoding import Encoder
from lab.crm.fields import Field, as_number, legacy_names
from lab.crm.filters import PAGE, items, read_filter, read_order, read_page
from lab.crm.portal import Crm
from lab.crm.tables import Method
from lab.rest.answers import Answer, Asked, Raw, Refused, Row

IMPORTS = 20


def original(asked: Asked) -> bool:
    return str(asked.parameters.get("useOriginalUfNames", "N")).upper() in ("Y", "1", "TRUE")


def fields_of(asked: Asked, name: str = "fields") -> t.Any:
    given = asked.parameters.get(name, asked.parameters.get(name.upper()))
    if given is None or given == "":
        raise Refused(f"Could not find value for parameter {{{name}}}", "100", 400)
    if not isinstance(given, (dict, list)):
        raise Refused(f"Invalid value {{{given}}} to match with parameter {{{name}}}", "100", 400)
    return given


class Items:
    """Methods of items of any kind."""

    def __init__(self, crm: Crm, encoder: Encoder) -> None:
        self.crm, self.encoder = crm, encoder

    def methods(self) -> dict[str, Method]:
        found: dict[str, Method] = {
            "crm.item.list": self.list,
            "crm.item.get": self.get,
            "crm.item.add": self.add,
            "crm.item.update": self.update,
            "crm.item.delete": self.delete,
            "crm.item.fields": self.fields,
        }
        if self.crm.rules.imports:
            found["crm.item.import"] = self.import_one
        if self.crm.rules.batch_imports:
            found["crm.item.batchimport"] = self.import_many
        return found

    def _kind(self, asked: Asked) -> str:
        if asked.parameters.get("entityTypeId") in (None, ""):
            raise Refused("Could not find value for parameter {entityTypeId}", code="100")
        return self.crm.kind_of(asked.parameters["entityTypeId"])

    @staticmethod
    def _number(asked: Asked) -> int:
        number = as_number(asked.parameters.get("id", asked.parameters.get("ID", "")))
        if number is None:
            raise Refused("Could not find value for parameter {id}", code="100")
        return number

    def _field(self, kind: str, name: str, asked: Asked) -> Field | None:
        """The field of a name in a filter or an order."""
        field = self.crm.fields(kind).get(self.crm.item_names(kind, original(asked)).get(name, ""))
        return None if field is None or name == "fm" or field.type == "file" else field

    def list(self, asked: Asked) -> Answer:
        crm, given = self.crm, asked.parameters
        kind, page = self._kind(asked), read_page(given)

        def field(name: str) -> Field | None:
            return self._field(kind, name, asked)

        where = read_filter(given.get("filter"), field, crm.zone, strict=True)
        order = read_order(given.get("order"), field, strict=True)
        names, as_is = crm.item_names(kind, original(asked)), original(asked)
        fields = crm.fields(kind)
        select = []
        for _key, each in items(given.get("select")):
            known = fields.get(names.get(str(each), ""))
            select.append(str(each) if known is None else known.name if as_is else known.camel)
        form = self.encoder.form(kind, asked, legacy=False, original=original(asked), select=select)
        numbers = crm.store.find(kind, where, order, PAGE, page.offset)
        rows = self.encoder.rows(kind, numbers, form)
        result = Raw(b'{"items":[' + b",".join(rows) + b"]}")
        if not page.counted and not crm.rules.count_always:
            return Answer(result)
        total = crm.store.count(kind, where)
        following = page.offset + PAGE
        return Answer(result, total, following if following < total else None)

    def _one(self, kind: str, number: int, asked: Asked) -> Raw:
        form = self.encoder.form(kind, asked, legacy=False, original=original(asked), select=())
        found = self.encoder.rows(kind, [number], form)
        if not found:
            raise Refused("Element not found", "NOT_FOUND", 400)
        return Raw(b'{"item":' + found[0] + b"}")

    def get(self, asked: Asked) -> Answer:
        return Answer(self._one(self._kind(asked), self._number(asked), asked))

    def add(self, asked: Asked) -> Answer:
        kind = self._kind(asked)
        given = self.crm.from_item(kind, fields_of(asked), original(asked))
        number = self.crm.create(kind, given, asked.credential.user)
        return Answer(self._one(kind, number, asked))

    def update(self, asked: Asked) -> Answer:
        kind, number = self._kind(asked), self._number(asked)
        given = self.crm.from_item(kind, fields_of(asked), original(asked))
        self.crm.change(kind, number, given, asked.credential.user, automation=True)
        return Answer(self._one(kind, number, asked))

    def delete(self, asked: Asked) -> Answer:
        if not self.crm.remove(self._kind(asked), [self._number(asked)]):
            raise Refused("Element not found", "NOT_FOUND", 400)
        return Answer([])

    def _import(self, kind: str, given: t.Any, asked: Asked) -> Row:
        fields = self.crm.from_item(kind, given, original(asked))
        return {"item": {"id": self.crm.create(kind, fields, asked.credential.user, how="import")}}

    def import_one(self, asked: Asked) -> Answer:
        return Answer(self._import(self._kind(asked), fields_of(asked), asked))

    def import_many(self, asked: Asked) -> Answer:
        """Every record stands for itself; the answers are in order."""
        kind, data = self._kind(asked), fields_of(asked, "data")
        records = [each for _key, each in items(data)]
        if len(records) > IMPORTS:
            raise Refused(f"Maximum number of items is {IMPORTS}", "MAX_IMPORT_BATCH_SIZE_EXCEEDED", 400)
        answers: list[Row] = []
        for given in records:
            try:
                answers.append(self._import(kind, given, asked))
            except Refused as refused:
                answers.append(refused.content)
        return Answer({"items": answers})

    def fields(self, asked: Asked) -> Answer:
        kind, as_is = self._kind(asked), original(asked)
        names = legacy_names(kind) if ":" not in kind else {}
        found = {}
        for field in self.crm.fields(kind).values():
            shown: Row = {"type": field.type, "isRequired": field.required, "isReadOnly": field.read_only}
            shown |= {"isImmutable": False, "isMultiple": field.multiple, "isDynamic": field.user_field}
            if field.status:
                shown["statusType"] = self.crm.stages(kind, 0) if field.name == "stageId" else field.status
            if field.items:
                shown["items"] = [{"ID": str(each["ID"]), "VALUE": each["VALUE"]} for each in field.items]
            upper = (
                field.name
                if field.user_field
                else names.get(field.name, "FM" if field.name == "fm" else field.name.upper())
            )
            shown |= {"title": field.title or field.name, "upperName": upper}
            found[field.name if as_is else field.camel] = shown
        return Answer({"fields": found})

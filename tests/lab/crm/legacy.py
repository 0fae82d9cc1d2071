# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The older methods of leads, deals, contacts and companies: crm.lead.list and so on. They give texts."""

from __future__ import annotations

import typing as t

from lab.crm.directory import multiple_fields
from lab.crm.encoding import Encoder
from lab.crm.fields import MULTIPLE, TYPES, Field, as_flag, as_number, legacy_names
from lab.crm.filters import PAGE, items, read_filter, read_order, read_page
from lab.crm.portal import Crm
from lab.crm.tables import Method, given, given_fields, required, the_number
from lab.rest.answers import Answer, Asked, Raw, Refused, Row

#: Methods of links: kind → the kind that it is linked to.
LINKS = (("deal", "contact"), ("lead", "contact"), ("company", "contact"), ("contact", "company"))
#: What IMPORT=Y in params opens, for contacts and companies alone.
IMPORTED = ("createdTime", "updatedTime", "createdBy", "updatedBy")


class Legacy:
    """The methods."""

    def __init__(self, crm: Crm, encoder: Encoder) -> None:
        self.crm, self.encoder = crm, encoder

    def methods(self) -> dict[str, Method]:
        found: dict[str, Method] = {}
        for kind in TYPES:
            for name in ("list", "get", "add", "update", "delete", "fields"):
                found[f"crm.{kind}.{name}"] = self._of(kind, getattr(self, name))
        for kind, other in LINKS:
            found[f"crm.{kind}.{other}.items.get"] = self._of(f"{kind} {other}", self.links_get)
            found[f"crm.{kind}.{other}.items.set"] = self._of(f"{kind} {other}", self.links_set)
        return found

    @staticmethod
    def _of(kind: str, method: t.Callable[[str, Asked], Answer]) -> Method:
        return lambda asked: method(kind, asked)

    def _fields(self, kind: str) -> dict[str, Field]:
        """By the older names."""
        fields = self.crm.fields(kind)
        found = {legacy: fields[name] for name, legacy in legacy_names(kind).items()}
        found |= {name: field for name, field in fields.items() if field.user_field and field.type != "file"}
        return {**found, **(multiple_fields() if "fm" in fields else {})}

    def list(self, kind: str, asked: Asked) -> Answer:
        """There is no OR here, and fields that are unknown are ignored."""
        parameters, page, fields = given(asked), read_page(asked.parameters), self._fields(kind)
        where = read_filter(parameters.get("filter"), fields.get, self.crm.zone, strict=False)
        order = [
            ("id" if name == "ID" else name, down)
            for name, down in read_order(parameters.get("order"), fields.get, strict=False)
        ]
        select = [str(each) for _key, each in items(parameters.get("select"))]
        form = self.encoder.form(kind, asked, legacy=True, original=True, select=select)
        numbers = self.crm.store.find(kind, where, order, PAGE, page.offset)
        rows = Raw(b"[" + b",".join(self.encoder.rows(kind, numbers, form)) + b"]")
        if not page.counted and not self.crm.rules.count_always:
            return Answer(rows)
        total = self.crm.store.count(kind, where)
        return Answer(rows, total, page.offset + PAGE if page.offset + PAGE < total else None)

    def get(self, kind: str, asked: Asked) -> Answer:
        form = self.encoder.form(kind, asked, legacy=True, original=True, select=("*", "UF_*", *MULTIPLE))
        found = self.encoder.rows(kind, [the_number(asked)], form)
        if not found:
            raise Refused("Not found", "", 400)
        return Answer(Raw(found[0]))

    def add(self, kind: str, asked: Asked) -> Answer:
        params = dict(items(given(asked).get("params")))
        imports = kind in ("contact", "company") and as_flag(params.get("IMPORT", "N")) == "Y"
        wanted = self.crm.from_legacy(kind, given_fields(asked))
        if imports:
            plain = {name: value for name, value in wanted.items() if name not in ("movedTime", "movedBy")}
            number = self.crm.create(kind, plain, asked.credential.user, how="import")
            self.crm.automation[f"{kind} add"] += 1  # only crm.item.import is documented to switch it off
        else:
            number = self.crm.create(kind, wanted, asked.credential.user)
        self._tell(kind, params)
        return Answer(number)

    def _tell(self, kind: str, params: Row) -> None:
        if as_flag(params.get("REGISTER_SONET_EVENT", "N")) == "Y":
            self.crm.feed[kind] += 1

    def update(self, kind: str, asked: Asked) -> Answer:
        number, wanted = the_number(asked), self.crm.from_legacy(kind, given_fields(asked))
        if self.crm.get(kind, number) is None:
            raise Refused("Not found", "", 400)
        self.crm.change(kind, number, wanted, asked.credential.user, automation=True)
        self._tell(kind, dict(items(given(asked).get("params"))))
        return Answer(True)

    def delete(self, kind: str, asked: Asked) -> Answer:
        if not self.crm.remove(kind, [the_number(asked)]):
            raise Refused("Not found", "", 400)
        return Answer(True)

    def fields(self, kind: str, asked: Asked) -> Answer:
        own, found = self.crm.fields(kind), {}
        names = {**legacy_names(kind), **{name: name for name, field in own.items() if field.user_field}}
        for name, legacy in names.items():
            found[legacy] = self._described(own[name], legacy)
        if "fm" in own:
            found |= {name: self._described(Field(name, "crm_multifield", multiple=True), name) for name in MULTIPLE}
        return Answer(found)

    @staticmethod
    def _described(field: Field, title: str) -> Row:
        shown: Row = {"type": field.type, "isRequired": field.required, "isReadOnly": field.read_only}
        shown |= {"isImmutable": False, "isMultiple": field.multiple, "isDynamic": field.user_field, "title": title}
        if field.status:
            shown["statusType"] = "DEAL_STAGE" if field.status == "STAGE" else field.status
        if field.user_field:
            shown |= {"listLabel": field.title, "formLabel": field.title, "filterLabel": field.title}
        if field.items:
            shown["items"] = [{"ID": str(each["ID"]), "VALUE": each["VALUE"]} for each in field.items]
        return shown

    # -- links ---------------------------------------------------------------------------------------------------------

    def links_get(self, kinds: str, asked: Asked) -> Answer:
        kind, other = kinds.split()
        row = self.crm.get(kind, the_number(asked))
        if row is None:
            raise Refused("Not found", "", 400)
        name, primary = f"{other.upper()}_ID", row.get(f"{other}Id")
        numbers = row.get(f"{other}Ids", ())
        return Answer(
            [
                {name: each, "SORT": 10 * position, "ROLE_ID": 0, "IS_PRIMARY": "Y" if each == primary else "N"}
                for position, each in enumerate(numbers, 1)
            ]
        )

    def links_set(self, kinds: str, asked: Asked) -> Answer:
        kind, other = kinds.split()
        wanted = [as_number(each.get(f"{other.upper()}_ID")) for _key, each in items(required(asked, "items"))]
        fields = {f"{other}Ids": [number for number in wanted if number]}
        self.crm.change(kind, the_number(asked), fields, asked.credential.user, automation=True)
        return Answer(True)

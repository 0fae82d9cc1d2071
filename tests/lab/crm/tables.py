# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of records that are no items: activities, comments, statuses and so on."""

from __future__ import annotations

import typing as t

from lab.crm.encoding import RowCache
from lab.crm.fields import Field, as_number
from lab.crm.filters import PAGE, items, read_filter, read_order, read_page
from lab.crm.portal import Crm
from lab.crm.store import All, Where
from lab.rest.answers import Answer, Asked, Raw, Refused, Row

Method = t.Callable[[Asked], Answer]


def columns(text: str) -> dict[str, Field]:
    """`NAME:type NAME` as fields."""
    pairs = [word.partition(":") for word in text.split()]
    return {name: Field(name, type_ or "string") for name, _colon, type_ in pairs}


def given(asked: Asked) -> Row:
    """Parameters by names in small letters: the older methods take both."""
    return {name.lower(): value for name, value in asked.parameters.items()}


def required(asked: Asked, name: str) -> t.Any:
    value = given(asked).get(name.lower())
    if value is None or value == "":
        raise Refused(f"Could not find value for parameter {{{name}}}", "100", 400)
    return value


def the_number(asked: Asked, name: str = "id") -> int:
    number = as_number(required(asked, name))
    if number is None or number < 0:
        raise Refused("ID is not defined or invalid.", "", 400)
    return number


def given_fields(asked: Asked) -> Row:
    fields = required(asked, "fields")
    if not isinstance(fields, (dict, list)):
        raise Refused("Parameter 'fields' must be array.", "", 400)
    return dict(items(fields))


def text_of(value: t.Any) -> t.Any:
    """The older methods give texts."""
    if isinstance(value, (list, dict)) or value is None or isinstance(value, bool):
        return value
    return str(value)


class Table:
    """A kind of records with fields of its own."""

    def __init__(self, crm: Crm, cache: RowCache, kind: str, fields: t.Mapping[str, Field]) -> None:
        self.crm, self.kind, self.fields, self._cache = crm, kind, dict(fields), cache

    def find(self, asked: Asked, base: Where, *, strict: bool = False) -> tuple[list[int], int | None, int | None]:
        """Numbers of one page, how many there are, and where the next page begins."""
        parameters, page = given(asked), read_page(asked.parameters)
        field_of = self.fields.get if strict else lambda name: self.fields.get(name.upper(), self.fields.get(name))
        where = All([base, read_filter(parameters.get("filter"), field_of, self.crm.zone, strict=strict)])
        order = read_order(parameters.get("order"), field_of, strict=strict)
        numbers = self.crm.store.find(self.kind, where, order, PAGE, page.offset)
        if not page.counted:
            return numbers, None, None
        total = self.crm.store.count(self.kind, where)
        return numbers, total, page.offset + PAGE if page.offset + PAGE < total else None

    def list(self, asked: Asked, base: Where, shown: t.Callable[[Row], Row], *, strict: bool = False) -> Answer:
        """One page of the older form: the result is the list itself."""
        numbers, total, following = self.find(asked, base, strict=strict)
        select = tuple(str(each) for _key, each in items(given(asked).get("select")))
        named = "*" not in select and bool(select)

        def chosen(row: Row) -> Row:
            full = shown(row)
            return {name: value for name, value in full.items() if name in select or name == "ID"} if named else full

        rows = self._cache.rows(self.kind, numbers, select, chosen)
        return Answer(Raw(b"[" + b",".join(rows) + b"]"), total, following)

    def one(self, number: int, message: str = "Not found") -> Row:
        row = self.crm.store.load(self.kind, [number]).get(number)
        if row is None:
            raise Refused(message, "", 400)
        return row

    def put(self, row: Row) -> int:
        number = self.crm.store.insert(self.kind, row)
        self.crm.tell(self.kind, [number])
        return number

    def replace(self, number: int, row: Row) -> None:
        self.crm.store.replace(self.kind, number, row)
        self.crm.tell(self.kind, [number])

    def remove(self, *numbers: int) -> int:
        gone = self.crm.store.remove(self.kind, numbers)
        self.crm.tell(self.kind, numbers)
        return gone

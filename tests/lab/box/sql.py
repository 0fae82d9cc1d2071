# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions and orders of the CRM's storage as SQL on a portal's tables."""

from __future__ import annotations

import typing as t

from lab.box import tables
from lab.box.tables import MORE, Layout
from lab.crm.store import All, Condition, Where


class Terms:
    """Conditions and orders as SQL; it notes which tables they need beside the record's own."""

    def __init__(self, at: Layout) -> None:
        self.at = at
        self._user = self._more = False

    def joined(self) -> str:
        """What stands after FROM."""
        text = f"{self.at.table} r"
        if self._user:
            text += f" LEFT JOIN {self.at.one_table} u ON u.VALUE_ID = r.{self.at.key}"
        if self._more:
            text += f" LEFT JOIN {MORE} x ON x.KIND = '{self.at.kind}' AND x.ID = r.{self.at.key}"
        return text

    def _form(self, field: str) -> str:
        if field in self.at.columns:
            return self.at.columns[field].form
        known = self.at.user_fields.get(field)
        return known.form if known else "anything"

    def value(self, field: str) -> str:
        """A field's value as an expression."""
        if field == self.at.number:
            return f"r.{self.at.key}"
        column = self.at.columns.get(field)
        if column is not None:
            return column.sql or f"r.`{column.name}`"
        if field in self.at.user_fields:
            self._user = True
            return f"u.`{field}`"
        if not field.replace("_", "").isalnum():
            raise ValueError(f"no field: {field!r}")
        self._more = self._more or self.at.own
        return f"JSON_VALUE({'x' if self.at.own else 'r'}.CONTENT, '$.{field}')"

    def where(self, where: Where) -> tuple[str, list[t.Any]]:
        if isinstance(where, Condition):
            return self._condition(where)
        found = [self.where(part) for part in where.parts]
        word = " AND " if isinstance(where, All) else " OR "
        text = word.join(f"({condition})" for condition, _values in found)
        return text or ("1" if isinstance(where, All) else "0"), [each for _text, given in found for each in given]

    def _condition(self, condition: Condition) -> tuple[str, list[t.Any]]:
        field, operator = condition.field, condition.operator
        given = list(condition.value) if operator in ("in", "not in") else [condition.value]
        at = self.at
        positive = {"!=": "=", "not in": "in", "not like": "like"}
        inside = positive.get(operator, operator)
        denied = "NOT " if operator in positive else ""
        if field.startswith("fm."):
            text, values = _compare("m.VALUE", inside, given)
            text = f"m.ENTITY_ID=%s AND m.ELEMENT_ID = r.{at.key} AND m.TYPE_ID=%s AND {text}"
            return f"{denied}EXISTS (SELECT 1 FROM b_crm_field_multi m WHERE {text})", [at.entity, field[3:], *values]
        link = at.links.get(field)
        if link is not None:
            text, values = _compare(f"l.{link.other}", inside, given)
            return f"{denied}EXISTS (SELECT 1 FROM {link.table} l WHERE l.{link.own} = r.{at.key} AND {text})", values
        known = at.user_fields.get(field)
        if known is not None and known.multiple:
            text, values = _compare(f"l.{known.many_column}", inside, [_given(known.form, each) for each in given])
            text = f"l.VALUE_ID = r.{at.key} AND l.FIELD_ID = {known.id:d} AND {text}"
            return f"{denied}EXISTS (SELECT 1 FROM {at.many_table} l WHERE {text})", values
        form = self._form(field)
        return _compare(self.value(field), operator, [_given(form, each) for each in given])


def _given(form: str, value: t.Any) -> t.Any:
    """A condition's value as the table has it."""
    if isinstance(value, bool) and form == "anything":
        return "true" if value else "false"  # as JSON_VALUE has them
    return value if isinstance(value, str) and "%" in value else tables.to_table(form, value)


def _compare(column: str, operator: str, values: list[t.Any]) -> tuple[str, list[t.Any]]:
    if operator in ("in", "not in"):
        some = [value for value in values if value is not None]
        text = f"{column} IN ({marks(some)})" if some else "0"
        if len(some) < len(values):
            text = f"({text} OR {column} IS NULL)"
        return (f"NOT COALESCE({text}, 0)" if operator == "not in" else text), some
    if operator == "=":
        return f"{column} <=> %s", values
    if operator == "!=":
        return f"NOT ({column} <=> %s)", values
    if operator == "like":
        return f"{column} LIKE %s", values
    if operator == "not like":
        return f"COALESCE({column}, '') NOT LIKE %s", values
    return f"{column} {operator} %s", values


def fixed(at: Layout) -> str:
    return "".join(f" AND r.{column}=%s" for column in at.fixed)


def marks(values: t.Collection[t.Any]) -> str:
    return ", ".join(["%s"] * len(values))

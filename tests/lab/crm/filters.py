# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters, order and pages of the methods that list."""

from __future__ import annotations

import re
import typing as t

from lab.crm.fields import Field, Zone, as_number, convert
from lab.crm.store import All, Any_, Condition, Order, Where
from lab.rest.answers import Refused, Row

PAGE = 50
#: Prefix of a field in a filter → the operator.
PREFIXES: dict[str, str] = {
    "": "=", "=": "=", "!": "!=", "!=": "!=", ">": ">", ">=": ">=", "<": "<", "<=": "<=", "@": "in", "!@": "not in",
    "%": "like", "=%": "like", "%=": "like", "!%": "not like", "!=%": "not like", "!%=": "not like",
}  # fmt: skip
#: Prefixes with which the value has its own % signs.
OWN_PERCENT = ("=%", "%=", "!=%", "!%=")
DENIED = {"=": "!=", "in": "not in", "like": "not like"}


def items(given: t.Any) -> list[tuple[str, t.Any]]:
    """The pairs of what PHP has as an array."""
    if isinstance(given, dict):
        return [(str(key), value) for key, value in given.items()]
    return [(str(number), value) for number, value in enumerate(given)] if isinstance(given, list) else []


def read_filter(given: t.Any, field_of: t.Callable[[str], Field | None], zone: Zone, *, strict: bool) -> Where:
    """`field_of` knows the field of a name, with the name that rows have. `strict`: crm.item.*, which refuses what it
    does not know and has OR; else it is ignored."""
    parts: list[Where] = []
    either = False
    for key, value in items(given):
        if strict and key.lower() == "logic":
            either = str(value).upper() == "OR"
            continue
        if strict and key.isdigit():
            parts.append(read_filter(value, field_of, zone, strict=True))
            continue
        prefix, name = re.fullmatch(r"([!=%<>@?]*)(.*)", key, re.DOTALL).groups()  # type: ignore[union-attr]
        field = field_of(name)
        if field is None or prefix not in PREFIXES:
            if strict:
                raise Refused(f"Invalid filter: field '{name}' is not allowed in filter", "INVALID_ARG_VALUE")
            continue
        parts.append(condition(prefix, field, value, zone))
    return Any_(parts) if either else All(parts)


def condition(prefix: str, field: Field, value: t.Any, zone: Zone) -> Condition:
    operator = PREFIXES[prefix]
    if operator in ("like", "not like"):
        return Condition(field.name, operator, str(value) if prefix in OWN_PERCENT else f"%{value}%")
    try:
        if isinstance(value, (list, dict)):
            several = [_value(field, each, zone) for _key, each in items(value)]
            return Condition(field.name, "not in" if operator.startswith(("!", "not")) else "in", several)
        if operator in ("in", "not in"):
            return Condition(field.name, operator, [_value(field, value, zone)])
        wanted = _value(field, value, zone)
        if field.type == "boolean" and wanted == "N" and operator in ("=", "!="):
            return Condition(field.name, "in" if operator == "=" else "not in", ["N", None])
        return Condition(field.name, operator, wanted)
    except ValueError:
        text = f"Invalid filter: field '{field.name}' has invalid value"
        raise Refused(text, "INVALID_ARG_VALUE") from None


def _value(field: Field, value: t.Any, zone: Zone) -> t.Any:
    if value is None or value == "":
        return None
    if field.type == "boolean" and field.user_field:
        return "Y" if as_number(value) == 1 else "N"  # such a column is a number: Y is as good as 0
    if isinstance(value, bool) and field.type == "string":
        return value  # such as ACTIVE of employees
    if field.type == "string_number":
        return str(value)
    return convert(field.type, value, zone)


def read_order(given: t.Any, field_of: t.Callable[[str], Field | None], *, strict: bool) -> Order:
    found = []
    for name, direction in items(given):
        field = field_of(name)
        if field is None or field.name.startswith("fm."):
            if strict:
                raise Refused(f"Invalid order: field '{name}' is not allowed in order", "INVALID_ARG_VALUE")
            continue
        if strict and str(direction).upper() not in ("ASC", "DESC"):
            text = f"Invalid order: allowed sort directions are ASC, DESC. But got '{direction}' for field '{name}'"
            raise Refused(text, "INVALID_ARG_VALUE")
        found.append((field.name, str(direction).upper().startswith("DESC")))
    if not any(name in ("id", "ID") for name, _down in found):
        found.append(("ID" if not strict else "id", False))
    return found


class Page(t.NamedTuple):
    """Where a page begins, and whether all that there is is counted."""

    offset: int
    counted: bool


def read_page(parameters: Row) -> Page:
    start = as_number(parameters.get("start", parameters.get("START", 0)) or 0) or 0
    return Page(max(start, 0), start >= 0)

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request's parameters: query string, form or JSON, with PHP's brackets; and the file of an upload."""

from __future__ import annotations

import json
import re
import typing as t
import urllib.parse

from lab.rest.answers import Row


def parse(query: str, content_type: str, body: bytes) -> Row:
    """Raises ValueError for JSON that is none."""
    found = nested(urllib.parse.parse_qsl(query, keep_blank_values=True))
    if not body:
        return found
    if "json" in content_type:
        given = json.loads(body)
        return {**found, **given} if isinstance(given, dict) else found
    return {**found, **nested(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))}


def nested(pairs: t.Iterable[tuple[str, str]]) -> Row:
    """`a[b][]=1` as {"a": {"b": ["1"]}}."""
    result: Row = {}
    for key, value in pairs:
        if "[" in key and "]" not in key:
            key = key.replace("[", "_", 1)  # PHP does so where the bracket is not closed, as in filter[<=ID]=5
        head, *rest = [key.partition("[")[0], *re.findall(r"\[([^\]]*)\]", key)]
        place: t.Any = result
        for name, following in zip([head, *rest], [*rest, None]):
            name = str(len(place)) if name == "" else name
            if following is None:
                place[name] = value
            else:
                place = place.setdefault(name, {})
    return {key: _lists(value) for key, value in result.items()}


def _lists(value: t.Any) -> t.Any:
    if not isinstance(value, dict):
        return value
    if list(value) == [str(number) for number in range(len(value))]:
        return [_lists(each) for each in value.values()]
    return {key: _lists(each) for key, each in value.items()}


def flat(value: t.Any, prefix: str = "") -> list[tuple[str, str]]:
    """The opposite of nested: what a form with PHP's brackets holds."""
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [pair for key, each in items for pair in flat(each, f"{prefix}[{key}]" if prefix else str(key))]
    return [(prefix, str(value))]


def uploaded(content_type: str, body: bytes, field: str = "file") -> bytes | None:
    """The bytes of a file in a form; None where the form has no such file."""
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    if boundary is None:
        return None
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary.group(1).encode())[1:]:
        head, _blank, content = part.partition(b"\r\n\r\n")
        if re.search(rb'[; ]name="?' + re.escape(field.encode()) + rb'"?(;|\r|$)', head):
            return content
    return None

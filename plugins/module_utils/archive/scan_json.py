# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part's scan as JSON, so that after a kill a proven part need not be read again.

A dataclass is written as its name and the list of its fields, so a state file of another version cannot be read:
`layout` tells whether it is one.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.inflate import Marker
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import DumpFile, PartScan, Tally, Walk
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry, State

_CLASSES: dict[str, t.Any] = {kind.__name__: kind for kind in (PartScan, Marker, Walk, State, Tally, DumpFile, Entry)}


def layout(*more: t.Any) -> str:
    """A hash of the names and fields of all classes that are saved; `more` are dataclasses beside those of a scan."""
    kinds = {**_CLASSES, **{kind.__name__: kind for kind in more}}
    fields = {name: list(kind.__annotations__) for name, kind in kinds.items()}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


def to_json(value: t.Any) -> t.Any:
    """A scan (without faults), or anything that one is made of, fit for JSON."""
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, Entry):
        return {"Entry": [to_json(field) for field in value]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {type(value).__name__: [to_json(getattr(value, field.name)) for field in dataclasses.fields(value)]}
    if isinstance(value, frozenset):
        return {"set": [to_json(member) for member in sorted(value)]}
    if isinstance(value, (list, tuple)):
        return [to_json(member) for member in value]
    if value is None or isinstance(value, (int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} cannot be saved")


def from_json(saved: t.Any, *more: t.Any) -> t.Any:
    """The inverse of `to_json`; `more` are dataclasses beside those of a scan. Tuples come back as lists."""
    if isinstance(saved, list):
        return [from_json(member, *more) for member in saved]
    if not isinstance(saved, dict):
        return saved
    ((name, content),) = saved.items()
    if name == "bytes":
        return base64.b64decode(content)
    if name == "set":
        return frozenset(from_json(member) for member in content)
    kind = next((kind for kind in more if kind.__name__ == name), None) or _CLASSES[name]
    return kind(*(from_json(field, *more) for field in content))

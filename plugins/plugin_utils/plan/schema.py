# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds a merged plan against schema.json. A field's description in the schema is the remedy that people read."""

from __future__ import annotations

import collections
import datetime
import functools
import json
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.merge import BY_ID, Merged, near
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.source import Path, Problem

try:
    import jsonschema
except ImportError as missing:
    ABSENT: ImportError | None = missing
else:
    ABSENT = None

FILE = pathlib.Path(__file__).with_name("schema.json")
MINUTE = "%Y-%m-%d %H:%M"


@functools.lru_cache(maxsize=1)
def validator() -> t.Any:
    """Raises BoxliftError where the controller has no jsonschema."""
    if ABSENT is not None:
        raise BoxliftError(
            f"The plan cannot be checked: {ABSENT}.",
            "Install what the collection needs on the controller: pip install -r requirements.txt.",
        ) from ABSENT
    formats = jsonschema.FormatChecker(formats=())
    formats.checks("date", raises=ValueError)(lambda value: not isinstance(value, str) or bool(day(value)))
    formats.checks("minute", raises=ValueError)(lambda value: not isinstance(value, str) or bool(minute(value)))
    schema = json.loads(FILE.read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema, format_checker=formats)


def day(text: str) -> datetime.date:
    """Raises ValueError."""
    return datetime.datetime.strptime(text, "%Y-%m-%d").date()


def minute(text: str) -> datetime.datetime:
    """Without a time zone. Raises ValueError."""
    return datetime.datetime.strptime(text, MINUTE)


def judge(merged: Merged) -> tuple[list[Problem], set[Path]]:
    """What does not fit the schema, and the paths of the entries (or of what else) that it concerns."""
    problems: list[Problem] = []
    broken: set[Path] = set()
    missing: dict[Path, list[str]] = collections.defaultdict(list)
    described: dict[Path, str] = {}
    for error in validator().iter_errors(merged.data):
        path: Path = tuple(error.absolute_path)
        if error.validator == "required":
            described[path] = error.schema.get("description", "")
            # One error for each name: the last word of its own message is not to be relied on.
            missing[path] += [name for name in error.validator_value if name not in error.instance]
        elif error.validator == "additionalProperties":
            known = error.schema["properties"]
            for name in sorted(set(error.instance) - set(known)):
                remedy = near(name, known) or f"Possible are {', '.join(known)}."
                problems.append(merged.problem((*path, name), "There is no such key.", remedy))
            # Whatever is said of the whole plan is said of what it names.
            path = path or (sorted(set(error.instance) - set(known))[0],)
        elif "propertyNames" in error.absolute_schema_path:
            path = (*path, error.instance)
            problems.append(merged.problem(path, "This is no id.", error.schema.get("description", "")))
        elif error.validator == "dependentRequired":
            remedy = "Give window_start and window_end, both or neither; without them there is no point of no return."
            problems.append(merged.problem(path, "The window is not complete.", remedy))
        else:
            value = _value(error.instance, error.schema)
            remedy = f"Expected: {error.schema.get('description') or error.message}"
            problems.append(merged.problem(path, f"{value} is not possible here.", remedy))
        broken.add(path[: 2 if path and path[0] in BY_ID else 1])
    for path, names in missing.items():
        problems.append(
            merged.problem(path, f"{_listed(list(dict.fromkeys(names)))} missing.", _complete(merged, path, described))
        )
    return problems, broken


def _value(value: t.Any, where: t.Mapping[str, t.Any]) -> str:
    """As in the file, but for what may be a secret in the wrong place."""
    if isinstance(value, (dict, list)) or where.get("writeOnly"):
        return "This mapping" if isinstance(value, dict) else "This list" if isinstance(value, list) else "This value"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


def _listed(names: list[str]) -> str:
    head, last = ", ".join(names[:-1]), names[-1]
    return f"{head} and {last} are" if head else f"{last} is"


def _complete(merged: Merged, path: Path, described: dict[Path, str]) -> str:
    """An entry that the default plan lacks may be a slip of the pen in the id of one that it has."""
    hint = ""
    if len(path) == 2 and path[0] in BY_ID and path[1] not in (merged.default.data.get(str(path[0])) or {}):
        hint = near(str(path[1]), merged.default.data.get(str(path[0])) or {})
        hint = f"{hint} If it is new, write all of it." if hint else "It is new, so write all of it."
    return f"{hint} Expected: {described[path]}".strip()

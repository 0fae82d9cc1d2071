# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's file merged into the default plan.

Mappings are merged by their keys, anything else is replaced, and null takes an entry out. Where a step is taken out,
what depended on it depends on what that step depended on; so the order of the others stays.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.source import Data, Path, Problem, Source

# Whose entries have ids that the site chooses.
BY_ID = ("organisations", "people", "phases", "stages", "steps", "gates", "lead_items", "visits", "done")


@dataclasses.dataclass(frozen=True)
class Merged:
    """The whole plan as data; `removed`: the path of each entry with an id that the site took out."""

    data: Data
    default: Source
    site: Source
    removed: frozenset[Path]

    def problem(self, path: Path, message: str, remedy: str) -> Problem:
        """A problem of the site's file, since the default plan is right: with the nearest line that says of it."""
        return self.site.problem(path, message, remedy)


def merge(default: Source, site: Source) -> tuple[Merged, list[Problem]]:
    """The merged plan, and what the site takes out without its being there."""
    problems: list[Problem] = []
    data = _merged(default.data, site.data, (), site, problems)
    removed = frozenset(
        (kind, name)
        for kind in BY_ID
        if isinstance(entries := site.data.get(kind), dict)
        for name, value in entries.items()
        if value is None and name in (default.data.get(kind) or {})
    )
    _close_gaps(data, default.data, {str(name) for kind, name in removed if kind == "steps"})
    return Merged(data, default, site, removed), problems


def near(name: str, known: t.Iterable[str]) -> str:
    """A question that names what was probably meant, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)
    return f"Did you mean {close[0]}?" if close else ""


def _has(data: t.Any, path: Path) -> bool:
    for part in path:
        if not isinstance(data, dict) or part not in data:
            return False
        data = data[part]
    return True


def _merged(base: Data, over: Data, path: Path, site: Source, problems: list[Problem]) -> Data:
    out = copy.deepcopy(base)
    for key, value in over.items():
        here = (*path, key)
        if value is None:
            if key not in base and path in {(kind,) for kind in BY_ID}:
                hint = f"{near(key, base)} Take the line out, or correct the id.".strip()
                problems.append(site.problem(here, "There is nothing of this id to take out.", hint))
            out.pop(key, None)
        elif isinstance(value, dict):
            before = base.get(key)
            out[key] = _merged(before if isinstance(before, dict) else {}, value, here, site, problems)
        else:
            out[key] = copy.deepcopy(value)
    # One thing at a time: what is named by the site takes the place of its counterpart.
    for one, other in (
        *(("playbook", "manual"), ("manual", "playbook"), ("manual", "vars")),
        *(("reason", "playbook"), ("playbook", "reason")),
    ):
        if over.get(one) and other in base and other not in over:
            out.pop(other, None)
    return out


def _close_gaps(data: Data, before: Data, removed: set[str]) -> None:
    """In `depends` and `after`, put what a removed step depended on in its place."""
    steps = before.get("steps") or {}

    def instead(name: str, seen: frozenset[str]) -> list[str]:
        if name not in removed or name in seen:
            return [name]
        return [other for one in steps[name].get("depends", []) for other in instead(one, seen | {name})]

    for kind, field in (("steps", "depends"), ("gates", "after")):
        entries = data.get(kind)
        for entry in entries.values() if isinstance(entries, dict) else ():
            names = entry.get(field) if isinstance(entry, dict) else None
            if isinstance(names, list) and removed.intersection(name for name in names if isinstance(name, str)):
                parts = [instead(name, frozenset()) if isinstance(name, str) else [name] for name in names]
                entry[field] = list(dict.fromkeys(name for part in parts for name in part))

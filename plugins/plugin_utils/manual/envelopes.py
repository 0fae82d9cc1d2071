# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the codes for the sealed envelopes from what playbook envelopes has written, for their owner alone."""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import stat
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, digits, numbers, site

FORMAT = "Give the file that ansible-playbook boxlift.portal.envelopes -e envelopes_pages=FILE has written."


@dataclasses.dataclass(frozen=True)
class Envelope:
    """`purpose` is `stop`, `rollback` or `resume`, else the title of an item. `number` counts those for the same."""

    purpose: str
    command: str
    groups: tuple[str, ...]
    number: int
    of: int


def read(path: str, plan: Plan) -> list[Envelope]:
    """The envelopes of a file. Raises BoxliftError, which never quotes a code, and OSError."""
    with open(path, "rb") as stream:
        mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
        if mode & 0o077:
            raise BoxliftError(
                f"Others may read {path}, and its codes with it.", f"chmod 600 {path}; or make new ones."
            )
        content = stream.read()
    try:
        data: dict[str, t.Any] = json.loads(content)
        entries = [(str(one["purpose"]), str(one["code"])) for one in data["envelopes"]]
        made_for = str(data["plan"])
    except (ValueError, KeyError, TypeError) as error:
        # What the library says of it shows the place, and with it the code.
        raise BoxliftError(f"{path} holds no codes for envelopes ({type(error).__name__}).", FORMAT) from None
    if made_for != plan.sha256:
        raise BoxliftError(
            f"The codes in {path} were made for the plan {made_for[:12]}, and this one is {plan.sha256[:12]}.",
            "Make key and envelopes for this plan: ansible-playbook boxlift.portal.envelopes -e envelopes_renew=true.",
        )
    items = {item.number: item for item in numbers.items(plan)}
    count = collections.Counter(purpose for purpose, _code in entries)
    seen: collections.Counter[str] = collections.Counter()
    found: list[Envelope] = []
    for purpose, code in entries:
        seen[purpose] += 1
        number = _number(purpose, items)
        title = purpose if purpose in codes.SPECIAL else f"{number} {site.title(plan, items, number)}"
        groups = _groups(path, len(found) + 1, code)
        found.append(Envelope(title, f"mig {number}", groups, seen[purpose], count[purpose]))
    return found


def _number(purpose: str, items: t.Mapping[str, numbers.Item]) -> str:
    """What is typed for a purpose. Raises BoxliftError."""
    if purpose in codes.SPECIAL:
        return purpose
    for item in items.values():
        if purpose in (item.number, item.occurrence, item.id):
            return item.number
    raise BoxliftError(f"The plan has no {purpose}, which an envelope is for.", "Make the envelopes anew.")


def _groups(path: str, number: int, code: str) -> tuple[str, ...]:
    """The groups of a code, as they are read out. Raises BoxliftError for one that was changed."""
    try:
        digits.ungrouped(code, codes.GROUPS)
    except digits.Misheard:
        raise BoxliftError(f"{path}: the code of envelope {number} is not whole.", FORMAT) from None
    text = digits.plain(code)
    size = digits.GROUP + 1
    return tuple(text[at : at + size] for at in range(0, len(text), size))

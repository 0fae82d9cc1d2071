# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The portal's side of the telephony: its external lines, and the default line of clicks on numbers."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.portal_side import DENIED
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.rest import Rest, RestRefused

_RIGHTS = (
    "Give the credential the right telephony, and its employee the right to change numbers; or use an application."
)


@dataclasses.dataclass(frozen=True)
class Line:
    """One of our numbers; `create` says whether an outgoing call by it may create a client."""

    number: str
    name: str = ""
    create: bool = True

    @property
    def shown(self) -> str:
        return f"{self.name}{'' if self.create else ', creates no client'}"


@dataclasses.dataclass(frozen=True)
class Change:
    """A request that is needed, and what it changes, for people."""

    method: str
    parameters: dict[str, str]
    what: str
    before: str
    after: str


def plan(rest: Rest, lines: t.Sequence[Line], outgoing: str) -> list[Change]:
    """What the portal lacks. Lines that nobody declared stay. Raises BoxliftError where that cannot be said."""
    numbers = [line.number for line in lines]
    double = sorted({number for number in numbers if numbers.count(number) > 1})
    if double:
        raise BoxliftError(f"Lines are declared twice: {', '.join(double)}.", "Declare each line once.")
    changes = []
    if lines:
        known = {line.number: line for line in map(_line_of, _ask(rest, "telephony.externalLine.get"))}
        changes = [change for line in lines for change in _change_of(line, known.get(line.number))]
    if outgoing:
        now = str(_ask(rest, "voximplant.line.outgoing.get") or "")
        if now != outgoing:
            given = {"LINE_ID": outgoing}
            changes.append(Change("voximplant.line.outgoing.set", given, "outgoing line", now, outgoing))
    return changes


def apply(rest: Rest, changes: t.Sequence[Change]) -> None:
    """Carry the changes out. A line that exists by now is as good as added."""
    for change in changes:
        try:
            _ask(rest, change.method, **change.parameters)
        except RestRefused as refused:
            if "already exists" not in refused.description:
                raise


def _line_of(row: dict[str, t.Any]) -> Line:
    return Line(str(row["NUMBER"]), str(row.get("NAME") or ""), row.get("CRM_AUTO_CREATE") != "N")


def _change_of(line: Line, known: Line | None) -> list[Change]:
    """A name that nobody declared may stay what it is."""
    wanted = dataclasses.replace(line, name=line.name or (known.name if known else ""))
    if wanted == known:
        return []
    parameters = {"NUMBER": line.number, "NAME": wanted.name, "CRM_AUTO_CREATE": "Y" if line.create else "N"}
    method = "telephony.externalLine.update" if known else "telephony.externalLine.add"
    before = known.shown if known else "absent"
    return [Change(method, parameters, f"line {line.number}", before, wanted.shown or "present")]


def _ask(rest: Rest, method: str, **parameters: t.Any) -> t.Any:
    try:
        return rest.call(method, **parameters)
    except RestRefused as refused:
        if refused.code in DENIED:
            raise BoxliftError(
                f"The portal does not let this {rest.kind} use {method} ({refused.code}).", _RIGHTS
            ) from None
        raise

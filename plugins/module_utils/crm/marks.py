# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Marks of a snapshot: by the dates of a few records it is known whether the portal went on from it.

A portal that was put back, or replaced by another restore, uses numbers again, and what it has otherwise now carries
dates of the past. Whoever asked it only for what changed since the last snapshot would not see that.
"""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import Answer
from ansible_collections.boxlift.portal.plugins.module_utils.crm.commands import Command
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store

MOST = 20  # of each kind: those that were changed last
VANISHED = 10  # so many that are all gone are more than people delete by chance
_NAME = "marks {}"


class Rest(t.Protocol):
    """What is needed of `crm.rest.Rest`."""

    def batch(self, commands: t.Sequence[Command], *, repeat: bool = True, halt: bool = False) -> t.Sequence[t.Any]: ...


class Marks:
    """Of one kind, gathered while a pass reads it."""

    def __init__(self, which: kinds.Kind, noted: t.Iterable[t.Sequence[t.Any]] | None = None) -> None:
        self._which = which
        self._dates = {int(number): (str(created), str(updated)) for number, created, updated in noted or ()}

    def take(self, row: t.Mapping[str, t.Any]) -> None:
        """A row that was read."""
        dates = (str(row.get(self._which.created) or ""), str(row.get(self._which.updated) or ""))
        self._dates[int(row[self._which.id_name])] = dates
        if len(self._dates) > 10 * MOST:
            self._dates = dict(self._newest())

    def _newest(self) -> list[tuple[int, tuple[str, str]]]:
        def age(pair: tuple[int, tuple[str, str]]) -> tuple[float, int]:
            return (kinds.instant(pair[1][1]) or 0.0, pair[0])

        return sorted(self._dates.items(), key=age)[-MOST:]

    def noted(self, store: Store) -> list[list[t.Any]]:
        """What is noted for the next pass, without those that are gone."""
        self._dates = {n: dates for n, dates in self._dates.items() if store.count(self._which, after=n - 1, upto=n)}
        return [[number, *dates] for number, dates in self._newest()]


def marked(which: kinds.Kind) -> bool:
    """Whether records of this kind say when they were made and changed."""
    return which.way in (kinds.ITEM, kinds.LIST) and bool(which.created and which.updated)


def note_name(which: kinds.Kind) -> str:
    """Under which a store notes the marks of a kind."""
    return _NAME.format(which.name)


def contradiction(rest: Rest, store: Store, overlap: float) -> str:
    """Why the portal did not go on from the store's newest snapshot; empty where nothing speaks against it."""
    newest = store.newest()
    asked = []
    for which in (kinds.kind(name) for name in store.kind_names()):
        noted = store.note(note_name(which)) if marked(which) else None
        if noted:
            asked.append((which, {int(number): (created, updated) for number, created, updated in noted}))
    commands = [_command(which, sorted(dates)) for which, dates in asked]
    for (which, dates), answer in zip(asked, rest.batch(commands) if commands else ()):
        if not isinstance(answer, Answer):
            continue  # the reading itself says so
        now, then = kinds.instant(answer.time.get("date_start")), kinds.instant(newest.clock if newest else "")
        if now is not None and then is not None and now < then - overlap:
            return "its clock is behind that of the last snapshot"
        rows = answer.result["items"] if isinstance(answer.result, dict) else answer.result
        there = {int(row[which.id_name]): row for row in rows}
        if not set(there) <= set(dates):
            continue  # it does not know the filter
        if not there and len(dates) >= VANISHED:
            return f"the last {len(dates)} {which.name} records that were changed are all gone"
        # What changed after this, the next reading asks for.
        since = (kinds.instant((store.note(f"read {which.name}") or {}).get("clock")) or 0.0) - overlap
        for number, row in there.items():
            created, updated = (row.get(name) for name in (which.created, which.updated))
            if not kinds.same_value(created, dates[number][0]):
                return f"{which.name} {number} was made at another time"
            if not kinds.same_value(updated, dates[number][1]) and (kinds.instant(updated) or 0.0) < since:
                return f"{which.name} {number} is another one now, without a later date"
    return ""


def _command(which: kinds.Kind, numbers: t.Sequence[int]) -> Command:
    given: dict[str, t.Any] = {"entityTypeId": which.entity_type} if which.is_item else {}
    select = [which.id_name, which.created, which.updated]
    condition = {f"@{which.id_name}": list(numbers)}
    return Command(which.list_method, {**given, "select": select, "filter": condition, "start": -1})

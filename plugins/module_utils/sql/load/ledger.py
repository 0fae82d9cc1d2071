# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which units of a dump are done, and where a killed import resumes.

A unit is one table (DROP, CREATE, its rows) or one view. Several are loaded at the same time, so a later one may be
done before an earlier one: it is remembered, and skipped when the dump is fed again.
"""

from __future__ import annotations

import threading
import time
import typing as t
from collections import Counter, deque
from dataclasses import dataclass, field

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_table import Column, TableDefinition
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.reader import Position
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.repairs import Repairs, RowRepair
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.changes import Change, note

# A unit as it is kept: position, table, view, repairs, warnings.
Record = dict[str, t.Any]
State = dict[str, t.Any]


@dataclass
class Unit:
    """A table or view that is being loaded; where its statements begin, and in which character set."""

    name: str
    position: Position
    charset: str
    table: dict[str, t.Any] | None = None
    view: dict[str, t.Any] | None = None
    definition: TableDefinition | None = None
    # Of the table as the server has it; set before `made`.
    columns: tuple[Column, ...] = ()
    row_repair: RowRepair | None = None
    repairs: Repairs = field(default_factory=Counter)
    warnings: dict[tuple[str, str, int], dict[str, t.Any]] = field(default_factory=dict)
    # Set when the table exists, so that rows can be inserted.
    made: threading.Event = field(default_factory=threading.Event)
    closed: bool = False  # all its statements are queued
    waiting: int = 0  # tasks that are not done
    begin: float | None = None
    end: float | None = None
    # The record of an earlier run that loaded it: its statements are skipped.
    kept: Record | None = None

    @property
    def done(self) -> bool:
        return self.kept is not None or (self.closed and not self.waiting)

    def record(self) -> Record:
        if self.kept is not None:
            return self.kept
        repairs = [
            {"table": self.name, "kind": kind, "detail": detail, "count": count}
            for (kind, detail), count in sorted(self.repairs.items())
        ]
        return {
            "position": list(self.position),
            "table": self.table,
            "view": self.view,
            "repairs": repairs,
            "warnings": list(self.warnings.values()),
        }


class Ledger:
    """Units in the order of the dump. The reading thread begins them, the pool's threads report what is done."""

    def __init__(self, state: State | None = None, clock: t.Callable[[], float] = time.monotonic) -> None:
        state = state or {"position": None, "charset": "utf8mb4", "done": [], "ahead": []}
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._position = Position(*state["position"]) if state["position"] else None
        self._charset = state["charset"]
        # Done, and so is everything before them.
        self._done: list[Record] = list(state["done"])
        # Done by an earlier run, behind the place where this one resumed.
        self._ahead: dict[Position, Record] = {Position(*record["position"]): record for record in state["ahead"]}
        self._units: deque[Unit] = deque()
        self._times: list[dict[str, t.Any]] = []

    @property
    def position(self) -> Position | None:
        """From where the dump must be fed again after a kill; None: from its beginning."""
        with self._lock:
            return self._units[0].position if self._units else self._position

    def names(self) -> list[str]:
        """The tables and views that are done before the position."""
        found = [record["table"] or record["view"] for record in self._done]
        return [entry["name"] for entry in found if entry is not None]

    def state(self) -> State:
        """Fit for JSON, and never changed afterwards."""
        with self._lock:
            first = self._units[0] if self._units else None
            position = first.position if first else self._position
            return {
                "position": list(position) if position else None,
                "charset": first.charset if first else self._charset,
                "done": list(self._done),
                "ahead": [unit.record() for unit in self._units if unit.done] + list(self._ahead.values()),
            }

    def begin(self, name: str, position: Position, charset: str) -> Unit:
        """A new unit; the dump holds nothing more of the one before it."""
        with self._lock:
            unit = Unit(name, position, charset, kept=self._ahead.pop(position, None))
            self._units.append(unit)
            self._forget_done()
        return unit

    def handed_out(self, unit: Unit) -> None:
        """A task of the unit is about to be queued."""
        with self._lock:
            unit.waiting += 1

    def started(self, unit: Unit) -> None:
        with self._lock:
            if unit.begin is None:
                unit.begin = self._clock() - self._began

    def completed(self, unit: Unit, warnings: t.Iterable[Change]) -> None:
        """A task of the unit is done, and what the server warned of."""
        with self._lock:
            for change in warnings:
                note(unit.warnings, unit.name, change)
            unit.waiting -= 1
            unit.end = self._clock() - self._began
            self._forget_done()

    def close(self, unit: Unit) -> None:
        """All tasks of the unit are queued."""
        with self._lock:
            unit.closed = True
            self._forget_done()

    def complete(self) -> list[Record]:
        """The record of every unit; for when nothing is loading any more."""
        with self._lock:
            return self._done + [unit.record() for unit in self._units]

    def timeline(self) -> list[dict[str, t.Any]]:
        """When each table of this run was loaded, in seconds since the ledger was opened."""
        with self._lock:
            return self._times + [time for unit in self._units for time in _time(unit)]

    def _forget_done(self) -> None:
        # The newest unit stays: its end is not known yet, so a killed import resumes at its beginning.
        while len(self._units) > 1 and self._units[0].done:
            unit = self._units.popleft()
            self._done.append(unit.record())
            self._times += _time(unit)


def _time(unit: Unit) -> list[dict[str, t.Any]]:
    if unit.table is None or unit.begin is None or unit.end is None:
        return []
    begin, end = round(unit.begin, 3), round(unit.end, 3)
    return [{"table": unit.name, "begin": begin, "end": end, "rows": unit.table["rows"]}]

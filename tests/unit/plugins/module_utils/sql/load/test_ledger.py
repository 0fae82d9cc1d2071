# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done, and from where a killed import goes on."""

from __future__ import annotations

import itertools
import json
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.reader import Position
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.changes import Change
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.ledger import Ledger, Unit


def begin(ledger: Ledger, number: int) -> Unit:
    """A table of one task, all handed out."""
    unit = ledger.begin(f"t{number}", Position("d.sql", number * 100, number * 10), f"charset{number}")
    if unit.kept is None:
        unit.table = {"name": unit.name, "rows": number, "structure_only": False}
        ledger.handed_out(unit)
    ledger.close(unit)
    return unit


def names(records: list[dict[str, t.Any]]) -> list[str]:
    return [record["table"]["name"] for record in records]


def test_an_import_goes_on_at_the_earliest_unit_that_is_not_done() -> None:
    ledger = Ledger()
    assert ledger.position is None and ledger.state()["charset"] == "utf8mb4"
    units = [begin(ledger, number) for number in range(4)]
    assert ledger.position == Position("d.sql", 0, 0)
    ledger.completed(units[2], [])
    ledger.completed(units[1], [Change(1265, "cut", 3), Change(1265, "cut again", 3)])
    state = ledger.state()
    assert state["position"] == ["d.sql", 0, 0] and state["done"] == [] and names(state["ahead"]) == ["t1", "t2"]
    ledger.completed(units[0], [])
    state = ledger.state()
    assert ledger.position == Position("d.sql", 300, 30) and state["charset"] == "charset3"
    assert names(state["done"]) == ["t0", "t1", "t2"] == ledger.names() and state["ahead"] == []
    (warning,) = state["done"][1]["warnings"]
    assert "`t1`" in warning.pop("remedy")
    expected = {"table": "t1", "column": "", "kind": "truncated", "code": 1265, "text": "cut", "count": 2, "rows": [3]}
    assert warning == expected


def test_a_unit_is_not_done_while_its_statements_may_still_come() -> None:
    ledger = Ledger()
    unit = ledger.begin("t", Position("d.sql", 0, 1), "utf8")
    ledger.handed_out(unit)
    ledger.completed(unit, [])
    assert not unit.done and ledger.state()["ahead"] == []
    ledger.handed_out(unit)
    ledger.close(unit)
    assert not unit.done
    ledger.completed(unit, [])
    assert unit.done


def test_what_was_done_ahead_is_passed_over_and_keeps_its_place() -> None:
    killed = Ledger()
    units = [begin(killed, number) for number in range(4)]
    for number in (0, 2):
        killed.completed(units[number], [])
    ledger = Ledger(json.loads(json.dumps(killed.state())))
    assert ledger.position == Position("d.sql", 100, 10) and ledger.names() == ["t0"]
    # Killed again before it has come to the unit that is done ahead: it is not forgotten.
    assert names(ledger.state()["ahead"]) == ["t2"]
    units = [begin(ledger, number) for number in range(1, 4)]
    assert [unit.kept is not None for unit in units] == [False, True, False]
    assert names(ledger.state()["ahead"]) == ["t2"]
    for unit in (units[0], units[2]):
        ledger.completed(unit, [])
    assert names(ledger.complete()) == ["t0", "t1", "t2", "t3"]


def test_the_timeline_tells_when_each_table_was_loaded() -> None:
    clock = itertools.count(100)
    ledger = Ledger(clock=lambda: float(next(clock)))
    units = [begin(ledger, number) for number in range(2)]
    ledger.started(units[0])
    ledger.started(units[1])
    ledger.completed(units[1], [])
    ledger.started(units[0])
    ledger.completed(units[0], [])
    assert ledger.timeline() == [
        {"table": "t0", "begin": 1.0, "end": 4.0, "rows": 0},
        {"table": "t1", "begin": 2.0, "end": 3.0, "rows": 1},
    ]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is the primary, by what all hosts say; and what a failover would be."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.filter import database_failover, database_primary
from ansible_collections.boxlift.portal.plugins.module_utils.replication import failover
from ansible_collections.boxlift.portal.plugins.module_utils.replication.judgement import Seen, judge, seen_of, table


def virgin(name: str, tables: int = 0) -> Seen:
    return Seen(name, True, "", 0, True, "", tables)


def primary(name: str, term: int = 1, writable: bool | None = True, position: str = "0-1-9") -> Seen:
    return Seen(name, True, "primary", term, writable, position)


def replica(name: str, term: int = 1, writable: bool | None = False, position: str = "0-1-9", **more: t.Any) -> Seen:
    return Seen(name, True, "replica", term, writable, position, 9, 0, received=position, **more)


def away(name: str) -> Seen:
    return Seen(name, False, problem="No route to host")


@pytest.mark.parametrize(
    ("hosts", "found", "first"),
    [
        ([virgin("a"), virgin("b")], "a", True),
        ([virgin("a"), virgin("b", tables=812)], "b", True),
        ([virgin("a"), primary("b")], "b", False),
        ([replica("a"), primary("b")], "b", False),
        ([away("a"), primary("b")], "b", False),
        # It waits for its guard, or its server is starting.
        ([primary("a", writable=False), replica("b")], "a", False),
        ([primary("a", writable=None), replica("b")], "a", False),
        # An old primary that came back is not the one.
        ([primary("a", 1, writable=False), primary("b", 2)], "b", False),
        ([primary("a", 1, writable=False), primary("b", 2, writable=None)], "b", False),
    ],
)
def test_the_primary(hosts: list[Seen], found: str, first: bool) -> None:
    assert judge(hosts) == (found, first, "")


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        ([primary("a"), primary("b", 2)], "a and b take writes: split brain"),
        ([virgin("a", 9), virgin("b", 9)], "a and b have tables of the portal each"),
        ([virgin("a"), away("b")], "b cannot be asked"),
        ([replica("a"), replica("b")], "No database host takes writes"),
        ([primary("a", writable=False), away("b")], "Bring b back."),
        ([replica("a"), away("b")], "Bring b back."),
    ],
)
def test_nobody_can_say(hosts: list[Seen], words: str) -> None:
    found = judge(hosts)
    assert found.primary == "" and words in found.problem
    assert found.problem == found.problem.strip()


def test_split_brain_shows_the_positions_and_what_to_do() -> None:
    problem = judge([primary("a", position="0-1-12"), primary("b", 2, position="0-2-11")]).problem
    assert "a     primary  yes     1     0-1-12    -\nb     primary  yes     2     0-2-11    -\n" in problem
    assert "systemctl stop boxlift-link.socket" in problem and "failover_over" in problem


def test_the_table_names_who_is_away() -> None:
    assert table([away("db1")]).splitlines()[1] == "db1   -   unreachable  0     -         -       No route to host"


@pytest.mark.parametrize(
    ("hosts", "to", "kind", "old", "gone"),
    [
        ([primary("a"), replica("b")], "b", failover.PLANNED, "a", ()),
        ([primary("a"), replica("b")], "a", failover.NONE, "", ()),
        ([away("a"), replica("b")], "b", failover.UNPLANNED, "a", ("a",)),
        ([primary("a", writable=None), replica("b")], "b", failover.UNPLANNED, "a", ("a",)),
        ([primary("a"), replica("b"), away("c")], "b", failover.PLANNED, "a", ("c",)),
        # A switch that was killed between its halves, or within the first.
        ([replica("a", writable=True), replica("b")], "b", failover.PLANNED, "a", ()),
        ([replica("a", writable=True), replica("b")], "a", failover.RESUMED, "", ()),
        ([replica("a"), replica("b")], "b", failover.RESUMED, "", ()),
        ([replica("a", position="0-1-200"), away("b"), replica("c", 2)], "c", failover.UNPLANNED, "b", ("b",)),
        # What was the primary waits for a host that is gone for good.
        ([primary("a", writable=False), away("b")], "a", failover.UNPLANNED, "b", ("b",)),
    ],
)
def test_what_a_failover_is(hosts: list[Seen], to: str, kind: str, old: str, gone: tuple[str, ...]) -> None:
    found = failover.plan(hosts, to)
    assert (found.kind, found.target, found.old, found.gone, found.problem) == (kind, to, old, gone, "")
    assert found.text
    assert bool(found.loss) == (kind == failover.UNPLANNED)


BROKEN = {"applying_stopped": True, "problem": "Duplicate entry '7'"}


@pytest.mark.parametrize(
    ("hosts", "to", "words"),
    [
        ([primary("a"), replica("b")], "c", "no database host has this name.\nGive a or b."),
        ([primary("a"), away("b")], "b", "b does not answer: No route to host"),
        ([primary("a"), primary("b", 2)], "b", "split brain"),
        ([primary("a"), replica("b", **BROKEN)], "b", "b does not follow a: Duplicate entry"),
        ([primary("a"), replica("b", receiving=False)], "b", "b does not follow a: it is stopped"),
        ([away("a"), replica("b", **BROKEN)], "b", "b had stopped applying before"),
        ([away("a"), replica("b", position="0-1-8"), replica("c")], "b", "c has more than b."),
        ([replica("a"), replica("b", position="0-1-8")], "b", "a has more than b."),
        # What nobody else had when the next primary began is no reason to give up what that one has done.
        ([replica("a", position="0-1-200"), away("b"), replica("c", 2, position="0-2-150")], "a", "c has more than a."),
    ],
)
def test_what_is_refused(hosts: list[Seen], to: str, words: str) -> None:
    found = failover.plan(hosts, to)
    assert words in found.problem and found.kind == failover.NONE


def test_what_a_person_may_insist_on() -> None:
    broken = [away("a"), replica("b", **BROKEN)]
    assert failover.plan(broken, "b", accept_loss=True).kind == failover.UNPLANNED
    split = [primary("a"), primary("b", 2)]
    found = failover.plan(split, "b", over="a")
    assert (found.kind, found.old) == (failover.PLANNED, "a")
    assert "What a has committed behind 0-1-9" in found.loss
    # It waits for nothing of the other one, and its term becomes later than that of the other one.
    chosen = failover.plan(split, "a", over="b")
    assert (chosen.split, chosen.above, found.above) == (True, 2, 1)
    closed = [primary("a", writable=False), primary("b", writable=False)]
    assert (failover.plan(closed, "a", over="b").split, failover.plan(closed, "a", over="b").old) == (True, "b")


@pytest.mark.parametrize(
    ("to", "over", "words"),
    [
        ("a", "", "noted as the primary, each without"),
        ("a", "a", "failover_over is 'a'"),
        ("c", "a", "split brain"),
    ],
)
def test_a_choice_that_would_leave_two(to: str, over: str, words: str) -> None:
    assert (
        words
        in failover.plan([primary("a", writable=False), primary("b", writable=False), replica("c")], to, over).problem
    )
    assert failover.plan([primary("a"), primary("b"), replica("c")], "c", "a").kind == failover.NONE


def test_the_filters_speak_of_what_the_module_returned() -> None:
    following = {"lag": 3, "error": "", "received": "0-1-9", "applying": "Yes"}
    results = [
        {"__database_item": "a", "unreachable": True, "msg": "No route to host"},
        {
            **{"__database_item": "b", "role": "replica", "term": 4, "writable": False, "position": "0-1-8"},
            **{"tables": 9, "following": following, "problem": ""},
        },
    ]
    found = database_primary.FilterModule().filters()["database_primary"](results)
    assert (found["primary"], found["unreached"]) == ("", ["a"])
    assert found["hosts"]["b"]["sequence"] == 8
    plan = database_failover.FilterModule().filters()["database_failover"](found["hosts"], "b")
    assert (plan["kind"], plan["gone"], plan["followers"]) == ("unplanned", ["a"], [])
    assert "behind 0-1-9" in plan["loss"]
    assert seen_of("c", {"msg": "odd"}).reached is False

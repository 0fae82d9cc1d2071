# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mode supervised: two different people of the plan agree, or nothing happens."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.confirm import agree, described
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.hosts import patterns_of


def plan(**more: t.Any) -> t.Any:
    policy = {"mode": "supervised", "operator": "executor", "watchers": ["coordinator", "approver"], **more}
    return load({"supervision": policy})


class People:
    """What they type, one after the other; None is nobody."""

    def __init__(self, *answers: str | None) -> None:
        self.answers, self.asked = list(answers), list[str]()

    def __call__(self, question: str, seconds: float) -> str | None:
        self.asked.append(f"{question} ({seconds:.0f} s)")
        return self.answers.pop(0)


def test_operator_and_watcher_agree() -> None:
    people = People("executor", " approver\n")
    assert agree(plan(), people) == ("approver",)
    assert people.asked == [
        "Operator, to begin it type executor; anything else leaves it: (600 s)",
        "Watcher, if you agree type coordinator or approver; anything else leaves it: (600 s)",
    ]


def test_as_many_watchers_as_the_plan_wants() -> None:
    people = People("executor", "approver", "coordinator")
    assert agree(plan(count=2), people) == ("approver", "coordinator")
    assert "type coordinator;" in people.asked[2]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ((None,), "Nobody answered within 10 min, so nothing was begun"),
        (("executor", None), "Nobody answered within 10 min, so nothing was begun"),
        (("",), "An empty answer is not executor"),
        (("coordinator",), "coordinator is not executor"),
        (("executor", "executor"), "executor is not approver or coordinator"),
        (("executor", "key_user"), "key_user is not approver or coordinator"),
    ],
)
def test_without_one_of_them_nothing_happens(answers: tuple[str | None, ...], message: str) -> None:
    with pytest.raises(BoxliftError, match=message):
        agree(plan(), People(*answers))


def test_the_same_watcher_does_not_count_twice() -> None:
    with pytest.raises(BoxliftError, match="approver is not coordinator"):
        agree(plan(count=2), People("executor", "approver", "approver"))


def test_what_will_happen_in_plain_words() -> None:
    step = plan().steps["move.restore"]
    assert described(plan(), step, "final", ["web1"], []) == [
        "Restore files and database (move.restore, Final run)",
        "  By:       playbook restore",
        "  On:       web1",
        "  Takes:    about 2 h, by the plan's estimate",
        "  Undo:     Playbook rollback takes it back.",
    ]
    before = Attempt("move.restore", 1, 0.0, stage="rehearsal", end=5400.0, outcome="ok")
    assert "  Takes:    1 h 30 min, as it took the last time" in described(plan(), step, "final", [], [before])
    people = described(plan(), plan().steps["move.freeze"], "final", [], [])
    assert "  By:       people of Customer" in people
    assert "  On:       this controller alone" in people


def test_on_which_hosts_a_playbook_works() -> None:
    assert patterns_of("restore") == ["web:&production"]
    # Where its check of the health looks at the databases, it changes nothing there.
    assert patterns_of("rollback") == ["web:&production", "telephony:&production"]
    assert patterns_of("backup_nightly") == ["production", "database:&production", "web:&production"]
    assert patterns_of("report") == []
    assert patterns_of("another.collection.playbook") == []

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.health import runner
from ansible_collections.boxlift.portal.plugins.module_utils.health.connections import Connections
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    ANYWHERE,
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import Registry


def refuse(*_arguments: t.Any) -> t.Any:
    raise AssertionError("no connection is made here")


def registry(**answers: t.Any) -> Registry:
    """Checks of the area a: one, two (needs one), three (needs two); and outside.four, seen from anywhere."""
    result = Registry()
    needs: dict[str, tuple[str, ...]] = {"a.three": ("a.two",), "a.two": ("a.one",), "a.one": (), "outside.four": ()}
    for name, before in needs.items():
        answer = answers.get(name.partition(".")[2], passed("fine"))

        def run(_context: Context, answer: t.Any = answer) -> Verdict:
            if isinstance(answer, Exception):
                raise answer
            return t.cast("Verdict", answer)

        vantage = ANYWHERE if name.startswith("outside") else "host"
        texts = {"why": "because", "expected": "fine", "remedy": "do it"}
        result.check(name, **texts, needs=before, vantage=vantage, reference="book")(run)
    return result


def findings(checks: Registry, **options: t.Any) -> dict[str, Finding]:
    skip = options.pop("skip", ())
    selected = runner.select(checks, options.pop("vantage", "host"), options.pop("areas", ()), skip)
    return {found.id: found for found in runner.run(Context(now=time.time, connect=refuse), selected, skip)}


def test_what_is_needed_comes_first() -> None:
    assert list(findings(registry())) == ["a.one", "a.two", "a.three", "outside.four"]


def test_a_finding_carries_the_checks_texts() -> None:
    assert findings(registry(one=failed("broken")))["a.one"].as_dict() == {
        "id": "a.one",
        "area": "a",
        "status": "fail",
        "observed": "broken",
        "expected": "fine",
        "remedy": "do it",
        "owner": "contractor",
        "reference": "book",
    }


@pytest.mark.parametrize("answer", [failed("x"), CannotLook("dark"), RuntimeError("oops")])
def test_one_failure_is_not_many(answer: t.Any) -> None:
    found = findings(registry(one=answer))
    assert [found[name].status for name in ("a.two", "a.three", "outside.four")] == ["skip", "skip", "pass"]
    assert found["a.two"].observed.startswith("a.one is not in order")
    assert found["a.three"].observed.startswith("a.two is not in order")
    assert found["a.three"].remedy == "Settle a.two first."


@pytest.mark.parametrize("answer", [warned("x"), DoesNotApply("none here")])
def test_a_warning_does_not_stop_what_needs_it(answer: t.Any) -> None:
    assert findings(registry(one=answer))["a.three"].status == "pass"


@pytest.mark.parametrize(
    ("answer", "status", "observed", "remedy"),
    [
        (CannotLook("it is dark"), "unknown", "could not look: it is dark", "do it"),
        (BoxliftError("no file.", "Bring it."), "unknown", "could not look: no file.", "Bring it."),
        (PermissionError(13, "denied"), "unknown", "could not look: PermissionError: [Errno 13] denied", "do it"),
        (DoesNotApply("no tasks"), "skip", "no tasks", ""),
        (warned("hm", "own advice"), "warn", "hm", "own advice"),
        (passed("well"), "pass", "well", ""),
    ],
)
def test_every_answer_becomes_a_finding(answer: t.Any, status: str, observed: str, remedy: str) -> None:
    found = findings(registry(one=answer))["a.one"]
    assert (found.status, found.observed, found.remedy) == (status, observed, remedy)


def test_left_out_by_request() -> None:
    found = findings(registry(one=failed("x")), skip=["a.one"])
    assert (found["a.one"].status, found["a.one"].observed) == ("skip", "left out by request")
    assert found["a.three"].status == "pass"


def test_an_area_brings_what_it_needs() -> None:
    checks = registry()
    checks.check("b.five", why="", expected="", remedy="", needs=("a.one",))(lambda _context: passed("x"))
    assert list(findings(checks, areas=["b"])) == ["a.one", "b.five"]


def test_from_outside_only_what_can_be_seen_there() -> None:
    assert list(findings(registry(), vantage="outside")) == ["outside.four"]


def test_an_empty_set_is_no_success() -> None:
    with pytest.raises(BoxliftError, match="No check of the areas a can be made from outside"):
        findings(registry(), vantage="outside", areas=["a"])


@pytest.mark.parametrize(
    ("options", "words"), [({"areas": ["x"]}, "areas: x is not known"), ({"skip": ["a.x"]}, "skip: a.x is not known")]
)
def test_unknown_names_are_refused(options: t.Any, words: str) -> None:
    with pytest.raises(BoxliftError, match=words):
        findings(registry(), **options)


def test_the_registry_refuses_nonsense() -> None:
    checks = registry()
    for name in ("a.one", "area"):
        with pytest.raises(ValueError, match="the id is taken"):
            checks.check(name, why="", expected="", remedy="")
    for wrong in ({"owner": "nobody"}, {"vantage": "moon"}, {"blocks": "them"}):
        with pytest.raises(ValueError, match=r"check a\.x: owner, vantage or blocks is not known"):
            checks.check("a.x", why="", expected="", remedy="", **wrong)
    checks.check("a.lost", why="", expected="", remedy="", needs=("a.gone",))(lambda _context: passed(""))
    with pytest.raises(ValueError, match="needs a.gone"):
        findings(checks)


def many(count: int, run: t.Callable[[Context], Verdict]) -> Registry:
    checks = Registry()
    for number in range(count):
        checks.check(f"a.n{number}", why="", expected="", remedy="")(run)
    return checks


def test_checks_are_asked_at_the_same_time() -> None:
    together = threading.Barrier(4)

    def meet(_context: Context) -> Verdict:
        together.wait(timeout=20)
        return passed("met")

    assert {found.status for found in findings(many(4, meet)).values()} == {"pass"}


def test_findings_keep_the_order_of_the_checks_whatever_takes_how_long() -> None:
    pauses = iter([0.2, 0.0, 0.1, 0.0, 0.05, 0.0, 0.0, 0.0])

    def dawdle(_context: Context) -> Verdict:
        time.sleep(next(pauses))
        return passed("x")

    assert list(findings(many(8, dawdle))) == [f"a.n{number}" for number in range(8)]


def test_what_needs_another_waits_for_it() -> None:
    checks, order = Registry(), []

    def first(_context: Context) -> Verdict:
        time.sleep(0.1)
        order.append("first")
        return passed("x")

    checks.check("a.first", why="", expected="", remedy="")(first)

    def then(_context: Context) -> Verdict:
        order.append("then")
        return passed("x")

    checks.check("a.then", why="", expected="", remedy="", needs=("a.first",))(then)
    assert list(findings(checks)) == ["a.first", "a.then"] and order == ["first", "then"]


class FakeConnection:
    """Counts how many are open, and how many ever were."""

    now = most = ever = 0
    lock = threading.Lock()

    def __init__(self) -> None:
        self.open = True
        with self.lock:
            FakeConnection.now += 1
            FakeConnection.ever += 1
            FakeConnection.most = max(FakeConnection.most, FakeConnection.now)

    def __enter__(self) -> FakeConnection:
        return self

    def __exit__(self, *_what: object) -> None:
        pass

    def cursor(self) -> FakeConnection:
        return self

    def execute(self, statement: str, args: None = None) -> None:
        assert args is None and statement == "SET SESSION TRANSACTION READ ONLY"

    def close(self) -> None:
        self.open = False
        with self.lock:
            FakeConnection.now -= 1


def test_a_few_connections_are_borrowed_and_given_back() -> None:
    def look(context: Context) -> Verdict:
        mine = context.connection
        time.sleep(0.01)
        return passed("x") if context.connection is mine else failed("another one")

    context = Context(
        now=time.time, connect=lambda *_login: t.cast("t.Any", FakeConnection()), login=t.cast("t.Any", (1, "x"))
    )
    checks = many(40, look)
    for _run in range(3):
        assert {found.status for found in runner.run(context, list(checks.checks.values()))} == {"pass"}
    assert FakeConnection.ever == FakeConnection.most <= runner.WORKERS
    context.close()
    assert FakeConnection.now == 0


def test_a_dead_connection_is_not_handed_on() -> None:
    connections = Connections(lambda: t.cast("t.Any", FakeConnection()))
    first = connections.borrow()
    connections.release()
    assert connections.borrow() is first
    first.close()
    connections.release()
    assert connections.borrow() is not first


def test_what_is_asked_once_is_remembered_and_a_failure_is_not() -> None:
    context, answers = Context(now=time.time, connect=refuse), iter([CannotLook("dark"), "light"])

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(CannotLook):
        context.once("x", ask)
    assert [context.once("x", ask), context.once("x", ask)] == ["light", "light"]


def test_what_was_before_is_in_the_finding_and_only_there() -> None:
    found = findings(registry(one=Verdict("fail", "now 3", before="5"), two=failed("x")))
    assert found["a.one"].as_dict()["before"] == "5"
    assert "before" not in found["outside.four"].as_dict()


def test_some() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some(list("abcdefg"), 3) == "a, b, c and 4 more"

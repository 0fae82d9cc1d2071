# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.health import runner
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    ANYWHERE,
    CannotLook,
    DoesNotApply,
    Registry,
    Verdict,
    failed,
    passed,
    warned,
)


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
    for name, more in (("a.one", {}), ("area", {}), ("a.x", {"owner": "nobody"}), ("a.x", {"vantage": "moon"})):
        with pytest.raises(ValueError, match="the id is taken"):
            checks.check(name, why="", expected="", remedy="", **more)
    checks.check("a.lost", why="", expected="", remedy="", needs=("a.gone",))(lambda _context: passed(""))
    with pytest.raises(ValueError, match="needs a.gone"):
        findings(checks)


def test_some() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some(list("abcdefg"), 3) == "a, b, c and 4 more"

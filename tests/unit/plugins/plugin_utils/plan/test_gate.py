# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gate by the lines of its journal: who may open it, and everything that must not."""

from __future__ import annotations

import dataclasses
import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import gate, ssh_signature
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import (
    Cutover,
    Estimate,
    Gate,
    Person,
    Plan,
    Signature,
)

GO = Gate(
    "go",
    "Go or no-go",
    "final",
    (),
    (Signature("approver", "customer", 1), Signature("coordinator", "contractor", 1)),
    ("health", "forecast"),
    30,
)
PEOPLE = (
    Person("operator", "O", "contractor", ("operator", "coordinator")),
    Person("lead", "L", "contractor", ("coordinator",)),
    Person("boss", "B", "customer", ("approver",)),
    Person("clerk", "C", "customer", ("executor",)),
)
GOOD = (gate.Input("health", True, "0 findings fail"), gate.Input("forecast", True, "fits"))
START = 1_800_000_000.0


def plan(*people: Person, sha256: str = "a" * 64) -> Plan:
    known = {person.id: person for person in (*PEOPLE, *people)}
    cutover = Cutover("a", "b", None, None, None, Estimate(1, "model"), "commit", 60, "none")
    nothing: dict[str, t.Any] = {}
    return Plan(
        "move", "Move", "site", None, "Etc/UTC", frozenset(), nothing, known, nothing, nothing, nothing, {"go": GO},
        nothing, nothing, cutover, nothing, sha256,
    )  # fmt: skip


class Night:
    """The journal of one gate, and its clock."""

    def __init__(self, the_plan: Plan, wanted: Gate = GO) -> None:
        self.plan, self.gate, self.now = the_plan, wanted, START
        self.lines: list[dict[str, t.Any]] = []

    def ask(self, by: str = "operator", inputs: t.Sequence[gate.Input] = GOOD) -> dict[str, t.Any]:
        line = gate.request(self.plan, self.gate, by, f"{by}@desk", inputs, self.now)
        self.lines.append({"event": gate.REQUEST, **line})
        return line

    def sign(self, person: str, verdict: str = gate.APPROVE, **more: t.Any) -> dict[str, t.Any]:
        self.now += 1
        line = {
            "event": gate.SIGNATURE,
            "gate": self.gate.id,
            "stage": self.gate.stage,
            "plan": self.plan.sha256,
            "request": self.lines[-1]["request"] if self.lines else "",
            "person": person,
            "verdict": verdict,
            "method": gate.TYPED,
            "account": f"{person}@desk",
            "at": self.now,
            **more,
        }
        self.lines.append(line)
        return line

    def waive(self, what: str, person: str = "boss", until: float = 3600, **more: t.Any) -> None:
        extra = {"event": gate.WAIVER, "input": what, "reason": "seen", "until": self.now + until, **more}
        self.sign(person, "waive", **extra)

    def decision(self) -> gate.Decision:
        return gate.decide(self.plan, self.gate, self.lines, ssh_signature.verify, self.now)


@pytest.fixture
def night() -> Night:
    return Night(plan())


def test_both_sides_have_to_sign(night: Night) -> None:
    assert night.decision().state == "closed"
    request = night.ask()["request"]
    night.sign("boss", request=request)
    found = night.decision()
    assert (found.state, found.missing) == ("requested", (Signature("coordinator", "contractor", 1),))
    night.sign("lead", request=request)
    found = night.decision()
    assert (found.state, found.is_open, found.signers, found.ignored) == ("open", True, ("boss", "lead"), ())


def test_an_open_gate_stays_open(night: Night) -> None:
    request = night.ask()["request"]
    for person in ("boss", "lead"):
        night.sign(person, request=request)
    night.now += 10 * 24 * 3600
    night.sign("boss", gate.REJECT, request=request)
    assert night.decision().is_open
    assert night.decision().ignored == ("The signature of boss does not count: the gate was open already.",)


def test_another_request_closes_it_again(night: Night) -> None:
    request = night.ask()["request"]
    for person in ("boss", "lead"):
        night.sign(person, request=request)
    night.ask()
    assert night.decision().state == "requested"


@pytest.mark.parametrize(
    ("person", "more", "why"),
    [
        ("operator", {}, "nobody approves his own request"),
        ("stranger", {}, "the plan does not know this person"),
        ("clerk", {}, "the plan does not name executor of customer as a signer"),
        ("lead", {"account": "operator@desk"}, "typed by the account that asked"),
        ("lead", {"plan": "b" * 64}, "for another version of the plan"),
        ("lead", {"request": "00000000"}, "it answers the request 00000000"),
        ("lead", {"verdict": "maybe"}, "'maybe' is neither approve nor reject"),
        ("lead", {"method": "nod"}, "'nod' is no way to sign"),
        ("lead", {"method": gate.SSH, "signature": "none"}, "not one of this person's key"),
        ("lead", {"method": gate.CODE, "code": "00:11"}, "none of this person's"),
        ("lead", {"at": START + 1801}, "after the request had expired"),
    ],
)
def test_a_signature_that_does_not_count(night: Night, person: str, more: dict[str, t.Any], why: str) -> None:
    request = night.ask()["request"]
    night.sign("boss", request=request)
    night.sign(person, **{"request": request, **more})
    found = night.decision()
    assert found.state == "requested" and found.signers == ("boss",)
    assert why in found.ignored[0]


def test_expired_is_not_open(night: Night) -> None:
    request = night.ask()["request"]
    night.sign("boss", request=request)
    night.now = START + 1801
    assert night.decision().state == "expired"
    night.sign("lead", request=request)
    assert night.decision().state == "expired"


def test_a_plan_that_was_edited_after_the_signatures(night: Night) -> None:
    request = night.ask()["request"]
    for person in ("boss", "lead"):
        night.sign(person, request=request)
    night.plan = dataclasses.replace(night.plan, sha256="c" * 64)
    found = night.decision()
    assert found.state == "closed" and "plan was changed" in found.ignored[0]


def test_one_no_is_enough(night: Night) -> None:
    request = night.ask()["request"]
    night.sign("boss", gate.REJECT, request=request)
    for person in ("boss", "lead"):
        night.sign(person, request=request)
    assert night.decision().state == "rejected"


def test_remarks_are_kept_with_owner_and_day(night: Night) -> None:
    request = night.ask()["request"]
    remark = {"text": "Printer", "owner": "contractor", "due": "2027-01-20"}
    night.sign("boss", request=request, remarks=[remark])
    night.sign("lead", request=request)
    found = night.decision()
    assert found.state == "open_with_remarks" and found.remarks == (gate.Remark(**remark),)


@pytest.mark.parametrize("inputs", [GOOD[:1], (GOOD[0], gate.Input("forecast", False, "40 minutes too long"))])
def test_an_input_that_is_not_met_keeps_it_shut(night: Night, inputs: t.Sequence[gate.Input]) -> None:
    request = night.ask(inputs=inputs)["request"]
    for person in ("boss", "lead"):
        night.sign(person, request=request)
    found = night.decision()
    assert found.state == "requested" and found.missing == ()
    assert "The input forecast is not met" in found.ignored[0]
    night.waive("forecast")
    found = night.decision()
    assert found.is_open and [(each.input, each.person, each.reason) for each in found.waived] == [
        ("forecast", "boss", "seen")
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"until": -10},
        {"reason": " "},
        {"person": "operator"},
        {"person": "clerk"},
        {"what": "health"},
        {"at": START + 1801},
    ],
)
def test_a_waiver_that_does_not_count(night: Night, more: dict[str, t.Any]) -> None:
    request = night.ask(inputs=GOOD[:1])["request"]
    night.waive(**{"what": "forecast", **more})
    for person in ("boss", "lead"):
        night.sign(person, request=request)
    assert night.decision().state == "requested"


def test_a_waiver_serves_for_the_next_request_too(night: Night) -> None:
    """Given before the gate is asked for, or after a request has expired."""
    night.waive("forecast", person="clerk")
    (waived, ignored) = gate.waivers(night.plan, GO, night.lines, ssh_signature.verify, night.now)
    assert waived == () and "does not name executor of customer" in ignored[0]
    night.ask(inputs=GOOD[:1])
    night.now = START + 1801
    night.waive("forecast")
    assert night.decision().state == "expired"
    (waived, _ignored) = gate.waivers(night.plan, GO, night.lines, ssh_signature.verify, night.now)
    assert [each.input for each in waived] == ["forecast"]
    request = night.ask(inputs=GOOD[:1])["request"]
    for person in ("boss", "lead"):
        night.sign(person, request=request)
    assert night.decision().is_open
    after = night.now + 3601
    assert gate.waivers(night.plan, GO, night.lines, ssh_signature.verify, after)[0] == ()


def test_a_person_with_two_roles_fills_one_place() -> None:
    """Whoever signs first: the one with both roles takes the place that nobody else can."""
    both = Person("both", "X", "customer", ("approver", "security"))
    wanted = dataclasses.replace(GO, needs=(Signature("approver", "customer", 1), Signature("security", "customer", 1)))
    for order in (("both", "boss"), ("boss", "both")):
        night = Night(plan(both), wanted)
        request = night.ask()["request"]
        night.sign(order[0], request=request)
        assert night.decision().state == "requested"
        night.sign(order[1], request=request)
        assert night.decision().is_open


def test_a_code_opens_once() -> None:
    code, kept = gate.new_code()
    assert code not in kept and len(code) == 10
    person = Person("paper", "P", "contractor", ("coordinator",), codes=(kept,))
    assert gate.code_of(person, f"{code[:5]} {code[5:]}") == kept
    assert gate.code_of(person, "0" * 10) is None
    night = Night(plan(person))
    for state in ("open", "requested"):
        request = night.ask()["request"]
        night.sign("boss", request=request)
        night.sign("paper", request=request, method=gate.CODE, code=kept)
        assert night.decision().state == state


def test_a_signature_of_a_key_serves_for_one_statement(tmp_path: pathlib.Path) -> None:
    keys = {}
    for name in ("mine", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
        keys[name] = (tmp_path / f"{name}.pub").read_text().strip()
    signer = Person("signer", "S", "contractor", ("coordinator",), key=keys["mine"])

    def signed(night: Night, request: str, key: str) -> str:
        text = tmp_path / "statement"
        text.write_text(gate.statement(night.plan, GO, request, "signer", gate.APPROVE, []))
        (tmp_path / "statement.sig").unlink(missing_ok=True)
        command = ssh_signature.command(str(tmp_path / key), str(text)).split()
        subprocess.run(command, check=True, capture_output=True)
        return (tmp_path / "statement.sig").read_text()

    night = Night(plan(signer))
    request = night.ask()["request"]
    night.sign("boss", request=request)
    night.sign("signer", request=request, method=gate.SSH, signature=signed(night, request, "other"))
    assert night.decision().state == "requested"
    good = signed(night, request, "mine")
    night.sign("signer", request=request, method=gate.SSH, signature=good, account="operator@desk")
    assert night.decision().is_open
    # The same signature again, for the next request.
    again = night.ask()["request"]
    night.sign("boss", request=again)
    night.sign("signer", request=again, method=gate.SSH, signature=good)
    assert night.decision().state == "requested"
    # And what was signed with remarks cannot lose them.
    night.sign(
        "signer", request=again, method=gate.SSH, signature=signed(night, again, "mine"), remarks=[{"text": "x"}]
    )
    assert night.decision().state == "requested"


def test_nobody_asks_in_a_name_that_the_plan_does_not_know(night: Night) -> None:
    with pytest.raises(BoxliftError, match="The plan knows nobody called ghost"):
        night.ask("ghost")

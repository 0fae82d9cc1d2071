# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a gate of the plan is open: decided anew from the journal's lines each time it is asked.

A gate is asked for (`gate_request`), then signed by the people that the plan names (`gate_signature`). An input that
is not met may be waived (`gate_waiver`). Each line is judged by itself, so one that does not count is named with its
reason and changes nothing. Nobody approves what he has asked for himself.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import hmac
import json
import math
import secrets
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.lines import GATE_KINDS
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Gate, Person, Plan, Signature

REQUEST, SIGNATURE, WAIVER = GATE_KINDS
APPROVE, REJECT = "approve", "reject"
TYPED, SSH, CODE = "typed", "ssh", "code"
#: ssh-keygen's namespace: a signature made for another purpose is none here.
NAMESPACE = "boxlift-gate"
_CODE_DIGITS = 10
#: scrypt with 32 MiB: 10**10 codes are then too many to try within the life of a plan.
_SCRYPT: dict[str, int] = {"n": 2**14, "r": 8, "p": 1, "maxmem": 2**26, "dklen": 32}

Line = t.Mapping[str, t.Any]
#: Whether `signature` of ssh-keygen is the person's, over the statement.
Verify = t.Callable[[Person, str, str], bool]


@dataclasses.dataclass(frozen=True)
class Input:
    """Something that has to be in order before anybody may sign; `observed` is what was seen."""

    id: str
    met: bool
    observed: str


@dataclasses.dataclass(frozen=True)
class Remark:
    """What a signer wants done, by whom and until when (ISO date)."""

    text: str
    owner: str
    due: str


@dataclasses.dataclass(frozen=True)
class Waived:
    """An input that was not met, and who answers for going on."""

    input: str
    observed: str
    person: str
    reason: str
    until: datetime.datetime


@dataclasses.dataclass(frozen=True)
class Decision:
    """`state` is `closed` (nobody has asked), `requested`, `open`, `open_with_remarks`, `rejected` or `expired`.

    `missing` are the signatures that are still needed, `ignored` the reasons why lines do not count.
    """

    gate: str
    stage: str
    state: str
    request: str = ""
    requested_by: str = ""
    expires: datetime.datetime | None = None
    opened: datetime.datetime | None = None
    signers: tuple[str, ...] = ()
    missing: tuple[Signature, ...] = ()
    remarks: tuple[Remark, ...] = ()
    waived: tuple[Waived, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.state in ("open", "open_with_remarks")


def statement(plan: Plan, gate: Gate, request: str, person: str, verdict: str, more: t.Any) -> str:
    """The text that is signed. It names plan and request, so that it serves for no other."""
    rest = json.dumps(more, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return (
        f"plan {plan.id} {plan.sha256}\ngate {gate.id}\nstage {gate.stage}\nrequest {request}\nperson {person}\n"
        f"verdict {verdict}\nwith {rest}\n"
    )


def request(plan: Plan, gate: Gate, by: str, account: str, inputs: t.Sequence[Input], now: float) -> dict[str, t.Any]:
    """The line that asks for a gate. Raises BoxliftError for somebody whom the plan does not know."""
    _known(plan, by)
    return {
        "gate": gate.id,
        "stage": gate.stage,
        "plan": plan.sha256,
        "request": secrets.token_hex(4),
        "by": by,
        "account": account,
        "asked": now,
        "expires": now + 60 * gate.timeout_minutes,
        "inputs": [dataclasses.asdict(each) for each in inputs],
    }


def unmet(gate: Gate, given: t.Sequence[Input], waived: t.Collection[str]) -> list[Input]:
    """What of the gate's inputs is not in order and not waived. What was not looked at is not in order."""
    known = {each.id: each for each in given}
    all_of_them = [known.get(name, Input(name, False, "nobody has looked")) for name in gate.inputs]
    return [each for each in all_of_them if not each.met and each.id not in waived]


def decide(plan: Plan, gate: Gate, lines: t.Iterable[Line], verify: Verify, now: float) -> Decision:
    """The state of a gate by the journal's lines, in their order. Only the last request counts."""
    mine = [line for line in lines if line.get("gate") == gate.id and line.get("stage") == gate.stage]
    starts = [number for number, line in enumerate(mine) if line["event"] == REQUEST]
    if not starts:
        return Decision(gate.id, gate.stage, "closed", missing=gate.needs)
    asked = mine[starts[-1]]
    court = _Court(plan, gate, asked, verify)
    # What was waived before the request serves for it too; a signature answers one request.
    for number, line in enumerate(mine):
        if line["event"] == WAIVER:
            court.hear_waiver(line)
        elif line["event"] == SIGNATURE:
            court.hear_signature(line, late=number < starts[-1])
    return court.decision(now)


def waivers(
    plan: Plan, gate: Gate, lines: t.Iterable[Line], verify: Verify, now: float
) -> tuple[tuple[Waived, ...], tuple[str, ...]]:
    """The waivers that a request made now could rest on, and why others do not count."""
    asked = {"plan": plan.sha256, "by": "", "account": "", "request": "", "inputs": (), "expires": math.inf}
    court = _Court(plan, gate, asked, verify)
    for line in lines:
        if line["event"] == WAIVER and line.get("gate") == gate.id and line.get("stage") == gate.stage:
            court.hear_waiver(line)
    return tuple(each for each in court.waived if _moment(now) <= each.until), tuple(court.ignored)


class _Court:
    """Hears the lines that answer one request, in their order. Once the gate is open it stays open."""

    def __init__(self, plan: Plan, gate: Gate, asked: Line, verify: Verify) -> None:
        self.plan, self.gate, self.asked, self.verify = plan, gate, asked, verify
        self.inputs = [Input(each["id"], each["met"], each["observed"]) for each in asked["inputs"]]
        self.approved: dict[str, Person] = {}
        self.state = ""
        self.opened: datetime.datetime | None = None
        self.remarks: list[Remark] = []
        self.waived: list[Waived] = []
        self.ignored: list[str] = []
        self.codes: set[str] = set()
        if asked["plan"] != plan.sha256:
            self.state = "closed"
            self.ignored.append("The plan was changed after the gate was asked for.")

    def hear_signature(self, line: Line, late: bool) -> None:
        name, verdict = str(line.get("person")), str(line.get("verdict"))
        text = statement(self.plan, self.gate, str(line.get("request")), name, verdict, line.get("remarks") or [])
        why = self._refusal(line, text)
        if not why and (late or line.get("request") != self.asked["request"]):
            why = f"it answers the request {line.get('request')}, and the gate was asked for anew"
        if not why and verdict not in (APPROVE, REJECT):
            why = f"'{verdict}' is neither {APPROVE} nor {REJECT}"
        if why:
            self.ignored.append(f"The signature of {name} does not count: {why}.")
            return
        self.remarks += [Remark(each["text"], each["owner"], each["due"]) for each in line.get("remarks") or []]
        if verdict == REJECT:
            self.state = "rejected"
            return
        self.approved[name] = self.plan.people[name]
        self._look(line["at"])

    def hear_waiver(self, line: Line) -> None:
        name, what, reason = str(line.get("person")), str(line.get("input")), str(line.get("reason") or "")
        more = {"input": what, "reason": reason, "until": line.get("until")}
        why = self._refusal(line, statement(self.plan, self.gate, "", name, "waive", more))
        if not why and not reason.strip():
            why = "it gives no reason"
        if not why and not isinstance(line.get("until"), (int, float)):
            why = "it does not say until when"
        if why:
            self.ignored.append(f"The waiver of {what} by {name} does not count: {why}.")
            return
        seen = next((each.observed for each in self.inputs if each.id == what), "nobody has looked")
        self.waived.append(Waived(what, seen, name, reason, _moment(line["until"])))
        self._look(line["at"])

    def missing(self) -> tuple[Signature, ...]:
        """What is still needed. Each person fills one place, so that most places are filled."""
        places = [dataclasses.replace(need, count=1) for need in self.gate.needs for _place in range(need.count)]
        taken: dict[int, str] = {}

        def seat(name: str, tried: set[int]) -> bool:
            for number, need in enumerate(places):
                if number not in tried and _may(self.approved[name], need):
                    tried.add(number)
                    if number not in taken or seat(taken[number], tried):
                        taken[number] = name
                        return True
            return False

        for name in self.approved:
            seat(name, set())
        free = [need for number, need in enumerate(places) if number not in taken]
        return tuple(dataclasses.replace(need, count=free.count(need)) for need in dict.fromkeys(free))

    def lacking(self, at: float) -> list[Input]:
        return unmet(self.gate, self.inputs, {each.input for each in self.waived if _moment(at) <= each.until})

    def decision(self, now: float) -> Decision:
        if not self.state:
            self.state = "expired" if now > self.asked["expires"] else "requested"
            self.ignored += [f"The input {each.id} is not met: {each.observed}." for each in self.lacking(now)]
        return Decision(
            self.gate.id,
            self.gate.stage,
            self.state,
            self.asked["request"],
            self.asked["by"],
            _moment(self.asked["expires"]),
            self.opened,
            tuple(self.approved),
            self.missing(),
            tuple(self.remarks),
            tuple(self.waived),
            tuple(self.ignored),
        )

    def _look(self, at: float) -> None:
        if not self.state and not self.missing() and not self.lacking(at):
            self.state = "open_with_remarks" if self.remarks else "open"
            self.opened = _moment(at)

    def _refusal(self, line: Line, text: str) -> str:
        """Why what this person has signed does not count here; empty if it does."""
        if self.state:
            return f"the gate was {self.state} already"
        if line["at"] > self.asked["expires"]:
            return "it came after the request had expired"
        person = self.plan.people.get(str(line.get("person")))
        if person is None:
            return "the plan does not know this person"
        if person.id == self.asked["by"]:
            return "nobody approves his own request"
        if not any(_may(person, need) for need in self.gate.needs):
            return f"the plan does not name {', '.join(person.roles)} of {person.org} as a signer of this gate"
        if line.get("plan") != self.plan.sha256:
            return "it was given for another version of the plan"
        method = line.get("method")
        if method == TYPED:
            same = line.get("account") == self.asked["account"]
            return "it was typed by the account that asked for the gate; sign with a key or a code" if same else ""
        if method == SSH:
            good = bool(person.key) and self.verify(person, text, str(line.get("signature") or ""))
            return "" if good else "the signature is not one of this person's key over this statement"
        if method == CODE:
            proof = str(line.get("code") or "")
            if proof not in person.codes or proof in self.codes:
                return "the code was used before, or is none of this person's"
            self.codes.add(proof)
            return ""
        return f"'{method}' is no way to sign"


def _may(person: Person, need: Signature) -> bool:
    return person.org == need.org and need.role in person.roles


def _known(plan: Plan, name: str) -> Person:
    if name not in plan.people:
        raise BoxliftError(
            f"The plan knows nobody called {name or '(nobody was named)'}.",
            f"Name one of {', '.join(plan.people)}, or add the person to the plan's people.",
        )
    return plan.people[name]


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc)


def new_code(digits: int = _CODE_DIGITS) -> tuple[str, str]:
    """A code to be handed over on paper, and what of it is kept, such as `codes` of a person in the plan."""
    code = "".join(secrets.choice("0123456789") for _digit in range(digits))
    return code, _hashed(code, secrets.token_bytes(16))


def code_of(person: Person, code: str) -> str | None:
    """What stands in the plan for this code; None if the person has no such code. Spaces do not count."""
    return kept_of(person.codes, code)


def kept_of(codes: t.Iterable[str], code: str) -> str | None:
    """Which of what is kept is of this code; None if none is."""
    digits = "".join(code.split())
    for known in codes:
        if hmac.compare_digest(known, _hashed(digits, bytes.fromhex(known.partition(":")[0]))):
            return known
    return None


def _hashed(code: str, salt: bytes) -> str:
    return f"{salt.hex()}:{hashlib.scrypt(code.encode(), salt=salt, **_SCRYPT).hex()}"

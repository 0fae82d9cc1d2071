# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's side: whether a code begins an item, and what is read back when it has ended."""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import process, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.lines import SUPERVISION
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.course import stages_of_the_cutover
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import DICTATED, Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import (
    codes,
    digits,
    numbers,
    screen,
    session,
    state,
)
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.numbers import Item
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.session import Envelope, Session
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.state import Ended, Open, State

Data = dict[str, t.Any]


class Refused(BoxliftError):
    """An item that does not begin; `say` is what the operator says on the telephone, `wrong` counts towards a pause."""

    def __init__(self, message: str, say: str, wrong: bool = False) -> None:
        self.say, self.wrong = say[:1].upper() + say[1:], wrong
        super().__init__(message, f"Say: {self.say}", say=self.say)


class Site:
    """One look at the plan and the journal of a site. `own` is the token of this ansible-playbook."""

    def __init__(self, plan: Plan, journal: str, own: str, running: t.Callable[[str], bool] | None = None) -> None:
        self.plan, self.journal, self.own = plan, journal, own
        self.running = running or process.is_running
        self.items = {item.number: item for item in numbers.items(plan)}
        self.state: State = state.read(plan.sha256, journal)
        self.dictated = is_dictated(plan, journal)
        self.session: Session | None = None
        if self.dictated:
            self.session = _session(journal)

    def title(self, number: str) -> str:
        return title(self.plan, self.items, number)

    def shown(self, ended: Ended) -> list[str]:
        """What the screen says of an item that has ended."""
        number = ended.entry.item
        return screen.block(self.title(number), ended, in_cutover(self.plan, self.items.get(number)))

    def step_of(self, number: str) -> tuple[str, str]:
        """Step and stage, or gate and stage, of a number; empty for what is none of the plan's."""
        item = self.items.get(number)
        return (item.id, item.stage) if item else ("", "")

    def begin(self, number: str, said: str, obstacles: t.Callable[[], t.Sequence[str]] = list, **fields: t.Any) -> Open:
        """Take the code for an item, and write that it begins. Raises Refused, which is written down too."""
        paused = self.state.paused
        try:
            envelope = self._judge(number, said, obstacles)
        except Refused as error:
            reason = error.message
            self._write(state.REFUSED, item=number, wrong=error.wrong, reason=reason, **fields)
            if self.state.paused and not paused:
                raise Refused(
                    f"{error.message} It was the third wrong code, so the site is paused.",
                    f"{error.say} The site is paused now: I need a code to resume.",
                ) from None
            raise
        if self.state.open is not None and number not in (codes.STOP, codes.RESUME):
            # A rollback does not wait for what a killed run, or people, have left open.
            self.end(codes.UNKNOWN, 0.0, "given up for the rollback")
        if envelope is not None:
            self._write(state.OPENED, item=number, mark=envelope.mark, purpose=envelope.purpose, **fields)
        attempt = self.state.attempt(number)
        by = "envelope" if envelope else "code" if self.session else ""
        mode = DICTATED if self.dictated else self.plan.supervision.mode
        line = self._write(
            state.ACCEPTED,
            item=number,
            attempt=attempt,
            by=by,
            mode=mode,
            process=self.own,
            **self._names(number),
            **fields,
        )
        # Somebody else may have typed the same at the same moment: the line that came first has it.
        self.state = state.read(self.plan.sha256, self.journal)
        if number in (codes.STOP, codes.RESUME):
            return Open(number, attempt, time.time(), self.own, line)
        if self.state.open is None or self.state.open.line != line:
            raise Refused(f"{self._step(number)} is at work already.", f"{self._step(number)} is at work already.")
        return self.state.open

    def _judge(self, number: str, said: str, obstacles: t.Callable[[], t.Sequence[str]]) -> Envelope | None:
        """The envelope by whose code it may begin; None for a go-code. Raises Refused."""
        step = self._step(number)
        if number not in self.items and number not in codes.SPECIAL:
            raise Refused(
                f"The plan has no number {number}.", f"my manual has no step {number}. Which one do you want?"
            )
        self._refuse_what_is_open(number)
        if self.state.paused and number not in codes.SPECIAL:
            why = "after a stop" if self.state.paused == "stop" else "after three wrong codes"
            raise Refused(f"The site is paused {why}.", f"the site is paused {why}. Give me a code to resume.")
        envelope = None
        if self.session is not None:
            envelope = self._judge_code(self.session, number, said)
        found = obstacles()
        if found:
            raise Refused(
                " ".join([f"{step} may not begin.", *found]),
                f"{step} refuses. The screen says: {found[0]}",
            )
        return envelope

    def end(self, outcome: str, seconds: float, message: str = "", item: str = "") -> Ended:
        """Write what came of the item that is open (or of `item`), with its read-back. Raises BoxliftError, OSError."""
        number = item or (self.state.open.item if self.state.open else "")
        if not number:
            raise BoxliftError("Nothing is open that could end.", "Begin an item with its number and its code.")
        entry = codes.Entry(number, self.state.attempt(number), outcome, codes.duration_class(seconds))
        entries = [*self.state.entries, entry]
        said = ""
        if self.session is not None:
            place = codes.place_of(number, list(self.items))
            said = codes.read_back(self.session.key, self.plan.sha256, place, entries)
        self._write(
            state.ENDED,
            item=number,
            attempt=entry.attempt,
            outcome=outcome,
            duration=entry.duration,
            seconds=round(seconds, 3),
            read_back=said,
            head=codes.spoken(codes.chain(self.plan.sha256, entries)),
            **self._names(number),
            **({"message": message} if message else {}),
        )
        return self.state.ended[-1]

    def leave(self, step: str, stage: str) -> None:
        """Raises Refused unless this very run has begun the item of a step or gate with its code."""
        begun = self.state.open
        wanted = next((each for each in self.items.values() if (each.id, each.stage) == (step, stage)), None)
        number = wanted.number if wanted else step
        if begun is None or begun.item != number or not self.own or begun.process != self.own:
            raise Refused(
                f"The site is dictated: {step} of stage {stage} begins with a code alone.",
                f"what is the code for {number}? Then type: mig {number} CODE",
            )

    def _refuse_what_is_open(self, number: str) -> None:
        begun = self.state.open
        if begun is None or number in (codes.STOP, codes.RESUME):
            return
        step = self._step(begun.item)
        if self.running(begun.process) and begun.process != self.own:
            raise Refused(f"{step} is at work.", f"{step} is still at work. I type nothing until it has ended.")
        if number == codes.ROLLBACK:
            return
        item = self.items.get(begun.item)
        if item and item.kind == numbers.PEOPLE:
            raise Refused(
                f"{step} has begun and has not ended: type mig {begun.item} ok, or mig {begun.item} failed.",
                f"{step} has begun and is not finished.",
            )
        raise Refused(
            f"{step} was broken off. Type mig, and read out what it shows.",
            f"{step} was broken off. I type mig now, and read you the digits.",
        )

    def _judge_code(self, session: Session, number: str, said: str) -> Envelope | None:
        step = self._step(number)
        try:
            if not codes.is_go_code(said):
                return self._judge_envelope(session, number, said)
            code = codes.heard(said)
        except digits.Misheard as error:
            raise Refused(f"The code for {step} was misheard. {error.message}", self._misheard(step, error)) from None
        sha, last = self.plan.sha256, self.state.last
        if code == codes.go_code(session.key, sha, number, self.state.attempt(number), last):
            return None
        everything = (*self.items, *codes.SPECIAL)
        for other in everything:
            if code == codes.go_code(session.key, sha, other, self.state.attempt(other), last):
                raise Refused(
                    f"{step} refuses: the code is of {self._step(other).lower()}.",
                    f"{step} refuses, the code is of {self._step(other).lower()}. Which one do you want?",
                    wrong=True,
                )
        used = self._used(session, code)
        if used:
            raise Refused(f"{step} refuses: {used}.", f"{step} refuses, {used}. {self._where_i_am()}", wrong=True)
        raise Refused(
            f"{step} refuses: the code fits neither this plan nor what was done so far.",
            f"{step} refuses, the code fits nothing here. My plan is {codes.spoken(sha)}. {self._where_i_am()}",
            wrong=True,
        )

    def _used(self, session: Session, code: str) -> str:
        """What is said of a code that was right before; empty if it never was."""
        sha = self.plan.sha256
        before = State(sha)
        for each in self.state.ended:
            item = each.entry.item
            if code == codes.go_code(session.key, sha, item, before.attempt(item), before.last):
                return f"the code was used for {self._step(item).lower()} already"
            for other in (*self.items, *codes.SPECIAL):
                if code == codes.go_code(session.key, sha, other, before.attempt(other), before.last):
                    return f"the code is an old one of {self._step(other).lower()}"
            before.ended.append(each)
        return ""

    def _judge_envelope(self, session: Session, number: str, said: str) -> Envelope:
        step = self._step(number)
        envelope = session.opened_by(said)
        if envelope is None:
            raise Refused(
                f"{step} refuses: no envelope holds this code.", f"{step} refuses the code of the envelope.", True
            )
        if envelope.mark in self.state.opened:
            raise Refused(
                f"{step} refuses: the code of this envelope was used before.",
                f"{step} refuses, the envelope was used before. I open the next one.",
                wrong=True,
            )
        item = self.items.get(number)
        if envelope.purpose not in (number, *((item.occurrence, item.id) if item else ())):
            raise Refused(
                f"{step} refuses: the envelope is for {envelope.purpose}.",
                f"{step} refuses, I have opened the envelope for {envelope.purpose}.",
                wrong=True,
            )
        return envelope

    def _misheard(self, step: str, error: digits.Misheard) -> str:
        where = f"group {error.groups[0]} of " if len(error.groups) == 1 and error.groups[0] > 1 else ""
        return f"{step} refuses, {where}the code was misheard. Read it to me again."

    def _where_i_am(self) -> str:
        if not self.state.ended:
            return "Nothing was read back yet."
        return f"My last read-back is {self.state.ended[-1].read_back}."

    def _step(self, number: str) -> str:
        return {"stop": "The stop", "rollback": "The rollback", "resume": "The resumption"}.get(
            number, f"Step {number}"
        )

    def _names(self, number: str) -> Data:
        """What the number stands for, so that the journal can be read without the plan."""
        step, stage = self.step_of(number)
        return {"step": step, "stage": stage} if step else {}

    def _write(self, kind: str, **fields: t.Any) -> int:
        fields = {"state": kind, "plan": self.plan.sha256, **fields}
        fields.setdefault("head", self.state.head)
        link = writer.append(self.journal, SUPERVISION, fields)
        self.state.take({**fields, "time": writer.iso(time.time()), "seq": link.seq})
        return link.seq


def is_dictated(plan: Plan | None, journal: str) -> bool:
    """By the plan, or by the file with the key beside the journal: no other plan is a way round it."""
    return (plan is not None and plan.supervision.mode == DICTATED) or os.path.exists(session.place_of(journal))


def site_of(plan: Plan | None, journal: str, own: str) -> Site:
    """Raises BoxliftError where the plan is missing: without it no code can be judged."""
    if plan is None:
        raise BoxliftError(
            "The site is dictated, and no plan is given.",
            "Set migration_plan to the plan's file in the inventory. Each step begins as the manual prints it.",
        )
    return Site(plan, journal, own)


def refuse_a_pause(plan: Plan, journal: str) -> None:
    """Raises BoxliftError while the move is stopped."""
    if state.read(plan.sha256, journal).paused:
        raise BoxliftError(
            "The move is stopped.", "ansible-playbook boxlift.portal.stop -e stop_kind=resume lets it go on."
        )


def in_cutover(plan: Plan, item: Item | None) -> bool:
    """Whether a rollback would take it back."""
    return item is not None and item.stage in stages_of_the_cutover(plan)


def title(plan: Plan, items: t.Mapping[str, Item], number: str) -> str:
    item = items.get(number)
    if item is None:
        return {"stop": "Stop", "rollback": "Roll back the cutover", "resume": "Resume"}.get(number, number)
    return plan.gates[item.id].title if item.kind == numbers.GATE else plan.steps[item.id].title


def _session(journal: str) -> Session:
    path = session.place_of(journal)
    if not os.path.exists(path):
        raise BoxliftError(
            f"The plan is in mode dictated, and there is no {path}.",
            "Bring it over from the supervisor's side, where ansible-playbook boxlift.portal.envelopes has made it.",
        )
    return session.read(path)

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two processes, joined by a pipe of digits alone, bring a move to its end with the same head on both sides."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import verify
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, session, state
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.desk import Desk
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.digits import Misheard
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.site import Refused, Site

PLAN = {"supervision": {"mode": "dictated", "operator": "executor", "watchers": ["coordinator"]}}
#: Which attempts do not end well, by the item's number: the first one fails, the second one is killed.
TROUBLE = {"2.3": ["failed", "unknown", "ok"], "2.11": ["waiting", "ok"]}
MISHEARD_EVERY = 5


class Line:
    """A telephone: digits alone, and in every fifth message one of them is heard as another one."""

    def __init__(self, wire: multiprocessing.connection.Connection) -> None:
        self.wire, self.said = wire, 0

    def say(self, digits: str) -> None:
        assert set(digits) <= set("0123456789 ."), digits
        self.said += 1
        if self.said % MISHEARD_EVERY == 0 and len(digits) > len(END):
            at = self.said % len(digits.replace(" ", ""))
            places = [number for number, sign in enumerate(digits) if sign.isdigit()]
            wrong = str((int(digits[places[at]]) + 1) % 10)
            digits = digits[: places[at]] + wrong + digits[places[at] + 1 :]
        self.wire.send_bytes(digits.encode())

    def hear(self) -> str:
        assert self.wire.poll(10), "the other side has hung up"
        return self.wire.recv_bytes().decode()


#: Words and no digits in truth: read it once more; it is over. Words are not misheard here.
AGAIN, END = "0", "00"


def say(line: Line, digits: str) -> str:
    """Say digits until the other side has another answer than to say it again."""
    line.say(digits)
    while (answer := line.hear()) == AGAIN:
        line.say(digits)
    return answer


def operate(folder: Path, wire: multiprocessing.connection.Connection, key: bytes) -> None:
    """The site. The code of the next item comes with the number's place in the manual: both are read out."""
    plan, journal = load(PLAN), str(folder / "site.jsonl")
    session.write(session.place_of(journal), session.Session(key, ()))
    line = Line(wire)
    attempts: dict[str, int] = {}
    site = Site(plan, journal, "here", lambda _process: False)
    order = list(site.items)

    def begin(said: str) -> str:
        place, _space, code = said.partition(" ")
        number = order[int(place)] if int(place) < len(order) else "9.9"
        Site(plan, journal, "here", lambda _process: False).begin(number, code)
        return number

    message = line.hear()
    while message != END:
        try:
            number = begin(message)
        except Refused as error:
            # A place that was misheard is another step: its code does not fit. Three of those would pause.
            assert "misheard" in error.say or "the code is of step" in error.say or "no step" in error.say, error.say
            line.say(AGAIN)
            message = line.hear()
            continue
        attempts[number] = attempts.get(number, 0) + 1
        outcome = TROUBLE.get(number, [])[attempts[number] - 1 :][:1] or ["ok"]
        ended = Site(plan, journal, "here", lambda _process: False).end(outcome[0], 17.0 * len(attempts))
        message = say(line, ended.read_back)
    head = state.read(plan.sha256, journal).head
    line.wire.send_bytes(head.encode())


def supervise(folder: Path, wire: multiprocessing.connection.Connection, key: bytes) -> Desk:
    plan = load(PLAN)
    line = Line(wire)
    held = session.Session(key, ())
    desk = Desk(plan, str(folder / "mirror.jsonl"), held)
    order = list(desk.items)
    while (given := Desk(plan, desk.journal, held).give()) is not None:
        answer = say(line, f"{order.index(given.number)} {given.code}")
        while True:
            try:
                Desk(plan, desk.journal, held).take(answer)
                break
            except Misheard:
                line.say(AGAIN)
                answer = line.hear()
    wire.send_bytes(END.encode())
    return Desk(plan, desk.journal, held)


def test_a_whole_move_by_telephone(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    key = bytes(range(32))
    for side in ("site", "office"):
        (tmp_path / side).mkdir()
    operator = multiprocessing.get_context("fork").Process(target=operate, args=(tmp_path / "site", theirs, key))
    operator.start()
    theirs.close()
    try:
        desk = supervise(tmp_path / "office", ours, key)
        assert ours.poll(10)
        head = ours.recv_bytes().decode()
    finally:
        operator.join(5)
        operator.kill()
    assert desk.compare(head)
    plan = load(PLAN)
    site = state.read(plan.sha256, str(tmp_path / "site/site.jsonl"))
    assert site.entries == desk.state.entries
    assert [entry.outcome for entry in site.entries if entry.item == "2.3"] == TROUBLE["2.3"]
    assert {entry.item for entry in site.entries if entry.outcome == codes.OK} == set(desk.items)
    assert site.refused > 5, "something was misheard, and refused"
    assert site.paused == ""
    for journal in (tmp_path / "site/site.jsonl", tmp_path / "office/mirror.jsonl"):
        assert verify.verify(journal.read_bytes()).code == verify.WHOLE
    assert (tmp_path / "site/site.jsonl").read_bytes() != (tmp_path / "office/mirror.jsonl").read_bytes()

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a dictated site refuses, and what is said on the telephone then."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import verify
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, session, state
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.desk import Desk
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.session import Paper, Session
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.site import Refused, Site

SUPERVISION = {"mode": "dictated", "operator": "executor", "watchers": ["coordinator"]}
PLAN = {"supervision": {**SUPERVISION, "envelopes": {"prepare.accept": 1}}}


class Call:
    """Both sides of a move, and what each of them has."""

    def __init__(self, folder: Path, data: dict[str, t.Any] | None = None) -> None:
        self.plan: Plan = load(data or PLAN)
        self.journal, self.mirror = str(folder / "site/move.jsonl"), str(folder / "desk/move.jsonl")
        self.papers: list[Paper]
        self.session, self.papers = session.make(self.plan)
        for journal in (self.journal, self.mirror):
            session.write(session.place_of(journal), self.session)
        self.alive = False

    @property
    def site(self) -> Site:
        return Site(self.plan, self.journal, "me", lambda _process: self.alive)

    @property
    def desk(self) -> Desk:
        return Desk(self.plan, self.mirror, session.read(session.place_of(self.mirror)))

    def code(self, number: str = "") -> str:
        given = self.desk.give(number)
        assert given is not None
        return given.code

    def do(self, number: str, outcome: str = codes.OK) -> str:
        """The next item by telephone; its read-back, which was taken."""
        self.site.begin(number, self.code(number))
        said = self.site.end(outcome, 60, item=number).read_back
        self.desk.take(said)
        return said

    def refused(self, number: str, code: str, **more: t.Any) -> Refused:
        with pytest.raises(Refused) as caught:
            self.site.begin(number, code, **more)
        return caught.value

    def paper(self, purpose: str, which: int = 0) -> str:
        return [each.code for each in self.papers if each.purpose == purpose][which]


@pytest.fixture
def call(tmp_path: Path) -> Call:
    return Call(tmp_path)


def test_a_code_begins_its_own_step_once(call: Call) -> None:
    code = call.code()
    begun = call.site.begin("1.1", code)
    assert (begun.item, begun.attempt, begun.process) == ("1.1", 1, "me")
    call.site.end(codes.OK, 61)
    error = call.refused("1.1", code)
    assert "the code was used for step 1.1 already" in error.say
    assert f"My last read-back is {call.site.state.ended[-1].read_back}." in error.say


def test_a_code_for_another_step_is_refused_with_what_to_say(call: Call) -> None:
    error = call.refused("1.2", call.code("1.1"))
    assert error.say == "Step 1.2 refuses, the code is of step 1.1. Which one do you want?"
    assert error.remedy == f"Say: {error.say}"
    assert error.details["say"] == error.say


def test_an_old_code_is_refused(call: Call) -> None:
    old = call.code("1.2")
    call.do("1.1")
    assert "the code is an old one of step 1.2" in call.refused("1.2", old).say
    call.do("1.2")


def test_a_code_of_another_plan_or_bundle_is_refused(call: Call, tmp_path: Path) -> None:
    other = Call(tmp_path / "other")
    error = call.refused("1.1", other.code("1.1"))
    assert f"My plan is {codes.spoken(call.plan.sha256)}. Nothing was read back yet." in error.say
    # The same key, and one title of the plan is another.
    changed = load({**PLAN, "title": "Another move"})
    desk = Desk(changed, str(tmp_path / "changed.jsonl"), call.session)
    given = desk.give("1.1")
    assert given is not None
    assert "the code fits nothing here" in call.refused("1.1", given.code).say


def test_a_misheard_code_says_so_and_does_not_count(call: Call) -> None:
    code = call.code("1.1")
    wrong = str((int(code[0]) + 1) % 10) + code[1:]
    for _time in range(4):
        assert call.refused("1.1", wrong).say == "Step 1.1 refuses, the code was misheard. Read it to me again."
    assert (call.site.state.refused, call.site.state.wrong) == (4, 0)
    call.site.begin("1.1", code)


def test_three_wrong_codes_pause_the_site_until_it_is_resumed(call: Call) -> None:
    other = call.code("1.2")
    for _time in range(2):
        assert "paused" not in call.refused("1.1", other).say
    assert call.refused("1.1", other).say.endswith("The site is paused now: I need a code to resume.")
    right = call.code("1.1")
    assert call.refused("1.1", right).say == "The site is paused after three wrong codes. Give me a code to resume."
    call.do(codes.RESUME)
    assert call.site.state.paused == ""
    call.do("1.1")
    assert call.desk.compare(call.site.state.head)


def test_a_right_code_begins_the_count_anew(call: Call) -> None:
    for number in ("1.1", "1.2", "1.3"):
        for _time in range(2):
            call.refused(number, call.code("1.4"))
        call.do(number)
    assert call.site.state.refused == 6


def test_an_envelope_resumes_and_serves_once(call: Call) -> None:
    for _time in range(3):
        call.refused("1.1", call.code("1.2"))
    wrong = call.paper("stop")
    assert call.refused(codes.RESUME, wrong).say == "The resumption refuses, I have opened the envelope for stop."
    call.site.begin(codes.RESUME, call.paper(codes.RESUME))
    call.desk.take(call.site.end(codes.OK, 0, item=codes.RESUME).read_back)
    assert call.site.state.paused == ""
    assert call.site.state.purposes == [codes.RESUME]
    again = call.refused(codes.RESUME, call.paper(codes.RESUME))
    assert "the envelope was used before" in again.say
    call.do("1.1")


def test_a_stop_by_envelope_holds_until_it_is_released(call: Call) -> None:
    code = call.code("1.1")
    call.site.begin("1.1", code)
    call.site.begin(codes.STOP, call.paper(codes.STOP))
    stopped = call.site.end(codes.OK, 0, item=codes.STOP).read_back
    ended = call.site.end(codes.OK, 30).read_back
    assert call.site.state.paused == "stop"
    call.desk.take(stopped)
    call.desk.take(ended)
    with pytest.raises(BoxliftError, match="The site is stopped"):
        call.desk.give()
    assert "paused after a stop" in call.refused("1.2", call.code("1.2")).say
    call.do(codes.RESUME)
    call.do("1.2")


def test_a_stop_holds_under_a_new_version_of_the_plan(call: Call) -> None:
    call.site.begin(codes.STOP, call.paper(codes.STOP))
    call.site.end(codes.OK, 0, item=codes.STOP)
    call.plan = load({**PLAN, "title": "Version two"})
    assert call.site.state.paused == "stop"
    assert "paused" in call.refused("1.1", call.code("1.1")).say


def test_an_agreed_step_begins_by_its_envelope(call: Call) -> None:
    assert "I have opened the envelope for prepare.accept" in call.refused("1.4", call.paper("prepare.accept")).say
    call.site.begin("1.5", call.paper("prepare.accept"))
    call.desk.take(call.site.end(codes.OK, 5).read_back)


def test_what_is_at_work_or_was_broken_off_is_not_begun_over(call: Call) -> None:
    call.site.begin("1.3", call.code("1.3"))
    call.alive = True
    site = Site(call.plan, call.journal, "another", lambda _process: True)
    with pytest.raises(Refused, match=r"Step 1\.3 is at work"):
        site.begin("1.4", call.code("1.4"))
    call.alive = False
    site = Site(call.plan, call.journal, "another", lambda _process: False)
    with pytest.raises(Refused, match="was broken off. Type mig"):
        site.begin("1.4", call.code("1.4"))
    # A rollback waits for nobody; what was open is reported before it.
    site.begin(codes.ROLLBACK, call.paper(codes.ROLLBACK))
    site.end(codes.OK, 600)
    for ended in call.site.state.unread:
        call.desk.take(ended.read_back)
    assert [entry.outcome for entry in call.desk.state.entries] == [codes.UNKNOWN, codes.OK]
    assert call.desk.compare(call.site.state.head)


def test_people_tell_the_end_of_their_work(call: Call) -> None:
    call.site.begin("1.1", call.code())
    with pytest.raises(Refused, match=r"type mig 1\.1 ok, or mig 1\.1 failed"):
        Site(call.plan, call.journal, "another", lambda _process: False).begin("1.2", "1")


def test_what_is_not_possible_uses_no_code_up(call: Call) -> None:
    code = call.code("1.4")
    error = call.refused("1.4", code, obstacles=lambda: ["1.3 is not done yet."])
    assert error.say == "Step 1.4 refuses. The screen says: 1.3 is not done yet."
    assert not error.wrong
    call.site.begin("1.4", code)


def test_only_the_run_with_the_code_has_leave(call: Call) -> None:
    with pytest.raises(Refused, match="begins with a code alone"):
        call.site.leave("prepare.agree", "prepare")
    call.site.begin("1.1", call.code())
    call.site.leave("prepare.agree", "prepare")
    with pytest.raises(Refused):
        call.site.leave("prepare.inventory", "prepare")
    with pytest.raises(Refused):
        Site(call.plan, call.journal, "another", lambda _process: True).leave("prepare.agree", "prepare")


def test_a_site_with_a_key_is_dictated_whatever_the_plan_says(call: Call) -> None:
    free = load({})
    site = Site(free, call.journal, "me")
    assert site.dictated
    with pytest.raises(Refused):
        site.leave("prepare.agree", "prepare")


def test_a_dictated_plan_without_a_key_begins_nothing(tmp_path: Path) -> None:
    with pytest.raises(BoxliftError, match=r"there is no .*supervision\.key"):
        Site(load(PLAN), str(tmp_path / "move.jsonl"), "me")


def test_a_read_back_is_taken_in_its_order(call: Call) -> None:
    first = call.do("1.1")
    call.site.begin("1.2", call.code("1.2"))
    second = call.site.end(codes.FAILED, 100).read_back
    call.site.begin(codes.STOP, call.paper(codes.STOP))
    third = call.site.end(codes.OK, 0, item=codes.STOP).read_back
    with pytest.raises(BoxliftError, match=r"The read-back of stop does not follow the one of 1\.1") as caught:
        call.desk.take(third)
    assert "read me all digits since 1.1" in caught.value.remedy
    taken = call.desk.take(second)
    assert (taken.entry.item, taken.entry.outcome) == ("1.2", codes.FAILED)
    assert 70 < codes.seconds_of(taken.entry.duration) < 140
    assert call.desk.take(second).read_back == second, "the same once more is no harm"
    with pytest.raises(BoxliftError, match="was taken before"):
        call.desk.take(first)
    call.desk.take(third)
    assert not call.desk.compare("00000 00000 00000")
    assert call.desk.compare(call.site.state.head)


def test_a_failed_step_is_begun_again_with_a_new_code(call: Call) -> None:
    old = call.code("1.1")
    call.do("1.1", codes.FAILED)
    assert "the code was used for step 1.1 already" in call.refused("1.1", old).say
    given = call.desk.give()
    assert given is not None
    assert (given.number, given.attempt) == ("1.1", 2)
    call.do("1.1")
    assert call.desk.following()[0] == "1.2"


def test_a_journal_in_which_a_result_was_changed_is_refused(call: Call) -> None:
    call.do("1.1", codes.FAILED)
    lines = Path(call.journal).read_bytes().splitlines()
    assert verify.verify(b"\n".join(lines) + b"\n").code == verify.WHOLE
    changed = b"\n".join(lines).replace(b'"outcome":"failed"', b'"outcome":"ok"') + b"\n"
    assert changed != b"\n".join(lines) + b"\n"
    Path(call.journal).write_bytes(changed)
    with pytest.raises(BoxliftError, match="is not as it was written"):
        call.site.begin("1.2", "1")
    # Also where the lines were chained anew.
    fresh = Path(call.journal).with_name("fresh.jsonl")
    seen = [json.loads(line) for line in changed.splitlines()]
    with pytest.raises(BoxliftError, match=r"The chain of read-backs breaks at 1\.1"):
        folded = state.State(call.plan.sha256)
        for line in seen:
            folded.take(line)
    assert not fresh.exists()


def test_a_rollback_takes_its_stage_back(call: Call) -> None:
    everything = call.desk.following()
    for number in everything[: everything.index("3.14")]:
        call.do(number)
    call.do(codes.ROLLBACK)
    assert call.desk.following()[0] == "3.1"


def test_a_key_that_others_may_read_is_refused(call: Call) -> None:
    path = Path(session.place_of(call.journal))
    assert path.stat().st_mode & 0o777 == 0o600
    assert call.session.key.hex() not in repr(call.session)
    path.chmod(0o640)
    with pytest.raises(BoxliftError, match="Others may read"):
        call.site  # noqa: B018


def test_no_code_of_an_envelope_is_kept(call: Call) -> None:
    kept = Path(session.place_of(call.journal)).read_text()
    assert len(call.papers) == 6
    for paper in call.papers:
        plain = "".join(group[:4] for group in paper.code.split())
        assert plain not in kept
        assert paper.code not in kept


def test_a_session_needs_its_whole_key(tmp_path: Path) -> None:
    path = tmp_path / "supervision.key"
    session.write(str(path), Session(b"short", ()))
    with pytest.raises(BoxliftError, match="holds no key of this version"):
        session.read(str(path))
    path.write_text("nonsense")
    with pytest.raises(BoxliftError, match="is no file of playbook envelopes"):
        session.read(str(path))

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What notices say, in six languages."""

from __future__ import annotations

import string
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.known import gathered
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import due as d
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import matters as m
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import text
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast import forecast
from unit.plugins.plugin_utils.notices.world import BEGIN, HOUR, MINUTE, PLAN, Move, plan

GB = 10**9


@pytest.fixture
def move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Move:
    return Move(tmp_path / "move.jsonl", monkeypatch)


def messages(move: Move, **known: t.Any) -> dict[str, text.Message]:
    """What is due now, by language."""
    journal = gathered(str(move.path), [])
    about = text.Known(move.plan, journal, str(move.path), move.now, **known)
    ways = d.ways(move.plan, True, ())
    return {each.language: text.message(each, about) for each in move.due(ways)}


def test_every_language_says_the_same() -> None:
    def fields(sentence: str) -> set[str]:
        return {name for _text, name, _spec, _conversion in string.Formatter().parse(sentence) if name}

    english = text.texts()["en"]
    assert set(text.texts()) == set(text.LANGUAGES)
    for language, sentences in text.texts().items():
        assert {key: fields(sentence) for key, sentence in sentences.items()} == {
            key: fields(sentence) for key, sentence in english.items()
        }, language


def test_a_step_at_work_says_since_when_how_far_and_until_when(move: Move) -> None:
    move.begin("move.fetch")
    process = move.attempts[-1].process
    move.now += 90 * MINUTE
    word = {
        "process": process,
        "phase": "fetch",
        "done": 12 * 2**30,
        "total": 30 * 2**30,
        "time": "2026-11-28T13:29:00.000Z",
    }
    said = messages(move, progress=[word])["de"]
    assert said.subject == "Fetch the backup, prove every part: in Arbeit seit 2026-11-28 13:00 CET"
    assert said.body.splitlines() == [
        "Fetch the backup, prove every part: in Arbeit seit 2026-11-28 13:00 CET",
        "Move of the company portal to own hosts, Final run. Schritt: move.fetch@final.",
        "Seit 2026-11-28 13:00 CET, also seit 1 h 30 min.",
        "Bisher: fetch, 12.0 GiB von 30.0 GiB (40 %).",
        "Voraussichtliches Ende: 2026-11-29 01:00 CET; mit 80 % Sicherheit bis 2026-11-29 13:00 CET.",
        "Nächste Nachricht spätestens um 2026-11-28 15:00 CET.",
    ]
    # The word of another run says nothing about this one.
    assert "GiB" not in messages(move, progress=[{**word, "process": "another"}])["de"].body
    move.now = BEGIN + 25 * HOUR
    assert "Das Ende war bis 2026-11-29 13:00 CET erwartet, es dauert länger." in messages(move)["de"].body


def test_the_rehearsal_says_how_long_it_will_take(move: Move) -> None:
    move.stage = "rehearsal"
    move.begin("move.fetch")
    move.now += 2 * HOUR
    move.end("move.fetch")
    move.stage = "final"
    move.now += HOUR
    move.begin("move.fetch")
    # 16:00 in Berlin; the rehearsal took two hours, which is one measurement, so P80 is three.
    assert "2026-11-28 18:00 CET; mit 80 % Sicherheit bis 2026-11-28 19:00 CET" in messages(move)["de"].body


def test_an_incident_says_what_was_reported_and_its_end_that_it_is_over(move: Move) -> None:
    move.begin("move.restore")
    told = list(move.due(d.ways(move.plan, True, ())))
    for each in told:
        move.note(m.NOTICE, d.line_of(each, d.SENT))
    move.now += 7 * MINUTE
    move.end("move.restore", "failed", "The disk is full.\nFree 3 GiB.")
    said = messages(move)["ru"]
    assert said.subject == "Restore files and database: остановлено из-за ошибки"
    assert "Сообщение: The disk is full. Free 3 GiB." in said.body
    assert "Следующее сообщение не позднее 2026-11-28 13:27 CET." in said.body
    move.begin("move.restore")
    move.now += 61 * MINUTE
    assert "Попытка 2." in messages(move)["ru"].body
    move.end("move.restore")
    said = messages(move)["ru"]
    assert said.subject == "Restore files and database: готово"
    assert said.body.endswith("Заняло 1 ч 1 мин.\nПопытка 2.\nЭто последнее сообщение по этому вопросу.\n")


def test_arabic_runs_from_right_to_left_and_names_stand_by_themselves(move: Move) -> None:
    move.begin("move.fetch")
    said = messages(move)["ar"]
    lines = said.body.splitlines()
    assert all(line.startswith(text.RLM) for line in [said.subject, *lines])
    for line in [said.subject, *lines]:
        bare, depth = "", 0
        for letter in line:
            depth += (letter == text.FSI) - (letter == text.PDI)
            assert depth in (0, 1)
            bare += letter if not depth else ""
        assert depth == 0
        assert not any("a" <= letter.lower() <= "z" for letter in bare), line
    german = messages(move)["de"]
    assert not {text.RLM, text.FSI, text.PDI} & set(german.subject + german.body)


def test_a_name_from_right_to_left_is_isolated_in_other_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titled = plan(steps={"move.fetch": {"title": "جلب النسخة الاحتياطية"}})
    move = Move(tmp_path / "move.jsonl", monkeypatch, the_plan=titled)
    move.begin("move.fetch")
    assert messages(move)["de"].subject.startswith(f"{text.FSI}جلب النسخة الاحتياطية{text.PDI}: in Arbeit")


def test_a_decision_is_asked_for_in_every_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan's window is much too short, so the forecast says so at the first look."""
    window = {"window_start": "2026-11-28 13:00", "window_end": "2026-11-28 15:00"}
    people = {
        "commercial_owner": {"email": "sales@example.com", "language": "en"},
        "operator": {"email": "li@work.example"},
    }
    merged = {name: {**PLAN["people"].get(name, {}), **one} for name, one in people.items()}
    tight = plan(cutover=window, people={**PLAN["people"], **merged})
    move = Move(tmp_path / "move.jsonl", monkeypatch, the_plan=tight)
    move.begin("move.fetch")

    def look(now: float) -> list[dict[str, t.Any]]:
        what = forecast(tight, gathered(str(move.path), []), str(move.path), "final", now, move.running.__contains__)
        found = m.observations(move.sight(), what)
        for fields in found:
            move.note(m.OBSERVED, fields)
        return found

    before = round(tight.cutover.point_of_no_return.timestamp()) if tight.cutover.point_of_no_return else 0
    assert look(move.now) == [{"what": "decision", "stage": "final", "required": True, "before": before}]
    assert look(move.now) == []
    subjects = {
        each.language: text.message(each, text.Known(tight, gathered(str(move.path), []), str(move.path), move.now))
        for each in move.due(d.ways(tight, True, ()))
        if each.span.kind == m.DECISION
    }
    assert set(subjects) == set(text.LANGUAGES)
    assert subjects["en"].subject == "DECISION REQUIRED: go on, or turn back"
    assert (
        "Decide before 2026-11-28 14:30 CET. Later, a rollback would not end within the window." in subjects["en"].body
    )
    move.now += 2 * HOUR
    late = [
        each for each in move.due(d.ways(tight, True, ())) if each.span.kind == m.DECISION and each.language == "zh"
    ]
    said = text.message(late[0], text.Known(tight, gathered(str(move.path), []), str(move.path), move.now))
    assert "2026-11-28 14:30 CET 已过：回退已无法在窗口内完成。" in said.body


def test_a_debt_says_until_when_what_to_do_and_when_people_hear_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = {"commercial_owner": {"email": "sales@example.com", "language": "en"}}
    move = Move(tmp_path / "move.jsonl", monkeypatch, the_plan=plan(people={**PLAN["people"], **people}))

    def told() -> dict[str, text.Message]:
        """By language; what is due is sent."""
        about = text.Known(move.plan, gathered(str(move.path), []), str(move.path), move.now)
        due = move.due(d.ways(move.plan, True, ()))
        for each in due:
            move.note(m.NOTICE, d.line_of(each, d.SENT))
        return {each.language: text.message(each, about) for each in due}

    trial = {"feature": "fax", "reason": "fax.lic: a trial", "owner": "sales", "until": "2026-12-05", "remedy": "Pay."}
    move.entitlement(trial, fax="warn")
    said = told()
    assert set(said) == {"en", "ru"}  # the owner, and the coordinator
    assert said["en"].subject == "fax (pbx): a licence is owed by Sales"
    assert said["en"].body.splitlines()[1:] == [
        "Move of the company portal to own hosts. Licence: fax, on pbx.",
        "Replace it by 2026-12-05. Days left: 7.",
        "What was reported: fax.lic: a trial",
        "What to do: Pay.",
        "Next notice by 2026-12-04 20:00 CET at the latest.",
    ]
    move.now += 10 * 24 * HOUR
    said = told()
    assert said["ru"].subject == "fax (pbx): срок лицензии прошёл, отвечает Sales"
    assert "Its day was 2026-12-05. Days over: 3." in said["en"].body
    move.entitlement(fax="pass")
    said = told()
    assert said["en"].subject == "fax (pbx): the licence is not owed any more"
    assert said["en"].body.splitlines()[2:] == ["This is the last notice on this."]
    # Without a day, of a person, and of somebody whom the plan does not know.
    move.entitlement({**trial, "owner": "commercial_owner", "until": ""})
    said = told()
    assert said["en"].subject == "fax (pbx): a licence is owed by Account manager"
    assert "Nobody has set a day for it.\n" in said["en"].body
    move.entitlement({**trial, "owner": "vendor"})
    assert {language: each.subject for language, each in told().items()} == {
        "ru": "fax (pbx): срок лицензии прошёл, отвечает vendor"
    }


@pytest.mark.parametrize("language", text.LANGUAGES)
def test_a_debt_can_be_told_in_every_language(language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = {"commercial_owner": {"email": "sales@example.com", "language": language}}
    move = Move(tmp_path / "move.jsonl", monkeypatch, the_plan=plan(people=people))
    bodies = []
    for days, debts in ((0, [{"feature": "fax", "owner": "sales", "until": "2026-11-29"}]), (2, []), (3, None)):
        move.now = BEGIN + days * 24 * HOUR
        if debts != []:
            move.entitlement(*(debts or []))
        about = text.Known(move.plan, gathered(str(move.path), []), str(move.path), move.now)
        (each,) = move.due(d.ways(move.plan, True, ()))
        move.note(m.NOTICE, d.line_of(each, d.SENT))
        assert each.span.kind == {0: m.OWED, 2: m.OVERDUE, 3: m.PAID}[days]
        bodies.append(text.message(each, about).body)
    assert len(set(bodies)) == 3 and all("fax" in body and "pbx" in body for body in bodies)
    assert all("2026-11-29" in body for body in bodies[:2])

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manual's sentences: the same in every language, and safe for whatever is put into them."""

from __future__ import annotations

import re
import string
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual.words import Words, texts, usual
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.text import LANGUAGES
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import default, load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.source import PlanError

TEXTS = ("title", "purpose", "not_yet", "name")


def texts_of(value: t.Any, key: str = "") -> t.Iterator[str]:
    """What a plan says to people on the pages of the manual."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from texts_of(item, "organisations" if key == "organisations" else name)
    elif isinstance(value, list) and key == "evidence":
        yield from value
    elif isinstance(value, str) and key in (*TEXTS, "reason", "organisations"):
        yield value


def test_every_language_says_the_same() -> None:
    def fields(sentence: str) -> set[str]:
        return {name for _text, name, _spec, _conversion in string.Formatter().parse(sentence) if name}

    english = texts()["en"]
    assert set(texts()) == set(LANGUAGES)
    for language, sentences in texts().items():
        assert {key: fields(sentence) for key, sentence in sentences.items()} == {
            key: fields(sentence) for key, sentence in english.items()
        }, language


def test_the_plan_may_be_in_each_of_them() -> None:
    for language in LANGUAGES:
        of = load({"language": language, "people": {"operator": {"language": "zh"}}})
        assert of.language == of.people["approver"].language == language
        assert of.people["operator"].language == "zh"
    with pytest.raises(PlanError, match="language"):
        load({"language": "fr"})


def test_the_usual_plan_is_translated_as_a_whole() -> None:
    usual_plan = {
        kind: default().data[kind] for kind in ("title", "organisations", "people", "stages", "steps", "gates")
    }
    wanted = set(texts_of(usual_plan))
    assert len(wanted) > 100
    assert set(usual()) == set(LANGUAGES) - {"en"}
    for language, known in usual().items():
        assert not wanted - set(known), f"usual.yml has no {language} for them"
        assert all(known.values())


def test_every_usual_step_says_what_it_is_for() -> None:
    assert [name for name, step in default().data["steps"].items() if not step.get("purpose")] == []


def test_what_the_site_wrote_stays() -> None:
    assert Words("ru").of_plan("Restore files and database") == "Восстановить файлы и базу данных"
    assert Words("ru").of_plan("Restore files and databases") == "Restore files and databases"
    assert Words("en").of_plan("Restore files and database") == "Restore files and database"


def test_values_are_escaped_and_keep_their_direction() -> None:
    said = Words("ar")("page_of", page="<b>", pages="\u202e1")
    assert said == "صفحة <bdi>&lt;b&gt;</bdi> من <bdi>\\u202e1</bdi>"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "1 min"),
        (61, "2 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (86400, "24 h"),
        (172800, "2 d"),
        (259200, "3 d"),
    ],
)
def test_durations_are_rounded_up(seconds: int, said: str) -> None:
    assert Words("en").duration(seconds) == said


def test_sentences_can_be_read_at_midnight() -> None:
    """In none of the languages that put spaces between words, a sentence has more than 16."""
    for language in set(LANGUAGES) - {"zh"}:
        for key, text in texts()[language].items():
            sentences = [part.split() for part in re.split(r"[.!?:।]\s", text)]
            assert max(map(len, sentences)) <= 16, (language, key)

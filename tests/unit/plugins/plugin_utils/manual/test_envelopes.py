# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The codes for the envelopes: read for this plan alone, and never quoted."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual.envelopes import Envelope, read
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.digits import grouped
from unit.plugins.plugin_utils.manual import sites

PLAN = sites.plan()
CODES = [grouped(digits) for digits in ("407122695508", "123456789012", "987698769876")]


def written(folder: Path, content: t.Any, mode: int = 0o600) -> str:
    path = folder / "pages.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return str(path)


def data(*entries: tuple[str, str], plan: str = PLAN.sha256) -> dict[str, t.Any]:
    return {"plan": plan, "envelopes": [{"purpose": purpose, "code": code} for purpose, code in entries]}


def test_each_has_its_command_and_its_number(tmp_path: Path) -> None:
    pages = data(("stop", CODES[0]), ("move.restore@final", CODES[1]), ("stop", CODES[2]), ("rollback", CODES[0]))
    assert read(written(tmp_path, pages), PLAN) == [
        Envelope("stop", "mig stop", tuple(CODES[0].split()), 1, 2),
        Envelope("3.4 Restore files and database", "mig 3.4", tuple(CODES[1].split()), 1, 1),
        Envelope("stop", "mig stop", tuple(CODES[2].split()), 2, 2),
        Envelope("rollback", "mig rollback", tuple(CODES[0].split()), 1, 1),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{{broken {CODES[0]}", "holds no codes for envelopes (JSONDecodeError)."),
        ([CODES[0]], "holds no codes for envelopes (TypeError)."),
        ({"plan": PLAN.sha256, "envelopes": [{"purpose": CODES[0]}]}, "holds no codes for envelopes (KeyError)."),
        (data(("stop", CODES[0]), plan="0" * 64), "were made for the plan 000000000000, and this one is"),
        (data(("stop", CODES[0][:-1] + "9")), "the code of envelope 1 is not whole."),
        (data(("stop", CODES[0]), ("resume", "12345")), "the code of envelope 2 is not whole."),
        (data(("move.nothing@final", CODES[0])), "The plan has no move.nothing@final, which an envelope is for."),
    ],
)
def test_what_cannot_be_sealed_is_refused_without_its_code(tmp_path: Path, content: t.Any, message: str) -> None:
    with pytest.raises(BoxliftError) as caught:
        read(written(tmp_path, content), PLAN)
    assert message in str(caught.value)
    for code in (*CODES, CODES[0][:-1]):
        assert code not in f"{caught.value} {caught.value.remedy}"


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_what_others_may_read_is_no_secret(tmp_path: Path, mode: int) -> None:
    with pytest.raises(BoxliftError, match="Others may read"):
        read(written(tmp_path, data(("stop", CODES[0])), mode), PLAN)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        read(str(tmp_path / "absent.json"), PLAN)

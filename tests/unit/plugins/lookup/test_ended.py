# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.lookup.ended import ended
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import writer


def test_the_last_good_end_of_the_step_in_its_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "move.jsonl"
    for at, stage, state, outcome in (
        (100, "rehearsal", "end", "ok"),
        (200, "final", "begin", ""),
        (300, "final", "end", "failed"),
        (400, "final", "end", "ok"),
        (500, "final", "end", "failed"),
    ):
        monkeypatch.setattr(writer.time, "time", lambda at=at: float(at))
        line = {"step": "move.freeze", "stage": stage, "state": state, **({"outcome": outcome} if outcome else {})}
        writer.append(str(path), "step", line)
    content = path.read_bytes()
    assert ended(content, "move.freeze", "final") == 400
    assert (
        ended(content, "move.freeze", "settle") == ended(content, "move.delta", "final") == ended(b"", "x", "y") == ""
    )

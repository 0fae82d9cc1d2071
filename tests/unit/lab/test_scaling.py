# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench's part `scaling`: its backups are what they say, and its exponent is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from bench import scaling
from bench.lines_database import huge_tables


@pytest.mark.parametrize("size", [6_000_000, 12_000_000])
def test_a_backup_holds_what_was_asked_for(tmp_path: Path, size: int) -> None:
    first = scaling.make_backup(tmp_path / "backup", size)
    told = verify(str(first)).as_dict()
    assert told["intact"] and told["bytes"] == pytest.approx(size, rel=0.05)
    # The tables' definitions are a large part of so small a dump.
    assert told["dumps"][0]["finished"] and told["dumps"][0]["size"] == pytest.approx(size * scaling.DUMP, rel=0.1)
    assert sorted(path.name for path in first.parent.iterdir()) == [first.name]


def test_every_row_has_an_id_of_its_own() -> None:
    for huge in huge_tables():
        rows = list(scaling._rows(huge, 400_000))
        assert sum(len(row.encode()) + 2 for row in rows) == pytest.approx(400_000, rel=0.01)
        assert [row.partition(",")[0] for row in rows] == [f"({item}" for item in range(1, len(rows) + 1)]


def test_the_exponent() -> None:
    assert scaling.exponent([(1, 3), (10, 30), (100, 300)]) == pytest.approx(1)
    assert scaling.exponent([(1, 1), (2, 4), (4, 16)]) == pytest.approx(2)
    assert scaling.exponent([(1, 5), (10, 5)]) == pytest.approx(0)

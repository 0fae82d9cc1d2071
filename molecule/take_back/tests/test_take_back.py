# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the way back has left: the portal as it was before the final run."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "cutover" / "files"))

from portals import ALIVE, changed, night


def test_the_opening_was_of_the_second_backup() -> None:
    assert night()["rehearsed"][0] != night()["second"][0]
    assert changed("second", "open") <= ALIVE


def test_files_and_database_are_those_before_the_final_run() -> None:
    assert changed("rehearsed", "taken_back") <= ALIVE

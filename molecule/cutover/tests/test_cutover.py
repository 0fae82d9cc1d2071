# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commit has left: the portal of the second backup, and no way back."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "cutover" / "files"))

from portals import ALIVE, changed, night


def test_the_opening_was_of_the_second_backup() -> None:
    assert night()["rehearsed"][0] != night()["second"][0]
    assert changed("second", "open") <= ALIVE


def test_the_commit_changes_nothing_and_nothing_takes_it_back() -> None:
    assert changed("open", "committed") <= ALIVE
    assert changed("committed", "still_committed") <= ALIVE

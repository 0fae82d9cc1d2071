# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the way back has left: the portal as it was before the final run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "cutover" / "files"))

from portals import ALIVE, changed, night


def test_the_opening_was_of_the_second_backup() -> None:
    assert night()["rehearsed"][0] != night()["second"][0]
    # The last pass of the CRM came between.
    assert {each for each in changed("second", "open") - ALIVE if "crm" not in each} == set()


def test_files_and_database_are_those_before_the_final_run() -> None:
    # The index is built anew, and knows now what the warm pass had carried over.
    assert {each for each in changed("rehearsed", "taken_back") - ALIVE if "b_search_content" not in each} == set()


def counts(name: str) -> dict[str, tuple[int, int]]:
    """Of each kind, how many records box and cloud have."""
    return {kind: (int(box), int(cloud)) for kind, box, cloud in map(str.split, night()[f"counts {name}"])}


def test_each_pass_left_as_many_records_in_the_box_as_the_cloud_has() -> None:
    for name in ("rehearsed", "moved"):
        assert [kind for kind, (box, cloud) in counts(name).items() if box != cloud] == [], name
    assert len(counts("moved")) == 5 and all(box > 0 for box, _cloud in counts("moved").values())


def test_what_people_made_in_the_box_is_in_the_cloud_once_it_is_taken_back() -> None:
    made = json.loads(night()["work opened"][0])
    assert len(made["leads"]) == 3
    before, after = counts("opened"), counts("taken_back")
    # The cloud has now what the box had then; the box is the former portal again.
    assert [kind for kind in before if after[kind][1] != before[kind][0]] == []
    assert after["lead"][0] == counts("rehearsed")["lead"][0]

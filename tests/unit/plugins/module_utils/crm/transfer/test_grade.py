# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a proof means to those who decide."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import grade, planning
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.planning import Skipped
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.verify import (
    KindResult,
    Mismatch,
    Verification,
)
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

COURSE = grade.Course("final", 1000.0, 1024.6, 998.0)


def proof(**kind: int) -> Verification:
    return Verification("cloud", "box", False, [KindResult("lead", 100, 100, compared=90, **kind)])


def different(records: int, values: int = 1) -> Verification:
    found = proof(different=records * values)
    found.mismatches = [Mismatch("lead", "field", n, n, f"f{v}") for n in range(records) for v in range(values)]
    found.mismatch_count = records * values
    return found


def test_everything_equal_is_perfect() -> None:
    assert grade.grade_of(proof(new=5)) == ("perfect", [])
    assert grade.headline("perfect", proof(new=5, changed=2), COURSE) == (
        "box has everything that cloud has: 5 leads brought over, 2 brought up to date, and every value agrees."
    )
    assert "nothing had arrived since the backup" in grade.headline("perfect", proof(), COURSE)


def test_explained_differences_and_what_options_leave_behind_are_good() -> None:
    found = proof(explained=3)
    found.explained_count = 3
    assert grade.grade_of(found) == ("good", ["3 differences are listed, with the reason why it must be so."])
    mail = Skipped("activity", 7, planning.MAIL_ACTIVITY, "…")
    assert grade.grade_of(proof(), [mail])[0] == "good"


@pytest.mark.parametrize("code", [planning.REFUSED, planning.OWNER_MISSING])
def test_records_that_the_portal_refused_are_to_be_investigated(code: str) -> None:
    whole = [Skipped("deal", 7, code, "…"), Skipped("deal", 8, code, "…")]
    found, reasons = grade.grade_of(proof(), whole)
    assert (found, reasons[0]) == ("investigate", "2 deals were left behind, because box refused.")


def test_a_kind_that_could_not_be_looked_at_is_to_be_investigated() -> None:
    found = proof()
    found.unread["activity"] = "access denied"
    assert grade.grade_of(found) == ("investigate", ["Activities could not be looked at: access denied"])


def test_few_records_that_differ_are_to_be_investigated_and_many_are_poor() -> None:
    """One in a hundred of 90 compared is one; several values of one record are one record."""
    assert grade.grade_of(different(1, values=5))[0] == "investigate"
    assert grade.grade_of(different(1, values=5))[1] == [
        "5 values differ without a reason, in 1 of 90 compared records."
    ]
    assert grade.grade_of(different(2))[0] == "poor"


def test_records_beyond_the_list_count_too() -> None:
    found = different(1)
    found.kinds[0].different = 2000
    assert grade.grade_of(found)[0] == "poor"


def test_one_lost_record_is_poor_whatever_else_is_fine() -> None:
    found, reasons = grade.grade_of(proof(lost=1), [Skipped("deal", 7, planning.REFUSED, "…")])
    assert (found, reasons[0]) == ("poor", "1 record is missing, doubled or superfluous in box.")


def test_nothing_compared_is_poor() -> None:
    assert grade.grade_of(Verification("cloud", "box", False))[0] == "poor"


def test_the_list_is_sealed_in_whichever_order_it_came(tmp_path: Path) -> None:
    left = [Skipped("lead", 12, "b", "Ё", ("x",)), Skipped("lead", 7, "a", "…"), Skipped("deal", 30, "a", "…")]
    assert grade.skipped_list(left) == grade.skipped_list(left[::-1])
    result = grade.full_result(proof(), COURSE, left)
    paths = grade.write_result(str(tmp_path), result, left)
    assert paths == {"result": f"{tmp_path}/final-result.json", "list": f"{tmp_path}/final-skipped.jsonl"}
    assert all(stat.S_IMODE(Path(path).stat().st_mode) == 0o600 for path in paths.values())
    delta = json.loads(Path(paths["result"]).read_text(encoding="utf-8"))["delta"]
    content = Path(paths["list"]).read_bytes()
    assert delta["skipped_sha256"] == hashlib.sha256(content).hexdigest()
    assert [json.loads(line)["id"] for line in content.splitlines()] == [30, 7, 12]
    grade.check_list(paths["list"], delta["skipped_sha256"])
    Path(paths["list"]).write_bytes(content.replace(b'"id":7', b'"id":8'))
    with pytest.raises(BoxliftError, match="is not the list that was sealed"):
        grade.check_list(paths["list"], delta["skipped_sha256"])


def test_the_small_result() -> None:
    left = [Skipped("lead", 12, planning.FILE_LEFT, "…", ("UF_CRM_1",))]
    course = grade.Course("final", 1000.0, 1024.6, 998.0, changes={"lead": grade.Changes(5, 2, 1)})
    delta = grade.delta_result(proof(new=5, changed=2), course, left)
    assert (delta["grade"], delta["seconds"], delta["frozen_seconds"], delta["skipped"]) == ("good", 24.6, 26.6, 1)
    lead = {
        "source": 100,
        "target": 100,
        "new": 5,
        "changed": 2,
        "created": 5,
        "updated": 2,
        "deleted": 1,
        "skipped": 1,
    }
    assert delta["counts"]["lead"].items() >= lead.items()
    assert grade.gate_input(delta) == (
        True,
        f"good: 0 mismatches, 0 explained, 1 left behind (list {delta['skipped_sha256'][:12]}), "
        "verified 27 s after the freeze",
    )
    assert len(json.dumps(delta)) < 2000


def test_counts_in_words() -> None:
    many = {"lead": 1200, "deal": 1, "smart:128": 2, "contact": 4, "company": 3, "comment": 0}
    assert grade.counted(many) == "1\u202f200 leads, 4 contacts, 3 companies, 2 records of smart:128 and 1 other"
    assert grade.counted({}) == "nothing"

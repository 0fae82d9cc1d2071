# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of transfers for tests and pictures: one as it should be, one to be investigated, one that is poor."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import grade, meaning, planning, verify
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.former import Adoption, Entry, Judged
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.planning import Conflict, Skipped
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.verify import (
    KindResult,
    Mismatch,
    Verification,
)

CLOUD, BOX = "example.cloud.example.com", "portal.example.com"
BEGAN = 1_796_000_000.0


def kinds() -> list[KindResult]:
    return [
        KindResult("company", 1840, 1840, 6, 2, 8),
        KindResult("contact", 14210, 14210, 212, 31, 243),
        KindResult("lead", 20512, 20512, 512, 64, 576),
        KindResult("deal", 6033, 6033, 71, 118, 189),
        KindResult("activity", 88120, 88120, 1904, 12, 1916),
        KindResult("productrow", 9120, 9120, 0, 0, 140),
        KindResult("comment", 4410, 4410, 0, 0, 96),
    ]


def course(**more: t.Any) -> grade.Course:
    given: dict[str, t.Any] = {
        "mode": "final",
        "began": BEGAN,
        "ended": BEGAN + 24.6,
        "frozen": BEGAN - 2.0,
        "phases": {"read_cloud": 3.1, "read_box": 1.2, "plan": 0.6, "write": 11.9, "second_pass": 1.4, "proof": 6.4},
        "changes": {
            "company": grade.Changes(6, 2),
            "contact": grade.Changes(212, 31),
            "lead": grade.Changes(512, 64, 3),
            "deal": grade.Changes(71, 118),
            "activity": grade.Changes(1904, 12),
        },
        "limits": {CLOUD: (41, 0, 0.0), BOX: (96, 2, 1.4)},
    }
    return grade.Course(**{**given, **more})


def perfect() -> grade.Data:
    return grade.full_result(Verification(CLOUD, BOX, False, kinds(), requests=46, seconds=6.4), course(), [])


def good() -> grade.Data:
    found = kinds()
    found[6].explained, found[3].explained = 96, 118
    explained = [
        Mismatch("comment", verify.FIELD, 4300 + n, 4409 + n, "CREATED", "2026-11-28T14:03:00+03:00",
                 "2026-11-30T01:10:22+03:00", "", verify.COMMENT_NATURE)
        for n in range(96)
    ]  # fmt: skip
    explained += [
        Mismatch("deal", verify.FIELD, 5800 + n, 5800 + n, "updatedTime", "2026-11-29T18:40:12+03:00",
                 "2026-11-30T01:10:09+03:00", "", meaning.UPDATED)
        for n in range(118)
    ]  # fmt: skip
    reasons = {meaning.UPDATED: 118, verify.COMMENT_NATURE: 96}
    proof = Verification(CLOUD, BOX, False, found, [], explained, 0, len(explained), reasons, {}, 46, 6.4)
    return grade.full_result(proof, course(), skipped(), conflicts(), adoption())


def skipped() -> list[Skipped]:
    mail = "Adding an outgoing e-mail may send it again; it stays in the cloud's archive."
    left = [Skipped("activity", 87000 + n, planning.MAIL_ACTIVITY, mail) for n in range(14)]
    left += [
        Skipped("lead", 20100 + n, planning.FILE_LEFT, "Files are left out by the option files.", ("UF_CRM_PLAN",))
        for n in range(9)
    ]
    return [
        *left,
        Skipped("deal", 5991, planning.PRODUCT_MISSING, "The catalogue has no product 771.", ("productRows",)),
    ]


def conflicts() -> list[Conflict]:
    return [
        Conflict("lead", 19871, 19871, ("stageId", "opportunity"), "source", (12, 1), ("comments",)),
        Conflict("contact", 13007, 13007, ("fm",), "source", (7, 3)),
    ]


def adoption() -> Adoption:
    lines = [
        Judged("leads.csv", n, n, "lead", "there", 20000 + n, 20300 + n, "It was entered by hand.")
        for n in range(2, 60)
    ]
    lines += [
        Judged("leads.csv", n, n, "lead", "new", 20000 + n, None, "The target does not have it.") for n in range(60, 70)
    ]
    lines.append(
        Judged("leads.csv", 71, 71, "lead", "ambiguous", 20071, None,
               "The target has several that it may be: 20411, 20412.",
               "If they are one record that was entered several times, delete all but one and run again.")
    )  # fmt: skip
    lines.append(
        Judged("leads.csv", 88, 88, "", "unreadable", None, None, "The last line was cut off after 6 of 31 columns.",
               "Export the list again as CSV, and name the new file.")
    )  # fmt: skip
    return Adoption(tuple(Entry("lead", 20000 + n, 20300 + n) for n in range(2, 60)), (), tuple(lines))


def poor() -> grade.Data:
    found = kinds()
    found[2].target, found[2].lost, found[2].different, found[1].different = 20513, 2, 2, 1
    remedy = {what: text.format(target=BOX, who="Anna <b>Schmidt</b>") for what, text in verify._REMEDIES.items()}
    mismatches = [
        Mismatch("lead", verify.MISSING, 20377, None, remedy=remedy[verify.MISSING]),
        Mismatch("lead", verify.DOUBLED, 20381, 20999, "", "20381, which is 20702 in the target",
                 "Request from the site", remedy[verify.DOUBLED]),
        Mismatch("lead", verify.FIELD, 20402, 20723, "createdTime", "2026-11-28T14:03:00+03:00",
                 "2026-11-28T17:03:00+03:00", remedy[verify.FIELD]),
        Mismatch("lead", verify.FIELD, 20411, 20732, "assignedById", "14", "1", remedy[verify.FIELD]),
        Mismatch("contact", verify.FIELD, 14100, 14301, "fm", "+7 495 123-45-67", "+7 495 123-45-67, +7 495 123-45-67",
                 remedy[verify.FIELD]),
    ]  # fmt: skip
    proof = Verification(
        CLOUD, BOX, False, found, mismatches, [], 5, 0, {}, {"call": "voximplant.statistic.get: <denied>."}, 46, 6.4
    )
    return grade.full_result(proof, course(), skipped())

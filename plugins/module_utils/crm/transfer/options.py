# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people decide about a transfer, and the refusals that stop it before the first write."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

# In the order in which they are written: what others refer to comes first.
ITEMS = ("company", "contact", "lead", "deal", "smart")
KINDS: tuple[str, ...] = (*ITEMS, "productrow", "activity", "comment")


@dataclass(frozen=True)
class Options:
    """The defaults are the safe ones: nothing is deleted, nothing is given to somebody else, nothing is sent."""

    kinds: tuple[str, ...] = KINDS
    conflicts: str = "source"  # or "target": whose value stays where both sides have changed a field
    deletions: str = "list"  # or "apply"
    fallback_user: int | None = None  # of the target, for users without a match
    missing_statuses: str = "refuse"  # or "create": statuses, stages and categories
    leave_out: tuple[str, ...] = ()  # KIND.FIELD, which is then listed
    older_records: str = "refuse"  # or "shift": what is older than the target's newest record gets that one's date
    mail_activities: str = "list"  # or "write": the target might send them
    files: bool = False
    offline_events: str = "no"  # or "required"


@dataclass(frozen=True)
class Refusal:
    """One reason not to begin. `code` is for programs."""

    code: str
    text: str
    remedy: str

    def as_result(self) -> dict[str, str]:
        return {"code": self.code, "text": self.text, "remedy": self.remedy}


class Refused(BoxliftError):
    """The transfer does not begin; nothing has been written."""

    def __init__(self, refusals: t.Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        first = refusals[0]
        more = f" There are {len(refusals) - 1} more reasons, see refusals." if len(refusals) > 1 else ""
        super().__init__(
            f"{first.text}{more} Nothing was written.",
            " ".join(dict.fromkeys(each.remedy for each in refusals)),
            refusals=[each.as_result() for each in refusals],
        )


# Codes of refusals.
TARGET_NEWER = "target_newer"
NOT_THE_SAME = "not_the_same_record"
UNKNOWN_FIELD = "unknown_field"
FIELD_TYPE = "field_type"
MISSING_VALUE = "missing_value"  # of a list field
MISSING_STAGE = "missing_stage"
MISSING_STATUS = "missing_status"
MISSING_CATEGORY = "missing_category"
MISSING_TYPE = "missing_type"  # a smart process
USER_WITHOUT_MATCH = "user_without_match"
NOT_ADMIN = "not_admin"
NO_OFFLINE_EVENTS = "no_offline_events"
NO_IMPORT = "no_import"

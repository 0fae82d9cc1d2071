# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between source and target, and what must be known before the first write."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.options import Refusal

Row = dict[str, t.Any]
ORDER = ("company", "contact", "lead", "deal", "quote", "invoice", "smart", "productrow", "activity", "comment")


@dataclass(frozen=True)
class Planned:
    """One write. `id` and `content` are the source's; `fields` is what the target is sent, in the target's terms."""

    kind: str
    id: int
    action: str  # "create", "update" or "delete"
    target_id: int | None = None  # of the record to change; None where it is to be created
    fields: Row = field(default_factory=dict)
    created: str = ""  # createdTime of the source, as it stands there
    origin: tuple[str, str] | None = None  # originatorId and originId of somebody else, given back at the end
    digest: bytes = b""  # hash of the source's content


@dataclass(frozen=True)
class Skipped:
    """A record, or a part of it, that is not carried over. `code` is for programs, `text` for people."""

    kind: str
    id: int  # of the source
    code: str
    text: str
    fields: tuple[str, ...] = ()  # the parts that stay behind; empty: the whole record


@dataclass(frozen=True)
class Conflict:
    """A record that was changed on both sides since they were equal."""

    kind: str
    id: int  # of the source
    target_id: int
    fields: tuple[str, ...]  # changed on both sides, to different values
    kept: str  # "source" or "target": whose values stand in the target now
    by: tuple[int, int] = (0, 0)  # updatedBy of source and of target
    # Changed in the target alone; these stay as people set them.
    only_target: tuple[str, ...] = ()


# Codes of `Skipped` that explain a difference; the grade reads them.
DELETED_IN_TARGET = "deleted_in_target"
DELETED_IN_SOURCE = "deleted_in_source"
REFUSED = "refused"  # by the portal; the text is the portal's own
FIELD_LEFT = "field_left"  # left out, as the options demand
REFERENCE_MISSING = "reference_missing"  # what a field refers to is not in the target
PRODUCT_MISSING = "product_missing"
MAIL_ACTIVITY = "mail_activity"
FILE_LEFT = "file_left"
OWNER_MISSING = "owner_missing"
DATE_SHIFTED = "date_shifted"  # createdTime is that of the target's newest record
UPDATED_TIME = "updated_time"  # a second write was needed, so updatedTime is that of the write
# What a write left behind; it stays true until the record is written again, also where later passes find it equal.
LEFT_BY_WRITING = (FIELD_LEFT, FILE_LEFT)
LASTING = (*LEFT_BY_WRITING, PRODUCT_MISSING, DATE_SHIFTED, UPDATED_TIME)


class FoundEqual(t.NamedTuple):
    """A record that is equal on both sides, by its name in the id map, and the hashes that say so."""

    key: str
    id: int
    target_id: int
    source_hash: bytes
    target_hash: bytes


def order_of(kind: str) -> tuple[int, str]:
    """Sorts kinds so that what others refer to comes first."""
    family = kind.partition(":")[0]
    return (ORDER.index(family) if family in ORDER else len(ORDER), kind)


class Plan:
    """Everything that a pass would write. Records to create are read again when they are written."""

    def __init__(self) -> None:
        self.creates: dict[str, list[tuple[float, int]]] = {}  # kind to moment of creation and id, in this order
        self.updates: dict[str, list[Planned]] = {}
        self.deletes: dict[str, list[Planned]] = {}
        self.rows: list[Planned] = []  # product rows, one for each owner; `kind` and ids are the owner's
        self.equal: dict[str, int] = {}
        self.skipped: list[Skipped] = []
        self.conflicts: list[Conflict] = []
        self.refusals: list[Refusal] = []
        self.found_equal: list[FoundEqual] = []
        self.own: dict[str, int] = {}  # kind to the number of the target's own records
        # Kind to the kinds that its new records refer to with new records.
        self.needs: dict[str, set[str]] = {}
        self.shifted: dict[str, str] = {}  # kind to the date that older records get

    def counts(self) -> dict[str, dict[str, int]]:
        """Of each kind: how many to create, change and delete, and how many are equal."""
        found: dict[str, dict[str, int]] = {}
        for name, planned in (("create", self.creates), ("update", self.updates), ("delete", self.deletes)):
            for kind, each in planned.items():
                found.setdefault(kind, {})[name] = len(each)
        if self.rows:
            found["productrow"] = {"update": len(self.rows)}
        for kind, number in self.equal.items():
            found.setdefault(kind, {})["equal"] = number
        return {
            kind: {name: counts.get(name, 0) for name in ("create", "update", "delete", "equal")}
            for kind, counts in sorted(found.items(), key=lambda item: order_of(item[0]))
        }

    def writes(self) -> int:
        planned = (self.creates, self.updates, self.deletes)
        return sum(len(each) for kinds_ in planned for each in kinds_.values()) + len(self.rows)

    def renewed(self) -> set[tuple[str, int, str]]:
        """Kind, id and code of what former passes may have listed, and this one judges anew, since it writes them."""
        found = {(each.kind, each.id, PRODUCT_MISSING) for each in self.rows}
        written = [(kind, each.id) for kind, some in self.updates.items() for each in some]
        new = [(kind, number) for kind, some in self.creates.items() for _moment, number in some]
        found.update((*one, code) for one in written + new for code in LEFT_BY_WRITING)
        return found | {(*one, DATE_SHIFTED) for one in new}

    def waves(self) -> list[list[str]]:
        """Kinds whose new records can be written at the same time. In a circle, the usual order decides."""
        left = sorted(self.creates, key=order_of)
        waves: list[list[str]] = []
        while left:
            ready = [kind for kind in left if not (self.needs.get(kind, set()) & set(left)) - {kind}]
            waves.append(ready or left[:1])
            left = [kind for kind in left if kind not in waves[-1]]
        return waves

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the snapshots know of chosen records: the version that is meant, its children, and who referred to it."""

from __future__ import annotations

import datetime
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.crm.stored_files import StoredFile
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

Row = dict[str, t.Any]
#: A record of a snapshot: its kind and its id there.
Key = tuple[str, int]
#: Fields that hold an id, or a list of ids, of another record. Of both forms the list says more.
REFERENCES: t.Mapping[str, str] = {
    "companyId": "company",
    "companyIds": "company",
    "mycompanyId": "company",
    "contactId": "contact",
    "contactIds": "contact",
    "leadId": "lead",
    "dealId": "deal",
    "quoteId": "quote",
}
_PARENT = re.compile(r"parentId(\d+)")
#: Kinds that belong to a record and come and go with it.
CHILDREN = ("activity", "comment", "productrow")
#: What the values of a user field of type crm begin with.
_CODES = {"L": "lead", "D": "deal", "C": "contact", "CO": "company", "Q": "quote", "SI": "invoice"}


class At(t.NamedTuple):
    """A snapshot of one of the stores."""

    store: Store
    number: int


class Past:
    """Reads one or more stores of the same portal: that of the nights, and the archive."""

    def __init__(self, stores: t.Sequence[Store], snapshot: int | None = None, moment: float | None = None) -> None:
        """`snapshot`: its number in the first store; `moment`: Unix time. Without both, the newest that has it."""
        self.stores = stores
        self._fixed = self._chosen(snapshot, moment)
        if not any(store.snapshots() for store in stores):
            raise BoxliftError(
                f"There is no snapshot in {', '.join(store.path for store in stores)}.",
                "Take one first (crm_snapshot), or correct the option store.",
                code="no_snapshot",
            )

    def _chosen(self, snapshot: int | None, moment: float | None) -> list[At]:
        """One for each store that has a snapshot of that number or moment; empty where neither was given."""
        if snapshot is not None:
            known = [each.number for each in self.stores[0].snapshots()]
            if snapshot not in known:
                listed = ", ".join(str(each) for each in known) or "none"
                raise BoxliftError(
                    f"The store {self.stores[0].path} has no snapshot {snapshot}.",
                    f"It has: {listed}.",
                    code="no_snapshot",
                )
            return [At(self.stores[0], snapshot)]
        if moment is None:
            return []
        found = [
            At(store, max(numbers))
            for store in self.stores
            if (numbers := [each.number for each in store.snapshots() if each.ended <= moment])
        ]
        if not found:
            text = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).isoformat()
            raise BoxliftError(
                f"No snapshot is as old as {text}.",
                "Choose a later moment, or a snapshot's number.",
                code="no_snapshot",
            )
        return found

    def require(self, portal: str) -> None:
        """Raises BoxliftError for a store of another portal: its ids are those of other records there."""
        for store in self.stores:
            newest = store.newest()
            if newest is not None and newest.portal != portal:
                raise BoxliftError(
                    f"The store {store.path} holds records of {newest.portal}, and the webhook is of {portal}.",
                    "Correct store or webhook. Only where the same portal has got another name, allow it (renamed).",
                    code="other_portal",
                )

    def find(self, key: Key) -> tuple[At, Row] | None:
        """The version that is meant and the snapshot that has it, None where none has."""
        if self._fixed:
            for at in self._fixed:
                content = at.store.record(*key, at.number)
                if content is not None:
                    return at, content
            return None
        best: tuple[float, At, Row] | None = None
        for store in self.stores:
            ended = {each.number: each.ended for each in store.snapshots()}
            versions = [each for each in store.history(*key) if each.content is not None]
            if not versions:
                continue
            last = versions[-1]
            number = max(each for each in ended if each >= last.since and (last.until is None or each < last.until))
            if best is None or ended[number] > best[0]:
                best = (ended[number], At(store, number), t.cast(Row, last.content))
        return best and best[1:]

    def places(self) -> str:
        """For messages: where was looked."""
        return " and ".join(store.path for store in self.stores)

    def newest(self) -> list[At]:
        """The snapshots that are meant where no record is named: the fixed ones, or the newest of the first store."""
        last = self.stores[0].newest()
        return self._fixed or ([At(self.stores[0], last.number)] if last else [])

    # -- children and referrers --------------------------------------------------------------------------------------

    @staticmethod
    def children(at: At, owners: t.Collection[Key]) -> dict[Key, dict[str, list[tuple[int, Row]]]]:
        """Activities, comments and product rows of the owners in a snapshot, by owner and kind, in order of id."""
        return {
            (kind, number): {
                child: at.store.children(child, kinds.kind(kind).entity_type or 0, number, at.number)
                for child in CHILDREN
            }
            for kind, number in owners
        }

    @staticmethod
    def referrers(at: At, wanted: t.Collection[Key]) -> t.Iterator[tuple[Key, Row, str]]:
        """Records of the snapshot that refer to one of these, with the field that does."""
        looked = set(wanted)
        if not looked:
            return
        for kind in at.store.kind_names(at.number):
            if not kinds.kind(kind).is_item:
                continue
            for number, content in at.store.records(kind, at.number):
                for field in content:
                    if any(key in looked for key in references(field, content[field])) and not doubled(field, content):
                        yield (kind, number), content, field

    def file(self, at: At, key: str) -> StoredFile | None:
        """A file whose content is kept, in that store or in another one."""
        for store in (at.store, *self.stores):
            found = store.file(key)
            if found is not None:
                return found
        return None

    def content(self, file: StoredFile) -> bytes:
        """A file's content, proven by its sum. Raises BoxliftError."""
        holder = next(store for store in self.stores if store.file(file.id) == file)
        with holder.open_file(file.sha256) as source:
            return source.read()

    def user_name(self, at: At, number: int) -> str:
        """The full name that the snapshot has of an employee, else his number."""
        row = at.store.record("user", number, at.number) if number else None
        name = f"{(row or {}).get('NAME') or ''} {(row or {}).get('LAST_NAME') or ''}".strip()
        return name or f"user {number}"


def owner_of(kind: str, content: t.Mapping[str, t.Any]) -> Key | None:
    """The record that an activity, comment or product row belongs to."""
    try:
        if kind == "activity":
            return kinds.of_entity_type(int(content["OWNER_TYPE_ID"])).name, int(content["OWNER_ID"])
        if kind == "comment":
            return str(content["ENTITY_TYPE"]).lower().replace("dynamic_", "smart:"), int(content["ENTITY_ID"])
        return _of_code(str(content["ownerType"])), int(content["ownerId"])
    except (KeyError, TypeError, ValueError, BoxliftError):
        return None


def _of_code(code: str) -> str:
    """The kind that product rows and user fields call so."""
    return _CODES.get(code) or f"smart:{int(code[1:], 16)}"


def references(field: str, value: t.Any) -> list[Key]:
    """The records that a field's value refers to, in order."""
    parent = _PARENT.fullmatch(field)
    kind = REFERENCES.get(field) or (parent and kinds.of_entity_type(int(parent.group(1))).name)
    values = value if isinstance(value, list) else [value]
    if kind:
        return [(kind, int(each)) for each in values if str(each or 0).isdecimal() and int(each or 0)]
    if not field.startswith("UF_"):
        return []
    found = []
    for each in values:
        match = re.fullmatch(r"(L|D|C|CO|Q|SI|T[0-9a-f]+)_([1-9]\d*)", each) if isinstance(each, str) else None
        if match:
            found.append((_of_code(match.group(1)), int(match.group(2))))
    return found


def doubled(field: str, content: t.Mapping[str, t.Any]) -> bool:
    """Whether the record has the same references in a list as well, which is then the one to write."""
    return field in ("companyId", "contactId") and bool(content.get(f"{field}s"))


def pointed(field: str, value: t.Any, now: t.Callable[[Key], int | None]) -> tuple[t.Any, list[Key]]:
    """The value with the ids that its references have now, and those that have none, which are left out."""
    lost = []
    out = []
    for key in references(field, value):
        number = now(key)
        if number is None:
            lost.append(key)
        elif field.startswith("UF_"):
            out.append(f"{kinds.kind(key[0]).owner_code}_{number}")
        else:
            out.append(t.cast(t.Any, number))
    return (out if isinstance(value, list) else (out[0] if out else None)), lost

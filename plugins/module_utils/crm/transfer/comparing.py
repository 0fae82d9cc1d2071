# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what a transfer has to write, from the stores of both portals. Nothing is asked of a portal here.

A record is compared with three others: itself when both sides were last equal, the target's now, and the target's then.
So a field that only people in the target have changed stays, and one that both have changed is a conflict.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import mapping as m
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import options as o
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import planning as p
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.idmap import IdMap, Synced
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.planning import (
    Conflict,
    FoundEqual,
    Plan,
    Planned,
    Row,
    Skipped,
)

CHILDREN = ("activity", "comment")
EMAIL, OUTGOING = 4, 2
BASE_PASS = "base pass"  # note of the id map: the target's snapshot when both sides were last equal as a whole
ORDERED = ("contactIds", "companyIds")  # the first one is the main one
# Numbers of products to their names in the target; without those that it does not have.
Products = t.Callable[[t.Collection[int]], t.Mapping[int, str]]


def owner_of(kind: str, row: t.Mapping[str, t.Any]) -> tuple[str, int] | None:
    """The kind and the id of the record that an activity, a comment or a product row belongs to."""
    if kind == "activity":
        entity_type, number = m.number_of(row.get("OWNER_TYPE_ID")), m.number_of(row.get("OWNER_ID"))
        return (m.kind_of(entity_type), number) if entity_type and number else None
    if kind == "comment":
        name, number = str(row.get("ENTITY_TYPE") or "").lower(), m.number_of(row.get("ENTITY_ID"))
        return (name.replace("dynamic_", "smart:"), number) if name and number else None
    code, number = str(row.get("ownerType") or ""), m.number_of(row.get("ownerId"))
    names = {"L": "lead", "D": "deal", "Q": "quote", "SI": "invoice"}
    name = names.get(code) or (m.kind_of(int(code[1:], 16)) if code[:1] == "T" and len(code) > 1 else "")
    return (name, number) if name and number else None


def same_moment(kind: str, one: t.Mapping[str, t.Any], other: t.Mapping[str, t.Any]) -> bool:
    """Whether two records were created at the same moment, as far as is known: else they are not the same one."""
    name = "CREATED" if kind in CHILDREN else "createdTime"
    moments = kinds.instant(one.get(name)), kinds.instant(other.get(name))
    return None in moments or moments[0] == moments[1]


def digest_of(rows: t.Iterable[Row]) -> bytes:
    """Of product rows, in whatever order they come."""
    texts = sorted(repr(sorted(kinds.compared("productrow", row).items())) for row in rows)
    return hashlib.blake2b("\n".join(texts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Comparison:
    """Of two stores that have just been brought up to date."""

    def __init__(
        self,
        source: Store,
        target: Store,
        idmap: IdMap,
        mapping: m.Mapping,
        options: o.Options,
        products: Products = lambda numbers: {},
    ) -> None:
        self.source, self.target, self.idmap, self.mapping, self.options = source, target, idmap, mapping, options
        self._products = products
        self.plan = Plan()
        self._skips: set[Skipped] = set()
        self._ids: dict[str, set[int]] = {}
        self._base_rows: dict[tuple[str, int], list[int]] | None = None
        self._changed_there: t.Container[int] = ()
        self._hosts = {f"{m.MARK}{names.host}" for names in (mapping.source, mapping.target)}

    def run(self) -> Plan:
        for kind in self.kinds():
            self._records(kind)
        if "productrow" in self.options.kinds:
            self._product_rows()
        for kind in list(self.plan.creates):
            if kind not in CHILDREN:
                self._dates(kind)
        self.plan.refusals += self.mapping.refusals()
        return self.plan

    def kinds(self) -> list[str]:
        """The kinds with ids of their own that are carried over, smart processes by their numbers."""
        there = set(self.source.kind_names()) | {kind for kind in self.target.kind_names() if ":" not in kind}
        known = (kind for kind in there if kind in m.ENTITY_TYPES or kind.startswith("smart:") or kind in CHILDREN)
        return sorted((kind for kind in known if kind.partition(":")[0] in self.options.kinds), key=p.order_of)

    # -- one record

    def planned(self, kind: str, number: int) -> Planned | None:
        """A record to create, in the target's terms as they are now; None where it stays behind, and is listed."""
        row = self.source.record(kind, number)
        if row is None:
            return None
        if kind in CHILDREN:
            owner = owner_of(kind, row)
            if owner is None or not self._is_carried(*owner):
                what = f"{owner[0]} {owner[1]}" if owner else "nothing"
                self.skip(kind, number, p.OWNER_MISSING, f"It belongs to {what}, which is not carried over.")
                return None
        if kind == "activity" and self.options.mail_activities == "list" and _is_outgoing_mail(row):
            subject = str(row.get("SUBJECT") or "")[:80]
            self.skip(kind, number, p.MAIL_ACTIVITY, f"An outgoing e-mail, which might be sent again: {subject}")
            return None
        fields, left = self._translated(kind, number, row)
        origin = None
        if kind != "comment":
            origin = self.foreign_origin(kind, row)
            fields.update(m.key_of(kind, self.mapping.source.host, number))
        if kind not in CHILDREN:
            fields.update(self.mapping.times(kind, number, row))
            if kind in self.plan.shifted:
                self._shift(kind, number, fields)
        self._list_left(kind, number, left)
        created = str(row.get("CREATED" if kind in CHILDREN else "createdTime") or "")
        return Planned(kind, number, "create", None, fields, created, origin, kinds.hash_of(kind, row))

    def foreign_origin(self, kind: str, row: Row) -> tuple[str, str] | None:
        """The key that somebody else has given to a record, such as a shop, or a move between other portals."""
        theirs = [str(row.get(name) or "") for name in m.key_names(kind)]
        ours = theirs[0] in self._hosts or theirs[0].rpartition(":")[0] in self._hosts
        return (theirs[0], theirs[-1]) if any(theirs) and not ours else None

    def skip(self, kind: str, number: int, code: str, text: str, fields: tuple[str, ...] = ()) -> None:
        one = Skipped(kind, number, code, text, fields)
        if one not in self._skips:
            self._skips.add(one)
            self.plan.skipped.append(one)

    def _list_left(self, kind: str, number: int, left: t.Sequence[str]) -> None:
        about = self.mapping.source.fields.get(kind, {})
        files = [name for name in left if kind in CHILDREN or name not in about or about[name].type == "file"]
        for code, names in ((p.FILE_LEFT, files), (p.FIELD_LEFT, [name for name in left if name not in files])):
            if names:
                self.skip(kind, number, code, f"Left out: {', '.join(names)}.", tuple(names))

    def _is_carried(self, kind: str, number: int) -> bool:
        if self.idmap.target_of(self.mapping.key(kind), number) is not None:
            return True
        return kind.partition(":")[0] in self.options.kinds and self.source.record(kind, number) is not None

    def _shift(self, kind: str, number: int, fields: Row) -> None:
        limit = self.plan.shifted[kind]
        if (kinds.instant(fields.get("createdTime")) or 0.0) >= (kinds.instant(limit) or 0.0):
            return
        text = f"Created {fields.get('createdTime')}, here {limit}: the target's newest record is of then."
        self.skip(kind, number, p.DATE_SHIFTED, text, ("createdTime",))
        fields["createdTime"] = limit
        for name in ("updatedTime", "movedTime"):
            if name in fields and (kinds.instant(fields[name]) or 0.0) < (kinds.instant(limit) or 0.0):
                fields[name] = limit

    def _translated(self, kind: str, number: int, row: t.Mapping[str, t.Any]) -> tuple[Row, list[str]]:
        if kind == "activity":
            return self.mapping.activity(number, row)
        if kind == "comment":
            if self.idmap.is_shared(kind, number):
                return {"COMMENT": row.get("COMMENT") or ""}, []
            owner = owner_of(kind, row) or ("", 0)
            target_kind = self.mapping.target_kind(owner[0]) or owner[0]
            place = {
                "ENTITY_TYPE": target_kind.replace("smart:", "dynamic_"),
                "ENTITY_ID": self.mapping.reference(*owner),
            }
            left = ["FILES"] if not kinds.is_empty(row.get("FILES")) else []
            return {**self.mapping.comment(number, row), **place}, left
        fields, left = self.mapping.item(kind, number, row)
        if self.options.files:
            for name in list(fields):
                if any(True for _file in kinds.files_in({name: fields[name]})):
                    found = self._file_contents(self.source, fields[name])
                    if found is None:
                        left.append(name)
                        del fields[name]
                    else:
                        fields[name] = found
        return fields, left

    def fields_now(self, kind: str, number: int, names: t.Collection[str]) -> Row:
        """These fields of a record of the source, which may have changed since they were noted."""
        row = self.source.record(kind, number)
        fields = self._translated(kind, number, row)[0] if row is not None else {}
        return {name: fields[name] for name in names if name in fields}

    def files_that_differ(self, kind: str, number: int, there: Row) -> list[str]:
        """Fields whose files have other contents in this record of the target."""
        row = self.source.record(kind, number)
        if row is None or kind in CHILDREN or next(iter(kinds.files_in(row)), None) is None:
            return []
        target_kind = self.mapping.target_kind(kind) or kind
        fields = self._translated(kind, number, row)[0]
        return [
            name
            for name, value in fields.items()
            if any(True for _file in m.files_in(value)) and not self.same(target_kind, name, value, there)
        ]

    def _file_contents(self, store: Store, value: t.Any) -> t.Any:
        """The file, or the list of files, of a field; None where the store lacks the content of one."""
        found = [store.file(kinds.file_key("lead", file)) for file in kinds.files_in({"": value})]
        contents = [m.File(each.sha256, each.name, each.size) for each in found if each is not None]
        if len(contents) < len(found):
            return None
        return contents if isinstance(value, list) else contents[0]

    # -- all records of a kind

    def _records(self, kind: str) -> None:
        target_kind = self.mapping.target_kind(kind)
        if target_kind is None:
            for number, row in self.source.records(kind):
                self.mapping.item(kind, number, row)  # says what is missing
            return
        key = self.mapping.key(kind)
        left = set(self.target.ids(target_kind))
        there = frozenset(left)
        self._changed_there = self._changed_since_base(target_kind)
        new: list[tuple[float, int]] = []
        for number, digest in self.source.hashes(kind):
            target_id = self.idmap.target_of(key, number)
            if target_id is None:
                planned = self.planned(kind, number)
                if planned is not None:
                    self.plan.needs.setdefault(kind, set()).update(ref.kind for ref in m.refs_in(planned.fields))
                    new.append((kinds.instant(planned.created) or 0.0, number))
            elif target_id in there:
                left.discard(target_id)
                self._existing(kind, target_kind, number, target_id, digest)
            elif self._was_same_record(kind, target_kind, number, target_id):
                text = f"It was {kind} {target_id} in {self.mapping.target.host}, and was deleted there."
                self.skip(kind, number, p.DELETED_IN_TARGET, text)
        if new:
            self.plan.creates[kind] = sorted(new)
        for target_id in sorted(left):
            self._only_in_target(kind, target_kind, target_id)

    def _only_in_target(self, kind: str, target_kind: str, target_id: int) -> None:
        key = self.mapping.key(kind)
        number = self.idmap.source_of(key, target_id)
        if number is None:
            self.plan.own[kind] = self.plan.own.get(kind, 0) + 1
            return
        if self.options.deletions == "list":
            text = (
                f"It was deleted in {self.mapping.source.host}; {kind} {target_id} of {self.mapping.target.host} stays."
            )
            self.skip(kind, number, p.DELETED_IN_SOURCE, text)
            return
        row = self.target.record(target_kind, target_id) or {}
        base = self._base(kind, target_kind, number, target_id)[1]
        if base is not None and kinds.hash_of(target_kind, base) != kinds.hash_of(target_kind, row):
            by = (0, m.number_of(row.get(kinds.kind(target_kind).updated_by)))
            self.plan.conflicts.append(Conflict(kind, number, target_id, (), "target", by, ("deleted in the source",)))
            return
        self.plan.deletes.setdefault(kind, []).append(Planned(kind, number, "delete", target_id))

    def _existing(self, kind: str, target_kind: str, number: int, target_id: int, digest: bytes) -> None:
        key = self.mapping.key(kind)
        synced = self.idmap.synced(key, number, target_id)
        if synced is not None and synced.source_hash == digest:
            self.plan.equal[kind] = self.plan.equal.get(kind, 0) + 1
            if target_id in self._changed_there:
                self._list_changed_there(kind, target_kind, number, target_id, synced)
            return
        row, there = self.source.record(kind, number) or {}, self.target.record(target_kind, target_id) or {}
        shared = synced is None and self.idmap.is_shared(key, number)
        if shared and not self._is_same_record(kind, number, row, there):
            return
        fields, left = self._translated(kind, number, row)
        for name in ("ENTITY_TYPE", "ENTITY_ID"):
            fields.pop(name, None)
        if kind == "activity" and synced is not None:
            # Empty texts are not sent with a new activity. Here people have emptied one that was sent.
            was = self._kept(self.source, kind, number, synced.source_pass) or {}
            emptied = (name for name in m.ACTIVITY_TEXTS if name not in fields and not kinds.is_empty(was.get(name)))
            fields.update(dict.fromkeys(emptied, ""))
        if kind == "comment" and not m.COMMENT_HEAD.match(str(there.get("COMMENT") or "")):
            # It was made there, and the first line is what carried it to the source.
            fields["COMMENT"] = m.COMMENT_HEAD.sub("", str(row.get("COMMENT") or ""), 1)
        differing = [name for name in fields if not self.same(target_kind, name, fields[name], there)]
        wanted = self._merged(kind, target_kind, number, target_id, row, there, differing, synced) if differing else []
        if wanted:
            changes = {name: fields[name] for name in wanted}
            created = str(row.get("createdTime") or "")
            self.plan.updates.setdefault(kind, []).append(
                Planned(kind, number, "update", target_id, changes, created, digest=digest)
            )
            self.plan.needs.setdefault(kind, set()).update(ref.kind for ref in m.refs_in(changes))
            self._list_left(kind, number, left)
            return
        self.plan.equal[kind] = self.plan.equal.get(kind, 0) + 1
        self.plan.found_equal.append(FoundEqual(key, number, target_id, digest, kinds.hash_of(target_kind, there)))

    def _changed_since_base(self, target_kind: str) -> t.Container[int]:
        at = self.idmap.note(f"{BASE_PASS} {self.idmap.direction}")
        return set() if at is None else set(self.target.ids_since(target_kind, at))

    def _list_changed_there(self, kind: str, target_kind: str, number: int, target_id: int, synced: Synced) -> None:
        """What people have changed in the target alone stays, and is told, whenever they did it."""
        there = self.target.record(target_kind, target_id) or {}
        base = self._kept(self.target, target_kind, target_id, synced.target_pass)
        row = self.source.record(kind, number)
        if base is None or row is None or synced.target_hash in (None, kinds.hash_of(target_kind, there)):
            return
        fields = self._translated(kind, number, row)[0]
        changed = {
            name
            for name, value in fields.items()
            if not kinds.same_value(there.get(name), base.get(name), name)
            and not self.same(target_kind, name, value, there)
        }
        if changed:
            former = self.idmap.conflict(kind, number)
            one = former or Conflict(kind, number, target_id, (), self.options.conflicts)
            who = kinds.kind(kind).updated_by
            by = (m.number_of(row.get(who)), m.number_of(there.get(who)))
            only_target = tuple(sorted(changed.union(one.only_target)))
            self.plan.conflicts.append(dataclasses.replace(one, by=by, only_target=only_target))

    def _is_same_record(self, kind: str, number: int, row: Row, there: Row) -> bool:
        """Up to the baseline the same id must mean the same record: both were created at the same moment."""
        if same_moment(kind, row, there):
            return True
        name = "CREATED" if kind in CHILDREN else "createdTime"
        self.plan.refusals.append(
            o.Refusal(
                o.NOT_THE_SAME,
                f"{kind} {number} is not the same record on both sides: created {row.get(name)} in"
                f" {self.mapping.source.host}, {there.get(name)} in {self.mapping.target.host}.",
                "Begin with a target that was restored from a backup of this source, or that is empty.",
            )
        )
        return False

    def _was_same_record(self, kind: str, target_kind: str, number: int, target_id: int) -> bool:
        """Another record that had this number in the target, and was deleted there, says nothing of this one."""
        at = self.idmap.note(f"{BASE_PASS} {self.idmap.direction}")
        was = self._kept(self.target, target_kind, target_id, at)
        if was is None or not self.idmap.is_shared(self.mapping.key(kind), number):
            return True
        return self._is_same_record(kind, number, self.source.record(kind, number) or {}, was)

    # -- fields

    def same(self, target_kind: str, name: str, value: t.Any, there: t.Mapping[str, t.Any]) -> bool:
        """Whether the target's record has this value already."""
        if any(True for _ref in m.refs_in(value)):
            return False
        theirs = there.get(name)
        files = sorted(each.sha256 for each in m.files_in(value))
        if files:
            known = self._file_contents(self.target, theirs) if theirs else []
            return files == sorted(each.sha256 for each in m.files_in(known or []))
        if name == "fm":
            return kinds.multi_values(value) == kinds.multi_values(theirs)
        if name in ("COMMUNICATIONS", "BINDINGS"):
            return theirs is None or _places(value) == _places(theirs)
        about = self.mapping.target.fields.get(target_kind, {}).get(name)
        numeric = name in kinds.kind(target_kind).numeric
        type_ = about.type if about else ""
        if isinstance(value, list) and isinstance(theirs, list) and name not in ORDERED:
            if len(value) != len(theirs):
                return False
            pairs = zip(_in_order(value), _in_order(theirs))
            return all(kinds.same_value(one, other, name, type_, numeric) for one, other in pairs)
        return kinds.same_value(value, theirs, name, type_, numeric)

    def _merged(
        self,
        kind: str,
        target_kind: str,
        number: int,
        target_id: int,
        row: Row,
        there: Row,
        differing: list[str],
        synced: Synced | None,
    ) -> list[str]:
        """The fields to write. Those that both sides have changed are written or not by policy, and listed."""
        source_base, target_base = self._base(kind, target_kind, number, target_id, synced)
        if target_base is None:
            return differing
        sent = self.idmap.what_is_owed(self.mapping.key(kind), number, "sent") or {}
        by_people = {
            name
            for name in differing
            if not kinds.same_value(there.get(name), target_base.get(name), name)
            and not (name in sent and self.same(target_kind, name, m.from_json(sent[name]), there))
        }
        former = self.idmap.conflict(kind, number)
        if not by_people and former is None:
            return differing
        now = self._translated(kind, number, row)[0]
        if source_base is not None:
            before = self._translated(kind, number, source_base)[0]
            ours = {name for name in differing if not _equal(before.get(name), now.get(name), name)}
        else:
            ours = {name for name in differing if not self.same(target_kind, name, now.get(name), target_base)}
        # What an earlier pass has left to the target stays there, until the source changes that field again.
        left = set(former.only_target + (former.fields if former.kept == "target" else ())) if former else set()
        left = {name for name in differing if name in left - ours} if source_base is not None else set()
        if not by_people:
            return [name for name in differing if name not in left]
        both = tuple(sorted(ours & by_people))
        only_target = tuple(sorted((by_people - ours) | left))
        by = tuple(
            m.number_of(each.get(kinds.kind(kind).updated_by)) if kinds.kind(kind).updated_by else 0
            for each in (row, there)
        )
        self.plan.conflicts.append(
            Conflict(kind, number, target_id, both, self.options.conflicts, (by[0], by[1]), only_target)
        )
        keep = set(only_target) | (set(both) if self.options.conflicts == "target" else set())
        return [name for name in differing if name not in keep]

    def _base(
        self, kind: str, target_kind: str, number: int, target_id: int, synced: Synced | None = None
    ) -> tuple[Row | None, Row | None]:
        """Source and target as they were when they were last equal; None where no store has kept that."""
        synced = synced or self.idmap.synced(self.mapping.key(kind), number, target_id)
        if synced is None:
            at = self.idmap.note(f"{BASE_PASS} {self.idmap.direction}")
            return None, self._kept(self.target, target_kind, target_id, at)
        return (
            self._kept(self.source, kind, number, synced.source_pass),
            self._kept(self.target, target_kind, target_id, synced.target_pass),
        )

    def _kept(self, store: Store, kind: str, number: int, at: int | None) -> Row | None:
        if at is None or at not in {each.number for each in store.snapshots()}:
            return None
        return store.record(kind, number, at)

    # -- product rows: the set of an owner is replaced as a whole

    def _product_rows(self) -> None:
        ours, theirs = _by_owner(self.source), _by_owner(self.target)
        owners = set(ours)
        for kind, target_id in theirs:
            source_kind = next((each for each in self.kinds() if self.mapping.target_kind(each) == kind), "")
            number = self.idmap.source_of(self.mapping.key(source_kind), target_id) if source_kind else None
            if number is not None:
                owners.add((source_kind, number))
        pending: list[tuple[str, int, int | None, list[Row], bytes]] = []
        for kind, number in sorted(owners):
            if kind.partition(":")[0] not in self.options.kinds:
                continue
            rows = [self.source.record("productrow", each) or {} for each in ours.get((kind, number), [])]
            found = self._rows_of(kind, number, rows, theirs)
            if found is not None:
                pending.append(found)
        self._plan_rows(pending)

    def rows_digest(self, target_kind: str, target_id: int) -> bytes:
        """Of the product rows that the target's record has now."""
        entity_type = m.entity_type_of(target_kind)
        numbers = self.target.child_ids("productrow", entity_type, target_id)
        return digest_of(self.mapping.product_row(self.target.record("productrow", number) or {}) for number in numbers)

    def _rows_at_base(self, target_kind: str, target_id: int) -> bytes | None:
        """Of the product rows that the target had when the transfer began; None where that is not known."""
        at = self.idmap.note(f"{BASE_PASS} {self.idmap.direction}")
        if self._kept(self.target, target_kind, target_id, at) is None:
            return None
        if self._base_rows is None:
            self._base_rows = _by_owner(self.target, at)
        numbers = self._base_rows.get((target_kind, target_id), [])
        rows = (self.target.record("productrow", number, at) or {} for number in numbers)
        return digest_of(self.mapping.product_row(row) for row in rows)

    def _rows_of(
        self, kind: str, number: int, rows: list[Row], theirs: t.Mapping[tuple[str, int], list[int]]
    ) -> tuple[str, int, int | None, list[Row], bytes] | None:
        key = self.mapping.key(kind)
        target_id = self.idmap.target_of(key, number)
        wanted = [self.mapping.product_row(row) for row in rows]
        if target_id is None:
            is_new = any(each == number for _moment, each in self.plan.creates.get(kind, []))
            return (kind, number, None, wanted, digest_of(wanted)) if is_new else None
        target_kind = self.mapping.target_kind(kind) or kind
        if self.source.record(kind, number) is None or self.target.record(target_kind, target_id) is None:
            return None  # the owner is gone on one side
        digest = digest_of(wanted)
        synced = self.idmap.synced(f"rows:{key}", number, target_id)
        if synced is not None and synced.source_hash == digest:
            return None
        there = [self.target.record("productrow", each) or {} for each in theirs.get((target_kind, target_id), [])]
        now = digest_of(self.mapping.product_row(row) for row in there)
        if now == digest:
            self.plan.found_equal.append(FoundEqual(f"rows:{key}", number, target_id, digest, now))
            return None
        base = synced.target_hash if synced is not None else self._rows_at_base(target_kind, target_id)
        if base not in (None, now):
            names = ("productRows",)
            # Before the first comparison, the source has changed what is not as both had it at the beginning.
            alone = synced is None and base == digest
            one = Conflict(kind, number, target_id, names, self.options.conflicts)
            self.plan.conflicts.append(dataclasses.replace(one, fields=(), only_target=names) if alone else one)
            if alone or self.options.conflicts == "target":
                return None
        return kind, number, target_id, wanted, digest

    def _plan_rows(self, pending: list[tuple[str, int, int | None, list[Row], bytes]]) -> None:
        numbers = {m.number_of(row.get("productId")) for _k, _n, _t, rows, _d in pending for row in rows} - {0}
        names = self._products(numbers) if numbers else {}
        restored = bool(self.idmap.maxima())
        for kind, number, target_id, rows, digest in pending:
            for row in rows:
                product = m.number_of(row.get("productId"))
                # In a target that is no copy of the source, the same number may be another product.
                if product and (product not in names or not (restored or names[product] == row.get("productName"))):
                    text = f"Product {product} ({row.get('productName')}) is not in the target; the row has its name."
                    self.skip(kind, number, p.PRODUCT_MISSING, text, ("productRows.productId",))
                    row["productId"] = 0
            self.plan.rows.append(Planned(kind, number, "rows", target_id, {"rows": rows}, digest=digest))

    def _without_refused(self, kind: str, blocked: list[int]) -> list[int]:
        """What the portal has refused in an earlier pass cannot be written later any more: it stays on the list."""
        refused = {one.id: one for one in self.idmap.skipped() if one.kind == kind and one.code == p.REFUSED}
        late = [number for number in blocked if number in refused]
        for number in late:
            self.skip(kind, number, p.REFUSED, refused[number].text)
        left_out = set(late)
        self.plan.creates[kind] = [each for each in self.plan.creates[kind] if each[1] not in left_out]
        return [number for number in blocked if number not in left_out]

    # -- dates: the portal takes no record that is older than its newest one

    def _dates(self, kind: str) -> None:
        target_kind = self.mapping.target_kind(kind) or kind
        newest = self.target.max_id(target_kind)
        row = self.target.record(target_kind, newest) if newest else None
        limit = kinds.instant((row or {}).get("createdTime"))
        blocked = [number for moment, number in self.plan.creates[kind] if limit is not None and moment < limit]
        if not blocked or row is None:
            return
        if self.options.older_records == "shift":
            self.plan.shifted[kind] = str(row["createdTime"])
            return
        blocked = self._without_refused(kind, blocked)
        if not blocked:
            return
        theirs = self.idmap.source_of(self.mapping.key(kind), newest)
        origin = "the same as one of the source" if theirs is not None else "made there by people or telephony"
        shift = "set older_records to shift: these records get that date, and are listed."
        remedy = f"Delete {kind} {newest} and what else is newer in the target, or {shift}"
        self.plan.refusals.append(
            o.Refusal(
                o.TARGET_NEWER,
                f"{self.mapping.target.host} has a newer {kind} ({newest}, created {row['createdTime']}, {origin}) than"
                f" {len(blocked)} that are to be written, the first is {kind} {blocked[0]}: their dates would be lost.",
                # Where the source has it too, deleting it would lose it.
                remedy if theirs is None else shift.capitalize(),
            )
        )


def _is_outgoing_mail(row: t.Mapping[str, t.Any]) -> bool:
    is_mail = m.number_of(row.get("TYPE_ID")) == EMAIL or "EMAIL" in str(row.get("PROVIDER_ID") or "")
    return is_mail and m.number_of(row.get("DIRECTION")) in (0, OUTGOING)


def _by_owner(store: Store, at: int | None = None) -> dict[tuple[str, int], list[int]]:
    found: dict[tuple[str, int], list[int]] = {}
    for number, row in store.records("productrow", at):
        owner = owner_of("productrow", row)
        if owner is not None:
            found.setdefault(owner, []).append(number)
    return found


def _in_order(values: list[t.Any]) -> list[t.Any]:
    return sorted(values, key=lambda each: str(kinds.canonical(each)))


def _equal(one: t.Any, other: t.Any, name: str) -> bool:
    return m.as_json(one) == m.as_json(other) or kinds.same_value(one, other, name)


def _places(value: t.Any) -> list[tuple[str, ...]]:
    """Of communications and bindings: whom they name and by what."""
    rows = value.values() if isinstance(value, dict) else value
    names = ("TYPE", "VALUE", "ENTITY_TYPE_ID", "ENTITY_ID", "OWNER_TYPE_ID", "OWNER_ID")
    return sorted(tuple(str(row.get(name) or "") for name in names) for row in rows if isinstance(row, dict) and row)

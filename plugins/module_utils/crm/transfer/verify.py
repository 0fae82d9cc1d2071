# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves a transfer: what is missing, doubled, superfluous or different in the target, record by record.

It trusts nothing that the writer says but which record stands for which. Counts come from the portals, ids from what
was read of them, and the records of the difference are read again from both portals and compared field by field. With
`everything`, all records are compared, from the stores. Memory is a few bytes for each id, whatever the records hold.
"""

from __future__ import annotations

import array
import bisect
import collections
import dataclasses
import functools
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import Answer, RestError
from ansible_collections.boxlift.portal.plugins.module_utils.crm.commands import Command
from ansible_collections.boxlift.portal.plugins.module_utils.crm.kinds import Kind
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.idmap import FORWARD
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.mapping import Names, id_in_key
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.meaning import (
    Difference,
    Meaning,
    comment_text,
    row_differences,
    row_key,
    told,
)
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.planning import Conflict, Skipped

MISSING, DOUBLED, SUPERFLUOUS, FIELD, COUNT = "missing", "doubled", "superfluous", "field", "count"
#: Of each list, so many are kept with their values; all are counted.
MOST = 1000
PAGE = 50
_PORTION = 500
COMMENT_NATURE = "The portal sets author and date of a comment itself; its first line names those of the source."
KEPT_TARGET = "It was changed on both sides; the option conflicts kept the target's value."
ONLY_TARGET = "It was changed in the target alone since the backup, and stays as people set it there."
ENTERED_BY_HAND = "It was entered by hand in a former move: who made it, and when, is that of the hand."
#: Note of the id map, with the kind: the source's ids of such records.
FORMER = "former"
_OF_THE_HAND = frozenset({"createdTime", "createdBy", "movedTime", "movedBy"})

_AGAIN = "Run the pass again: it writes what is missing or differs. "
_REMEDIES = {
    MISSING: _AGAIN + "If it stays missing, enter it in {target} by hand.",
    DOUBLED: "Compare it with its twin in {target}, and delete this one.",
    SUPERFLUOUS: "Find out who made it in {target} ({who}); delete it there, or keep it and say so at the gate.",
    FIELD: _AGAIN + "If it still differs, correct the field in {target} by hand.",
    COUNT: "Somebody writes while the proof reads: see that the freeze holds, and run the pass again.",
}

Row = dict[str, t.Any]


class Rest(t.Protocol):
    """What is asked of `crm.rest.Rest`."""

    requests: int

    def batch(self, commands: t.Sequence[Command], *, repeat: bool = True, halt: bool = False) -> t.Sequence[t.Any]: ...

    def rows(
        self, method: str, params: t.Mapping[str, t.Any], *, after: int = 0, upto: int | None = None
    ) -> t.Iterator[Row]: ...


class Store(t.Protocol):
    def count(self, kind: str) -> int: ...
    def ids(self, kind: str) -> t.Iterator[int]: ...
    def hashes(self, kind: str, at: int | None = None) -> t.Iterator[tuple[int, bytes]]: ...
    def record(self, kind: str, id: int, at: int | None = None) -> Row | None: ...  # noqa: A002 - as the store names it
    def records(self, kind: str, at: int | None = None, after: int = -1) -> t.Iterator[tuple[int, Row]]: ...
    def snapshots(self) -> t.Sequence[t.Any]: ...
    def child_ids(self, kind: Kind, entity_type: int, owner: int) -> list[int]: ...


class Ids(t.Protocol):
    """What is asked of the id map."""

    direction: str

    def target_of(self, kind: str, source_id: int) -> int | None: ...
    def source_of(self, kind: str, target_id: int) -> int | None: ...
    def pairs(self, kind: str) -> t.Iterator[tuple[int, int]]: ...
    def maximum(self, kind: str) -> int: ...
    def note(self, name: str) -> t.Any: ...
    def skipped(self) -> list[Skipped]: ...
    def conflicts(self) -> list[Conflict]: ...


@dataclasses.dataclass(frozen=True)
class Side:
    """A portal: what it calls its users and lists, what was read of it, and itself, where it can be asked.

    `base` is the snapshot in which both sides were equal: what has changed since then belongs to the difference.
    """

    names: Names
    store: Store
    rest: Rest | None = None
    base: int | None = None

    @property
    def host(self) -> str:
        return self.names.host


@dataclasses.dataclass(frozen=True)
class Mismatch:
    """One difference. `explained` says why it cannot be otherwise; empty if it should not be."""

    kind: str
    what: str  # missing, doubled, superfluous, field or count
    source_id: int | None
    target_id: int | None
    field: str = ""
    source: str = ""
    target: str = ""
    remedy: str = ""
    explained: str = ""


@dataclasses.dataclass
class KindResult:
    """Of one kind: records on both sides, those that the difference is made of, and what was found."""

    kind: str
    source: int = 0
    target: int = 0
    new: int = 0
    changed: int = 0
    compared: int = 0
    lost: int = 0  # missing, doubled or superfluous, unexplained
    different: int = 0  # fields, unexplained
    explained: int = 0


@dataclasses.dataclass
class Verification:
    source: str
    target: str
    everything: bool
    kinds: list[KindResult] = dataclasses.field(default_factory=list)
    mismatches: list[Mismatch] = dataclasses.field(default_factory=list)  # the first MOST
    explained: list[Mismatch] = dataclasses.field(default_factory=list)  # the first MOST
    mismatch_count: int = 0
    explained_count: int = 0
    reasons: dict[str, int] = dataclasses.field(default_factory=dict)  # why things differ: how often
    unread: dict[str, str] = dataclasses.field(default_factory=dict)  # kinds that could not be looked at
    requests: int = 0
    seconds: float = 0.0


def verify(
    source: Side,
    target: Side,
    ids: Ids,
    names: t.Sequence[str],
    touched: t.Mapping[str, t.Collection[int]] | None = None,
    *,
    everything: bool = False,
    fallback_user: int | None = None,
    clock: t.Callable[[], float] = time.monotonic,
    tell: t.Callable[[str], None] = lambda kind: None,
) -> Verification:
    """Compare what the source has with what the target has, for the kinds `names`.

    `touched` are more ids of the source to be compared, beside what is new and what has changed on either side since
    the snapshots `base`. Both stores were refreshed after the last write. What a portal does not let us read is named
    in `unread`. Raises BoxliftError.
    """
    return _Proof(source, target, ids, touched or {}, everything, fallback_user, clock, tell).made(names)


class _Proof:
    def __init__(
        self,
        source: Side,
        target: Side,
        ids: Ids,
        touched: t.Mapping[str, t.Collection[int]],
        everything: bool,
        fallback_user: int | None,
        clock: t.Callable[[], float],
        tell: t.Callable[[str], None],
    ) -> None:
        self._source, self._target, self._ids = source, target, ids
        self._touched, self._everything = touched, everything
        self._clock, self._tell = clock, tell
        self._meaning = Meaning(source.names, target.names, ids, fallback_user)
        self._left: dict[tuple[str, int], str] = {}  # whole records, with the reason
        self._excused: dict[tuple[str, int, str], str] = {}  # fields of records, with the reason
        self._excuse()
        self._hand: dict[str, frozenset[int]] = {}
        self._reasons: collections.Counter[str] = collections.Counter()
        self._found = Verification(source.host, target.host, everything)
        self._differences: dict[str, array.array[int]] = {}  # the source's ids of the difference, by kind

    def made(self, names: t.Sequence[str]) -> Verification:
        began = self._clock()
        requests = sum(side.rest.requests for side in self._sides() if side.rest is not None)
        listed = [kinds.kind(name) for name in names]
        items = [each for each in listed if each.is_item]
        with_ids = [*items, *(each for each in listed if each.name == "activity")]
        totals = self._totals(with_ids)
        for each in with_ids:
            self._guarded(each, functools.partial(self._kind, each, totals))
        for each in listed:
            if each.way == kinds.CHILD:
                self._guarded(each, functools.partial(self._children, each, items))
        found = self._found
        found.reasons = dict(self._reasons.most_common())
        found.requests = sum(side.rest.requests for side in self._sides() if side.rest is not None) - requests
        found.seconds = self._clock() - began
        return found

    def _sides(self) -> tuple[Side, Side]:
        return self._source, self._target

    def _guarded(self, of: Kind, work: t.Callable[[], None]) -> None:
        self._tell(of.name)
        try:
            work()
        except RestError as error:
            self._found.unread[of.name] = error.message

    def _excuse(self) -> None:
        for skipped in self._ids.skipped():
            if not skipped.fields:
                self._left[skipped.kind, skipped.id] = skipped.text
            for name in skipped.fields:
                self._excused[skipped.kind, skipped.id, name] = skipped.text
        for conflict in self._ids.conflicts():
            kept = conflict.fields if conflict.kept == "target" else ()
            for names, reason in ((kept, KEPT_TARGET), (conflict.only_target, ONLY_TARGET)):
                for name in names:
                    self._excused[conflict.kind, conflict.id, name] = reason

    # -- what is found

    def _note(
        self,
        result: KindResult,
        what: str,
        source_id: int | None,
        target_id: int | None,
        difference: Difference | None = None,
        explained: str = "",
        who: str = "",
    ) -> None:
        found = self._found
        remedy = "" if explained else _REMEDIES[what].format(target=self._target.host, who=who or "its author")
        values = difference or Difference("", "", "", "")
        mismatch = Mismatch(
            result.kind,
            what,
            source_id,
            target_id,
            values.field,
            values.source,
            values.target,
            remedy,
            explained,
        )
        if explained:
            found.explained_count += 1
            result.explained += 1
            self._reasons[explained] += 1
            if len(found.explained) < MOST:
                found.explained.append(mismatch)
            return
        found.mismatch_count += 1
        if what == FIELD:
            result.different += 1
        else:
            result.lost += 1
        if len(found.mismatches) < MOST:
            found.mismatches.append(mismatch)

    # -- counts and ids

    def _totals(self, listed: t.Sequence[Kind]) -> dict[tuple[str, str], int | RestError]:
        """What the portals themselves count, in one request each; what cannot be counted keeps its error."""
        found: dict[tuple[str, str], int | RestError] = {}
        for side in self._sides():
            theirs = [self._there(each) if side is self._target else each for each in listed]
            if side.rest is None:
                found.update(
                    {(side.host, each.name): side.store.count(there.name) for each, there in zip(listed, theirs)}
                )
                continue
            commands = [
                Command(
                    each.list_method, {**_params(each, (each.id_name,)), "order": {each.id_name: "ASC"}, "start": 0}
                )
                for each in theirs
            ]
            for each, outcome in zip(listed, side.rest.batch(commands)):
                if isinstance(outcome, RestError):
                    found[side.host, each.name] = outcome
                else:
                    answer = _good(outcome)
                    rows = len(_rows(answer))
                    found[side.host, each.name] = rows if answer.total is None else answer.total
        return found

    def _there(self, of: Kind) -> Kind:
        return kinds.kind(self._meaning.target_kind(of.name) or of.name)

    def _ids_of(self, side: Side, of: Kind, total: int) -> array.array[int]:
        """All ids in order: as they were read, or, if the portal counts others than that, as they are now."""
        known = array.array("q", side.store.ids(of.name))
        if side.rest is None or len(known) == total:
            return known
        rows = side.rest.rows(of.list_method, _params(of, (of.id_name,)))
        return array.array("q", (int(row[of.id_name]) for row in rows))

    def _kind(self, of: Kind, totals: t.Mapping[tuple[str, str], int | RestError]) -> None:
        result = KindResult(of.name)
        counted = []
        for side in self._sides():
            total = totals[side.host, of.name]
            if isinstance(total, RestError):
                raise total
            counted.append(total)
        result.source, result.target = counted
        mine = self._ids_of(self._source, of, counted[0])
        theirs = self._ids_of(self._target, self._there(of), counted[1])
        for side, total, read in ((self._source, counted[0], mine), (self._target, counted[1], theirs)):
            if len(read) != total:
                difference = Difference("records", str(total), str(len(read)), "")
                self._note(result, COUNT, None, None, difference._replace(field=f"records of {side.host}"))
        difference_ids, targets = self._pairing(of, result, mine, theirs)
        self._differences[of.name] = difference_ids
        self._compare(of, result, difference_ids, targets)
        self._found.kinds.append(result)

    def _pairing(
        self, of: Kind, result: KindResult, mine: array.array[int], theirs: array.array[int]
    ) -> tuple[array.array[int], array.array[int]]:
        """Find the counterpart of every id on both sides; the ids to be compared, and those of their counterparts."""
        key, maximum = self._meaning.key(of.name), self._ids.maximum(self._meaning.key(of.name))
        touched = self._changed_ids(of, key, maximum)
        named = bytearray(len(theirs))  # how many of the source stand for each of the target
        sources, targets = array.array("q"), array.array("q")
        pairs = iter(self._ids.pairs(key))
        pair = next(pairs, None)
        for number in mine:
            while pair is not None and pair[0] < number:
                pair = next(pairs, None)  # deleted in the source; its target is looked at below
            there: int | None = None
            if pair is not None and pair[0] == number:
                there, new = pair[1], True
            else:
                there, new = number if number <= maximum else None, False
            at = _place(theirs, there)
            if there is not None and at is not None and not new and named[at]:
                there = at = None  # the target's record of this number is that of another one
            result.new += new
            result.changed += not new and number in touched
            if at is None or there is None:
                self._missing(of, result, number, there)
                continue
            named[at] = min(255, named[at] + 1)
            if new or self._everything or number in touched:
                sources.append(number)
                targets.append(there)
        self._unexpected(of, result, key, theirs, named)
        return sources, targets

    def _changed_ids(self, of: Kind, key: str, maximum: int) -> set[int]:
        """The source's ids of records from before the baseline that were changed since, on either side."""
        found = set(self._touched.get(of.name, ()))
        found.update(number for number, _content in self._changes(self._source, of) if number <= maximum)
        for number, _content in self._changes(self._target, self._there(of)):
            source_id = self._ids.source_of(key, number) if number <= maximum else None
            if source_id is not None:
                found.add(source_id)
        return found

    def _changes(self, side: Side, of: Kind) -> t.Iterator[tuple[int, int | None]]:
        """What has changed since the base: its id, and the snapshot to look at, None for the newest. By id.

        Only hashes are read. Nothing where the base is not known, or no longer kept.
        """
        if side.base is None or side.base not in {each.number for each in side.store.snapshots()}:
            return
        before, now = side.store.hashes(of.name, side.base), side.store.hashes(of.name)
        one, other = next(before, None), next(now, None)
        while one is not None or other is not None:
            if other is None or (one is not None and one[0] < other[0]):
                yield t.cast("tuple[int, bytes]", one)[0], side.base
                one = next(before, None)
            elif one is None or other[0] < one[0]:
                yield other[0], None
                other = next(now, None)
            else:
                if one[1] != other[1]:
                    yield one[0], None
                one, other = next(before, None), next(now, None)

    def _missing(self, of: Kind, result: KindResult, number: int, there: int | None) -> None:
        self._note(result, MISSING, number, there, explained=self._left.get((of.name, number), ""))

    def _unexpected(self, of: Kind, result: KindResult, key: str, theirs: array.array[int], named: bytearray) -> None:
        """Records of the target that no record of the source stands for, or more than one."""
        strange: list[int] = []
        for at, times in enumerate(named):
            if times == 1:
                continue
            number = theirs[at]
            if times > 1:
                # An id below the baseline that people gave to a record entered by hand: the source's own is missing.
                own = self._ids.source_of(key, number)
                if own != number and self._ids.target_of(key, number) is None:
                    self._missing(of, result, number, None)
                else:
                    difference = Difference("", f"{times} records", "1 record", "")
                    self._note(result, DOUBLED, own, number, difference)
            else:
                strange.append(number)
                if len(strange) == _PORTION:
                    self._strange(of, result, key, strange)
                    strange = []
        self._strange(of, result, key, strange)

    def _strange(self, of: Kind, result: KindResult, key: str, numbers: t.Sequence[int]) -> None:
        there = self._there(of)
        contents = self._read(self._target, there, numbers, fresh=True)
        for number in numbers:
            content = contents.get(number, {})
            origin = id_in_key(there.name, self._source.host, content)
            source_id = self._ids.source_of(key, number)
            title = told(content.get(there.title))
            if origin is not None and self._ids.target_of(key, origin) not in (None, number):
                other = self._ids.target_of(key, origin)
                difference = Difference("", f"{origin}, which is {other} in the target", title, "")
                self._note(result, DOUBLED, origin, number, difference)
                continue
            explained = self._left.get((of.name, source_id or number), "") if source_id is not None else ""
            who = self._target.names.users.get(_number(content.get("createdBy") or content.get("AUTHOR_ID")))
            difference = Difference("", "", title, "")
            self._note(result, SUPERFLUOUS, source_id or origin, number, difference, explained, who.name if who else "")

    # -- contents

    def _read(self, side: Side, of: Kind, numbers: t.Sequence[int], fresh: bool) -> dict[int, Row]:
        """These records by id: from the portal itself if it can be asked, else as they were read."""
        if side.rest is None or not fresh:
            found = ((number, side.store.record(of.name, number)) for number in numbers)
            return {number: content for number, content in found if content is not None}
        name = of.id_name
        commands = [
            Command(
                of.list_method,
                {
                    **_params(of, ("*",) if of.is_item else ("*", "COMMUNICATIONS")),
                    "filter": {f"@{name}": list(numbers[begin : begin + PAGE])},
                    "order": {name: "ASC"},
                    "start": -1,
                },
            )
            for begin in range(0, len(numbers), PAGE)
        ]
        rows = (row for outcome in side.rest.batch(commands) for row in _rows(_good(outcome))) if commands else ()
        return {int(row[name]): kinds.kept(row) for row in rows}

    def _compare(self, of: Kind, result: KindResult, sources: array.array[int], targets: array.array[int]) -> None:
        fresh = not self._everything
        for begin in range(0, len(sources), _PORTION):
            mine = sources[begin : begin + _PORTION].tolist()
            theirs = targets[begin : begin + _PORTION].tolist()
            ours = self._read(self._source, of, mine, fresh)
            others = self._read(self._target, self._there(of), theirs, fresh)
            for source_id, target_id in zip(mine, theirs):
                if source_id not in ours:
                    self._note(result, COUNT, source_id, target_id, Difference("records", "deleted meanwhile", "", ""))
                elif target_id not in others:
                    self._missing(of, result, source_id, target_id)
                else:
                    result.compared += 1
                    self._differing(of, result, (source_id, ours[source_id]), (target_id, others[target_id]))

    def _differing(self, of: Kind, result: KindResult, one: tuple[int, Row], other: tuple[int, Row]) -> None:
        for each in self._meaning.differences(of.name, one, other):
            explained = each.explained or self._excused.get((of.name, one[0], each.field), "")
            if not explained and each.field in _OF_THE_HAND and one[0] in self._by_hand(of.name):
                explained = ENTERED_BY_HAND
            self._note(result, FIELD, one[0], other[0], each, explained)

    def _by_hand(self, kind: str) -> t.Container[int]:
        """The source's ids of records that people have entered into the target."""
        if kind not in self._hand:
            known = self._ids.note(f"{FORMER} {kind}") if self._ids.direction == FORWARD else None
            self._hand[kind] = frozenset(known or ())
        return self._hand[kind]

    # -- rows that belong to others

    def _children(self, of: Kind, items: t.Sequence[Kind]) -> None:
        """Product rows or comments of the records of the difference, and of those that got new ones."""
        result = KindResult(of.name, self._source.store.count(of.name), self._target.store.count(of.name))
        more = self._owners_of_new(of, items)
        for item in items:
            family = item.name.partition(":")[0]
            if family not in of.owners or item.name in self._found.unread:
                continue
            owners = sorted({*self._differences.get(item.name, ()), *more.get(item.name, ())})
            some: list[tuple[int, int]] = []
            for owner in owners:
                there = self._meaning.target_of(item.name, owner)
                if there is not None and self._have(of, item, owner, there):
                    some.append((owner, there))
                if len(some) == PAGE:
                    self._compare_children(of, result, item, some)
                    some = []
            self._compare_children(of, result, item, some)
        self._found.kinds.append(result)

    def _owners_of_new(self, of: Kind, items: t.Sequence[Kind]) -> dict[str, set[int]]:
        """The source's records that got, lost or changed rows since the base; they may be older and unchanged."""
        found: dict[str, set[int]] = {}
        ours = {name: each.name for each in items for name in (each.timeline_name, each.owner_code)}
        there = {
            name: each.name
            for each in items
            for name in (self._there(each).timeline_name, self._there(each).owner_code)
        }
        for side, by_name in ((self._source, ours), (self._target, there)):
            for number, at in self._changes(side, of):
                kind, owner = _owner(side.store.record(of.name, number, at), by_name)
                if side is self._target and kind:
                    owner = self._ids.source_of(self._meaning.key(kind), owner) or 0
                if kind and owner:
                    found.setdefault(kind, set()).add(owner)
        for number in self._touched.get(of.name, ()):
            kind, owner = _owner(self._source.store.record(of.name, number), ours)
            found.setdefault(kind, set()).add(owner)
        return found

    def _have(self, of: Kind, item: Kind, owner: int, there: int) -> bool:
        mine = self._source.store.child_ids(of, int(item.entity_type or 0), owner)
        return bool(mine or self._target.store.child_ids(of, int(self._there(item).entity_type or 0), there))

    def _compare_children(self, of: Kind, result: KindResult, item: Kind, owners: t.Sequence[tuple[int, int]]) -> None:
        fresh = not self._everything
        mine = self._read_children(self._source, of, item, [owner for owner, _there in owners], fresh)
        theirs = self._read_children(self._target, of, self._there(item), [there for _owner, there in owners], fresh)
        for owner, there in owners:
            result.compared += len(mine[owner])
            if of.name == "comment":
                self._comments(of, result, mine[owner], theirs[there])
            else:
                self._product_rows(of, result, (item.name, owner), mine[owner], theirs[there])

    def _read_children(
        self, side: Side, of: Kind, item: Kind, owners: t.Sequence[int], fresh: bool
    ) -> dict[int, list[Row]]:
        found: dict[int, list[Row]] = {owner: [] for owner in owners}
        if side.rest is None or not fresh:
            for owner in owners:
                numbers = side.store.child_ids(of, int(item.entity_type or 0), owner)
                kept = (side.store.record(of.name, number) for number in numbers)
                found[owner] = [row for row in kept if row is not None]
            return found
        asked = [(owner, 0) for owner in owners]
        while asked:
            commands = [_child_command(of, item, owner, after) for owner, after in asked]
            more = []
            for (owner, _after), outcome in zip(asked, side.rest.batch(commands)):
                rows = _rows(_good(outcome))
                found[owner] += map(kinds.kept, rows)
                if len(rows) >= PAGE:
                    more.append((owner, max(int(row[of.id_name]) for row in rows)))
            asked = more
        return found

    def _comments(self, of: Kind, result: KindResult, mine: list[Row], theirs: list[Row]) -> None:
        left: dict[str, list[Row]] = {}
        for row in theirs:
            left.setdefault(comment_text(row), []).append(row)
        for row in mine:
            same = left.get(comment_text(row))
            number = _number(row.get("ID"))
            if not same:
                difference = Difference("COMMENT", told(row.get("COMMENT")), "", "")
                self._note(result, MISSING, number, None, difference, self._left.get((of.name, number), ""))
                continue
            other = same.pop(0)
            if number > self._ids.maximum(of.name) or number != _number(other.get("ID")):
                difference = Difference("CREATED", told(row.get("CREATED")), told(other.get("CREATED")), "")
                if not kinds.same_value(row.get("CREATED"), other.get("CREATED")):
                    self._note(result, FIELD, number, _number(other.get("ID")), difference, COMMENT_NATURE)
        for rows in left.values():
            for row in rows:
                number = _number(row.get("ID"))
                source_id = self._ids.source_of(of.name, number)
                difference = Difference("COMMENT", "", told(row.get("COMMENT")), "")
                # It goes with a record that was deleted in the source, and stays here with that.
                explained = self._left.get((of.name, source_id), "") if source_id is not None else ""
                self._note(result, SUPERFLUOUS, source_id, number, difference, explained)

    def _product_rows(
        self, of: Kind, result: KindResult, owner: tuple[str, int], mine: list[Row], theirs: list[Row]
    ) -> None:
        # What is listed names the owner of the rows, since they are written as a whole.
        kept = self._excused.get((*owner, "productRows"), "")
        left = list(theirs)
        unlike = []
        for row in mine:
            same = next((other for other in left if row_key(other) == row_key(row)), None)
            if same is None:
                unlike.append(row)
            else:
                left.remove(same)
        for row in unlike:
            number = _number(row.get("id"))
            other = next((each for each in left if each.get("productName") == row.get("productName")), None)
            if other is None:
                difference = Difference("productName", told(row.get("productName")), "", "")
                self._note(result, MISSING, number, None, difference, kept)
                continue
            left.remove(other)
            for each in row_differences(row, other):
                explained = kept or self._excused.get((*owner, f"productRows.{each.field}"), "")
                self._note(result, FIELD, number, _number(other.get("id")), each, explained)
        for other in left:
            difference = Difference("productName", "", told(other.get("productName")), "")
            self._note(result, SUPERFLUOUS, None, _number(other.get("id")), difference, kept)


def _owner(row: Row | None, by_name: t.Mapping[str, str]) -> tuple[str, int]:
    """Kind and id of the record that a product row or a comment belongs to."""
    row = row or {}
    name = str(row.get("ENTITY_TYPE") or row.get("ownerType") or "").strip()
    return by_name.get(name, ""), _number(row.get("ENTITY_ID") or row.get("ownerId"))


def _params(of: Kind, select: t.Sequence[str]) -> dict[str, t.Any]:
    given: dict[str, t.Any] = {"select": list(select)}
    if of.is_item:
        given.update(entityTypeId=of.entity_type, useOriginalUfNames="Y")
    return given


def _child_command(of: Kind, item: Kind, owner: int, after: int) -> Command:
    condition: dict[str, t.Any]
    if of.name == "productrow":
        condition = {"=ownerType": item.owner_code, "=ownerId": owner}
        given: dict[str, t.Any] = {"order": {"id": "asc"}, "start": -1}
    else:
        condition = {"ENTITY_TYPE": item.timeline_name, "ENTITY_ID": owner}
        given = {"order": {"ID": "ASC"}, "start": -1}
    if after:
        condition[f">{of.id_name}"] = after
    return Command(of.list_method, {"filter": condition, **given})


def _good(outcome: t.Any) -> Answer:
    if isinstance(outcome, Answer):
        return outcome
    raise t.cast(Exception, outcome)


def _rows(answer: Answer) -> list[Row]:
    """The rows of a list, whichever way its method wraps them."""
    result = answer.result
    if isinstance(result, dict):
        result = next((result[name] for name in ("items", "productRows") if name in result), list(result.values()))
    return [row for row in result if isinstance(row, dict)]


def _place(numbers: array.array[int], number: int | None) -> int | None:
    if number is None:
        return None
    at = bisect.bisect_left(numbers, number)
    return at if at < len(numbers) and numbers[at] == number else None


def _number(value: t.Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which records a former move has entered by hand already, so that the transfer does not enter them again.

People exported a list of the source as CSV and imported it into the target: the records are there under new ids, and
nothing in them says whence they came. `adopt_former` finds them again, and returns what the id map has to learn.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import former_csv
from ansible_collections.boxlift.portal.plugins.module_utils.crm.former_csv import Row, Unreadable

THERE, NEW, AMBIGUOUS, UNREADABLE = "there", "new", "ambiguous", "unreadable"
_NAMES = ("name", "secondName", "lastName")


class Records(t.Protocol):
    """What is asked of a store."""

    def records(self, kind: str) -> t.Iterator[tuple[int, dict[str, t.Any]]]: ...

    def record(self, kind: str, number: int) -> dict[str, t.Any] | None: ...


class Pairs(t.Protocol):
    """Which records are the same on both sides, by the id map and by the backup's ids."""

    def target_of(self, kind: str, source_id: int) -> int | None: ...

    def source_of(self, kind: str, target_id: int) -> int | None: ...


class Entry(t.NamedTuple):
    """What the id map has to learn."""

    kind: str
    source_id: int
    target_id: int


@dataclasses.dataclass(frozen=True)
class Judged:
    """What became of one line of an export. `state` is there, new, ambiguous or unreadable."""

    file: str
    line: int
    last: int
    kind: str
    state: str
    source_id: int | None = None
    target_id: int | None = None
    reason: str = ""
    remedy: str = ""


@dataclasses.dataclass(frozen=True)
class Adoption:
    """`entries` are for the id map, `lines` are all lines of the exports, in their order.

    `absent` are ids of the source that the target has given to a record entered by hand: what has this number there is
    another record, also below the baseline.
    """

    entries: tuple[Entry, ...]
    absent: tuple[tuple[str, int], ...]
    lines: tuple[Judged, ...]

    @property
    def counts(self) -> dict[str, int]:
        found = collections.Counter(each.state for each in self.lines)
        return {state: found[state] for state in (THERE, NEW, AMBIGUOUS, UNREADABLE)}

    @property
    def for_people(self) -> list[Judged]:
        return [each for each in self.lines if each.state in (AMBIGUOUS, UNREADABLE)]


class _Facts(t.NamedTuple):
    """By what a record is known again."""

    id: int
    title: str
    contacts: frozenset[str]  # telephone numbers and e-mail addresses
    created: datetime.datetime | None


def adopt_former(
    paths: t.Iterable[str],
    source: Records,
    target: Records,
    pairs: Pairs,
    *,
    kind: str = "",
    zone: datetime.tzinfo | None = None,
) -> Adoption:
    """Judge every line of the exports `paths`. Raises OSError.

    `zone` is the one that the exports' times are in; without it, the one in which the source tells its own times.

    Memory grows with the exports, not with the stores.
    """
    at = zone or _zone_of(source)
    files = [(os.path.basename(path), line) for path in paths for line in former_csv.read(path, kind, at)]
    rows = [line for _file, line in files if isinstance(line, Row)]
    mine = {id(row): _source_by_id(row, source) for row in rows}
    lost = [row for row in rows if mine[id(row)] is None]
    in_source = _candidates(lost, source)
    in_target = _candidates(rows, target)
    judge = _Judge(mine, in_source, in_target, source, target, pairs)
    lines = [judge.line(file, line) for file, line in files]
    lines = _without_rivals(lines)
    entries = {
        Entry(each.kind, each.source_id, each.target_id)
        for each in lines
        if each.state == THERE
        and each.source_id is not None
        and each.target_id is not None
        and pairs.target_of(each.kind, each.source_id) != each.target_id
    }
    absent = {
        (each.kind, each.target_id)
        for each in entries
        if pairs.source_of(each.kind, each.target_id) == each.target_id
        and source.record(each.kind, each.target_id) is not None
    }
    return Adoption(tuple(sorted(entries)), tuple(sorted(absent)), tuple(lines))


def _zone_of(source: Records) -> datetime.tzinfo:
    for kind in former_csv.KINDS:
        for number, content in source.records(kind):
            created = _facts(number, content).created
            return (created and created.tzinfo) or datetime.timezone.utc
    return datetime.timezone.utc


def _source_by_id(row: Row, source: Records) -> _Facts | None:
    content = source.record(row.kind, row.number) if row.number is not None else None
    return None if content is None or row.number is None else _facts(row.number, content)


def _facts(number: int, content: t.Mapping[str, t.Any]) -> _Facts:
    title = content.get("title") or " ".join(str(content.get(name) or "") for name in _NAMES)
    multi = [one for one in content.get("fm") or [] if isinstance(one, t.Mapping)]
    phones = [former_csv.phone_key(str(one.get("value", ""))) for one in multi if one.get("typeId") == "PHONE"]
    emails = [former_csv.email_key(str(one.get("value", ""))) for one in multi if one.get("typeId") == "EMAIL"]
    try:
        created = datetime.datetime.fromisoformat(str(content.get("createdTime")).replace("Z", "+00:00"))
    except ValueError:
        created = None
    return _Facts(number, former_csv.title_key(str(title)), frozenset(filter(None, [*phones, *emails])), created)


def _candidates(rows: t.Sequence[Row], store: Records) -> dict[tuple[str, str], list[_Facts]]:
    """The store's records that share a title, a number or an address with a row, by kind and what they share."""
    wanted: dict[str, set[str]] = {}
    for row in rows:
        wanted.setdefault(row.kind, set()).update(_keys(row.title, row.phones + row.emails))
    found: dict[tuple[str, str], list[_Facts]] = {}
    for kind, keys in wanted.items():
        for number, content in store.records(kind):
            facts = _facts(number, content)
            for key in _keys(facts.title, facts.contacts) & keys:
                found.setdefault((kind, key), []).append(facts)
    return found


def _keys(title: str, contacts: t.Iterable[str]) -> set[str]:
    return {f"title {title}" if title else "", *contacts} - {""}


class _Judge:
    def __init__(
        self,
        mine: t.Mapping[int, _Facts | None],
        in_source: t.Mapping[tuple[str, str], list[_Facts]],
        in_target: t.Mapping[tuple[str, str], list[_Facts]],
        source: Records,
        target: Records,
        pairs: Pairs,
    ) -> None:
        self._mine = mine
        self._in_source = in_source
        self._in_target = in_target
        self._source = source
        self._target = target
        self._pairs = pairs

    def line(self, file: str, line: Row | Unreadable) -> Judged:
        if isinstance(line, Unreadable):
            return Judged(file, line.line, line.last, "", UNREADABLE, reason=line.reason, remedy=line.remedy)
        judged = self._row(file, line)
        if line.repeats is None or judged.state not in (THERE, NEW):
            return judged
        return dataclasses.replace(judged, reason=f"The same as line {line.repeats}. {judged.reason}")

    def _row(self, file: str, row: Row) -> Judged:
        def told(state: str, source: int | None, target: int | None, reason: str, remedy: str = "") -> Judged:
            return Judged(file, row.line, row.line, row.kind, state, source, target, reason, remedy)

        own = self._mine[id(row)]
        if own is not None and not _agree(row, own):
            return told(
                AMBIGUOUS,
                own.id,
                None,
                f"ID {own.id} is another record in the source: neither title, number, address nor time agree.",
                "Look whether the export is of this portal and of this kind.",
            )
        if own is None:
            sources, _sure = _found(row, self._in_source, lambda number: True)
            if len(sources) > 1:
                return told(
                    AMBIGUOUS, None, None, f"It may be any of the source's {_list(sources)}.", "Compare them by hand."
                )
            own = sources[0] if sources else None
        if own is not None:
            known = self._pairs.target_of(row.kind, own.id)
            if known is not None and self._are_one(row.kind, own.id, known):
                return told(THERE, own.id, known, "The id map has it.")
        free = self._free(row.kind, None if own is None else own.id)
        targets, sure = _found(row, self._in_target, free)
        source_id = None if own is None else own.id
        if len(targets) > 1:
            return told(
                AMBIGUOUS,
                source_id,
                None,
                f"The target has several that it may be: {_list(targets)}.",
                "If they are one record that was entered several times, delete all but one and run again.",
            )
        if targets and not sure:
            return told(
                AMBIGUOUS,
                source_id,
                None,
                f"Only the title is that of the target's {targets[0].id}.",
                "Compare them by hand. If they are the same, give the target's record the same phone, e-mail or date.",
            )
        if targets:
            gone = "" if own else " The source has it no longer."
            return told(THERE, source_id, targets[0].id, f"It was entered by hand.{gone}")
        if own is None:
            return told(
                AMBIGUOUS,
                None,
                None,
                "Neither portal has it.",
                "It was deleted since, or the export is of another portal. If it is missed, enter it by hand.",
            )
        return told(NEW, own.id, None, "The target does not have it; the transfer brings it.")

    def _free(self, kind: str, source_id: int | None) -> t.Callable[[int], bool]:
        """Whether a record of the target is not the counterpart of another one of the source."""

        def free(number: int) -> bool:
            found = self._pairs.source_of(kind, number)
            return found in (None, source_id) or not self._are_one(kind, found, number)

        return free

    def _are_one(self, kind: str, source_id: int, target_id: int) -> bool:
        """Whether a pair holds. Equal ids say nothing of records that people entered before the baseline was noted."""
        if source_id != target_id:
            return True
        mine, other = self._source.record(kind, source_id), self._target.record(kind, target_id)
        if other is None:
            return False
        if mine is None:
            return True  # deleted in the source since
        one, two = _facts(source_id, mine), _facts(target_id, other)
        return bool(one.title == two.title or one.contacts & two.contacts or one.created == two.created)


def _found(
    row: Row, index: t.Mapping[tuple[str, str], list[_Facts]], free: t.Callable[[int], bool]
) -> tuple[list[_Facts], bool]:
    """The records that the row may be, and whether the match is more than a title.

    A shared number with another title is no match: the same client asks more than once.
    """
    mine = frozenset(row.phones + row.emails)
    near = {each.id: each for key in _keys(row.title, mine) for each in index.get((row.kind, key), ())}
    near = {number: each for number, each in near.items() if free(number)}
    same_time = {number for number, each in near.items() if _same_time(row, each)}
    both = [each for each in near.values() if each.contacts & mine and (each.title == row.title or not row.title)]
    timed = [
        each for each in near.values() if each.id in same_time and (each.contacts & mine or each.title == row.title)
    ]
    sure = both or timed
    if len(sure) > 1:
        sure = [each for each in sure if each.id in same_time] or sure
    if sure:
        return sure, True
    # With numbers or addresses that differ on both sides, an equal title says little.
    return [each for each in near.values() if each.title == row.title and not (each.contacts and mine)], False


def _agree(row: Row, own: _Facts) -> bool:
    shared = own.contacts & frozenset(row.phones + row.emails)
    bare = not (row.title or row.phones or row.emails or row.created)
    return bool(shared) or (bool(row.title) and own.title == row.title) or _same_time(row, own) or bare


def _same_time(row: Row, own: _Facts) -> bool:
    if row.created is None or own.created is None or own.created.tzinfo is None:
        return False
    apart = abs((row.created - own.created).total_seconds())
    return apart < (1 if row.whole_seconds else 60)


def _list(found: t.Sequence[_Facts], most: int = 10) -> str:
    told = ", ".join(str(each.id) for each in sorted(found)[:most])
    return told if len(found) <= most else f"{told} and {len(found) - most} more"


def _without_rivals(lines: t.Sequence[Judged]) -> list[Judged]:
    """No record of the target stands for two of the source, and a source id has one target."""
    claims: dict[tuple[str, int], set[int]] = {}
    for each in lines:
        if each.state == THERE and each.source_id is not None and each.target_id is not None:
            claims.setdefault((each.kind, each.target_id), set()).add(each.source_id)
    return [
        dataclasses.replace(
            each,
            state=AMBIGUOUS,
            target_id=None,
            reason=f"The target's {each.target_id} may be several of the source: "
            f"{', '.join(map(str, sorted(claims[each.kind, each.target_id])))}.",
            remedy="Compare them by hand: one of them is still missing in the target.",
        )
        if each.state == THERE and each.target_id is not None and len(claims.get((each.kind, each.target_id), ())) > 1
        else each
        for each in lines
    ]

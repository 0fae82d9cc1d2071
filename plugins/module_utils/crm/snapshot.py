# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a portal's CRM into a store: a full pass first, then only what is new, changed or gone.

While people work, records change behind the reading. So what has changed since the reading began is read again at the
end, and deletions are looked for last of all. What changes after that belongs to the next pass, which looks back
`OVERLAP` seconds, since a change may become visible some time after the moment that it states. A portal that did not
go on from the last snapshot (`marks`) is read in full.
"""

from __future__ import annotations

import array
import dataclasses
import datetime
import itertools
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds, marks, offline
from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import Answer, RestError, Unanswered
from ansible_collections.boxlift.portal.plugins.module_utils.crm.commands import Command
from ansible_collections.boxlift.portal.plugins.module_utils.crm.kinds import Kind
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import KindCount, Pass, Snapshot, Store
from ansible_collections.boxlift.portal.plugins.module_utils.crm.walk import SHAPES, Shape
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

OVERLAP = 300.0  # seconds
PAGE = 50  # rows of one answer, and commands of one batch
SHORT_ROUND = 60.0  # seconds: what changes meanwhile is left to the next pass
MOST_ROUNDS = 4
_CURSOR_EVERY = 2500
_ADDRESSES = ("urlMachine", "urlDownload", "url")  # the best one first
_RESERVATIONS = "offline reservations"
_OUTCOME = "outcome"  # what the newest snapshot does not hold, and why
_TALKED = "lastActivityTime"
_COMMENT = ("ID", "ENTITY_ID", "ENTITY_TYPE", "CREATED", "COMMENT", "AUTHOR_ID", "FILES")


class Rest(t.Protocol):
    """What is needed of `crm.rest.Rest`."""

    name: str
    requests: int
    waited: float

    def call(self, method: str, params: t.Mapping[str, t.Any] | None = None, *, repeat: bool = True) -> Answer: ...
    def batch(self, commands: t.Sequence[Command], *, repeat: bool = True, halt: bool = False) -> t.Sequence[t.Any]: ...

    def rows(
        self, method: str, params: t.Mapping[str, t.Any], *, after: int = 0, upto: int | None = None
    ) -> t.Iterator[dict[str, t.Any]]: ...
    def fetch_file(self, url: str, out: t.BinaryIO) -> int: ...


class Teller(t.Protocol):
    """What is needed of `Progress`."""

    def tell(self, **values: t.Any) -> None: ...


@dataclasses.dataclass
class PassResult:
    """What a pass did."""

    number: int
    portal: str
    full: bool
    resumed: bool
    kinds: dict[str, KindCount]
    requests: int
    waited: float
    seconds: float
    #: Kinds that the portal does not let us read, with its reason; the store keeps what it had of them.
    unread: dict[str, str]
    warnings: list[str]
    files: int = 0
    file_bytes: int = 0


def refresh(
    rest: Rest,
    store: Store,
    names: t.Iterable[str] = kinds.DEFAULT,
    *,
    full: bool = False,
    files: bool = False,
    events: bool = False,
    progress: Teller | None = None,
    clock: t.Callable[[], float] = time.monotonic,
) -> PassResult:
    """One pass over these kinds. The first one of a kind is full. Raises BoxliftError; the pass is then gone on with.

    `names` as in `kinds.NAMES`; "smart" stands for all smart processes. `events`: read the application's offline
    events too, and bind them if they are not.
    """
    wanted = sorted({kinds.kind(name).name if name != "smart" else name for name in names}, key=kinds.order_of)
    begun, requests, waited = clock(), rest.requests, rest.waited
    full = full or store.newest() is None
    # A portal that was put back has other records under the same numbers, with dates of the past.
    put_back = "" if full else marks.contradiction(rest, store, OVERLAP)
    with store.new_pass(rest.name, full or bool(put_back)) as pass_:
        reader = _Reader(rest, store, pass_, wanted, files, progress, clock)
        if put_back:
            reader.warnings.append(f"{rest.name} did not go on from the last snapshot: {put_back}; all of it was read.")
        if events:
            _clear_events(rest, store)
            reader.bind_events()
        reader.read()
        note_outcome(pass_, reader.unread, put_back, reader.unfetched)
        pass_.requests = rest.requests - requests
    if events:
        _clear_events(rest, store)
    snapshot = t.cast(Snapshot, store.newest())
    return PassResult(
        snapshot.number,
        snapshot.portal,
        snapshot.full,
        pass_.resumed,
        dict(snapshot.kinds),
        rest.requests - requests,
        rest.waited - waited,
        clock() - begun,
        reader.unread,
        reader.warnings,
        reader.files,
        reader.file_bytes,
    )


def note_outcome(pass_: Pass, unread: t.Mapping[str, str], put_back: str, unfetched: int = 0) -> None:
    """For whoever asks later what was odd about the newest snapshot (`odd`)."""
    pass_.at_end(_OUTCOME, {"unread": dict(unread), "put_back": put_back, "unfetched": unfetched})


def odd(store: Store) -> list[str]:
    """What people have to know of the newest snapshot beside its numbers: kinds that the portal did not show any more,
    and that it was put back. What never could be read is not odd."""
    noted = store.note(_OUTCOME) or {}
    held = {_family(name) for name in store.kind_names()}
    found = [
        f"{name} could not be read, the store keeps what it had: {reason}"
        for name, reason in (noted.get("unread") or {}).items()
        if _family(name) in held
    ]
    if noted.get("put_back"):
        found.append(f"the portal did not go on from the snapshot before: {noted['put_back']}")
    if noted.get("unfetched"):
        found.append(f"{noted['unfetched']} files could not be fetched; the next full pass tries again")
    return found


def _clear_events(rest: Rest, store: Store) -> None:
    """Take the events away that a finished snapshot has, also those of a run that was killed right after it."""
    reservations = store.note(_RESERVATIONS)
    if reservations:
        offline.clear(rest, reservations)
        store.set_note(_RESERVATIONS, None)


@dataclasses.dataclass(frozen=True)
class KindPlan:
    """What a pass would read of a kind. None where only the portal's answers to the pass itself would say."""

    kind: str
    whole: bool
    portal: int  # records that the portal has now
    store: int
    new: int
    changed: int | None


@dataclasses.dataclass(frozen=True)
class Plan:
    """`requests` is an estimate."""

    full: bool
    kinds: list[KindPlan]
    requests: int
    unread: dict[str, str]


def plan(rest: Rest, store: Store | None, names: t.Iterable[str] = kinds.DEFAULT, *, full: bool = False) -> Plan:
    """What a pass would read now. Asks the portal how many records it has; reads none, and writes nothing."""
    wanted = sorted({kinds.kind(name).name if name != "smart" else name for name in names}, key=kinds.order_of)
    full = full or store is None or store.newest() is None
    listed, unread = _listed_kinds(rest, wanted)
    states = {each.name: None if full or store is None else store.note(f"read {each.name}") for each in listed}
    newest = {each.name: store.max_id(each) if store is not None else 0 for each in listed}
    commands = []
    for each in listed:
        conditions: list[dict[str, t.Any]] = [{}, {f">{each.id_name}": newest[each.name]}]
        state = states[each.name]
        if state is not None and each.updated:
            since = _earlier(state["clock"], OVERLAP)
            conditions.append({f">={each.updated}": since, f"<={each.id_name}": newest[each.name]})
        commands += [(each, condition) for condition in conditions]
    outcomes = iter(rest.batch([_counting(each, condition) for each, condition in commands]) if commands else ())
    found: list[KindPlan] = []
    touched = 0
    for each in listed:
        whole, several = states[each.name] is None, 3 if states[each.name] is not None and each.updated else 2
        answers = [next(outcomes) for _number in range(several)]
        refused = next((one for one in answers if not isinstance(one, Answer)), None)
        if refused is not None:
            if not (isinstance(refused, RestError) and each.optional):
                raise refused
            unread[each.name] = refused.message
            continue
        totals = [_total(one) for one in answers]
        changed = None if whole or several < 3 else totals[2]
        found.append(
            KindPlan(each.name, whole, totals[0], store.count(each) if store is not None else 0, totals[1], changed)
        )
        if each.is_item:
            to_read = totals[0] if whole else totals[1] + (changed or 0)
            touched += to_read * sum(
                child in wanted and _family(each.name) in kinds.KINDS[child].owners
                for child in ("productrow", "comment")
            )
    rows = sum(each.portal if each.whole else each.new + (each.changed or 0) for each in found)
    requests = 10 + 3 * len(found) + -(-rows // (PAGE * PAGE)) + -(-touched // PAGE)
    return Plan(full, found, requests, unread)


def _listed_kinds(rest: Rest, wanted: t.Sequence[str]) -> tuple[list[Kind], dict[str, str]]:
    """Of these kinds, those whose records have ids and are listed; and those that may not be read."""
    found: list[Kind] = []
    unread: dict[str, str] = {}
    for name in wanted:
        if name == "smart":
            try:
                types = _short_list(rest, "crm.type.list", "types")
            except RestError as error:
                unread["smart"] = error.message
                continue
            found += [kinds.smart(number) for number in _smart_numbers(types)]
        elif name.startswith("smart:") or kinds.KINDS[name].way in (kinds.ITEM, kinds.LIST):
            found.append(kinds.kind(name))
    return found, unread


def _smart_numbers(types: t.Iterable[t.Mapping[str, t.Any]]) -> list[int]:
    return sorted(number for number in (int(row["entityTypeId"]) for row in types) if number >= kinds.FIRST_SMART)


def _family(name: str) -> str:
    return "smart" if name.startswith("smart:") else name


def _short_list(rest: Rest, method: str, key: str) -> list[dict[str, t.Any]]:
    """All rows of a short list, which has pages and no walk by id."""
    found: list[dict[str, t.Any]] = []
    start: int | None = 0
    while start is not None:
        answer = rest.call(method, {"start": start})
        rows = answer.result.get(key, []) if isinstance(answer.result, dict) else answer.result
        found += list(rows.values()) if isinstance(rows, dict) else rows
        start = answer.next
    return found


def _params(which: Kind, condition: t.Mapping[str, t.Any] | None = None, only_ids: bool = False) -> dict[str, t.Any]:
    given: dict[str, t.Any] = {}
    if which.is_item:
        given = {"entityTypeId": which.entity_type, "select": ["*"], "useOriginalUfNames": "Y"}
    elif which.name == "activity":
        given = {"select": ["*", "COMMUNICATIONS"]}
    if only_ids and "select" in given:
        given["select"] = [which.id_name]
    if condition:
        given["filter"] = dict(condition)
    return given


def _counting(which: Kind, condition: t.Mapping[str, t.Any]) -> Command:
    """How many records fulfil the condition, and the ids of the first 50."""
    shape = SHAPES.get(which.list_method, Shape())
    given = {name: value for name, value in _params(which, only_ids=True).items() if name != "filter"}
    return Command(which.list_method, {**given, shape.filter: dict(condition), **shape.ascending, "start": 0})


def _page(answer: Answer) -> list[dict[str, t.Any]]:
    return t.cast(
        "list[dict[str, t.Any]]", answer.result["items"] if isinstance(answer.result, dict) else answer.result
    )


def _total(answer: Answer) -> int:
    return len(_page(answer)) if answer.total is None else answer.total


class _Reader:
    """One pass at work."""

    def __init__(
        self,
        rest: Rest,
        store: Store,
        pass_: Pass,
        wanted: t.Sequence[str],
        files: bool,
        progress: Teller | None,
        clock: t.Callable[[], float],
    ) -> None:
        self._rest, self._store, self._pass, self._wanted = rest, store, pass_, wanted
        self._with_files, self._progress, self._clock = files, progress, clock
        self._rows = 0
        # Of each kind with children: items that are new or were touched, whose children are to be read.
        self._touched: dict[str, array.array[int]] = {}
        # … and those on which something was said or done, which does not count as a change of them.
        self._spoken: dict[str, array.array[int]] = {}
        self._whole: set[str] = set()  # kinds that this pass reads from the beginning
        self._marks: dict[str, marks.Marks] = {}
        self._again = False  # what changed behind the reading is read now
        self._events = False
        self._admin: bool | None = None
        self.unread: dict[str, str] = {}
        self.warnings: list[str] = []
        self.files = self.file_bytes = self.unfetched = 0

    def bind_events(self) -> None:
        """Before anything is read, so that nothing falls between."""
        refused = offline.bind(self._rest)
        self._events = len(refused) < len(offline.EVENTS)
        if refused:
            self.warnings.append(f"The portal keeps no offline events of these kinds: {'; '.join(refused)}")

    def read(self) -> None:
        began = self._clock()
        items = self._items()
        for name in self._wanted:
            which = kinds.KINDS.get(name)
            if which is not None and which.way == kinds.WHOLE:
                self._guarded(which, self._whole_kind, which, items)
        listed = [*items, *(kinds.KINDS[name] for name in self._wanted if self._way(name) == kinds.LIST)]
        self._first_reading(listed)
        since = self._pass.clock
        for name in self._wanted:
            if self._way(name) == kinds.CHILD:
                self._guarded(kinds.KINDS[name], self._children, kinds.KINDS[name], items)
        # What changed while all this was read.
        self._again, rounds = True, 0
        while rounds < MOST_ROUNDS and (self._clock() - began > SHORT_ROUND or (self._pass.full and not rounds)):
            rounds += 1
            began = self._clock()
            self._touched, self._spoken = {}, {}
            next_since = self._changes([(which, since) for which in listed if which.name not in self.unread])
            for name in self._wanted:
                if self._way(name) == kinds.CHILD and name not in self.unread:
                    self._children(kinds.KINDS[name], items, touched_only=True)
            since = next_since or since
        self._deletions([which for which in listed if which.name not in self.unread and which.name != "call"], items)
        for which in listed:
            if which.name not in self.unread:
                self._pass.at_end(f"read {which.name}", {"clock": since, "files": self._with_files})
                if marks.marked(which):
                    self._pass.at_end(marks.note_name(which), self._marks_of(which).noted(self._store))
        for name in self._wanted:
            if self._way(name) == kinds.CHILD and name not in self.unread:
                state = self._store.note(f"read {name}") or {}
                of = [each.name for each in items if each.name not in self.unread]
                now = {"clock": since, "pass": self._pass.number}
                self._pass.at_end(f"read {name}", {**state, **dict.fromkeys(of, now)})

    @staticmethod
    def _way(name: str) -> str:
        return kinds.KINDS[name].way if name in kinds.KINDS else kinds.ITEM

    def _now(self) -> str:
        """What the portal's clock shows. Records state their times by it."""
        # Every answer says it; this one costs nothing else.
        nothing = {"entityTypeId": kinds.CONTACT, "select": ["id"], "filter": {"<=id": 0}, "start": -1}
        moment = self._rest.call("crm.item.list", nothing).time.get("date_start")
        if kinds.instant(moment) is None:
            raise BoxliftError(
                f"{self._rest.name} does not say what time it is: {moment!r}.", "See whether it is a portal at all."
            )
        return str(moment)

    def _guarded(self, which: Kind, work: t.Callable[..., None], *given: t.Any) -> None:
        """Do the work; a kind that not every portal lets us read is left out, and said so."""
        try:
            work(*given)
        except RestError as error:
            if not which.optional:
                raise
            self.unread[which.name] = error.message

    def _tell(self, which: Kind, more: int = 1) -> None:
        self._rows += more
        if self._progress is not None:
            self._progress.tell(phase=which.name, rows=self._rows)

    # -- short lists -------------------------------------------------------------------------------------------------

    def _items(self) -> list[Kind]:
        """The kinds of items that are wanted, with the smart processes that the portal has."""
        found = []
        for name in self._wanted:
            if name == "smart":
                found += [kinds.smart(number) for number in sorted(self._smart_types())]
            elif self._way(name) == kinds.ITEM:
                found.append(kinds.kind(name))
        return found

    def _smart_types(self) -> list[int]:
        try:
            self._types = _short_list(self._rest, "crm.type.list", "types")
        except RestError as error:
            self.unread["smart"] = error.message
            self._types = []
        numbers = [int(row["entityTypeId"]) for row in self._types]
        if "smart" not in self.unread:
            for name in self._store.kind_names():
                if name.startswith("smart:") and int(name[6:]) not in numbers:
                    self._lost(kinds.kind(name), list(self._store.ids(name)))
        return _smart_numbers(self._types)

    def _whole_kind(self, which: Kind, items: t.Sequence[Kind]) -> None:
        if which.name == "type" and "smart" in self.unread:
            self.unread["type"] = self.unread["smart"]
            return
        rows = dict(self._whole_rows(which, items))
        missing = [number for number in self._store.ids(which) if number not in rows]
        self._store.gone(which, [number for number in missing if self._was_asked_for(which, number, items)])
        for number, row in rows.items():
            self._store.put(which, number, row)
        self._tell(which, len(rows))

    def _was_asked_for(self, which: Kind, number: int, items: t.Sequence[Kind]) -> bool:
        """Whether a record of a short list would have come; only fields and pipelines are asked for by entity type."""
        if which.name not in ("field", "category"):
            return True
        entity_type = number if which.name == "field" else kinds.entity_type_of_category(number)
        lost = entity_type >= kinds.FIRST_SMART and "smart" in self._wanted and "smart" not in self.unread
        return lost or any(each.entity_type == entity_type for each in items)

    def _whole_rows(self, which: Kind, items: t.Sequence[Kind]) -> t.Iterator[tuple[int, dict[str, t.Any]]]:
        if which.name == "type":
            types = getattr(self, "_types", None)
            for row in _short_list(self._rest, which.list_method, "types") if types is None else types:
                yield int(row["id"]), row
        elif which.name == "field":
            commands = [
                Command(which.list_method, {"entityTypeId": each.entity_type, "useOriginalUfNames": "Y"})
                for each in items
            ]
            for item, answer in zip(items, self._answers(commands)):
                yield int(item.entity_type or 0), {"fields": answer.result.get("fields", answer.result)}
        elif which.name == "category":
            with_categories = [each for each in items if each.name == "deal" or each.name.startswith("smart:")]
            commands = [Command(which.list_method, {"entityTypeId": each.entity_type}) for each in with_categories]
            for item, outcome in zip(with_categories, self._rest.batch(commands)):
                if isinstance(outcome, RestError) and item.name != "deal":
                    continue  # a smart process without categories
                for row in self._good(outcome).result.get("categories", []):
                    yield kinds.category_id(int(item.entity_type or 0), int(row["id"])), row
        elif which.name == "status":
            for row in self._rest.rows(which.list_method, {"order": {"ID": "ASC"}}):
                yield int(row["ID"]), row
        else:
            for row in self._rest.rows(which.list_method, {}):
                yield int(row["ID"]), row

    def _answers(self, commands: t.Sequence[Command]) -> list[Answer]:
        return [self._good(outcome) for outcome in self._rest.batch(commands)] if commands else []

    @staticmethod
    def _good(outcome: t.Any) -> Answer:
        if isinstance(outcome, Answer):
            return outcome
        raise t.cast(Exception, outcome)

    # -- records with ids --------------------------------------------------------------------------------------------

    def _first_reading(self, listed: t.Sequence[Kind]) -> None:
        """All of the kinds that were not read before, or of every kind in a full pass; else what is new and changed."""
        changed: list[tuple[Kind, str]] = []
        for which in listed:
            state = self._store.note(f"read {which.name}")
            if self._pass.full or state is None or (self._with_files and not state["files"]):
                if not self._pass.clock:
                    self._pass.clock = self._now()
                self._guarded(which, self._walk, which)
            else:
                changed.append((which, min([state["clock"], *self._child_clocks(which)], key=_instant)))
        if changed:
            moment = self._changes(changed)
            self._pass.clock = self._pass.clock or moment
        self._pass.clock = self._pass.clock or self._now()

    def _child_clocks(self, which: Kind) -> t.Iterator[str]:
        """Since when the product rows and comments of these items are not known: a pass may have left them out."""
        for name in self._wanted if which.is_item else ():
            if self._way(name) == kinds.CHILD:
                state = self._store.note(f"read {name}") or {}
                if which.name in state:
                    yield state[which.name]["clock"]

    def _walk(self, which: Kind) -> None:
        self._whole.add(which.name)
        after = int(self._pass.done(f"walk {which.name}") or 0)
        for number, row in enumerate(self._rest.rows(which.list_method, _params(which), after=after), 1):
            self._take(which, row)
            if number % _CURSOR_EVERY == 0:
                self._pass.set_done(f"walk {which.name}", int(row[which.id_name]))
                self._pass.settle()

    def _changes(self, of: t.Sequence[tuple[Kind, str]]) -> str:
        """What is new, by id, and what has changed since a moment of the portal's clock, by its own time.

        Returns the moment of the portal's clock at which this began. The first 50 rows of all kinds come at once.
        """
        looks = [look for which, since in of for look in self._looks(which, _earlier(since, OVERLAP))]
        begun = ""
        outcomes = self._rest.batch([_first_page(look) for look in looks]) if looks else []
        for look, outcome in zip(looks, outcomes):
            if isinstance(outcome, Answer) and not begun and kinds.instant(outcome.time.get("date_start")) is not None:
                begun = str(outcome.time["date_start"])
            if look.talk:
                self._talk(look, outcome)
            else:
                self._guarded(look.kind, self._look, look, outcome)
        return begun

    def _looks(self, which: Kind, moment: str) -> t.Iterator[_Look]:
        newest = self._store.max_id(which)
        if which.updated and newest:
            yield _Look(which, _params(which, {f">={which.updated}": moment}), 0, newest)
            if which.is_item and "comment" in self._wanted:
                given = _params(which, {f">={_TALKED}": moment}, only_ids=True)
                yield _Look(which, {**given, "select": ["id", _TALKED]}, 0, newest, kinds.instant(moment) or 0.0)
        yield _Look(which, _params(which), newest, None)

    def _look(self, look: _Look, outcome: t.Any) -> None:
        for row in self._rows_of(look, outcome):
            self._take(look.kind, row)

    def _rows_of(self, look: _Look, outcome: t.Any) -> t.Iterator[dict[str, t.Any]]:
        rows = _page(self._good(outcome))
        yield from rows
        if len(rows) >= PAGE:
            after = int(rows[-1][look.kind.id_name])
            yield from self._rest.rows(look.kind.list_method, look.params, after=after, upto=look.upto)

    def _talk(self, look: _Look, outcome: t.Any) -> None:
        """Note the items on which somebody commented: the portal moves only the time of their last activity."""
        try:
            for row in self._rows_of(look, outcome):
                if (kinds.instant(row.get(_TALKED)) or 0.0) < look.talk:
                    raise RestError(f"It does not filter by {_TALKED}.")
                self._spoken.setdefault(look.kind.name, array.array("q")).append(int(row["id"]))
        except RestError as error:
            told = f"Comments on a {look.kind} that did not change otherwise wait for a full pass: {error.message}"
            if told not in self.warnings:
                self.warnings.append(told)

    def _take(self, which: Kind, row: dict[str, t.Any]) -> None:
        number = int(row[which.id_name])
        self._store.put(which, number, row)
        if marks.marked(which):
            self._marks_of(which).take(row)
        if self._with_files:
            self._fetch(which, number, row)
        if which.is_item and (self._again or which.name not in self._whole):
            self._touched.setdefault(which.name, array.array("q")).append(number)
        self._tell(which)

    def _marks_of(self, which: Kind) -> marks.Marks:
        if which.name not in self._marks:
            noted = None if which.name in self._whole else self._store.note(marks.note_name(which))
            self._marks[which.name] = marks.Marks(which, noted)
        return self._marks[which.name]

    def _fetch(self, which: Kind, number: int, row: dict[str, t.Any]) -> None:
        """Bring the contents of the files that the record names, each once."""
        for file in kinds.files_in(row):
            key = kinds.file_key(which, file)
            address = next((str(file[name]) for name in _ADDRESSES if file.get(name)), "")
            if not address or self._store.file(key) is not None:
                continue
            try:
                kept = self._store.put_file(key, str(file.get("name") or ""), _into(self._rest.fetch_file, address))
            except (RestError, Unanswered) as error:
                # One file that the portal stumbles over must not cost every night its snapshot.
                self.unfetched += isinstance(error, Unanswered)
                self.warnings.append(
                    f"File {file['id']} of {which.name} {number} could not be fetched: {error.message}"
                )
                continue
            self.files += 1
            self.file_bytes += kept.size
            if self._progress is not None:
                self._progress.tell(files=self.files)

    # -- children ----------------------------------------------------------------------------------------------------

    def _children(self, which: Kind, items: t.Sequence[Kind], touched_only: bool = False) -> None:
        """Product rows or comments: one command for each item that is new or was touched."""
        state = self._store.note(f"read {which.name}") or {}
        for item in items:
            if _family(item.name) not in which.owners or item.name in self.unread:
                continue
            every = not touched_only and (item.name in self._whole or item.name not in state)
            done = f"children {which.name} {item.name}"
            owners: t.Iterable[int] = self._touched.get(item.name, ())
            if which.name == "comment":
                owners = {*owners, *self._spoken.get(item.name, ())}
            if not touched_only and not every:
                # Those too that a pass without these children has found, or a run that was killed.
                owners = {*owners, *self._store.ids_since(item, state[item.name]["pass"])}
            owners = sorted(owners)
            if every:
                owners = self._store.ids(item, after=int(self._pass.done(done) or 0))
            for some in _portions(owners, PAGE):
                self._children_of(which, item, some)
                if every:
                    self._pass.set_done(done, some[-1])

    def _children_of(self, which: Kind, item: Kind, owners: t.Sequence[int]) -> None:
        found: dict[int, list[dict[str, t.Any]]] = {owner: [] for owner in owners}
        asked = [(owner, 0) for owner in found]
        while asked:
            commands = [self._child_command(which, item, owner, after) for owner, after in asked]
            more = []
            for (owner, _after), answer in zip(asked, self._answers(commands)):
                rows = answer.result.get("productRows", []) if isinstance(answer.result, dict) else answer.result
                found[owner] += rows
                if len(rows) >= PAGE:
                    more.append((owner, max(int(row[which.id_name]) for row in rows)))
            asked = more
        for owner, rows in found.items():
            present = {int(row[which.id_name]) for row in rows}
            former = self._store.child_ids(which, int(item.entity_type or 0), owner)
            self._store.gone(which, [number for number in former if number not in present])
            for row in rows:
                self._store.put(which, int(row[which.id_name]), row)
                if self._with_files:
                    self._fetch(which, int(row[which.id_name]), row)
            self._tell(which, len(rows))

    @staticmethod
    def _child_command(which: Kind, item: Kind, owner: int, after: int) -> Command:
        condition: dict[str, t.Any]
        if which.name == "productrow":
            condition = {"=ownerType": item.owner_code, "=ownerId": owner}
            given: dict[str, t.Any] = {"order": {"id": "asc"}, "start": -1}
        else:
            condition = {"ENTITY_TYPE": item.timeline_name, "ENTITY_ID": owner}
            given = {"order": {"ID": "ASC"}, "select": list(_COMMENT), "start": -1}
        if after:
            condition[f">{which.id_name}"] = after
        return Command(which.list_method, {"filter": condition, **given})

    # -- deletions ---------------------------------------------------------------------------------------------------

    def _deletions(self, listed: t.Sequence[Kind], items: t.Sequence[Kind]) -> None:
        """Find records that are gone, and any that were missed: the portal counts what it has.

        Where its number is another one than ours, it counts ranges of ids, and lists those that differ. A record that
        is gone and one that came back within the same range and moment are not told apart from none of both.
        """
        self._touched, self._spoken = {}, {}
        if self._events:
            self._what_happened()
        ranges: list[_Range] = []
        differed: list[Kind] = []
        for each, answer in zip(listed, self._answers([_counting(each, {f">{each.id_name}": 0}) for each in listed])):
            if self._hidden(each, _total(answer)):
                continue
            known = -1
            while known < self._store.count(each) < _total(answer):
                known = self._store.count(each)
                for row in self._rest.rows(each.list_method, _params(each), after=self._store.max_id(each)):
                    self._take(each, row)
            if _total(answer) != self._store.count(each):
                whole = _Range(each, 0, self._store.max_id(each), self._store.count(each))
                ranges += self._parts(whole, 2 * abs(whole.known - _total(answer)))
                differed.append(each)
        while ranges:
            narrower: list[_Range] = []
            for some in _portions(ranges, 20 * PAGE):
                for one, answer in zip(some, self._answers([self._counted(each) for each in some])):
                    narrower += self._judged(one, _total(answer), _page(answer))
                    if one.sibling is not None:
                        narrower += self._judged(one.sibling, one.together - _total(answer), None)
            ranges = narrower
        self._recount(differed)
        for name in self._wanted:
            if self._way(name) == kinds.CHILD and name not in self.unread and self._touched:
                self._children(kinds.KINDS[name], items, touched_only=True)

    def _hidden(self, which: Kind, total: int) -> bool:
        """Whether the portal leaves records out because the account lost its rights: it says no word of that."""
        known = self._store.count(which)
        if 2 * total >= known or self._administrator():
            return False
        self.unread[which.name] = (
            f"The webhook's account is no administrator, and sees {total} of {known} records. Use a webhook that an"
            " administrator has made."
        )
        return True

    def _administrator(self) -> bool:
        if self._admin is None:
            try:
                self._admin = bool(self._rest.call("user.admin").result)
            except RestError:
                self._admin = True  # it does not say
        return self._admin

    def _recount(self, differed: t.Sequence[Kind]) -> None:
        """Say it where the numbers still differ: people have just deleted something, or a right is missing."""
        whole = [_Range(each, 0, self._store.max_id(each), self._store.count(each)) for each in differed]
        for each, answer in zip(whole, self._answers([self._counted(one) for one in whole])):
            if _total(answer) != each.known:
                self.warnings.append(
                    f"The portal counts {_total(answer)} {each.kind} records, and {each.known} were read. The next"
                    " snapshot looks again."
                )

    def _what_happened(self) -> None:
        """By the portal's own queue: records that are gone, and comments that were made, edited or deleted."""
        try:
            events, reservations = offline.take(self._rest)
        except (RestError, Unanswered) as error:
            self.warnings.append(f"Deletions were found by counting, without offline events: {error.message}")
            return
        wanted = {name for name in self._store.kind_names() if name not in self.unread}
        for event in events:
            if event.what == offline.DELETE and event.kind in wanted:
                self._lost(kinds.kind(event.kind), [event.id])
        comments = sorted({event.id for event in events if event.kind == "comment" and event.what != offline.DELETE})
        if "comment" in self._wanted and "comment" not in self.unread:
            commands = [Command("crm.timeline.comment.get", {"id": number}) for number in comments]
            for number, outcome in zip(comments, self._rest.batch(commands) if commands else ()):
                if isinstance(outcome, RestError):
                    continue  # deleted meanwhile: the next event says so
                self._store.put("comment", number, _comment(self._good(outcome).result))
        self._pass.at_end(_RESERVATIONS, reservations)

    @staticmethod
    def _counted(each: _Range) -> Command:
        name = each.kind.id_name
        return _counting(each.kind, {f">{name}": each.after, f"<={name}": each.upto})

    def _judged(self, each: _Range, total: int, rows: list[dict[str, t.Any]] | None) -> list[_Range]:
        """What the portal has in this range of ids: as many as we, else these ids, else ranges to be looked at.

        `rows` are the first of them, None where the total was only computed.
        """
        if total == each.known:
            return []
        ours = self._ours(each)
        theirs = {int(row[each.kind.id_name]) for row in rows or ()}
        listed = rows is not None and total <= len(rows)
        if listed and theirs <= set(ours):
            self._lost(each.kind, [number for number in ours if number not in theirs])
            return []
        if rows is None and len(ours) <= PAGE:
            return [each._replace(sibling=None)]
        if listed or len(ours) <= PAGE:
            # There are more than we knew of: a right was given, or records were brought back.
            theirs = set()
            for row in self._rest.rows(each.kind.list_method, _params(each.kind), after=each.after, upto=each.upto):
                theirs.add(int(row[each.kind.id_name]))
                self._take(each.kind, row)
            self._lost(each.kind, [number for number in ours if number not in theirs])
            return []
        # Only one half is counted: the other has the rest.
        left, right = self._parts(each, 2)
        return [left._replace(sibling=right, together=total)]

    def _ours(self, each: _Range) -> list[int]:
        return list(itertools.takewhile(lambda id_: id_ <= each.upto, self._store.ids(each.kind, after=each.after)))

    def _parts(self, each: _Range, number: int) -> list[_Range]:
        """So many ranges that hold equally many of our records, but no smaller ones than one answer can list."""
        ours = self._ours(each)
        size = max(PAGE if number > 2 else 1, -(-len(ours) // max(number, 1)))
        found, after = [], each.after
        for begin in range(0, max(len(ours), 1), size):
            part = ours[begin : begin + size]
            upto = part[-1] if begin + size < len(ours) else each.upto
            found.append(_Range(each.kind, after, upto, len(part)))
            after = upto
        return found

    def _lost(self, which: Kind, numbers: t.Sequence[int]) -> None:
        """Records that the portal does not have any more, and what belonged to them and cannot be asked for."""
        self._store.gone(which, numbers)
        for number in numbers if which.is_item else ():
            for name in ("productrow", "comment"):
                self._store.gone(name, self._store.child_ids(name, int(which.entity_type or 0), number))


def _into(fetch: t.Callable[[str, t.BinaryIO], int], address: str) -> t.Callable[[t.BinaryIO], object]:
    return lambda out: fetch(address, out)


def _comment(row: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """As the list gives it: other fields would be taken for a change."""
    return {name: row[name] for name in _COMMENT if name in row}


class _Look(t.NamedTuple):
    """Rows of a list with ids above `after`, not above `upto`; `talk` is a time, where only ids are wanted since it."""

    kind: Kind
    params: dict[str, t.Any]
    after: int
    upto: int | None
    talk: float = 0.0


def _first_page(look: _Look) -> Command:
    shape, name = SHAPES.get(look.kind.list_method, Shape()), look.kind.id_name
    limits = {f">{name}": look.after, **({} if look.upto is None else {f"<={name}": look.upto})}
    given = {key: value for key, value in look.params.items() if key != "filter"}
    condition = {**look.params.get("filter", {}), **limits}
    return Command(look.kind.list_method, {**given, shape.filter: condition, **shape.ascending, "start": -1})


class _Range(t.NamedTuple):
    """Ids above `after`, not above `upto`, of which the store has `known`."""

    kind: Kind
    after: int
    upto: int
    known: int
    #: The other half of a range of which the portal has `together`; it is not counted itself.
    sibling: t.Any = None
    together: int = 0


_T = t.TypeVar("_T")


def _portions(all_: t.Iterable[_T], size: int) -> t.Iterator[list[_T]]:
    some: list[_T] = []
    for each in all_:
        some.append(each)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def _instant(moment: str) -> float:
    return kinds.instant(moment) or 0.0


def _earlier(moment: str, seconds: float) -> str:
    at = datetime.datetime.fromisoformat(moment.replace("Z", "+00:00")) - datetime.timedelta(seconds=seconds)
    return at.isoformat(timespec="seconds")

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of any length, by id: what is deleted or added while they are read moves nothing.

Pages are asked for in batches. Where ids are dense, a page is a window of 50 ids: it cannot hold more than a portal
gives at once, and the next batch is under way while this one is read. Where they are sparse, a page begins behind the
last row of the page before it, by `$result[…]`, so that each is full.

Rows come one by one from the bytes that arrive, in the order of their ids. Where an answer ends early, or a command of
it fails, the walk goes on behind the last row that it has given.
"""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import (
    Answer,
    Outcome,
    RestError,
    Unanswered,
    refusal,
)
from ansible_collections.boxlift.portal.plugins.module_utils.crm.batches import BatchAnswer
from ansible_collections.boxlift.portal.plugins.module_utils.crm.commands import MOST, Command, text_of
from ansible_collections.boxlift.portal.plugins.module_utils.crm.stream import JsonStream
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

PAGE = 50  # rows that a portal gives at once
PROBE = 4  # pages of the first request: enough to see how dense ids are, and little where there are few rows
DENSE = 0.9  # part of the ids that exist, above which windows need hardly more commands than full pages
AHEAD = 1  # batches that are under way while one is read
READINGS = 5  # of a list without ids, until it has not changed meanwhile
Row = dict[str, t.Any]


class Shape(t.NamedTuple):
    """How a list names its rows' ids, where in the result it has its rows, and how it is put into order."""

    id: str = "ID"
    rows: str = ""
    ascending: t.Mapping[str, t.Any] = {"order": {"ID": "ASC"}}
    descending: t.Mapping[str, t.Any] = {"order": {"ID": "DESC"}}
    filter: str = "filter"


SHAPES = {
    "crm.item.list": Shape("id", "items", {"order": {"id": "ASC"}}, {"order": {"id": "DESC"}}),
    "crm.item.productrow.list": Shape("id", "productRows", {"order": {"id": "ASC"}}, {"order": {"id": "DESC"}}),
    "crm.stagehistory.list": Shape("ID", "items"),
    "voximplant.statistic.get": Shape(
        "ID", "", {"SORT": "ID", "ORDER": "ASC"}, {"SORT": "ID", "ORDER": "DESC"}, "FILTER"
    ),
}
#: Lists that cannot be asked for what is behind an id, with what makes their order certain.
BY_OFFSET: dict[str, t.Mapping[str, t.Any]] = {
    "crm.category.list": {},
    "crm.status.list": {"order": {"SORT": "ASC"}},
    "crm.type.list": {"order": {"id": "ASC"}},
    "department.get": {"sort": "ID", "order": "ASC"},
    "user.get": {"sort": "ID", "order": "ASC"},
    "user.search": {"sort": "ID", "order": "ASC"},
}


class Asked(t.Protocol):
    """A request under way."""

    def drop(self) -> None: ...


class Reply(t.Protocol):
    """An answer whose body can be read."""

    def read(self, size: int) -> bytes: ...

    def finish(self) -> None: ...

    def drop(self) -> None: ...


class Patience(t.Protocol):
    """How often something is tried again."""

    def heed(self, error: Exception) -> None:
        """Wait before the next try; raises what is final."""

    def fresh(self) -> None:
        """It went on: what failed before counts no more."""


class Portal(t.Protocol):
    """What a walk needs of `Rest`."""

    passing: tuple[type[Exception], ...]

    def call(self, method: str, params: t.Mapping[str, t.Any] | None = None, *, repeat: bool = True) -> Answer: ...

    def batch(self, commands: t.Sequence[Command], *, repeat: bool = True, halt: bool = False) -> list[Outcome]: ...

    def ask(self, method: str, params: t.Mapping[str, t.Any], methods: t.Collection[str], reading: bool) -> t.Any: ...

    def ready(self, methods: t.Collection[str]) -> bool: ...

    def reply(self, asked: t.Any, method: str) -> t.Any: ...

    def worked(self, method: str, time: t.Any) -> None: ...

    def patience(self, repeat: bool) -> Patience: ...


def rows(rest: Portal, method: str, params: t.Mapping[str, t.Any], after: int, upto: int | None) -> t.Iterator[Row]:
    """All rows with ids above `after`, up to `upto`. What is added while they are read may come, too.

    Raises RestError, Denied or Unanswered; BoxliftError where the list does not keep to ids.
    """
    if method in BY_OFFSET:
        return _by_offset(rest, method, params, after, upto)
    return _Walk(rest, method, params, after, upto).rows()


class _Page(t.NamedTuple):
    """One command: ids above `above` (None: above the page before), up to `upto` (None: to the end)."""

    above: int | None
    upto: int | None


class _Walk:
    def __init__(self, rest: Portal, method: str, params: t.Mapping[str, t.Any], after: int, upto: int | None) -> None:
        self._rest, self._method, self._limit = rest, method, upto
        self._shape = shape = SHAPES.get(method, Shape())
        given = {key: value for key, value in params.items() if key.lower() not in ("order", "start", "sort")}
        self._filter = next((key for key in given if key.lower() == "filter"), shape.filter)
        if not given.get(self._filter):
            given.pop(self._filter, None)
        selected = next((key for key in given if key.lower() == "select"), "")
        if selected and not {shape.id, "*"} & set(given[selected]):
            given[selected] = [*given[selected], shape.id]
        self._text = text_of(Command(method, {**given, **shape.ascending, "start": -1}))
        last = {**{key: value for key, value in given.items() if key != selected}, **shape.descending, "start": -1}
        self._last_text = text_of(Command(method, {**last, selected or "select": [shape.id]}))
        path = [shape.rows, str(PAGE - 1), shape.id] if shape.rows else [str(PAGE - 1), shape.id]
        self._reference = "".join(f"[{part}]" for part in path)
        self.given = after  # every row up to this id has been given
        self._planned = after  # up to this id, pages are asked for
        self._end: int | None = None  # the greatest id when the walk began
        self._open = False  # a page without an end is asked for
        self._over = False
        self._well = True  # the last answer was a whole one
        self._dense = False
        self._density = 1.0
        self._resolved = True  # the portal knows $result
        self._ahead: collections.deque[tuple[list[_Page], t.Any]] = collections.deque()

    def rows(self) -> t.Iterator[Row]:
        patience = self._rest.patience(True)
        try:
            while not self._over:
                before = self.given
                try:
                    self._fill()
                    yield from self._batch()
                    patience.fresh()
                    self._well = True
                except self._rest.passing as error:
                    self._forget()
                    self._well = False
                    if self.given > before:
                        patience.fresh()
                    patience.heed(error)
        finally:
            self._forget()

    def _fill(self) -> None:
        """Have the next batch under way, and those ahead of it that would not have to wait."""
        while len(self._ahead) <= AHEAD:
            if self._ahead and not (self._dense and self._well and self._rest.ready([self._method])):
                return
            pages = self._plan()
            if not pages:
                return
            commands = {f"p{number}": self._command(number, page) for number, page in enumerate(pages)}
            if self._end is None:
                commands = {"last": self._limited(self._last_text, self.given, self._limit), **commands}
            asked = self._rest.ask("batch", {"halt": 0, "cmd": commands}, [self._method], True)
            self._ahead.append((pages, asked))

    def _forget(self) -> None:
        """What is under way is not wanted."""
        for _pages, asked in self._ahead:
            asked.drop()
        self._ahead.clear()
        self._planned, self._open = self.given, False

    def _plan(self) -> list[_Page]:
        if self._end is None:
            return [_Page(self.given, None), *[_Page(None, None)] * (PROBE - 1)]
        if not self._dense:
            left = max(0, self._end - self.given) * self._density / PAGE
            number = min(MOST, int(left * 1.1) + 1) if self._resolved else 1
            return [_Page(self.given, None), *[_Page(None, None)] * (number - 1)]
        pages: list[_Page] = []
        while len(pages) < MOST and not self._open:
            upto = self._planned + PAGE
            self._open = upto > self._end  # with what has been added meanwhile
            pages.append(_Page(self._planned, None if self._open else upto))
            self._planned = upto
        return pages

    def _command(self, number: int, page: _Page) -> str:
        above = f"$result[p{number - 1}]{self._reference}" if page.above is None else page.above
        return self._limited(self._text, above, self._limit if page.upto is None else page.upto)

    def _limited(self, text: str, above: int | str, upto: int | None) -> str:
        name = self._shape.id
        text += f"&{self._filter}[%3E{name}]={above}"  # a reference as the vendor's examples have it, not quoted
        return text if upto is None else f"{text}&{self._filter}[%3C%3D{name}]={upto}"

    def _batch(self) -> t.Iterator[Row]:
        """The rows of the batch that was asked for first."""
        pages, asked = self._ahead.popleft()
        before, found, first = self.given, 0, 0
        reply = self._rest.reply(asked, "batch")
        stream, about = JsonStream(reply.read), BatchAnswer()
        expected = 0
        broken = False
        try:
            for key in about.read(stream):
                if key == "last":
                    self._end = max([self.given, *(self._number(row) for row in self._page(stream))])
                elif broken or self._over or key != f"p{expected}":
                    broken = broken or not self._over
                    stream.skip()
                else:
                    page, count = pages[expected], 0
                    above, upto = self.given, page.upto
                    for row in self._page(stream):
                        number = self._number(row)
                        if number <= above or (upto is not None and number > upto):
                            if count == 0 and page.above is None and number <= above:
                                broken, self._resolved = True, False
                            if not broken:
                                raise self._not_by_id()
                            continue
                        first = first or number
                        above = self.given = number
                        count += 1
                        yield row
                    if broken:
                        continue
                    found += count
                    expected += 1
                    if upto is not None:
                        self.given = upto
                    elif count < PAGE:
                        self._over = True
            reply.finish()
        except BaseException:
            reply.drop()
            raise
        finally:
            for time in about.times.values():
                self._rest.worked(self._method, time)
        if not self._over and expected < len(pages) and self._resolved:
            raise self._failure(about, f"p{expected}")
        if self._end is None:
            if "last" in about.errors and not self._over:
                raise self._failure(about, "last")
            self._end = self.given
        # Of a window all its ids count, of full pages only those between their rows.
        span = self.given - (before if self._dense else first - 1)
        self._density = found / span if span > 0 else 1.0
        self._choose()

    def _choose(self) -> None:
        """Windows or full pages for what comes next; what is under way stays."""
        dense = self._density >= DENSE
        if dense and not self._dense:
            self._planned, self._open = self.given, False
        if self._dense and self._open and not self._ahead and not self._over:
            dense = False  # the page without an end was full
        self._dense = dense

    def _page(self, stream: JsonStream) -> t.Iterator[Row]:
        """The rows of the result that comes."""
        if stream.peek() == "[":
            yield from stream.values()
            return
        for key in stream.members():
            if key == self._shape.rows and stream.peek() == "[":
                yield from stream.values()
            else:
                stream.skip()

    def _number(self, row: t.Any) -> int:
        try:
            return int(row[self._shape.id])
        except (TypeError, KeyError, ValueError):
            raise self._not_by_id() from None

    def _failure(self, about: BatchAnswer, key: str) -> Exception:
        error = about.errors.get(key)
        if error is None:
            return Unanswered(f"{self._method}: the answer lacks one of its commands.")
        return refusal(self._method, 200, error if isinstance(error, dict) else {"error": str(error)})

    def _not_by_id(self) -> BoxliftError:
        return RestError(
            f"{self._method} does not list by {self._shape.id}: it gives other rows than those asked for.",
            "See whether the portal, or what stands before it, changes requests.",
            code="NOT_BY_ID",
            status=200,
        )


def _by_offset(
    rest: Portal, method: str, params: t.Mapping[str, t.Any], after: int, upto: int | None
) -> t.Iterator[Row]:
    """A list that is read by offsets, again where it has changed meanwhile: rows would be missed."""
    lower = {key.lower() for key in params}
    given = {**{key: value for key, value in BY_OFFSET[method].items() if key not in lower}, **params}
    for _reading in range(READINGS):
        first = rest.call(method, {**given, "start": 0})
        answers = [first]
        starts = range(first.next or 0, first.total or 0, first.next or PAGE) if first.next else ()
        for outcome in rest.batch([Command(method, {**given, "start": start}) for start in starts]):
            if not isinstance(outcome, Answer):
                raise outcome
            answers.append(outcome)
        found = [row for answer in answers for row in _listed(answer.result)]
        totals = {answer.total for answer in answers if answer.total is not None}
        ids = [_id_of(row) for row in found]
        known = [number for number in ids if number is not None]
        if len(totals) <= 1 and totals <= {len(found)} and len(set(known)) == len(known):
            for row, number in zip(found, ids):
                if number is None or ((not after or number > after) and (upto is None or number <= upto)):
                    yield row
            return
    raise Unanswered(f"{method}: the list changed each of the {READINGS} times that it was read.", "Run again.")


def _listed(result: t.Any) -> list[Row]:
    """The rows of a list's result: itself, or the list within it."""
    if isinstance(result, dict):
        return next((value for value in result.values() if isinstance(value, list)), [])
    return result if isinstance(result, list) else []


def _id_of(row: t.Any) -> int | None:
    value = (row.get("ID") or row.get("id")) if isinstance(row, dict) else None
    return int(value) if isinstance(value, (int, str)) and str(value).isdigit() else None

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes from a source into a part: one segment, the whole part, or a look whether the source has the same bytes."""

from __future__ import annotations

import contextlib
import threading
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import looks_like_html
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import Kind
from ansible_collections.boxlift.portal.plugins.module_utils.download.bandwidth import BandwidthLimit
from ansible_collections.boxlift.portal.plugins.module_utils.download.partial import PartialFile
from ansible_collections.boxlift.portal.plugins.module_utils.download.retry import Asking, Rebuilt, Stopped
from ansible_collections.boxlift.portal.plugins.module_utils.download.sources import Source, Sources
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.response import (
    UNKNOWN,
    Body,
    HttpRefused,
    Interrupted,
    Unusable,
)


class Compared(t.NamedTuple):
    """Whether the source had other bytes, how many came, and whether that was the whole part (no ranges)."""

    differs: bool
    bytes: int
    whole: bool


class Events(t.Protocol):
    """Who hears of what happens; from any thread."""

    def received(self, size: int) -> None:
        """Bytes have come."""

    def opened(self, part: PartialFile) -> None:
        """The part's length is known, and its source gives out ranges."""

    def page(self, part: PartialFile) -> None:
        """An HTML page came instead of the part."""


class Transfer:
    """Safe to use from several threads."""

    def __init__(
        self,
        sources: Sources,
        kind: Kind,
        pace: BandwidthLimit,
        asking: Asking,
        events: Events,
    ) -> None:
        self._sources = sources
        self._kind = kind
        self._pace = pace
        self._asking = asking
        self._events = events
        self._lock = threading.Lock()
        self._whole: set[int] = set()  # parts that come as a whole, each by one thread

    def segments(self, part: PartialFile, number: int, count: int, worker: int) -> bool:
        """Fetch `count` segments from `number` on, from a source without ranges the whole part. False: none has it.

        Nothing is done where another thread fetches the whole part already. Raises Rebuilt.
        """
        at, mine = part.bounds(number)[0], False
        end = number + count - 1

        def attempt(source: Source) -> bool:
            nonlocal at, mine, number
            if not mine:
                try:
                    with self._asked(part, source, at, part.bounds(end)[1]) as body:
                        if body.ranged and body.total != UNKNOWN:
                            self._meet(part, source, body)
                            self._events.opened(part)
                            for chunk in self._chunks(part, body):
                                part.write(at, chunk)
                                at += len(chunk)
                                while number <= end and at > part.bounds(number)[1]:
                                    part.finish(number)
                                    number += 1
                            if number <= end:
                                raise Interrupted("the answer was shorter than asked for", moved=True)
                            return True
                        mine = self._claim(part)
                        if mine and not body.ranged:
                            self._pour(part, source, body)
                            return True
                except Unusable:
                    self._release(part, mine)
                    mine = False  # a page says nothing about ranges
                    raise
                except HttpRefused as error:
                    if error.status != 416 or part.total != UNKNOWN:
                        raise
                    mine = self._claim(part)  # an empty file has no ranges
            if mine:
                with self._asked(part, source) as body:
                    self._pour(part, source, body)
            return True

        try:
            return self._asking.ask(part, lambda without: self._sources.pick(worker, without), attempt) is not None
        finally:
            self._release(part, mine)

    def compare(self, part: PartialFile, first: int, last: int, source: Source) -> Compared | None:
        """Fetch these bytes again and put them where the part has others. None: the source fails. Raises Rebuilt."""
        at, got, differs = first, 0, False

        def attempt(asked: Source) -> Compared:
            nonlocal at, got, differs
            with self._asked(part, asked, at, last) as body:
                if not body.ranged:
                    at = 0
                met = False
                for chunk in self._chunks(part, body):
                    if not met:
                        if not body.ranged:
                            self._refuse_page(part, body, chunk)
                        self._meet(part, asked, body)
                        met = True
                    if part.read(at, len(chunk)) != chunk:
                        part.write(at, chunk)
                        differs = True
                    at += len(chunk)
                    got += len(chunk)
                part.sync()
                if body.ranged and at <= last:
                    raise Interrupted("the answer was shorter than asked for", moved=True)
                return Compared(differs, got, not body.ranged)

        return self._asking.ask(part, lambda without: None if source.left or source in without else source, attempt)

    def beginning(self, part: PartialFile, size: int) -> bytes | None:
        """The first bytes of what the source has now, none if its version tells that it is what we have.

        None where it has no such part. Raises Rebuilt.
        """

        def attempt(source: Source) -> bytes:
            content = b""
            with self._asked(part, source, 0, size - 1) as body:
                known = part.validators.get(source.host)
                for chunk in body.chunks:
                    if not content:
                        if not body.ranged:
                            self._refuse_page(part, body, chunk)
                        self._meet(part, source, body)
                        if known and body.validator:
                            return b""
                    content += chunk
                    if len(content) >= size:
                        break
            return content[:size]

        return self._asking.ask(part, lambda without: self._sources.pick(0, without), attempt)

    @contextlib.contextmanager
    def _asked(self, part: PartialFile, source: Source, first: int = 0, last: int | None = None) -> t.Iterator[Body]:
        version = part.validators.get(source.host, "")
        body = self._sources.get(source, part.index, first, last, version, self._pace.step(), sized=False)
        try:
            yield body
        finally:
            body.close()

    def _meet(self, part: PartialFile, source: Source, body: Body) -> None:
        """The first answer says how long the part is and what version; every later one must say the same."""
        with self._lock:
            if part.total == UNKNOWN:
                part.begin(body.total, source.host, body.validator)
                return
            known = part.validators.get(source.host)
            if known and body.validator and known != body.validator:
                body.close()
                if self._sources.is_fickle(source, part.index):
                    raise Interrupted("its version changes with each request, and tells nothing", moved=True)
                raise Rebuilt("its version is another than before", "other")
            if body.total not in (UNKNOWN, part.total):
                if known is None and part.validators:
                    raise BoxliftError(
                        f"{source.host} has {part.name} with {body.total} bytes, and {', '.join(part.validators)} "
                        f"with {part.total}: they do not hold the same backup.",
                        "Give only sources of the same backup, and an empty directory in dest for another one.",
                        part=part.name,
                    )
                version = "same" if known and body.validator else "unknown"
                raise Rebuilt(f"it has {body.total} bytes now and had {part.total}", version)
            part.validators.setdefault(source.host, body.validator)

    def _pour(self, part: PartialFile, source: Source, body: Body) -> None:
        """The whole part, from its beginning. Where it breaks off, it has moved if it came further than ever."""
        at = number = 0
        try:
            for chunk in self._chunks(part, body):
                if not at:
                    self._refuse_page(part, body, chunk)
                    self._meet(part, source, body)
                part.write(at, chunk)
                at += len(chunk)
                while number < len(part.numbers()) and at > part.bounds(number)[1]:
                    part.finish(number)
                    number += 1
        except Interrupted as error:
            error.moved, part.furthest = at > part.furthest, max(at, part.furthest)
            raise
        if not at:
            self._meet(part, source, body)
        if part.total == UNKNOWN:
            part.settle(at)
        elif at != part.total:
            raise Rebuilt(f"it has {at} bytes now and had {part.total}")

    def _refuse_page(self, part: PartialFile, body: Body, head: bytes) -> None:
        """A login or error page. In a part without compression a file's own text may stand at the beginning."""
        if looks_like_html(head[:64]) and (self._kind.compressed or body.total % 512):
            self._events.page(part)
            raise Unusable("the source answers with an HTML page instead of the part")

    def _chunks(self, part: PartialFile, body: Body) -> t.Iterator[bytes]:
        moved = False
        try:
            for chunk in body.chunks:
                if self._asking.stopped.is_set():
                    raise Stopped
                self._pace.take(len(chunk))
                self._events.received(len(chunk))
                yield chunk
                moved = True
        except Interrupted as error:
            error.moved = moved
            raise

    def _claim(self, part: PartialFile) -> bool:
        """Whether this thread is the one that fetches the whole part."""
        with self._lock:
            if part.index in self._whole or part.complete:
                return False
            self._whole.add(part.index)
            return True

    def _release(self, part: PartialFile, mine: bool) -> None:
        if mine:
            with self._lock:
                self._whole.discard(part.index)

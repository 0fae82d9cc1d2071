# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves one part by itself, so that all parts can be proven at the same time.

A part need not begin with a header, because an entry may straddle parts. The scan therefore searches for the first
place from which headers chain to the part's end. `continuity` compares this place with what the part before leaves
open. File content that looks like headers can mislead the search; then the part is walked again from the right place.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import HEADER_SIZE, Cipher, WrongPassword
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.inflate import Marker
from ansible_collections.boxlift.portal.plugins.module_utils.archive.names import placed_name
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import Kind, PartFiles
from ansible_collections.boxlift.portal.plugins.module_utils.archive.safety import (
    LONGEST_COMPONENT,
    excluded,
    refusal,
)
from ansible_collections.boxlift.portal.plugins.module_utils.archive.stream import PartStream, Progress, backup_cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import (
    BLOCK,
    Entry,
    Sink,
    State,
    TarFault,
    Walker,
    parse_header,
)

DUMP_NAME = re.compile(rb"^bitrix/backup/(?P<base>[^/]+)\.sql(?:\.(?P<index>[0-9]+))?$")
_DUMP_FOLDER = b"bitrix/backup/"
AFTER_CONNECT = b"_after_connect.sql"
# Findings that are named one by one: a hostile archive may hold millions.
MOST_NAMED = 20
MOST_DUMPS = 10_000  # the largest dump known has hundreds of volumes
TAIL = 160
_KEPT = TAIL + BLOCK  # enough to hold a content's last bytes before its padding


@dataclasses.dataclass
class DumpFile:
    """A volume of the database dump in the archive; `tail` is its last bytes, at most `TAIL`."""

    path: bytes
    size: int
    tail: bytes


def dump_index(path: bytes) -> int:
    """The number of a dump's volume: 0 for `base.sql`, 2 for `base.sql.2`."""
    return int(path.rpartition(b".sql")[2].lstrip(b".") or 0)


def in_dump(path: bytes) -> bool:
    """True for the dump's volumes, and for the file of statements that the portal runs at each connection."""
    return path.startswith(_DUMP_FOLDER) and DUMP_NAME.match(path) is not None


def is_dump(path: bytes) -> bool:
    return in_dump(path) and not path.endswith(AFTER_CONNECT)


@dataclasses.dataclass
class Tally:
    """What a walk counted, in entries and bytes; `dump_entries` are those of the dump that begin in this part.

    What `exclude` names (safety.excluded) is never placed, so nothing about its name counts. `odd_entries` have names
    that no disk holds, each with the name that it is placed under.
    """

    files: int = 0
    directories: int = 0
    content: int = 0
    dump_entries: int = 0
    refused: int = 0
    unsafe_entries: list[tuple[bytes, str]] = dataclasses.field(default_factory=list)  # the first of the refused ones
    odd: int = 0
    odd_entries: list[tuple[bytes, bytes]] = dataclasses.field(default_factory=list)  # the first of them
    dumps: list[DumpFile] = dataclasses.field(default_factory=list)
    open_tail: bytes = b""
    exclude: list[str] = dataclasses.field(default_factory=list)
    _dump: bool = False

    def begin(self, entry: Entry) -> None:
        if entry.is_directory:
            self.directories += 1
        else:
            self.files += 1
            self.content += entry.size
        reason = refusal(entry.path)
        if reason and not excluded(entry.path, self.exclude):
            self._refuse([(entry.path, reason)], 1)
        elif not reason and len(entry.path) > LONGEST_COMPONENT:
            self._look_at_length(entry.path)
        self._dump = False
        if in_dump(entry.path):
            self.dump_entries += 1
            self._dump = is_dump(entry.path)
        self.open_tail = b""

    def data(self, content: memoryview) -> None:
        if self._dump:
            self.open_tail = (self.open_tail + bytes(content[-TAIL:]))[-TAIL:]

    def end(self, entry: Entry) -> None:
        if self._dump:
            self.add_dump(DumpFile(entry.path, entry.size, self.open_tail))

    def add(self, other: Tally) -> None:
        """Add another part's counts. The lists are bounded, whatever a hostile archive holds."""
        self.files += other.files
        self.directories += other.directories
        self.content += other.content
        self._refuse(other.unsafe_entries, other.refused)
        self._note_odd(other.odd_entries, other.odd)
        for dump in other.dumps:
            self.add_dump(dump)

    def add_dump(self, dump: DumpFile) -> None:
        if len(self.dumps) < MOST_DUMPS:
            self.dumps.append(dump)
        else:
            self._refuse([(dump.path, f"it is the dump's volume number {MOST_DUMPS + 1} or a later one")], 1)

    def _refuse(self, entries: list[tuple[bytes, str]], count: int) -> None:
        self.refused += count
        self.unsafe_entries += entries[: MOST_NAMED - len(self.unsafe_entries)]

    def _look_at_length(self, path: bytes) -> None:
        if max(map(len, path.split(b"/"))) > LONGEST_COMPONENT and not excluded(path, self.exclude):
            self._note_odd([(path, placed_name(path))], 1)

    def _note_odd(self, entries: list[tuple[bytes, bytes]], count: int) -> None:
        self.odd += count
        self.odd_entries += entries[: MOST_NAMED - len(self.odd_entries)]

    def unsafe(self, path: bytes, reason: str) -> None:
        self.files += 1
        if not excluded(path, self.exclude):
            self._refuse([(path, reason)], 1)

    def resume(self, state: State, tail: bytes) -> None:
        """Take over an entry that began in an earlier part."""
        self._dump = state.entry is not None and is_dump(state.entry.path)
        self.open_tail = tail


class Companion(Sink, t.Protocol):
    """Uses a part's entries while they are proven, and takes all of it back where the walk turns out wrong."""

    def lead(self, content: memoryview) -> None:
        """Content before the part's first header; given only where the place of that header is known."""

    def withdraw(self) -> None:
        """The walk was misled or the part is damaged: what was given is void, and nothing more is given."""


class _Both:
    """Gives everything to the tally and to the companion."""

    def __init__(self, tally: Tally, companion: Companion) -> None:
        self._tally = tally
        self._companion = companion

    def begin(self, entry: Entry) -> None:
        self._tally.begin(entry)
        self._companion.begin(entry)

    def data(self, content: memoryview) -> None:
        self._tally.data(content)
        self._companion.data(content)

    def end(self, entry: Entry) -> None:
        self._tally.end(entry)
        self._companion.end(entry)

    def unsafe(self, path: bytes, reason: str) -> None:
        self._tally.unsafe(path, reason)
        self._companion.unsafe(path, reason)


@dataclasses.dataclass
class Walk:
    """What a walk over one part's stream found.

    `first` is the offset of its first header (None: the part holds only content), `fault` the last place where the
    chain broke. If the start was searched for and there is a fault, the walk is void: it may have been misled.
    """

    first: int | None
    state: State
    tally: Tally
    fault: TarFault | None = None
    lead: bytes = b""  # the last bytes before `first`
    end: bytes = b""  # the part's last bytes
    blank_at: int | None = None  # offset from which all blocks to the part's end are blank


@dataclasses.dataclass
class PartScan:
    index: int
    name: str
    size: int = 0
    data_size: int = 0
    sha256: str = ""
    fault: PartFault | None = None
    marker: Marker | None = None
    styles: frozenset[bytes] = frozenset()
    walk: Walk | None = None
    has_cipher_header: bool = False
    # Of parts that somebody joined to this file: where each begins, bytes that it states, bytes that it holds.
    joined: list[list[int]] = dataclasses.field(default_factory=list)

    def size_fault(self) -> PartFault | None:
        """The fault if the part's size differs from its size field, which is 32 bits wide and wraps at 4 GiB."""
        if self.fault or self.marker is None:
            return None
        if len(self.joined) > 1:
            return self._joined_fault(self.marker)
        if self.data_size % 2**32 == self.marker.data_size:
            return None
        if not self.marker.closed:
            return PartFault("unclosed", "its writer did not finish this part", 18)
        if self.data_size < self.marker.data_size:
            return PartFault("truncated", f"holds {self.data_size} of {self.marker.data_size} bytes", self.size)
        return PartFault("corrupt", f"holds {self.data_size} bytes and states {self.marker.data_size}", 18)

    @property
    def last_index(self) -> int | None:
        """The number of the last part, as the first one states it: none where this file holds them all, joined."""
        if self.marker is None or self.marker.last_index is None or self.marker.last_index + 1 == len(self.joined):
            return None
        return self.marker.last_index

    def _joined_fault(self, marker: Marker) -> PartFault | None:
        """A file of joined parts is whole where it holds all parts of the backup, in their order."""
        count = len(self.joined)
        begins = ", ".join(str(begin) for begin, _stated, _held in self.joined[:MOST_NAMED])
        said = f"this file holds {count} joined parts, which begin at the bytes {begins}"
        for number, (begin, stated, held) in enumerate(self.joined):
            if held % 2**32 != stated:
                return PartFault("truncated", f"{said}; number {number + 1} holds {held} of {stated} bytes", begin)
        if self.index or marker.last_index is None or marker.last_index + 1 != count:
            return PartFault("foreign", f"{said}: cut it there, and give each part its own name", self.joined[1][0])
        if len({stated for _begin, stated, _held in self.joined[:-1]}) > 1:
            return PartFault("out_of_order", f"{said}, in another order than that of their numbers", self.joined[1][0])
        return None


def cipher_of(parts: PartFiles, password: str | None) -> tuple[Cipher | None, PartFault | None]:
    """The cipher that the first part proves, or the fault in its header; both None where only a scan finds the damage.

    Raises WrongPassword where the part is intact; damage alone can look like a wrong password.
    """
    try:
        return backup_cipher(parts, password), None
    except PartFault as fault:
        return None, fault
    except WrongPassword:
        if not scan_file(parts.present[0], parts.name(0), 0, parts.kind).fault:
            raise
        return None, None


def scan_part(
    parts: PartFiles,
    cipher: Cipher | None,
    index: int,
    *,
    start: tuple[State, bytes] | None = None,
    search: bool = False,
    exclude: t.Sequence[str] = (),
    progress: Progress | None = None,
    companion: Companion | None = None,
) -> PartScan:
    """`scan_file` for a part that lies under its own name."""
    return scan_file(
        parts.present[index],
        parts.name(index),
        index,
        parts.kind,
        cipher,
        start=start,
        search=search,
        exclude=exclude,
        progress=progress,
        companion=companion,
    )


def scan_file(
    path: str,
    name: str,
    index: int,
    kind: Kind,
    cipher: Cipher | None = None,
    *,
    start: tuple[State, bytes] | None = None,
    first: int | None = None,
    search: bool = False,
    exclude: t.Sequence[str] = (),
    progress: Progress | None = None,
    companion: Companion | None = None,
) -> PartScan:
    """Read one part to its end and prove what can be proven without the others. Faults are in the result, not raised.

    `start` is the state that the part before left, with the tail of an open dump; `first` is the offset of the first
    header, where only that is known. Without them the start is searched for; with `search`, in the first part too.
    An encrypted part is not walked without a cipher. `exclude`: see `Tally`.
    """
    scan = PartScan(index, name)
    stream = PartStream(path, kind, cipher, progress)
    known_start = start is not None or (index == 0 and not search)
    skip = HEADER_SIZE if known_start and kind.encrypted and index == 0 else 0
    walker = _PartWalker(start, skip, known_start, first, companion, exclude)
    readable = cipher is not None or not kind.encrypted
    try:
        for number, chunk in enumerate(stream.chunks()):
            if readable:
                walker.feed(chunk)
            if number == 0 and not cipher:
                scan.has_cipher_header = chunk[100:121] == b"Bitrix Encrypted File"
    except PartFault as fault:
        scan.fault = fault
        stream.drain()
    scan.size, scan.data_size, scan.sha256 = stream.size, stream.data_size, stream.sha256
    scan.marker, scan.styles = stream.inflater.marker, frozenset(stream.inflater.styles)
    scan.joined = stream.inflater.joined if len(stream.inflater.joined) > 1 else []
    if readable:
        scan.walk = walker.result()
    if companion is not None and (scan.fault or scan.size_fault() or scan.walk is None):
        companion.withdraw()
    return scan


class _PartWalker:
    """Walks from a known start to the first fault, or searches for a chain of headers, after a break for the next."""

    def __init__(
        self,
        start: tuple[State, bytes] | None,
        skip: int,
        known_start: bool,
        expected: int | None,
        companion: Companion | None,
        exclude: t.Sequence[str],
    ) -> None:
        self._exclude = list(exclude)
        self._known_start = known_start
        self._expected = expected
        self._companion = companion
        self._skip = skip
        self._offset = 0  # of the next chunk in the part's stream
        self._kept = b""
        self._first: int | None = None
        self._lead = b""
        self._fault: TarFault | None = None
        self._tally = Tally(exclude=self._exclude)
        self._walker: Walker | None = None
        if known_start:
            state, tail = start or (State(), b"")
            self._tally.resume(state, tail)
            self._walker = Walker(self._sink(), state, skip)
            self._first = skip

    def feed(self, chunk: bytes | memoryview) -> None:
        view = memoryview(chunk)
        if self._skip:
            view, self._offset, self._skip = view[self._skip :], self._skip, 0
        position = 0
        while position < len(view):
            if self._walker is None:
                if self._fault and (self._known_start or self._expected is not None):
                    break
                position = self._approach(view) if self._expected is not None else self._search(view, position)
                continue
            try:
                self._walker.feed(view[position:])
                position = len(view)
            except TarFault as fault:
                # Zeros are reported where they begin, which may be behind us.
                position = max(position, fault.offset - self._offset) + BLOCK
                self._fault, self._walker = fault, None
                if self._companion is not None:
                    self._companion.withdraw()
        self._offset += len(view)
        self._kept = (self._kept + bytes(view[-_KEPT:]))[-_KEPT:]

    def _approach(self, view: memoryview) -> int:
        """Pass over what lies before the expected first header; returns the position after it."""
        at = min(t.cast(int, self._expected) - self._offset, len(view))
        if self._companion is not None and at:
            self._companion.lead(view[:at])
        if at < len(view):
            self._begin(view, at)
        return at

    def _search(self, view: memoryview, position: int) -> int:
        for at in range(position, len(view) - BLOCK + 1, BLOCK):
            # A header of this dialect is NUL behind its type; almost no content is.
            if view[at + 156] in b"05L" and not view[at + 157] and parse_header(bytes(view[at : at + BLOCK])):
                self._begin(view, at)
                return at
        return len(view)

    def _begin(self, view: memoryview, at: int) -> None:
        """The first header lies at `at`."""
        self._first = self._offset + at
        self._lead = (self._kept + bytes(view[max(0, at - _KEPT) : at]))[-_KEPT:]
        self._tally = Tally(exclude=self._exclude)
        self._walker = Walker(self._sink(), None, self._first)

    def _sink(self) -> Sink:
        return _Both(self._tally, self._companion) if self._companion is not None else self._tally

    def result(self) -> Walk:
        state = self._walker.state() if self._walker else State()
        first = self._first if self._walker or self._known_start else None
        blank_at = self._walker.blank_at if self._walker else None
        return Walk(first, state, self._tally, self._fault, self._lead, self._kept, blank_at)


def content_tail(previous: bytes, kept: bytes, padding: int) -> bytes:
    """The last bytes of a content that began earlier; `kept` ends with `padding` bytes that are not content."""
    return (previous + kept[: len(kept) - padding])[-TAIL:]

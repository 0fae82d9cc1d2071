# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The writer's tar dialect, read as a stream (docs/archive-format.md, section 2).

Types are `0` file, `5` directory and `L` long name, nothing else. There is no end-of-archive mark. A part may end
within an entry, also between a long name and its header, but never within a 512-byte block.
"""

from __future__ import annotations

import dataclasses
import re
import struct
import typing as t
import zlib

BLOCK = 512
_ZEROS = bytes(BLOCK)
_FIELDS = struct.Struct("100s 8s 16x 12s 12s 8s c")  # name, mode, size, mtime, checksum, type
_HEAD = _FIELDS.size  # 157: a header of this dialect ends with its type
_PADDING = bytes(BLOCK - _HEAD)
_OCTAL = re.compile(rb"^ *([0-7]*)[ \0]*$")
_LONGEST_NAME = 4096
_LONGEST_END = 20 * BLOCK


class TarFault(Exception):
    """The stream is not what the writer makes. `offset` counts from the beginning of the walker's stream."""

    def __init__(self, reason: str, offset: int, in_place: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        # True if the block is a damaged header: still recognisable, or zeroed.
        self.in_place = in_place

    def __reduce__(self) -> tuple[t.Any, ...]:
        return TarFault, (self.reason, self.offset, self.in_place)


class Entry(t.NamedTuple):
    """A file or directory; `offset` is that of its first header, the long name's where there is one."""

    path: bytes
    is_directory: bool
    size: int
    mode: int
    mtime: int
    offset: int

    @property
    def text(self) -> str:
        """The name for people: UTF-8, else cp1251, else escaped."""
        return decode_name(self.path)


def decode_name(raw: bytes) -> str:
    """Decide per name, not per archive: strict UTF-8, else cp1251: some archives hold both.

    Each component of a path is a name of its own: a cp1251 file may lie in a folder with a UTF-8 name.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return "/".join(map(_decode_component, raw.split(b"/")))


def _decode_component(raw: bytes) -> str:
    for encoding in ("utf-8", "cp1251"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def printable(raw: bytes) -> str:
    """A name that cannot spoil a terminal or a log line."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in decode_name(raw))


class Header(t.NamedTuple):
    name: bytes
    type: bytes
    size: int
    mode: int
    mtime: int


def parse_header(block: bytes) -> Header | None:
    """The header in a 512-byte block, or None where its checksum or one of its numbers is wrong."""
    raw, mode_field, size_field, mtime_field, checksum, kind = _FIELDS.unpack_from(block)
    stated = _number(checksum)
    # Adler-32 begins with a plain sum, in C; it is exact as long as that stays below 65521.
    total = zlib.adler32(block[:_HEAD], 0) & 0xFFFF
    if block[_HEAD:] != _PADDING:
        total += sum(block[_HEAD:])
    if stated is None or stated != total - sum(checksum) + 8 * 32:
        return None
    size, mode, mtime = _number(size_field), _number(mode_field), _number(mtime_field)
    if size is None or mode is None or mtime is None:
        return None
    name = raw.split(b"\0", 1)[0]
    if block[257:263] == b"ustar\0":
        prefix = block[345:500].split(b"\0", 1)[0]
        name = prefix + b"/" + name if prefix else name
    return Header(name, kind, size, mode, mtime)


def _number(field: bytes) -> int | None:
    digits = field.rstrip(b"\0")
    if digits.isdigit():  # as the writer does it; other writers pad with blanks
        try:
            return int(digits, 8)
        except ValueError:
            return None
    match = _OCTAL.match(field.split(b"\0", 1)[0])
    return int(match[1] or b"0", 8) if match else None


def resembles_header(block: bytes) -> bool:
    """True for a damaged header: it has a name and a type, and nearly everything after them is NUL."""
    return block[157:].count(0) >= 300 and block[:100].strip(b"\0") != b"" and block[156:157] in b"05L"


@dataclasses.dataclass(frozen=True)
class State:
    """The state of a walk between two blocks, from which it continues in the next part.

    `need` counts the bytes of content and padding still due for the current entry; `data` the content alone.
    """

    need: int = 0
    data: int = 0
    long_name: bytes | None = None
    long_name_due: int = 0
    entry: Entry | None = None

    @property
    def plain(self) -> bool:
        """No long name is waiting for its header."""
        return self.long_name is None and not self.long_name_due


class Sink(t.Protocol):
    """Receives the entries. The views given to `data` are only valid during the call."""

    def begin(self, entry: Entry) -> None: ...

    def data(self, content: memoryview) -> None: ...

    def end(self, entry: Entry) -> None: ...

    def unsafe(self, path: bytes, reason: str) -> None:
        """An entry of a type that is not allowed; its content is passed over if this returns."""


class Walker:
    """Push parser: `feed` takes chunks of any multiple of 512 bytes; state is kept between them.

    Raises TarFault for damage.
    """

    def __init__(self, sink: Sink, state: State | None = None, offset: int = 0) -> None:
        state = state or State()
        self._sink = sink
        self.offset = offset
        self._need = state.need
        self._data = state.data
        self._long_name = state.long_name
        self._long_name_due = state.long_name_due
        self._entry = state.entry
        self._long_offset = offset
        # The writer makes no blank block between entries; GNU tar ends with at most a record of them.
        self.blank_at: int | None = None

    def state(self) -> State:
        return State(self._need, self._data, self._long_name, self._long_name_due, self._entry)

    @property
    def entry(self) -> Entry | None:
        """The entry whose content comes next."""
        return self._entry

    def feed(self, chunk: bytes | memoryview) -> None:
        view = memoryview(chunk)
        position, size = 0, len(view)
        while position < size:
            if self._need:
                step = min(self._need, size - position)
                self._content(view[position : position + step])
                position += step
                self.offset += step
                continue
            block = bytes(view[position : position + BLOCK])
            if len(block) < BLOCK:
                raise TarFault(f"the stream ends with {len(block)} bytes of a block", self.offset)
            if self._long_name_due:
                self._take_long_name(block)
            elif block == _ZEROS and self._long_name is None:
                self._blank()
            else:
                self._header(block)
            position += BLOCK
            self.offset += BLOCK

    def _content(self, piece: memoryview) -> None:
        content = min(self._data, len(piece))
        if content:
            self._sink.data(piece[:content])
            self._data -= content
        self._need -= len(piece)
        if not self._need and self._entry is not None:
            self._sink.end(self._entry)
            self._entry = None

    def _blank(self) -> None:
        if self.blank_at is None:
            self.blank_at = self.offset
        elif self.offset - self.blank_at >= _LONGEST_END:
            raise TarFault("zeros where a header is expected", self.blank_at, in_place=True)

    def _header(self, block: bytes) -> None:
        if self.blank_at is not None:
            raise TarFault("zeros where a header is expected", self.blank_at, in_place=True)
        header = parse_header(block)
        if header is None:
            raise TarFault("a header is expected here and its checksum is wrong", self.offset, resembles_header(block))
        if header.type == b"L":
            if self._long_name is not None or not 0 < header.size <= _LONGEST_NAME:
                raise TarFault(f"a long name of {header.size} bytes", self.offset)
            self._long_name = b""
            self._long_name_due = header.size
            self._long_offset = self.offset
            return
        offset, raw = self.offset, header.name
        if self._long_name is not None:
            if not self._long_name.startswith(header.name.rstrip(b"/")):
                raise TarFault("a long name is followed by the header of another entry", self.offset)
            raw, self._long_name, offset = self._long_name, None, self._long_offset
        self._data = header.size
        self._need = -(-header.size // BLOCK) * BLOCK
        if header.type not in (b"0", b"\0", b"5"):
            self._sink.unsafe(raw, f"its type {header.type.decode('latin-1')!r} is neither a file nor a directory")
            self._data = 0
            return
        is_directory = header.type == b"5" or (header.type == b"\0" and raw.endswith(b"/"))
        if is_directory and header.size:
            self._sink.unsafe(raw, f"it is a directory with {header.size} bytes of content")
            self._data = 0
            return
        if header.type == b"0" and raw.endswith(b"/"):
            self._sink.unsafe(raw, "it is a file whose name ends like a directory's, which readers take differently")
            self._data = 0
            return
        # A leading slash is kept: it is refused later, with the entry's own name.
        path = raw.rstrip(b"/") if raw.strip(b"/") else raw
        while path.startswith(b"./"):
            path = path[2:]
        entry = Entry(path, is_directory, header.size, header.mode & 0o7777, header.mtime, offset)
        self._sink.begin(entry)
        if header.size:
            self._entry = entry
        else:
            self._sink.end(entry)

    def _take_long_name(self, block: bytes) -> None:
        # The size counts the name without a NUL; GNU tar counts one.
        piece = block[: self._long_name_due]
        self._long_name_due -= len(piece)
        self._long_name = (self._long_name or b"") + piece
        if not self._long_name_due:
            self._long_name = self._long_name.rstrip(b"\0")

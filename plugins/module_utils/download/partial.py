# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part on its way: the file under its partial name, and a journal of the segments that are on the disk."""

from __future__ import annotations

import errno
import os
import threading
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.response import UNKNOWN
from ansible_collections.boxlift.portal.plugins.module_utils.state import read_json, write_json

SEGMENT = 4 * 1024 * 1024


class PartialFile:
    """Safe to use from several threads, each at another segment. `total` is UNKNOWN until a source has told it."""

    def __init__(self, directory: str, name: str, index: int, segment: int = SEGMENT) -> None:
        self.name = name
        self.index = index
        self.path = os.path.join(directory, f".{name}.partial")
        self.final = os.path.join(directory, name)
        self.total = UNKNOWN
        # What each host said of the file's version (ETag or Last-Modified).
        self.validators: dict[str, str] = {}
        self.furthest = 0  # how far a source without ranges has come
        self._note = f"{self.path}.json"
        self._segment = segment
        self._landed: set[int] = set()  # in the file, perhaps not on the disk yet
        self._journaled: set[int] = set()
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._descriptor = -1
        self._load()

    def _load(self) -> None:
        note = read_json(self._note)
        if note is None or note.get("segment") != self._segment:
            self.discard()
            return
        if not os.path.exists(self.path):
            if not os.path.exists(self.final) or os.path.getsize(self.final) != note["total"]:
                self.discard()
                return
            # Killed between the renaming and the end of the note: it is proven again.
            os.rename(self.final, self.path)
        self.total, self.validators = note["total"], note["validators"]
        size = os.path.getsize(self.path)
        self._journaled = {number for number in note["done"] if self.bounds(number)[1] < size}
        self._landed = set(self._journaled)
        self._open()

    def begin(self, total: int, host: str, validator: str) -> None:
        """The first answer has come: nothing is here yet."""
        with self._lock:
            self.total, self.validators = total, {host: validator}
            self._open()
            self._write_note()

    def recall(self, total: int, validators: dict[str, str]) -> None:
        """What an earlier run learned of a part that lies in its place."""
        self.total, self.validators = total, dict(validators)

    def settle(self, total: int) -> None:
        """A file of unknown length has come to its end."""
        with self._lock:
            self.total = total
            self._landed = set(self.numbers())
            self._open()
            os.ftruncate(self._descriptor, total)
            self._flush()

    def numbers(self) -> range:
        """The segments; none while the length is not known."""
        return range(-(-max(0, self.total) // self._segment))

    def bounds(self, number: int) -> tuple[int, int]:
        """First and last byte of a segment."""
        first = number * self._segment
        last = first + self._segment - 1
        return first, last if self.total == UNKNOWN else min(last, self.total - 1)

    def missing(self) -> list[int]:
        return [number for number in self.numbers() if number not in self._landed]

    @property
    def complete(self) -> bool:
        return self.total != UNKNOWN and len(self._journaled) == len(self.numbers())

    @property
    def here(self) -> int:
        """Bytes of the finished segments."""
        return sum(last + 1 - first for first, last in map(self.bounds, list(self._landed)))

    def write(self, offset: int, data: bytes) -> None:
        try:
            view = memoryview(data)
            while view:
                written = os.pwrite(self._open(), view, offset)
                offset, view = offset + written, view[written:]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise BoxliftError(
                f"{os.path.dirname(self.path)} is full: {self.name} could not be written ({error.strerror}).",
                "Make room and run again; what has arrived is kept.",
                part=self.name,
            ) from error

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._open(), size, offset)

    def finish(self, number: int) -> None:
        """The segment is written; when this returns, it is on the disk and the journal says so."""
        with self._lock:
            self._landed.add(number)
        with self._writing:
            if number in self._journaled:
                return  # another thread has taken it along
            with self._lock:
                landed = set(self._landed)
            os.fdatasync(self._open())
            self._journaled |= landed
            self._write_note()

    def sync(self) -> None:
        """After a repair: the file is whole, and changed in place."""
        os.fdatasync(self._open())

    def place(self) -> os.stat_result:
        """Under the part's own name; the note stays until `forget`."""
        self.close()
        os.rename(self.path, self.final)
        return os.stat(self.final)

    def forget(self) -> None:
        if os.path.exists(self._note):
            os.unlink(self._note)

    def take_back(self) -> None:
        """A part in its place turns out to be damaged: it becomes partial again, to be repaired."""
        self._landed, self._journaled = set(self.numbers()), set(self.numbers())
        self._write_note()
        os.rename(self.final, self.path)

    def discard(self) -> None:
        """Nothing of it is kept."""
        self.close()
        self.total, self.validators = UNKNOWN, {}
        self._landed, self._journaled = set(), set()
        for path in (self._note, self.path):
            if os.path.exists(path):
                os.unlink(path)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> int:
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        return self._descriptor

    def _flush(self) -> None:
        os.fdatasync(self._descriptor)
        self._journaled = set(self._landed)
        self._write_note()

    def _write_note(self) -> None:
        note: dict[str, t.Any] = {"total": self.total, "validators": self.validators, "segment": self._segment}
        write_json(self._note, {**note, "done": sorted(self._journaled)})

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchange's records in files: one line a record, every field quoted, as role telephony has them written."""

from __future__ import annotations

import csv
import glob
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, from_system
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.cdr import CdrRow

FIELDS = (
    "linkedid",
    "uniqueid",
    "sequence",
    "start",
    "answer",
    "end",
    "duration",
    "billsec",
    "disposition",
    "src",
    "dst",
    "dcontext",
    "channel",
    "dstchannel",
    "lastapp",
    "clid",
    "boxlift_direction",
    "boxlift_line",
    "boxlift_recording",
    "boxlift_call_id",
)
_CHUNK = 256 * 1024


class CdrFile:
    """`path` and what rotation has made of it before (`path-20260101`)."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.unreadable: set[str] = set()  # what is wrong with lines that were left out

    def rows(self, since: float, until: float) -> list[CdrRow]:
        """All records of calls of which a record ended in that time. Raises BoxliftError where none can be read.

        Records are in order of their ends, so each file is read backwards from its end until `since`, and a margin
        further for the other records of the same calls.
        """
        found: list[CdrRow] = []
        # A file that was written to last before that time has nothing of it. The one in use must be readable.
        older = sorted(glob.glob(glob.escape(self._path) + "-*"), reverse=True)
        for path in [self._path, *older]:
            try:
                if path != self._path and os.stat(path).st_mtime < since - _MARGIN:
                    break
                found += self._read(path, since - _MARGIN, until)
            except FileNotFoundError:
                if path == self._path and os.path.isdir(os.path.dirname(path)):
                    continue  # just rotated, or no call yet
                raise from_system(FileNotFoundError(2, "no such folder", os.path.dirname(path))) from None
            except OSError as error:
                raise from_system(error, path) from error
        wanted = {row.linkedid for row in found if since <= row.end < until}
        return [row for row in found if row.linkedid in wanted]

    def _read(self, path: str, since: float, until: float) -> list[CdrRow]:
        with open(path, "rb") as stream:
            position = stream.seek(0, os.SEEK_END)
            tail, rows = b"", []
            while position > 0:
                size = min(_CHUNK, position)
                position -= size
                stream.seek(position)
                block = stream.read(size) + tail
                tail, complete = (block, b"") if position == 0 else _split(block)
                if position == 0:
                    tail, complete = b"", block
                lines = complete.decode("utf-8", "replace").splitlines(keepends=True)
                # The last line may be half written.
                read = list(self._rows_of([line for line in lines if line.endswith("\n")], path))
                rows += [row for row in read if row.end < until]
                if read and read[0].end < since:
                    break
        return rows

    def _rows_of(self, lines: list[str], path: str) -> t.Iterator[CdrRow]:
        """One torn line, of a host that crashed, does not hide the others."""
        for line in lines:
            try:
                yield row_of(line, path)
            except BoxliftError as error:
                self.unreadable.add(error.message)


_MARGIN = 6 * 3600.0  # no longer than this lie the records of one call apart


def _split(block: bytes) -> tuple[bytes, bytes]:
    """What may be half a line at the beginning, and the whole lines behind it."""
    end = block.find(b"\n") + 1
    return block[:end], block[end:]


def row_of(line: str, path: str) -> CdrRow:
    """One line. Raises BoxliftError for a line that has other fields."""
    fields = next(csv.reader([line]), [])
    if len(fields) != len(FIELDS):
        raise BoxliftError(
            f"{path}: a record has {len(fields)} fields, not {len(FIELDS)}: {line[:200].strip()!r}.",
            f"Write these fields, each in quotes (cdr_custom.conf): {','.join(FIELDS)}. Move the present file away.",
        )
    given = dict(zip(FIELDS, fields))
    try:
        start, answer, end = (float(given[name] or 0) for name in ("start", "answer", "end"))
    except ValueError as error:
        raise BoxliftError(
            f"{path}: a time is no number of seconds: {line[:200].strip()!r}.", "Use CDR(start,u) in cdr_custom.conf."
        ) from error
    return CdrRow(
        linkedid=given["linkedid"],
        uniqueid=given["uniqueid"],
        channel=given["channel"],
        dstchannel=given["dstchannel"],
        src=given["src"],
        dst=given["dst"],
        start=start,
        answer=answer,
        end=end,
        disposition=given["disposition"],
        line=given["boxlift_line"],
        recording=given["boxlift_recording"],
        portal_call_id=given["boxlift_call_id"],
    )

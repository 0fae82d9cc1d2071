# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bytes of a file a request asks for (RFC 9110, sections 13.1.5 and 14)."""

from __future__ import annotations

import email.message
import re

_SINGLE = re.compile(r"bytes=(\d*)-(\d*)")


class Unsatisfiable(Exception):
    """No byte of the file lies in the range: status 416."""


def requested(headers: email.message.Message, size: int, etag: str, modified: str) -> tuple[int, int] | None:
    """First and last byte asked for, or None where the whole file is due.

    A request for several ranges, or for a range that cannot be read, is answered with the whole file, as servers may.
    """
    match = _SINGLE.fullmatch(headers.get("Range", "").strip())
    if match is None or match.groups() == ("", ""):
        return None
    if headers.get("If-Range", etag) not in (etag, modified):
        return None
    begin, end = match.groups()
    if begin == "":
        first, last = max(0, size - int(end)), size - 1
    else:
        first, last = int(begin), min(int(end or size), size - 1)
        if end and int(end) < first:
            return None
    if first >= size or last < first:
        raise Unsatisfiable
    return first, last

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage inside one part, found while it is read."""

from __future__ import annotations

import typing as t


class PartFault(Exception):
    """`status` is a key of `report.REMEDIES`; `offset` is the byte of the part's file where the damage shows.

    The damage lies between `since` and `offset`: everything before `since` is proven.
    """

    def __init__(self, status: str, reason: str, offset: int, since: int = 0) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.offset = offset
        self.since = since

    def __reduce__(self) -> tuple[t.Any, ...]:
        return PartFault, (self.status, self.reason, self.offset, self.since)


def looks_like_html(head: bytes) -> bool:
    """A web server's error or login page that was saved under a part's name."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<body", b"<h1"))

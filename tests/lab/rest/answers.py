# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a REST method is asked, and what it answers."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import re
import typing as t

Row = dict[str, t.Any]


class Refused(Exception):
    """A request that the portal answers with an error."""

    def __init__(self, description: str, code: str = "ERROR_CORE", status: int = 400) -> None:
        super().__init__(f"{code}: {description}")
        self.description, self.code, self.status = description, code, status

    @property
    def content(self) -> Row:
        return {"error": self.code, "error_description": self.description}


class CutOff(Exception):
    """The web server gave up waiting for the portal: a page instead of an answer, and nobody knows what was done."""


@dataclasses.dataclass(frozen=True)
class Credential:
    """Who asks: a webhook of an employee (`app` is empty), or an application. An employee may have several webhooks."""

    user: int
    app: str = ""
    webhook: str = ""

    @property
    def name(self) -> str:
        return f"application {self.app}" if self.app else f"webhook {self.user}{self.webhook}"


@dataclasses.dataclass
class Answer:
    """`next` and `total` stand beside the result of a list."""

    result: t.Any
    total: int | None = None
    next: int | None = None


@dataclasses.dataclass(frozen=True)
class Asked:
    """One call of a method: who asks, what is given, and the kind of fault that was planned for the request."""

    credential: Credential
    parameters: Row
    fault: str = ""
    base_url: str = ""


@dataclasses.dataclass(frozen=True)
class Download:
    """A file that a method answers with, instead of JSON."""

    name: str
    content: bytes


class Raw(bytes):
    """JSON that is encoded already."""


class _Nested(Exception):
    pass


def encode(value: t.Any) -> bytes:
    """JSON of a value with encoded parts in it."""
    if isinstance(value, Raw):
        return value
    try:
        return _dumps(value).encode()
    except _Nested:
        pass
    if isinstance(value, dict):
        inside = (_dumps(str(key)).encode() + b":" + encode(each) for key, each in value.items())
        return b"{" + b",".join(inside) + b"}"
    return b"[" + b",".join(encode(each) for each in value) + b"]"


def _nested(value: t.Any) -> t.Any:
    if isinstance(value, Raw):
        raise _Nested
    raise TypeError(f"no JSON for {type(value).__name__}")


_dumps = functools.partial(json.dumps, default=_nested)


def iso(moment: float, zone: datetime.tzinfo = datetime.timezone.utc) -> str:
    return datetime.datetime.fromtimestamp(moment, zone).isoformat(timespec="seconds")


def instant(text: object) -> float:
    """Unix time of an ISO-8601 date with a zone. Raises ValueError."""
    moment = datetime.datetime.fromisoformat(re.sub(r"Z$", "+00:00", str(text)))
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment.timestamp()

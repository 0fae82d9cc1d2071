# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the portal is told of one call, and what of the exchange must be known to say it."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import re
import typing as t

OUTGOING, INCOMING, REDIRECTED = 1, 2, 3  # as the portal numbers them

ANSWERED = "200"
MISSED = "304"
# What an outgoing call that nobody answered is told as, by how its dialling ended.
OUTGOING_STATUS = {
    "ABORT": "603-S",
    "BUSY": "486",
    "CANCEL": "603-S",
    "CHANUNAVAIL": "503",
    "CONGESTION": "503",
    "FAILED": "503",
    "NO ANSWER": MISSED,
    "NOANSWER": MISSED,
}

_ENDPOINT = re.compile(r"^(?P<technology>\w+)/(?P<endpoint>.+)-[0-9a-fA-F]+(?:;[12])?$")
_NUMBER = re.compile(r"\+?[0-9*#]+")
_ANONYMOUS = {"", "anonymous", "unknown", "unavailable", "restricted", "private", "<unknown>"}


@dataclasses.dataclass(frozen=True)
class CallFact:
    """One call with a client. `stage` says how much of it is known: while it rings, while they talk, and at the end."""

    external_id: str  # host and Linkedid: no other call of any exchange has it
    kind: int
    number: str  # the client's; empty if it was withheld
    line: str  # our number in the portal
    started: float  # seconds since the epoch, as all times
    inner: str = ""  # who talked, or whom it rang; empty: several rang and nobody answered, or none was reached
    ringing: tuple[str, ...] = ()  # whose phones ring, or who talks, at this moment
    ring_seconds: float = 0.0
    # Only between people; ringing and queueing are no talk. Until `talking_since`, if that is set.
    talk_seconds: int = 0
    talking_since: float = 0.0  # 0: nobody talks at this moment
    status: str = ""
    recording: str = ""  # the file's name, as the exchange gave it
    portal_call_id: str = ""  # of a call that the portal itself has registered: click-to-call
    stage: str = "ringing"  # or talking, ended

    @property
    def ended(self) -> bool:
        return self.stage == "ended"

    def as_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> CallFact:
        """The fact that `as_json` has written."""
        values = json.loads(text)
        return cls(**{**values, "ringing": tuple(values["ringing"])})


@dataclasses.dataclass(frozen=True)
class Exchange:
    """The exchange's own names, from the inventory.

    `trunks` maps the endpoints of carriers (patterns such as `carrier-*` will do) to the line that their calls belong
    to, if none of `lines` was dialled; `lines` maps numbers as carriers send them to lines as the portal knows them.
    `inner` maps endpoints of phones to inner numbers, where both differ.
    """

    host: str
    trunks: t.Mapping[str, str]
    lines: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    inner: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def external_id(self, linkedid: str) -> str:
        """The call's name in the portal. A Linkedid alone is unique on one host only."""
        return f"{self.host}-{linkedid}"

    def trunk_of(self, channel: str) -> str | None:
        """The default line of the carrier that the channel leads to; None if it leads to a phone."""
        endpoint = endpoint_of(channel)
        if endpoint is None:
            return None
        for pattern, line in self.trunks.items():
            if fnmatch.fnmatchcase(endpoint, pattern):
                return line
        return None

    def inner_of(self, channel: str) -> str:
        """The inner number of the phone at the channel; empty for a trunk, and for a channel that is no phone's."""
        endpoint = endpoint_of(channel)
        if endpoint is None or self.trunk_of(channel) is not None:
            return ""
        return self.inner.get(endpoint, endpoint)

    def line_of(self, dialled: str, channel: str) -> str:
        """Our line that a client's call came in by."""
        return self.lines.get(dialled) or self.trunk_of(channel) or dialled


def endpoint_of(channel: str) -> str | None:
    """`101` of `PJSIP/101-0000002a`; None for a half of a Local channel, which is nobody's phone."""
    match = _ENDPOINT.match(channel)
    if match is None or match["technology"] == "Local":
        return None
    return match["endpoint"]


def client_number(text: str) -> str:
    """A caller's number, empty if it is withheld."""
    return "" if text.strip().lower() in _ANONYMOUS else text.strip()


def dialled_number(dial_string: str) -> str:
    """The number in what a channel was dialled by: `79990001122@carrier`, `carrier/sip:79990001122@host`."""
    user = dial_string.rpartition("sip:")[2].partition("@")[0].rpartition("/")[2]
    match = _NUMBER.fullmatch(user)
    return match[0] if match else ""

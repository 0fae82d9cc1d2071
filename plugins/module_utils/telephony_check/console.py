# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Asterisk's console prints, as values. Only the forms that Asterisk 20 and 22 print are known."""

from __future__ import annotations

import dataclasses
import re

_REGISTRATION = re.compile(r"^ (?P<name>[^/\s]+)/(?P<server>\S+)\s+\S+\s+(?P<status>[A-Za-z]+)", re.M)
_CONTACT = re.compile(r"^\s+Contact:\s+(?P<aor>[^/\s<]+)/(?P<uri>\S+)\s+\w+\s+(?P<status>\w+)\s+(?P<delay>\S+)", re.M)
_PARAMETER = re.compile(r"^ (?P<name>[\w/]+)\s+: (?P<value>.*)$", re.M)
_RIGHTS = re.compile(r"^\s*(?P<kind>read|write) perm: (?P<rights>.*)$", re.M)
_SECONDS = re.compile(r"^System uptime: (\d+)", re.M)
_PORT = re.compile(r"^\s*Port (start|end):\s+(\d+)", re.M)


@dataclasses.dataclass(frozen=True)
class Contact:
    """Where an endpoint is reached. `milliseconds` is None where nobody asks it."""

    aor: str
    uri: str
    status: str
    milliseconds: float | None


def registrations(text: str) -> dict[str, str]:
    """Name of an outgoing registration → its status, from `pjsip show registrations`."""
    return {found["name"]: found["status"] for found in _REGISTRATION.finditer(text)}


def contacts(text: str) -> list[Contact]:
    """From `pjsip show contacts`."""
    found = []
    for each in _CONTACT.finditer(text):
        delay = float(each["delay"]) if re.fullmatch(r"[\d.]+", each["delay"]) else None
        found.append(Contact(each["aor"], each["uri"], each["status"], delay))
    return found


def parameters(text: str) -> dict[str, str]:
    """From `pjsip show endpoint NAME` or `pjsip show transport NAME`; empty if there is no such object."""
    return {found["name"]: found["value"].strip() for found in _PARAMETER.finditer(text)} if " : " in text else {}


def codecs(parameter: str) -> list[str]:
    """The codecs of a parameter `allow`, such as (ulaw|alaw)."""
    return [name for name in parameter.strip("()").split("|") if name and name != "nothing"]


def rights(text: str) -> dict[str, set[str]] | None:
    """The rights `read` and `write` of a user, from `manager show user NAME`; None if there is no such user."""
    found = {each["kind"]: each["rights"].strip() for each in _RIGHTS.finditer(text)}
    if set(found) != {"read", "write"}:
        return None
    return {kind: set() if names == "<none>" else set(names.split(",")) for kind, names in found.items()}


def uptime(text: str) -> int | None:
    """Seconds, from `core show uptime seconds`."""
    found = _SECONDS.search(text)
    return int(found[1]) if found else None


def rtp_ports(text: str) -> tuple[int, int] | None:
    """First and last port, from `rtp show settings`."""
    found = {name: int(port) for name, port in _PORT.findall(text)}
    return (found["start"], found["end"]) if len(found) == 2 else None

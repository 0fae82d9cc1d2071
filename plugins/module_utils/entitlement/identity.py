# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a licence is for this host."""

from __future__ import annotations

import dataclasses
import glob
import os
import re
import typing as t

#: The fields of a licence that may say for what it is.
KINDS = ("host_name", "mac", "machine_id", "domain")
WORDS = {
    "host_name": "the host's name",
    "mac": "the host's MAC address",
    "machine_id": "the host's machine-id",
    "domain": "the portal's domain",
}


@dataclasses.dataclass(frozen=True)
class Identity:
    """What a licence may be bound to, of each kind; an empty kind is not known."""

    host_name: tuple[str, ...] = ()
    mac: tuple[str, ...] = ()
    machine_id: tuple[str, ...] = ()
    domain: tuple[str, ...] = ()

    def of(self, kind: str) -> tuple[str, ...]:
        found: tuple[str, ...] = getattr(self, kind)
        return found

    def matches(self, kind: str, wanted: t.Iterable[str]) -> bool:
        """Whether one of the values that a licence names is this host's. `*.example.com` stands for any name in it."""
        mine = {normal(kind, each) for each in self.of(kind)} - {""}
        return any(_fits(kind, normal(kind, each), mine) for each in wanted)


def of_this_host(domains: t.Iterable[str], names: t.Iterable[t.Callable[[], str]], root: str = "/") -> Identity:
    """What the kernel says, and what `names` say of the host's name; what cannot be read is not known."""
    found = [name() for name in names]
    macs = [_read(path) for path in sorted(glob.glob(os.path.join(root, "sys/class/net/*/address")))]
    ids = [_read(os.path.join(root, path)) for path in ("etc/machine-id", "sys/class/dmi/id/product_uuid")]
    return Identity(
        # A licence for a short name is for that host under whatever domain.
        host_name=tuple(dict.fromkeys(name for each in found if each for name in (each, each.partition(".")[0]))),
        mac=tuple(each for each in macs if re.sub(r"[0:]", "", each)),  # the loopback has zeros
        machine_id=tuple(each for each in ids if each),
        domain=tuple(domains),
    )


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(200).strip()
    except OSError:
        return ""


def normal(kind: str, value: str) -> str:
    """How values of a kind are compared."""
    value = value.strip().casefold()
    if kind in ("mac", "machine_id"):
        return re.sub(r"[\s:.{}-]", "", value)
    value = value.rstrip(".")
    try:
        return value.encode("idna").decode("ascii")
    except UnicodeError:  # too long for a name, or a wildcard of other letters
        return value


def _fits(kind: str, wanted: str, mine: t.Collection[str]) -> bool:
    if kind in ("host_name", "domain") and wanted.startswith("*."):
        return any(each.endswith(wanted[1:]) for each in mine)
    return wanted in mine

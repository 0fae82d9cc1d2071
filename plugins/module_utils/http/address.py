# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An address as it is asked for: its host as DNS and TLS know it, and who asks."""

from __future__ import annotations

import base64
import ipaddress
import typing as t
import urllib.parse


class Address(t.NamedTuple):
    """`split` has no user, and its host in ASCII; `authorization` is the header for the user that the URL names."""

    split: urllib.parse.SplitResult
    authorization: str


def address_of(url: str) -> Address:
    """Take a URL apart. Raises ValueError, which says what is wrong without showing what may be secret."""
    try:
        split = urllib.parse.urlsplit(url)
        host, port = split.hostname or "", split.port
    except ValueError:
        raise ValueError("its host or port cannot be read") from None
    authorization = ""
    if split.username is not None:
        pair = f"{urllib.parse.unquote(split.username)}:{urllib.parse.unquote(split.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    place = _ascii(host)
    return Address(split._replace(netloc=place if port is None else f"{place}:{port}"), authorization)


def secrets_of(url: str) -> list[str]:
    """What of a URL must never be shown, in each form in which it may occur."""
    try:
        split = urllib.parse.urlsplit(url)
        named = [part for part in (split.password, split.query) if part]
        authorization = address_of(url).authorization.partition(" ")[2]
    except ValueError:
        return [url]
    return [url, *named, *map(urllib.parse.unquote, named), *([authorization] if authorization else [])]


def _ascii(host: str) -> str:
    """The host for a request: an IPv6 address in brackets, a name with other letters as its A-label."""
    if ":" in host:
        try:
            ipaddress.IPv6Address(host.partition("%")[0])
        except ValueError:
            raise ValueError(f"{host} is no IPv6 address") from None
        return f"[{host}]"
    try:
        return host if host.isascii() and len(host) < 64 else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError(f"{host} is no name of a host") from None

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the parts can be had: the first address, its mirrors, a disk that was brought here."""

from __future__ import annotations

import dataclasses
import os
import threading
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import split_name
from ansible_collections.boxlift.portal.plugins.module_utils.download.local import get_file
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.address import address_of
from ansible_collections.boxlift.portal.plugins.module_utils.http.client import Client
from ansible_collections.boxlift.portal.plugins.module_utils.http.response import Body


@dataclasses.dataclass(eq=False)
class Source:
    """One place. `host` stands for it in messages and tells whose validators can be compared; `left` says why not."""

    split: urllib.parse.SplitResult
    base: str
    host: str
    left: str = ""
    fickle: bool = False  # its versions (ETag, time) change with each request, and tell nothing

    @property
    def local(self) -> bool:
        return self.split.scheme == "file"

    def address(self, index: int) -> str:
        """A part's address: the number goes behind the name; what follows the question mark stays (signed links)."""
        suffix = f".{index}" if index else ""
        if self.local:
            return urllib.parse.unquote(self.split.path) + suffix
        return urllib.parse.urlunsplit(self.split._replace(path=self.split.path + suffix))


class Sources:
    """All places of one backup. A place that fails is left for the others, the last one never is."""

    def __init__(self, url: str, mirrors: t.Sequence[str], client: Client) -> None:
        self._client = client
        self._all = [_source("url", url), *(_source("mirrors", mirror) for mirror in mirrors)]
        self._lock = threading.Lock()
        self.base = self._all[0].base
        for source in self._all:
            if source.base != self.base:
                raise BoxliftError(
                    f"The mirror {source.host} is for {source.base}, and url is for {self.base}.",
                    "Give addresses of the same backup's first part.",
                )

    def get(
        self, source: Source, index: int, first: int, last: int | None, validator: str, step: int, sized: bool = True
    ) -> Body:
        """As `Client.get`, for part `index` at `source`."""
        address = source.address(index)
        if source.local:
            return get_file(address, first, last, validator, step)
        if source.fickle:
            validator = ""
        body = self._client.get(address, first, last, validator, step, sized)
        return dataclasses.replace(body, validator="") if source.fickle else body

    def is_fickle(self, source: Source, index: int) -> bool:
        """Whether two requests for the same part, one after the other, are told two versions of it."""
        if not source.fickle and not source.local:
            seen = set()
            for _request in range(2):
                body = self._client.get(source.address(index), 0, 0, sized=False)
                seen.add(body.validator)
                body.close()
            source.fickle = len(seen) > 1
        return source.fickle

    def live(self) -> list[Source]:
        """Those that have not failed; in the order in which they were given."""
        return [source for source in self._all if not source.left]

    @property
    def served(self) -> bool:
        """Whether a server is asked. What a disk does not hold may only be missing on that disk."""
        return any(not source.local for source in self.live())

    def pick(self, worker: int, but: t.Collection[Source] = ()) -> Source | None:
        """The place that this worker should ask. A disk that is here goes before any network."""
        able = [source for source in self.live() if source not in but]
        if not able or able[0].local:
            return able[0] if able else None
        able = [source for source in able if not source.local]
        return able[worker % len(able)]

    def leave(self, source: Source, why: str) -> bool:
        """Ask it no more in this run; False where it is the last one."""
        with self._lock:
            others = [other for other in self.live() if other is not source]
            if others and not source.left:
                source.left = why
            return bool(others)

    def close(self) -> None:
        """End all connections."""
        self._client.close()

    def warnings(self) -> list[str]:
        return [f"{source.host} was left for the other sources: {source.left}." for source in self._all if source.left]


def _source(option: str, address: str) -> Source:
    if address.startswith("/"):
        address = "file://" + urllib.parse.quote(address)
    try:
        split = urllib.parse.urlsplit(address)
        address_of(address)
    except ValueError as error:
        raise BoxliftError(
            f"{option} is not an address: {error}.", "Give it as https://host:port/path, an IPv6 address in brackets."
        ) from None
    base, index = split_name(os.path.basename(urllib.parse.unquote(split.path)))
    local = split.scheme == "file" and not split.netloc
    if not local and (split.scheme not in ("https", "http") or not split.hostname):
        raise BoxliftError(
            f"{option} {_shown(split)} is not an https address.",
            "Give the address of the first part, or its path on a disk that was brought to the host.",
        )
    if index:
        raise BoxliftError(
            f"{option} names part {index} of the backup.",
            f"Give the address of the first part, {base}, without a number.",
        )
    if not base or "/" in base or base.startswith("."):
        raise BoxliftError(f"{option} does not end with a part's name.", "Give the address of the first part.")
    host = os.path.dirname(urllib.parse.unquote(split.path)) if local else split.hostname or ""
    return Source(split, base, host)


def _shown(split: urllib.parse.SplitResult) -> str:
    """An address without what may be secret in it."""
    return urllib.parse.urlunsplit((split.scheme, split.hostname or "", split.path, "", ""))

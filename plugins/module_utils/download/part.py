# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch one part: go on where an earlier try stopped, prove it, fetch it again where it is damaged."""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.kinds import Kind
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan, scan_file
from ansible_collections.boxlift.portal.plugins.module_utils.download.client import (
    Body,
    Client,
    Interrupted,
    Refused,
    Unusable,
)
from ansible_collections.boxlift.portal.plugins.module_utils.download.pace import Pace
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.state import read_json, write_json

TRIES = 6
COPIES = 4
EXPIRED = (401, 403, 410)


@dataclasses.dataclass
class Fetched:
    """One part as it came in: bytes over the network in all, those of them fetched again, and why."""

    scan: PartScan
    bytes: int = 0
    refetched: int = 0
    repairs: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)


class PartFetcher:
    """Fetches parts of one backup into one directory. Safe to use from several threads, one part each."""

    def __init__(
        self,
        client: Client,
        directory: str,
        kind: Kind,
        pace: Pace,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._directory = directory
        self._kind = kind
        self._pace = pace
        self._sleep = sleep

    def fetch(self, url: str, name: str, index: int, known_bad: t.Sequence[str] = ()) -> Fetched | None:
        """The part, proven as far as it can be alone; None where the source has no such part (404).

        `known_bad` are sha256 sums of copies that were found damaged. Two copies that agree in their damage mean that
        the part is damaged at its source, which is an error. Raises BoxliftError.
        """
        fetched = Fetched(PartScan(index, name))
        bad = list(known_bad)
        for copy in range(COPIES):
            got = self._complete(url, name)
            if got is None:
                return None
            fetched.bytes += got
            if copy or known_bad:
                fetched.refetched += got
            scan = scan_file(self._partial(name), name, index, self._kind)
            fault = scan.fault or scan.size_fault()
            if fault is None and scan.sha256 not in bad:
                self._keep(name)
                fetched.scan = scan
                return fetched
            reason = fault or PartFault("corrupt", "the copy is as damaged as the one before", 0)
            agreeing = scan.sha256 in bad
            bad.append(scan.sha256)
            os.unlink(self._partial(name))
            os.unlink(self._note(name))
            if agreeing:
                raise BoxliftError(
                    f"{name} is damaged at its source: two downloads agree and are {reason.status} ({reason.reason}).",
                    "Downloading again cannot help. Ask the source for this part, or order a new backup.",
                    part=name,
                )
            fetched.repairs.append({"name": name, "status": reason.status, "reason": reason.reason, "bytes": scan.size})
        raise BoxliftError(
            f"{name} arrived damaged {COPIES} times, each time differently; last: {reason.status} ({reason.reason}).",
            "The line or a proxy changes the data: fetch over another line.",
            part=name,
        )

    def beginning(self, url: str, name: str, size: int) -> bytes:
        """The first `size` bytes of what the source has now."""
        last = ""
        for failures in range(TRIES):
            self._pause(failures)
            content = b""
            try:
                for chunk in self._client.get(url).chunks:
                    content += chunk
                    if len(content) >= size:
                        break
                return content[:size]
            except (Interrupted, Unusable) as error:
                last = str(error)
            except Refused as error:
                if error.status in EXPIRED:
                    raise _expired(name, error) from error
                last = str(error)
        raise _unreachable(name, last)

    def _pause(self, failures: int) -> None:
        if failures:
            self._sleep(min(30.0, 2.0**failures))

    def _complete(self, url: str, name: str) -> int | None:
        """Bring the partial file to its full length; the bytes that came over the network."""
        received, before, failures, last = 0, 0, 0, ""
        while failures < TRIES:
            self._pause(failures)
            before = received
            have, note = self._have(name)
            if note and have == note["total"]:
                return received
            try:
                body = self._client.get(url, have, note.get("validator", ""))
                if note and body.offset and body.total != note["total"]:
                    raise Unusable(f"it has {body.total} bytes now and had {note['total']}: the backup was made anew")
                for block in self._append(name, body):
                    received += block
            except Interrupted as error:
                last = str(error)
                # A line that keeps breaking but moves on is not a failure.
                failures = 1 if received > before else failures + 1
            except Unusable as error:
                last = str(error)
                failures += 1
                self._discard(name)
            except Refused as error:
                if error.status == 404:
                    return None
                if error.status == 416:
                    self._discard(name)
                if error.status in EXPIRED:
                    raise _expired(name, error) from error
                last = str(error)
                failures += 1
        raise _unreachable(name, last)

    def _append(self, name: str, body: Body) -> t.Iterator[int]:
        path = self._partial(name)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as target:
            target.truncate(body.offset)
            target.seek(body.offset)
            if not body.offset:
                write_json(self._note(name), {"total": body.total, "validator": body.validator})
            for chunk in body.chunks:
                self._pace.take(len(chunk))
                target.write(chunk)
                yield len(chunk)
            target.flush()
            os.fsync(target.fileno())

    def _have(self, name: str) -> tuple[int, dict[str, t.Any]]:
        note = read_json(self._note(name))
        try:
            size = os.path.getsize(self._partial(name))
        except FileNotFoundError:
            return 0, {}
        if note is None or size > note["total"]:
            return 0, {}
        return size, note

    def _keep(self, name: str) -> None:
        os.rename(self._partial(name), os.path.join(self._directory, name))
        os.unlink(self._note(name))

    def _discard(self, name: str) -> None:
        for path in (self._partial(name), self._note(name)):
            if os.path.exists(path):
                os.unlink(path)

    def _partial(self, name: str) -> str:
        return os.path.join(self._directory, f".{name}.partial")

    def _note(self, name: str) -> str:
        return os.path.join(self._directory, f".{name}.partial.json")


def _expired(name: str, error: Refused) -> BoxliftError:
    return BoxliftError(
        f"The source no longer gives out {name} ({error}): the link has expired.",
        "Get a new link to the same backup and run again with it; what is here already is kept.",
        part=name,
    )


def _unreachable(name: str, last: str) -> BoxliftError:
    return BoxliftError(
        f"{name} could not be fetched: {last}.",
        "Check the line and the source, then run again: it goes on where it stopped.",
        part=name,
    )

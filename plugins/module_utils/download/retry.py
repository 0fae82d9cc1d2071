# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a source is asked, how long is waited between, and when it is left for another one."""

from __future__ import annotations

import threading
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.download.failures import expired, refused, unreachable
from ansible_collections.boxlift.portal.plugins.module_utils.download.partial import PartialFile
from ansible_collections.boxlift.portal.plugins.module_utils.download.sources import Source, Sources
from ansible_collections.boxlift.portal.plugins.module_utils.http.response import (
    HttpRefused,
    Interrupted,
    Lasting,
    Unusable,
)

TRIES = 8
LONGEST_WAIT = 900.0
EXPIRED = (401, 403, 410)
_T = t.TypeVar("_T")
Pick = t.Callable[[t.Sequence[Source]], t.Optional[Source]]


class Stopped(Exception):
    """Another thread has failed; this one gives up its work."""


class Rebuilt(Exception):
    """The source has another file under the part's name than the one that was begun.

    `version` (ETag or Last-Modified) is the `same`, so that a bad proxy is likely, or `other`, or `unknown`.
    """

    def __init__(self, reason: str, version: str = "unknown") -> None:
        super().__init__(reason)
        self.version = version


class Asking:
    """Safe to use from several threads; `stopped` ends all of them."""

    def __init__(self, sources: Sources, sleep: t.Callable[[float], None]) -> None:
        self._sources = sources
        self._sleep = sleep
        self.stopped = threading.Event()

    def ask(self, part: PartialFile, pick: Pick, attempt: t.Callable[[Source], _T]) -> _T | None:
        """The result of `attempt`, made until it succeeds. None: no source that may be picked has the part."""
        failures = 0
        without: list[Source] = []
        while True:
            if self.stopped.is_set():
                raise Stopped
            source = pick(without)
            if source is None:
                return None
            wait: float | None = None
            try:
                result = attempt(source)
                for other in without:
                    self._sources.leave(other, f"it has no {part.name}")
                return result
            except Lasting as error:
                if not self._sources.leave(source, str(error)):
                    raise refused(part.name, str(error)) from error
                failures = 0
                continue
            except (Interrupted, Unusable) as error:
                last = str(error)
                # A line that keeps breaking but moves on is not a failure.
                failures = 0 if isinstance(error, Interrupted) and error.moved else failures + 1
            except HttpRefused as error:
                if error.status == 404:
                    without.append(source)
                    continue
                if error.status in EXPIRED:
                    if not self._sources.leave(source, str(error)):
                        raise expired(part.name, error.status, error) from error
                    failures = 0
                    continue
                if error.status == 416 and part.total > 0:
                    raise Rebuilt("it is shorter than before") from error
                if error.lasting:
                    if not self._sources.leave(source, str(error)):
                        raise refused(part.name, str(error)) from error
                    failures = 0
                    continue
                last, wait = str(error), error.wait
                failures += 1
            if failures < TRIES:
                self._pause(failures, wait)
            elif self._sources.leave(source, last):
                failures = 0
            else:
                raise unreachable(part.name, last)

    def _pause(self, failures: int, wait: float | None) -> None:
        left = min(30.0, 2.0**failures if failures else 0.2) if wait is None else min(wait, LONGEST_WAIT)
        while left > 0:
            if self.stopped.is_set():
                raise Stopped
            self._sleep(min(1.0, left))
            left -= 1.0

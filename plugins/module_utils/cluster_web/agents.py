# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of the agents that ends with the lease. Time, the database and the child are passed in."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils import program
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.lease import Standing
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

#: cron begins again after a minute: who waits longer than that leaves it to the next run.
PATIENCE_SECONDS = 55.0
RENEW_SECONDS, RETRY_SECONDS = 10.0, 2.0
#: Whoever has not renewed the lease for so long stops, with time left to end what he has begun.
STOP_SECONDS = 45.0
END_SECONDS = 5.0
_STEP = 1.0

Ask = t.Callable[[], Standing]
Clock = t.Callable[[], float]
#: Has a question asked apart from the caller, who goes on.
Apart = t.Callable[[t.Callable[[], None]], None]


class Child(t.Protocol):
    """The program that runs the agents."""

    def wait(self, seconds: float) -> int | None:
        """Its exit status; None where it has not ended after so many seconds."""

    def end(self) -> None:
        """End it and what it has started, whatever they do."""


def turn(ask: Ask, clock: Clock = time.monotonic, pause: t.Callable[[float], None] = time.sleep) -> float | None:
    """Wait until this host has the lease, as long as cron's minute lasts.

    The moment before the lease was granted; None where another host has it for longer. Raises what `ask` raises.
    """
    began = clock()
    while True:
        asked = clock()
        standing = ask()
        if standing.mine:
            return asked
        wait = max(standing.seconds, 0.0) + 0.1
        if asked + wait > began + PATIENCE_SECONDS:
            return None
        pause(wait)


class Renewal:
    """The lease renewed again and again, each time by a question that may hang for ever without harm."""

    def __init__(self, ask: Ask, proven: float, clock: Clock, apart: Apart) -> None:
        self._ask, self._clock, self._apart = ask, clock, apart
        self._next = proven + RENEW_SECONDS
        self._asking = False
        #: When the last question began whose answer was good, and what is known if there was none.
        self.proven = proven
        self.lost = ""
        self.problem = ""

    def step(self) -> None:
        """Ask if it is time to."""
        if not self._asking and self._clock() >= self._next:
            self._asking = True
            self._apart(self._question)

    def _question(self) -> None:
        asked = self._clock()
        try:
            standing = self._ask()
            if standing.mine:
                self.proven, self._next = asked, asked + RENEW_SECONDS
            else:
                self.lost = standing.holder or "nobody"
        except BoxliftError as problem:
            self.problem, self._next = problem.message, asked + RETRY_SECONDS
        finally:
            self._asking = False


def guarded(
    child: Child, proven: float, ask: Ask, clock: Clock, apart: Apart, aside: t.Callable[[], bool] = lambda: False
) -> int:
    """Wait for the child, and end it where the lease is lost or cannot be renewed; its exit status.

    `proven` is the moment before the lease was granted; `aside` says that this host shall serve nobody. Raises
    BoxliftError where the child was ended.
    """
    renewal = Renewal(ask, proven, clock, apart)
    while True:
        status = child.wait(_STEP)
        if status is not None:
            return status
        renewal.step()
        why = _against(renewal, clock(), aside())
        if why:
            child.end()
            raise BoxliftError(
                f"The agents were ended: {why}.",
                "Where the database was moved or restarted this is right, and a web host goes on within two minutes.",
            )


def _against(renewal: Renewal, now: float, aside: bool) -> str:
    """Why this host may not go on; empty while it may."""
    if aside:
        return "this host was set aside"
    if renewal.lost:
        return f"{renewal.lost} has the lease now"
    if now >= renewal.proven + STOP_SECONDS:
        return f"the lease could not be renewed for {STOP_SECONDS:.0f} s ({renewal.problem or 'no answer'})"
    return ""


class Process:
    """The program as a process with a group of its own. It dies with its parent, which guards it."""

    def __init__(self, command: t.Sequence[str]) -> None:
        guarded_command = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        self._process = program.start(guarded_command, stdin=subprocess.DEVNULL, start_new_session=True)

    def wait(self, seconds: float) -> int | None:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):  # the second one for what the program has started, too
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            self.wait(END_SECONDS)


def in_thread(work: t.Callable[[], None]) -> None:
    """Does it apart; a thread that hangs does not keep the program from ending."""
    threading.Thread(target=work, daemon=True).start()

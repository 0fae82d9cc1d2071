# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch a job on a host until it ends: say how far it is, outlast lost connections, notice when it was killed."""

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleError
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress import text as progress_text
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.forecast import Pace
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.probe import Look, Run
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.chart import duration

LOOK_EVERY = 5.0
FIRST_LOOKS = (1.0, 2.0)  # who has just started something wants to hear that it works
NOT_RUNNING = 1.0  # seconds until a job is looked at again whose file is not there, or not whole
RECONNECT = (5.0, 10.0, 20.0, 40.0, 60.0)  # seconds between attempts; the last for ever
SAY_EVERY_ON_TERMINAL, SAY_EVERY_IN_LOG = 3.0, 60.0  # on a terminal each look, but not the first ones
# A process that is gone may have ended well a moment ago, and its result is still being written.
GONE_FOR_SURE = 10.0
AGAIN = "Run the same task again: it goes on where it was."

Result = dict[str, t.Any]


class Watch:
    """`look` asks the host, in so many seconds or when the job ends, if that is earlier; it raises AnsibleError where
    the host cannot be reached. `say` prints a line."""

    def __init__(
        self,
        look: t.Callable[[float], Look],
        say: t.Callable[[str], None],
        limit: float,
        terminal: bool,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._look, self._say = look, say
        self._clock, self._sleep = clock, sleep
        self._began = clock()
        self._until = self._began + limit
        self._limit = limit
        self._say_every = SAY_EVERY_ON_TERMINAL if terminal else SAY_EVERY_IN_LOG
        self._said_at = float("-inf")
        self._said_phase = ""
        self._gone_since: float | None = None
        self._pace = Pace()
        self.run: Run | None = None  # as it was seen last

    def result(self) -> Result:
        """The job's result. Raises BoxliftError where there will be none, AnsibleError where the host stays away."""
        pauses = iter(FIRST_LOOKS)
        while True:
            seen = self._see(next(pauses, LOOK_EVERY))
            self._take(seen)
            if seen.result is not None:
                return seen.result
            self._refuse_ghosts(seen)
            if seen.job != "running":
                self._sleep(NOT_RUNNING)  # such a look waits for nothing

    def _see(self, wait: float) -> Look:
        """What the host says, however long the connection is lost, within the job's own limit."""
        lost_at, attempts = 0.0, 0
        while True:
            try:
                # The wait is not begun again after a lost connection: that it holds again is worth saying at once.
                seen = self._look(0.0 if attempts else wait)
            except AnsibleError as error:
                if self._clock() >= self._until:
                    raise
                if not attempts:
                    lost_at = self._clock()
                    reason = str(error).strip().partition("\n")[0]
                    self._say(f"the host cannot be asked ({reason}). The work goes on there; trying to reach it again")
                self._sleep(RECONNECT[min(attempts, len(RECONNECT) - 1)])
                attempts += 1
            else:
                if attempts:
                    self._say(f"the host answers again after {duration(self._clock() - lost_at)}")
                return seen

    def _take(self, seen: Look) -> None:
        """Say what is new, as often as the reader wants it."""
        if not seen.runs:
            return
        self.run = seen.runs[0]
        state = self.run.state
        self._pace.see(state)
        if seen.job == "ended" or self.run.outcome != "running":
            return
        now = self._clock()
        if state["phase"] == self._said_phase and now - self._said_at < self._say_every:
            return
        silent = seen.now - state["updated"]
        if not state["phase"] and silent < progress_text.SILENCE:
            return  # it has just begun, and says more in a moment
        text = progress_text.at_work(state, self._pace)
        if silent >= progress_text.SILENCE:
            text += f"; it has told nothing new for {duration(silent)}, though its process is there"
        self._say(text)
        self._said_at, self._said_phase = now, state["phase"]

    def _refuse_ghosts(self, seen: Look) -> None:
        """End the watch over a job that nobody is working on any more."""
        now = self._clock()
        if now >= self._until + 2 * LOOK_EVERY:
            raise BoxliftError(
                f"The work did not end within {duration(self._limit)}.", f"Raise the task's timeout. {AGAIN}"
            )
        if seen.job == "running" and seen.runs and seen.runs[0].alive:
            self._gone_since = None
            return
        # A job that has not told anything yet is given the time that a loaded host needs to start Python.
        patience = GONE_FOR_SURE if self.run is not None else progress_text.SILENCE
        self._gone_since = now if self._gone_since is None else self._gone_since
        if now - self._gone_since >= patience:
            raise BoxliftError(self.killed(), AGAIN)

    def killed(self) -> str:
        """How to say that the job ended without a result."""
        where = ""
        if self.run is not None:
            state = self.run.state
            where = f" in process {state['pid']} ({progress_text.at_work(state, Pace())})"
        return f"The work{where} ended without a result: it was killed, ran out of memory, or the host was restarted."

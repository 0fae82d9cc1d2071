# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow a job on a host until it ends: print its progress, survive lost connections, notice when it was killed."""

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleError
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.units import duration
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress import text as progress_text
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.forecast import Forecast
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.probe import HostState, Run

PROBE_EVERY = 5.0
FIRST_PROBES = (1.0, 2.0)  # somebody who has just started a job wants to see that it works
NOT_RUNNING = 1.0  # seconds until the next probe while the job's file is missing or incomplete
RECONNECT = (5.0, 10.0, 20.0, 40.0, 60.0)  # seconds between attempts; the last one repeats
SAY_EVERY_ON_TERMINAL, SAY_EVERY_IN_LOG = 3.0, 60.0  # on a terminal after each probe but the first ones
# A process that is gone may have ended well a moment ago: its result is still being written.
GONE_FOR_SURE = 10.0
RECORD_EVERY = 120.0  # how far it is, for notices and for those who read the journal afterwards
AGAIN = "Run the same task again: it goes on where it was."

Result = dict[str, t.Any]


class Follower:
    """Follows one job.

    `probe` asks the host after a number of seconds, or earlier when the job ends; it raises AnsibleError if the host
    cannot be reached. `say` prints a line, and `record` keeps how far the job is.
    """

    def __init__(
        self,
        probe: t.Callable[[float], HostState],
        say: t.Callable[[str], None],
        limit: float,
        terminal: bool,
        record: t.Callable[[t.Mapping[str, t.Any]], None] = lambda state: None,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._probe, self._say, self._record = probe, say, record
        self._clock, self._sleep = clock, sleep
        self._began = clock()
        self._until = self._began + limit
        self._limit = limit
        self._say_every = SAY_EVERY_ON_TERMINAL if terminal else SAY_EVERY_IN_LOG
        self._said_at = float("-inf")
        self._said_phase = ""
        self._recorded_at = float("-inf")
        self._gone_since: float | None = None
        self._forecast = Forecast()
        self.run: Run | None = None  # as last seen

    def result(self) -> Result:
        """The job's result. Raises BoxliftError if there will be none, AnsibleError if the host stays unreachable."""
        pauses = iter(FIRST_PROBES)
        while True:
            seen = self._see(next(pauses, PROBE_EVERY))
            self._take(seen)
            if seen.result is not None:
                return seen.result
            self._refuse_ghosts(seen)
            if seen.job != "running":
                self._sleep(NOT_RUNNING)  # such a probe returns at once

    def _see(self, wait: float) -> HostState:
        """The next answer of the host. Tries again while the connection is lost, up to the job's time limit."""
        lost_at, attempts = 0.0, 0
        while True:
            try:
                # After a lost connection without waiting, to report at once that the host answers again.
                seen = self._probe(0.0 if attempts else wait)
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

    def _take(self, seen: HostState) -> None:
        """Print the progress, no more often than `say_every` unless the phase is new."""
        if not seen.runs:
            return
        self.run = seen.runs[0]
        state = self.run.state
        self._forecast.see(state)
        if seen.job == "ended" or self.run.outcome != "running":
            return
        now = self._clock()
        if state["phase"] and now - self._recorded_at >= RECORD_EVERY:
            self._recorded_at = now
            self._record(state)
        if state["phase"] == self._said_phase and now - self._said_at < self._say_every:
            return
        silent = seen.now - state["updated"]
        if not state["phase"] and silent < progress_text.SILENCE:
            return  # it has just begun and reports more in a moment
        text = progress_text.at_work(state, self._forecast)
        if silent >= progress_text.SILENCE:
            text += f"; it has told nothing new for {duration(silent)}, though its process is there"
        self._say(text)
        self._said_at, self._said_phase = now, state["phase"]

    def _refuse_ghosts(self, seen: HostState) -> None:
        """Raise BoxliftError if no process works on the job any more, or it exceeds its limit."""
        now = self._clock()
        if now >= self._until + 2 * PROBE_EVERY:
            raise BoxliftError(
                f"The work did not end within {duration(self._limit)}.", f"Raise the task's timeout. {AGAIN}"
            )
        if seen.job == "running" and seen.runs and seen.runs[0].alive:
            self._gone_since = None
            return
        # A job that has not reported yet may be waiting for a loaded host to start Python.
        patience = GONE_FOR_SURE if self.run is not None else progress_text.SILENCE
        self._gone_since = now if self._gone_since is None else self._gone_since
        if now - self._gone_since >= patience:
            raise BoxliftError(self.killed(), AGAIN)

    def killed(self) -> str:
        """The message for a job that ended without a result."""
        where = ""
        if self.run is not None:
            state = self.run.state
            where = f" in process {state['pid']} ({progress_text.at_work(state, Forecast())})"
        return f"The work{where} ended without a result: it was killed, ran out of memory, or the host was restarted."

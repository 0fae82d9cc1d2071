# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes each call its next step in the portal: register, finish, recording.

A kill, a lost answer or an outage may come anywhere. So the portal is asked for what it already has before any step
is repeated, and a step counts as fresh only in the process in which the step before it ended. Two facts of the portal
shape this: a registration with the same EXTERNAL_CALL_ID, user and number is found again for half an hour after the
call began; and a call that is finished is in the statistics, but no longer among the registered ones.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony import recording
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.portal import (
    Gone,
    NotAllowed,
    Portal,
    Refused,
    RetryLater,
    Wording,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.store import (
    FINISHED,
    REGISTERED,
    STORED,
    Store,
    StoredCall,
)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
LONGEST_DELAY = 300.0  # between two tries of one call
# A finish that was carried out a moment ago may not be in the statistics yet. No server works longer than this.
SETTLE_SECONDS = 120.0


@dataclasses.dataclass(frozen=True)
class Recordings:
    """Where recordings lie, and when they are given up."""

    folder: str
    smallest: int = 1024
    quiet_seconds: float = 10.0
    patience: float = 900.0  # after the end of the call


class Listener(t.Protocol):
    """Hears of what was sent, for metrics and logs."""

    def sent(self, external_id: str, step: str) -> None: ...

    def failed(self, external_id: str, error: BoxliftError) -> None: ...


class Sender:
    """`advance` takes one call one step; `pause_until` says how long the portal is left alone."""

    def __init__(
        self,
        store: Store,
        portal: Portal,
        wording: Wording,
        users: t.Callable[[], t.Mapping[str, int]],
        recordings: Recordings | None,
        clock: t.Callable[[], float],
        listener: Listener,
    ) -> None:
        self._store, self._portal, self._wording, self._users = store, portal, wording, users
        self._recordings, self._clock, self._listener = recordings, clock, listener
        self._fresh: set[tuple[str, str]] = set()  # calls whose next step nobody has tried
        self._failures, self._failed_at = 0, 0.0
        self.pause_until = 0.0

    def is_new(self, external_id: str) -> None:
        """The call was stored for the first time just now, by this process."""
        self._fresh.add((external_id, STORED))

    def reword(self, wording: Wording, portal: Portal, recordings: Recordings | None) -> None:
        """From now on, tell this portal, in these words."""
        self._wording, self._portal, self._recordings = wording, portal, recordings
        self.pause_until = 0.0

    async def advance(self, external_id: str) -> bool:
        """Take the call its next step; give whether the portal answered in earnest. Never raises for the portal."""
        call = self._store.get(external_id)
        if call is None or self._clock() < self.pause_until or self._store.held:
            return False
        began = self._clock()
        try:
            await self._step(call)
        except RetryLater as error:
            self._leave_alone(began, error.pause)
            delay = 0.0 if isinstance(error, NotAllowed) else min(2.0 ** min(call.attempts, 10), LONGEST_DELAY)
            self._store.later(external_id, delay, error.message)
            self._listener.failed(external_id, error)
            return False
        except (Gone, Refused) as error:
            self._store.dead(external_id, error.message)
            self._listener.failed(external_id, error)
        except (BoxliftError, OSError) as error:
            # Of the recording: the portal is not at fault, and the call itself is told.
            self._store.dead(external_id, str(error))
            self._listener.failed(external_id, error if isinstance(error, BoxliftError) else BoxliftError(str(error)))
        self._failures = 0
        return True

    def _leave_alone(self, began: float, wanted: float) -> None:
        """Send nothing for a while, the longer the more often in a row the portal has failed.

        Requests that were on their way together fail together: they count once. And one failure alone, which may be
        that of a single connection, makes no other call wait.
        """
        now = self._clock()
        alone = self._failures == 0
        if began > self._failed_at:
            self._failures, self._failed_at = self._failures + 1, now
        pause = 0.0 if alone else min(FIRST_PAUSE * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE)
        self.pause_until = max(self.pause_until, now + max(pause, min(wanted, 600.0)))

    async def _step(self, call: StoredCall) -> None:
        fresh = (call.external_id, call.state) in self._fresh
        self._fresh.discard((call.external_id, call.state))
        if call.state == STORED:
            await self._register(call, fresh)
        elif call.state == REGISTERED and call.fact.ended:
            await self._finish(call, fresh)
        elif call.state == FINISHED:
            await self._record(call)

    # -- register ------------------------------------------------------------------------------------------------

    async def _register(self, call: StoredCall, fresh: bool) -> None:
        if not fresh:
            finished = await self._portal.finished_as("EXTERNAL_CALL_ID", call.external_id)
            if finished:
                self._finished(call, finished)
                return
        parameters = call.registration
        if parameters is None:
            parameters = self._wording.registration(call.fact, self._users(), live=not call.fact.ended)
            self._store.freeze(call.external_id, parameters)
        try:
            call_id, note = await self._portal.register({**parameters, **self._no_card(call)})
        except Refused:
            if parameters.get("USER_ID") == self._wording.fallback_user:
                raise
            # Nothing was made, so another user makes no second call: somebody may have left the company.
            parameters = self._for_fallback(parameters)
            self._store.freeze(call.external_id, parameters)
            call_id, note = await self._portal.register({**parameters, **self._no_card(call)})
        self._store.registered(call.external_id, call_id, note)
        self._fresh.add((call.external_id, REGISTERED))
        self._listener.sent(call.external_id, "register")

    @staticmethod
    def _no_card(call: StoredCall) -> dict[str, int]:
        """A call that is over needs no card; whether one is shown does not make it another call."""
        return {"SHOW": 0} if call.fact.ended else {}

    def _for_fallback(self, parameters: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """The same for the fallback user."""
        others = {name: value for name, value in parameters.items() if name != "USER_PHONE_INNER"}
        return {**others, "USER_ID": self._wording.fallback_user}

    # -- finish --------------------------------------------------------------------------------------------------

    async def _finish(self, call: StoredCall, fresh: bool) -> None:
        if not fresh and await self._portal.finished_as("CALL_ID", call.call_id):
            self._finished(call, call.call_id)
            return
        parameters = self._wording.finish(call.fact, call.call_id, self._users())
        try:
            await self._portal.finish(parameters)
        except Gone as error:
            self._not_registered(call, error)
            return
        except Refused:
            if parameters.get("USER_ID") == self._wording.fallback_user:
                raise
            await self._portal.finish(self._for_fallback(parameters))
        self._finished(call, call.call_id)

    def _not_registered(self, call: StoredCall, error: Gone) -> None:
        """Neither registered nor in the statistics: still being written, or lost by a portal that was restored."""
        first = self._store.meta(f"gone {call.call_id}")
        if not first:
            self._store.set_meta(f"gone {call.call_id}", str(self._clock()))
            first = str(self._clock())
        if self._clock() - float(first) < SETTLE_SECONDS:
            self._store.later(call.external_id, SETTLE_SECONDS / 4, error.message)
            return
        self._store.clear_meta(f"gone {call.call_id}")
        if call.fact.portal_call_id:
            raise error  # the portal's own call: there is no way to make it again
        self._store.unregister(call.external_id, error.message)

    def _finished(self, call: StoredCall, call_id: str) -> None:
        self._store.finished(call.external_id, call_id)
        self._listener.sent(call.external_id, "finish")

    # -- recording -----------------------------------------------------------------------------------------------

    async def _record(self, call: StoredCall) -> None:
        if self._recordings is None or not call.fact.recording:
            self._store.closed(call.external_id)
            return
        settings = self._recordings
        path = recording.path_of(settings.folder, call.fact.recording)
        try:
            # In a thread: to read a recording of an hour takes longer than a ringing call may wait for its card.
            take = recording.take
            found = await asyncio.to_thread(take, path, self._clock(), settings.quiet_seconds, settings.smallest)
        except recording.NotYet as reason:
            if self._clock() - call.changed > settings.patience:
                raise BoxliftError(f"No recording came: {reason}.", "See MixMonitor in the dial plan.") from None
            self._store.later(call.external_id, 2.0, str(reason), failed=False)
            return
        if found is None:
            self._store.closed(call.external_id, "the recording holds no sound")
            return
        self._store.recording_known(call.external_id, found.size, found.sha256)
        await self._portal.attach(call.call_id, os.path.basename(path), path)
        again = await asyncio.to_thread(recording.take, path, self._clock(), 0.0, settings.smallest)
        if again is None or again.sha256 != found.sha256:
            raise RetryLater(f"{path} changed while it was sent.")
        self._store.closed(call.external_id)
        self._listener.sent(call.external_id, "recording")

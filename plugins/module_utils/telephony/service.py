# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connector at work: events are stored, stored calls are sent, and what was missed is found in the records.

Each part is a task on one loop. A part that fails for a reason nobody foresaw ends the process: systemd starts it
again, and everything that counts is in the store.
"""

from __future__ import annotations

import asyncio
import collections
import datetime
import json
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony import backfill, clicks, reconcile, recording
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.ami import (
    AmiError,
    AmiLost,
    AmiSession,
    Message,
    event_of,
    originate,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import CallFact
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.calls import CallTracker
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.cards import Cards
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.cdr import CdrSource
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.logs import Log
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.metrics import Metrics
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.portal import (
    Portal,
    PortalError,
    RetryLater,
    Transport,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.sender import Sender
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.settings import Settings
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.store import Store

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # between two tries to reach the exchange
TICK_SECONDS = 1.0  # how late a command of another process (hold, replay) is noticed
BACKFILL_SECONDS = 60.0
USERS_SECONDS = 900.0
DAY = 86400.0
_RESERVED = "clicks_reserved"  # name under which the portal reserves events for us


class Connector:
    """`run` works until it is cancelled. Everything from outside is passed in."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        transport: Transport,
        cdr: CdrSource,
        log: Log,
        metrics: Metrics,
        clock: t.Callable[[], float],
    ) -> None:
        self.settings, self.store, self._cdr = settings, store, cdr
        self._log, self.metrics, self._clock = log, metrics, clock
        self._portal = Portal(transport)
        self.tracker = CallTracker(settings.exchange)
        self._users: dict[str, int] = json.loads(store.meta("users") or "{}")
        self.sender = Sender(
            store, self._portal, settings.wording, lambda: self._users, settings.recordings, clock, self
        )
        self._cards = Cards(lambda: self._users)
        # What is sent first: calls that ring, for their cards; what events have just told; all others; recordings.
        self._ringing: collections.deque[str] = collections.deque()
        self._urgent: collections.deque[str] = collections.deque()
        self._backlog: collections.deque[str] = collections.deque()
        self._recordings: collections.deque[str] = collections.deque()
        self._uploading: set[str] = set()
        self._active: dict[str, asyncio.Task[None]] = {}
        self._heard: dict[str, float] = {}
        self._wake, self._backfill_now = asyncio.Event(), asyncio.Event()
        self._session: AmiSession | None = None
        self._others: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until cancelled. Then whatever is being sent is given up; the store knows what to look for."""
        parts = [self._read_exchange(), self._send(), self._find_missed(), self._know_users(), self._look_after()]
        if self.settings.clicks is not None and self.settings.clicks.poll_seconds:
            parts.append(self._ask_for_clicks(self.settings.clicks.poll_seconds))
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            await asyncio.gather(*tasks)
        finally:
            await _end([*tasks, *self._active.values(), *self._others])

    def reload(self, settings: Settings, transport: Transport) -> None:
        """Use other settings from now on. Where the exchange is another one, the connection is made anew."""
        other = settings.ami != self.settings.ami
        self.settings = settings
        self._portal = Portal(transport)
        self.sender.reword(settings.wording, self._portal, settings.recordings)
        self.tracker.rename(settings.exchange)
        self._log.show_numbers = settings.show_numbers
        if other and self._session is not None:
            self._session.close()
        self._wake.set()

    # -- the exchange --------------------------------------------------------------------------------------------

    async def _read_exchange(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                self._session = await AmiSession.open(self.settings.ami, events=True)
                self._log("info", "exchange connected")
                self.metrics.connected.set(1)
                self._backfill_now.set()
                async for batch in self._session.messages():
                    pause = FIRST_PAUSE
                    self.take(batch)
            except (AmiLost, AmiError) as error:
                self._log("error", "exchange lost", reason=str(error), again_in=pause)
            finally:
                if self._session is not None:
                    self._session.close()
                    self._session = None
                    backfill.heard(self.store, self._clock())
                    self.metrics.gaps.inc()
                self.metrics.connected.set(0)
                self.tracker.gap()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def take(self, batch: t.Sequence[Message]) -> None:
        """Store what the messages tell, in one commit, and have it sent."""
        now, facts = self._clock(), dict[str, CallFact]()
        for message in batch:
            event = event_of(message, now)
            if event is not None:
                self.metrics.events.inc()
                if event.name == "FullyBooted" and event.get("Uptime").isdecimal():
                    backfill.runs_since(self.store, event.at - float(event.get("Uptime")))
                facts.update((fact.external_id, fact) for fact in self.tracker.feed(event))
        if facts:
            self._keep(list(facts.values()))

    def _keep(self, facts: list[CallFact]) -> None:
        held, now = self.store.held, self._clock()
        frozen = {}
        if not held:  # what is held is put into words when it is sent
            wording = self.settings.wording
            frozen = {fact.external_id: wording.registration(fact, self._users, not fact.ended) for fact in facts}
        new = set(self.store.put(facts, frozen))
        for fact in facts:
            if fact.external_id in new:
                self.sender.is_new(fact.external_id)
                self._log("info", "call", call=fact.external_id, number=fact.number, inner=fact.inner, kind=fact.kind)
            if fact.external_id in new or fact.ended:
                (self._urgent if fact.ended else self._ringing).append(fact.external_id)
                self._heard[fact.external_id] = now
            change = self._cards.change(fact)
            if change is not None:
                self._beside(self._show(change.call_id, change.show, change.hide))
        self._wake.set()

    async def _show(self, call_id: str, show: list[int], hide: list[int]) -> None:
        try:
            if show:
                await self._portal.card(True, call_id, show)
            if hide:
                await self._portal.card(False, call_id, hide)
        except PortalError as error:
            self._log("warning", "card", reason=error.message)

    def _beside(self, work: t.Coroutine[t.Any, t.Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._others.add(task)
        task.add_done_callback(self._others.discard)

    # -- the portal ----------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        while True:
            self._wake.clear()
            await self.store.settled()  # facts too that are held, or must wait
            self._start_sending()
            await _until(self._wake, TICK_SECONDS)
            for task in [task for task in self._active.values() if task.done()]:
                task.result()  # a fault of ours ends the process

    def _start_sending(self) -> None:
        self._active = {key: task for key, task in self._active.items() if not task.done() or task.exception()}
        room = self.settings.portal.parallel - len(self._active)
        if room <= 0 or self.store.held or self._clock() < self.sender.pause_until:
            return
        queues = (self._ringing, self._urgent, self._backlog, self._recordings)
        waiting = {*self._active}.union(*queues)
        if len(waiting) - len(self._active) - len(self._recordings) < room:
            self._backlog += [each for each in self.store.due(len(waiting) + 100, False) if each not in waiting]
        if len(self._recordings) < room:
            self._recordings += [each for each in self.store.due(len(waiting) + 100, True) if each not in waiting]
        for queue in queues:
            for _turn in range(len(queue)):
                if room <= 0 or (queue is self._recordings and not self._may_upload()):
                    return
                external_id = queue.popleft()
                if external_id in self._active:
                    queue.append(external_id)  # its next step, when this one is done
                    continue
                if queue is self._recordings:
                    self._uploading.add(external_id)
                elif self.store.lacks_recording(external_id):
                    self._recordings.append(external_id)
                    continue
                room -= 1
                self._active[external_id] = asyncio.ensure_future(self._advance(external_id))

    def _may_upload(self) -> bool:
        """Whether another recording may go: half of the places stay for calls, whose facts are waited for."""
        self._uploading &= self._active.keys()
        return len(self._uploading) < max(1, self.settings.portal.parallel // 2)

    async def _advance(self, external_id: str) -> None:
        heard = self._heard.pop(external_id, None)
        if heard is not None:
            self.metrics.latency.observe(max(0.0, self._clock() - heard))
        try:
            await self.sender.advance(external_id)
        finally:
            self._wake.set()

    def sent(self, external_id: str, step: str) -> None:
        """The sender's word that the portal has taken a step."""
        self.metrics.sent.labels(step).inc()
        self._log("info", "sent", call=external_id, step=step)
        stored = self.store.get(external_id)
        if stored is None:
            return
        if stored.note and step == "register":
            self._log("warning", "no lead", call=external_id, reason=stored.note)
        if step == "register" and not stored.fact.ended and stored.registration is not None:
            user = stored.registration.get("USER_ID")
            if user is not None and stored.registration.get("SHOW"):
                self._cards.begin(external_id, stored.call_id, user)
        if step != "recording" and stored.fact.ended:
            self._urgent.append(external_id)

    def failed(self, external_id: str, error: BoxliftError) -> None:
        """The sender's word that a step failed."""
        self.metrics.failures.labels(type(error).__name__).inc()
        self._log("error", "not sent", call=external_id, reason=error.message, remedy=error.remedy)

    async def _know_users(self) -> None:
        while True:
            try:
                self._users = await self._portal.users()
                self.store.set_meta("users", json.dumps(self._users))
                pause = USERS_SECONDS
            except PortalError as error:
                self._log("warning", "employees are not known", reason=error.message, remedy=error.remedy)
                pause = LONGEST_PAUSE
            await asyncio.sleep(pause)

    # -- the records ---------------------------------------------------------------------------------------------

    async def _find_missed(self) -> None:
        while True:
            connected = self._backfill_now.is_set()
            self._backfill_now.clear()
            await self.find_missed()
            # What has just ended is left to events. After a gap they will not come.
            await _until(self._backfill_now, backfill.SETTLE_SECONDS + 1 if connected else BACKFILL_SECONDS)

    async def find_missed(self) -> None:
        """Look for calls that no event told of."""
        since, until = backfill.window(self.store, self._clock())
        exchange = self.settings.exchange

        def ended() -> list[CallFact]:
            return backfill.ended_calls(self._cdr.rows(since, until), exchange, until)

        try:
            facts = await asyncio.get_running_loop().run_in_executor(None, ended)
        except BoxliftError as error:
            self._log("error", "records", reason=error.message, remedy=error.remedy)
            return
        news, given_up = backfill.backfill(self.store, facts, self.tracker.live(), until)
        for fact in news:
            self.metrics.backfilled.inc()
            self._log("info", "found in the records", call=fact.external_id, number=fact.number)
        for external_id in given_up:
            self._log("error", "no end", call=external_id)
        await self._end_cut_calls(until)
        self._wake.set()

    async def _end_cut_calls(self, until: float) -> None:
        """A crash of the exchange leaves no record of the calls that were up, but most of their recordings."""
        settings = self.settings.recordings
        for call, end in backfill.cut_calls(self.store, self.tracker.live(), until):
            name = ""
            if settings is not None and call.fact.stage == "talking":
                linkedid = call.external_id.removeprefix(self.settings.exchange.external_id(""))
                try:
                    name = await asyncio.to_thread(recording.of_call, settings.folder, linkedid, call.fact.started)
                    if name:  # each says that the call was still up
                        end = max(end, os.stat(os.path.join(settings.folder, name)).st_mtime)
                except OSError as error:
                    self._log("error", "recording", call=call.external_id, reason=str(error))
            self.store.put([backfill.cut_off(call.fact, name, end)], {})
            self._log("warning", "cut by a crash of the exchange", call=call.external_id, recording=name)

    async def _look_after(self) -> None:
        """Once a minute, figures; once a night, reconciliation and what may be forgotten."""
        while True:
            self.figures()
            now = self._clock()
            if self._session is not None:
                backfill.heard(self.store, now)
            day = _midnight(now - DAY)
            if _midnight(now) + 3 * 3600 < now and self.store.meta("reconciled") != str(day):
                await self.reconcile(day)
                self.store.forget(now - self.settings.retention_days * DAY)
            await asyncio.sleep(60)

    def figures(self) -> None:
        """Set the gauges."""
        for state, number in self.store.counts().items():
            self.metrics.calls.labels(state).set(number)
        oldest = self.store.oldest_unsent()
        self.metrics.oldest.set(0 if oldest is None else max(0.0, self._clock() - oldest))
        self.metrics.held.set(int(self.store.held))
        self.metrics.unreadable.set(len(getattr(self._cdr, "unreadable", ())))

    async def reconcile(self, day: float, resend: bool = True) -> reconcile.Differences | None:
        """Compare the 24 hours from `day` on, and send again what the portal lacks; None if it could not be asked."""
        margin = reconcile.MARGIN_SECONDS
        try:
            statistics = [row async for row in self._portal.statistics(day - margin, day + DAY + margin)]
            read = self._cdr.rows
            rows = await asyncio.get_running_loop().run_in_executor(None, read, day, day + DAY + 12 * 3600)
        except BoxliftError as error:
            self._log("error", "not reconciled", reason=error.message, remedy=error.remedy)
            return None
        exchange, begin = self.settings.exchange, float(self.store.meta(backfill.FIRST_START) or 0)
        found = reconcile.compare(rows, statistics, exchange, self.store, max(day, begin), day + DAY)
        for external_id in found.missing if resend else []:
            self.resend(external_id, rows)
        self.store.set_meta("reconciled", str(day))
        self.metrics.differences.set(found.count)
        self._log("error" if found.count else "info", "reconciled", day=day, **vars(found))
        return found

    def resend(self, external_id: str, rows: t.Iterable[t.Any]) -> None:
        """Tell a call anew; the records know it where the store has forgotten it."""
        if self.store.get(external_id) is not None:
            self.store.resend(external_id)
            return
        exchange = self.settings.exchange
        for linkedid, group in backfill.by_call(rows).items():
            if exchange.external_id(linkedid) == external_id:
                fact = backfill.fact_of(group, exchange)
                if fact is not None:
                    self.store.put([fact], {})

    # -- clicks --------------------------------------------------------------------------------------------------

    async def _ask_for_clicks(self, seconds: float) -> None:
        """For a portal that cannot reach us: it keeps its events, and gives them when asked."""
        kept = False
        while True:
            pause = seconds
            try:
                if not kept:
                    await self._portal.queue(clicks.CLICK)
                    kept = True
                await self._take_clicks()
            except RetryLater as error:
                self.say("warning", "clicks", error)
                pause = max(seconds, FIRST_PAUSE, error.pause)
            except PortalError as error:
                self.say("error", "clicks", error)
                pause = max(seconds, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _take_clicks(self) -> None:
        """What was reserved and not removed, since we were killed, comes again; a click that is known makes no call."""
        process, events = await self._portal.queued(clicks.CLICK, self.store.meta(_RESERVED))
        if not events:
            return
        self.store.set_meta(_RESERVED, process)
        for event in events:
            try:
                await self.click(clicks.click_in(event.get("EVENT_DATA")), clicks.age_of(event, self._clock()))
            except BoxliftError as error:
                self.refused_click("unusable", error)
        await self._portal.forget(process)
        self.store.clear_meta(_RESERVED)

    async def click(self, click: clicks.Click, age: float = 0.0) -> bool:
        """Make the call; False if this click is known. Raises BoxliftError where no call can be made.

        `age`: seconds since the click. A call that nobody waits for any more is not made.
        """
        listening, login = self.settings.clicks, self.settings.originate
        if listening is None or login is None:
            raise BoxliftError("Clicks are switched off.", "Set call_connector_click_token.")
        inner = next((inner for inner, user in self._users.items() if user == click.user), "")
        fact = clicks.fact_of_click(click, inner, self.settings.exchange, self._clock())
        if not self.store.put([fact], {}):
            return False
        self._log("info", "click", call=fact.external_id, number=click.number, inner=inner)
        if age > clicks.PATIENCE_SECONDS:
            self._log("warning", "click", call=fact.external_id, reason=f"it was {age:.0f} s ago")
            self.metrics.clicks.labels("late").inc()
            self._keep([clicks.not_made(fact, "603-S")])
            return True
        try:
            if not inner:
                raise AmiError(
                    f"User {click.user} has no inner number of his own.",
                    "Give him one in the portal's list of employees.",
                )
            self.tracker.expect(clicks.linkedid_of(click), click.call_id)
            await originate(login, clicks.originate_fields(click, inner, listening))
        except (AmiError, AmiLost) as error:
            self._log("error", "click", call=fact.external_id, reason=str(error))
            self.metrics.clicks.labels("failed").inc()
            self._keep([clicks.not_made(fact, "503")])
            return True
        self.metrics.clicks.labels("made").inc()
        return True

    def refused_click(self, result: str, error: BoxliftError) -> None:
        """Somebody sent what no call is made of."""
        self.metrics.clicks.labels(result).inc()
        self.say("warning", "click", error)

    def say(self, level: str, event: str, error: BoxliftError) -> None:
        """Log an error with what helps."""
        self._log(level, event, reason=error.message, remedy=error.remedy)


async def _end(tasks: t.Iterable[asyncio.Task[t.Any]]) -> None:
    """Cancel the tasks until they have ended: `wait_for` may lose a cancellation before Python 3.12."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _done, pending = await asyncio.wait(pending, timeout=1)


async def _until(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, no longer than so many seconds."""
    waiter = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiter}, timeout=seconds)
    finally:
        waiter.cancel()


def _midnight(moment: float) -> float:
    """When that day began here."""
    day = datetime.datetime.fromtimestamp(moment).date()
    return datetime.datetime.combine(day, datetime.time()).timestamp()

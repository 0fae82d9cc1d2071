# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchange's events become call facts: one for each call with a client, none for a call within the house.

A call is several channels, which share a Linkedid. What the client's own channel went through decides: with whom it
shared a bridge is talk, and everything else is waiting. Neither the cause of a hang-up (16 also for unanswered calls)
nor the order of Cdr and Hangup means anything here.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import (
    ANSWERED,
    INCOMING,
    MISSED,
    OUTGOING,
    OUTGOING_STATUS,
    REDIRECTED,
    CallFact,
    Exchange,
    client_number,
    dialled_number,
    endpoint_of,
)

# The Cdr events of a call come within moments of its end; its recording's name is learned from them.
REMEMBERED_SECONDS = 120.0


@dataclasses.dataclass(frozen=True)
class Event:
    """One event of AMI. `at` is the exchange's time stamp, or when the event was read if there is none."""

    name: str
    fields: t.Mapping[str, str]
    at: float

    def get(self, name: str) -> str:
        return self.fields.get(name, "")


@dataclasses.dataclass
class _Channel:
    name: str
    call: _Call
    exten: str
    bridge: str = ""


@dataclasses.dataclass(eq=False)
class _Call:
    linkedid: str
    started: float
    first: str  # Uniqueid of the channel that began it
    kind: int = 0  # 0 while no client is in it
    client: str = ""  # Uniqueid of the client's channel
    number: str = ""
    line: str = ""
    inner: str = ""
    rung: list[str] = dataclasses.field(default_factory=list)  # everybody whose phone rang
    ringing: dict[str, str] = dataclasses.field(default_factory=dict)  # Uniqueid → inner number
    ring_began: float = 0.0
    answered: float = 0.0
    talking_since: float = 0.0
    talked: float = 0.0
    dial_status: str = ""
    recording: str = ""
    portal_call_id: str = ""
    channels: set[str] = dataclasses.field(default_factory=set)
    ended: float = 0.0
    told: CallFact | None = None


class CallTracker:
    """Call facts from events. Give every event to `feed`, in order; call `gap` where events may have been missed."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._calls: dict[str, _Call] = {}
        self._channels: dict[str, _Channel] = {}
        self._names: dict[str, str] = {}  # of channels → Uniqueid
        self._bridges: dict[str, set[str]] = {}
        self._ended: collections.deque[_Call] = collections.deque()
        self._clicks: dict[str, str] = {}

    def expect(self, linkedid: str, portal_call_id: str) -> None:
        """A call of that Linkedid is about to be made for a click, and the portal has registered it itself."""
        self._clicks[linkedid] = portal_call_id

    def rename(self, exchange: Exchange) -> None:
        """From now on, these are the exchange's names."""
        self._exchange = exchange

    def live(self) -> set[str]:
        """External ids of the calls that have not ended."""
        return {self._exchange.external_id(call.linkedid) for call in self._calls.values() if not call.ended}

    def gap(self) -> None:
        """Forget everything. What was going on is told from the exchange's CDR instead, as is all that was missed."""
        self._calls.clear()
        self._channels.clear()
        self._names.clear()
        self._bridges.clear()
        self._ended.clear()

    def feed(self, event: Event) -> list[CallFact]:
        """The facts that the event changes, each as it now stands."""
        handler = self._HANDLERS.get(event.name)
        touched: list[_Call] = []
        if handler is not None:
            touched += handler(self, event)
        self._forget(event.at)
        facts = []
        for call in dict.fromkeys(touched):
            fact = self._fact(call, event.at)
            if fact is not None and fact != call.told:
                call.told = fact
                facts.append(fact)
        return facts

    def _new_channel(self, event: Event) -> list[_Call]:
        uniqueid, linkedid, name = event.get("Uniqueid"), event.get("Linkedid"), event.get("Channel")
        call = self._calls.get(linkedid)
        if call is None:
            if uniqueid != linkedid:
                return []  # of a call whose beginning was missed: the CDR tells it
            call = self._calls[linkedid] = _Call(linkedid, event.at, uniqueid)
            call.portal_call_id = self._clicks.pop(linkedid, "")
            if self._exchange.trunk_of(name) is not None:
                call.kind, call.client = INCOMING, uniqueid
                call.number = client_number(event.get("CallerIDNum"))
                call.line = self._exchange.line_of(event.get("Exten"), name)
        call.channels.add(uniqueid)
        self._channels[uniqueid] = _Channel(name, call, event.get("Exten"))
        self._names[name] = uniqueid
        return [call]

    def _caller_id(self, event: Event) -> list[_Call]:
        """The dial plan puts the client's number into another form, before it rings anybody."""
        channel = self._channels.get(event.get("Uniqueid"))
        if channel is None or channel.call.client != event.get("Uniqueid") or channel.call.kind != INCOMING:
            return []
        if channel.call.told is None:
            channel.call.number = client_number(event.get("CallerIDNum")) or channel.call.number
        return [channel.call]

    def _dial_begin(self, event: Event) -> list[_Call]:
        dialled = self._channels.get(event.get("DestUniqueid"))
        if dialled is None:
            return []
        call, name = dialled.call, event.get("DestChannel")
        if self._exchange.trunk_of(name) is not None:
            if call.kind == INCOMING:
                call.kind = REDIRECTED
            elif call.kind != REDIRECTED:
                self._outgoing(call, event)
            call.ring_began = call.ring_began or event.at
        elif inner := self._exchange.inner_of(name):
            if call.kind == OUTGOING:
                return [call]  # a transfer rings a colleague
            call.ringing[event.get("DestUniqueid")] = inner
            call.rung += [inner] if inner not in call.rung else []
            call.ring_began = call.ring_began or event.at
        return [call]

    def _outgoing(self, call: _Call, event: Event) -> None:
        name = event.get("DestChannel")
        caller = self._channels.get(event.get("Uniqueid"))
        call.kind, call.client = OUTGOING, event.get("DestUniqueid")
        number = dialled_number(event.get("DialString")) or (caller.exten if caller else "")
        call.number = call.number or number or client_number(event.get("DestCallerIDNum"))
        call.line = self._exchange.trunk_of(name) or ""
        # Who called: the phone that dialled, or the phone that was rung for a click on a number.
        phones = [self._exchange.inner_of(self._channels[each].name) for each in (call.first, *sorted(call.channels))]
        call.inner = call.inner or next(filter(None, phones), "")
        call.ringing.clear()

    def _dial_end(self, event: Event) -> list[_Call]:
        dialled = self._channels.get(event.get("DestUniqueid"))
        if dialled is None:
            return []
        call, status = dialled.call, event.get("DialStatus")
        inner = call.ringing.pop(event.get("DestUniqueid"), "")
        if status == "ANSWER":
            if inner:
                call.inner = inner
        elif not inner or call.kind == 0:
            call.dial_status = status
        return [call]

    def _bridge_enter(self, event: Event) -> list[_Call]:
        uniqueid = event.get("Uniqueid")
        channel = self._channels.get(uniqueid)
        if channel is None:
            return []
        channel.bridge = event.get("BridgeUniqueid")
        self._bridges.setdefault(channel.bridge, set()).add(uniqueid)
        return self._settle(self._connected(uniqueid), event.at)

    def _bridge_leave(self, event: Event) -> list[_Call]:
        return self._leave(event.get("Uniqueid"), event.at)

    def _leave(self, uniqueid: str, at: float) -> list[_Call]:
        channel = self._channels.get(uniqueid)
        if channel is None or not channel.bridge:
            return []
        before = self._connected(uniqueid)
        members = self._bridges.get(channel.bridge, set())
        members.discard(uniqueid)
        if not members:
            self._bridges.pop(channel.bridge, None)
        channel.bridge = ""
        return self._settle(before, at)

    def _connected(self, uniqueid: str) -> set[str]:
        """Everybody who hears the channel, and itself: through bridges, and through both halves of Local channels."""
        found, pending = {uniqueid}, [uniqueid]
        while pending:
            channel = self._channels[pending.pop()]
            beside = set(self._bridges.get(channel.bridge, ())) if channel.bridge else set()
            if channel.name.endswith((";1", ";2")):
                other = self._names.get(channel.name[:-1] + ("2" if channel.name.endswith("1") else "1"))
                beside |= {other} if other else set()
            pending += beside - found
            found |= beside
        return found

    def _settle(self, changed: set[str], at: float) -> list[_Call]:
        """Begin or pause the talk of each client among the channels, by whether somebody hears him."""
        calls = [self._channels[each].call for each in changed if self._channels[each].call.client == each]
        for call in calls:
            others = self._connected(call.client) - {call.client}
            people = [
                self._channels[each].name for each in others if endpoint_of(self._channels[each].name) is not None
            ]
            if not people:
                self._pause(call, at)
                continue
            call.answered = call.answered or at
            call.talking_since = call.talking_since or at
            phones = sorted(filter(None, map(self._exchange.inner_of, people)))
            if phones and call.inner not in phones:
                call.inner = phones[0]
        return calls

    def _pause(self, call: _Call, at: float) -> None:
        if call.talking_since:
            call.talked += max(0.0, at - call.talking_since)
            call.talking_since = 0.0

    def _hangup(self, event: Event) -> list[_Call]:
        uniqueid = event.get("Uniqueid")
        channel = self._channels.get(uniqueid)
        if channel is None:
            return []
        touched = self._leave(uniqueid, event.at)
        call = channel.call
        del self._channels[uniqueid]
        self._names.pop(channel.name, None)
        call.channels.discard(uniqueid)
        call.ringing.pop(uniqueid, None)
        # A client who has gone will not come back. In an outgoing call, another carrier may still be tried.
        if not call.ended and (not call.channels or (call.kind in (INCOMING, REDIRECTED) and uniqueid == call.client)):
            call.ended = event.at
            self._ended.append(call)
        return [call, *touched]

    def _cdr(self, event: Event) -> list[_Call]:
        call = self._calls.get(event.get("Linkedid"))
        if call is None:
            return []
        call.recording = call.recording or event.get("BoxliftRecording")
        call.portal_call_id = call.portal_call_id or event.get("BoxliftCallId")
        call.line = event.get("BoxliftLine") or call.line
        return [call]

    def _forget(self, now: float) -> None:
        """Drop the calls that ended long ago: nothing more can come of them."""
        while self._ended and now - self._ended[0].ended > REMEMBERED_SECONDS:
            call = self._ended.popleft()
            if self._calls.get(call.linkedid) is call:
                del self._calls[call.linkedid]

    def _fact(self, call: _Call, at: float) -> CallFact | None:
        """The fact as it stands; None while there is no client, or while it is not known whom to tell it of."""
        if not call.kind and not (call.portal_call_id and call.ended):
            return None
        if call.kind == INCOMING and not (call.rung or call.ended):
            return None
        seconds = round(call.talked)
        if call.answered and call.ended:
            seconds = max(1, seconds)
        stage = "ended" if call.ended else "talking" if call.answered else "ringing"
        rung_for = (call.answered or call.ended or call.ring_began) - call.ring_began if call.ring_began else 0.0
        inner = call.inner or (call.rung[0] if len(call.rung) == 1 else "")
        if call.kind != OUTGOING and not call.answered:
            inner = call.rung[0] if len(call.rung) == 1 else ""
        return CallFact(
            external_id=self._exchange.external_id(call.linkedid),
            kind=call.kind or OUTGOING,
            number=call.number,
            line=call.line,
            started=call.started,
            inner=inner,
            ringing=() if call.ended else tuple(sorted(set(call.ringing.values()))) or ((inner,) if inner else ()),
            ring_seconds=round(rung_for, 1) if call.answered or call.ended else 0.0,
            talk_seconds=seconds,
            talking_since=0.0 if call.ended else call.talking_since,
            status=self._status(call) if call.ended else "",
            recording=call.recording,
            portal_call_id=call.portal_call_id,
            stage=stage,
        )

    def _status(self, call: _Call) -> str:
        if call.answered:
            return ANSWERED
        if call.kind in (INCOMING, REDIRECTED):
            return MISSED
        # Where the caller gave up himself, no end of the dialling may have been told.
        return OUTGOING_STATUS.get(call.dial_status or "CANCEL", MISSED)

    def _rename(self, event: Event) -> list[_Call]:
        channel = self._channels.get(event.get("Uniqueid"))
        if channel is not None:
            self._names.pop(channel.name, None)
            channel.name = event.get("Newname")
            self._names[channel.name] = event.get("Uniqueid")
        return []

    _HANDLERS: t.ClassVar[dict[str, t.Callable[[CallTracker, Event], list[_Call]]]] = {
        "Newchannel": _new_channel,
        "NewCallerid": _caller_id,
        "Rename": _rename,
        "DialBegin": _dial_begin,
        "DialEnd": _dial_end,
        "BridgeEnter": _bridge_enter,
        "BridgeLeave": _bridge_leave,
        "Hangup": _hangup,
        "Cdr": _cdr,
    }

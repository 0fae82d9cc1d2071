# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An exchange that tells what a real one was seen to tell: the events of calls, in their order, with their times."""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import CallFact, Exchange
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.calls import CallTracker, Event
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.cdr_file import FIELDS

EXCHANGE = Exchange("pbx1", {"carrier*": "+74951000001"}, {"4951000002": "+74951000002"})
CLIENT, LINE = "+79161234567", "+74951000001"
EPOCH = 1_764_400_000.0


class Channel(t.NamedTuple):
    uniqueid: str
    linkedid: str
    name: str


class Calls:
    """Channels and what happens to them. `events` is all that is told of it, `now` the exchange's clock.

    `records` are the lines of the exchange's file, by Linkedid, where a call's maker writes one. `first` is the number
    of the first channel: calls that are made apart need other ones.
    """

    def __init__(self, began: float | None = None, first: int = 1) -> None:
        self._began = EPOCH if began is None else began
        self.now, self.events, self.records = self._began, list[Event](), dict[str, str]()
        self._numbers = itertools.count(first)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def tell(self, event: str, **fields: str) -> None:
        self.events.append(Event(event, fields, self.now))

    def channel(self, endpoint: str, of: Channel | None = None, number: str = "", exten: str = "") -> Channel:
        count = next(self._numbers)
        uniqueid = f"{self._began:.0f}.{count}"
        name = endpoint if endpoint.startswith("Local/") else f"PJSIP/{endpoint}-{count:08x}"
        made = Channel(uniqueid, of.linkedid if of else uniqueid, name)
        self.tell("Newchannel", **self._of(made), CallerIDNum=number, Exten=exten)
        return made

    def dial(self, caller: Channel, endpoint: str, dial_string: str = "") -> Channel:
        dialled = self.channel(endpoint, caller)
        self.tell("DialBegin", **self._pair(caller, dialled), DialString=dial_string or endpoint)
        return dialled

    def dialled(self, caller: Channel, dialled: Channel, status: str) -> None:
        self.tell("DialEnd", **self._pair(caller, dialled), DialStatus=status)

    def bridge(self, bridge: str, *channels: Channel, linkedid: str = "") -> None:
        for each in channels:
            self.tell("BridgeEnter", **{**self._of(each), "Linkedid": linkedid or each.linkedid}, BridgeUniqueid=bridge)

    def leave(self, bridge: str, *channels: Channel) -> None:
        for each in channels:
            self.tell("BridgeLeave", **self._of(each), BridgeUniqueid=bridge)

    def hang_up(self, *channels: Channel, cause: str = "16") -> None:
        for each in channels:
            self.tell("Hangup", **self._of(each), Cause=cause)

    def cdr(self, channel: Channel, disposition: str, **fields: str) -> None:
        self.tell("Cdr", UniqueID=channel.uniqueid, Linkedid=channel.linkedid, Disposition=disposition, **fields)

    def record(self, client: Channel, phone: Channel, answer: float, number: str, recording: str = "") -> None:
        """The line of a call that came from outside and ends now; `answer` is 0 where nobody answered."""
        fields = {
            "linkedid": client.linkedid,
            "uniqueid": client.uniqueid,
            "start": f"{self._began:.6f}",
            "answer": f"{answer:.6f}",
            "end": f"{self.now:.6f}",
            "disposition": "ANSWERED" if answer else "NO ANSWER",
            "src": number,
            "dst": "s",
            "channel": client.name,
            "dstchannel": phone.name,
            "boxlift_direction": "in",
            "boxlift_line": LINE,
            "boxlift_recording": recording,
        }
        self.records[client.linkedid] = ",".join(f'"{fields.get(name, "")}"' for name in FIELDS) + "\n"

    @staticmethod
    def _of(channel: Channel) -> dict[str, str]:
        return {"Uniqueid": channel.uniqueid, "Linkedid": channel.linkedid, "Channel": channel.name}

    def _pair(self, caller: Channel, dialled: Channel) -> dict[str, str]:
        other = {"DestUniqueid": dialled.uniqueid, "DestLinkedid": dialled.linkedid, "DestChannel": dialled.name}
        return {**self._of(caller), **other}


def answered(
    calls: Calls,
    number: str = CLIENT,
    ring: float = 7,
    talk: float = 30,
    cdr_first: bool = False,
    inner: str = "101",
    recorded: bool = True,
) -> Channel:
    """A client rings a phone, whose owner answers; the client hangs up."""
    client = calls.channel("carrier", number=number, exten="4951000001")
    phone = calls.dial(client, inner)
    calls.wait(ring)
    answer = calls.now
    calls.dialled(client, phone, "ANSWER")
    calls.bridge(f"b{client.uniqueid}", phone, client)
    calls.wait(talk)
    calls.leave(f"b{client.uniqueid}", client, phone)
    recording = f"{client.linkedid}.wav" if recorded else ""
    steps = [
        lambda: calls.hang_up(client, phone),
        lambda: calls.cdr(client, "ANSWERED", BoxliftRecording=recording),
    ]
    for step in reversed(steps) if cdr_first else steps:
        step()
    calls.record(client, phone, answer, number, recording)
    return client


def missed(calls: Calls, number: str = CLIENT, ring: float = 7, inner: str = "101") -> Channel:
    """A client rings a phone, and gives up."""
    client = calls.channel("carrier", number=number, exten="4951000001")
    phone = calls.dial(client, inner)
    calls.wait(ring)
    calls.dialled(client, phone, "CANCEL")
    calls.hang_up(phone, client)
    calls.cdr(client, "NO ANSWER")
    calls.record(client, phone, 0.0, number)
    return client


def facts(events: t.Iterable[Event], tracker: CallTracker | None = None) -> dict[str, CallFact]:
    """The last word on each call, by Linkedid."""
    tracker = tracker or CallTracker(EXCHANGE)
    last = {}
    for event in events:
        for fact in tracker.feed(event):
            last[fact.external_id.partition("-")[2]] = fact
    return last

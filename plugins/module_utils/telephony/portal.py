# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The portal's REST for calls. What goes wrong becomes a class that says what to do about it.

How a request travels is passed in (`Transport`), so that this file knows nothing of connections.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import (
    BUCKET,
    CREDENTIALS,
    OPERATING,
    OVERLOAD,
)
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import (
    INCOMING,
    REDIRECTED,
    CallFact,
)

REGISTER = "telephony.externalCall.register"
FINISH = "telephony.externalCall.finish"
ATTACH = "telephony.externalCall.attachRecord"
STATISTICS = "voximplant.statistic.get"

ANONYMOUS = "000000"  # nobody's number, and yet one
LIMIT_PAUSE = 1.0  # seconds, where a portal says that it was asked too much, and not for how long
_LIMITS = {BUCKET, OPERATING, OVERLOAD}
# The portal does not know us, or does not let us: no call is at fault, and people must act.
_CREDENTIALS = {*CREDENTIALS, "ERROR_METHOD_NOT_FOUND"}


class PortalError(BoxliftError):
    """The portal did not do what it was asked for."""


class RetryLater(PortalError):
    """No answer, or none that says anything of the call: whether it was carried out is not known.

    `pause` is how many seconds the portal wants to be left alone, if it says so.
    """

    def __init__(self, message: str, remedy: str = "", pause: float = 0.0) -> None:
        super().__init__(message, remedy)
        self.pause = pause


class NotAllowed(RetryLater):
    """The credential is refused, whatever the call: nothing can be sent until people have acted."""


class Gone(PortalError):
    """The portal does not know the call: it is finished already, or was never registered."""


class Refused(PortalError):
    """The portal will never take this."""


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came back over HTTP."""

    status: int
    body: bytes
    retry_after: float = 0.0


class Unanswered(Exception):
    """No whole answer came: the connection failed or took too long."""


class Transport(t.Protocol):
    async def post(self, method: str, parameters: t.Mapping[str, t.Any]) -> Reply:
        """Call a method. Raises Unanswered."""

    async def upload(self, url: str, field: str, name: str, path: str) -> Reply:
        """Send a file as a form to an address that the portal gave. Raises Unanswered, and OSError of the file."""


class Portal:
    """The methods, with their parameters as the portal names them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def call(self, method: str, parameters: t.Mapping[str, t.Any]) -> t.Any:
        """The `result` of any method. Raises PortalError of some kind."""
        try:
            reply = await self._transport.post(method, parameters)
        except Unanswered as error:
            raise RetryLater(f"{method}: {error}.", "See whether the portal answers (curl -I).") from error
        return result_of(method, reply)

    async def register(self, parameters: t.Mapping[str, t.Any]) -> tuple[str, str]:
        """CALL_ID, and what the portal says beside it: why it created no lead."""
        result = await self.call(REGISTER, parameters)
        call_id = result.get("CALL_ID") if isinstance(result, dict) else None
        if not call_id:
            raise RetryLater(f"{REGISTER}: the answer has no CALL_ID.", "See the portal's log.")
        return str(call_id), str(result.get("LEAD_CREATION_ERROR") or "")

    async def finish(self, parameters: t.Mapping[str, t.Any]) -> None:
        """Raises Gone where the call is not registered, or no longer."""
        await self.call(FINISH, parameters)

    async def finished_as(self, field: str, value: str) -> str:
        """CALL_ID of a call that has been finished, found by EXTERNAL_CALL_ID or CALL_ID; empty if there is none."""
        rows = await self.call(STATISTICS, {"FILTER": {field: value}})
        found = [row for row in rows if str(row.get(field)) == value] if isinstance(rows, list) else []
        return str(found[0]["CALL_ID"]) if found else ""

    async def statistics(self, since: float, until: float) -> t.AsyncIterator[dict[str, t.Any]]:
        """Every finished call that began in that time."""
        start: int | None = 0
        while start is not None:
            window = {">=CALL_START_DATE": portal_time(since), "<CALL_START_DATE": portal_time(until)}
            try:
                reply = await self._transport.post(STATISTICS, {"FILTER": window, "ORDER": "ASC", "start": start})
            except Unanswered as error:
                raise RetryLater(f"{STATISTICS}: {error}.") from error
            for row in result_of(STATISTICS, reply):
                yield row
            following = json.loads(reply.body).get("next")
            start = int(following) if following is not None else None

    async def card(self, show: bool, call_id: str, users: t.Sequence[int]) -> None:
        """Show or hide the call's card on the screens of these users."""
        method = f"telephony.externalCall.{'show' if show else 'hide'}"
        await self.call(method, {"CALL_ID": call_id, "USER_ID": list(users)})

    async def attach(self, call_id: str, name: str, path: str) -> str:
        """Upload a recording; give the number of the portal's file. A second upload replaces the first."""
        place = await self.call(ATTACH, {"CALL_ID": call_id, "FILENAME": name})
        if not isinstance(place, dict) or not place.get("uploadUrl"):
            raise RetryLater(f"{ATTACH}: the answer has no uploadUrl.", "See the portal's log.")
        try:
            reply = await self._transport.upload(place["uploadUrl"], place.get("fieldName") or "file", name, path)
        except Unanswered as error:
            raise RetryLater(f"The upload of {name}: {error}.") from error
        result = result_of("upload", reply)
        number = result.get("FILE_ID") if isinstance(result, dict) else None
        if not number:
            raise RetryLater(f"The upload of {name}: the answer has no FILE_ID.", "See the portal's log.")
        return str(number)

    async def queue(self, event: str) -> None:
        """Have the portal keep events of that name for us to ask for; nothing changes where it does so already.

        Needs an application, and the right of an administrator.
        """
        try:
            await self.call("event.bind", {"event": event, "event_type": "offline"})
        except Refused as error:
            if "already" not in error.message.lower():
                raise

    async def queued(self, event: str, process: str) -> tuple[str, list[dict[str, t.Any]]]:
        """The events that wait, and the name under which they are reserved for us until `forget`.

        `process` is that name, if it is known from before: what it reserves is given again.
        """
        given = {"clear": 0, "filter": {"=EVENT_NAME": event}, **({"process_id": process} if process else {})}
        result = await self.call("event.offline.get", given)
        if not isinstance(result, dict) or not isinstance(result.get("events"), list):
            raise RetryLater("event.offline.get: the answer has no events.", "See the portal's log.")
        return str(result.get("process_id") or ""), result["events"]

    async def forget(self, process: str) -> None:
        """Remove the events that are reserved under that name."""
        await self.call("event.offline.clear", {"process_id": process})

    async def users(self) -> dict[str, int]:
        """Inner number → id of the active employee who has it. A number that several have is left out."""
        found: dict[str, list[int]] = {}
        start: int | None = 0
        while start is not None:
            try:
                reply = await self._transport.post("user.get", {"FILTER": {"ACTIVE": True}, "start": start})
            except Unanswered as error:
                raise RetryLater(f"user.get: {error}.") from error
            for row in result_of("user.get", reply):
                if row.get("UF_PHONE_INNER"):
                    found.setdefault(str(row["UF_PHONE_INNER"]).strip(), []).append(int(row["ID"]))
            following = json.loads(reply.body).get("next")
            start = int(following) if following is not None else None
        return {inner: ids[0] for inner, ids in found.items() if len(ids) == 1}


def result_of(method: str, reply: Reply) -> t.Any:
    """The `result` of an answer. Raises RetryLater, NotAllowed, Gone or Refused."""
    try:
        answer = json.loads(reply.body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise RetryLater(
            f"{method}: status {reply.status} with a page instead of JSON.", "See the portal's log.", reply.retry_after
        )
    if "result" in answer and "error" not in answer:
        return answer["result"]
    code = str(answer.get("error") or "").upper()
    text = str(answer.get("error_description") or answer.get("error") or f"status {reply.status}")
    message = f"{method}: {text}"
    if code in _LIMITS or reply.status == 429:
        raise RetryLater(message, "It is tried again by itself.", max(reply.retry_after, LIMIT_PAUSE))
    if reply.status >= 500 and code not in _CREDENTIALS:
        raise RetryLater(message, "It is tried again by itself.", reply.retry_after)
    if code in _CREDENTIALS or reply.status in (401, 402, 403):
        remedy = "Give the webhook or the application its rights (telephony, user, call statistics), or a new one."
        raise NotAllowed(message, remedy, 60.0)
    if "call is not found" in text.lower():
        raise Gone(message)
    raise Refused(message, "Mend what it says, then: call-connector replay.")


def portal_time(seconds: float) -> str:
    """Seconds since the epoch as the portal reads dates, with the zone named."""
    moment = datetime.datetime.fromtimestamp(round(seconds), datetime.timezone.utc)
    return moment.isoformat()


@dataclasses.dataclass(frozen=True)
class Wording:
    """How facts are put to this portal, from the inventory."""

    fallback_user: int  # whom a call is told for that nobody took
    create_crm: bool = True  # a lead for numbers that the portal does not know
    source: str = ""  # CRM_SOURCE
    show: bool = True  # a card on the screen while it rings
    chat: bool = False
    anonymous: str = ANONYMOUS  # the number of callers who withhold theirs

    def registration(self, fact: CallFact, users: t.Mapping[str, int], live: bool) -> dict[str, t.Any]:
        """Parameters of register. `live`: the call goes on, so that a card makes sense."""
        # A portal strips letters, and refuses a number of which nothing is left; `0` is nothing to it.
        known = re.search("[1-9]", fact.number) is not None
        parameters: dict[str, t.Any] = {
            **self.user(fact.inner or (fact.ringing[0] if fact.ringing else ""), users),
            "PHONE_NUMBER": fact.number if known else self.anonymous,
            "TYPE": fact.kind,
            "CALL_START_DATE": portal_time(fact.started),
            # A client who has no number can be found by none.
            "CRM_CREATE": int(self.create_crm and known),
            "SHOW": int(self.show and live),
            "ADD_TO_CHAT": int(self.chat),
            "EXTERNAL_CALL_ID": fact.external_id,
        }
        if fact.line:
            parameters["LINE_NUMBER"] = fact.line
        if self.source and fact.kind in (INCOMING, REDIRECTED):
            parameters["CRM_SOURCE"] = self.source
        return parameters

    def finish(self, fact: CallFact, call_id: str, users: t.Mapping[str, int]) -> dict[str, t.Any]:
        """Parameters of finish, for a call that has ended."""
        return {
            **self.user(fact.inner, users),
            "CALL_ID": call_id,
            "DURATION": fact.talk_seconds,
            "STATUS_CODE": fact.status,
            "ADD_TO_CHAT": int(self.chat),
        }

    def user(self, inner: str, users: t.Mapping[str, int]) -> dict[str, t.Any]:
        """Who the call belongs to: the employee with the inner number, else the fallback.

        While no employee is known, the portal is left to find him by his inner number.
        """
        if inner and not users:
            return {"USER_PHONE_INNER": inner}
        return {"USER_ID": users.get(inner, self.fallback_user) if inner else self.fallback_user}

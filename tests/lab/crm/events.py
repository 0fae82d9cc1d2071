# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of an application, kept in a queue until it asks (offline): the only source of deletions that REST has."""

from __future__ import annotations

import secrets

from lab.crm.fields import as_number
from lab.crm.filters import items
from lab.crm.portal import Crm
from lab.crm.store import All, Any_, Condition, Where
from lab.crm.tables import Method, given, required
from lab.rest.answers import Answer, Asked, Refused, Row

KINDS = ("LEAD", "DEAL", "CONTACT", "COMPANY", "ACTIVITY", "DYNAMICITEM", "TIMELINECOMMENT")
EVENTS = tuple(f"ONCRM{kind}{what}" for kind in KINDS for what in ("ADD", "UPDATE", "DELETE"))
RESERVED_SECONDS = 30 * 24 * 3600


class Events:
    """The methods."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm

    def methods(self) -> dict[str, Method]:
        found: dict[str, Method] = {
            "events": lambda asked: Answer(list(EVENTS)),
            "event.bind": self.bind,
            "event.unbind": self.unbind,
            "event.get": self.get,
        }
        if self.crm.rules.offline_events:
            found["event.offline.list"] = self.offline_list
            found["event.offline.get"] = self.offline_get
            found["event.offline.clear"] = self.offline_clear
        return {name: self._of_applications(method) for name, method in found.items()}

    def _of_applications(self, method: Method) -> Method:
        def checked(asked: Asked) -> Answer:
            if not asked.credential.app and not self.crm.rules.webhooks_bind:
                raise Refused("Current authorization type is denied for this method", "WRONG_AUTH_TYPE", 403)
            return method(asked)

        return checked

    def bind(self, asked: Asked) -> Answer:
        parameters = given(asked)
        event, kind = str(required(asked, "event")).upper(), str(parameters.get("event_type") or "online")
        if event not in EVENTS:
            raise Refused("Event not found", "ERROR_EVENT_NOT_FOUND", 400)
        if kind == "offline":
            if not self.crm.is_admin(asked.credential.user):
                raise Refused("Access denied!", "ACCESS_DENIED", 403)
            if not self.crm.rules.offline_events:
                raise Refused("Offline events are not available", "ERROR_CORE", 400)
        elif not parameters.get("handler"):
            raise Refused("Empty handler URL", "ERROR_ARGUMENT", 400)
        row: Row = {"APP": asked.credential.app, "EVENT": event, "EVENT_TYPE": kind}
        row["HANDLER"] = str(parameters.get("handler") or "")
        with self.crm.store.lock:
            if self.crm.store.count("handler", All([Condition(name, "=", value) for name, value in row.items()])):
                raise Refused("Handler already binded", "ERROR_CORE", 400)
            self.crm.store.insert("handler", row)
        return Answer(True)

    def _mine(self, asked: Asked) -> Condition:
        return Condition("APP", "=", asked.credential.app)

    def unbind(self, asked: Asked) -> Answer:
        event = Condition("EVENT", "=", str(required(asked, "event")).upper())
        parts: list[Where] = [self._mine(asked), event]
        if given(asked).get("event_type"):
            parts.append(Condition("EVENT_TYPE", "=", str(given(asked)["event_type"])))
        return Answer({"count": self.crm.store.remove("handler", self.crm.store.find("handler", All(parts)))})

    def get(self, asked: Asked) -> Answer:
        rows = self.crm.store.load("handler", self.crm.store.find("handler", self._mine(asked))).values()
        shown = [{"event": row["EVENT"], "handler": row["HANDLER"], "auth_type": "0"} for row in rows]
        return Answer([{**each, "offline": int(row["EVENT_TYPE"] == "offline")} for each, row in zip(shown, rows)])

    def _waiting(self, asked: Asked, limit: int, *processes: str) -> list[Row]:
        """Rows of these processes, and those whose reservation has ended; oldest first."""
        old = self.crm.zone.moment(self.crm.clock() - RESERVED_SECONDS)
        free = Any_([Condition("PROCESS_ID", "in", list(processes)), Condition("RESERVED", "<", old)])
        parts: list[Where] = [self._mine(asked), free]
        for key, value in items(given(asked).get("filter")):
            name = key.lstrip("=").upper()
            if name == "EVENT_NAME":
                parts.append(Condition(name, "=", str(value).upper()))
        numbers = self.crm.store.find("event", All(parts), limit=limit)
        found = self.crm.store.load("event", numbers)
        return [found[number] for number in numbers]

    @staticmethod
    def _shown(row: Row) -> Row:
        shown = {"ID": str(row["ID"]), "TIMESTAMP_X": row["TIMESTAMP_X"], "EVENT_NAME": row["EVENT_NAME"]}
        shown |= {"EVENT_DATA": row["EVENT_DATA"], "EVENT_ADDITIONAL": False, "MESSAGE_ID": str(row["ID"])}
        return shown

    def offline_list(self, asked: Asked) -> Answer:
        """Looks without taking."""
        rows = self.crm.rows("event")
        return Answer([self._shown(row) for row in rows if row["APP"] == asked.credential.app])

    def offline_get(self, asked: Asked) -> Answer:
        """Reading deletes, unless `clear` is 0: then the rows wait, reserved, for event.offline.clear."""
        parameters = given(asked)
        keep, process = str(parameters.get("clear", 1)) == "0", str(parameters.get("process_id") or "")
        if keep and not self.crm.rules.offline_extended:
            raise Refused("Extended offline events are not available in this plan", "ACCESS_DENIED", 403)
        limit = as_number(parameters.get("limit") or 50) or 50
        with self.crm.store.lock, self.crm.store.transaction():
            rows = self._waiting(asked, limit, "", *([process] if process else []))
            if keep:
                process = process or secrets.token_hex(16)
                for row in rows:
                    row |= {"PROCESS_ID": process, "RESERVED": self.crm.now()}
                    self.crm.store.replace("event", row["ID"], row)
            else:
                self.crm.store.remove("event", [row["ID"] for row in rows])
        return Answer({"process_id": process or None, "events": [self._shown(row) for row in rows]})

    def offline_clear(self, asked: Asked) -> Answer:
        process = str(required(asked, "process_id"))
        parts: list[Where] = [self._mine(asked), Condition("PROCESS_ID", "=", process)]
        for name in ("id", "message_id"):
            wanted = given(asked).get(name)
            if wanted:
                several = [each for _key, each in items(wanted)] if isinstance(wanted, (list, dict)) else [wanted]
                parts.append(Condition("ID", "in", [as_number(each) for each in several]))
                break
        self.crm.store.remove("event", self.crm.store.find("event", All(parts)))
        return Answer(True)

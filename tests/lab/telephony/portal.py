# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulated portal does with calls: registration, the end of a call, its recording, and the client's card.

The rules are those of the vendor's documentation; where a box was seen to do otherwise, `Rules` says which is which.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import secrets
import time
import typing as t

from lab.rest.answers import Refused, Row, instant, iso
from lab.telephony.store import Store

WINDOW_SECONDS = 30 * 60
OUTGOING, INCOMING, REDIRECTED = 1, 2, 3
PHONE_FIELDS = ("UF_PHONE_INNER", "WORK_PHONE", "PERSONAL_PHONE", "PERSONAL_MOBILE")
TITLES = {1: "Outgoing call", 2: "Incoming call", 3: "Incoming call", 4: "Callback", 5: "Informational call"}


@dataclasses.dataclass
class Rules:
    """On which the documentation and the code of a box differ, or which a portal's settings decide."""

    #: The documentation says that webhooks may not use the methods of applications; a box lets them.
    webhooks: bool = True
    #: The 30 minutes count from CALL_START_DATE ("start", a box) or from the registration ("registration", documented).
    window: str = "start"
    #: Leads are switched on; without them a contact and a deal are created.
    leads: bool = True
    #: The statistics name a URL for a recording that was attached; the documentation's sample has none.
    record_url: bool = True
    #: The default outgoing line, such as REST_APP:3; clicks reach only the application that it names.
    outgoing_line: str = ""


def digits(number: object) -> str:
    """A telephone number as it is compared: digits alone, the national 8 written as 7."""
    only = re.sub(r"\D", "", str(number))
    return "7" + only[1:] if len(only) == 11 and only.startswith("8") else only


class Portal:
    """One portal. Its methods raise Refused; every one is atomic."""

    def __init__(self, store: Store, rules: Rules | None = None, clock: t.Callable[[], float] = time.time) -> None:
        self.store, self.rules, self.clock = store, rules or Rules(), clock

    # -- employees -----------------------------------------------------------------------------------------------

    def add_user(self, number: int, name: str, inner: str = "", **fields: t.Any) -> int:
        """An employee; `fields` are columns of the table users."""
        row = {"NAME": name, "LAST_NAME": "", "ACTIVE": 1, "USER_TYPE": "employee", "TIMEMAN_STATUS": "OPENED"}
        row |= {"MAY_SEE_STATISTICS": 1, "IS_ADMIN": 0, "UF_PHONE_INNER": inner}
        return self.store.add("users", ID=number, **{**row, **fields})

    def user(self, parameters: Row) -> Row:
        """The employee whom USER_ID or USER_PHONE_INNER names."""
        number, inner = parameters.get("USER_ID"), parameters.get("USER_PHONE_INNER")
        if not number and not inner:
            raise Refused("USER_ID or USER_PHONE_INNER should be set")
        where, value = ("ID=?", number) if number else ("UF_PHONE_INNER=?", str(inner))
        found = self.store.rows("users", f"{where} AND ACTIVE=1 AND USER_TYPE='employee'", value)
        if not found:
            raise Refused("User is not found or is not active")
        return found[0]

    def employees_with(self, phone: str, fields: t.Sequence[str] = PHONE_FIELDS) -> list[Row]:
        users = self.store.rows("users", "ACTIVE=1 AND USER_TYPE='employee'")
        return [user for user in users if any(user[field] and digits(user[field]) == phone for field in fields)]

    # -- clients -------------------------------------------------------------------------------------------------

    def add_entity(self, kind: str, phone: str, assigned: int = 1, title: str = "", source: str = "") -> int:
        row = {"TYPE": kind, "TITLE": title or f"{kind} {phone}", "PHONE": digits(phone), "ASSIGNED_BY_ID": assigned}
        return self.store.add("entities", **row, SOURCE_ID=source, CREATED=self.clock())

    def entities_with(self, phone: str) -> list[Row]:
        """Contacts before companies before leads, as a card chooses its client."""
        found = self.store.rows("entities", "PHONE=? AND TYPE != 'DEAL'", digits(phone))
        return sorted(found, key=lambda row: ("CONTACT", "COMPANY", "LEAD").index(row["TYPE"]))

    # -- lines ---------------------------------------------------------------------------------------------------

    def add_line(self, app: str, number: str, name: str = "", auto_create: str = "Y") -> int:
        if not number:
            raise Refused("NUMBER should not be empty")
        if self.store.count("lines", "APP=? AND NUMBER=?", app, number):
            raise Refused("Line already exists")
        return self.store.add("lines", APP=app, NUMBER=number, NAME=name, CRM_AUTO_CREATE=auto_create)

    # -- a call --------------------------------------------------------------------------------------------------

    def register(self, app: str, parameters: Row, *, lead_fails: bool = False) -> Row:
        """telephony.externalCall.register."""
        with self.store.lock:
            call = self._wanted_call(app, parameters)
            known = self._same_call(call)
            if known:
                return self._registered(known, [], "")
            created, problem = self._bind(call, parameters, lead_fails)
            digest = hashlib.md5(secrets.token_bytes(16), usedforsecurity=False).hexdigest()
            call["CALL_ID"] = f"externalCall.{digest}.{int(self.clock())}"
            call["CREATED"] = ",".join(str(number) for _kind, number in created)
            self.store.add("calls", **call)
            if str(parameters.get("SHOW", 1)) not in ("0", ""):
                self.store.add("cards", CALL_ID=call["CALL_ID"], USER_ID=call["USER_ID"])
            return self._registered(call, created, problem)

    def _wanted_call(self, app: str, parameters: Row) -> Row:
        user = self.user(parameters)
        if str(parameters.get("TYPE")) not in ["1", "2", "3", "4", "5"]:
            raise Refused("Unknown TYPE")
        given = parameters.get("CALL_START_DATE")
        try:
            start = instant(given) if given else self.clock()
        except ValueError:
            raise Refused("CALL_START_DATE should be in the ISO-8601 format") from None
        if digits(parameters.get("PHONE_NUMBER") or "") in ("", "0"):  # in PHP, the text "0" is as good as none
            raise Refused("Unsupported phone number format")
        line = str(parameters.get("LINE_NUMBER") or "")
        if line and not self.store.count("lines", "APP=? AND NUMBER=?", app, line):
            self.add_line(app, line)
        return {
            "APP": app,
            "USER_ID": user["ID"],
            "PHONE_NUMBER": str(parameters["PHONE_NUMBER"]),
            "TYPE": int(parameters["TYPE"]),
            "LINE_NUMBER": line,
            "EXTERNAL_CALL_ID": str(parameters.get("EXTERNAL_CALL_ID") or ""),
            "START": start,
            "REGISTERED": self.clock(),
            "SOURCE": str(parameters.get("CRM_SOURCE") or ""),
            "ADD_TO_CHAT": int(parameters.get("ADD_TO_CHAT", 1)),
            "INTERNAL": int(bool(self.employees_with(digits(parameters["PHONE_NUMBER"]), PHONE_FIELDS[:1]))),
        }

    def _same_call(self, call: Row) -> Row | None:
        """A call that is registered, not finished, and under 30 minutes old, with the same key."""
        key = ["APP", "USER_ID", "TYPE", *(name for name in ("LINE_NUMBER", "EXTERNAL_CALL_ID") if call[name])]
        begun = "START" if self.rules.window == "start" else "REGISTERED"
        where = " AND ".join(f"{name}=?" for name in key) + f" AND {begun} > ?"
        since = self.clock() - WINDOW_SECONDS
        open_calls = self.store.rows("calls", where, *(call[name] for name in key), since)
        number = digits(call["PHONE_NUMBER"])
        return next((each for each in open_calls if digits(each["PHONE_NUMBER"]) == number), None)

    def _bind(self, call: Row, parameters: Row, lead_fails: bool) -> tuple[list[tuple[str, int]], str]:
        """Give the call its client. What was created for it, and why a lead was not."""
        call["CRM_ENTITY_TYPE"], call["CRM_ENTITY_ID"] = "", 0
        if call["INTERNAL"]:
            return [], ""
        if parameters.get("CRM_ENTITY_TYPE") and parameters.get("CRM_ENTITY_ID"):
            call["CRM_ENTITY_TYPE"] = str(parameters["CRM_ENTITY_TYPE"])
            call["CRM_ENTITY_ID"] = int(parameters["CRM_ENTITY_ID"])
            return [], ""
        found = self.entities_with(call["PHONE_NUMBER"])
        if found:
            call["CRM_ENTITY_TYPE"], call["CRM_ENTITY_ID"] = found[0]["TYPE"], found[0]["ID"]
            return [], ""
        if str(parameters.get("CRM_CREATE", 0)) != "1" or not self._line_creates(call):
            return [], ""
        if self.employees_with(digits(call["PHONE_NUMBER"])):
            return [], "Lead creation is disabled for local users"
        if lead_fails:
            return [], "The field is required"
        created = self._create(call)
        call["CRM_ENTITY_TYPE"], call["CRM_ENTITY_ID"] = created[0]
        return created, ""

    def _line_creates(self, call: Row) -> bool:
        if call["TYPE"] != OUTGOING or not call["LINE_NUMBER"]:
            return True
        lines = self.store.rows("lines", "APP=? AND NUMBER=?", call["APP"], call["LINE_NUMBER"])
        return lines[0]["CRM_AUTO_CREATE"] != "N"

    def _create(self, call: Row) -> list[tuple[str, int]]:
        phone, user = call["PHONE_NUMBER"], call["USER_ID"]
        title, source = f"{phone} - {TITLES[call['TYPE']]}", call["SOURCE"] or "CALL"
        if self.rules.leads:
            return [("LEAD", self.add_entity("LEAD", phone, user, title, source))]
        contact = self.add_entity("CONTACT", phone, user, title, source)
        deal = self.add_entity("DEAL", phone, user, title, source)
        self.store.change("entities", deal, CONTACT_ID=contact)
        return [("CONTACT", contact), ("DEAL", deal)]

    def _registered(self, call: Row, created: list[tuple[str, int]], problem: str) -> Row:
        leads = [number for kind, number in created if kind == "LEAD"]
        answer: Row = {
            "CALL_ID": call["CALL_ID"],
            "CRM_CREATED_LEAD": leads[0] if leads else None,
            "CRM_CREATED_ENTITIES": [{"ENTITY_TYPE": kind, "ENTITY_ID": number} for kind, number in created],
            "CRM_ENTITY_TYPE": call["CRM_ENTITY_TYPE"] or None,
            "CRM_ENTITY_ID": call["CRM_ENTITY_ID"] or None,
        }
        if problem:
            answer["LEAD_CREATION_ERROR"] = problem
        return answer

    def show(self, parameters: Row, *, shown: bool) -> bool:
        """telephony.externalCall.show and .hide: False where the call is not known."""
        with self.store.lock:
            calls = self.store.rows("calls", "CALL_ID=?", parameters.get("CALL_ID"))
            if not calls:
                return False
            given = parameters.get("USER_ID") or calls[0]["USER_ID"]
            for user in given if isinstance(given, list) else [given]:
                self.store.remove("cards", "CALL_ID=? AND USER_ID=?", calls[0]["CALL_ID"], int(user))
                if shown:
                    self.store.add("cards", CALL_ID=calls[0]["CALL_ID"], USER_ID=int(user))
            return True

    def finish(self, parameters: Row) -> Row:
        """telephony.externalCall.finish: the statistics row, the activity, and the end of the registration."""
        if not isinstance(parameters.get("CALL_ID"), str):
            raise Refused("CALL_ID must be a string", "INVALID_ARGUMENT")
        with self.store.lock:
            user = self.user(parameters)
            calls = self.store.rows("calls", "CALL_ID=?", parameters["CALL_ID"])
            if not calls:
                raise Refused("Call is not found (call should be registered prior to finishing)")
            call = calls[0]
            duration = int(parameters.get("DURATION") or 0)
            code = str(parameters.get("STATUS_CODE") or ("200" if duration > 0 else "304"))
            for number in filter(None, call["CREATED"].split(",")):
                self.store.change("entities", int(number), ASSIGNED_BY_ID=user["ID"])
            activity = self._activity(call, user, duration, code)
            row = self._statistics_row(call, user, parameters, duration, code, activity)
            row["ID"] = self.store.add("statistics", **row)
            self._missed(call, code)
            self.store.remove("calls", "CALL_ID=?", call["CALL_ID"])
            self.store.remove("cards", "CALL_ID=?", call["CALL_ID"])
            return {**row, "CALL_START_DATE": {}, "INCOMING": str(call["TYPE"]), "CALL_STATUS": int(code == "200")}

    def _activity(self, call: Row, user: Row, duration: int, code: str) -> int | None:
        if not call["CRM_ENTITY_ID"]:
            return None
        return self.store.add(
            "activities",
            ORIGIN_ID=f"VI_{call['CALL_ID']}",
            OWNER_TYPE=call["CRM_ENTITY_TYPE"],
            OWNER_ID=call["CRM_ENTITY_ID"],
            SUBJECT=f"{TITLES[call['TYPE']]} {call['PHONE_NUMBER']}",
            START_TIME=iso(call["START"]),
            END_TIME=iso(call["START"] + duration),
            DIRECTION=1 if call["TYPE"] in (INCOMING, REDIRECTED) else 2,
            COMPLETED="N" if code == "304" and call["TYPE"] in (INCOMING, REDIRECTED) else "Y",
            RESPONSIBLE_ID=user["ID"],
            FILES="",
        )

    def _statistics_row(
        self, call: Row, user: Row, parameters: Row, duration: int, code: str, activity: int | None
    ) -> Row:
        app = call["APP"]
        return {
            "PORTAL_USER_ID": user["ID"],
            "PORTAL_NUMBER": call["LINE_NUMBER"] or f"REST_APP:{app}",
            "PHONE_NUMBER": call["PHONE_NUMBER"],
            "CALL_ID": call["CALL_ID"],
            "EXTERNAL_CALL_ID": call["EXTERNAL_CALL_ID"] or None,
            "CALL_CATEGORY": "external",
            "CALL_DURATION": duration,
            "CALL_START_DATE": call["START"],
            "CALL_VOTE": parameters.get("VOTE"),
            "COST": parameters.get("COST") or "0.0000",
            "COST_CURRENCY": str(parameters.get("COST_CURRENCY") or ""),
            "CALL_FAILED_CODE": code,
            "CALL_FAILED_REASON": str(parameters.get("FAILED_REASON") or ""),
            "CRM_ENTITY_TYPE": call["CRM_ENTITY_TYPE"] or None,
            "CRM_ENTITY_ID": call["CRM_ENTITY_ID"] or None,
            "CRM_ACTIVITY_ID": activity,
            "REST_APP_ID": app or None,
            "REST_APP_NAME": f"Application {app}" if app else None,
            "TRANSCRIPT_PENDING": "N",
            "CALL_TYPE": call["TYPE"],
        }

    def _missed(self, call: Row, code: str) -> None:
        """An incoming 304 is a missed call; a later call to that number which succeeds marks it as called back."""
        number = digits(call["PHONE_NUMBER"])
        if code == "304" and call["TYPE"] in (INCOMING, REDIRECTED):
            self.store.add("missed", CALL_ID=call["CALL_ID"], PHONE_NUMBER=number)
        elif code == "200" and call["TYPE"] == OUTGOING:
            for row in self.store.rows("missed", "PHONE_NUMBER=? AND CALLBACK_CALL_ID IS NULL", number):
                self.store.change("missed", row["ID"], CALLBACK_CALL_ID=call["CALL_ID"])

    def attach(self, call_id: str, name: str, content: bytes) -> int:
        """The file's number; another file of the same call is replaced."""
        with self.store.lock:
            row = self.finished(call_id)
            if not name:
                raise Refused("File name is empty")
            if name.rpartition(".")[2].lower() not in ("wav", "mp3"):
                raise Refused("Wrong file extension. Only wav and mp3 are allowed")
            if not content:
                raise Refused("File content is empty.")
            self.store.remove("records", "CALL_ID=?", call_id)
            file = self.store.add("records", CALL_ID=call_id, NAME=name, CONTENT=content)
            url = f"/_lab/record/{file}" if self.rules.record_url else None
            self.store.change("statistics", row["ID"], RECORD_FILE_ID=file, CALL_RECORD_URL=url)
            if row["CRM_ACTIVITY_ID"]:
                self.store.change("activities", row["CRM_ACTIVITY_ID"], FILES=str(file))
            return file

    def finished(self, call_id: str) -> Row:
        """The statistics row of a call."""
        rows = self.store.rows("statistics", "CALL_ID=?", call_id)
        if not rows:
            raise Refused("Call is not found in the statistic table. It looks like it is not finished yet.", "")
        return rows[0]

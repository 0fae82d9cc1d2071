# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The REST methods of the simulated portal, and who may use them."""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
import typing as t

from lab.rest.answers import Answer, Asked, Refused, Row, instant, iso
from lab.telephony.portal import Portal, digits
from lab.telephony.store import TABLES

PAGE = 50
OPERATORS = {"": "=", "=": "=", "!": "!=", "!=": "!=", ">": ">", ">=": ">=", "<": "<", "<=": "<=", "%": "LIKE"}
#: Methods that the documentation keeps for applications; a box lets webhooks use them.
OF_APPLICATIONS = ("telephony.externalline.", "telephony.externalcall.register", "telephony.externalcall.finish")
#: Methods that only an application can use: a webhook has no application to bind an event to.
NEVER_OF_WEBHOOKS = ("event.",)
#: Columns that hold numbers, and those that hold yes or no; all others hold texts.
NUMBERS = frozenset(("ID", "PORTAL_USER_ID", "CALL_DURATION", "CALL_TYPE", "CRM_ENTITY_ID", "CRM_ACTIVITY_ID"))
NUMBERS |= {"CONTACT_ID", "RECORD_FILE_ID", "OWNER_ID", "RESPONSIBLE_ID", "ASSIGNED_BY_ID"}
FLAGS = ("ACTIVE", "IS_ADMIN", "MAY_SEE_STATISTICS")
PHONES = ("TIMEMAN_STATUS", "WORK_PHONE", "PERSONAL_PHONE", "PERSONAL_MOBILE")
EVENTS = ("ONEXTERNALCALLSTART", "ONEXTERNALCALLBACKSTART")


class Methods:
    """`call` answers any method that this portal has."""

    def __init__(self, portal: Portal) -> None:
        self.portal, self.store = portal, portal.store
        self._methods: dict[str, t.Callable[[Asked], Answer]] = {
            "telephony.externalline.add": self._line_add,
            "telephony.externalline.get": self._line_get,
            "telephony.externalline.update": self._line_update,
            "telephony.externalcall.register": self._register,
            "telephony.externalcall.finish": lambda asked: Answer(self.portal.finish(asked.parameters)),
            "telephony.externalcall.show": lambda asked: Answer(self.portal.show(asked.parameters, shown=True)),
            "telephony.externalcall.hide": lambda asked: Answer(self.portal.show(asked.parameters, shown=False)),
            "telephony.externalcall.attachrecord": self._attach,
            "telephony.externalcall.searchcrmentities": self._search,
            "voximplant.statistic.get": self._statistics,
            "voximplant.line.outgoing.get": lambda asked: Answer(self.portal.rules.outgoing_line),
            "voximplant.line.outgoing.set": self._outgoing_set,
            "user.get": self._users,
            "event.bind": self._bind,
            "event.unbind": self._unbind,
            "event.get": self._handlers,
            "event.offline.get": self._offline_get,
            "event.offline.clear": self._offline_clear,
            "app.info": self._app_info,
            "crm.activity.list": self._activities,
            "crm.activity.get": self._activity,
            "crm.activity.delete": self._activity_delete,
        }
        for kind in ("LEAD", "CONTACT", "COMPANY", "DEAL"):
            name = f"crm.{kind.lower()}"
            self._methods[f"{name}.list"] = lambda asked, kind=kind: self._entities(kind, asked)  # type: ignore[misc]
            self._methods[f"{name}.get"] = lambda asked, kind=kind: self._entity(kind, asked)  # type: ignore[misc]
            self._methods[f"{name}.delete"] = lambda asked, kind=kind: self._delete(kind, asked)  # type: ignore[misc]

    def call(self, method: str, asked: Asked) -> Answer:
        """Raises Refused. The names of methods are the same in any case of letters."""
        name = method.lower()
        if name not in self._methods:
            raise Refused("Method not found!", "ERROR_METHOD_NOT_FOUND", 404)
        documented = name.startswith(OF_APPLICATIONS) and not self.portal.rules.webhooks
        if not asked.credential.app and (documented or name.startswith(NEVER_OF_WEBHOOKS) or name == "app.info"):
            raise Refused("Current authorization type is denied for this method", "WRONG_AUTH_TYPE", 403)
        return self._methods[name](asked)

    # -- lines and calls -----------------------------------------------------------------------------------------

    def _line_add(self, asked: Asked) -> Answer:
        given = asked.parameters
        number, name = str(given.get("NUMBER") or ""), str(given.get("NAME") or "")
        auto = "N" if given.get("CRM_AUTO_CREATE") == "N" else "Y"
        return Answer({"ID": self.portal.add_line(asked.credential.app, number, name, auto)})

    def _line_get(self, asked: Asked) -> Answer:
        rows = self.store.rows("lines", "APP=?", asked.credential.app)
        return Answer([{name: row[name] for name in ("NUMBER", "NAME", "CRM_AUTO_CREATE")} for row in rows])

    def _line_update(self, asked: Asked) -> Answer:
        given = asked.parameters
        fields = {name: str(given[name]) for name in ("NAME", "CRM_AUTO_CREATE") if name in given}
        if not fields:
            raise Refused("There are no fields to update")
        rows = self.store.rows("lines", "APP=? AND NUMBER=?", asked.credential.app, str(given.get("NUMBER")))
        if not rows:
            raise Refused(f"Could not find line with number {given.get('NUMBER')}")
        self.store.change("lines", rows[0]["ID"], **fields)
        return Answer({"ID": str(rows[0]["ID"])})

    def _register(self, asked: Asked) -> Answer:
        return Answer(self.portal.register(asked.credential.app, asked.parameters, lead_fails=asked.fault == "no_lead"))

    def _attach(self, asked: Asked) -> Answer:
        given = asked.parameters
        if not given.get("RECORD_URL") and "FILENAME" not in given:
            text = "Required parameters are not set. Request should contain either URL or FILENAME parameter"
            raise Refused(text, "")
        self.portal.finished(str(given.get("CALL_ID")))
        if given.get("RECORD_URL"):
            raise Refused("Record URL resolves to a non-public address and was blocked.", "")
        if "FILE_CONTENT" not in given:
            token = base64.urlsafe_b64encode(json.dumps([given["CALL_ID"], given["FILENAME"]]).encode()).decode()
            return Answer({"uploadUrl": f"{asked.base_url}/rest/upload.json?token={token}", "fieldName": "file"})
        try:
            content = base64.b64decode(str(given["FILE_CONTENT"]), validate=True)
        except binascii.Error:
            raise Refused("File content is not properly encoded. Base64 encoding is expected.") from None
        return Answer({"FILE_ID": self.portal.attach(str(given["CALL_ID"]), str(given["FILENAME"]), content)})

    def upload(self, token: str, content: bytes) -> Answer:
        """What a file that is sent to uploadUrl becomes."""
        try:
            call, name = json.loads(base64.urlsafe_b64decode(token))
        except ValueError:
            raise Refused("Wrong token", "ACCESS_DENIED", 403) from None
        return Answer({"FILE_ID": self.portal.attach(call, name, content)})

    def _search(self, asked: Asked) -> Answer:
        phone = asked.parameters.get("PHONE_NUMBER")
        if not phone:
            raise Refused("PHONE_NUMBER is empty")
        return Answer([self._found(row) for row in self.portal.entities_with(str(phone))])

    def _found(self, row: Row) -> Row:
        users = self.store.rows("users", "ID=?", row["ASSIGNED_BY_ID"])
        names = {"USER_PHONE_INNER": "UF_PHONE_INNER", **{name: name for name in PHONES}}
        assigned = {name: users[0][column] or None for name, column in names.items()} if users else {}
        return {
            "CRM_ENTITY_TYPE": row["TYPE"],
            "CRM_ENTITY_ID": row["ID"],
            "ASSIGNED_BY_ID": row["ASSIGNED_BY_ID"],
            "NAME": row["TITLE"],
            "ASSIGNED_BY": {"ID": str(row["ASSIGNED_BY_ID"]), **assigned},
        }

    def _statistics(self, asked: Asked) -> Answer:
        users = self.store.rows("users", "ID=?", asked.credential.user)
        if not users or not users[0]["MAY_SEE_STATISTICS"]:
            raise Refused("Access denied!", "ACCESS_DENIED", 403)
        given = asked.parameters
        answer = self._list(
            "statistics", given.get("FILTER"), given.get("start"), given.get("SORT"), given.get("ORDER")
        )
        answer.result = [self._as_statistics(row, asked.base_url) for row in answer.result]
        return answer

    @staticmethod
    def _as_statistics(row: Row, base_url: str) -> Row:
        texts = {name: None if value is None else str(value) for name, value in row.items()}
        texts["CALL_START_DATE"] = iso(row["CALL_START_DATE"])
        texts["CALL_RECORD_URL"] = base_url + row["CALL_RECORD_URL"] if row["CALL_RECORD_URL"] else None
        return {**texts, "RECORD_FILE_ID": row["RECORD_FILE_ID"]}

    def _outgoing_set(self, asked: Asked) -> Answer:
        self.portal.rules.outgoing_line = str(asked.parameters.get("LINE_ID") or "")
        return Answer(True)

    def _users(self, asked: Asked) -> Answer:
        given = {name: value for name, value in asked.parameters.items() if name not in ("sort", "order")}
        start = given.pop("start", 0)
        filters = given.get("FILTER") or given.get("filter") or given  # both forms are used
        answer = self._list("users", filters, start)
        answer.result = [self._as_user(row) for row in answer.result]
        return answer

    @staticmethod
    def _as_user(row: Row) -> Row:
        fields = {name: row[name] or "" for name in ("NAME", "LAST_NAME", "WORK_PHONE", "PERSONAL_PHONE")}
        fields |= {"PERSONAL_MOBILE": row["PERSONAL_MOBILE"] or "", "UF_PHONE_INNER": row["UF_PHONE_INNER"] or None}
        return {"ID": str(row["ID"]), "ACTIVE": bool(row["ACTIVE"]), "USER_TYPE": row["USER_TYPE"], **fields}

    # -- events --------------------------------------------------------------------------------------------------

    def _bind(self, asked: Asked) -> Answer:
        given = asked.parameters
        event, kind = str(given.get("event", "")).upper(), str(given.get("event_type") or "online")
        if event not in EVENTS:
            raise Refused("Event not found", "ERROR_EVENT_NOT_FOUND")
        users = self.store.rows("users", "ID=?", asked.credential.user)
        if kind == "offline" and not (users and users[0]["IS_ADMIN"]):
            raise Refused("Access denied!", "ACCESS_DENIED", 403)
        if kind == "online" and not given.get("handler"):
            raise Refused("Empty handler URL", "ERROR_ARGUMENT")
        row = {"APP": asked.credential.app, "EVENT": event, "HANDLER": str(given.get("handler") or "")}
        if self.store.count("handlers", "APP=? AND EVENT=? AND HANDLER=? AND EVENT_TYPE=?", *row.values(), kind):
            raise Refused("Handler already binded", "ERROR_CORE")
        self.store.add("handlers", **row, EVENT_TYPE=kind)
        return Answer(True)

    def _unbind(self, asked: Asked) -> Answer:
        given = asked.parameters
        where = "APP=? AND EVENT=? AND (?='' OR HANDLER=?)"
        handler, event = str(given.get("handler") or ""), str(given.get("event", "")).upper()
        return Answer({"count": self.store.remove("handlers", where, asked.credential.app, event, handler, handler)})

    def _handlers(self, asked: Asked) -> Answer:
        rows = self.store.rows("handlers", "APP=?", asked.credential.app)
        shown = [{"event": row["EVENT"], "handler": row["HANDLER"], "auth_type": "0"} for row in rows]
        return Answer([{**each, "offline": int(row["EVENT_TYPE"] == "offline")} for each, row in zip(shown, rows)])

    def _offline_get(self, asked: Asked) -> Answer:
        """Reading deletes, unless `clear` is 0: then the rows wait, reserved, for event.offline.clear."""
        given = asked.parameters
        process, keep = str(given.get("process_id") or ""), str(given.get("clear", 1)) == "0"
        with self.store.lock:
            where = "APP=? AND (PROCESS_ID IS NULL OR PROCESS_ID=?)"
            limit = f"ORDER BY ID LIMIT {int(given.get('limit') or PAGE)}"
            rows = self.store.rows("queue", where, asked.credential.app, process, tail=limit)
            if keep:
                process = process or secrets.token_hex(16)
            for row in rows:
                if keep:
                    self.store.change("queue", row["ID"], PROCESS_ID=process)
                else:
                    self.store.remove("queue", "ID=?", row["ID"])
        events = [
            {
                "ID": str(row["ID"]),
                "TIMESTAMP_X": iso(row["TIMESTAMP_X"]),
                "EVENT_NAME": row["EVENT_NAME"],
                "EVENT_DATA": json.loads(row["EVENT_DATA"]),
                "EVENT_ADDITIONAL": False,
                "MESSAGE_ID": str(row["ID"]),
            }
            for row in rows
        ]
        return Answer({"process_id": process or None, "events": events})

    def _offline_clear(self, asked: Asked) -> Answer:
        process, wanted = asked.parameters.get("process_id"), asked.parameters.get("id")
        if not wanted:
            self.store.remove("queue", "PROCESS_ID=?", process)
        for number in wanted if isinstance(wanted, list) else [wanted] if wanted else []:
            self.store.remove("queue", "ID=? AND PROCESS_ID=?", int(number), process)
        return Answer(True)

    def _app_info(self, asked: Asked) -> Answer:
        app = asked.credential.app
        return Answer({"ID": app, "CODE": f"local.{app}", "INSTALLED": True, "STATUS": "L"})

    # -- the client's card ---------------------------------------------------------------------------------------

    def _entities(self, kind: str, asked: Asked) -> Answer:
        given = {name.lower(): value for name, value in asked.parameters.items()}
        filters = {"TYPE": kind, **(given.get("filter") or {})}
        if "PHONE" in filters:
            filters["PHONE"] = digits(filters["PHONE"])
        answer = self._list("entities", filters, given.get("start"))
        answer.result = [self._as_entity(row) for row in answer.result]
        return answer

    @staticmethod
    def _as_entity(row: Row) -> Row:
        phone = [{"ID": str(row["ID"]), "VALUE": row["PHONE"], "VALUE_TYPE": "WORK", "TYPE_ID": "PHONE"}]
        names = {"TITLE": row["TITLE"], "NAME": row["TITLE"], "SOURCE_ID": row["SOURCE_ID"], "PHONE": phone}
        owners = {"ASSIGNED_BY_ID": str(row["ASSIGNED_BY_ID"]), "CONTACT_ID": str(row["CONTACT_ID"] or "0")}
        return {"ID": str(row["ID"]), **owners, **names}

    def _one(self, table: str, asked: Asked, where: str = "1", *arguments: t.Any) -> Row:
        number = asked.parameters.get("ID") or asked.parameters.get("id")
        rows = self.store.rows(table, f"ID=? AND {where}", number, *arguments)
        if not rows:
            raise Refused("Not found", "", 400)
        return rows[0]

    def _entity(self, kind: str, asked: Asked) -> Answer:
        return Answer(self._as_entity(self._one("entities", asked, "TYPE=?", kind)))

    def _delete(self, kind: str, asked: Asked) -> Answer:
        """A card takes its activities with it."""
        row = self._one("entities", asked, "TYPE=?", kind)
        self.store.remove("entities", "ID=?", row["ID"])
        self.store.remove("activities", "OWNER_TYPE=? AND OWNER_ID=?", kind, row["ID"])
        return Answer(True)

    def _activities(self, asked: Asked) -> Answer:
        given = {name.lower(): value for name, value in asked.parameters.items()}
        answer = self._list("activities", given.get("filter"), given.get("start"))
        answer.result = [self._as_activity(row) for row in answer.result]
        return answer

    @staticmethod
    def _as_activity(row: Row) -> Row:
        texts = {name: str(value or "") for name, value in row.items()}
        files = [{"id": int(number)} for number in texts.pop("FILES").split(",") if number]
        return {**texts, "TYPE_ID": "2", "PROVIDER_ID": "VOXIMPLANT_CALL", "FILES": files}

    def _activity(self, asked: Asked) -> Answer:
        return Answer(self._as_activity(self._one("activities", asked)))

    def _activity_delete(self, asked: Asked) -> Answer:
        self.store.remove("activities", "ID=?", self._one("activities", asked)["ID"])
        return Answer(True)

    # -- lists ---------------------------------------------------------------------------------------------------

    def _list(self, table: str, filters: t.Any, start: t.Any, sort: t.Any = "ID", order: t.Any = "ASC") -> Answer:
        """One page of 50, by the filter's operators."""
        columns = ["ID", *TABLES[table].split()]
        conditions, arguments = ["1"], []
        for key, value in (filters or {}).items():
            operator, name = re.fullmatch(r"([!<>=%?]*)(.*)", key).groups()  # type: ignore[union-attr]
            if name not in columns or (operator not in OPERATORS and operator != "><"):
                continue  # a portal ignores what it does not know, and so answers with all rows
            values = [self._value(name, each) for each in (value if isinstance(value, list) else [value])]
            if operator == "><":
                conditions.append(f"{name} BETWEEN ? AND ?")
            elif isinstance(value, list):
                inside = "NOT IN" if operator.startswith("!") else "IN"
                conditions.append(f"{name} {inside} ({', '.join('?' * len(values))})")
            else:
                conditions.append(f"{name} {OPERATORS[operator]} ?")
                values = [f"%{values[0]}%"] if operator == "%" else values
            arguments += values
        where, first = " AND ".join(conditions), max(0, int(start or 0))
        by = sort if sort in columns else "ID"
        tail = f"ORDER BY {by} {'DESC' if str(order).upper() == 'DESC' else 'ASC'} LIMIT {PAGE} OFFSET {first}"
        total = self.store.count(table, where, *arguments)
        rows = self.store.rows(table, where, *arguments, tail=tail)
        return Answer(rows, total, first + PAGE if first + PAGE < total else None)

    @staticmethod
    def _value(name: str, value: t.Any) -> t.Any:
        """A filter's value as the column holds it."""
        try:
            if name == "CALL_START_DATE":
                return instant(value)
            if name in FLAGS:
                return int(str(value).lower() in ("1", "y", "true"))
            return int(value) if name in NUMBERS else str(value)
        except ValueError:
            raise Refused(f"Wrong value of {name}", "ERROR_ARGUMENT") from None

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS server of the simulated portal's telephony; what it shares with other portals is in lab.rest.

Run as a program on a host of the lab, or inside a test:

    with TelephonyServer(certificate=…, key=…) as server:
        server.portal.add_user(1, "Anna", "101")
        requests.post(server.webhook(1) + "telephony.externalCall.register", …)
        server.faults.set([Fault("lose_answer", "telephony.externalCall.finish")])
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import logging
import ssl
import threading
import time
import typing as t
import urllib.parse
import urllib.request
from pathlib import Path

from lab.rest.answers import Answer, Asked, Row
from lab.rest.parameters import flat
from lab.rest.server import PortalServer
from lab.rest.service import TOKEN_SECONDS, Service
from lab.telephony.methods import Methods
from lab.telephony.portal import Portal, Rules
from lab.telephony.store import TABLES, Store

APPLICATION_TOKEN = "application-token-0123456789"


class TelephonyService(Service):
    """The portal behind the server: its methods, its events, and what tests look at."""

    def __init__(self, store: Store, rules: Rules, clock: t.Callable[[], float]) -> None:
        super().__init__(store, clock)
        self.store = store
        self.portal = Portal(store, rules, clock)
        self.methods = Methods(self.portal)

    def employs(self, user: int) -> bool:
        return self.store.count("users", "ID=? AND ACTIVE=1", user) > 0

    def call(self, method: str, asked: Asked) -> Answer:
        return self.methods.call(method, asked)

    def batchable(self, method: str) -> bool:
        return super().batchable(method) and "attachrecord" not in method

    def upload(self, token: str, content: bytes) -> Answer:
        return self.methods.upload(token, content)

    def log(self, entry: Row) -> None:
        self.store.add("requests", **entry)

    def lab(self, name: str, given: Row) -> t.Any:
        """GET state, a table, record/ID; POST set (see set_up), click, clear."""
        if name.startswith("record/"):
            return self.record(int(name.removeprefix("record/")))
        if name == "state":
            return self.state()
        if name in TABLES:
            return self.state()[name]
        if name == "click":
            return self.click(given)
        if name == "set":
            self.set_up(given)
        elif name == "clear":
            self.store.clear()
        else:
            return None
        return {}

    # -- events --------------------------------------------------------------------------------------------------

    def click(self, given: Row) -> Row:
        """An employee clicks on a number: the portal registers the call itself, and tells the application.

        `given` has USER_ID and PHONE_NUMBER. The event is lost where another line is the default one.
        """
        line = self.portal.rules.outgoing_line
        app = line.removeprefix("REST_APP:") if line.startswith("REST_APP:") else ""
        if not app:
            return {"CALL_ID": None, "told": 0}
        call = self.portal.register(app, {"TYPE": 1, "CRM_CREATE": 0, **given})
        phone = str(given["PHONE_NUMBER"])
        data = {"PHONE_NUMBER": phone, "PHONE_NUMBER_INTERNATIONAL": phone, "EXTENSION": "", "CALL_LIST_ID": "0"}
        data |= {"USER_ID": str(given["USER_ID"]), "LINE_NUMBER": str(given.get("LINE_NUMBER") or ""), "IS_MOBILE": "0"}
        data |= {"CALL_ID": call["CALL_ID"], "CRM_ENTITY_TYPE": call["CRM_ENTITY_TYPE"] or ""}
        data |= {"CRM_ENTITY_ID": str(call["CRM_ENTITY_ID"] or 0)}
        return {"CALL_ID": call["CALL_ID"], "told": self.emit("ONEXTERNALCALLSTART", app, data, int(given["USER_ID"]))}

    def emit(self, event: str, app: str, data: Row, user: int) -> int:
        """Queue the event or post it; an outgoing webhook is a handler without an application. How many were told."""
        handlers = self.store.rows("handlers", "EVENT=? AND (APP=? OR APP='')", event, app)
        for handler in handlers:
            if handler["EVENT_TYPE"] == "offline":
                row = {"APP": handler["APP"], "EVENT_NAME": event, "EVENT_DATA": json.dumps(data)}
                self.store.add("queue", **row, TIMESTAMP_X=self.clock())
                continue
            auth: Row = {"domain": "portal.boxlift.test", "application_token": APPLICATION_TOKEN}
            if handler["APP"]:
                auth |= {
                    "access_token": self.token(user, handler["APP"]),
                    "expires_in": str(TOKEN_SECONDS),
                    "status": "L",
                }
            body: Row = {"event": event, "event_handler_id": str(handler["ID"]), "data": data}
            body |= {"ts": str(int(self.clock())), "auth": auth}
            threading.Thread(target=self._post, args=(handler["HANDLER"], event, body), daemon=True).start()
        return len(handlers)

    def _post(self, handler: str, event: str, body: Row) -> None:
        """One attempt, as the vendor's queue makes; its outcome is in the table deliveries."""
        content = urllib.parse.urlencode(flat(body)).encode()
        request = urllib.request.Request(handler, content, {"Content-Type": "application/x-www-form-urlencoded"})
        try:
            with urllib.request.urlopen(request, timeout=10, context=ssl._create_unverified_context()) as response:
                self.store.add("deliveries", EVENT=event, HANDLER=handler, STATUS=response.status, ERROR="")
        except OSError as error:
            status = getattr(error, "code", 0)
            self.store.add("deliveries", EVENT=event, HANDLER=handler, STATUS=status, ERROR=str(error))

    # -- what tests look at --------------------------------------------------------------------------------------

    def state(self) -> Row:
        """Every table as a list of rows; of a recording its length and SHA-256 instead of its content."""
        tables = {name: self.store.rows(name) for name in TABLES}
        for row in tables["records"]:
            content = row.pop("CONTENT")
            row |= {"SIZE": len(content), "SHA256": hashlib.sha256(content).hexdigest()}
        return tables

    def record(self, number: int) -> bytes | None:
        rows = self.store.rows("records", "ID=?", number)
        return rows[0]["CONTENT"] if rows else None

    def set_up(self, given: Row) -> None:
        """What a test or the host's file of settings gives; see the keys below."""
        for user in given.get("users", ()):
            fields = {name: value for name, value in user.items() if name not in ("ID", "NAME", "UF_PHONE_INNER")}
            self.store.remove("users", "ID=?", user["ID"])
            self.portal.add_user(user["ID"], user.get("NAME", ""), user.get("UF_PHONE_INNER", ""), **fields)
        for entity in given.get("entities", ()):
            self.portal.add_entity(entity["TYPE"], entity["PHONE"], entity.get("ASSIGNED_BY_ID", 1))
        for handler in given.get("handlers", ()):
            self.store.add("handlers", **{"APP": "", "EVENT_TYPE": "online", **handler})
        self.set_rules(self.portal.rules, given.get("rules", {}))
        super().set_up(given)


class TelephonyServer(PortalServer):
    """The simulated portal, in a thread: `with TelephonyServer(…) as server: …`."""

    def __init__(
        self,
        *,
        certificate: Path,
        key: Path,
        address: tuple[str, int] = ("127.0.0.1", 0),
        store: str = ":memory:",
        rules: Rules | None = None,
        clock: t.Callable[[], float] = time.time,
    ) -> None:
        """`store` is a file that outlives a kill; `clock` gives Unix time."""
        self.store = Store(store)
        self.service = TelephonyService(self.store, rules or Rules(), clock)
        super().__init__(self.service, certificate=certificate, key=key, address=address)

    @property
    def portal(self) -> Portal:
        return self.service.portal

    def __enter__(self) -> TelephonyServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.store.close()


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="Simulated telephony REST of the lab's portal")
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--settings", type=Path, help="JSON for Service.set_up, read where the store is new")
    parser.add_argument("--store", default=":memory:", help="file that outlives a restart")
    parser.add_argument("--port", type=int, default=443)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    server = TelephonyServer(
        certificate=options.certificate, key=options.key, address=("0.0.0.0", options.port), store=options.store
    )
    if options.settings:
        given = json.loads(options.settings.read_text(encoding="utf-8"))
        if server.store.count("users"):
            given = {name: value for name, value in given.items() if name not in ("users", "entities", "handlers")}
        server.service.set_up(given)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()

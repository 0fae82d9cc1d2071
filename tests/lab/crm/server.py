# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated CRM as a server; what it shares with other portals is in lab.rest.

    with CrmServer(certificate=…, key=…) as server:
        number = server.crm.add("lead", {"title": "Anna"})
        requests.post(server.webhook(1) + "crm.item.list", json={"entityTypeId": 1})
        server.faults.set([Fault("lose_answer", "crm.item.import")])

As a program: python -m lab.crm.server --certificate C --key K [--store FILE] [--leads 20000] …; it prints its URL.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import json
import logging
import time
import typing as t
from pathlib import Path

from lab.crm.directory import Directory
from lab.crm.drive import Drive
from lab.crm.encoding import Encoder, Form, RowCache
from lab.crm.events import Events
from lab.crm.fields import TYPES
from lab.crm.filling import activities, fill
from lab.crm.items import Items
from lab.crm.legacy import Legacy
from lab.crm.portal import Crm, Rules
from lab.crm.store import SqliteStore, Storage
from lab.crm.tables import Method
from lab.crm.timeline import Timeline
from lab.rest.answers import Answer, Asked, Download, Refused, Row
from lab.rest.limits import Limits
from lab.rest.server import PortalServer
from lab.rest.service import Service


@dataclasses.dataclass
class Meanwhile:
    """What people do while a program reads: once a method has been called so often, these records change.

    `delete` is kind → numbers, `add` kind → how many, `update` kind → number → fields.
    """

    method: str
    after: int
    delete: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    add: dict[str, int] = dataclasses.field(default_factory=dict)
    update: dict[str, dict[str, Row]] = dataclasses.field(default_factory=dict)

    def due(self, calls: t.Mapping[str, int]) -> bool:
        return calls.get(self.method.lower(), 0) >= self.after

    def happen(self, crm: Crm) -> None:
        for kind, numbers in self.delete.items():
            crm.delete(kind, *numbers)
        for kind, amount in self.add.items():
            for _number in range(amount):
                crm.add(kind)
        for kind, changes in self.update.items():
            for number, fields in changes.items():
                crm.update(kind, int(number), fields)


#: How names of methods begin → the scope that they need.
SCOPES = {
    "crm.": "crm", "user.": "user", "userfieldconfig.": "userfieldconfig", "disk.": "disk", "voximplant.": "telephony",
}  # fmt: skip
GET_FILE = "crm.controller.item.getfile"


class CrmService(Service):
    """The portal behind the server."""

    scope = "crm,user"
    wrong_webhook = 403

    def __init__(self, store: Storage, rules: Rules, clock: t.Callable[[], float]) -> None:
        super().__init__(store, clock)
        self.store = store
        self.crm = Crm(store, rules, clock)
        cache = RowCache(self.crm)
        self.encoder = Encoder(self.crm, cache)
        self.requests: collections.deque[Row] = collections.deque(maxlen=100_000)
        self.calls: collections.Counter[str] = collections.Counter()
        self.meanwhile: list[Meanwhile] = []
        #: Whether `work` of the limits is also waited for.
        self.work_takes_time = False
        self.items = Items(self.crm, self.encoder)
        self.legacy = Legacy(self.crm, self.encoder)
        self.timeline = Timeline(self.crm, cache)
        self.directory = Directory(self.crm, cache, self.methods)
        self.events = Events(self.crm)
        self.drive = Drive(self.crm)
        self._methods: dict[str, Method] = {}
        self._methods_of: Rules | None = None

    @property
    def rules(self) -> Rules:
        return self.crm.rules

    def methods(self) -> dict[str, Method]:
        """By their names in small letters, as edition and plan have them now."""
        if self._methods_of != self.rules:
            parts = (self.items, self.legacy, self.timeline, self.directory, self.events, self.drive)
            self._methods = {name: method for part in parts for name, method in part.methods().items()}
            self._methods_of = dataclasses.replace(self.rules)
            self._methods[GET_FILE] = self.file
        return self._methods

    def file(self, asked: Asked) -> Answer:
        """What urlMachine leads to; the token names the file, and the caller has to be somebody."""
        _crm, *_owner, number = str(asked.parameters.get("token") or "|0").split("|")
        found = self.store.file(int(number)) if number.isdigit() else None
        if found is None:
            raise Refused("File not found", "NOT_FOUND", 404)
        return Answer(Download(*found))

    def page(self, path: str, query: str, agent: str) -> tuple[bytes, str] | None:
        """Files of activities and comments."""
        number = path.removeprefix("/_files/")
        found = self.store.file(int(number)) if path.startswith("/_files/") and number.isdigit() and agent else None
        return (found[1], "application/octet-stream") if found else None

    def batchable(self, method: str) -> bool:
        if method == "crm.item.batchimport" and not self.rules.batch_imports_in_batch:
            return False
        return super().batchable(method) and method != GET_FILE

    def work(self, method: str, asked: Asked) -> float:
        """`work` of the limits names a method or, for a batch of imports, what one record costs."""
        name = method.lower()
        each = next((seconds for known, seconds in self.limits.work.items() if known.lower() == name), 0.0)
        data = asked.parameters.get("data") if name == "crm.item.batchimport" else None
        return each * max(1, len(data)) if isinstance(data, (list, dict)) else each

    def employs(self, user: int) -> bool:
        return bool((self.crm.user(user) or {}).get("ACTIVE"))

    def call(self, method: str, asked: Asked) -> Answer:
        name = method.lower()
        found = self.methods().get(name)
        if self.rules.closed:
            raise Refused("Portal was deleted", "PORTAL_DELETED", 500)
        if not self.rules.rest_in_plan:
            raise Refused("REST API is available only on commercial plans", "ACCESS_DENIED", 403)
        if found is None:
            raise Refused("Method not found!", "ERROR_METHOD_NOT_FOUND", 404)
        wanted = next((scope for start, scope in SCOPES.items() if name.startswith(start)), "")
        if wanted and wanted not in self.rules.scopes:
            text = "The request requires higher privileges than provided by the webhook token"
            raise Refused(text, "insufficient_scope", 403)
        self.calls[name] += 1
        if self.work_takes_time:
            time.sleep(self.work(method, asked))
        answer = found(asked)
        for event in [each for each in self.meanwhile if each.due(self.calls)]:
            self.meanwhile.remove(event)
            event.happen(self.crm)
        return answer

    def moment(self, seconds: float) -> str:
        return self.crm.zone.moment(seconds)

    def log(self, entry: Row) -> None:
        self.requests.append(entry)

    def warm(self, kind: str, *, legacy: bool = False, original: bool = True, select: t.Iterable[str] = ("*",)) -> None:
        """Encode all rows of a kind as they will be asked for, so that the first reader measures himself alone."""
        self.encoder.warm(kind, Form(legacy, original, tuple(sorted(select))))

    def set_up(self, given: Row) -> None:
        """users, rules, fill, meanwhile, work_takes_time, and what every portal knows.

        fill: [{"kind": "lead", "amount": 20000, "user_fields": 10}]
        meanwhile: [{"method": "crm.item.list", "after": 50, "delete": {"lead": [1, 2]}}], see Meanwhile
        """
        for user in given.get("users", ()):
            more = {name: value for name, value in user.items() if name not in ("ID", "NAME", "IS_ADMIN")}
            self.crm.add_user(user["ID"], user.get("NAME", ""), admin=bool(user.get("IS_ADMIN")), **more)
        self.set_rules(self.rules, given.get("rules", {}))
        for wanted in given.get("fill", ()):
            if wanted["kind"] == "activity":
                activities(self.crm, wanted.get("owners", "lead"), wanted["amount"])
            else:
                fill(self.crm, **wanted)
        if "meanwhile" in given:
            self.meanwhile = [Meanwhile(**each) for each in given["meanwhile"]]
        self.work_takes_time = bool(given.get("work_takes_time", self.work_takes_time))
        super().set_up(given)

    def lab(self, name: str, given: Row) -> t.Any:
        """GET state, requests, rows/KIND, count/KIND; POST set (see set_up), add, update, delete, clear."""
        crm = self.crm
        if name == "state":
            counted = {"automation": crm.automation, "feed": crm.feed, "mail": crm.mail, "calls": self.calls}
            return {**counted, "requests": len(self.requests)}
        if name == "requests":
            return list(self.requests)
        what, _slash, kind = name.partition("/")
        if what == "rows":
            return crm.rows(kind)
        if what == "count":
            return crm.count(kind)
        if name == "set":
            self.set_up(given)
        elif name == "add":
            return {"id": crm.add(given["kind"], given.get("fields", {}))}
        elif name == "update":
            crm.update(given["kind"], given["id"], given["fields"])
        elif name == "delete":
            crm.delete(given["kind"], *given["ids"])
        elif name == "clear":
            crm.clear()
        else:
            return None
        return {}


class CrmServer(PortalServer):
    """The simulated portal, in a thread: `with CrmServer(…) as server: …`."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        *,
        address: tuple[str, int] = ("127.0.0.1", 0),
        store: str | Storage = ":memory:",
        rules: Rules | None = None,
        clock: t.Callable[[], float] = time.time,
    ) -> None:
        """`store` is a file that outlives a kill, or any Storage; `clock` gives Unix time."""
        self.store: Storage = SqliteStore(store) if isinstance(store, str) else store
        self.service = CrmService(self.store, rules or Rules(), clock)
        super().__init__(self.service, certificate=certificate, key=key, address=address)

    @property
    def crm(self) -> Crm:
        return self.service.crm

    @property
    def drive(self) -> Drive:
        return self.service.drive

    @property
    def limits(self) -> Limits:
        return self.service.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self.service.limit(limits)

    def __enter__(self) -> CrmServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.store.close()


def main() -> None:
    """Serve until stopped. A store that has records already is served as it is."""
    parser = argparse.ArgumentParser(description="Simulated CRM REST of the lab's portal")
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--settings", type=Path, help="JSON for CrmService.set_up")
    parser.add_argument("--store", default=":memory:", help="file that outlives a kill")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--box", action="store_true", help="an own-hosted portal")
    for kind in TYPES:
        name = "companies" if kind == "company" else f"{kind}s"
        parser.add_argument(f"--{name}", dest=kind, type=int, default=0, help="how many to begin with")
    parser.add_argument("--user-fields", type=int, default=10, help="how many the records have")
    parser.add_argument("--warm", action="store_true", help="encode all records before the URL is printed")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    address = (options.address, options.port)
    rules = Rules(box=options.box)
    server = CrmServer(options.certificate, options.key, address=address, store=options.store, rules=rules)
    for kind in ("company", "contact", "lead", "deal"):
        amount = getattr(options, kind)
        if amount and not server.crm.count(kind):
            fill(server.crm, kind, amount, user_fields=options.user_fields)
        if options.warm:
            server.service.warm(kind)
    if options.settings:
        server.service.set_up(json.loads(options.settings.read_text(encoding="utf-8")))
    print(server.url, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()

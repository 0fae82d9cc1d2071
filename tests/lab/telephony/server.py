# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS server of the simulated portal's telephony.

/rest/USER/CODE/METHOD, /rest/METHOD    the REST interface, for a webhook and for an application
/rest/upload.json                       recordings that are sent to uploadUrl
/oauth/token/                           a new access token for a refresh token
/_lab/…                                 what tests look at, and the switches (see LabRequests)

Run as a program on a host of the lab, or inside a test:

    with TelephonyServer(certificate=…, key=…) as server:
        server.portal.add_user(1, "Anna", "101")
        requests.post(server.webhook(1) + "telephony.externalCall.register", …)
        server.faults.set([Fault("lose_answer", "telephony.externalCall.finish")])
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import http.server
import json
import logging
import secrets
import socket
import socketserver
import ssl
import sys
import threading
import time
import typing as t
import urllib.parse
import urllib.request
from http import HTTPStatus
from pathlib import Path

from lab.telephony.faults import Fault, FaultPlan
from lab.telephony.limits import Bucket, OperatingTime
from lab.telephony.methods import Answer, Asked, Credential, Methods
from lab.telephony.parameters import flat, parse, uploaded
from lab.telephony.portal import Portal, Refused, Rules, iso
from lab.telephony.store import TABLES, Row, Store

IDLE_SECONDS = 60
BATCH = 50
TOKEN_SECONDS = 3600
CODE = "hook0123456789ab"
APP = "3"
CLIENT = ("local.app", "client-secret")
APPLICATION_TOKEN = "application-token-0123456789"
PAGE_503 = b"<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>\n"
PAGE_HTML = b"<html><body>The portal is being updated.</body></html>\n"

log = logging.getLogger(__name__)


class ConnectionBroken(Exception):
    """The connection was closed on purpose, without an answer."""


@dataclasses.dataclass
class Limits:
    """A box has none by default. `work` adds seconds to what a method is said to have cost."""

    rate: float | None = None
    burst: float = 50
    operating: float | None = None
    work: dict[str, float] = dataclasses.field(default_factory=dict)


class Service:
    """The portal behind the server: credentials, limits, faults, and what each request becomes."""

    def __init__(self, store: Store, rules: Rules, clock: t.Callable[[], float]) -> None:
        self.store, self.clock = store, clock
        self.portal = Portal(store, rules, clock)
        self.methods = Methods(self.portal)
        self.faults = FaultPlan()
        self.delay = 0.0
        self.https_only = True
        self.dark_until = 0.0
        self.base_url = ""
        self.limit(Limits())

    def limit(self, limits: Limits) -> None:
        self.limits = limits
        self.bucket = Bucket(limits.rate, limits.burst, self.clock) if limits.rate else None
        self.operating = OperatingTime(limits.operating, self.clock)

    # -- credentials ---------------------------------------------------------------------------------------------

    def token(self, user: int, app: str = APP, seconds: float = TOKEN_SECONDS) -> str:
        """A new access token of an application, used by an employee."""
        token = secrets.token_hex(16)
        self.store.set(f"token {token}", json.dumps([user, app, self.clock() + seconds]))
        return token

    def refresh_token(self, user: int, app: str = APP) -> str:
        token = secrets.token_hex(16)
        self.store.set(f"refresh {token}", json.dumps([user, app]))
        return token

    def refresh(self, given: Row) -> Row:
        """What the authorization server answers to a refresh token."""
        known = self.store.setting(f"refresh {given.get('refresh_token')}")
        if (given.get("client_id"), given.get("client_secret")) != CLIENT or known is None:
            raise Refused("Invalid client or refresh token", "invalid_grant", 400)
        user, app = json.loads(known)
        tokens = {"access_token": self.token(user, app), "refresh_token": self.refresh_token(user, app)}
        return {**tokens, "expires_in": TOKEN_SECONDS, "scope": "telephony,crm,user", "member_id": "lab"}

    def credential(self, path: list[str], parameters: Row, header: str) -> Credential:
        """Who asks; `path` is what stands between /rest/ and the method."""
        if len(path) == 2:
            if path[1] == CODE and path[0].isdigit() and self.store.count("users", "ID=? AND ACTIVE=1", int(path[0])):
                return Credential(int(path[0]))
            raise Refused("Invalid request credentials", "INVALID_CREDENTIALS", 401)
        token = str(parameters.pop("auth", "") or header.removeprefix("Bearer ").strip())
        if not token:
            raise Refused("Wrong authorization data", "NO_AUTH_FOUND", 401)
        known = self.store.setting(f"token {token}")
        user, app, expires = json.loads(known) if known else (0, "", 0.0)
        if self.clock() >= expires:
            raise Refused("The access token provided has expired", "expired_token", 401)
        return Credential(user, app)

    # -- requests ------------------------------------------------------------------------------------------------

    def answer(self, method: str, asked: Asked, address: str) -> Row:
        """The envelope of a successful answer. Raises Refused."""
        begun = self.clock()
        if self.bucket and not self.bucket.take(address):
            raise Refused("Too many requests", "QUERY_LIMIT_EXCEEDED", 503)
        if method.lower() == "batch":
            return self._envelope(Answer(self._batch(asked)), method, asked.credential, begun)
        return self._envelope(self._worked(method, asked), method, asked.credential, begun)

    def _worked(self, method: str, asked: Asked) -> Answer:
        name, who = method.lower(), asked.credential.name
        if not self.operating.allows(name, who):
            raise Refused("Method is blocked due to operation time limit", "OPERATION_TIME_LIMIT", 429)
        begun = time.monotonic()
        try:
            return self.methods.call(method, asked)
        finally:
            work = time.monotonic() - begun + self.limits.work.get(method, 0.0)
            self.operating.add(name, who, work)

    def _batch(self, asked: Asked) -> Row:
        """Every command stands for itself; empty lists of results are [], as PHP writes them."""
        commands = asked.parameters.get("cmd") or {}
        halt = str(asked.parameters.get("halt", 0)) in ("1", "true", "True")
        pairs = list(enumerate(commands)) if isinstance(commands, list) else list(commands.items())
        result: dict[str, Row] = {name: {} for name in ("result", "result_error", "result_total", "result_next")}
        for number, (key, command) in enumerate(pairs):
            method, _mark, query = str(command).partition("?")
            try:
                if number >= BATCH:
                    raise Refused("Max batch length exceeded", "ERROR_BATCH_LENGTH_EXCEEDED")
                if method.lower() == "batch" or "attachrecord" in method.lower():
                    raise Refused("Method is not allowed in batch", "ERROR_BATCH_METHOD_NOT_ALLOWED", 405)
                answer = self._worked(method, dataclasses.replace(asked, parameters=parse(query, "", b"")))
                result["result"][str(key)] = answer.result
                for name, value in (("result_total", answer.total), ("result_next", answer.next)):
                    if value is not None:
                        result[name][str(key)] = value
            except Refused as refused:
                error = {"error": refused.code, "error_description": refused.description}
                result["result_error"][str(key)] = error
                if halt:
                    break
        return {name: values or [] for name, values in result.items()}

    def _envelope(self, answer: Answer, method: str, credential: Credential, begun: float) -> Row:
        now = self.clock()
        spent = self.operating.spent(method.lower(), credential.name)
        times: Row = {"start": begun, "finish": now, "duration": now - begun, "processing": now - begun}
        times |= {"date_start": iso(begun), "date_finish": iso(now)}
        envelope: Row = {"result": answer.result}
        if answer.total is not None:
            envelope["total"] = answer.total
        if answer.next is not None:
            envelope["next"] = answer.next
        return {**envelope, "time": {**times, "operating_reset_at": self.operating.reset_at(), "operating": spent}}

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
        for token, (user, app) in given.get("tokens", {}).items():
            self.store.set(f"token {token}", json.dumps([user, app, self.clock() + given.get("token_seconds", 10**9)]))
        for token, (user, app) in given.get("refresh_tokens", {}).items():
            self.store.set(f"refresh {token}", json.dumps([user, app]))
        for name, value in given.get("rules", {}).items():
            if not hasattr(self.portal.rules, name):
                raise ValueError(f"there is no rule {name!r}")
            setattr(self.portal.rules, name, value)
        if "limits" in given:
            self.limit(Limits(**given["limits"]))
        if "faults" in given:
            self.faults.set([Fault(**fault) for fault in given["faults"]])
        self.delay = float(given.get("delay", self.delay))
        self.https_only = bool(given.get("https_only", self.https_only))
        if "outage" in given:
            self.dark_until = time.monotonic() + float(given["outage"])


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "lab-telephony"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        """TLS or not is known by the first byte: plain HTTP is answered too, and refused."""
        self.secure = self.request.recv(1, socket.MSG_PEEK) == b"\x16"
        if self.secure:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        if self.secure:
            with contextlib.suppress(OSError):
                self.request.close()

    def do_GET(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002 (the name is the base class's)
        log.info("%s %s", self.client_address[0], format % args)

    def _route(self) -> None:
        body = self._body()
        path, _mark, query = self.path.partition("?")
        content_type = self.headers.get("Content-Type", "")
        if path.startswith("/_lab/"):
            self._lab(path.removeprefix("/_lab/"), body)
            return
        service = self.server.service
        if time.monotonic() < service.dark_until:
            raise ConnectionBroken
        method = path.rstrip("/").rpartition("/")[2].removesuffix(".json").removesuffix(".xml")
        entry: Row = {"AT": time.time(), "METHOD": method, "CONNECTION": self.client_address[1], "FAULT": ""}
        try:
            if service.https_only and not self.secure:
                raise Refused("Https required", "INVALID_REQUEST", 401)
            if path.startswith("/oauth/token"):
                self._json(HTTPStatus.OK, service.refresh(parse(query, content_type, body)), entry)
                return
            if not path.startswith("/rest/"):
                self._page(HTTPStatus.NOT_FOUND, b"not found\n", "text/plain", entry)
                return
            try:
                parameters = parse(query, content_type, b"" if method == "upload" else body)
            except ValueError:
                raise Refused("Invalid JSON", "INVALID_REQUEST", 400) from None
            entry |= {name: str(parameters.get(name) or "") for name in ("EXTERNAL_CALL_ID", "CALL_ID")}
            fault = service.faults.happen(method)
            entry["FAULT"] = fault.kind if fault else ""
            self._wait(service.delay + (fault.seconds if fault and fault.kind == "slow" else 0))
            if fault and self._refuses(fault, entry):
                return
            answer = self._rest(path, method, parameters, content_type, body, fault, entry)
            if fault and fault.kind == "lose_answer":
                self._log(entry, 0, "")
                raise ConnectionBroken
            if fault and fault.kind == "late":
                self._wait(fault.seconds)
            self._json(HTTPStatus.OK, answer, entry)
        except Refused as refused:
            error = {"error": refused.code, "error_description": refused.description}
            self._json(HTTPStatus(refused.status), error, entry)

    def _rest(
        self, path: str, method: str, parameters: Row, content_type: str, body: bytes, fault: Fault | None, entry: Row
    ) -> Row:
        service = self.server.service
        base = service.base_url or f"https://{self.headers.get('Host')}"
        if method == "upload":
            content = uploaded(content_type, body)
            if content is None:
                raise Refused("There is no file in the request")
            return {"result": service.methods.upload(str(parameters.get("token")), content).result}
        between = path.removeprefix("/rest/").split("/")[:-1]
        credential = service.credential(between, parameters, self.headers.get("Authorization", ""))
        entry["CREDENTIAL"] = credential.name
        asked = Asked(credential, parameters, bool(fault and fault.kind == "no_lead"), base)
        return service.answer(method, asked, self.client_address[0])

    def _refuses(self, fault: Fault, entry: Row) -> bool:
        """Answer instead of the portal, where the fault says so."""
        if fault.kind == "drop":
            self._log(entry, 0, "")
            raise ConnectionBroken
        if fault.kind == "unavailable":
            self._page(HTTPStatus.SERVICE_UNAVAILABLE, PAGE_503, "text/html", entry)
        elif fault.kind == "html":
            self._page(HTTPStatus.OK, PAGE_HTML, "text/html", entry)
        elif fault.kind == "query_limit":
            raise Refused("Too many requests", "QUERY_LIMIT_EXCEEDED", 503)
        elif fault.kind == "operation_limit":
            raise Refused("Method is blocked due to operation time limit", "OPERATION_TIME_LIMIT", 429)
        elif fault.kind == "error":
            raise Refused("Internal server error", "INTERNAL_SERVER_ERROR", 500)
        return fault.kind in ("unavailable", "html")

    def _lab(self, name: str, body: bytes) -> None:
        """GET state, requests, record/ID; POST set (see Service.set_up), click, clear."""
        service = self.server.service
        given = json.loads(body or b"{}")
        if name.startswith("record/"):
            content = service.record(int(name.removeprefix("record/")))
            status = HTTPStatus.NOT_FOUND if content is None else HTTPStatus.OK
            self._page(status, content or b"", "application/octet-stream")
        elif name == "state":
            self._json(HTTPStatus.OK, service.state())
        elif name in TABLES:
            self._json(HTTPStatus.OK, service.state()[name])
        elif name == "set":
            service.set_up(given)
            self._json(HTTPStatus.OK, {})
        elif name == "click":
            self._json(HTTPStatus.OK, service.click(given))
        elif name == "clear":
            service.store.clear()
            self._json(HTTPStatus.OK, {})
        else:
            self._page(HTTPStatus.NOT_FOUND, b"not found\n", "text/plain")

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    @staticmethod
    def _wait(seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)

    def _log(self, entry: Row, status: int, error: str) -> None:
        self.server.service.store.add("requests", **{**entry, "STATUS": status, "ERROR": error})

    def _json(self, status: HTTPStatus, content: t.Any, entry: Row | None = None) -> None:
        self._page(status, json.dumps(content).encode(), "application/json", entry, content)

    def _page(
        self, status: HTTPStatus, body: bytes, content_type: str, entry: Row | None = None, content: t.Any = None
    ) -> None:
        if entry is not None:
            self._log(entry, status.value, str(content.get("error", "")) if isinstance(content, dict) else "")
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """The listening socket and what all connections share."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], service: Service, tls: ssl.SSLContext) -> None:
        self.service, self.tls = service, tls
        super().__init__(address, Handler)

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        error = sys.exc_info()[1]
        # Clients disconnect, refuse the certificate or are cut off: that is what this server is for.
        if isinstance(error, (ConnectionBroken, OSError)):
            log.info("%s: connection ended: %s", client_address[0], error or type(error).__name__)
        else:
            super().handle_error(request, client_address)


class TelephonyServer:
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
        self.service = Service(self.store, rules or Rules(), clock)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        self._server = _Server(address, self.service, tls)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def portal(self) -> Portal:
        return self.service.portal

    @property
    def faults(self) -> FaultPlan:
        return self.service.faults

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return "https://{}:{}".format(*self.address)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def webhook(self, user: int) -> str:
        """The address of a webhook of this employee; a method's name follows directly."""
        return f"{self.url}/rest/{user}/{CODE}/"

    def serve_forever(self) -> None:
        """Serve in this thread."""
        self._server.serve_forever()

    def __enter__(self) -> TelephonyServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
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

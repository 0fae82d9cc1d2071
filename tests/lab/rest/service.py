# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated portal behind its server: credentials, limits, faults, batches, and the envelope of every answer."""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
import threading
import time
import typing as t

from lab.rest.answers import Answer, Asked, Credential, CutOff, Raw, Refused, Row, iso
from lab.rest.faults import Fault, FaultPlan
from lab.rest.limits import Bucket, Limits, OperatingTime
from lab.rest.parameters import parse

BATCH = 50
TOKEN_SECONDS = 3600
CODE = "hook0123456789ab"
APP = "3"
CLIENT = ("local.app", "client-secret")
REFERENCE = re.compile(r"\$result((?:\[[^\]]*\])+)")
#: What a value that a command takes from an earlier one is as text, where PHP would write something else.
PHP_TEXTS = {True: "1", False: "", None: ""}


class Settings(t.Protocol):
    """Where a portal keeps its tokens."""

    def setting(self, name: str) -> str | None: ...

    def set(self, name: str, value: str) -> None: ...


class _Working(threading.local):
    """Seconds of work of the request that this thread answers."""

    seconds = 0.0


class Service:
    """What all simulated portals do with a request. A portal of its own says what its methods are."""

    scope = "telephony,crm,user"
    #: Status of the answer to a webhook that there is not.
    wrong_webhook = 401

    def __init__(self, settings: Settings, clock: t.Callable[[], float]) -> None:
        self.settings, self.clock = settings, clock
        self.faults = FaultPlan()
        self.delay = 0.0
        self.https_only = True
        self.dark_until = 0.0
        self.base_url = ""
        self._working = _Working()
        #: Codes of webhooks: each has an operating time of its own.
        self.codes = [CODE]
        self.limit(Limits())

    def limit(self, limits: Limits) -> None:
        self.limits = limits
        self.bucket = Bucket(limits.rate, limits.burst, self.clock) if limits.rate else None
        self.operating = OperatingTime(limits.operating, self.clock)

    # -- what a portal of its own has ------------------------------------------------------------------------------

    def employs(self, user: int) -> bool:
        """Whether there is such an employee, who may log in."""
        raise NotImplementedError

    def call(self, method: str, asked: Asked) -> Answer:
        """Raises Refused."""
        raise NotImplementedError

    def batchable(self, method: str) -> bool:
        """Whether a batch may contain this method, given in small letters."""
        return method != "batch"

    def work(self, method: str, asked: Asked) -> float:
        """Seconds that the call is said to have cost, beside those that it took."""
        return self.limits.work.get(method, 0.0)

    def upload(self, token: str, content: bytes) -> Answer:
        raise Refused("Method not found!", "ERROR_METHOD_NOT_FOUND", 404)

    def page(self, path: str, query: str, agent: str) -> tuple[bytes, str] | None:
        """A page outside of the REST interface, and its type; `agent` is who the client says he is."""
        return None

    def lab(self, name: str, given: Row) -> t.Any:
        """What /_lab/NAME answers: JSON, bytes, or None if there is no such page."""
        raise NotImplementedError

    def log(self, entry: Row) -> None:
        """One request has been answered, or not."""
        raise NotImplementedError

    # -- switches ----------------------------------------------------------------------------------------------------

    def set_up(self, given: Row) -> None:
        """What a test or a file of settings gives; a portal of its own knows further keys."""
        for token, (user, app) in given.get("tokens", {}).items():
            end = self.clock() + given.get("token_seconds", 10**9)
            self.settings.set(f"token {token}", json.dumps([user, app, end]))
        for token, (user, app) in given.get("refresh_tokens", {}).items():
            self.settings.set(f"refresh {token}", json.dumps([user, app]))
        if "limits" in given:
            self.limit(Limits(**given["limits"]))
        if "faults" in given:
            self.faults.set([Fault(**fault) for fault in given["faults"]])
        self.delay = float(given.get("delay", self.delay))
        self.https_only = bool(given.get("https_only", self.https_only))
        if "outage" in given:
            self.dark_until = time.monotonic() + float(given["outage"])

    @staticmethod
    def set_rules(rules: t.Any, given: Row) -> None:
        for name, value in given.items():
            if not hasattr(rules, name):
                raise ValueError(f"there is no rule {name!r}")
            setattr(rules, name, value)

    # -- credentials -------------------------------------------------------------------------------------------------

    def token(self, user: int, app: str = APP, seconds: float = TOKEN_SECONDS) -> str:
        """A new access token of an application, used by an employee."""
        token = secrets.token_hex(16)
        self.settings.set(f"token {token}", json.dumps([user, app, self.clock() + seconds]))
        return token

    def refresh_token(self, user: int, app: str = APP) -> str:
        token = secrets.token_hex(16)
        self.settings.set(f"refresh {token}", json.dumps([user, app]))
        return token

    def refresh(self, given: Row) -> Row:
        """What the authorization server answers to a refresh token."""
        known = self.settings.setting(f"refresh {given.get('refresh_token')}")
        if (given.get("client_id"), given.get("client_secret")) != CLIENT or known is None:
            raise Refused("Invalid client or refresh token", "invalid_grant", 400)
        user, app = json.loads(known)
        tokens = {"access_token": self.token(user, app), "refresh_token": self.refresh_token(user, app)}
        return {**tokens, "expires_in": TOKEN_SECONDS, "scope": self.scope, "member_id": "lab"}

    def credential(self, path: list[str], parameters: Row, header: str) -> Credential:
        """Who asks; `path` is what stands between /rest/ and the method."""
        if len(path) == 2:
            if path[1] in self.codes and path[0].isdigit() and self.employs(int(path[0])):
                return Credential(int(path[0]), webhook="" if path[1] == CODE else f" {path[1]}")
            raise Refused("Invalid request credentials", "INVALID_CREDENTIALS", self.wrong_webhook)
        token = str(parameters.pop("auth", "") or header.removeprefix("Bearer ").strip())
        if not token:
            raise Refused("Wrong authorization data", "NO_AUTH_FOUND", 401)
        known = self.settings.setting(f"token {token}")
        user, app, expires = json.loads(known) if known else (0, "", 0.0)
        if self.clock() >= expires:
            raise Refused("The access token provided has expired", "expired_token", 401)
        return Credential(user, app)

    # -- requests ----------------------------------------------------------------------------------------------------

    def answer(self, method: str, asked: Asked, address: str) -> Row:
        """The envelope of a successful answer. Raises Refused."""
        begun, self._working.seconds = self.clock(), 0.0
        if self.bucket and not self.bucket.take(address):
            raise Refused("Too many requests", "QUERY_LIMIT_EXCEEDED", 503)
        answer = Answer(self._batch(asked)) if method.lower() == "batch" else self._worked(method, asked)
        envelope: Row = {"result": answer.result}
        if answer.total is not None:
            envelope["total"] = answer.total
        if answer.next is not None:
            envelope["next"] = answer.next
        return {**envelope, "time": self._times(method, asked.credential, begun)}

    def _worked(self, method: str, asked: Asked) -> Answer:
        name, who = method.lower(), asked.credential.name
        if not self.operating.allows(name, who):
            raise Refused("Method is blocked due to operation time limit", "OPERATION_TIME_LIMIT", 429)
        begun = time.monotonic()
        try:
            if self.faults.happen({method}, command=True):
                raise Refused("Something is wrong with this one", "ERROR_CORE", 400)
            return self.call(method, asked)
        finally:
            work = time.monotonic() - begun + self.work(method, asked)
            self.operating.add(name, who, work)
            self._working.seconds += work
            if self.limits.request is not None and self._working.seconds > self.limits.request:
                raise CutOff(method)

    def _batch(self, asked: Asked) -> Row:
        """Every command stands for itself; empty lists of results are [], as PHP writes them."""
        commands = asked.parameters.get("cmd") or {}
        halt = str(asked.parameters.get("halt", 0)) in ("1", "true", "True")
        pairs = list(enumerate(commands)) if isinstance(commands, list) else list(commands.items())
        if asked.fault == "half_batch":
            pairs = pairs[: len(pairs) // 2]
        names = ("result", "result_error", "result_total", "result_next", "result_time")
        result: dict[str, Row] = {name: {} for name in names}
        for number, (key, command) in enumerate(pairs):
            method, _mark, query = str(command).partition("?")
            begun = self.clock()
            try:
                if number >= BATCH:
                    raise Refused("Max batch length exceeded", "ERROR_BATCH_LENGTH_EXCEEDED")
                if not self.batchable(method.lower()):
                    raise Refused("Method is not allowed in batch", "ERROR_BATCH_METHOD_NOT_ALLOWED", 405)
                parameters = parse(query, "", b"")
                if "result" in query:
                    parameters = referred(parameters, result["result"])
                answer = self._worked(method, dataclasses.replace(asked, parameters=parameters))
                result["result"][str(key)] = answer.result
                for name, value in (("result_total", answer.total), ("result_next", answer.next)):
                    if value is not None:
                        result[name][str(key)] = value
                result["result_time"][str(key)] = self._times(method, asked.credential, begun)
            except Refused as refused:
                result["result_error"][str(key)] = refused.content
                if halt:
                    break
        return {name: as_php(values) for name, values in result.items()}

    def _times(self, method: str, credential: Credential, begun: float) -> Row:
        now = self.clock()
        times: Row = {"start": begun, "finish": now, "duration": now - begun, "processing": now - begun}
        times |= {"date_start": self.moment(begun), "date_finish": self.moment(now)}
        spent = self.operating.spent(method.lower(), credential.name)
        return {**times, "operating_reset_at": self.operating.reset_at(), "operating": spent}

    def moment(self, seconds: float) -> str:
        """A Unix time as this portal writes it."""
        return iso(seconds)


def as_php(values: Row) -> t.Any:
    """PHP writes an array as a list where its keys are 0, 1, 2 …; hence [] for an empty one."""
    return list(values.values()) if list(values) == [str(number) for number in range(len(values))] else values


def referred(value: t.Any, results: Row) -> t.Any:
    """`value` with every $result[key][field] replaced by what an earlier command of the batch answered."""
    if isinstance(value, dict):
        return {key: referred(each, results) for key, each in value.items()}
    if isinstance(value, list):
        return [referred(each, results) for each in value]
    whole = REFERENCE.fullmatch(value)
    if whole:
        return _found(whole[1], results)
    return REFERENCE.sub(lambda match: _text(_found(match[1], results)), value)


def _found(path: str, results: Row) -> t.Any:
    place: t.Any = results
    for name in re.findall(r"\[([^\]]*)\]", path):
        if isinstance(place, Raw):
            place = json.loads(place)
        try:
            place = place[int(name)] if isinstance(place, list) else place[name]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return json.loads(place) if isinstance(place, Raw) else place


def _text(value: t.Any) -> str:
    return PHP_TEXTS[value] if value is None or isinstance(value, bool) else str(value)

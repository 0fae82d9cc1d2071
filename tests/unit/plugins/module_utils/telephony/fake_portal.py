# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The portal's rules for calls, behind a transport without a network."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import json
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.telephony.portal import Reply, Unanswered

Row = dict[str, t.Any]
HALF_HOUR = 1800


class Killed(BaseException):
    """The process ends here; no handler of the program sees it."""


class FakePortal:
    """`around` is called before and after each request is carried out, and may raise what goes wrong there."""

    def __init__(self, clock: t.Callable[[], float]) -> None:
        self.clock = clock
        self.open: dict[str, Row] = {}
        self.statistics: list[Row] = []
        self.recordings: dict[str, bytes] = {}
        self.requests: list[tuple[str, Row]] = []
        self.users: dict[int, str] = {1: "", 7: "101", 8: "102"}
        self.around: t.Callable[[str, str], None] = lambda method, moment: None
        self.refusal: dict[str, Reply] = {}  # by method
        self._numbers = itertools.count(1)

    def of(self, external_id: str) -> list[Row]:
        return [row for row in self.statistics if row["EXTERNAL_CALL_ID"] == external_id]

    async def post(self, method: str, parameters: t.Mapping[str, t.Any]) -> Reply:
        given = json.loads(json.dumps(dict(parameters)))
        self.requests.append((method, given))
        self.around(method, "before")
        name = method.rpartition(".")[2]
        reply = self.refusal.get(name) or getattr(self, f"_{name}")(given)
        self.around(method, "after")
        return t.cast(Reply, reply)

    async def upload(self, url: str, field: str, name: str, path: str) -> Reply:
        self.requests.append(("upload", {"name": name}))
        self.around("upload", "before")
        self.recordings[url] = pathlib.Path(path).read_bytes()
        self.around("upload", "after")
        return _answer({"FILE_ID": 5})

    def _register(self, given: Row) -> Reply:
        if given["USER_ID"] not in self.users:
            return _error("User is not found or is not active")
        key = ("USER_ID", "PHONE_NUMBER", "TYPE", "LINE_NUMBER", "EXTERNAL_CALL_ID")
        start = datetime.datetime.fromisoformat(given["CALL_START_DATE"]).timestamp()
        for call_id, row in self.open.items():
            young = self.clock() - start < HALF_HOUR
            if young and all(row.get(name) == given.get(name) for name in key):
                return _answer({"CALL_ID": call_id})
        call_id = "externalCall." + hashlib.md5(str(next(self._numbers)).encode()).hexdigest()
        self.open[call_id] = given
        return _answer({"CALL_ID": call_id})

    def _finish(self, given: Row) -> Reply:
        if given["USER_ID"] not in self.users:
            return _error("User is not found or is not active")
        call = self.open.pop(given["CALL_ID"], None)
        if call is None:
            return _error("Call is not found (call should be registered prior to finishing)")
        self.statistics.append({"EXTERNAL_CALL_ID": None, **call, **given})
        return _answer({"CALL_ID": given["CALL_ID"]})

    def _get(self, given: Row) -> Reply:
        ((name, value),) = given["FILTER"].items()
        return _answer([row for row in self.statistics if row.get(name) == value])

    def _attachRecord(self, given: Row) -> Reply:
        if not any(row["CALL_ID"] == given["CALL_ID"] for row in self.statistics):
            return _error("Call is not found in the statistic table. It looks like it is not finished yet.")
        return _answer({"uploadUrl": given["CALL_ID"], "fieldName": "file"})


def _answer(result: t.Any) -> Reply:
    return Reply(200, json.dumps({"result": result}).encode())


def _error(text: str) -> Reply:
    return Reply(400, json.dumps({"error": "ERROR_CORE", "error_description": text}).encode())


def lost(*_moment: str) -> None:
    raise Unanswered("the connection was closed")

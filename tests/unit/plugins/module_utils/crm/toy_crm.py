# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CRM in memory behind the methods of `Rest`, whose rows tests change while they are read."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import Answer, RestError
from ansible_collections.boxlift.portal.plugins.module_utils.crm.commands import Command

PAGE = 50
BEGIN = datetime.datetime(2026, 11, 30, 3, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=3)))
TYPES = {1: "lead", 2: "deal", 3: "contact", 4: "company"}
OWNERS = {"L": "lead", "D": "deal"}
Row = dict[str, t.Any]


class ToyCrm:
    """`tables[kind][id]` are the rows; every request takes a second of the portal's clock."""

    name = "cloud.example.com"

    def __init__(self) -> None:
        self.tables: dict[str, dict[int, Row]] = {}
        self.types: list[Row] = []
        self.now = BEGIN
        self.requests = self.commands = 0
        self.waited = 0.0
        self.admin = True
        self.refuse: dict[str, RestError] = {}
        self.contents: dict[str, bytes] = {}
        self.fetched: list[str] = []
        #: Called with each command, before it is carried out.
        self.before: t.Callable[[str, t.Mapping[str, t.Any]], None] | None = None

    # -- what people do ----------------------------------------------------------------------------------------------

    def add(self, kind: str, number: int, **fields: t.Any) -> Row:
        upper = kind in ("activity", "comment", "user", "status", "call")
        row: Row = {"ID" if upper else "id": number}
        if not upper and kind != "productrow":
            row |= {
                "createdTime": self.time(),
                "updatedTime": self.time(),
                "updatedBy": 1,
                "lastActivityTime": self.time(),
                "title": f"{kind} {number}",
            }
        if kind == "activity":
            row |= {"CREATED": self.time(), "LAST_UPDATED": self.time(), "EDITOR_ID": "1", "SUBJECT": f"Call {number}"}
        row |= fields
        self.tables.setdefault(kind, {})[number] = row
        return row

    def change(self, kind: str, number: int, **fields: t.Any) -> None:
        row = self.tables[kind][number]
        row |= fields
        row["LAST_UPDATED" if kind == "activity" else "updatedTime"] = self.time()

    def delete(self, kind: str, *numbers: int) -> None:
        for number in numbers:
            del self.tables[kind][number]

    def time(self) -> str:
        return self.now.isoformat(timespec="seconds")

    def later(self, seconds: float) -> None:
        self.now += datetime.timedelta(seconds=seconds)

    # -- Rest --------------------------------------------------------------------------------------------------------

    def call(self, method: str, params: t.Mapping[str, t.Any] | None = None, *, repeat: bool = True) -> Answer:
        self.requests += 1
        self.later(1)
        return self._one(method, params or {})

    def batch(self, commands: t.Sequence[Command], *, repeat: bool = True, halt: bool = False) -> list[t.Any]:
        outcomes: list[t.Any] = []
        for number, command in enumerate(commands):
            if number % 50 == 0:
                self.requests += 1
                self.later(1)
            try:
                outcomes.append(self._one(command.method, command.params))
            except RestError as error:
                outcomes.append(error)
        return outcomes

    def rows(
        self, method: str, params: t.Mapping[str, t.Any], *, after: int = 0, upto: int | None = None
    ) -> t.Iterator[Row]:
        name = "id" if ".item." in method else "ID"
        while True:
            limits = {f">{name}": after, **({} if upto is None else {f"<={name}": upto})}
            given = {**params, "filter": {**params.get("filter", params.get("FILTER", {})), **limits}}
            rows = self.call(method, {**given, "start": -1}).result
            rows = rows["items"] if isinstance(rows, dict) else rows
            yield from rows
            if len(rows) < PAGE:
                return
            after = rows[-1][name]

    def fetch_file(self, url: str, out: t.BinaryIO) -> int:
        self.fetched.append(url)
        if url not in self.contents:
            raise RestError("There is no such file.", code="HTTP_404", status=404)
        return out.write(self.contents[url])

    def _one(self, method: str, params: t.Mapping[str, t.Any]) -> Answer:
        self.commands += 1
        if self.before is not None:
            self.before(method, params)
        if method in self.refuse:
            raise self.refuse[method]
        time = {"date_start": self.time()}
        if method == "user.admin":
            return Answer(self.admin, time=time)
        if method == "crm.type.list":
            return Answer({"types": self.types}, len(self.types), None, time)
        if method == "crm.item.fields":
            return Answer({"fields": {"title": {"type": "string", "title": "Name"}}}, time=time)
        if method == "crm.category.list":
            return Answer(
                {"categories": [{"id": 0, "name": "Common", "entityTypeId": params["entityTypeId"]}]}, time=time
            )
        kind, key = self._kind(method, params)
        rows = [row for _number, row in sorted(self.tables.get(kind, {}).items()) if self._fits(row, params)]
        start = int(params.get("start", 0))
        page = rows[max(start, 0) : max(start, 0) + PAGE]
        chosen = params.get("select", ["*"])
        if "*" not in chosen:
            page = [{name: row[name] for name in chosen if name in row} for row in page]
        page = [dict(row) for row in page]
        following = start + PAGE if start >= 0 and start + PAGE < len(rows) else None
        return Answer({key: page} if key else page, None if start < 0 else len(rows), following, time)

    @staticmethod
    def _kind(method: str, params: t.Mapping[str, t.Any]) -> tuple[str, str]:
        if method == "crm.item.list":
            number = int(params["entityTypeId"])
            return TYPES.get(number, f"smart:{number}"), "items"
        if method == "crm.item.productrow.list":
            assert "=ownerType" in params["filter"] and "=ownerId" in params["filter"]
            return "productrow", "productRows"
        if method == "crm.timeline.comment.list":
            assert "ENTITY_TYPE" in params["filter"] and "ENTITY_ID" in params["filter"]
        names = {"crm.activity.list": "activity", "crm.timeline.comment.list": "comment", "crm.status.list": "status"}
        return {**names, "user.get": "user", "voximplant.statistic.get": "call"}[method], ""

    @staticmethod
    def _fits(row: Row, params: t.Mapping[str, t.Any]) -> bool:
        for key, value in params.get("filter", {}).items():
            name = key.lstrip("<>=@")
            sign, mine = key[: len(key) - len(name)], row.get(name)
            if sign == ">=":
                fits = datetime.datetime.fromisoformat(str(mine)) >= datetime.datetime.fromisoformat(value)
            elif sign == "@":
                fits = mine in value
            elif sign == "<=":
                fits = int(mine or 0) <= int(value)
            else:
                fits = int(mine or 0) > int(value) if sign == ">" else str(mine) == str(value)
            if not fits:
                return False
        return True

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many records at once, past the REST methods: 200,000 leads within seconds. The same seed gives the same records."""

from __future__ import annotations

import random
import typing as t

from lab.crm.fields import TYPES
from lab.crm.portal import Crm
from lab.crm.store import EVERYTHING
from lab.rest.answers import Row

FIRST = ("Anna", "Boris", "Vera", "Gleb", "Darya", "Egor", "Zoya", "Ivan", "Kira", "Lev", "Мария", "Николай")
LAST = ("Ivanova", "Petrov", "Smirnova", "Orlov", "Volkova", "Белов", "Соколова", "Müller")
WORDS = ("offer", "call", "price", "term", "delivery", "contract", "visit", "sample", "договор", "счёт", "доставка")
#: User fields that filled records have: the end of the name, and the type.
USER_FIELDS = (
    ("1700000001", "string"), ("1700000002", "double"), ("1700000003", "date"), ("1700000004", "boolean"),
    ("1700000005", "enumeration"), ("1700000006", "string"), ("REGION", "string"), ("1700000008", "integer"),
    ("1700000009", "datetime"), ("1700000010", "money"),
)  # fmt: skip
#: Seconds between two records.
STEP = 30


def fill(
    crm: Crm, kind: str, amount: int, *, user_fields: int = 10, seed: int = 0, users: t.Sequence[int] = (1,)
) -> None:
    """Add so many records, the last of them STEP seconds ago, all later than those that are there."""
    fields = [(f"UF_CRM_{name}", type_) for name, type_ in USER_FIELDS[:user_fields]]
    for name, type_ in fields:
        if name not in crm.fields(kind):
            listed = [{"ID": str(n), "VALUE": f"Choice {n}", "SORT": "10", "DEF": "N"} for n in range(1, 6)]
            more: Row = {"LIST": listed} if type_ == "enumeration" else {}
            crm.add_field(kind, name, type_, **more)
    with crm.store.lock:
        chance, first = random.Random(f"{kind} {seed}"), crm.store.newest(kind) + 1
        start = crm.clock() - STEP * amount
        newest = crm.get(kind, first - 1)
        if newest is not None:
            start = max(start, crm.zone.seconds(newest["createdTime"]))
        multiple = crm.store.next_id("multifield", 2 * amount) if "fm" in crm.fields(kind) else 0
        known = crm.statuses(crm.stages(kind, 0))
        filler = _Filler(crm, kind, chance, fields, [(row["STATUS_ID"], row["SEMANTICS"] or "P") for row in known])
        rows = (
            filler.row(first + index, start + STEP * index, multiple + 2 * index, users[index % len(users)])
            for index in range(amount)
        )
        crm.store.insert_many(kind, rows)
    crm.tell(kind, ())


class _Filler:
    def __init__(
        self,
        crm: Crm,
        kind: str,
        chance: random.Random,
        fields: t.Sequence[tuple[str, str]],
        stages: t.Sequence[tuple[str, str]],
    ) -> None:
        self._crm, self._kind, self._chance, self._fields, self._stages = crm, kind, chance, fields, stages
        own = crm.fields(kind)
        self._base: Row = {
            name: int(field.default) if field.type == "crm_category" else field.default
            for name, field in own.items()
            if field.default is not None and not field.user_field
        }
        self._has = set(own)

    def row(self, number: int, moment: float, multiple: int, user: int) -> Row:
        chance = self._chance
        pick, when = chance.random(), self._crm.zone.moment(moment)
        name, last = FIRST[int(pick * 997) % len(FIRST)], LAST[int(pick * 991) % len(LAST)]
        text = " ".join(WORDS[int(pick * 10**n) % len(WORDS)] for n in range(4, 9))
        row: Row = {"id": number, **self._base, "createdTime": when, "updatedTime": when, "createdBy": user}
        row |= {"updatedBy": user, "assignedById": user, "lastActivityTime": when, "lastActivityBy": user}
        row |= {"comments": text, "sourceId": "WEB"}
        if "title" in self._has:
            row["title"] = f"{name} {last}, {text[:20]}"
        if "name" in self._has:
            row |= {"name": name, "lastName": last}
        if "opportunity" in self._has:
            row["opportunity"] = int(pick * 1_000_000) / 10
        if self._stages:
            stage, meaning = self._stages[int(pick * 983) % len(self._stages)]
            row |= {"stageId": stage, "stageSemanticId": meaning, "movedTime": when, "movedBy": user}
        if "fm" in self._has:
            phone = {"id": multiple, "typeId": "PHONE", "valueType": "WORK", "value": f"+7900{number:07}"}
            address = f"{self._kind}{number}@boxlift.test"
            mail = {"id": multiple + 1, "typeId": "EMAIL", "valueType": "WORK", "value": address}
            row |= {"fm": [phone, mail], "hasPhone": "Y", "hasEmail": "Y"}
        for index, (field, type_) in enumerate(self._fields):
            row[field] = self._value(type_, pick, index, when, text)
        return row

    @staticmethod
    def _value(type_: str, pick: float, index: int, when: str, text: str) -> t.Any:
        if type_ in ("double", "integer"):
            return int(pick * 10_000) + (0.5 if type_ == "double" else 0)
        if type_ in ("date", "datetime"):
            return when if type_ == "datetime" else f"{when[:10]}T00:00:00{when[19:]}"
        if type_ == "boolean":
            return "Y" if pick < 0.5 else "N"
        if type_ == "enumeration":
            return 1 + int(pick * 5)
        return f"{int(pick * 900)}|RUB" if type_ == "money" else f"{text[index:]} {index}"


def links(crm: Crm, kind: str, every: int = 1) -> None:
    """Give each filled record of `kind` references to companies and contacts that are there."""
    others = {name: crm.store.newest(name) for name in ("company", "contact") if name != kind}
    own = crm.fields(kind)
    with crm.store.lock, crm.store.transaction():
        for number in crm.store.find(kind, EVERYTHING)[::every]:
            row = crm.store.load(kind, [number])[number]
            for name, newest in others.items():
                if newest and f"{name}Id" in own:
                    row[f"{name}Id"] = 1 + number % newest
                if newest and f"{name}Ids" in own:
                    row[f"{name}Ids"] = [1 + number % newest]
            crm.store.replace(kind, number, row)
    crm.tell(kind, ())


def activities(crm: Crm, kind: str, amount: int) -> None:
    """So many calls on the records of a kind, one after another."""
    newest, first = crm.store.newest(kind), crm.store.newest("activity") + 1
    start = crm.clock() - STEP * amount

    def row(index: int) -> Row:
        when = crm.zone.moment(start + STEP * index)
        owner = {"OWNER_ID": 1 + index % newest, "OWNER_TYPE_ID": TYPES[kind], "RESPONSIBLE_ID": 1, "AUTHOR_ID": 1}
        what = {"TYPE_ID": 2, "PROVIDER_ID": "VOXIMPLANT_CALL", "PROVIDER_TYPE_ID": "CALL", "DIRECTION": 1 + index % 2}
        text = {"SUBJECT": f"Call {index}", "DESCRIPTION": "", "COMPLETED": "Y", "PRIORITY": "2", "EDITOR_ID": 1}
        times = {name: when for name in ("CREATED", "LAST_UPDATED", "START_TIME", "END_TIME", "DEADLINE")}
        return {"ID": first + index, **owner, **what, **text, **times}

    crm.store.insert_many("activity", map(row, range(amount)))

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""People at work in one of the two portals, over its REST; what they did, as JSON.

usage: office.py WORD        with WEBHOOK and AUTHORITY in the environment

WORD begins whatever they write. They take in three leads with contacts and phones, a company and a deal, move a deal,
change a lead, comment, call somebody, and delete a lead.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import typing as t
import urllib.request

LEAD, DEAL, CONTACT, COMPANY = 1, 2, 3, 4
NEW = 3


class Portal:
    def __init__(self, webhook: str, authority: str) -> None:
        self.webhook = webhook
        self.tls = ssl.create_default_context(cafile=authority)

    def call(self, method: str, **parameters: t.Any) -> t.Any:
        request = urllib.request.Request(
            f"{self.webhook}{method}",
            data=json.dumps(parameters).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "office"},
        )
        with urllib.request.urlopen(request, context=self.tls, timeout=60) as answer:
            return json.load(answer)["result"]

    def add(self, kind: int, **fields: t.Any) -> int:
        return int(self.call("crm.item.add", entityTypeId=kind, fields=fields)["item"]["id"])

    def first(self, kind: int, number: int, **condition: t.Any) -> list[dict[str, t.Any]]:
        rows: list[dict[str, t.Any]] = self.call(
            "crm.item.list", entityTypeId=kind, select=["*"], filter=condition, order={"id": "ASC"}
        )["items"]
        return rows[:number]


def work(portal: Portal, word: str) -> dict[str, t.Any]:
    company = portal.add(COMPANY, title=f"{word} company", assignedById=1)
    leads, contacts, phones = [], [], []
    for number in range(NEW):
        phone = f"+7999{abs(hash_of(word)) % 1000:03d}{number:04d}"
        phones.append(phone)
        contacts.append(
            portal.add(
                CONTACT,
                name=word,
                lastName=f"contact {number}",
                companyId=company,
                assignedById=1,
                fm=[{"typeId": "PHONE", "valueType": "WORK", "value": phone}],
            )
        )
        leads.append(portal.add(LEAD, title=f"{word} lead {number}", contactId=contacts[-1], assignedById=1))
    deal = portal.add(DEAL, title=f"{word} deal", companyId=company, contactId=contacts[0], opportunity=1500)

    old_lead, lost_lead = portal.first(LEAD, 2)
    portal.call("crm.item.update", entityTypeId=LEAD, id=old_lead["id"], fields={"comments": f"{word} called back"})
    (moved,) = portal.first(DEAL, 1, categoryId=0)
    stage = next(name for name in ("PREPARATION", "NEW") if name != moved["stageId"])
    portal.call("crm.item.update", entityTypeId=DEAL, id=moved["id"], fields={"stageId": stage})
    portal.call("crm.item.delete", entityTypeId=LEAD, id=lost_lead["id"])
    portal.call(
        "crm.timeline.comment.add",
        fields={"ENTITY_ID": leads[0], "ENTITY_TYPE": "lead", "COMMENT": f"{word} comment"},
    )
    portal.call(
        "crm.activity.add",
        fields={
            **{"OWNER_TYPE_ID": LEAD, "OWNER_ID": leads[0], "TYPE_ID": 2, "DIRECTION": 2, "RESPONSIBLE_ID": 1},
            **{"SUBJECT": f"{word} call", "COMPLETED": "Y", "START_TIME": "2026-11-29T10:00:00+03:00"},
            **{"END_TIME": "2026-11-29T10:05:00+03:00"},
            "COMMUNICATIONS": [{"VALUE": phones[0], "ENTITY_ID": contacts[0], "ENTITY_TYPE_ID": CONTACT}],
        },
    )
    return {
        "leads": leads,
        "contacts": contacts,
        "phones": phones,
        "company": company,
        "deal": deal,
        "changed_lead": old_lead["id"],
        "deleted_lead": lost_lead["id"],
        "moved_deal": moved["id"],
        "stage": stage,
    }


def hash_of(word: str) -> int:
    """The same in every process."""
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(word))


def main() -> None:
    portal = Portal(os.environ["WEBHOOK"], os.environ["AUTHORITY"])
    print(json.dumps(work(portal, sys.argv[1])))


if __name__ == "__main__":
    main()

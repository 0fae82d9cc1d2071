# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated cloud, and a simulated box that was restored from it; then people have gone on working in the cloud."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.snapshot import refresh
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.idmap import IdMap
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.mapping import Names
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.options import Options
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.run import Result, Transfer
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.verify import Side, Verification, verify
from lab.authority import Authority
from lab.crm.portal import Crm, Rules
from lab.crm.server import CrmServer

NOW = 1_800_000_000.0  # 2027-01-15T11:00:00+03:00
CLOUD, BOX = "cloud.boxlift.test", "box.boxlift.test"
KINDS = ("company", "contact", "lead", "deal", "productrow", "activity", "comment")
READ = ("type", "status", "category", "field", "user", *KINDS)

Row = dict[str, t.Any]


class Portal:
    """One side: what people do there, its store, and our client."""

    def __init__(
        self, name: str, authority: Authority, folder: Path, clock: t.Callable[[], float], rules: Rules
    ) -> None:
        issued = authority.issue(name, "127.0.0.1")
        self.name = name
        store = str(folder / f"{name}.portal")
        self.server = CrmServer(issued.certificate, issued.key, clock=clock, rules=rules, store=store)
        self.server.__enter__()
        webhook = self.server.webhook(1).replace("127.0.0.1", name)
        self.rest = Rest(webhook, ca_file=str(authority.certificate), resolve_to="127.0.0.1", proxy="")
        self.store = Store(str(folder / f"{name}.sqlite"))

    @property
    def crm(self) -> Crm:
        return self.server.crm

    def ask(self, method: str, **params: t.Any) -> t.Any:
        return self.rest.call(method, params, repeat=False).result

    def read(self) -> None:
        refresh(self.rest, self.store, READ)

    def side(self, base: int | None = None) -> Side:
        return Side(Names(self.name, self.store), t.cast(t.Any, self.store), t.cast(t.Any, self.rest), base)

    def close(self) -> None:
        self.rest.close()
        self.store.close()
        self.server.__exit__()


class Move:
    """Both portals, restored just now; or as they were left in this folder, at the moment `now`."""

    def __init__(self, authority: Authority, folder: Path, now: float = 0.0) -> None:
        self.clock = [now or NOW]
        self.folder = folder
        self.cloud = Portal(CLOUD, authority, folder, self.time, Rules())
        self.box = Portal(BOX, authority, folder, self.time, Rules(box=True, zone="+05:00"))
        for portal in (self.cloud, self.box) if not now else ():
            _restored(portal.crm)

    def time(self) -> float:
        return self.clock[0]

    def close(self) -> None:
        self.cloud.close()
        self.box.close()

    def transfer(self, mode: str, **options: t.Any) -> Result:
        self.clock[0] += 60
        return self.made_transfer(**options).run(mode)

    def made_transfer(self, **options: t.Any) -> Transfer:
        path = str(self.folder / "transfer.sqlite")
        stores = (self.cloud.store, self.box.store)
        given = Options(**{"kinds": KINDS, **options})
        return Transfer(self.cloud.rest, self.box.rest, *stores, path, given, folder=str(self.folder))

    def work_on(self) -> None:
        """What people do in the cloud after the backup."""
        self.clock[0] += 600
        cloud = self.cloud
        cloud.crm.add_user(9, "Nina", EMAIL="nina@boxlift.test")
        # In the box she got another number.
        self.box.crm.add_user(12, "Nina", EMAIL="nina@boxlift.test")
        self.clock[0] += 600
        company = cloud.crm.add(
            "company", {"title": "New company", "assignedById": 2, "createdTime": self.cloud.crm.now()}
        )
        contact = cloud.crm.add(
            "contact",
            {
                "name": "Olga",
                "lastName": "New",
                "companyId": company,
                "fm": [{"typeId": "PHONE", "valueType": "WORK", "value": "+7 495 1112233"}],
                "createdTime": cloud.crm.now(),
            },
        )
        for number in range(6):
            self.clock[0] += 60
            moment = cloud.crm.now()
            cloud.crm.add(
                "lead",
                {
                    "title": f"New lead {number}",
                    "stageId": "IN_PROCESS",
                    "sourceId": "WEB",
                    "assignedById": 9 if number == 0 else 2,
                    "createdBy": 2,
                    "opportunity": 1000.5 + number,
                    "contactIds": [contact],
                    "UF_CRM_REGION": "North",
                    "UF_CRM_VISIT": moment,
                    "fm": [
                        {"typeId": "PHONE", "valueType": "WORK", "value": f"+7 900 000000{number}"},
                        {"typeId": "EMAIL", "valueType": "HOME", "value": f"n{number}@example.com"},
                    ],
                    "createdTime": moment,
                },
            )
        deal = cloud.crm.add(
            "deal", {"title": "New deal", "contactIds": [contact], "companyId": company, "createdTime": cloud.crm.now()}
        )
        rows = [
            {"productName": "Flat", "price": 100, "quantity": 2},
            {"productName": "Parking place", "price": 10, "quantity": 1},
        ]
        cloud.ask("crm.item.productrow.set", ownerType="D", ownerId=deal, productRows=rows)
        lead = cloud.crm.store.newest("lead")
        for number in range(2):
            fields = {
                "OWNER_TYPE_ID": 1,
                "OWNER_ID": lead,
                "TYPE_ID": 1,
                "SUBJECT": f"Meeting {number}",
                "RESPONSIBLE_ID": 2,
                "START_TIME": cloud.crm.now(),
                "COMMUNICATIONS": [{"VALUE": "Olga", "ENTITY_ID": contact, "ENTITY_TYPE_ID": 3, "TYPE": ""}],
            }
            cloud.ask("crm.activity.add", fields=fields)
        for number in range(2):
            fields = {"ENTITY_TYPE": "lead", "ENTITY_ID": lead, "COMMENT": f"Comment {number}\nsecond line"}
            cloud.ask("crm.timeline.comment.add", fields=fields)
        # An old one goes on.
        cloud.crm.update("lead", 3, {"title": "Old lead, renamed", "stageId": "PROCESSED"}, user=2)
        self.clock[0] += 600

    def proof(self, read: bool = True, **options: t.Any) -> Verification:
        """What the proof says now of both portals, which are read anew."""
        self.clock[0] += 60
        if read:
            self.cloud.read()
            self.box.read()
        with IdMap(str(self.folder / "transfer.sqlite")) as idmap:
            passes = idmap.note("begun")["passes"]
            return verify(self.cloud.side(passes[0]), self.box.side(passes[1]), idmap, KINDS, **options)

    def proof_of_everything(self) -> Verification:
        self.clock[0] += 60
        for portal in (self.cloud, self.box):
            refresh(portal.rest, portal.store, READ, full=True)
        return self.proof(read=False, everything=True)

    def there(self, kind: str, number: int) -> int:
        """The id in the box of what has this id in the cloud."""
        with IdMap(str(self.folder / "transfer.sqlite")) as idmap:
            found = idmap.target_of(kind, number)
        assert found is not None
        return found


def _restored(crm: Crm) -> None:
    """The same in cloud and box: what the backup holds."""
    crm.add_user(2, "Boris", EMAIL="boris@boxlift.test")
    for name, type_ in (("UF_CRM_REGION", "string"), ("UF_CRM_VISIT", "datetime")):
        crm.add_field("lead", name, type_, EDIT_FORM_LABEL=name)
    for number in range(1, 6):
        moment = crm.zone.moment(NOW - 86400 * (10 - number))
        same = {"createdTime": moment, "updatedTime": moment, "assignedById": 2}
        crm.add("company", {"title": f"Company {number}", **same})
        crm.add("contact", {"name": "Old", "lastName": f"Contact {number}", "companyId": number, **same})
        crm.add("lead", {"title": f"Old lead {number}", "contactIds": [number], **same})
        crm.add("deal", {"title": f"Old deal {number}", "contactIds": [number], "isManualOpportunity": "Y", **same})

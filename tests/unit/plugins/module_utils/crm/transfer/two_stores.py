# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cloud and a box as their stores know them, filled by hand."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import mapping as m
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.comparing import BASE_PASS, Comparison
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.idmap import IdMap
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.options import KINDS, Options

CLOUD, BOX = "firm.example.com", "box.example.com"
Row = dict[str, t.Any]
OWN = {
    "id": "integer!",
    "createdTime": "datetime!",
    "updatedTime": "datetime!",
    "movedTime": "datetime!",
    "createdBy": "user!",
    "updatedBy": "user!",
    "movedBy": "user!",
    "title": "string",
    "stageId": "crm_status",
    "categoryId": "crm_category",
    "sourceId": "crm_status",
    "assignedById": "user",
    "observers": "user[]",
    "companyId": "crm_company",
    "contactIds": "crm_contact[]",
    "leadId": "crm_lead",
    "parentId128": "crm_entity",
    "birthdate": "date",
    "opportunity": "double",
    "isManualOpportunity": "boolean",
    "fm": "crm_multifield[]",
    "originatorId": "string",
    "originId": "string",
    "xmlId": "string",
}
LISTS = {"sourceId": "SOURCE", "stageId": "STATUS"}


def described(**more: str | Row) -> Row:
    """Fields as crm.item.fields tells them: `type`, [] for several values, ! for read only."""
    fields: Row = {}
    for name, text in {**OWN, **more}.items():
        about: Row = {"type": text.strip("[]!")} if isinstance(text, str) else dict(text)
        if isinstance(text, str):
            about |= {"isMultiple": "[]" in text, "isReadOnly": "!" in text}
        if name in LISTS:
            about["statusType"] = LISTS[name]
        fields[name] = {"title": name, **about}
    return fields


class Portal:
    """What one of the two has; `keep` makes a snapshot of it."""

    def __init__(self, host: str, path: Path) -> None:
        self.host, self.store = host, Store(str(path))
        self.rows: dict[str, dict[int, Row]] = {}
        self.fields: dict[str, Row] = {}
        for kind in ("company", "contact", "lead", "deal"):
            self.describe(kind)
        self.user(1, "anna@example.com", "Anna Ivanova")
        self.status(1, "STATUS", "NEW", "New")
        self.status(2, "STATUS", "IN_PROCESS", "At work")
        self.status(3, "SOURCE", "CALL", "Call")
        self.status(4, "DEAL_STAGE", "NEW", "New")
        self.status(5, "DEAL_STAGE", "WON", "Won", "S")

    def describe(self, kind: str, **more: str | Row) -> None:
        self.put("field", m.entity_type_of(kind), fields=described(**more))

    def put(self, kind: str, number: int, **content: t.Any) -> None:
        self.rows.setdefault(kind, {})[number] = content

    def user(self, number: int, email: str, name: str = "", active: bool = True) -> None:
        self.put("user", number, ID=str(number), EMAIL=email, NAME=name, LAST_NAME="", ACTIVE=active)

    def status(self, number: int, entity: str, status: str, name: str, semantics: str = "") -> None:
        row = {"ID": str(number), "ENTITY_ID": entity, "STATUS_ID": status, "NAME": name, "SEMANTICS": semantics}
        self.put("status", number, **row)

    def category(self, number: int, name: str, entity_type: int = 2) -> None:
        self.put("category", kinds.category_id(entity_type, number), id=number, name=name, entityTypeId=entity_type)

    def item(self, kind: str, number: int, created: str = "2026-11-20T10:00:00+03:00", **fields: t.Any) -> None:
        times = {"createdTime": created, "updatedTime": created, "createdBy": 1, "updatedBy": 1, "assignedById": 1}
        self.put(kind, number, id=number, **{"title": f"{kind} {number}", **times, **fields})

    def change(self, kind: str, number: int, **fields: t.Any) -> None:
        self.rows[kind][number] = {**self.rows[kind][number], **fields}

    def delete(self, kind: str, number: int) -> None:
        del self.rows[kind][number]

    def keep(self) -> int:
        with self.store.new_pass(self.host, True) as pass_:
            for kind in {*self.rows, *self.store.kind_names()}:
                rows = self.rows.get(kind, {})
                self.store.gone(kind, [number for number in self.store.ids(kind) if number not in rows])
                for number, content in rows.items():
                    self.store.put(kind, number, content)
            return pass_.number

    def names(self) -> m.Names:
        return m.Names(self.host, self.store)


class TwoStores:
    """A cloud and a box; `compared` brings the snapshots up to date and compares them."""

    def __init__(self, folder: Path) -> None:
        self.cloud = Portal(CLOUD, folder / "cloud.sqlite")
        self.box = Portal(BOX, folder / "box.sqlite")
        self.idmap = IdMap(str(folder / "transfer.sqlite"))

    def begin(self, **maxima: int) -> None:
        """As the mode begin does; without maxima the box is empty."""
        self.cloud.keep()
        self.idmap.set_baseline(maxima)
        self.idmap.set_note(f"{BASE_PASS} forward", self.box.keep())

    def compared(self, products: t.Mapping[int, str] | None = None, **options: t.Any) -> Comparison:
        chosen = Options(**{"kinds": KINDS, **options})
        self.cloud.keep()
        self.box.keep()
        mapping = m.Mapping(self.cloud.names(), self.box.names(), self.idmap, chosen)
        known = products or {}
        comparison = Comparison(
            self.cloud.store,
            self.box.store,
            self.idmap,
            mapping,
            chosen,
            lambda numbers: {number: known[number] for number in numbers if number in known},
        )
        comparison.run()
        return comparison

    def close(self) -> None:
        self.cloud.store.close()
        self.box.store.close()
        self.idmap.close()

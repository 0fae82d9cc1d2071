# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated cloud and a simulated box, and a transfer between them. Both clocks are the test's."""

from __future__ import annotations

import contextlib
import json
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.idmap import IdMap
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.options import Options
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.run import Result, Transfer
from lab.authority import Authority
from lab.crm.portal import Crm, Rules
from lab.crm.server import CrmServer

CLOUD, BOX = "127.0.0.1", "127.0.0.2"
NOW = 1_800_000_000.0
Row = dict[str, t.Any]
ITEMS = ("company", "contact", "lead", "deal")


class Move:
    """`restore` makes the box what the cloud is; `run` is one pass of a fresh process."""

    def __init__(self, folder: Path, authority: Authority, stack: contextlib.ExitStack) -> None:
        self.folder, self.now = folder, NOW
        issued = authority.issue(CLOUD, BOX)
        self.authority = str(authority.certificate)
        rules = {"cloud": Rules(), "box": Rules(box=True, zone="+05:00")}
        self.servers = {
            name: stack.enter_context(
                CrmServer(issued.certificate, issued.key, address=(host, 0), rules=rules[name], clock=lambda: self.now)
            )
            for name, host in (("cloud", CLOUD), ("box", BOX))
        }
        self.slept: list[float] = []
        self.sleeping: t.Callable[[float], None] = self.slept.append

    @property
    def cloud(self) -> Crm:
        return self.servers["cloud"].crm

    @property
    def box(self) -> Crm:
        return self.servers["box"].crm

    def later(self, seconds: float = 60) -> None:
        self.now += seconds

    def user(self, number: int, name: str, *, box: bool = True, **fields: t.Any) -> None:
        for portal in (self.cloud, self.box) if box else (self.cloud,):
            portal.add_user(number, name, **fields)

    def restore(self) -> None:
        """All of the cloud's records, with their numbers, stand in the box now."""
        for kind in (*ITEMS, "activity", "comment", "productrow"):
            rows = self.cloud.rows(kind)
            for row in rows:
                for name, value in row.items():
                    if isinstance(value, str) and value.endswith("+03:00"):
                        row[name] = self.box.zone.read(value)
            self.box.store.insert_many(kind, rows)
            self.box.tell(kind, ())
        largest = max(
            (value["id"] for kind in ITEMS for row in self.cloud.rows(kind) for value in row.get("fm", ())), default=0
        )
        if largest:
            self.box.store.next_id("multifield", largest)

    def rest(self, name: str, user: int = 1) -> Rest:
        webhook = self.servers[name].webhook(user)
        return Rest(webhook, ca_file=self.authority, proxy="", timeout=10, sleep=self.sleeping)

    @contextlib.contextmanager
    def transfer(self, *, check: bool = False, box_user: int = 1, **options: t.Any) -> t.Iterator[Transfer]:
        with contextlib.ExitStack() as stack:
            cloud = stack.enter_context(contextlib.closing(self.rest("cloud")))
            box = stack.enter_context(contextlib.closing(self.rest("box", box_user)))
            stores = [stack.enter_context(Store(str(self.folder / f"{name}.sqlite"))) for name in ("cloud", "box")]
            yield Transfer(
                cloud,
                box,
                stores[0],
                stores[1],
                str(self.folder / "transfer.sqlite"),
                Options(**options),
                check=check,
                folder=str(self.folder),
                wall=lambda: self.now,
                sleep=self.sleeping,
            )

    def run(self, mode: str, **options: t.Any) -> Result:
        with self.transfer(**options) as transfer:
            result = transfer.run(mode)
        return result

    def idmap(self, direction: str = "forward") -> IdMap:
        return IdMap(str(self.folder / "transfer.sqlite"), direction)

    def in_box(self, kind: str, number: int) -> Row:
        """The record of the box that a record of the cloud has become."""
        with self.idmap() as idmap:
            target = idmap.target_of(kind, number)
        assert target is not None
        row = self.box.get(kind, target)
        assert row is not None
        return row


def told(result: Result) -> str:
    """For messages of failing tests."""
    proof = result.proof
    found = [] if proof is None else proof.mismatches
    reasons = (result.delta or {}).get("reasons")
    return json.dumps([result.written, reasons, [str(each) for each in found[:10]]], indent=1, default=str)

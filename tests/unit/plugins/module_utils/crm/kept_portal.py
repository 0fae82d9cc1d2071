# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated portal with a store of its snapshots, for the tests of restore, archive and quota watch."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.crm.commands import Command
from ansible_collections.boxlift.portal.plugins.module_utils.crm.past import Key
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.restore_plan import Options
from ansible_collections.boxlift.portal.plugins.module_utils.crm.restoring import Outcome, restore
from ansible_collections.boxlift.portal.plugins.module_utils.crm.snapshot import refresh
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from lab.crm.fields import Zone
from lab.crm.portal import Crm
from lab.crm.server import CrmServer

#: 2027-01-15T11:00:00+03:00
NOW = 1_800_000_000.0
DAY = 86400.0
Row = dict[str, t.Any]


def moment(days: float) -> str:
    """So many days before NOW, as the portal writes it."""
    return Zone("+03:00").moment(NOW - days * DAY)


@dataclasses.dataclass
class Site:
    """The portal, its client and its store, and a clock that the test turns."""

    server: CrmServer
    folder: Path
    authority: str
    clock: list[float]
    slept: list[float] = dataclasses.field(default_factory=list)
    files: bool = False

    @property
    def crm(self) -> Crm:
        return self.server.crm

    @property
    def path(self) -> str:
        return str(self.folder / "box.sqlite")

    def rest(self, user: int = 1) -> Rest:
        return Rest(self.server.webhook(user), ca_file=self.authority, timeout=10, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        """Nobody waits: the clock goes on."""
        self.slept.append(seconds)
        self.clock[0] += seconds

    def ask(self, method: str, **params: t.Any) -> t.Any:
        rest = self.rest()
        try:
            return rest.call(method, params).result
        finally:
            rest.close()

    def snapshot(self) -> int:
        """Its number."""
        self.clock[0] += 60
        rest = self.rest()
        try:
            with Store(self.path, clock=lambda: self.clock[0]) as store:
                return refresh(rest, store, files=self.files).number
        finally:
            rest.close()

    def restore(
        self,
        *wanted: Key,
        options: Options | None = None,
        user: int = 1,
        archive: str = "",
        wrap: t.Callable[[Rest], Rest] = lambda rest: rest,
        **more: t.Any,
    ) -> Outcome:
        rest = self.rest(user)
        stores = [Store(self.path, create=False)] + ([Store(archive, create=False)] if archive else [])
        try:
            return restore(
                wrap(rest),
                stores,
                list(wanted) if wanted else None,
                options or Options(),
                sleep=self.sleep,
                clock=lambda: self.clock[0],
                **more,
            )
        finally:
            rest.close()
            for store in stores:
                store.close()

    def items(self, kind: int, *numbers: int) -> dict[int, Row]:
        """Records as REST gives them."""
        params = {"entityTypeId": kind, "select": ["*"], "useOriginalUfNames": "Y"}
        filters = {"filter": {"@id": list(numbers)}} if numbers else {}
        return {row["id"]: row for row in self.ask("crm.item.list", **params, **filters)["items"]}

    def call(self, owner_type: int, owner: int, subject: str = "Call", **fields: t.Any) -> int:
        """A telephone call with a record."""
        with_whom = [{"VALUE": "+79000000001", "ENTITY_TYPE_ID": owner_type, "ENTITY_ID": owner}]
        given = {"OWNER_TYPE_ID": owner_type, "OWNER_ID": owner, "TYPE_ID": 2, "SUBJECT": subject}
        given |= {"RESPONSIBLE_ID": 1, "COMMUNICATIONS": with_whom, "COMPLETED": "Y", "DIRECTION": 1}
        return int(self.ask("crm.activity.add", fields={**given, **fields}))

    def comment(self, entity: str, owner: int, text: str) -> int:
        fields = {"ENTITY_TYPE": entity, "ENTITY_ID": owner, "COMMENT": text}
        return int(self.ask("crm.timeline.comment.add", fields=fields))

    def product_rows(self, owner: int, *rows: Row) -> None:
        self.ask("crm.item.productrow.set", ownerType="D", ownerId=owner, productRows=list(rows))

    def rows_of(self, owner: int) -> list[Row]:
        found = self.ask("crm.item.productrow.list", filter={"=ownerType": "D", "=ownerId": owner})
        return [{name: row[name] for name in ("productName", "price", "quantity")} for row in found["productRows"]]

    def activities(self, owner_type: int, owner: int) -> list[Row]:
        filters = {"OWNER_TYPE_ID": owner_type, "OWNER_ID": owner}
        return t.cast("list[Row]", self.ask("crm.activity.list", filter=filters, select=["*", "COMMUNICATIONS"]))

    def comments(self, entity: str, owner: int) -> list[str]:
        found = self.ask("crm.timeline.comment.list", filter={"ENTITY_TYPE": entity, "ENTITY_ID": owner})
        return [row["COMMENT"] for row in found]


@contextlib.contextmanager
def running(tls: t.Any, folder: Path) -> t.Iterator[Site]:
    """A portal with an administrator and an employee."""
    clock = [NOW]
    with CrmServer(tls.certificate, tls.key, clock=lambda: clock[0]) as server:
        server.crm.add_user(2, "Boris", LAST_NAME="Petrov")
        yield Site(server, folder, str(tls.authority), clock)


class Killed(BaseException):
    """Stands for the end of the process."""


#: What the names of methods end with that write.
WRITES = ("import", "add", "update", "set", "delete", "markdeleted", "restore", "uploadfile")


def writes(method: str) -> bool:
    return method.lower().rpartition(".")[2] in WRITES


class DyingRest:
    """A client whose process ends as soon as its `last` write is carried out, before anybody knows of it."""

    def __init__(self, rest: Rest, last: int = 1) -> None:
        self._rest, self._left = rest, last
        self.name = rest.name

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._rest, name)

    def batch(self, commands: t.Sequence[Command], **more: t.Any) -> t.Any:
        outcomes = self._rest.batch(commands, **more)
        self._written([command.method for command in commands])
        return outcomes

    def call(self, method: str, params: t.Any = None, **more: t.Any) -> t.Any:
        answer = self._rest.call(method, params, **more)  # raises where the method only is looked for
        self._written([method])
        return answer

    def _written(self, methods: t.Sequence[str]) -> None:
        if any(map(writes, methods)):
            self._left -= 1
            if self._left == 0:
                raise Killed


def until_done(run: t.Callable[[t.Callable[[Rest], Rest]], t.Any], most: int = 100) -> int:
    """Run again and again; every process ends after its first write. How many ended so."""

    def dying(rest: Rest) -> Rest:
        return t.cast(Rest, DyingRest(rest))

    for number in range(most):
        try:
            run(dying)
        except Killed:
            continue
        return number
    raise AssertionError("it never comes to its end")

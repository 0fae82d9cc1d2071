# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated cloud's CRM: when it is started first, it holds what the fixture backup holds.

    python -m lab.box.cloud --world world.json --store crm.sqlite --certificate C --key K --port 8444

`world.json` is "world" of the backup's manifest.json, or {} for the usual small one. A store of another world is made
anew. /_lab/ is what CrmService.lab says, and POST freeze {"frozen": true}: nothing is added, changed or deleted there
any more, as when forms, telephony and mail trackers are off.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import logging
import time
import typing as t
from pathlib import Path

from lab.box import from_backup
from lab.crm.fields import Zone
from lab.crm.portal import Rules
from lab.crm.server import CrmService
from lab.crm.store import SqliteStore, Storage
from lab.portal.data.world import World
from lab.rest.answers import Refused, Row
from lab.rest.server import PortalServer

WRITES = ("add", "update", "delete")


class CloudService(CrmService):
    def __init__(self, store: Storage, rules: Rules, clock: t.Callable[[], float] = time.time) -> None:
        super().__init__(store, rules, clock)
        self.frozen = store.setting("frozen") == "1"

    def lab(self, name: str, given: Row) -> t.Any:
        if name == "freeze":
            self.frozen = bool(given.get("frozen", True))
            self.store.set("frozen", "1" if self.frozen else "0")
            return {"frozen": self.frozen}
        if name in WRITES and self.frozen:
            raise Refused("The cloud is frozen", "FROZEN", 409)
        return super().lab(name, given)


def world_of(given: Row) -> World:
    """From "world" of a backup's manifest."""
    moment = {"moment": datetime.datetime.fromisoformat(given["moment"])} if "moment" in given else {}
    return World(**{**given, **moment})


def open_store(path: Path, given: Row, offset: str) -> SqliteStore:
    """The store of this world; it is filled where it is new."""
    known = json.dumps([given, offset], sort_keys=True)
    store = SqliteStore(str(path))
    if store.setting("world") != known:
        store.close()
        for name in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            name.unlink(missing_ok=True)
        store = SqliteStore(str(path))
        from_backup.fill(store, world_of(given), Zone(offset))
        store.set("world", known)
    return store


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="CRM of the simulated cloud")
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--world", type=Path, required=True, help="JSON: what the backup was made of")
    parser.add_argument("--store", type=Path, required=True, help="file that outlives a restart")
    parser.add_argument("--settings", type=Path, help="JSON for CrmService.set_up")
    parser.add_argument("--port", type=int, default=8444)
    parser.add_argument("--offset", default="+00:00", help="of the portal's time zone from UTC")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")  # addresses hold the webhook
    store = open_store(options.store, json.loads(options.world.read_text(encoding="utf-8")), options.offset)
    service = CloudService(store, Rules(zone=options.offset))
    if options.settings:
        service.set_up(json.loads(options.settings.read_text(encoding="utf-8")))
    address = ("0.0.0.0", options.port)
    server = PortalServer(service, certificate=options.certificate, key=options.key, address=address)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()

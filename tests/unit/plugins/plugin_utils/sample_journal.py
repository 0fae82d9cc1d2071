# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A journal of a whole move, as the callback would have written it: invented, but of a real one's size and shape."""

from __future__ import annotations

import datetime
import hashlib
import json
import typing as t
from pathlib import Path

BEGIN = datetime.datetime(2026, 4, 18, 18, 4, 11, tzinfo=datetime.timezone.utc)
PART = 104857600
PARTS = 301

VOLUMES = [
    {
        "name": "20260418_170000_12345678.enc.gz" + (f".{number}" if number else ""),
        "index": number,
        "size": PART - 400_000 - 79 * number if number < PARTS - 1 else 61_340_160,
        "data_size": PART,
        "sha256": hashlib.sha256(b"part %d" % number).hexdigest(),
        "status": "intact",
        "reason": "",
        "offset": None,
    }
    for number in range(PARTS)
]
REPAIRS = [
    {
        "name": "20260418_170000_12345678.enc.gz.117",
        "status": "corrupt",
        "reason": "compressed data is damaged at byte 41943040",
        "bytes": 104_448_357,
    },
    {
        "name": "20260418_170000_12345678.enc.gz.204",
        "status": "foreign",
        "reason": "the answer was an HTML page",
        "bytes": 1_893,
    },
]


def finding(name: str, status: str, observed: str, **more: str) -> dict[str, str]:
    return {"id": name, "area": name.partition(".")[0], "status": status, "observed": observed, **more}


FINDINGS = [
    finding("web.answers", "pass", "portal.boxlift.test answered 200 with a page of the portal"),
    finding("web.leftovers", "pass", "no installer, no restore.php, no backup part can be fetched from outside"),
    finding("database.login", "pass", "the portal's own account reads 812 tables"),
    finding("database.variables", "pass", "sql_mode is empty, collation utf8mb4_unicode_ci, innodb_strict_mode OFF"),
    finding("site.domain", "pass", "portal.boxlift.test in 4 of 4 places"),
    finding("agents.cron", "pass", "the last agent ran 38 s ago, from cron"),
    finding("settings.credentials", "pass", "no masked credential is left in .settings.php"),
    finding("search.index", "pass", "1 204 118 rows, the newest 3 minutes old"),
    finding("files.registered", "pass", "57 731 of 57 731 files of b_file are on the disk"),
    finding("mail.relay", "skip", "no relay is named in this inventory"),
    finding(
        "push.server",
        "fail",
        "nothing answers on 127.0.0.1:8893",
        expected="the push server answers, and .settings.php names it",
        remedy="Start push-server.service; until then the messenger loses its file attachments.",
        owner="contractor",
        reference="guide, section Configure",
    ),
    finding(
        "users.login",
        "warn",
        "14 of 212 active users have no password of their own, because they signed in through the cloud",
        expected="every active user can log in",
        remedy="Send them the invitation to set a password before the box is opened.",
        owner="customer",
        reference="guide, section Health",
    ),
    finding(
        "certificate.renewal",
        "unknown",
        "the customer's certificate authority could not be reached from prod",
        expected="the date of the next renewal is known",
        remedy="Open port 443 from prod to the authority, or write the date into site_certificate_renewal.",
        owner="customer",
        reference="guide, section Preflight",
    ),
]
TABLES: list[dict[str, t.Any]] = [
    {"name": f"b_table_{number}", "rows": number * 56, "structure_only": number % 90 == 0} for number in range(812)
]


def timeline(seconds: float, workers: int, fetched: bool, placed: float = 0.0) -> list[dict[str, t.Any]]:
    """Parts that so many workers go through in the order of their numbers, the damaged ones twice as long."""
    each = seconds / (PARTS / workers + 2)
    out, free = [], [0.0] * workers
    for number in range(PARTS):
        worker = free.index(min(free))
        begin, took = free[worker], each * (2 if number in (117, 204) else 0.85 + number % 7 * 0.05)
        free[worker] = begin + took
        arrived = begin + took if fetched else begin
        part: dict[str, t.Any] = {"name": VOLUMES[number]["name"], "index": number}
        part["fetched"] = [round(begin, 2), round(arrived, 2)] if fetched else None
        part["proven"] = [round(arrived, 2), round(arrived + (2.0 if fetched else took * 0.4), 2)]
        if placed:
            part["placed"] = [round(begin + took * 0.5, 2), round(begin + took * placed, 2)]
        out.append(part)
    return out


def import_timeline(seconds: float) -> list[dict[str, t.Any]]:
    """Two loaders: most tables take moments, a few take minutes."""
    out, free = [], [30.0, 30.0]
    weights = [400 if number % 97 == 5 else 40 if number % 31 == 3 else 1 for number in range(len(TABLES))]
    each = (seconds - 30) * 2 / sum(weights) * 0.9
    for table, weight in zip(TABLES, weights):
        loader = free.index(min(free))
        begin, end = free[loader], free[loader] + each * weight
        free[loader] = end
        out.append({"table": table["name"], "begin": round(begin, 2), "end": round(end, 2), "rows": table["rows"]})
    return out


INSTALLING = [
    "Read the variables",
    "Install the packages",
    "Write the configuration",
    "Start the service",
    "Wait for it",
]


class Writer:
    """Writes the events of one playbook run after another, and keeps the clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = BEGIN
        self.play = ""
        self.totals: dict[str, dict[str, int]] = {}

    def _stamp(self) -> str:
        return self.clock.strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.clock.microsecond // 1000:03d}Z"

    def event(self, kind: str, /, **fields: t.Any) -> None:
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"event": kind, "time": self._stamp(), **fields}) + "\n")

    def wait(self, seconds: float) -> None:
        self.clock += datetime.timedelta(seconds=seconds)

    def start(self, playbook: str) -> None:
        self.totals = {}
        self.event("start", version=1, playbook=playbook)

    def begin_play(self, name: str, check: bool = False) -> None:
        self.play = name
        self.event("play", name=name, check=check)
        self.event("site", domain="portal.boxlift.test")

    def task(self, name: str, seconds: float, status: str = "ok", **more: t.Any) -> None:
        begin = self._stamp()
        self.wait(seconds)
        fields = {"role": "", "action": "ansible.builtin.command", "host": "prod", **more}
        total = self.totals.setdefault(fields["host"], {"ok": 0, "changed": 0, "failures": 0, "unreachable": 0})
        key = {"failed": "failures", "skipped": "ok"}.get(status, status)
        total[key] += 1
        self.event("task", start=begin, seconds=seconds, play=self.play, name=name, status=status, **fields)

    def end(self, rescued: str = "") -> None:
        if rescued:
            self.totals[rescued]["failures"] = 0
        self.event("end", seconds=0, hosts=self.totals)


def write(path: Path) -> None:
    """Provision, fetch, restore, configure and health: 280 tasks over 13 hours."""
    out = Writer(path)
    out.start("provision")
    out.begin_play("Build the hosts")
    for role, weight in (("host", 4), ("database", 14), ("cache", 5), ("web", 17), ("certificate", 2), ("portal", 6)):
        for number in range(40):
            changed = "changed" if number % 3 else "ok"
            out.task(f"{INSTALLING[number % 5]} ({number})", weight * (0.4 + number % 5) / 4, changed, role=role)
    out.end()
    out.wait(180)

    out.start("fetch")
    out.begin_play("Fetch the backup")
    out.task("Ask for the room that the backup needs", 1.2)
    out.task(
        "Fetch every part and repair what is damaged",
        41_400,
        "changed",
        action="boxlift.portal.backup_fetch",
        results=[
            {
                "volumes": VOLUMES,
                "bytes_fetched": PARTS * PART,
                "bytes_refetched": 167_772_160,
                "repairs": REPAIRS,
                "timeline": timeline(41_400, 4, fetched=True),
            }
        ],
    )
    out.task(
        "Prove the backup whole",
        212,
        action="boxlift.portal.backup_verify",
        results=[
            {
                "intact": True,
                "format": "enc.gz",
                "encrypted": True,
                "volumes": VOLUMES,
                "files": 57_731,
                "findings": [finding("backup.volumes", "pass", f"{PARTS} parts are there and none is damaged")],
            }
        ],
    )
    out.end()
    out.wait(420)

    out.start("restore")
    out.begin_play("Restore the portal")
    out.task("Look at the free room", 0.8, role="restore")
    out.task(
        "Reach the database",
        6,
        "failed",
        role="restore",
        message="The server on prod does not answer on /run/mysqld/mysqld.sock. Start mariadb.service.",
    )
    out.task("Start the database", 3.5, "changed", role="restore")
    out.task(
        "Restore the tree and the database",
        2_915,
        "changed",
        role="restore",
        action="boxlift.portal.backup_restore",
        results=[
            {
                "files": 57_731,
                "directories": 9_204,
                "bytes": 44_360_121_338,
                "tables": TABLES,
                "rows": sum(table["rows"] for table in TABLES),
                "repairs": [{"table": "b_user_stat", "kind": "bit_value", "detail": "ACTIVE", "count": 212}],
                "timings": {"verify": 198.1, "stage": 2_714.9, "switch": 1.8},
                "resumed": False,
                "timeline": timeline(2_880, 2, fetched=False, placed=0.98),
                "import_timeline": import_timeline(2_700),
            }
        ],
    )
    out.end(rescued="prod")
    out.wait(60)

    out.start("configure")
    out.begin_play("Make it the site's own portal")
    for number in range(24):
        out.task(
            f"Set what the site needs ({number})", 1.1 + number % 4, "changed" if number % 2 else "ok", role="portal"
        )
    out.end()

    out.start("health")
    out.begin_play("Check the portal")
    portal = {"version": "26.250.100", "counts": {"users": 212, "leads": 48_211, "tasks": 5_321, "deals": None}}
    out.task("Ask what it is", 2, action="boxlift.portal.portal_info", results=[{"portal": portal}])
    out.task(
        "Run every check",
        19,
        "failed",
        action="boxlift.portal.portal_health",
        message="1 of 12 checks failed: push.server",
        results=[{"findings": FINDINGS}],
    )
    out.end()

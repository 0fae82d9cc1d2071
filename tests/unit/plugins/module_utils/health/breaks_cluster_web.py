# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damages to a portal that has several web hosts. See breaks.py."""

from __future__ import annotations

import json
import time
import typing as t

from unit.plugins.module_utils.health.breaks_security import host_file

Change = t.Callable[[t.Any], t.Any]
SETTINGS = "/etc/boxlift-web/settings.json"
PROGRAM = "/usr/local/bin/boxlift-web"
SAME = {"files": 0, "removed": 0, "names": []}


def facts(host: str) -> dict[str, t.Any]:
    """What a healthy host says of itself."""
    now = time.time()
    return {
        "aside": False,
        "clock": 0.01,
        "clock_error": 0.002,
        "code": {} if host == "web1" else {"at": now, "changed": 0, "problem": ""},
        "igbinary": False,
        "lead": "web1",
        "sessions": {"type": "redis", "place": "0123456789abcdef"},
        "settings": "0123456789abcdef",
        "share": {"identity": "one", "seen": {"web1": now - 20, "web2": now - 40}},
    }


def web_hosts(
    here: str = "web2",
    differs: dict[str, t.Any] | None = None,
    lease: tuple[str, float] | None = ("web1", 60),
    ago: t.Mapping[str, float] | None = None,
    **changes: dict[str, t.Any],
) -> Change:
    """A portal with the web hosts web1, which leads, and web2; what each says may be changed.

    `lease` is the holder and for how many seconds it stands, `ago` when each host has spoken.
    """

    def change(world: t.Any) -> None:
        settings = {"host": here, "hosts": ["web1", "web2"], "lead": "web1"}
        world.host.write(SETTINGS, json.dumps(settings))
        world.host.programs[PROGRAM] = lambda *_arguments: (0, json.dumps(differs or SAME), "")
        sql = world.portal.sql
        # They go with this test.
        world.portal.altered.update((table, "", "", "") for table in ("boxlift_lease", "boxlift_web_host"))
        sql("CREATE TABLE boxlift_lease (NAME VARCHAR(50) PRIMARY KEY, HOLDER TEXT, EXPIRES DATETIME(3), SERVER TEXT)")
        if lease:
            until = "UTC_TIMESTAMP(3) + INTERVAL %s SECOND"
            sql(f"INSERT INTO boxlift_lease VALUES ('agents', %s, {until}, '1 db1')", *lease)
        sql("CREATE TABLE boxlift_web_host (HOST VARCHAR(255) PRIMARY KEY, SEEN DATETIME(3), FACTS MEDIUMTEXT)")
        for host in ("web1", "web2"):
            said = {**facts(host), **changes.get(host, {})}
            when = (ago or {}).get(host, 30)
            sql(
                "INSERT INTO boxlift_web_host VALUES (%s, UTC_TIMESTAMP(3) - INTERVAL %s SECOND, %s)",
                *(host, when, json.dumps(said)),
            )

    return change


def without(*tables: str) -> Change:
    """The same, and these tables are missing."""

    def change(world: t.Any) -> None:
        web_hosts()(world)
        for table in tables:
            world.portal.sql(f"DROP TABLE {table}")

    return change


def share(**values: t.Any) -> dict[str, t.Any]:
    return {"share": {**facts("web2")["share"], **values}}


def seen(**ago: float) -> dict[str, t.Any]:
    """Of the share: when the hosts have written what this one reads there."""
    return share(seen={host: time.time() - seconds for host, seconds in ago.items()})


def no_json(world: t.Any) -> None:
    web_hosts()(world)
    world.portal.sql("UPDATE boxlift_web_host SET FACTS = 'x'")


def old_code(world: t.Any) -> None:
    web_hosts(web2={"code": {"at": time.time() - 1000, "problem": ""}})(world)


DIFFERENT = {"files": 2, "removed": 1, "names": ["bitrix/a.php", "bitrix/b.php"]}
ELSEWHERE = {"sessions": {"type": "redis", "place": "fedcba9876543210"}}
IN_FILES = {"sessions": {"type": "file", "place": "0123456789abcdef"}}
SLOW = {"clock_error": 1.5}
BREAKS: list[tuple[str, Change, str, str]] = [
    ("cluster.web_lead", web_hosts(), "pass", "2 web hosts serve, and web1 leads them"),
    ("cluster.web_lead", web_hosts(ago={"web1": 301}), "fail", "silent: web1"),
    ("cluster.web_lead", web_hosts(web2={"aside": True}), "fail", "set aside: web2"),
    ("cluster.web_lead", web_hosts(web2={"lead": "web2"}), "fail", "do not agree on the lead: web1 and web2"),
    ("cluster.agents", web_hosts(), "pass", "web1 has the lease; the last agent ran"),
    ("cluster.agents", web_hosts(lease=("web1", -46)), "fail", "nobody has the lease since 46 s"),
    ("cluster.agents", web_hosts(lease=("web1", -5)), "warn", "on its way to the next host"),
    ("cluster.agents", web_hosts(lease=("", 60)), "warn", "on its way to the next host"),
    ("cluster.agents", web_hosts(lease=("web9", 60)), "fail", "web9 has the lease and is no web host"),
    ("cluster.agents", web_hosts(lease=None), "fail", "nobody has the lease"),
    ("cluster.agents", without("boxlift_lease"), "fail", "no web host has ever asked"),
    ("cluster.code", web_hosts(), "pass", "the same as on web1"),
    ("cluster.code", web_hosts(here="web1"), "pass", "2 web hosts, with the same settings"),
    ("cluster.code", web_hosts(differs=DIFFERENT), "fail", "2 files here differ from web1's: bitrix/a.php"),
    ("cluster.code", web_hosts(web2={"code": {"at": 1, "problem": "rsync ended with 12"}}), "fail", "ended with 12"),
    ("cluster.code", web_hosts(web2={"code": {"problem": "it was never brought"}}), "fail", "web2: it was never"),
    ("cluster.code", old_code, "fail", "web2 has brought it 16 min"),
    ("cluster.code", web_hosts(here="web1", web2={"settings": "f"}), "fail", "the settings of the web hosts differ"),
    ("cluster.share", web_hosts(), "pass", "2 web hosts write to one share"),
    ("cluster.share", web_hosts(web2={"share": {"problem": "no mount point"}}), "fail", "web2: no mount point"),
    ("cluster.share", web_hosts(web2=share(identity="two")), "fail", "web1 and web2 have different shares"),
    ("cluster.share", web_hosts(web2=seen(web2=10)), "fail", "web2 does not see what web1 wrote"),
    ("cluster.share", web_hosts(web1=seen(web1=10, web2=400)), "fail", "web1 does not see what web2 wrote"),
    ("cluster.sessions", web_hosts(), "pass", "all keep them in redis"),
    ("cluster.sessions", web_hosts(web1=IN_FILES, web2=IN_FILES), "fail", "sessions are kept in file"),
    ("cluster.sessions", web_hosts(web2=ELSEWHERE), "fail", "in different places"),
    ("cluster.sessions", web_hosts(web2={"igbinary": True}), "fail", "only web2 has php-igbinary"),
    ("cluster.clock", web_hosts(web2={"clock": 1.9}), "pass", "2 clocks within 1.9 s"),
    ("cluster.clock", web_hosts(web2={"clock": -2.1}), "fail", "the clock of web1 is 2.1 s ahead of that of web2"),
]

_TOLD = ("web_lead", "code", "share", "sessions", "clock")
BLINDS: list[tuple[str, Change, str]] = [
    *((f"cluster.{name}", without("boxlift_web_host"), "there is no table boxlift_web_host") for name in _TOLD),
    *((f"cluster.{name}", web_hosts(ago={"web1": 400, "web2": 400}), "lately") for name in _TOLD),
    *((f"cluster.{name}", no_json, "holds no JSON") for name in _TOLD),
    *((f"cluster.{name}", host_file(SETTINGS, "{}"), "does not say which") for name in (*_TOLD, "agents")),
    ("cluster.agents", web_hosts(lease=("web1", 500)), "the database's clock was put back"),
    ("cluster.clock", web_hosts(web2=SLOW), "too long to compare clocks by"),
]

SKIPS: list[tuple[str, Change, str]] = [
    (f"cluster.{name}", lambda world: None, "the portal has one web host") for name in (*_TOLD, "agents")
]

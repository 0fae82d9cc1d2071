# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of a cache: two instances and a Sentinel, by their sockets. Time passes only where somebody pauses."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.cache_cluster import changes, resp

OWN, OTHER = "192.0.2.1", "192.0.2.2"
SENTINEL = changes.Service("", "redis-sentinel.service", "/run/sentinel")


def service(name: str, *files: str) -> changes.Service:
    return changes.Service(name, f"redis-server@{name}.service", f"/run/{name}", files)


class ToyHost:
    """`after` is what happens when so many seconds have passed."""

    def __init__(self, masters: t.Collection[str] = ()) -> None:
        self.masters = set(masters)
        self.clock = 0.0
        self.after: list[tuple[float, t.Callable[[], None]]] = []
        self.told: list[str] = []
        self.good_replicas, self.linked, self.flags, self.peers = 2, True, "master", 2
        self.silent: set[str] = set()
        self.refusals: list[str] = []  # answers to requests for a failover, before one is taken
        self.failover_seconds = 2.0
        self.since: dict[str, int] = {}
        self.active = "active"
        self.restart_code = 0
        self.written, self.confirmed = 100, [100, 100]
        self.paused: set[str] = set()
        self.promoted: set[str] = set()  # another host is the master, and this one has not been told

    def host(self, *instances: changes.Service, password: str = "canary") -> changes.Host:
        return changes.Host(
            instances=instances or (service("sessions"), service("cache")),
            sentinel=SENTINEL,
            members=3,
            run=self.run,
            now=lambda: self.clock,
            pause=self.pause,
            password=password,
            connect=self.connect,
        )

    def pause(self, seconds: float) -> None:
        self.clock += seconds
        due = [act for at, act in self.after if at <= self.clock]
        self.after = [(at, act) for at, act in self.after if at > self.clock]
        for act in due:
            act()

    def run(self, argv: t.Sequence[str]) -> tuple[int, str]:
        if argv[1] == "show":
            return 0, f"ActiveState={self.active}\nStateChangeTimestamp=@{self.since.get(argv[-1], 0)}\n"
        self.told.append(" ".join(argv[1:]))
        self.since[argv[-1]] = 2**40
        return self.restart_code, "Job failed." if self.restart_code else ""

    def connect(self, path: str) -> t.Any:
        if path in self.silent:
            raise resp.Silent(f"Nobody answers at {path}.")
        return Talk(self, path.rpartition("/")[2])

    def lose(self, name: str) -> None:
        self.masters.discard(name)


class Talk:
    def __init__(self, toy: ToyHost, name: str) -> None:
        self.toy, self.name = toy, name

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_raised: object) -> None: ...

    def ask(self, *words: str) -> t.Any:
        toy = self.toy
        if words[0] == "AUTH":
            assert words[1:] in (("monitoring", "none"), ("operator", "canary"))
            return "OK"
        if words == ("INFO",):
            link = f"master_host:{OTHER}\r\nmaster_link_status:{'up' if toy.linked else 'down'}"
            good = f"min_slaves_good_slaves:{toy.good_replicas}"
            return (
                f"# Replication\r\nrole:master\r\n{good}\r\n"
                if self.name in toy.masters
                else f"role:slave\r\n{link}\r\n"
            )
        if words[:2] == ("SENTINEL", "MASTERS"):
            return [
                ["name", name, "ip", OWN if name in toy.masters else OTHER, "flags", toy.flags]
                for name in ("sessions", "cache")
            ]
        if words == ("INFO", "replication"):
            lines = [
                f"slave{n}:ip=192.0.2.{n},port=6380,state=online,offset={at}" for n, at in enumerate(toy.confirmed)
            ]
            return "\r\n".join(["role:master", f"master_repl_offset:{toy.written}", "slave_priority:100", *lines])
        if words[:2] == ("CLIENT", "PAUSE"):
            assert words[2:] == ("15000", "WRITE")
            toy.paused.add(self.name)
            return "OK"
        if words == ("CLIENT", "UNPAUSE"):
            toy.paused.discard(self.name)
            return "OK"
        if words[0] == "REPLICAOF":
            assert words[1:] == (OTHER, "6380") and self.name in toy.paused and self.name in toy.promoted
            toy.told.append(f"{self.name} follows")
            toy.lose(self.name)
            return "OK"
        if words == ("CONFIG", "REWRITE"):
            return "OK"
        if words[:2] == ("SENTINEL", "GET-MASTER-ADDR-BY-NAME"):
            here = words[2] in toy.masters and words[2] not in toy.promoted
            return [OWN if here else OTHER, "6380"]
        if words[:2] == ("SENTINEL", "FAILOVER"):
            assert words[2] in toy.paused, "what is written now would be lost"
            toy.told.append(f"failover {words[2]}")
            if toy.refusals:
                raise resp.Refused("Sentinel", toy.refusals.pop(0))
            toy.after.append((toy.clock + toy.failover_seconds, lambda: toy.promoted.add(words[2])))
            return "OK"
        # One peer that is gone is listed all the same.
        gone = [["name", "gone", "flags", "s_down,slave,disconnected"]]
        return [["name", str(number), "flags", "slave"] for number in range(toy.peers)] + gone

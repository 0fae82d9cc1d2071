# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Redis and Sentinel say of themselves, and what is wrong with it."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.cache_cluster.resp import Client, Refused, Silent

#: Redis knows the account without a password, but names an account only together with one.
WATCHER, NO_PASSWORD = "monitoring", "none"
MASTER, REPLICA = "master", "slave"


@dataclasses.dataclass(frozen=True)
class Instance:
    """One Redis, by its INFO."""

    name: str
    role: str
    master: str  # whom it follows; empty for a master
    linked: bool  # whether it receives what its master writes
    replicas: int
    good_replicas: int  # of these, as many as its writes wait for
    loading: bool
    append_ok: bool  # whether the last write of the append-only file went well; true where it has none
    used: int
    maximum: int  # bytes; 0 for no limit
    policy: str

    @property
    def is_master(self) -> bool:
        return self.role == MASTER


@dataclasses.dataclass(frozen=True)
class Watch:
    """What a Sentinel says of one name that it watches."""

    name: str
    master: str
    flags: frozenset[str]
    replicas: int
    sentinels: int  # beside itself


def log_in(client: Client, account: str = WATCHER, password: str = NO_PASSWORD) -> Client:
    client.ask("AUTH", account, password)
    return client


def read_instance(name: str, client: Client) -> Instance:
    """Raises Refused or Silent."""
    info = fields_of(str(client.ask("INFO")))
    return Instance(
        name=name,
        role=info.get("role", ""),
        master=info.get("master_host", ""),
        linked=info.get("master_link_status") == "up",
        replicas=_number(info, "connected_slaves"),
        good_replicas=_number(info, "min_slaves_good_slaves"),
        loading=info.get("loading") == "1",
        append_ok=info.get("aof_enabled") != "1" or info.get("aof_last_write_status") == "ok",
        used=_number(info, "used_memory"),
        maximum=_number(info, "maxmemory"),
        policy=info.get("maxmemory_policy", ""),
    )


def fields_of(info: str) -> dict[str, str]:
    """The answer to INFO."""
    return dict(line.partition(":")[::2] for line in info.splitlines() if ":" in line and not line.startswith("#"))


def read_watches(client: Client) -> dict[str, Watch]:
    """What this Sentinel watches, by name. Raises Refused or Silent."""
    found = {}
    for entry in _entries(client.ask("SENTINEL", "MASTERS")):
        name = entry.get("name", "")
        found[name] = Watch(
            name,
            entry.get("ip", ""),
            frozenset(entry.get("flags", "").split(",")),
            _up(client, "REPLICAS", name),
            _up(client, "SENTINELS", name),
        )
    return found


def master_of(client: Client, name: str) -> tuple[str, int]:
    """Address and port of the master, as this Sentinel says; during a failover those of the host that becomes it."""
    answer = client.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
    if not isinstance(answer, list) or len(answer) != 2:
        raise Silent(f"Sentinel does not watch {name}.")
    return str(answer[0]), int(str(answer[1]))


def offsets(client: Client) -> tuple[int, list[int]]:
    """How much a master has written, and how much of it each replica has confirmed."""
    info = fields_of(str(client.ask("INFO", "replication")))
    replicas = [
        int(dict(pair.partition("=")[::2] for pair in value.split(",")).get("offset", "0"))
        for name, value in info.items()
        if name[:5] == "slave" and name[5:].isdecimal()
    ]
    return _number(info, "master_repl_offset"), replicas


def quorum(client: Client, name: str) -> str:
    """Why the Sentinels could not replace this master; empty if they could. Raises Silent."""
    try:
        client.ask("SENTINEL", "CKQUORUM", name)
    except Refused as problem:
        return problem.message
    return ""


def _up(client: Client, kind: str, name: str) -> int:
    """Replicas or Sentinels that this Sentinel reaches; it goes on listing those that are gone."""
    gone = {"s_down", "o_down", "disconnected"}
    return sum(
        not gone & set(entry.get("flags", "").split(",")) for entry in _entries(client.ask("SENTINEL", kind, name))
    )


def _entries(answer: t.Any) -> list[dict[str, str]]:
    if not isinstance(answer, list) or not all(isinstance(entry, list) for entry in answer):
        raise Silent("Sentinel gives no list.")
    return [dict(zip(map(str, entry[::2]), map(str, entry[1::2]))) for entry in answer]


def _number(info: t.Mapping[str, str], name: str) -> int:
    text = info.get(name, "0")
    return int(text) if text.isdecimal() else 0


def problems(instances: t.Sequence[Instance], watches: t.Mapping[str, Watch], members: int) -> list[str]:
    """What keeps the cluster from being whole, as one of its hosts sees it; `members` is the number of hosts."""
    found = []
    for instance in instances:
        name, watch = instance.name, watches.get(instance.name)
        if instance.loading:
            found.append(f"{name} is still reading its data")
        if instance.is_master and instance.good_replicas < members - 1:
            found.append(f"{name} is followed by {instance.good_replicas} hosts of {members - 1}")
        if not instance.is_master and not instance.linked:
            found.append(f"{name} does not follow {instance.master} yet")
        if watch is None:
            found.append(f"Sentinel does not watch {name}")
            continue
        if watch.flags != {MASTER}:
            found.append(f"Sentinel says of {name}: {', '.join(sorted(watch.flags - {MASTER}))}")
        if watch.replicas < members - 1:
            found.append(f"Sentinel reaches {watch.replicas} replicas of {name}, not {members - 1}")
        if watch.sentinels < members - 1:
            found.append(f"Sentinel reaches {watch.sentinels} others for {name}, not {members - 1}")
        if not instance.is_master and instance.master != watch.master:
            found.append(f"{name} follows {instance.master}, and Sentinel names {watch.master}")
    return found

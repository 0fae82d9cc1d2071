# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts a portal needs: people make requests, requests keep PHP busy, and bytes lie on disks and in memory."""

from __future__ import annotations

import dataclasses
import math

from ansible_collections.boxlift.portal.plugins.module_utils.units import GIB, MIB
from ansible_collections.boxlift.portal.plugins.plugin_utils.sizing.measured import Known, Portal

#: As the roles compute: MiB of a process of PHP, how many a host runs at most, and the buffer pool's share of memory.
PROCESS_MB, MOST_PROCESSES, LEAST_PROCESSES = 128, 200, 20
BUFFER_POOL = 0.7
#: What a host keeps for itself, in MiB, and the least that any host is bought with.
OWN_MB, LEAST_CORES, LEAST_MB = 1024, 2, 4096
#: Memory as hosts are sold with, in MiB.
SOLD_MB = tuple(1024 * gib for gib in (4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024))
#: Copies that are kept: databases in full (5 weeks, 12 months), and nights in between.
FULLS, NIGHTS = 17, 7


@dataclasses.dataclass(frozen=True)
class Host:
    """`count` equal hosts for `groups` of the inventory; `disk` in bytes."""

    groups: str
    count: int
    cores: int
    memory_mb: int
    disk: int
    why: str


@dataclasses.dataclass(frozen=True)
class Hosts:
    """`several` tells whether one host is not enough, and `reason` why."""

    several: bool
    reason: str
    requests: float
    processes: int
    hosts: tuple[Host, ...]


def hosts(of: Portal, known: Known) -> Hosts:
    value = known.value
    online = of.people * value("online")
    requests = online / value("pause") * value("peak")  # a second, in the busiest minute
    processes = max(math.ceil(requests * value("answer")), LEAST_PROCESSES)
    web_cores = requests * value("processor")
    database_cores = requests * value("database_processor")
    web_mb = processes * PROCESS_MB
    database_mb = max(of.sizes["database_bytes"] * value("hot") / MIB / BUFFER_POOL, 1024)
    cache_mb = max(online * value("session_mb"), 64)
    cores, memory = web_cores + database_cores, web_mb + database_mb + cache_mb + OWN_MB
    disk = (of.sizes["backup_bytes"] + 2 * (of.sizes["tree_bytes"] + of.sizes["database_bytes"])) / (1 - value("free"))
    reasons = [
        *([f"{cores:.0f} cores"] if cores > value("one_host_cores") else []),
        *([f"{memory / 1024:.0f} GiB of memory"] if memory > value("one_host_memory_mb") else []),
        *([f"{processes} processes of PHP"] if processes > MOST_PROCESSES else []),
    ]
    keeper = _keeper(of, known)
    if not reasons:
        why = f"{processes} processes of PHP, {database_mb / 1024:.0f} GiB for the database"
        one = Host("web, database, cache, push", 1, _cores(cores), _memory(memory), math.ceil(disk), why)
        return Hosts(False, "", requests, processes, (one, keeper))
    carrying = max(math.ceil(processes / MOST_PROCESSES), math.ceil(web_cores / value("host_cores")), 1)
    a_web = math.ceil(processes / carrying)
    tree, database = of.sizes["tree_bytes"], of.sizes["database_bytes"]
    free = 1 - value("free")
    return Hosts(
        True,
        "more than one host is bought with: " + ", ".join(reasons),
        requests,
        processes,
        (
            Host("balancer", 2, LEAST_CORES, LEAST_MB, 20 * GIB, "one answers, the other one waits"),
            Host(
                "web",
                carrying + 1,
                _cores(web_cores / carrying),
                _memory(a_web * PROCESS_MB + OWN_MB),
                math.ceil(of.sizes["backup_bytes"] / free) + 40 * GIB,
                f"{carrying} carry the busiest minute, one more may die; the first one takes the backup",
            ),
            Host(
                "database",
                2,
                _cores(database_cores),
                _memory(database_mb + OWN_MB),
                math.ceil(2 * database / free),
                "a primary and its replica",
            ),
            Host("cache", 3, LEAST_CORES, _memory(cache_mb * 2 + OWN_MB), 20 * GIB, "three of them can vote"),
            Host("push", 1, LEAST_CORES, LEAST_MB, 20 * GIB, "keeps the connections of the messenger"),
            Host("storage", 2, LEAST_CORES * 2, LEAST_MB * 2, math.ceil(2 * tree / free), "the share of /upload"),
            keeper,
        ),
    )


def _keeper(of: Portal, known: Known) -> Host:
    stored = known.stored
    files = of.sizes["tree_bytes"] * stored["files"].share
    database = of.sizes["database_bytes"] * (FULLS * stored["full"].share + NIGHTS * stored["nightly"].share)
    disk = math.ceil((files + database) / (1 - known.value("free")))
    return Host("backup_repository", 1, LEAST_CORES, LEAST_MB, disk, f"{FULLS} full copies and {NIGHTS} nights")


def _cores(wanted: float) -> int:
    """Cores are sold in pairs."""
    return max(2 * math.ceil(wanted / 2), LEAST_CORES)


def _memory(wanted_mb: float) -> int:
    """MiB, as memory is sold; the most that is, where not even that is enough."""
    return next((size for size in SOLD_MB if size >= wanted_mb), SOLD_MB[-1])

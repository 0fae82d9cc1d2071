# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damages to a cache of three hosts. See breaks.py."""

from __future__ import annotations

import typing as t

from unit.plugins.module_utils.health.breaks_security import host_file
from unit.plugins.module_utils.health.toy_cache import HOSTS, ToyCache, cache
from unit.plugins.module_utils.health.toy_site import DAY, NOW

Change = t.Callable[[t.Any], t.Any]
CONFIGURATION = "/etc/boxlift/cache-link.cfg"


def says(host: str, name: str, **values: t.Any) -> Change:
    """One Redis says something else."""
    return cache(lambda toy: toy.info[host, name].update(values))


def dead(*places: tuple[str, str]) -> Change:
    return cache(lambda toy: toy.dead.update(places))


def two_masters(toy: ToyCache) -> None:
    toy.info["cache2", "sessions"].update(role="master", min_slaves_good_slaves=1)


def just_back(toy: ToyCache) -> None:
    """A master that has come back and takes no writes is no second one."""
    toy.info["cache2", "sessions"].update(role="master", min_slaves_good_slaves=0)


def ends_in(days: int) -> Change:
    return cache(lambda toy: setattr(toy, "until", NOW + days * DAY + DAY / 2))


def of_another_name(toy: ToyCache) -> None:
    toy.names["cache3"] = "web.test"


def disagreeing(toy: ToyCache) -> None:
    toy.masters["cache3"] = {"sessions": HOSTS["cache2"], "cache": HOSTS["cache1"]}


def watches_nothing(toy: ToyCache) -> None:
    for host in HOSTS:
        toy.masters[host] = {"cache": HOSTS["cache1"]}


def no_quorum(toy: ToyCache) -> None:
    toy.quorum["cache2"] = "1 usable Sentinels. Not enough available Sentinels to reach the specified quorum"


ALL = tuple((host, name) for host in HOSTS for name in ("sessions", "cache", "sentinel"))
SENTINELS = tuple((host, "sentinel") for host in HOSTS)
ALL_REDIS = tuple(place for place in ALL if place[1] != "sentinel")

BREAKS: list[tuple[str, Change, str, str]] = [
    ("cluster.cache_master", cache(), "pass", "sessions at cache1, cache at cache1"),
    ("cluster.cache_master", says("cache1", "sessions", role="slave"), "fail", "sessions has no master"),
    ("cluster.cache_master", cache(two_masters), "fail", "sessions has the masters cache1 and cache2"),
    ("cluster.cache_master", cache(just_back), "pass", "sessions at cache1"),
    ("cluster.cache_master", says("cache1", "cache", min_slaves_good_slaves=0), "fail", "at cache1 takes no writes"),
    ("cluster.cache_master", dead(("cache1", "sessions")), "fail", "sessions at cache1: it cannot be reached"),
    ("cluster.cache_replicas", cache(), "pass", "9 services answer"),
    ("cluster.cache_replicas", dead(("cache3", "cache")), "fail", "cache at cache3: it cannot be reached"),
    ("cluster.cache_replicas", says("cache2", "sessions", master_link_status="down"), "fail", "not follow 10.0.12.21"),
    ("cluster.cache_replicas", says("cache2", "sessions", loading=1), "fail", "still reading its data"),
    ("cluster.cache_replicas", cache(just_back), "fail", "sessions at cache2 is a master that nobody follows"),
    ("cluster.cache_quorum", cache(), "pass", "3 Sentinels agree"),
    ("cluster.cache_quorum", cache(no_quorum), "fail", "Not enough available Sentinels"),
    ("cluster.cache_quorum", cache(disagreeing), "fail", "name 10.0.12.21 and 10.0.12.22 as the master of sessions"),
    ("cluster.cache_quorum", cache(watches_nothing), "fail", "name nobody as the master of sessions"),
    ("cluster.cache_quorum", dead(("cache2", "sentinel")), "fail", "sentinel at cache2: it cannot be reached"),
    ("cluster.cache_saved", cache(), "pass", "written"),
    ("cluster.cache_saved", says("cache3", "sessions", aof_last_write_status="err"), "fail", "sessions at cache3"),
    ("cluster.cache_memory", cache(), "pass", "sessions at cache3 10%"),
    ("cluster.cache_memory", says("cache1", "sessions", used_memory=850), "warn", "sessions at cache1 85%"),
    ("cluster.cache_memory", says("cache1", "sessions", used_memory=950), "fail", "sessions at cache1 95%"),
    ("cluster.cache_memory", says("cache1", "cache", used_memory=1000), "pass", "10%"),
    ("cluster.cache_certificates", cache(), "pass", "cache1 90 days, cache2 90 days, cache3 90 days"),
    ("cluster.cache_certificates", ends_in(29), "warn", "cache1 29 days"),
    ("cluster.cache_certificates", cache(of_another_name), "fail", "certificate is not valid for 'cache3'"),
]  # fmt: skip

BLINDS: list[tuple[str, Change, str]] = [
    *((f"cluster.cache_{name}", dead(*ALL), "no cache host answers: sessions at cache1: it cannot be reached")
      for name in ("master", "replicas", "quorum", "saved", "memory", "certificates")),
    ("cluster.cache_master", host_file(CONFIGURATION, "defaults\n"), "the certificate of this host cannot be used"),
    ("cluster.cache_quorum", dead(*SENTINELS), "no Sentinel answers"),
    ("cluster.cache_saved", dead(*ALL_REDIS), "no Redis answers"),
    ("cluster.cache_memory", dead(*ALL_REDIS), "no Redis that keeps everything"),
]  # fmt: skip

SKIPS: list[tuple[str, Change, str]] = [
    (f"cluster.cache_{name}", lambda _world: None, "the cache of this site is not made of several hosts")
    for name in ("master", "replicas", "quorum", "saved", "memory", "certificates")
]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cache of three hosts (role cache), as a host sees it that uses it."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import re
import ssl
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.cache_cluster import resp, state
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import mutual_context

CONFIGURATION = "/etc/boxlift/cache-link.cfg"
_FOLDER = "/etc/boxlift/link"
#: The sections of the configuration, and in each the servers: name, address, port.
_SECTION = re.compile(r"^listen (?P<instance>\S+)\n(?P<lines>(?:    .*\n)+)", re.MULTILINE)
_SERVER = re.compile(
    r"^    server (?P<host>\S+) \[?(?P<address>[^\s\]]+)\]?:(?P<port>\d+) verifyhost \S+$", re.MULTILINE
)
SENTINEL, SENTINEL_PORT = "sentinel", 26379
_DAY = 86400
#: Days before its end from which a certificate is told of.
_RENEW_DAYS = 30
#: Parts of the memory. What does not fit is refused.
_NEARLY_FULL, _FULL = 0.8, 0.9


class Place(t.NamedTuple):
    """A Redis or a Sentinel of the cache."""

    instance: str
    host: str
    address: str
    port: int


@dataclasses.dataclass(frozen=True)
class Sentinel:
    """What one Sentinel says: whom it names as masters, and why it could not replace one."""

    masters: dict[str, str]
    problems: list[str]


@dataclasses.dataclass(frozen=True)
class Look:
    """What each place has answered; a text says why there is no answer. `ends` are those of the certificates."""

    places: list[Place]
    found: dict[Place, state.Instance | Sentinel | str]
    ends: dict[Place, float]

    def instances(self) -> dict[str, dict[str, state.Instance]]:
        """Those that answered: by the instance's name and the host's."""
        names: dict[str, dict[str, state.Instance]] = {
            place.instance: {} for place in self.places if place.instance != SENTINEL
        }
        for place, answer in self.found.items():
            if isinstance(answer, state.Instance):
                names[place.instance][place.host] = answer
        return names

    def silent(self, sentinels: bool = False) -> list[str]:
        """Redis, or Sentinels, that did not answer, with the reason."""
        return [
            f"{place.instance} at {place.host}: {answer}"
            for place, answer in self.found.items()
            if isinstance(answer, str) and (place.instance == SENTINEL) == sentinels
        ]


def places_of(text: str) -> list[Place]:
    """Every Redis that the configuration names, and the Sentinel beside it."""
    found = [
        Place(section["instance"], server["host"], server["address"], int(server["port"]))
        for section in _SECTION.finditer(text + "\n")
        for server in _SERVER.finditer(section["lines"])
    ]
    hosts = {place.host: place.address for place in found}
    return found + [Place(SENTINEL, host, address, SENTINEL_PORT) for host, address in hosts.items()]


def _look(context: Context) -> Look:
    """Asked once for all checks. Raises DoesNotApply on a site with one cache host, CannotLook where nobody answers."""
    if not context.host_file(CONFIGURATION).exists():
        raise DoesNotApply("the cache of this site is not made of several hosts")
    look = context.once("cluster_cache", lambda: _ask_all(context))
    if not look.places:
        raise CannotLook(f"{CONFIGURATION} names no server")
    if not look.ends:
        raise CannotLook(f"no cache host answers: {some(look.silent(), 3)}")
    return look


def _ask_all(context: Context) -> Look:
    places = places_of(context.host_text(CONFIGURATION))
    files = [
        str(context.host_file(f"{_FOLDER}/{name}")) for name in ("authority.pem", "certificate.pem", "certificate.key")
    ]
    try:
        tls = mutual_context(*files)
    except OSError as problem:
        raise CannotLook(f"the certificate of this host cannot be used: {problem}") from problem
    look = Look(places, {}, {})
    with concurrent.futures.ThreadPoolExecutor(9) as callers:
        for place, (answer, end) in zip(places, callers.map(lambda place: _ask(context, tls, place), places)):
            look.found[place] = answer
            if end:
                look.ends[place] = end
    return look


def _ask(context: Context, tls: ssl.SSLContext, place: Place) -> tuple[state.Instance | Sentinel | str, float]:
    """The answer of one place, and when the certificate ends that it shows; 0 where it shows none."""
    if context.connect_tcp is None:
        raise CannotLook("connections cannot be made from here")
    end = 0.0
    try:
        with (
            context.connect_tcp(place.address, place.port) as plain,
            tls.wrap_socket(plain, server_hostname=place.host) as secure,
        ):
            end = ssl.cert_time_to_seconds(str(dict(secure.getpeercert() or {})["notAfter"]))
            with state.log_in(resp.Client(secure, place.host)) as client:
                if place.instance != SENTINEL:
                    return state.read_instance(place.instance, client), end
                watches = state.read_watches(client)
                problems = [problem for name in watches for problem in [state.quorum(client, name)] if problem]
                return Sentinel({name: watch.master for name, watch in watches.items()}, problems), end
    except ssl.SSLCertVerificationError as problem:
        return problem.verify_message, end
    except OSError as problem:
        return f"it cannot be reached ({problem})", end
    except BoxliftError as problem:
        return problem.message.rstrip("."), end


@check(
    "cluster.cache_master",
    why="Without a master nobody is logged in; with two, what one of them was told is lost.",
    expected="of each instance of Redis exactly one host is the master and takes writes",
    remedy="See redis-sentinel and redis-server@sessions on the cache hosts (journalctl, /var/log/redis). Two of three"
    " hosts must be up and reach each other; a failover takes seven seconds (docs/scale-cache.md).",
    blocks="everybody",
)
def cluster_cache_master(context: Context) -> Verdict:
    look = _look(context)
    wrong, seen = [], []
    for name, hosts in look.instances().items():
        masters = [host for host, instance in hosts.items() if instance.is_master]
        writable = [host for host in masters if hosts[host].good_replicas > 0]
        if len(writable) == 1:
            seen.append(f"{name} at {writable[0]}")
        elif writable:
            wrong.append(f"{name} has the masters {' and '.join(writable)}")
        elif masters:
            wrong.append(f"{name} at {' and '.join(masters)} takes no writes: no replica follows it")
        else:
            wrong.append(f"{name} has no master")
    return failed("; ".join(wrong + look.silent())) if wrong else passed(", ".join(seen))


@check(
    "cluster.cache_replicas",
    why="A master that dies without a replica takes every session with it; with one replica, nothing more may happen.",
    expected="every host of the cache answers, and follows the master or is it",
    remedy="Start redis-server@sessions and redis-server@cache on the host that is named, and see /var/log/redis there."
    " It follows by itself then.",
    blocks="nobody",
)
def cluster_cache_replicas(context: Context) -> Verdict:
    look = _look(context)
    wrong = look.silent()
    for name, hosts in look.instances().items():
        wrong += [f"{name} at {host} is still reading its data" for host, instance in hosts.items() if instance.loading]
        wrong += [
            f"{name} at {host} does not follow {instance.master or 'anybody'}"
            for host, instance in hosts.items()
            if not instance.is_master and not instance.linked
        ]
        wrong += [
            f"{name} at {host} is a master that nobody follows"
            for host, instance in hosts.items()
            if instance.is_master and instance.good_replicas == 0
        ]
    return failed(some(wrong)) if wrong else passed(f"{len(look.places)} services answer, and all replicas follow")


@check(
    "cluster.cache_quorum",
    why="Sentinels that are too few, or that disagree, make nobody the master when it dies.",
    expected="every Sentinel could replace each master, and all name the same ones",
    remedy="Start redis-sentinel on the host that is named. The cache hosts must reach each other at port 26379.",
    blocks="nobody",
)
def cluster_cache_quorum(context: Context) -> Verdict:
    look = _look(context)
    answers = {place.host: answer for place, answer in look.found.items() if isinstance(answer, Sentinel)}
    wrong = look.silent(sentinels=True)
    if not answers:
        raise CannotLook(f"no Sentinel answers: {some(wrong, 3)}")
    wrong += [problem.rstrip(".") for answer in answers.values() for problem in answer.problems]
    for name in look.instances():
        named = {answer.masters.get(name, "nobody") for answer in answers.values()}
        if len(named) > 1 or named == {"nobody"}:
            wrong.append(f"Sentinels name {' and '.join(sorted(named))} as the master of {name}")
    return failed(some(wrong)) if wrong else passed(f"{len(answers)} Sentinels agree")


@check(
    "cluster.cache_saved",
    why="Sessions that are not on the disk are lost when all hosts lose their power.",
    expected="the last write to the append-only file went well on every host",
    remedy="Make room on the disk of the host that is named (df -h /var/lib/redis), and see /var/log/redis there.",
    blocks="nobody",
)
def cluster_cache_saved(context: Context) -> Verdict:
    hosts = [(name, *pair) for name, hosts in _look(context).instances().items() for pair in hosts.items()]
    if not hosts:
        raise CannotLook("no Redis answers")
    wrong = [f"{name} at {host}" for name, host, instance in hosts if not instance.append_ok]
    return failed(f"the last write failed: {some(wrong)}") if wrong else passed("written")


@check(
    "cluster.cache_memory",
    why="Sessions are never thrown away, so that Redis refuses new ones where its memory is full: nobody can log in.",
    expected="sessions fill less than 80 % of their memory",
    remedy="Raise cache_sessions_memory_mb and run playbook provision, or find what fills it (redis-cli --memkeys).",
    blocks="nobody",
)
def cluster_cache_memory(context: Context) -> Verdict:
    hosts = [(name, *pair) for name, hosts in _look(context).instances().items() for pair in hosts.items()]
    kept = [
        (instance.used / instance.maximum, f"{name} at {host} {instance.used / instance.maximum:.0%}")
        for name, host, instance in hosts
        if instance.policy == "noeviction" and instance.maximum
    ]
    if not kept:
        raise CannotLook("no Redis that keeps everything says how full it is")
    most, text = max(kept)
    if most >= _FULL:
        return failed(text)
    return warned(text) if most >= _NEARLY_FULL else passed(text)


@check(
    "cluster.cache_certificates",
    why="When a certificate of a cache host ends, nobody reaches that host any more, and no replica follows it.",
    expected="the certificate that each cache host shows is valid for at least 30 days",
    remedy="Run playbooks/provision.yml: role link renews them, and role cache restarts one host after the other.",
    blocks="nobody",
)
def cluster_cache_certificates(context: Context) -> Verdict:
    look = _look(context)
    days = {place.host: int((end - context.now()) // _DAY) for place, end in look.ends.items()}
    refused = [text for text in look.silent() + look.silent(sentinels=True) if "certificate" in text]
    if refused:
        return failed(some(refused))
    observed = ", ".join(f"{host} {left} days" for host, left in days.items())
    return warned(observed) if min(days.values()) < _RENEW_DAYS else passed(observed)

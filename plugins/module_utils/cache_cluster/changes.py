# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of the cache is left by its masters, and its services are restarted, while the others serve."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.cache_cluster.resp import (
    Client,
    Refused,
    Silent,
    open_socket,
)
from ansible_collections.boxlift.portal.plugins.module_utils.cache_cluster.state import (
    Instance,
    Watch,
    log_in,
    master_of,
    offsets,
    problems,
    read_instance,
    read_watches,
)
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

Run = t.Callable[[t.Sequence[str]], "tuple[int, str]"]  # a command -> its exit status and what it said
Open = t.Callable[[str], Client]
OPERATOR = "operator"
#: Seconds between two looks.
_PAUSE, _SHORT = 0.5, 0.1
#: Seconds that writes wait at most while another host becomes the master. Redis lets them go on by itself then.
_WRITES_WAIT = 15
#: A failover is under way, or Sentinel does not know the replicas yet: a later attempt may succeed.
_LATER = ("INPROG", "NOGOODSLAVE")


class Service(t.NamedTuple):
    """A unit, where it listens, and the files it has read at its start. A Sentinel has no name."""

    name: str
    unit: str
    socket: str
    files: tuple[str, ...] = ()


@dataclasses.dataclass
class Host:
    """One host of the cache. `now` counts seconds, and `pause` lets some pass."""

    instances: t.Sequence[Service]
    sentinel: Service
    members: int
    run: Run
    now: t.Callable[[], float]
    pause: t.Callable[[float], None]
    #: Of the account that may ask Sentinel for a failover.
    password: str = ""
    connect: Open = open_socket

    def look(self) -> tuple[list[Instance], dict[str, Watch]]:
        """Raises Refused or Silent where a service does not answer."""
        found = []
        for service in self.instances:
            with self.connect(service.socket) as client:
                found.append(read_instance(service.name, log_in(client)))
        with self.connect(self.sentinel.socket) as client:
            return found, read_watches(log_in(client))

    def masters_here(self) -> list[str]:
        return [instance.name for instance in self.look()[0] if instance.is_master]

    def await_whole(self, seconds: float) -> None:
        """Raises BoxliftError with what is missing where it is not whole in time."""
        end = self.now() + seconds
        while True:
            try:
                missing = problems(*self.look(), self.members)
            except (Refused, Silent) as problem:
                missing = [problem.message.rstrip(".")]
            if not missing:
                return
            if self.now() >= end:
                raise BoxliftError(
                    f"The cache is not whole after {seconds:.0f} s: {'; '.join(missing)}.",
                    "See journalctl -u redis-sentinel and /var/log/redis on the cache hosts; a firewall must let them"
                    " reach each other. Nothing further is restarted until it is whole.",
                )
            self.pause(_PAUSE)

    def hand_over(self, seconds: float, only: t.Collection[str] = ()) -> list[str]:
        """Leave every mastery, or only these, to another host; the names. Raises BoxliftError if none can take it."""
        end = self.now() + seconds
        names = [name for name in self.masters_here() if not only or name in only]
        for name in names:
            self.await_whole(max(end - self.now(), 1))
            self._replace(name, end)
        if names:
            self.await_whole(max(end - self.now(), 1))
        return names

    def _replace(self, name: str, end: float) -> None:
        """Have another host become the master. Writes wait meanwhile, so that none is lost that was confirmed.

        Sentinel alone would leave the old master as it is for eight seconds, and what it was told until then is lost.
        """
        path = next(service.socket for service in self.instances if service.name == name)
        with self.connect(path) as redis, self.connect(self.sentinel.socket) as sentinel:
            log_in(redis, OPERATOR, self.password)
            before = master_of(log_in(sentinel), name)
            limit = min(end, self.now() + _WRITES_WAIT - 1)
            redis.ask("CLIENT", "PAUSE", str(_WRITES_WAIT * 1000), "WRITE")
            try:
                written, _confirmed = offsets(redis)
                lacking = f"The replicas of {name} have not caught up"
                self._until(lambda: min(offsets(redis)[1], default=-1) >= written, limit, lacking)
                self._until(lambda: self._failover_begins(name), limit, f"Sentinel begins no failover of {name}")
                lacking = f"No other host has become the master of {name}"
                self._until(lambda: master_of(sentinel, name) != before, limit, lacking)
                address, port = master_of(sentinel, name)
                redis.ask("REPLICAOF", address, str(port))
                redis.ask("CONFIG", "REWRITE")
            finally:
                # Sentinel may have ended the other connection.
                with self.connect(path) as redis:
                    log_in(redis, OPERATOR, self.password).ask("CLIENT", "UNPAUSE")

    def _until(self, reached: t.Callable[[], bool], limit: float, lacking: str) -> None:
        while not reached():
            if self.now() >= limit:
                raise BoxliftError(
                    f"{lacking}, and writes waited.", "See /var/log/redis on the cache hosts, and run again."
                )
            self.pause(_SHORT)

    def _failover_begins(self, name: str) -> bool:
        try:
            with self.connect(self.sentinel.socket) as sentinel:
                log_in(sentinel, OPERATOR, self.password).ask("SENTINEL", "FAILOVER", name)
        except Refused as problem:
            if problem.code not in _LATER:
                raise
            return False
        return True

    def outdated(self) -> list[Service]:
        """Services that run and have started before a file of theirs was written."""
        return [service for service in (*self.instances, self.sentinel) if self._is_outdated(service)]

    def _is_outdated(self, service: Service) -> bool:
        show = ["systemctl", "show", "--timestamp=unix", "--property=ActiveState,StateChangeTimestamp", service.unit]
        code, said = self.run(show)
        shown = dict(line.partition("=")[::2] for line in said.splitlines())
        since = shown.get("StateChangeTimestamp", "").lstrip("@")
        if code != 0 or "ActiveState" not in shown:
            raise BoxliftError(f"systemd does not say how {service.unit} is: {said.strip() or code}.")
        if shown["ActiveState"] != "active" or not since.isdecimal():
            return False
        return any(int(os.stat(path).st_mtime) > int(since) for path in service.files if os.path.exists(path))

    def renew(self, replicas_only: bool, seconds: float) -> tuple[list[str], list[str]]:
        """Restart what is outdated, one after the other; the units, and the names handed over before."""
        handed: list[str] = []
        restarted = []
        for service in self.outdated():
            if service.name and service.name in self.masters_here():
                if replicas_only:
                    continue
                handed += self.hand_over(seconds, [service.name])
            code, said = self.run(["systemctl", "restart", service.unit])
            if code != 0:
                raise BoxliftError(
                    f"{service.unit} does not restart: {said.strip()}.", f"See journalctl -u {service.unit}."
                )
            restarted.append(service.unit)
            self.await_whole(seconds)
        return restarted, handed

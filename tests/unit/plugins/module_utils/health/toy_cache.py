# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cache of three hosts, whole until a test changes what one of them says: Redis's protocol over real TLS."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
import typing as t

from unit.plugins.module_utils.health.toy_site import DAY, NOW, Authority

HOSTS = {"cache1": "10.0.12.21", "cache2": "10.0.12.22", "cache3": "10.0.12.23"}
PORTS = {"sessions": 6380, "cache": 6381, "sentinel": 26379}
CONFIGURATION = "defaults\n    mode tcp\n" + "".join(
    f"\nlisten {name}\n    bind unix@/run/redis/{name}.sock mode 660\n"
    + "".join(f"    server {host} {address}:{PORTS[name]} verifyhost {host}\n" for host, address in HOSTS.items())
    for name in ("sessions", "cache")
)


def info(host: str, name: str) -> dict[str, t.Any]:
    """What INFO says of a whole cache, whose master is the first host."""
    is_master = host == "cache1"
    link = {} if is_master else {"master_host": HOSTS["cache1"], "master_link_status": "up"}
    good = 2 if is_master else 0
    return {
        **{
            "role": "master" if is_master else "slave",
            "connected_slaves": good,
            "min_slaves_good_slaves": good,
            **link,
        },
        **{"loading": 0, "aof_enabled": int(name == "sessions"), "aof_last_write_status": "ok"},
        **{"used_memory": 100, "maxmemory": 1000},
        "maxmemory_policy": "noeviction" if name == "sessions" else "allkeys-lru",
    }


class ToyCache:
    """`info` by host and name; `masters`, `quorum` (why there is none) by the Sentinel's host."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.info = {(host, name): info(host, name) for host in HOSTS for name in ("sessions", "cache")}
        self.masters = {host: {"sessions": HOSTS["cache1"], "cache": HOSTS["cache1"]} for host in HOSTS}
        self.quorum = dict.fromkeys(HOSTS, "")
        self.dead: set[tuple[str, str]] = set()  # places that refuse connections
        self.until = NOW + 90 * DAY + DAY / 2
        self.names = {host: host for host in HOSTS}  # what each certificate says
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    def connect(self, address: str, port: int) -> socket.socket | None:
        """The client's end; None for a place that is none of the cache's."""
        host = next((host for host, known in HOSTS.items() if known == address), "")
        name = next((name for name, known in PORTS.items() if known == port), "")
        if not host or not name:
            return None
        if (host, name) in self.dead:
            raise ConnectionRefusedError(111, "Connection refused")
        with self._lock:
            if host not in self._contexts:
                self._contexts[host] = self.authority.server_context(self.names[host], until=self.until)
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._serve, args=(theirs, host, name), daemon=True).start()
        return ours

    def _serve(self, plain: socket.socket, host: str, name: str) -> None:
        try:
            with (
                plain,
                self._contexts[host].wrap_socket(plain, server_side=True) as secure,
                secure.makefile("rb") as stream,
            ):
                while True:
                    count = int(stream.readline()[1:])
                    words = []
                    for _word in range(count):
                        size = int(stream.readline()[1:])
                        words.append(stream.read(size + 2)[:-2].decode())
                    secure.sendall(self.answer(host, name, words))
        except (OSError, ValueError):  # the client has gone
            return

    def answer(self, host: str, name: str, words: list[str]) -> bytes:
        if words[0] == "AUTH":
            return b"+OK\r\n"
        if words == ["INFO"]:
            return bulk("# All\r\n" + "".join(f"{key}:{value}\r\n" for key, value in self.info[host, name].items()))
        if words == ["SENTINEL", "MASTERS"]:
            return array([entry(name=of, ip=ip, flags="master") for of, ip in self.masters[host].items()])
        if words[:2] in (["SENTINEL", "REPLICAS"], ["SENTINEL", "SENTINELS"]):
            return array([entry(name=other, flags="slave") for other in HOSTS if other != host])
        if words[:2] == ["SENTINEL", "CKQUORUM"]:
            return f"-NOQUORUM {self.quorum[host]}\r\n".encode() if self.quorum[host] else b"+OK 3 usable Sentinels\r\n"
        return b"-ERR unknown command\r\n"


def bulk(text: str) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(text.encode()), text.encode())


def array(parts: t.Sequence[bytes]) -> bytes:
    return b"*%d\r\n" % len(parts) + b"".join(parts)


def entry(**fields: str) -> bytes:
    return array([bulk(each) for pair in fields.items() for each in pair])


def cache(change: t.Callable[[ToyCache], t.Any] = lambda _toy: None) -> t.Callable[[t.Any], t.Any]:
    """The site has a cache of three hosts, changed so."""

    def damage(world: t.Any) -> None:
        toy = ToyCache(world.authority)
        change(toy)
        issued = world.authority.issue("web.test", until=NOW + datetime.timedelta(days=90)).read_text()
        for name in ("certificate.pem", "certificate.key"):
            world.host.write(f"/etc/boxlift/link/{name}", issued)
        world.host.write("/etc/boxlift/link/authority.pem", world.authority.path.read_text())
        world.host.write("/etc/boxlift/cache-link.cfg", CONFIGURATION)
        others = world.context.connect_tcp
        world.context.connect_tcp = lambda address, port: toy.connect(address, port) or others(address, port)

    return damage

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two balancers before two web hosts, and damages to them. See breaks.py."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.health.checks.cluster_balancer import DRAINED, SITE
from unit.plugins.module_utils.health.toy_portal import DOMAIN
from unit.plugins.module_utils.health.toy_site import DAY, NOW

Change = t.Callable[[t.Any], t.Any]
#: Made once for all tests, as each takes a while: (name, days) to a server's context.
_CONTEXTS: dict[tuple[t.Any, ...], ssl.SSLContext] = {}
ADDRESSES = {"b1": "10.7.0.1", "b2": "10.7.0.2", "w1": "10.7.0.11", "w2": "10.7.0.12"}


def _context(world: t.Any, *names: str, days: int = 90) -> ssl.SSLContext:
    key = (world.authority.path, names, days)
    if key not in _CONTEXTS:
        _CONTEXTS[key] = world.authority.server_context(*names, until=NOW + days * DAY)
    return _CONTEXTS[key]


def _answer(line: socket.socket, context: ssl.SSLContext, status: int, body: str) -> None:
    """One request; whoever only looks at the certificate sends none."""
    try:
        with line, context.wrap_socket(line, server_side=True) as secure:
            if secure.recv(4096):
                secure.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    except OSError:
        return  # the other end has seen enough


def site(
    held: tuple[str, ...] = ("b1",),
    words: t.Mapping[str, str] | None = None,
    unused: tuple[str, ...] = (),
    silent: tuple[str, ...] = (),
    days: int = 90,
    names: tuple[str, ...] = (DOMAIN,),
    address: str = "10.7.0.100",
    status: int = 200,
) -> Change:
    """A site as it should be, but for what is given."""

    def damage(world: t.Any) -> None:
        of = {"name": DOMAIN, "address": address, "certificate": "/etc/ssl/portal/fullchain.pem"}
        balancers = {name: at for name, at in ADDRESSES.items() if name.startswith("b") and (address or name == "b1")}
        webs = {name: at for name, at in ADDRESSES.items() if name.startswith("w")}
        world.host.write(SITE, json.dumps({**of, "balancers": balancers, "web": webs}))
        issued = world.authority.issue(DOMAIN).read_text()
        for path in ("boxlift/link/certificate.pem", "boxlift/link/certificate.key", "ssl/portal/fullchain.pem"):
            world.host.write(f"/etc/{path}", issued)
        world.host.write("/etc/boxlift/link/authority.pem", world.authority.path.read_text())

        def reach(host: str, port: int) -> socket.socket:
            name = next(each for each, at in ADDRESSES.items() if at == host)
            if name in silent:
                raise ConnectionRefusedError(111, "Connection refused")
            if port == 8405:
                uses = {each: int(each not in unused) for each in webs}
                context, body = (
                    _context(world, name),
                    json.dumps({"held": "yes" if name in held else "no", "web": uses}),
                )
            elif name in webs:
                context, body = _context(world, name), (words or {}).get(name, "up") + "\n"
            else:
                context, body = _context(world, *names, days=days), ""
            ours, theirs = socket.socketpair()
            ours.settimeout(5)
            threading.Thread(target=_answer, args=(theirs, context, status, body), daemon=True).start()
            return ours

        world.context.connect_tcp = reach

    return damage


def both(*changes: Change) -> Change:
    return lambda world: [change(world) for change in changes]


def drained(minutes: float) -> Change:
    def damage(world: t.Any) -> None:
        world.host.write(DRAINED, "Drained by Ansible\n")
        then = world.context.now() - minutes * 60 - 5
        os.utime(world.host.path(DRAINED), (then, then))

    return damage


def written(path: str, text: str) -> Change:
    return lambda world: world.host.write(path, text)


BREAKS: list[tuple[str, Change, str, str]] = [
    ("cluster.web_hosts", site(), "pass", "2 web hosts"),
    ("cluster.web_hosts", site(words={"w2": "database"}), "fail", "w2: database"),
    ("cluster.web_hosts", site(silent=("w1",)), "fail", "w1: [Errno 111] Connection refused"),
    ("cluster.web_hosts", site(unused=("w2",)), "fail", "b1 and b2 send nobody to w2"),
    ("cluster.web_hosts", site(unused=("w2",), silent=("b2",)), "fail", "b1 sends nobody to w2"),
    ("cluster.web_hosts", site(unused=("w2",), words={"w2": "drained"}), "pass", "out of service: w2"),
    ("cluster.web_hosts", site(words={"w2": "<html>404"}), "fail", "w2: status 200"),
    ("cluster.balancer_address", site(), "pass", "b1 has 10.7.0.100"),
    ("cluster.balancer_address", site(held=()), "fail", "nobody has 10.7.0.100"),
    ("cluster.balancer_address", site(held=("b1", "b2")), "fail", "b1 and b2 both have 10.7.0.100"),
    ("cluster.balancer_address", site(silent=("b2",)), "fail", "b2 does not answer: [Errno 111] Connection refused"),
    ("cluster.balancer_address", site(silent=("b1",)), "fail", "nobody has 10.7.0.100; b1 does not answer"),
    ("cluster.balancer_address", site(held=(), address=""), "pass", "b1 answers"),
    ("cluster.balancer_certificate", site(), "pass", "good on b1, b2"),
    ("cluster.balancer_certificate", site(days=84), "pass", "good on b1, b2"),
    ("cluster.balancer_certificate", site(days=60), "warn", "that of b1 ends 30 days before this host's"),
    ("cluster.balancer_certificate", site(days=-1), "fail", "that of b1 has expired, that of b2 has expired"),
    ("cluster.balancer_certificate", site(names=("other.test",)), "fail", f"that of b1 lacks {DOMAIN}"),
    ("cluster.drained", site(), "pass", "in service"),
    ("cluster.drained", both(site(), drained(20)), "pass", "drained for 20 minutes"),
    ("cluster.drained", both(site(), drained(61)), "warn", "drained for 61 minutes"),
]  # fmt: skip

BLINDS: list[tuple[str, Change, str]] = [
    ("cluster.web_hosts", site(silent=("b1", "b2")), "no balancer says which web hosts it uses"),
    ("cluster.web_hosts", site(status=500), "no balancer says which web hosts it uses"),
    ("cluster.balancer_address", site(silent=("b1", "b2")), "b2 does not answer"),
    ("cluster.balancer_certificate", site(silent=("b2",)), "b2 shows no certificate"),
    (
        "cluster.balancer_certificate",
        both(site(), written("/etc/ssl/portal/fullchain.pem", "x")),
        "holds no certificate",
    ),
    ("cluster.drained", written(SITE, "{"), "holds no object of JSON"),
]

SKIPS: list[tuple[str, Change, str]] = [
    (f"cluster.{name}", lambda _world: None, "this site has no balancers")
    for name in ("web_hosts", "balancer_address", "balancer_certificate", "drained")
]

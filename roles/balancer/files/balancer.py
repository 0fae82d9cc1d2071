# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks and tells this host's HAProxy, through its administration socket.

boxlift-balancer status          how each web host is, as JSON
boxlift-balancer drain HOST      sends nobody to it any more, and waits until what runs there has ended
boxlift-balancer ready HOST      sends people there again, and waits until its health is proven
boxlift-balancer leave           gives the address to the other balancer, when what runs here has ended
boxlift-balancer join            takes part again
boxlift-balancer current         whether HAProxy has read the configuration that is there
boxlift-balancer save            notes which hosts are drained, for the HAProxy that comes after this one
boxlift-balancer notify ...      keepalived says whether this host has the address
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import socket
import subprocess
import sys
import time
import typing as t
from pathlib import Path

CONFIGURATION = "/etc/haproxy/haproxy.cfg"
SOCKET = "/run/haproxy/admin.sock"
FOLDER = Path("/var/lib/boxlift-balancer")
#: Whose health is asked; the others follow it.
PORTAL = "portal"
#: WebSockets and long polls: they would last for hours, and their clients come again by themselves.
PUSH = "portal_push"
PAUSE = 0.2  # seconds

#: Whoever asks for a connection meanwhile asks again after a second, and finds the other balancer.
WAITING_ROOM = """
table inet boxlift_balancer {{
    chain input {{
        type filter hook input priority -10; policy accept;
        ip daddr {address} tcp dport {{ 80, 443 }} tcp flags & (fin | syn | rst | ack) == syn drop
    }}
}}
"""
#: Both kinds of sockets: HAProxy's listen for both.
CONNECTIONS = ("/proc/net/tcp", "/proc/net/tcp6")
ESTABLISHED = "01"

Ask = t.Callable[[str], str]
#: Runs a command with this text on its standard input; raises OSError and CalledProcessError.
Run = t.Callable[[t.Sequence[str], str], None]


class Refused(Exception):
    """It cannot be done; the message says why, and what to do."""


class Server(t.NamedTuple):
    """A web host in one backend, as HAProxy has it."""

    backend: str
    host: str
    state: str  # UP, DOWN, MAINT, DRAIN; with more behind it
    check: str
    sessions: int
    since: int  # seconds in this state

    @property
    def is_up(self) -> bool:
        return self.state.startswith("UP")

    @property
    def is_drained(self) -> bool:
        return self.state.startswith("MAINT")


class Clock(t.NamedTuple):
    now: t.Callable[[], float] = time.monotonic
    sleep: t.Callable[[float], None] = time.sleep


def servers(ask: Ask) -> list[Server]:
    """All servers of the backends that lead to the portal."""
    rows = csv.DictReader(io.StringIO(ask("show stat").lstrip("# ")))
    return [
        Server(
            row["pxname"],
            row["svname"],
            row["status"],
            row["check_status"].lstrip("* "),
            int(row["scur"] or 0),
            int(row["lastchg"] or 0),
        )
        for row in rows
        if row["pxname"].startswith(PORTAL) and row["svname"] not in ("FRONTEND", "BACKEND")
    ]


def of_host(ask: Ask, host: str) -> list[Server]:
    """The host's servers, the one whose health is asked first. Raises Refused where HAProxy does not know it."""
    found = servers(ask)
    own = sorted((each for each in found if each.host == host), key=lambda each: each.backend != PORTAL)
    if not own:
        known = ", ".join(sorted({each.host for each in found})) or "none"
        raise Refused(f"HAProxy knows no web host {host}; it knows {known}. Run playbook provision.")
    return own


def tell(ask: Ask, command: str) -> None:
    """A command that says nothing where all is well."""
    said = ask(command).strip()
    if said:
        raise Refused(f"HAProxy refuses '{command}': {said}")


def status(ask: Ask, folder: Path) -> dict[str, t.Any]:
    """How each web host is, and whether this host has the address."""
    return {"servers": [each._asdict() for each in servers(ask)], "holds_address": holds(folder)}


def drain(ask: Ask, host: str, seconds: float, last: bool, clock: Clock) -> dict[str, t.Any]:
    """Nobody is sent to the host any more, and what ran there has ended. Raises Refused where it has not."""
    own = of_host(ask, host)
    others = [each.host for each in servers(ask) if each.backend == PORTAL and each.host != host and each.is_up]
    if not others and own[0].is_up and not last:
        raise Refused(f"{host} is the last web host that works. Bring another one back first, or say --last.")
    began = clock.now()
    tell(ask, f"set server {PORTAL}/{host} state maint")
    while True:
        own = of_host(ask, host)
        awake = [each.backend for each in own if not each.is_drained]
        running = sum(each.sessions for each in own if each.backend != PUSH)
        if not running and not awake:
            break
        if clock.now() - began > seconds:
            raise Refused(
                f"{running} requests still run on {host} after {seconds:g} s. It gets no new ones: drain it once more, "
                f"or take it back with boxlift-balancer ready {host}."
            )
        clock.sleep(PAUSE)
    pushed = sum(each.sessions for each in own if each.backend == PUSH)
    if pushed:
        tell(ask, f"shutdown sessions server {PUSH}/{host}")
        while sum(each.sessions for each in of_host(ask, host)) and clock.now() - began <= seconds:
            clock.sleep(PAUSE)
    left = sum(each.sessions for each in of_host(ask, host))
    if left:
        raise Refused(f"{left} connections to {host} have not ended after {seconds:g} s. Drain it once more.")
    return {"host": host, "state": own[0].state, "push_clients": pushed, "seconds": round(clock.now() - began, 1)}


def ready(ask: Ask, host: str, seconds: float, clock: Clock) -> dict[str, t.Any]:
    """The host has its share of people again, after its health was proven. Raises Refused where it is not."""
    began = clock.now()
    if of_host(ask, host)[0].state.startswith(("MAINT", "DRAIN")):
        # By itself HAProxy would send people there at once, and look afterwards. A host in service is left alone: so
        # it would be out of service for a second.
        tell(ask, f"set server {PORTAL}/{host} state ready; set server {PORTAL}/{host} health down")
    while True:
        own = of_host(ask, host)
        if all(each.is_up or each.state == "no check" for each in own) and own[0].check.startswith("L7OK"):
            return {"host": host, "state": own[0].state, "seconds": round(clock.now() - began, 1)}
        if clock.now() - began > seconds:
            raise Refused(
                f"{host} is not healthy after {seconds:g} s: {own[0].state}, {own[0].check or 'not asked'}. Nobody is "
                "sent there until it is. See journalctl -u nginx there, and what /boxlift/health says."
            )
        clock.sleep(PAUSE)


def connected(address: str, tables: t.Sequence[str]) -> int:
    """Connections that people hold to the address."""
    number = socket.inet_aton(address)[::-1].hex().upper()  # as the kernel shows it on a little-endian host
    mapped = f"0000000000000000FFFF0000{number}"
    rows = [line.split() for table in tables for line in Path(table).read_text().splitlines()[1:]]
    return sum(row[1].partition(":")[0] in (number, mapped) and row[3] == ESTABLISHED for row in rows)


def leave(
    address: str, seconds: float, folder: Path, run: Run, clock: Clock, tables: t.Sequence[str] = CONNECTIONS
) -> dict[str, t.Any]:
    """The other balancer has the address. What ran here has had some time to end; what was idle is cut."""
    began = clock.now()
    left = 0
    if holds(folder):
        left = _empty(address, began + seconds, run, clock, tables)
    else:
        run(["systemctl", "stop", "keepalived.service"], "")
    notify(lambda _command: "", "STOP", folder)
    return {"cut": left, "seconds": round(clock.now() - began, 1)}


def _empty(address: str, until: float, run: Run, clock: Clock, tables: t.Sequence[str]) -> int:
    """keepalived has stopped. The connections that were left then."""
    closed = _told(run, ["nft", "-f", "-"], WAITING_ROOM.format(address=address))
    try:
        # The process that takes over has nobody; the one before ends each connection behind its answer.
        run(["systemctl", "reload", "haproxy.service"], "")
        while (left := connected(address, tables)) and clock.now() <= until:
            clock.sleep(PAUSE)
        run(["systemctl", "stop", "keepalived.service"], "")
    finally:
        if closed:
            run(["nft", "delete", "table", "inet", "boxlift_balancer"], "")
    return left


def _told(run: Run, command: t.Sequence[str], text: str) -> bool:
    """Whether there is such a program: a host need not have a firewall of this collection's."""
    try:
        run(command, text)
    except FileNotFoundError:
        return False
    return True


def is_current(ask: Ask, written: float, now: float) -> bool:
    """Whether the process that serves has begun after the configuration was written; its clock has whole seconds."""
    said = dict(line.split(": ", 1) for line in ask("show info").splitlines() if ": " in line)
    return now - float(said["Uptime_sec"]) + 1 >= written


def save(ask: Ask, folder: Path) -> None:
    """Note the state of all servers where the next HAProxy reads it."""
    replace(folder / "servers", ask("show servers state"))


def holds(folder: Path) -> bool:
    """Whether keepalived has said that this host has the address."""
    try:
        return (folder / "held.map").read_text() == "address yes\n"
    except FileNotFoundError:
        return False


def notify(ask: Ask, state: str, folder: Path) -> None:
    """Keep keepalived's word, and let HAProxy say so to the site's other hosts."""
    held = "yes" if state == "MASTER" else "no"
    replace(folder / "held.map", f"address {held}\n")
    try:
        ask(f"set map {folder / 'held.map'} address {held}")
    except OSError:
        # HAProxy does not run: it reads the file when it starts.
        return


def replace(path: Path, text: str) -> None:
    """In one step: whoever reads it sees the old one or the new one."""
    new = path.with_name(f".{path.name}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(new, path)


def asking(path: str) -> Ask:
    def ask(command: str) -> str:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(10)
            line.connect(path)
            line.sendall(f"{command}\n".encode())
            said = b""
            while True:
                more = line.recv(65536)
                if not more:
                    return said.decode()
                said += more

    return ask


def run(command: t.Sequence[str], text: str) -> None:
    subprocess.run(command, input=text, stderr=subprocess.PIPE, text=True, check=True)


def main(arguments: t.Sequence[str] | None = None, ask: Ask | None = None, folder: Path = FOLDER) -> int:
    parser = argparse.ArgumentParser(description="Ask and tell this host's HAProxy.")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("status", help="how each web host is, as JSON")
    for name, seconds in (("drain", 330), ("ready", 60)):
        action = actions.add_parser(name, help=f"{name} a web host")
        action.add_argument("host")
        action.add_argument("--seconds", type=float, default=seconds, help="how long to wait for it")
        if name == "drain":
            action.add_argument("--last", action="store_true", help="though no other web host works")
    action = actions.add_parser("leave", help="give the address to the other balancer")
    action.add_argument("address")
    action.add_argument("--seconds", type=float, default=3, help="how long to wait for requests that run")
    actions.add_parser("join", help="take part again in who has the address")
    actions.add_parser("current", help="whether HAProxy has read its configuration")
    actions.add_parser("save", help="note the servers' state")
    action = actions.add_parser("notify", help="what keepalived says: INSTANCE NAME STATE PRIORITY")
    action.add_argument("said", nargs="+")
    given = parser.parse_args(arguments)
    ask = ask or asking(SOCKET)
    try:
        if given.action == "save":
            save(ask, folder)
        elif given.action == "notify":
            notify(ask, given.said[2], folder)
        elif given.action == "drain":
            print(json.dumps(drain(ask, given.host, given.seconds, given.last, Clock())))
        elif given.action == "ready":
            print(json.dumps(ready(ask, given.host, given.seconds, Clock())))
        elif given.action == "current":
            print("yes" if is_current(ask, os.stat(CONFIGURATION).st_mtime, time.time()) else "no")
        elif given.action == "leave":
            print(json.dumps(leave(given.address, given.seconds, folder, run, Clock())))
        elif given.action == "join":
            run(["systemctl", "start", "keepalived.service"], "")
        else:
            print(json.dumps(status(ask, folder)))
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(error.cmd)} failed: {(error.stderr or '').strip()}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"HAProxy does not answer at {SOCKET}: {error}. See journalctl -u haproxy.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host must fulfil: release, Python, systemd, rights, memory, ports, name, clock."""

from __future__ import annotations

import ipaddress
import os
import socket
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.preflight.host import Host

RELEASES = {"debian": ("12", "13")}
PYTHON = (3, 9)
TOLERANCE = 5.0  # seconds that two clocks may differ
LATENCY = 10.0  # seconds that a task may take from the controller to the host
TIME_SERVICES = ("chronyd", "systemd-timesyn", "ntpd", "ntpsec", "openntpd")


def platform(host: Host) -> list[Finding]:
    """Release, Python, systemd and rights."""
    release = host.release()
    name = release.get("PRETTY_NAME", release.get("ID", "an unnamed system"))
    python = ".".join(map(str, host.python))
    systemd = os.path.isdir(host.path("run/systemd/system"))
    return [
        _finding(
            "host.release",
            release.get("VERSION_ID") in RELEASES.get(release.get("ID", ""), ()),
            observed=name,
            expected="Debian 12 or 13",
            remedy="Install Debian 12 or 13 on this host; the roles know no other release.",
        ),
        _finding(
            "host.python",
            host.python[:2] >= PYTHON,
            observed=f"Python {python}",
            expected="Python 3.9 or newer",
            remedy="Install a newer python3, or name one in ansible_python_interpreter.",
        ),
        _finding(
            "host.systemd",
            systemd,
            observed="systemd runs" if systemd else "systemd does not run",
            expected="systemd runs the host's services",
            remedy="Boot the host with systemd; a container needs it as its first process.",
        ),
        _finding(
            "host.root",
            host.user_id == 0,
            observed=f"the tasks run as user {host.user_id}",
            expected="root, user 0",
            remedy="Connect as root, or set ansible_become and its password for this host.",
        ),
    ]


def memory(host: Host, minimum_mb: int) -> Finding:
    have = host.memory() // 1024**2
    return _finding(
        "memory.total",
        have >= minimum_mb,
        observed=f"{have} MiB of memory",
        expected=f"{minimum_mb} MiB or more",
        remedy="Give the host more memory.",
        owner="customer",
    )


def ports(host: Host, wanted: t.Mapping[int, t.Sequence[str]]) -> list[Finding]:
    """`wanted` maps each port to the programs that may hold it already."""
    listening = host.listeners()
    return [_port(port, expected, listening.get(port)) for port, expected in wanted.items()]


def _port(port: int, expected: t.Sequence[str], holders: set[str] | None) -> Finding:
    wish = f"free, or held by {' or '.join(expected)}"
    if holders is None:
        return _finding(f"ports.{port}", True, f"port {port} is free", wish)
    if not holders:
        # A listener without a visible process: another user's, the kernel's, or another container's.
        seen = f"port {port} is held by a program that this user cannot see"
    else:
        seen = f"port {port} is held by {', '.join(sorted(holders))}"
    remedy = f"Stop and disable what listens on port {port} (ss -ltnp 'sport = :{port}' shows it)."
    return _finding(f"ports.{port}", bool(holders) and holders <= set(expected), seen, wish, remedy)


def name(host: Host, domain: str, expected: t.Sequence[str]) -> Finding:
    """`expected` are addresses in front of this host: a reverse proxy's or a router's."""
    own = host.addresses()
    wrong = [address for address in expected if not _is_address(address)]
    if wrong:
        seen = f"{', '.join(wrong)} in preflight_expected_addresses is no IP address"
        return _finding("names.domain", False, seen, "addresses", "Give addresses there, not names.")
    allowed = own | {_canonical(address) for address in expected}
    wish = "an address of this host" + (f" or {', '.join(expected)}" if expected else "")
    fix = (
        f"Have the record of {domain} made or corrected. If a reverse proxy or router stands before this host, "
        "give its address in preflight_expected_addresses."
    )
    try:
        found = [_canonical(address) for address in host.resolve(domain)]
    except (socket.gaierror, UnicodeError) as error:  # the latter for a text that is no host name
        seen = f"{domain} does not resolve on this host: {getattr(error, 'strerror', error)}"
        return _finding("names.domain", False, seen, wish, fix, owner="customer")
    strangers = [address for address in found if address not in allowed]
    seen = f"{domain} resolves to {', '.join(found)}"
    if strangers or not found:
        mine = sorted(address for address in own if not ipaddress.ip_address(address).is_loopback)
        seen += f"; this host has {', '.join(mine)}"
        return _finding("names.domain", False, seen, wish, fix, owner="customer")
    if all(ipaddress.ip_address(address).is_loopback for address in found):
        seen += ", this host's own loopback: that says nothing about what users get"
        return Finding("names.domain", "names", "warn", seen, wish, "Ask a user's machine for the name.", "customer")
    return _finding("names.domain", True, seen, wish)


def licence_files(host: Host, paths: t.Sequence[str]) -> Finding:
    """Licences may come later than the hosts, so that a missing one is named and refuses nothing."""
    absent = [path for path in paths if not os.path.isfile(host.path(path.lstrip("/")))]
    seen = f"not there: {', '.join(absent)}" if absent else f"each of {len(paths)} licence files is there"
    wish = "the licence files that site_licence_files names for this host, before the portal is moved to it"
    remedy = "Have the licences sent, and put them there. Playbook entitlement then says what they grant."
    return Finding(
        *("licence.files", "licence", "warn" if absent else "pass", seen, wish, remedy if absent else "", "sales")
    )


def clock(host: Host, controller_time: float) -> Finding:
    """`controller_time` was read before the task was sent, so a host may seem ahead by the delay, never behind."""
    ahead = host.clock() - controller_time
    services = sorted(set(TIME_SERVICES) & host.programs())
    kept = f"kept by {', '.join(services)}" if services else "no time service runs yet"
    seen = f"the clock differs from the controller's by {ahead:+.1f} s; {kept}"
    wish = f"{TOLERANCE:.0f} s at most"
    remedy = (
        "Correct the clock of the host or of the controller and let chrony keep it; in a container or virtual machine "
        "the clock is its host's."
    )
    if TOLERANCE < ahead <= TOLERANCE + LATENCY:
        late = f"{seen} (up to {LATENCY:.0f} s may be the task's own way here)"
        return Finding("time.clock", "time", "warn", late, wish, remedy)
    return _finding("time.clock", -TOLERANCE <= ahead <= TOLERANCE, seen, wish, remedy)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _canonical(address: str) -> str:
    return str(ipaddress.ip_address(address))


def _finding(
    check: str, good: bool, observed: str, expected: str, remedy: str = "", owner: str = "contractor"
) -> Finding:
    area = check.partition(".")[0]
    return Finding(check, area, "pass" if good else "fail", observed, expected, "" if good else remedy, owner)

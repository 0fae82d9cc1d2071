# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets to a hardened host: a scan from outside, which is this machine, and from a neighbour in the same network."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t

import pytest
import testinfra
from testinfra.host import Host

# Everything that our roles listen on, the lab's own listeners and all lower ports are among these.
LAST = 10100
SCAN = """
import json, resource, select, socket, sys, time

resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
address, last, waiting, poll, found = sys.argv[1], int(sys.argv[2]), {}, select.poll(), []
for port in range(1, last + 1):
    asked = socket.socket()
    asked.setblocking(False)
    asked.connect_ex((address, port))
    waiting[asked.fileno()] = port, asked
    poll.register(asked, select.POLLOUT)
# Who is let in is answered at once; a packet that is lost goes out again after a second.
until = time.monotonic() + 4
while (left := until - time.monotonic()) > 0:
    for number, _event in poll.poll(left * 1000):
        poll.unregister(number)
        port, asked = waiting[number]
        if asked.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            found.append(port)
print(json.dumps(sorted(found)))
"""


def variables(host: Host) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", host.ansible.get_variables())


def open_from_here(host: Host) -> list[int]:
    command = [sys.executable, "-c", SCAN, variables(host)["ansible_host"], str(LAST)]
    return t.cast("list[int]", json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def open_to(neighbour: str, host: Host) -> list[int]:
    backend: t.Any = host.backend
    inventory = backend.ansible_runner.inventory_file
    other = testinfra.get_host(f"ansible://{neighbour}", ansible_inventory=inventory)
    address = variables(host)["ansible_host"]
    return t.cast("list[int]", json.loads(other.check_output("python3 -c %s %s %s", SCAN, address, str(LAST))))


def test_something_is_there_to_be_found(host: Host) -> None:
    """Otherwise the scans would prove nothing."""
    listening = host.socket.get_listening_sockets()
    assert {"tcp://0.0.0.0:5555", "tcp://0.0.0.0:3307", "tcp://0.0.0.0:7000"} <= set(listening)
    assert host.run("python3 -c %s", "import socket; socket.create_connection(('127.0.0.1', 5555), 5)").rc == 0


def test_a_scan_from_outside(host: Host) -> None:
    assert open_from_here(host) == [22, 80, 443]


def test_a_scan_from_a_neighbour(host: Host) -> None:
    """What is opened for it, and what is open to everyone; SSH is for administrators."""
    assert open_to("cloud", host) == [80, 443, 7000]


def test_another_host_of_the_site_gets_no_further(host: Host) -> None:
    """Than to what its web server needs: the link to the database, for which something listens here."""
    other = {"box12": "box13", "box13": "box12"}[variables(host)["inventory_hostname"]]
    assert open_to(other, host) == [80, 443, 3307]


def test_the_rules_are_those_of_the_inventory(host: Host) -> None:
    rules = host.check_output("nft list chain inet boxlift_hardening input")
    own = variables(host)
    gateway = own["lab_subnet"].replace(".0/24", ".1")
    assert "policy drop;" in rules
    assert f"ip saddr {gateway} tcp dport 22 accept" in rules
    assert "ip6 saddr 2001:db8::/64 tcp dport 22 accept" in rules
    other = own["lab_names"][{"box12": "box13", "box13": "box12"}[own["inventory_hostname"]]]
    assert f"ip saddr {other} tcp dport 3307 accept" in rules
    assert f"ip saddr {other} tcp dport 6380 accept" in rules
    for number, kind in ((4, "icmp"), (6, "icmpv6")):
        assert f"{kind} type echo-request limit rate 50/second" in rules, number


def test_a_host_speaks_to_itself(host: Host) -> None:
    own = variables(host)["ansible_host"]
    for address, port in (("127.0.0.1", 3306), (own, 443), (own, 5555)):
        asked = f"import socket; socket.create_connection(({address!r}, {port}), 5)"
        assert host.run("python3 -c %s", asked).rc == 0, (address, port)


def test_the_firewall_comes_back_at_boot(host: Host) -> None:
    unit = host.service("boxlift-firewall")
    assert unit.is_enabled and unit.is_running
    assert "network-pre.target" in host.check_output("systemctl show --property=Before boxlift-firewall.service")


@pytest.mark.parametrize("name", ["lockout", "lockout-ssh", "firewall", "sshd"])
def test_no_way_back_is_left_over(host: Host, name: str) -> None:
    assert not host.file(f"/var/lib/boxlift/guard/{name}").exists
    assert not host.file(f"/etc/systemd/system/boxlift-guard-{name}.timer").exists
    assert host.run("nft list table inet lockout").rc != 0
    assert not host.file("/etc/ssh/sshd_config.d/00-a.conf").exists
    assert not host.file("/etc/boxlift/lockout.nft").exists

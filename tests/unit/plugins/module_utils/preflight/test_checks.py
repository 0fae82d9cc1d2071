# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host answers about itself, good and bad."""

from __future__ import annotations

import os
import socket
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.preflight import checks, host

from .conftest import ADDRESS, FakeHost

WEB = {80: ["nginx"]}


def platform(fake: FakeHost, **seams: t.Any) -> dict[str, Finding]:
    return {finding.id: finding for finding in checks.platform(fake.host(**seams))}


def test_a_good_platform(fake: FakeHost) -> None:
    assert {finding.status for finding in platform(fake).values()} == {"pass"}


@pytest.mark.parametrize("release", ["ID=debian\nVERSION_ID=11\n", "ID=ubuntu\nVERSION_ID=12\n", "ID=debian\n"])
def test_a_release_that_the_roles_do_not_know(fake: FakeHost, release: str) -> None:
    fake.write("etc/os-release", release)
    finding = platform(fake)["host.release"]
    assert finding.status == "fail"
    assert "Install Debian 12 or 13" in finding.remedy


def test_a_bad_platform(fake: FakeHost) -> None:
    (fake.root / "run/systemd/system").rmdir()
    found = platform(fake, python=(3, 8, 1), user_id=1000)
    assert [found[name].status for name in ("host.python", "host.systemd", "host.root")] == ["fail"] * 3
    assert found["host.python"].observed == "Python 3.8.1"
    assert found["host.root"].observed == "the tasks run as user 1000"


def test_memory(fake: FakeHost) -> None:
    assert checks.memory(fake.host(), 4096).status == "pass"
    short = checks.memory(fake.host(), 4097)
    assert (short.status, short.observed, short.expected) == ("fail", "4096 MiB of memory", "4097 MiB or more")


def test_a_free_port(fake: FakeHost) -> None:
    fake.socket(80, 7, state="01")  # a connection, not a listener
    fake.socket(8080, 8)
    assert [finding.status for finding in checks.ports(fake.host(), WEB)] == ["pass"]


@pytest.mark.parametrize("table", ["proc/net/tcp", "proc/net/tcp6"])
@pytest.mark.parametrize(("holder", "status"), [("nginx", "pass"), ("apache2", "fail")])
def test_a_held_port(fake: FakeHost, table: str, holder: str, status: str) -> None:
    fake.socket(80, 7, table=table)
    fake.process(99, holder, inode=7)
    fake.process(100, "bystander", inode=8)
    (finding,) = checks.ports(fake.host(), WEB)
    assert (finding.status, finding.observed) == (status, f"port 80 is held by {holder}")


def test_two_holders_of_one_port(fake: FakeHost) -> None:
    fake.socket(80, 7)
    fake.socket(80, 8, table="proc/net/tcp6")
    fake.process(99, "nginx", inode=7)
    fake.process(100, "apache2", inode=8)
    (finding,) = checks.ports(fake.host(), WEB)
    assert (finding.status, finding.observed) == ("fail", "port 80 is held by apache2, nginx")


def test_a_holder_that_cannot_be_seen(fake: FakeHost) -> None:
    fake.socket(80, 7)
    (finding,) = checks.ports(fake.host(), WEB)
    assert finding.status == "fail"
    assert "cannot see" in finding.observed


@pytest.mark.parametrize(("user", "status"), [(104, "pass"), (105, "fail")])
def test_a_holder_known_by_its_user_alone(
    fake: FakeHost, monkeypatch: pytest.MonkeyPatch, user: int, status: str
) -> None:
    fake.socket(3306, 7, user=104)
    closed = fake.process(99, "mariadbd", user=user)
    listdir = os.listdir

    def refuse(path: str) -> list[str]:
        if path == str(closed):
            raise PermissionError(path)
        return listdir(path)

    monkeypatch.setattr(host.os, "listdir", refuse)
    (finding,) = checks.ports(fake.host(), {3306: ["mariadbd"]})
    assert finding.status == status


def test_a_process_that_ends_meanwhile(fake: FakeHost) -> None:
    fake.socket(80, 7)
    fake.process(99, "nginx", inode=7)
    (fake.root / "proc/100").mkdir()
    assert checks.ports(fake.host(), WEB)[0].status == "pass"


@pytest.mark.parametrize(
    ("answers", "expected", "status"),
    [
        ([ADDRESS], [], "pass"),
        ([ADDRESS, "2001:db8::b"], [], "pass"),
        (["203.0.113.9"], [], "fail"),
        (["203.0.113.9"], ["203.0.113.9"], "pass"),
        ([ADDRESS, "203.0.113.9"], [], "fail"),
        (["2001:db8::c"], ["2001:DB8:0::c"], "pass"),
        (["198.18.0.255"], [], "fail"),
        (["127.0.0.1", "::1"], [], "warn"),
        ([], [], "fail"),
        ([ADDRESS], ["proxy.example.com"], "fail"),
    ],
)
def test_the_name(fake: FakeHost, answers: list[str], expected: list[str], status: str) -> None:
    finding = checks.name(fake.host(resolve=lambda name: answers), "portal.example.com", expected)
    assert finding.status == status, finding
    assert bool(finding.remedy) == (status != "pass")


@pytest.mark.parametrize("error", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")])
def test_a_name_that_does_not_resolve(fake: FakeHost, error: Exception) -> None:
    def resolve(name: str) -> list[str]:
        raise error

    finding = checks.name(fake.host(resolve=resolve), "portal.example.com", [])
    assert finding.status == "fail"
    assert "portal.example.com does not resolve on this host: " in finding.observed
    assert str(error.args[-1]) in finding.observed


@pytest.mark.parametrize(
    ("ahead", "status"),
    [(0, "pass"), (4.9, "pass"), (-4.9, "pass"), (-5.1, "fail"), (5.1, "warn"), (15.1, "fail"), (-7200, "fail")],
)
def test_the_clock(fake: FakeHost, ahead: float, status: str) -> None:
    finding = checks.clock(fake.host(clock=lambda: 1000 + ahead), 1000)
    assert finding.status == status
    assert f"{ahead:+.1f} s" in finding.observed
    assert "no time service runs yet" in finding.observed


def test_what_keeps_the_clock(fake: FakeHost) -> None:
    fake.process(5, "chronyd")
    assert "kept by chronyd" in checks.clock(fake.host(), 1000).observed


def test_this_very_host() -> None:
    """The real seams, on whatever runs the tests."""
    real = host.Host()
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert real.listeners()[server.getsockname()[1]]
    assert "127.0.0.1" in real.addresses()
    assert "127.0.0.1" in real.resolve("localhost")
    assert real.memory() > 0
    lies_on = real.file_system("/nowhere/at/all")
    assert (lies_on.mount, lies_on.device) == ("/", os.stat("/").st_dev)
    assert lies_on.free > 0


def test_a_licence_that_is_missing_is_named_and_refuses_nothing(fake: FakeHost) -> None:
    fake.write("etc/voice.lic", "F=voice\n")
    assert checks.licence_files(fake.host(), ["/etc/voice.lic"]).status == "pass"
    found = checks.licence_files(fake.host(), ["/etc/voice.lic", "/etc/fax.lic", "/etc"])
    assert (found.id, found.status, found.observed) == ("licence.files", "warn", "not there: /etc/fax.lic, /etc")
    assert found.remedy and found.owner == "sales"

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What name servers answer: by real packets from the lab's server, and what is made of it."""

from __future__ import annotations

import socket
import typing as t

import dns.rcode
import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.plugin_utils import name_service
from ansible_collections.boxlift.portal.plugins.plugin_utils.name_service import Answer, Server, ask, judge, server_of
from lab.name_server import NameServer

NAME, OLD, NEW = "portal.example.com", "192.0.2.80", "203.0.113.10"


def of(server: NameServer, name: str = NAME) -> Answer:
    return ask(name, Server("127.0.0.1", server.port))


def judged(*answers: Answer, expected: t.Collection[str] = ()) -> dict[str, Finding]:
    return {each.id: each for each in judge(NAME, answers, 300, expected)}


def test_a_server_that_holds_the_zone_tells_what_is_set() -> None:
    with NameServer(NAME, OLD, 3600) as server:
        said = of(server)
        assert (said.addresses, said.ttl, said.authoritative, said.problem) == ((OLD,), 3600, True, "")
        found = judged(said)["name.ttl"]
        assert found.status == "fail" and f"127.0.0.1#{server.port} tells 3600 s" in found.observed
        server.ttl = 300
        assert judged(of(server))["name.ttl"].status == "pass"


def test_what_is_left_in_a_memory_proves_no_low_ttl() -> None:
    with NameServer(NAME, OLD, 20, authoritative=False) as server:
        assert judged(of(server))["name.ttl"].status == "unknown"
        server.ttl = 301
        assert judged(of(server))["name.ttl"].status == "fail"


def test_every_server_must_lead_to_the_new_portal() -> None:
    with NameServer(NAME, NEW, 300) as zone, NameServer(NAME, OLD, 120, authoritative=False) as slow:
        found = judged(of(zone), of(slow), expected=[NEW])["name.address"]
        assert found.status == "fail"
        assert f"127.0.0.1#{slow.port} still leads {NAME} to {OLD}, for 120 s at most" in found.observed
        assert str(zone.port) not in found.observed
        slow.address = NEW
        assert judged(of(zone), of(slow), expected=[NEW])["name.address"].status == "pass"
        zone.address = OLD
        assert "set so" in judged(of(zone), of(slow), expected=[NEW])["name.address"].observed


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_a_server_that_refuses_is_named_and_proves_nothing(rcode: dns.rcode.Rcode) -> None:
    with NameServer(NAME, NEW, 300) as good, NameServer(NAME, NEW, 300) as bad:
        bad.rcode = rcode
        found = judged(of(good), of(bad), expected=[NEW])["name.address"]
        assert found.status == "unknown" and dns.rcode.to_text(rcode) in found.observed
        assert judged(of(bad))["name.ttl"].status == "unknown"


def test_an_unknown_name_and_a_dead_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with NameServer(NAME, NEW, 300) as server:
        assert of(server, "other.example.com").problem == "it knows no address of the name"
    monkeypatch.setattr(name_service, "TIMEOUT", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        said = ask(NAME, Server("127.0.0.1", deaf.getsockname()[1]))
    assert said.addresses == () and "Timeout" in said.problem


def test_addresses_are_compared_as_addresses() -> None:
    same = Answer(Server("192.0.2.53"), ("2001:db8::10",), 60, True)
    assert judged(same, expected=["2001:DB8:0::10"])["name.address"].status == "pass"


@pytest.mark.parametrize("text", ["resolver.example.com", "192.0.2.53#dns", ""])
def test_a_resolver_is_an_address(text: str) -> None:
    with pytest.raises(BoxliftError, match="is no IP address"):
        server_of(text)


def test_servers_are_written_as_they_are_given() -> None:
    assert [str(server_of(each)) for each in ("192.0.2.53", "::1#5353")] == ["192.0.2.53", "::1#5353"]


def test_a_network_that_knows_no_zone_has_no_servers_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_service, "TIMEOUT", 0.5)
    with NameServer(NAME, NEW, 300) as server:
        assert name_service.servers_of_the_zone(NAME, [Server("127.0.0.1", server.port)]) == []


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_service, "HAS_DNSPYTHON", False)
    with pytest.raises(BoxliftError, match="no dnspython") as caught:
        name_service.demand_dnspython()
    assert "python3-dnspython" in (caught.value.remedy or "")

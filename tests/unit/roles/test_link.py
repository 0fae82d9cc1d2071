# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is linked with whom: what the role link makes of the inventory's groups."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.boxlift.portal.plugins.module_utils.health.checks import security_link
from ansible_collections.boxlift.portal.plugins.plugin_utils.firewall import openings
from ansible_collections.boxlift.portal.plugins.plugin_utils.preflight import inventory
from unit.plugins.playbook import REPOSITORY

ROLE = REPOSITORY / "roles" / "link"
#: Two web hosts, a push server, a host for database and cache, and the copy.
SITE = {
    "production": ["web1", "web2", "push", "db"],
    "preproduction": ["copy"],
    "web": ["copy", "web1", "web2"],
    "push": ["push"],
    "database": ["copy", "db"],
    "cache": ["copy", "db"],
}
ONE = {group: ["one"] for group in ("production", "web", "push", "database", "cache")}


class On:
    """The role's variables on one host."""

    def __init__(self, host: str, groups: dict[str, list[str]] | None = None, **given: t.Any) -> None:
        loader = DataLoader()
        variables: dict[str, t.Any] = {}
        for place in ("defaults", "vars"):
            variables |= loader.load_from_file(str(ROLE / place / "main.yml"), trusted_as_template=True)
        variables |= {
            "ansible_facts": {"distribution": "Debian", "distribution_major_version": "13"},
            "ansible_check_mode": False,
            "inventory_hostname": host,
            "groups": SITE if groups is None else groups,
            "site_database_host": "192.0.2.20",
            "site_cache_host": "192.0.2.21",
            "__link_seen": {"files": []},
        }
        self._templar = Templar(loader=loader, variables={**variables, **given})

    def value(self, name: str) -> t.Any:
        return self._templar.template(trust_as_template("{{ " + name + " }}"))

    def rendered(self, name: str) -> str:
        return str(self._templar.template(trust_as_template((ROLE / "templates" / name).read_text())))

    def services(self) -> dict[str, dict[str, list[str]]]:
        """The sections of stunnel's configuration, each with its settings."""
        _head, *sections = self.rendered("stunnel.conf.j2").split("\n[")
        found: dict[str, dict[str, list[str]]] = {}
        for section in sections:
            name, *lines = section.strip().splitlines()
            settings = found.setdefault(name.rstrip("]"), {})
            for line in lines:
                key, _equals, value = line.partition(" = ")
                settings.setdefault(key, []).append(value)
        return found

    def problems(self) -> list[str]:
        return [found["text"] for found in self.value("__link_problems") if found["found"]]


def test_a_web_host_uses_both() -> None:
    assert On("web1").services() == {
        "database": {
            "client": ["yes"],
            "accept": ["/run/mysqld/mysqld.sock"],
            "connect": ["192.0.2.20:3307"],
            "checkHost": ["db"],
        },
        "cache": {
            "client": ["yes"],
            "accept": ["/run/redis/redis-server.sock"],
            "connect": ["192.0.2.21:6380"],
            "checkHost": ["db"],
        },
    }


def test_the_push_server_uses_the_cache_alone() -> None:
    assert list(On("push").services()) == ["cache"]


def test_a_server_lets_in_the_clients_of_each_service() -> None:
    found = On("db").services()
    assert found["database"] == {
        "accept": ["192.0.2.20:3307"],
        "connect": ["/run/mysqld/mysqld.sock"],
        "checkHost": ["web1", "web2"],
    }
    assert found["cache"]["checkHost"] == ["push", "web1", "web2"]


@pytest.mark.parametrize(("host", "groups"), [("one", ONE), ("copy", SITE), ("web1", {"production": ["web1"]})])
def test_who_needs_no_link(host: str, groups: dict[str, list[str]]) -> None:
    on = On(host, groups)
    assert not on.value("__link_here")
    assert on.problems() == []
    # Ansible wants to know where a task goes before it sees that it is skipped.
    assert on.value("__link_authority_host")


def test_a_cache_beside_its_web_host_and_for_the_push_server() -> None:
    """A host may have both ends."""
    groups = {**SITE, "production": ["web1", "push", "db"], "web": ["web1"], "cache": ["web1"]}
    found = On("web1", groups).services()
    assert found["cache"]["checkHost"] == ["push"] and "client" not in found["cache"]
    assert found["database"]["client"] == ["yes"]


def test_several_cache_hosts_need_certificates_and_no_link() -> None:
    groups = {**SITE, "production": [*SITE["production"], "c1", "c2", "c3"], "cache": ["c1", "c2", "c3"]}
    assert list(On("web1", groups).services()) == ["database"] and not On("push", groups).value("__link_here")
    assert all(On(host, groups).value("__link_certified") for host in ("push", "c1", "web1"))


@pytest.mark.parametrize("host", ["web1", "db", "push"])
def test_sockets_and_services_stand_in_the_same_order(host: str) -> None:
    """stunnel takes the first socket that systemd hands over for its first service, and so on."""
    on = On(host)
    opened = re.findall(r"^ListenStream=(.+)$", on.rendered("link.socket.j2"), re.MULTILINE)
    assert opened == [service["accept"][0] for service in on.services().values()]


def test_one_host_has_the_authority() -> None:
    assert {host: On(host).value("__link_is_authority") for host in SITE["production"]} == {
        "web1": False,
        "web2": False,
        "push": False,
        "db": True,
    }


def test_the_ports_are_those_that_firewall_and_preflight_know() -> None:
    ports = {service["name"]: service["port"] for service in On("db").value("__link_services")}
    assert ports == inventory.LINKS
    known = [each for each in openings.SERVICES if each.group in ports and each.group not in each.clients]
    assert {each.group: int(each.ports({})) for each in known if each.ports({})} == ports


@pytest.mark.parametrize("replicated", [False, True])
def test_database_hosts_lend_their_servers_where_copies_are_made(replicated: bool) -> None:
    def of(host: str, **given: t.Any) -> dict[str, t.Any]:
        return (on_replicated(host, "db1", **given) if replicated else On(host, **given)).services()

    host, name, address = ("db1", "lend_db1", "192.0.2.31") if replicated else ("db", "lend", "192.0.2.20")
    lent = of(host, site_backup_password="canary")[name]
    (opening,) = [each for each in openings.SERVICES if each.ports({"site_backup_password": "x"}) == "3309"]
    assert lent["accept"] == [f"{address}:{opening.ports({'site_backup_password': 'x'})}"]
    assert (lent["connect"], lent["checkHost"]) == (["/run/boxlift-lend.sock"], ["web1", "web2"])
    # The host that copies shows its certificate itself: no account of the portal gets to a socket.
    assert not [each for each in of("web1", site_backup_password="canary") if each.startswith("lend")]
    assert name not in of(host) and name not in of(host, site_backup_password="")


def test_the_check_reads_what_the_role_writes() -> None:
    text = On("web1").rendered("stunnel.conf.j2")
    assert [found.groupdict() for found in security_link.USED.finditer(text)] == [
        {"service": "database", "address": "192.0.2.20", "port": "3307", "name": "db"},
        {"service": "cache", "address": "192.0.2.21", "port": "6380", "name": "db"},
    ]
    assert not security_link.USED.search(On("db").rendered("stunnel.conf.j2"))


def test_a_service_of_the_site_s_own() -> None:
    given = {"name": "replica", "server": "db", "address": "192.0.2.22", "port": 3308, "clients": ["web1"]}
    services = [{**given, "socket": "/run/replica/mysqld.sock"}]
    assert On("web1", link_services=services).services()["replica"]["connect"] == ["192.0.2.22:3308"]
    assert not On("web2", link_services=services).value("__link_here")


def test_what_is_refused() -> None:
    assert "The cache of this site has a host of its own" in On("push", site_cache_host="").problems()[0]
    assert On("web1").problems() == []
    running = {"files": [{"path": "/run/mysqld/mysqld.pid"}, {"path": "/etc/systemd/system/boxlift-link.socket"}]}
    (text,) = On("web1", __link_seen=running).problems()
    assert text.startswith("In /run/mysqld a server of this host listens")
    assert On("db", __link_seen=running).problems() == []
    (text,) = On("wéb", {**SITE, "production": ["wéb", "db"], "web": ["wéb"]}).problems()
    assert text.startswith("A certificate cannot name the host wéb.")


#: Two database hosts: the primary is what the live servers say, and not the first one of the inventory.
REPLICATED = {
    "production": ["web1", "web2", "db1", "db2", "push"],
    "web": ["web1", "web2"],
    "database": ["db1", "db2"],
    "cache": ["db1"],
    "push": ["push"],
}
ADDRESSES = {
    "db1": {"ansible_host": "192.0.2.31"},
    "db2": {"ansible_host": "db2.example", "site_address": "192.0.2.32"},
}


def on_replicated(host: str, primary: str = "db2", **given: t.Any) -> On:
    live = {"primary": primary, "problem": "Nobody takes writes."}
    return On(host, REPLICATED, **{"database_live": live, "hostvars": ADDRESSES, **given})


def test_a_web_host_is_led_to_the_live_primary_alone() -> None:
    found = on_replicated("web1").services()
    assert list(found) == ["database", "cache"]
    assert found["database"] == {
        "client": ["yes"],
        "accept": ["/run/mysqld/mysqld.sock"],
        "connect": ["192.0.2.32:3307"],
        "checkHost": ["db2"],
    }
    assert on_replicated("web1", "db1").services()["database"]["connect"] == ["192.0.2.31:3307"]


@pytest.mark.parametrize(
    ("host", "other", "address", "port"), [("db1", "db2", ".31", 3312), ("db2", "db1", ".32", 3311)]
)
def test_each_database_host_is_server_and_client(host: str, other: str, address: str, port: int) -> None:
    """A failover changes the web hosts' ends alone."""
    seen = [on_replicated(host, primary).services() for primary in ("db1", "db2")]
    assert seen[0] == seen[1]
    found = seen[0]
    assert found[f"database_{host}"] == {
        "accept": [f"192.0.2{address}:3307"],
        "connect": ["/run/mysqld/mysqld.sock"],
        "checkHost": sorted([other, "web1", "web2"]),
    }
    assert found[f"seed_{host}"] == {
        "accept": [f"192.0.2{address}:3308"],
        "connect": ["/run/boxlift-seed.sock"],
        "checkHost": [other],
    }
    assert found[f"database_{other}"]["accept"] == [f"127.0.0.1:{port}"]
    assert found[f"database_{other}"]["checkHost"] == [other]
    assert f"seed_{other}" not in found


@pytest.mark.parametrize("host", ["web1", "db1", "db2", "push"])
def test_their_sockets_and_services_stand_in_the_same_order(host: str) -> None:
    on = on_replicated(host)
    opened = re.findall(r"^ListenStream=(.+)$", on.rendered("link.socket.j2"), re.MULTILINE)
    assert opened == [service["accept"][0] for service in on.services().values()]


def test_its_own_server_is_no_obstacle_to_a_database_host() -> None:
    running = {"files": [{"path": "/run/mysqld/mysqld.pid"}]}
    assert on_replicated("db1", __link_seen=running).problems() == []
    assert on_replicated("web1", __link_seen=running).problems()[0].startswith("In /run/mysqld a server")


def test_web_hosts_wait_for_a_primary_and_database_hosts_need_none() -> None:
    (text,) = on_replicated("web1", primary="").problems()
    assert text.endswith("so the web hosts would have no database. Nobody takes writes.")
    assert on_replicated("db1", primary="").problems() == []


def asked(**there: bool | None) -> dict[str, t.Any]:
    """What the hosts said of the authority's key; None: no answer."""
    return {
        "results": [
            {"__link_item": host, **({"unreachable": True} if exists is None else {"stat": {"exists": exists}})}
            for host, exists in there.items()
        ]
    }


@pytest.mark.parametrize(
    ("seen", "host", "lost"),
    [
        (asked(db1=False, db2=False), "db1", False),  # a new site
        (asked(db1=False, db2=True), "db2", False),
        (asked(db1=None, db2=True), "db2", False),
        (asked(db1=None, db2=False), "db1", True),
    ],
)
def test_the_authority_is_found_again_whoever_is_the_primary(seen: dict[str, t.Any], host: str, lost: bool) -> None:
    for primary in ("db1", "db2"):
        on = on_replicated("web1", primary, __link_authority_seen=seen)
        assert (on.value("__link_authority_host"), on.value("__link_authority_lost")) == (host, lost)


def test_without_the_authority_a_host_keeps_its_certificate_and_gets_no_new_one() -> None:
    seen = asked(db1=None, db2=False)
    there = on_replicated("web1", __link_authority_seen=seen, __link_own={"stat": {"exists": True}})
    assert there.problems() == []
    (text,) = on_replicated("web1", __link_authority_seen=seen, __link_own={"stat": {"exists": False}}).problems()
    assert text.startswith("web1 needs a certificate, and db1, which may have")
    (two,) = on_replicated("web1", __link_authority_seen=asked(db1=True, db2=True)).problems()
    assert two.startswith("db1 and db2 have an authority each.")


def test_every_host_of_such_a_site_has_a_certificate() -> None:
    assert all(on_replicated(host).value("__link_certified") for host in REPLICATED["production"])
    assert not On("one", ONE).value("__link_certified")


def test_hosts_that_are_web_hosts_too_are_sites_of_their_own() -> None:
    groups = {**REPLICATED, "web": ["web1", "db2"]}
    live = {"primary": "db1", "problem": ""}
    services = On("web1", groups, database_live=live, hostvars=ADDRESSES).value("__link_of_groups")
    assert [each["name"] for each in services if each["name"].startswith("seed")] == []

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.filter.firewall_openings import firewall_openings
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.firewall import openings

ALL = {"production", "web", "database", "cache", "search", "push"}
#: A site of several hosts, and its copy.
SITE: dict[str, tuple[set[str], dict[str, t.Any]]] = {
    "web1": ({"production", "web"}, {"ansible_host": "192.0.2.10"}),
    "web2": ({"production", "web"}, {"ansible_host": "web2.example.com", "site_addresses": ["10.0.0.12", "fd00::12"]}),
    "db": ({"production", "database", "cache"}, {"ansible_host": "192.0.2.20"}),
    "push": ({"production", "push", "search"}, {"ansible_host": "192.0.2.30", "push_server_publishers": 1}),
    "copy": ({"preproduction", "web", "database", "cache"}, {"ansible_host": "192.0.2.99"}),
}


def let_in(
    name: str,
    site: dict[str, tuple[set[str], dict[str, t.Any]]] | None = None,
    administrators: t.Any = ("198.51.100.0/24",),
    further: t.Any = (),
) -> dict[str, list[str]]:
    """Ports → who may come."""
    hosts = [openings.Host(host, frozenset(groups), given) for host, (groups, given) in (site or SITE).items()]
    found = openings.openings(hosts, name, 22, administrators, further)
    assert [each.ports for each in found] == list(dict.fromkeys(each.ports for each in found))
    return {each.ports: [str(network) for network in each.sources] for each in found}


def test_one_host_opens_nothing_but_the_portal() -> None:
    site = {"portal": (ALL, {"ansible_host": "192.0.2.10"})}
    assert let_in("portal", site) == {"22": ["198.51.100.0/24"], "80": [], "443": []}


def test_each_host_of_a_larger_site() -> None:
    ssh = {"22": ["192.0.2.99/32", "198.51.100.0/24"]}
    webs = ["10.0.0.12/32", "192.0.2.10/32", "fd00::12/128"]
    assert let_in("web1") == {**ssh, "80": [], "443": []}
    assert let_in("db") == {**ssh, "3307": webs, "6380": ["10.0.0.12/32", "192.0.2.10/32", "192.0.2.30/32", webs[2]]}
    assert let_in("push") == {**ssh, "9306": webs, "8010-8015": webs, "9010": webs}


def test_cache_hosts_speak_to_each_other_and_to_their_clients() -> None:
    caches = {
        f"c{n}": ({"production", "cache"}, {"ansible_host": f"c{n}", "site_address": f"10.0.0.2{n}"}) for n in (1, 2, 3)
    }
    site = {**{name: of for name, of in SITE.items() if name != "db"}, **caches}
    fellows, webs = ["10.0.0.22/31"], ["10.0.0.12/32", "192.0.2.10/32"]
    found = let_in("c1", site)
    assert found["6381"] == found["26379"] == [webs[0], *fellows, webs[1], "fd00::12/128"]
    assert found["6380"] == [webs[0], *fellows, webs[1], "192.0.2.30/32", "fd00::12/128"]
    assert set(found) == {"22", "6380", "6381", "26379"}


def test_storage_hosts_speak_to_each_other_and_to_the_web_hosts() -> None:
    kind = {"storage_kind": "glusterfs"}
    keepers = {f"s{n}": ({"production", "storage"}, {"ansible_host": f"10.0.0.3{n}", **kind}) for n in (1, 2, 3)}
    found = let_in("s1", {**SITE, **keepers})
    assert found["24007"] == found["49152-49215"] == ["10.0.0.12/32", "10.0.0.32/31", "192.0.2.10/32", "fd00::12/128"]
    # A group of this name may be the site's own.
    kind["storage_kind"] = "nfs"
    others = {name: (of, {**given, **kind}) for name, (of, given) in keepers.items()}
    assert set(let_in("s1", {**SITE, **others})) == {"22"}


def test_the_copy_speaks_to_production_by_ssh_alone() -> None:
    rules = let_in("db")
    assert [ports for ports, sources in rules.items() if "192.0.2.99/32" in sources] == ["22"]


def test_production_s_database_and_cache_are_no_fellows_of_the_copy_s() -> None:
    found = let_in("copy")
    assert not set(found) & {"3307-3308", "6381", "26379"} and "192.0.2.20/32" not in found["6380"]


def test_the_host_of_the_backups_lets_the_portal_in() -> None:
    site = {**SITE, "keeper": ({"production", "backup_repository"}, {"ansible_host": "192.0.2.50"})}
    assert let_in("keeper", site) == {
        "22": ["10.0.0.12/32", "192.0.2.10/32", "192.0.2.99/32", "198.51.100.0/24", "fd00::12/128"]
    }


WATCHER = {"watcher": ({"monitoring"}, {"ansible_host": "192.0.2.50"})}


def test_the_host_that_watches_gets_to_the_figures_alone() -> None:
    site = {**SITE, **WATCHER}
    assert {name: let_in(name, site).get("9443") for name in site} == {
        **dict.fromkeys(("web1", "web2", "db", "push"), ["192.0.2.50/32"]),
        "copy": None,
        "watcher": None,
    }
    assert [ports for ports, sources in let_in("db", site).items() if "192.0.2.50/32" in sources] == ["9443"]


def test_a_prometheus_of_the_sites_own() -> None:
    given = {"ansible_host": "192.0.2.10", "site_monitoring_from": ["203.0.113.0/28"], "monitoring_port": 9555}
    assert let_in("portal", {"portal": (ALL, given), **WATCHER})["9555"] == ["192.0.2.50/32", "203.0.113.0/28"]
    given["monitoring_scrape_from"] = []
    assert "9555" not in let_in("portal", {"portal": (ALL, given)})
    given["monitoring_scrape_from"] = ["prometheus.example.com"]
    with pytest.raises(BoxliftError, match="monitoring_scrape_from"):
        let_in("portal", {"portal": (ALL, given)})


def watching(groups: t.AbstractSet[str] = frozenset({"monitoring"}), **given: t.Any) -> dict[str, list[str]]:
    return let_in("watcher", {"watcher": ({*groups}, {"ansible_host": "192.0.2.50", **given})})


def test_the_status_page_of_a_host_without_the_portal() -> None:
    assert "9444" not in watching()
    assert watching(site_status_networks=["10.1.0.0/16"])["9444"] == ["10.1.0.0/16"]
    # A password opens it from anywhere.
    assert watching(site_status_networks=["10.1.0.0/16"], site_status_passwords={"anna": "x"})["9444"] == []
    own = {"monitoring_page_networks": ["10.2.0.7"], "monitoring_page_port": 8443, "monitoring_page_passwords": {}}
    assert watching(**own, site_status_passwords={"anna": "x"})["8443"] == ["10.2.0.7/32"]
    assert "9444" not in watching({"monitoring", "production", "web"}, site_status_passwords={"anna": "x"})
    assert "9444" in watching({"monitoring", "production", "database"}, site_status_passwords={"anna": "x"})
    with pytest.raises(BoxliftError, match="site_status_networks"):
        watching(site_status_networks=["office"])


def pbx(**given: t.Any) -> dict[str, list[str]]:
    return let_in("pbx", {"pbx": ({"production", "telephony"}, {"ansible_host": "192.0.2.40", **given})})


def test_a_telephony_server_lets_in_carriers_and_audio() -> None:
    ssh = {"22": ["198.51.100.0/24"]}
    own = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
    assert pbx() == {**ssh, "5060": own, "10000-20000": []}
    trunks = [{"name": "a", "addresses": ["203.0.113.5"]}, {"name": "b"}]
    rules = pbx(telephony_trunks=trunks, telephony_local_networks=["10.1.0.0/16"], telephony_udp_port=5062)
    assert rules == {**ssh, "5062": ["10.1.0.0/16", "203.0.113.5/32"], "10000-20000": []}
    # Nobody is not everybody.
    assert pbx(telephony_local_networks=[]) == {**ssh, "10000-20000": []}


def test_with_a_certificate_phones_come_from_everywhere() -> None:
    rules = pbx(
        telephony_certificate_file="/etc/ssl/portal/fullchain.pem", telephony_wss_port=8090, telephony_rtp_last=12000
    )
    assert {ports for ports, sources in rules.items() if sources == []} == {"10000-12000", "5061", "8090"}


def test_a_carrier_that_is_no_address() -> None:
    with pytest.raises(BoxliftError, match="addresses of the trunk a"):
        pbx(telephony_trunks=[{"name": "a", "addresses": ["sip.example.com"]}])


def test_ssh_is_open_where_nobody_says_for_whom() -> None:
    assert let_in("db", administrators=[])["22"] == []


def test_a_peer_with_a_name_only() -> None:
    site = {**SITE, "web2": (SITE["web2"][0], {"ansible_host": "web2.example.com"})}
    with pytest.raises(BoxliftError, match="web2 has no address in the inventory") as refused:
        let_in("db", site)
    assert refused.value.remedy.startswith("Set site_addresses for web2")
    # Those to whom it does not speak do not need it.
    assert "80" in let_in("web2", site)


def test_further_openings() -> None:
    rtp = {"port": "10000-20000", "protocol": "udp", "from": ["192.0.2.0/25"], "reason": "calls"}
    found = let_in("web1", further=[rtp, {"port": 9100, "reason": "monitoring"}])
    assert (found["10000-20000"], found["9100"]) == (["192.0.2.0/25"], [])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"port": 80}, "Each entry needs port and reason"),
        ({"port": 80, "reason": ""}, "Each entry needs port and reason"),
        ({"port": 80, "reason": "x", "form": []}, "Each entry needs port and reason"),
        ({"port": "http", "reason": "x"}, "tcp port 'http'"),
        ({"port": "20-10", "reason": "x"}, "tcp port '20-10'"),
        ({"port": "10-x", "reason": "x"}, "tcp port '10-x'"),
        ({"port": 70000, "reason": "x"}, "tcp port '70000'"),
        ({"port": 0, "reason": "x"}, "tcp port '0'"),
        ({"port": 80, "reason": "x", "protocol": "icmp"}, "icmp port '80'"),
        ({"port": 80, "reason": "x", "from": "192.0.2.1"}, "hardening_open is no list"),
        ({"port": 80, "reason": "x", "from": ["office"]}, "hardening_open: 'office'"),
    ],
)
def test_a_wrong_further_opening(wrong: dict[str, t.Any], message: str) -> None:
    with pytest.raises(BoxliftError) as refused:
        let_in("web1", further=[wrong])
    assert message in f"{refused.value.message} {refused.value.remedy}"


def of_filter(**options: t.Any) -> dict[str, t.Any]:
    groups: dict[str, list[str]] = {}
    for host, (of, _given) in SITE.items():
        for group in of:
            groups.setdefault(group, []).append(host)
    return firewall_openings({host: given for host, (_of, given) in SITE.items()}, groups, "db", **options)


@pytest.mark.parametrize("controller", ["198.51.100.7", "::ffff:198.51.100.7", "192.0.2.99"])
def test_ansible_is_let_in(controller: str) -> None:
    found = of_filter(administrators=["198.51.100.0/24"], controller=controller)
    assert found["problem"] == "" and [each["ports"] for each in found["openings"]] == ["22", "3307", "6380"]


@pytest.mark.parametrize("controller", ["203.0.113.7", "2001:db8::7"])
def test_ansible_would_lock_itself_out(controller: str) -> None:
    found = of_filter(administrators=["198.51.100.0/24"], controller=controller)
    assert found == {
        "openings": [],
        "problem": f"Ansible comes to db from {controller}, and site_admin_addresses lets in 192.0.2.99/32, "
        f"198.51.100.0/24: it would lock itself out. Add {controller}, or its network, to site_admin_addresses. "
        "Nothing was changed.",
    }


def test_everyone_is_let_in_where_the_list_is_empty() -> None:
    assert of_filter(controller="203.0.113.7")["problem"] == ""


@pytest.mark.parametrize(
    ("given", "message"), [("192.0.2.0/24", "site_admin_addresses is no list"), (["192.0.2.1/24"], "has host bits set")]
)
def test_administrators_that_are_no_networks(given: t.Any, message: str) -> None:
    assert message in of_filter(administrators=given)["problem"]


#: SITE behind two balancers.
BALANCED = {
    **SITE,
    "edge1": ({"production", "balancer"}, {"ansible_host": "edge1.example.com", "site_address": "192.0.2.2"}),
    "edge2": ({"production", "balancer"}, {"ansible_host": "192.0.2.3"}),
}


def test_behind_balancers_a_web_host_is_for_these_alone() -> None:
    edges = ["192.0.2.2/31"]
    assert let_in("web1", BALANCED) == {
        # The other web host has its code from here, or the other way.
        **{"22": ["10.0.0.12/32", "192.0.2.99/32", "198.51.100.0/24", "fd00::12/128"], "80": edges},
        "443": ["10.0.0.12/32", "192.0.2.2/31", "fd00::12/128"],
    }
    # The copy has no balancer.
    assert let_in("copy", BALANCED)["443"] == []


def test_a_balancer_is_for_everyone_and_speaks_with_the_other_one() -> None:
    rules = let_in("edge1", BALANCED)
    assert (rules["80"], rules["443"]) == ([], [])
    assert rules["8405"] == ["10.0.0.12/32", "192.0.2.3/32", "192.0.2.10/32", "fd00::12/128"]
    hosts = [openings.Host(host, frozenset(groups), given) for host, (groups, given) in BALANCED.items()]
    vrrp = openings.openings(hosts, "edge1", 22, [], [])[-1]
    assert (vrrp.protocol, vrrp.ports, [str(each) for each in vrrp.sources]) == ("vrrp", "", ["192.0.2.3/32"])


def test_one_balancer_knows_no_other_one() -> None:
    alone = {name: of for name, of in BALANCED.items() if name != "edge2"}
    assert "" not in let_in("edge1", alone)


def test_several_database_hosts_let_each_other_in() -> None:
    second = {"db2": ({"production", "database"}, {"ansible_host": "192.0.2.21"})}
    rules = let_in("db", {**SITE, **second})
    assert rules["3307-3308"] == ["192.0.2.21/32"]
    assert "192.0.2.21/32" not in rules["3307"]
    assert "3307-3308" not in let_in("db")

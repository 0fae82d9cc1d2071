# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of one host stays as it is; three hosts, and the way to their master."""

from __future__ import annotations

import hashlib
import re
import typing as t

import pytest
import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.health.checks import cluster_cache
from ansible_collections.boxlift.portal.plugins.plugin_utils.firewall import openings
from ansible_collections.boxlift.portal.plugins.plugin_utils.preflight import inventory
from unit.plugins.playbook import REPOSITORY
from unit.roles import rendering

ROLE = REPOSITORY / "roles" / "cache"
SECRET = "canary0123456789canary0123456789"
ADDRESSES = {"c1": "192.0.2.21", "c2": "192.0.2.22", "c3": "fd00::23", "web": "192.0.2.10"}
GROUPS = {"production": ["c1", "c2", "c3", "web"], "cache": ["copy", "c1", "c2", "c3"], "web": ["web"]}
ONE = {"production": ["c1", "web"], "cache": ["copy", "c1"], "web": ["web"]}


def rendered(template: str, host: str = "c1", **given: t.Any) -> t.Any:
    site: dict[str, t.Any] = {
        "ansible_facts": {"distribution": "Debian", "distribution_major_version": "13", "memtotal_mb": 4096},
        "ansible_check_mode": False,
        "inventory_hostname": host,
        "groups": GROUPS,
        "hostvars": {name: {"ansible_host": address} for name, address in ADDRESSES.items()},
        "ansible_play_hosts_all": ["c1", "c2", "c3"],
        "cache_cluster_password": SECRET,
        "cache_password": "",
        "__cache_certificate_there": {"stat": {"exists": True, "checksum": "abc"}},
    }
    return rendering.rendered(ROLE, template, {**site, **given})


def written(name: str, host: str = "c1", **given: t.Any) -> str:
    return str(rendered((ROLE / "templates" / name).read_text(), host, **given))


def instance(number: int, **given: t.Any) -> t.Any:
    return rendered("{{ __cache_instances }}", **given)[number]


def settings(text: str) -> dict[str, str]:
    return dict(line.partition(" ")[::2] for line in text.splitlines() if line and not line.startswith("#"))


def problems(host: str = "c1", **given: t.Any) -> list[str]:
    found = rendered("{{ __cache_problems | selectattr('found') | map(attribute='text') | list }}", host, **given)
    assert SECRET not in str(found)
    return [str(text) for text in found]


@pytest.mark.parametrize(
    ("host", "groups"),
    [("c1", ONE), ("c1", {**ONE, "production": ["c1"]}), ("copy", GROUPS), ("c1", {"production": ["c1"]})],
)
def test_one_cache_host_has_what_it_had(host: str, groups: dict[str, list[str]]) -> None:
    """Written by the release before. Whoever changes these on purpose changes the sums."""
    sums = {
        name: hashlib.sha256(written(name, host, groups=groups).encode()).hexdigest()[:16]
        for name in ("portal.conf.j2", "service.conf.j2")
    }
    assert sums == {"portal.conf.j2": "a541cd437764f29b", "service.conf.j2": "674fee2a6474629d"}
    assert not rendered("{{ __cache_is_member }}", host, groups=groups)
    assert problems(host, groups=groups, cache_cluster_password="") == []


def test_each_host_runs_the_files_of_its_kind() -> None:
    tasks = yaml.safe_load((ROLE / "tasks/main.yml").read_text())
    kinds = {task["ansible.builtin.import_tasks"]: str(task.get("when", "")) for task in tasks}
    for name, condition in kinds.items():
        if name != "preflight.yml":
            assert ("not __cache_is_member" in condition) == (not name.startswith("cluster_")), name


def test_sessions_are_kept_and_the_cache_may_go() -> None:
    sessions, cache = (settings(written("cluster.conf.j2", instance=instance(number))) for number in (0, 1))
    assert (sessions["maxmemory-policy"], sessions["appendonly"], sessions["tls-port"]) == ("noeviction", "yes", "6380")
    assert (cache["maxmemory-policy"], cache["appendonly"], cache["tls-port"]) == ("allkeys-lru", "no", "6381")
    assert sessions["maxmemory"] == cache["maxmemory"] == "512mb"
    assert instance(0, cache_sessions_memory_mb="100")["memory"] == 100


@pytest.mark.parametrize("number", [0, 1])
def test_nothing_between_hosts_is_plain(number: int) -> None:
    found = settings(written("cluster.conf.j2", instance=instance(number)))
    assert (found["port"], found["tls-auth-clients"], found["tls-replication"]) == ("0", "yes", "yes")
    assert (found["bind"], found["replica-announce-ip"]) == ("192.0.2.21", "192.0.2.21")
    assert (found["min-replicas-to-write"], found["min-replicas-max-lag"]) == ("1", "10")
    sentinel = settings(written("sentinel.conf.j2"))
    assert (sentinel["port"], sentinel["tls-auth-clients"], sentinel["tls-replication"]) == ("0", "yes", "yes")


def test_sentinel_watches_both_as_the_site_wants_it() -> None:
    text = written("sentinel.conf.j2")
    for name in ("sessions", "cache"):
        assert f"sentinel down-after-milliseconds {name} 5000\n" in text
        assert f"sentinel failover-timeout {name} 15000\n" in text
        assert re.search(rf"^sentinel auth-pass {name} [0-9a-f]{{64}}$", text, re.MULTILINE)
    assert "monitor" not in text, "that stands in the file which Sentinel writes anew"


def test_accounts_may_do_what_they_are_for() -> None:
    lines = (written("cluster.acl.j2") + written("sentinel.acl.j2")).splitlines()
    assert all(re.match(r"user \w+ reset (on|off)\b", line) for line in lines), "an ACL file has no comments"
    rights = {line.split()[1]: line for line in written("cluster.acl.j2").splitlines()}
    assert "~" not in rights["replication"] + rights["sentinel"] + rights["monitoring"], "no keys"
    assert "+@" not in rights["replication"] + rights["sentinel"] + rights["monitoring"]
    assert "-@admin" in rights["default"] and " nopass " in rights["default"]
    assert " nopass " not in written("cluster.acl.j2", cache_password="x").splitlines()[0]
    assert written("sentinel.acl.j2").splitlines()[0] == "user default reset off"


def test_each_account_has_a_password_of_its_own_and_nobody_the_secret() -> None:
    names = ("cluster.acl.j2", "sentinel.acl.j2", "sentinel.conf.j2", "cluster.conf.j2", "cache-link.cfg.j2")
    text = "".join(written(name, instance=instance(0)) for name in names)
    assert SECRET not in text and SECRET not in str(rendered("{{ __cache_services }}"))
    derived = {rendered("{{ __cache_" + name + "_password }}") for name in ("replication", "sentinel", "operator")}
    assert len(derived) == 3
    # An account's own file has the sum, whoever logs in by it the password.
    assert not any(password in written("cluster.acl.j2") + written("sentinel.acl.j2") for password in derived)
    assert not any(password in written("cache-link.cfg.j2") for password in derived)


def test_the_check_and_the_firewall_read_what_the_role_writes() -> None:
    places = cluster_cache.places_of(written("cache-link.cfg.j2", "web"))
    assert [tuple(place) for place in places if place.host == "c3"] == [
        ("sessions", "c3", "fd00::23", 6380),
        ("cache", "c3", "fd00::23", 6381),
        ("sentinel", "c3", "fd00::23", 26379),
    ]
    assert len(places) == 9
    ports = [int(service.ports({})) for service in openings.CACHE_SERVICES]
    assert sorted(ports) == sorted({place.port for place in places}) == sorted(inventory.CACHE_PORTS)


def test_the_way_asks_for_a_master_that_takes_writes_and_proves_its_name() -> None:
    text = written("cache-link.cfg.j2", "web")
    assert text.count(" verifyhost ") == text.count("    server ") == 6
    assert "on-marked-down shutdown-sessions" in text and " verify required" in text
    assert "expect string role:master\n" in text and "expect ! string min_slaves_good_slaves:0\n" in text
    assert re.findall(r"bind unix@(\S+) mode 660", text) == [
        "/run/redis/redis-server.sock",
        "/run/redis/redis-cache.sock",
    ]


def test_a_new_certificate_changes_what_must_be_restarted() -> None:
    new = {"__cache_certificate_there": {"stat": {"exists": True, "checksum": "new"}}}
    for name in ("cluster.conf.j2", "sentinel.conf.j2", "cache-link.cfg.j2"):
        assert written(name, instance=instance(0)) != written(name, instance=instance(0), **new), name


def asked(masters: dict[str, dict[str, str]], noted: t.Collection[str] = ()) -> dict[str, list[str]]:
    """Who the role takes for the master where the hosts of this run answer so; `noted` have files already."""
    live = {
        host: {
            **({"__cache_live": {"masters": masters[host]}} if host in masters else {}),
            "__cache_notes_seen": {"matched": int(host in noted)},
            "ansible_host": ADDRESSES[host],
        }
        for host in ("c1", "c2", "c3")
    }
    return t.cast("dict[str, list[str]]", rendered("{{ __cache_masters }}", hostvars=live))


def test_the_inventory_decides_on_a_virgin_site_alone() -> None:
    silent: dict[str, dict[str, str]] = {host: {} for host in ("c1", "c2", "c3")}
    assert asked(silent) == {"sessions": ["192.0.2.21"], "cache": ["192.0.2.21"]}
    assert asked(silent, noted=["c2"]) == {"sessions": [], "cache": []}
    said = {"sessions": "192.0.2.22", "cache": "192.0.2.21"}
    assert asked({**silent, "c2": said, "c3": said}, noted=["c2", "c3"]) == {
        "sessions": ["192.0.2.22"],
        "cache": ["192.0.2.21"],
    }
    other = {**said, "sessions": "fd00::23"}
    assert sorted(asked({"c2": said, "c3": other}, noted=["c2"])["sessions"]) == ["192.0.2.22", "fd00::23"]


def test_hosts_that_are_not_asked_may_know_a_master() -> None:
    text = "{{ __cache_virgin }}"
    nothing = {host: {"__cache_notes_seen": {"matched": 0}} for host in ("c1", "c2", "c3")}
    assert rendered(text, hostvars=nothing)
    assert not rendered(text, hostvars=nothing, ansible_play_hosts_all=["c1", "c2"])
    assert not rendered(text, hostvars={**nothing, "c3": {}}), "it could not be reached"


def test_what_is_refused() -> None:
    assert problems() == problems("web", cache_cluster_password="") == []
    (four,) = problems(groups={**GROUPS, "cache": ["c1", "c2", "c3", "web"]})
    assert four.startswith("The group cache has 4 hosts of production (c1, c2, c3, web). Give it one or three: three")
    assert problems(groups={**GROUPS, "cache": ["c1", "c2"]}) == [], "two are sites of their own, as in a lab"
    (weak,) = problems(cache_cluster_password="short")
    assert "openssl rand -hex 32" in weak
    (nameless,) = problems(hostvars={name: {} for name in ADDRESSES})
    assert "c1, c2, c3 is none. Set site_address" in nameless
    (bare,) = problems(__cache_certificate_there={"stat": {"exists": False}})
    assert "has no certificate of the site yet" in bare
    (running,) = problems("web", __cache_running={"stat": {"exists": True}})
    assert "a Redis of its own" in running
    assert problems("c1", __cache_running={"stat": {"exists": True}}) == [], "the role stops it there"

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use the volume that role gluster makes, by which addresses, and what it refuses."""

from __future__ import annotations

import typing as t
from pathlib import Path

import yaml
from ansible_collections.boxlift.portal.plugins.plugin_utils.firewall.openings import SERVICES
from unit.roles import rendering

ROLE = Path(__file__).resolve().parents[3] / "roles/gluster"
SITE: dict[str, t.Any] = {
    "ansible_check_mode": False,
    "ansible_facts": {"distribution": "Debian", "distribution_major_version": "12"},
    "groups": {
        "storage": ["s2", "s1", "s3", "copy"],
        "production": ["s1", "s2", "s3", "web1"],
        "web": ["web1", "copy"],
    },
    "hostvars": {"s1": {"ansible_host": "192.0.2.1"}, "s2": {"site_address": "10.0.0.2"}, "s3": {}},
    "inventory_hostname": "s1",
    "__gluster_certificate": {"stat": {"exists": True}},
}


def rendered(template: str, **given: t.Any) -> t.Any:
    return rendering.rendered(ROLE, template, {**SITE, **given})


def problems(**given: t.Any) -> list[str]:
    found = rendered("{{ __gluster_problems | selectattr('found') | map(attribute='text') | list }}", **given)
    return [" ".join(str(text).split()[:2]) for text in found]


def test_the_inventory_s_order_is_the_volume_s() -> None:
    assert rendered("{{ __gluster_addresses }}") == ["10.0.0.2", "192.0.2.1", "s3"]


def test_a_host_that_has_a_part_of_the_volume_speaks() -> None:
    """A new host in the place of the first one is known to nobody yet."""
    known = {"s2": False, "s1": True, "s3": True}
    hosts = {
        host: {"inventory_hostname": host, "__gluster_part": {"stat": {"exists": there}}}
        for host, there in known.items()
    }
    assert rendered("{{ __gluster_speaker | trim }}", hostvars=hosts) == "s1"
    # Nobody has one yet; one could not be asked.
    hosts["s1"]["__gluster_part"] = hosts["s3"]["__gluster_part"] = {"stat": {"exists": False}}
    assert rendered("{{ __gluster_speaker | trim }}", hostvars=hosts) == "s2"
    del hosts["s2"]["__gluster_part"]
    assert rendered("{{ __gluster_speaker | trim }}", hostvars=hosts) == "s2"


def test_the_hosts_of_the_site_may_use_it_and_nobody_else() -> None:
    options = rendered("{{ __gluster_options }}")
    assert options["auth.ssl-allow"] == "s1,s2,s3,web1"
    assert (options["client.ssl"], options["server.ssl"]) == ("on", "on")


def test_the_firewall_opens_the_ports_that_it_uses() -> None:
    ports = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__gluster_ports"]
    offered = {service.ports({"storage_kind": "glusterfs"}) for service in SERVICES if service.group == "storage"}
    assert offered == {"24007", f"{ports['first']}-{ports['last']}"}


def test_what_cannot_go_well_is_refused() -> None:
    assert problems() == []
    assert problems(groups={**SITE["groups"], "storage": ["s1", "s2"]}) == ["The group"]
    assert problems(gluster_path="/srv") == ["gluster_path is"]
    assert problems(gluster_volume="a b") == ["gluster_volume is"]
    assert problems(gluster_silent_seconds=1) == ["gluster_silent_seconds is"]
    assert problems(__gluster_certificate={"stat": {"exists": False}}) == ["s1 has"]
    assert problems(__gluster_certificate={"stat": {"exists": False}}, ansible_check_mode=True) == []

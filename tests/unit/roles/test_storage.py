# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How role storage mounts a share, and what it refuses."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from unit.roles import rendering

ROLE = Path(__file__).resolve().parents[3] / "roles/storage"
SITE: dict[str, t.Any] = {
    "ansible_facts": {"distribution": "Debian", "distribution_major_version": "12"},
    "groups": {"web": ["web1", "web2"], "production": ["web1", "web2"]},
    "hostvars": {"web1": {"storage_account_number": "998:998"}, "web2": {"storage_account_number": "998:998"}},
    "storage_kind": "nfs",
    "storage_source": "nas.example.com:/portal",
}


def rendered(template: str, **given: t.Any) -> t.Any:
    return rendering.rendered(ROLE, template, {**SITE, **given})


def problems(**given: t.Any) -> list[str]:
    found = rendered("{{ __storage_problems | selectattr('found') | map(attribute='text') | list }}", **given)
    return [str(text).split()[0] for text in found]


def test_the_mount_has_the_options_that_files_of_people_need() -> None:
    unit = rendered((ROLE / "templates/share.mount.j2").read_text(), storage_options=["sec=krb5p"]).splitlines()
    assert {"What=nas.example.com:/portal", "Where=/srv/portal/share", "Type=nfs4"} <= set(unit)
    (options,) = [line.partition("=")[2] for line in unit if line.startswith("Options=")]
    assert options == "nfsvers=4.2,hard,noatime,nosuid,nodev,noexec,_netdev,sec=krb5p"


def test_what_serves_people_starts_when_the_share_is_there() -> None:
    """nginx and PHP have a view of their own of the host's files, and would see the place where it is mounted later."""
    unit = rendered((ROLE / "templates/share.service.j2").read_text()).splitlines()
    (before,) = [line.partition("=")[2].split() for line in unit if line.startswith("Before=")]
    assert {"nginx.service", "php8.2-fpm.service", "php8.4-fpm.service"} <= set(before)
    (begun,) = [line.partition("=")[2] for line in unit if line.startswith("ExecStart=")]
    # A storage that is away does not keep the host from starting for long, and is asked again.
    assert begun == "/usr/bin/timeout 30 /usr/bin/systemctl start /srv/portal/share"
    assert "Restart=on-failure" in unit


def test_three_hosts_are_one_source() -> None:
    hosts = ["s1", "s2", "s3"]
    addresses = {"s1": {"ansible_host": "192.0.2.1"}, "s2": {"site_address": "10.0.0.2", "ansible_host": "x"}, "s3": {}}
    site = {
        "groups": {**SITE["groups"], "storage": hosts, "production": [*hosts, "web1", "web2"]},
        "hostvars": {**SITE["hostvars"], **addresses},
        "storage_kind": "glusterfs",
    }
    unit = rendered((ROLE / "templates/share.mount.j2").read_text(), **site).splitlines()
    assert {"What=192.0.2.1:/portal", "Where=/srv/portal/share", "Type=glusterfs"} <= set(unit)
    (options,) = [line.partition("=")[2] for line in unit if line.startswith("Options=")]
    assert options == "backup-volfile-servers=10.0.0.2:s3,log-level=WARNING,noatime,nosuid,nodev,noexec,_netdev"
    assert problems(**site, storage_source="") == []
    # What the health check asks, by names that people know.
    asked = json.loads(rendered("{{ __storage_asked[0].content }}", **site))
    assert asked == {"volume": "portal", "hosts": {"s1": "192.0.2.1", "s2": "10.0.0.2", "s3": "s3"}}
    two = {**site["groups"], "storage": hosts[:2]}
    assert problems(**{**site, "groups": two}, storage_source="") == ["storage_kind"]


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/srv/portal/share", "srv-portal-share"),
        ("/srv/portal/my-share", r"srv-portal-my\x2dshare"),
    ],
)
def test_systemd_finds_the_mount_by_its_path(path: str, unit: str) -> None:
    assert rendered("{{ __storage_unit }}", storage_path=path) == unit


def test_what_cannot_go_well_is_refused() -> None:
    assert problems() == []
    assert problems(storage_source="[2001:db8::1]:/portal") == []
    assert problems(storage_source="") == ["storage_source"]
    assert problems(storage_source="-o:/portal") == ["storage_source"]
    assert problems(storage_kind="path", storage_source="") == []
    for path in ("share", "/share", "/srv/portal/share\nx", "/srv/%n/x", "/srv/portal/"):
        assert problems(storage_path=path) == ["storage_path"], path
    others = {"web1": {"storage_account_number": "998:998"}, "web2": {"storage_account_number": "997:998"}}
    assert problems(hostvars=others) == ["portal"]
    facts = {"distribution": "Debian", "distribution_major_version": "11"}
    assert problems(ansible_facts=facts) == ["The"]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's hosts behave like hosts: systemd, packages, names, SSH."""

from __future__ import annotations

from testinfra.host import Host


def test_systemd_has_started_every_unit(host: Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"


def test_python_is_there(host: Host) -> None:
    assert host.check_output("/usr/bin/python3 -c 'import apt; print(2 + 2)'") == "4"


def test_release_is_what_the_name_says(host: Host) -> None:
    assert host.check_output("hostname") == f"box{host.system_info.release.split('.')[0]}"


def test_a_packaged_service_with_private_users_runs(host: Host) -> None:
    assert host.service("redis-server").is_running
    assert host.check_output("redis-cli ping") == "PONG"


def test_downloaded_packages_are_kept_for_the_other_hosts(host: Host) -> None:
    kept = host.check_output("find /var/cache/lab-packages -name 'redis-server_*.deb'")
    assert kept


def test_hosts_know_each_other_by_name(host: Host) -> None:
    for name in ("box12", "box13.boxlift.test"):
        assert host.run("timeout 5 bash -c 'exec 3<>/dev/tcp/%s/22 && head -c 4 <&3'", name).stdout == "SSH-"


def test_the_cloud_serves_its_part_with_the_fault_asked_for(host: Host) -> None:
    fetch = """
import ssl, urllib.request
context = ssl.create_default_context(cafile="/etc/ssl/lab-ca.pem")
for wanted in ("bytes=0-4", "bytes=5-9"):
    request = urllib.request.Request("https://cloud.boxlift.test/backup/part", headers={"Range": wanted})
    with urllib.request.urlopen(request, context=context) as answer:
        print(answer.status, answer.read().decode())
"""
    # One bit of byte 5 is turned over: 5 becomes 4.
    assert host.check_output("/usr/bin/python3 -c %s", fetch).splitlines() == ["206 01234", "206 46789"]

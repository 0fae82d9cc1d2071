# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every host has: account, folders, time, names, and what the modules need."""

from __future__ import annotations

import pytest
from portal_site import DOMAIN, VARS, python
from testinfra.host import Host


def test_the_portals_account_cannot_log_in(host: Host) -> None:
    account = host.user("portal")
    assert account.shell == "/usr/sbin/nologin"
    assert account.group == "portal"


@pytest.mark.parametrize(
    ("path", "owner", "mode"),
    [
        ("/srv/portal", "root", 0o755),
        ("/srv/portal/tmp", "portal", 0o750),
        ("/srv/portal/www", "portal", 0o750),
        ("/srv/portal/sessions", "portal", 0o700),
        ("/var/lib/boxlift", "root", 0o700),
        ("/var/log/portal", "portal", 0o750),
    ],
)
def test_folders_belong_to_whom_they_should(host: Host, path: str, owner: str, mode: int) -> None:
    folder = host.file(path)
    assert folder.is_directory
    assert (folder.user, folder.mode) == (owner, mode)


def test_the_portal_cannot_replace_its_own_tree(host: Host) -> None:
    assert host.run("runuser -u portal -- mv /srv/portal/www /srv/portal/stolen").rc != 0


def test_host_php_and_database_tell_the_same_time(host: Host) -> None:
    zone = VARS["site_timezone"]
    assert host.check_output("readlink /etc/localtime").endswith(zone)
    system = host.check_output("date +%H:%z")
    assert host.check_output("php -r 'echo date(\"H:O\");'") == system
    assert system.startswith(host.check_output("mariadb --batch --skip-column-names -e 'SELECT HOUR(NOW())'").zfill(2))


def test_cron_knows_the_time_zone(host: Host) -> None:
    started = int(host.check_output('date +%s -d "$(systemctl show -p ActiveEnterTimestamp --value cron)"'))
    assert started >= int(host.check_output("stat -c %Y /etc/localtime"))


def test_the_portal_reaches_itself_by_its_own_name(host: Host) -> None:
    assert host.check_output("getent ahostsv4 %s", DOMAIN).split()[0] == "127.0.0.1"


def test_modules_find_what_they_need(host: Host) -> None:
    fast = "isal" if host.system_info.release.startswith("13") else "zlib"
    python(host, f"import apt, cryptography, pymysql, {fast}")


def test_a_host_that_is_no_container_has_a_time_service(host: Host) -> None:
    """Containers have their host's clock. The side effect has the role take one of them for a host."""
    if host.file("/etc/systemd/system/systemd-timesyncd.service.d/lab.conf").exists:
        assert host.service("systemd-timesyncd").is_running
        asked = host.check_output("timedatectl show-timesync --property=SystemNTPServers --property=FallbackNTPServers")
        assert [line.partition("=")[2] for line in asked.splitlines()] == ["192.0.2.123", ""]
    else:
        assert not host.package("systemd-timesyncd").is_installed

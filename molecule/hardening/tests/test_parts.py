# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH, updates, bans, accounts and the kernel's files on a hardened host."""

from __future__ import annotations

import json
import re
import socket

import pytest
from testinfra.host import Host

SSHD = {
    "allowagentforwarding": "no",
    "allowtcpforwarding": "no",
    "clientalivecountmax": "3",
    "clientaliveinterval": "300",
    "gssapiauthentication": "no",
    "hostbasedauthentication": "no",
    "ignorerhosts": "yes",
    "kbdinteractiveauthentication": "no",
    "logingracetime": "30",
    "loglevel": "VERBOSE",
    "maxauthtries": "4",
    "passwordauthentication": "no",
    "permitemptypasswords": "no",
    "permitrootlogin": "without-password",
    "permittunnel": "no",
    "permituserenvironment": "no",
    "pubkeyauthentication": "yes",
    "x11forwarding": "no",
}
WEAK = ("cbc", "3des", "arcfour", "md5", "sha1", "group14", "group1-")


def settings(host: Host, command: str) -> dict[str, str]:
    lines = host.check_output(command).splitlines()
    return {line.split(" ", 1)[0].lower(): line.split(" ", 1)[1] for line in lines if " " in line}


def becomes_true(host: Host, command: str) -> bool:
    """Whether it succeeds within 90 seconds."""
    return bool(host.run(f"for i in $(seq 180); do {command} && exit; sleep 0.5; done; exit 1").rc == 0)


def test_sshd_takes_keys_only(host: Host) -> None:
    found = settings(host, "sshd -T")
    assert {name: found[name] for name in SSHD} == SSHD
    strong = " ".join(found[name] for name in ("ciphers", "macs", "kexalgorithms"))
    assert [word for word in WEAK if word in strong] == []


def test_a_password_is_not_even_asked_for(host: Host) -> None:
    said = host.run(
        "ssh -v -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o PubkeyAuthentication=no"
        " -o PasswordAuthentication=yes -o NumberOfPasswordPrompts=1 root@127.0.0.1 true </dev/null || exit 1"
    )
    assert said.rc == 1
    assert "Authentications that can continue: publickey\r\n" in said.stderr


def test_the_banner_does_not_name_the_release(host: Host) -> None:
    with socket.create_connection((host.ansible.get_variables()["ansible_host"], 22), 10) as connection:
        assert b"Debian" not in connection.recv(200)


def test_updates_are_those_of_security_in_their_window(host: Host) -> None:
    said = host.check_output("apt-config dump Unattended-Upgrade::Origins-Pattern")
    origins = [line for line in said.splitlines() if "origin=" in line]
    assert len(origins) == 2 and all("label=Debian-Security" in line for line in origins)
    assert "04:30" in host.check_output("systemctl show --property=TimersCalendar apt-daily-upgrade.timer")
    assert host.service("apt-daily-upgrade.timer").is_enabled


def test_servers_wait_for_people_and_nothing_restarts_by_itself(host: Host) -> None:
    said = host.check_output("apt-config dump Unattended-Upgrade")
    held = re.findall(r'Package-Blacklist:: "(.*)";', said)
    for package in ("mariadb-server", "galera-4", "redis-server", "php8.2-fpm", "php8.4-fpm", "nginx", "asterisk"):
        assert any(re.match(pattern, package) for pattern in held), package
    assert not any(
        re.match(pattern, package) for pattern in held for package in ("openssl", "libssl3", "openssh-server")
    )
    assert 'Automatic-Reboot "false"' in said
    assert "$nrconf{restart} = 'l';" in host.file("/etc/needrestart/conf.d/boxlift.conf").content_string


def test_the_portal_is_looked_at_after_the_updates(host: Host) -> None:
    """A night as it is, on a host whose web server the update stops; then a night that leaves it as it was."""
    host.check_output("systemctl start apt-daily-upgrade.service")
    quiet = "systemctl show --property=ActiveState --value boxlift-updates-check.service | grep -qx %s"
    assert becomes_true(host, quiet % "inactive")
    host.check_output("boxlift-upkeep before && systemctl stop nginx.service")
    try:
        assert host.run("systemctl start boxlift-updates-check.service").rc != 0
        assert host.run("systemctl is-failed boxlift-updates-check.service").stdout.strip() == "failed"
        line = json.loads(host.check_output("tail -1 /var/lib/boxlift/updates/history.jsonl"))
        assert line["outcome"] == "failed" and "nginx.service does not run" in line["problems"]
    finally:
        host.check_output("systemctl start nginx.service && systemctl reset-failed boxlift-updates-check.service")


def test_guessing_a_password_of_the_portal_is_banned(host: Host) -> None:
    """An address that nobody has, in lines as nginx writes them."""
    line = '203.0.113.66 - - [%s] "POST /auth/?login=yes HTTP/2.0" 200 512 "-" "guess" 0.1'
    script = (
        "import datetime; now = datetime.datetime.now().astimezone().strftime('%d/%b/%Y:%H:%M:%S %z');"
        f"open('/var/log/nginx/access.log', 'a').write(({line!r} % now + chr(10)) * 101)"
    )
    jails = host.check_output("fail2ban-client status")
    assert "boxlift-portal" in jails and "sshd" in jails
    host.check_output("python3 -c %s", script)
    try:
        assert becomes_true(host, "fail2ban-client get boxlift-portal banip | grep -q 203.0.113.66")
        # fail2ban notes a ban first and sets its rule then.
        assert becomes_true(host, "nft list ruleset | grep -q 203.0.113.66")
    finally:
        host.check_output("fail2ban-client set boxlift-portal unbanip 203.0.113.66")


def test_an_office_that_mistypes_is_not_banned(host: Host) -> None:
    numbers = {
        name: host.check_output("fail2ban-client get boxlift-portal %s", name) for name in ("maxretry", "bantime")
    }
    assert numbers == {"maxretry": "100", "bantime": "600"}


@pytest.mark.parametrize("account", ["portal", "www-data"])
def test_accounts_of_services_have_no_crontab(host: Host, account: str) -> None:
    said = host.run("echo '* * * * * true' | runuser -u %s -- crontab -", account)
    assert said.rc != 0 and "not allowed" in said.stderr
    assert host.run("crontab -l").stderr.startswith("no crontab for root")


def test_root_alone_reads_the_schedule(host: Host) -> None:
    for path in ("/etc/crontab", "/etc/cron.d", "/etc/cron.daily"):
        assert host.file(path).mode & 0o077 == 0, path


def test_the_portals_agents_still_run(host: Host) -> None:
    hardened = host.check_output("stat --format=@%Z /etc/cron.d")
    assert becomes_true(host, f"journalctl -u cron --since {hardened} | grep -q 'CMD.*cron_events'")


def test_su_is_for_administrators(host: Host) -> None:
    lines = host.file("/etc/pam.d/su").content_string.splitlines()
    active = [line.split() for line in lines if line.startswith("auth")]
    assert [words[2] for words in active[:2]] == ["pam_rootok.so", "pam_wheel.so"]
    assert host.run("su -s /bin/sh portal -c true").rc == 0


def test_the_kernels_files_are_in_place(host: Host) -> None:
    """A container has its host's kernel. What counts is what a host of its own would read, and that it comes last."""
    wanted = {"fs.suid_dumpable": "0", "kernel.kptr_restrict": "2", "net.ipv4.conf.all.accept_redirects": "0"}
    found = dict(
        line.split(" = ")
        for line in host.file("/etc/sysctl.d/99-zz-boxlift.conf").content_string.splitlines()
        if " = " in line
    )
    assert {name: found[name] for name in wanted} == wanted
    last = host.check_output("systemd-analyze cat-config sysctl.d | grep -E '^# /' | tail -1")
    assert last == "# /etc/sysctl.d/99-zz-boxlift.conf"
    assert "install dccp /bin/true" in host.file("/etc/modprobe.d/boxlift.conf").content_string


def test_a_process_leaves_no_core(host: Host) -> None:
    assert host.check_output("runuser -u portal -- sh -c 'ulimit -Hc'") == "0"


def test_the_journal_has_a_limit(host: Host) -> None:
    said = host.check_output("systemd-analyze cat-config systemd/journald.conf")
    assert "SystemMaxUse=1024M" in said


def test_the_audit_watches_the_portals_settings(host: Host) -> None:
    rules = host.file("/etc/audit/rules.d/boxlift.rules").content_string
    assert "-w /srv/portal/www/bitrix/.settings.php -p wa -k portal-configuration" in rules
    assert host.file("/etc/audit/rules.d/boxlift.rules").mode == 0o640


def test_no_unit_failed(host: Host) -> None:
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""

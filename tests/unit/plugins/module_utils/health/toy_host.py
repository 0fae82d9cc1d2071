# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host of the toy portal as its checks see it: files below one folder, and what its programs print."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import time
import typing as t

from unit.plugins.module_utils.health.toy_portal import DOMAIN

#: A table of the kernel: 0.0.0.0:22 and :443 listen, one connection is open.
TCP = (
    "  sl  local_address rem_address   st tx_queue rx_queue\n"
    "   0: 00000000:0016 00000000:0000 0A 00000000:00000000\n"
    "   1: 00000000:01BB 00000000:0000 0A 00000000:00000000\n"
    "   2: 0100007F:18EB 0100007F:C001 01 00000000:00000000\n"
)
NGINX = f"""\
# configuration file /etc/nginx/nginx.conf:
user www-data;  # a comment; with a semicolon
http {{
    log_format portal '$remote_addr "$portal_logged_address"' ' $status';
    access_log /var/log/nginx/access.log portal;
    limit_req_zone $binary_remote_addr zone=logins:10m rate=60r/m;
    include conf.d/*.conf;
}}
# configuration file /etc/nginx/conf.d/portal.conf:
server {{
    listen 80 default_server;
    server_name _;
    return 301 https://{DOMAIN}$request_uri;
}}
server {{
    listen 443 ssl;
    server_name "{DOMAIN}";
    limit_req zone=logins burst=60 nodelay;
    location ~* "^/(upload|bitrix/(cache|managed_cache|stack_cache|html_pages|tmp))/.*[.]php(/|$)" {{
        return 404;
    }}
    location ~ "[.]php(?<rest>/|$)" {{
        fastcgi_pass unix:/run/php/portal.sock;
    }}
    location / {{
        try_files $uri @portal;
    }}
    location @portal {{
        fastcgi_pass unix:/run/php/portal.sock;
    }}
}}
"""
RULESET: list[dict[str, t.Any]] = [
    {"metainfo": {"version": "1.0.6"}},
    {"table": {"family": "inet", "name": "host"}},
    {"chain": {"family": "inet", "table": "host", "name": "input", "hook": "input", "policy": "drop"}},
    {"rule": {"family": "inet", "table": "host", "chain": "input", "expr": [{"accept": None}]}},
]
SSHD = {
    **{"port": "22", "passwordauthentication": "no", "kbdinteractiveauthentication": "no"},
    **{"permitrootlogin": "without-password", "permitemptypasswords": "no", "x11forwarding": "no"},
}
UNIT = {
    **{"LoadState": "loaded", "NoNewPrivileges": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes"},
    **{"ProtectSystem": "strict", "ProtectKernelTunables": "yes", "ProtectKernelModules": "yes"},
    **{"ProtectControlGroups": "yes"},
}
KERNEL = {
    **{"kernel/dmesg_restrict": "1", "kernel/kptr_restrict": "2", "kernel/randomize_va_space": "2"},
    **{"kernel/yama/ptrace_scope": "1", "fs/protected_hardlinks": "1", "fs/protected_symlinks": "1"},
    **{"fs/suid_dumpable": "0", "net/ipv4/conf/all/accept_redirects": "0", "net/ipv4/tcp_syncookies": "1"},
    **{"net/ipv4/conf/all/accept_source_route": "0", "net/ipv4/conf/all/send_redirects": "0"},
    **{"net/ipv4/icmp_echo_ignore_broadcasts": "1", "net/ipv6/conf/all/accept_redirects": "0"},
}


def store(name: str, *, same_host: bool) -> dict[str, t.Any]:
    """A repository as it should be: nightly copies of ten days, a drill of last month."""
    now = time.time()
    copies = [
        {
            **{"id": f"copy-{age}", "began": now - age * 86400 - 4000, "ended": now - age * 86400 - 3600},
            **{"kind": "full" if age % 7 == 3 else "incremental", "warnings": []},
            "bytes": {"files": 10**9, "database": 4 * 10**9 if age % 7 == 3 else 10**8, "configuration": 10**5},
        }
        for age in range(10, -1, -1)
    ]
    drill = {
        **{"copy": "copy-30", "began": now - 30 * 86400 - 900, "ended": now - 30 * 86400, "passed": True},
        **{"rto_seconds": 640.0, "rpo_seconds": 250.0, "findings": [], "left": []},
    }
    return {
        **{"name": name, "repository": f"/srv/{name}", "reachable": True, "problem": None, "same_host": same_host},
        **{"last_good": copies[-1], "copies": copies, "unproven": 0, "restorable_until": now - 240, "findings": []},
        "binlogs_until": now - 240,
        **{"verified": {"slices": {}, "ratio_7_days": 1.0}, "drills": [drill], "pruned": now - 3 * 86400},
    }


def df(*disks: tuple[str, int, int, str]) -> str:
    """What df prints of disks: device, used, free, place."""
    lines = [f"{name} {used + free} {used} {free} 1% {place}\n" for name, used, free, place in disks]
    return "".join(["Filesystem 1-blocks Used Available Capacity Mounted on\n", *lines])


class ToyHost:
    """A host that resists. `programs` holds what each one prints; a program that is not there is not installed."""

    def __init__(self, root: pathlib.Path, portal: pathlib.Path, account: str) -> None:
        self.root = root
        self.container = ""
        self.ruleset: t.Any = {"nftables": list(RULESET)}
        self.sshd = dict(SSHD)
        self.units = {"nginx.service": dict(UNIT), "php8.2-fpm.service": {**UNIT, "OOMScoreAdjust": "300"}}
        self.units["mariadb.service"] = {"LoadState": "loaded", "OOMScoreAdjust": "0"}
        self.units["boxlift-backup.service"] = {"LoadState": "loaded", "ActiveState": "inactive"}
        self.nginx = NGINX
        self.disks = df(("/dev/vda1", 100, 900, "/"), ("/dev/vdb1", 400, 600, "/srv/my portal"))
        self.inodes = df(("/dev/vda1", 100, 900, "/"), ("/dev/vdb1", 0, 0, "/srv/my portal"))
        #: What `boxlift-crm status` says of the box's store.
        self.crm: dict[str, t.Any] = {
            **{"snapshots": 3, "problem": "", "webhook": ""},
            "last": {"ended": time.time() - 7200, "records": 900, "alerts": []},
        }
        #: What `boxlift-backup status` says of each store.
        self.backup: dict[str, t.Any] = {"stores": [store("near", same_host=True), store("far", same_host=False)]}
        #: Servers of this host that speak, by address and port, with what they say first.
        self.servers: dict[tuple[str, int], bytes] = {}
        self._ends: list[socket.socket] = []
        self.programs: dict[str, t.Callable[..., tuple[int, str, str]]] = {
            "systemd-detect-virt": lambda: (0, self.container, "") if self.container else (1, "none\n", ""),
            "nft": lambda: (0, json.dumps(self.ruleset), ""),
            "/usr/sbin/sshd": lambda: (0, "".join(f"{name} {value}\n" for name, value in self.sshd.items()), ""),
            "apt-config": lambda: (0, 'APT::Periodic "";\nAPT::Periodic::Unattended-Upgrade "1";\n', ""),
            "apt-get": lambda: (0, "Inst bash [5.2] (5.3 Debian:12.11/stable [amd64])\n", ""),
            "timedatectl": lambda *_asked: (0, "NTP=yes\nNTPSynchronized=yes\n", ""),
            "df": lambda *asked: (0, self.inodes if "--inodes" in asked else self.disks, ""),
            "fail2ban-client": lambda: (0, "Status\n|- Number of jail: 2\n`- Jail list:\tportal-login, sshd\n", ""),
            "auditctl": lambda: (0, f"-w {portal}/bitrix/.settings.php -p wa -k portal\n", ""),
            "nginx": lambda: (0, self.nginx, ""),
            "/usr/local/bin/boxlift-crm": lambda *_asked: (0, json.dumps({"box": self.crm}), ""),
            "/usr/local/bin/boxlift-backup": lambda *_asked: (0, json.dumps(self.backup), ""),
            "systemctl": lambda *names: (0, "\n".join(map(self._unit, set(names) & set(self.units))), ""),
        }
        for name, value in KERNEL.items():
            self.write(f"/proc/sys/{name}", f"{value}\n")
        self.write("/proc/net/tcp", TCP)
        self.write("/sys/module/apparmor/parameters/enabled", "Y\n")
        self.write("/usr/bin/unattended-upgrade")
        self.write("/var/lib/apt/periodic/upgrade-stamp")
        self.write("/var/lib/apt/lists/packages.example_Packages")
        self.write("/etc/security/limits.d/10-portal.conf", "# no dumps\n* hard core 0\n")
        self.write(
            "/var/lib/boxlift/updates/history.jsonl",
            '{"time": "2026-11-30T04:31:00Z", "note": "", "outcome": "done", "packages": 1, "problems": []}\n',
        )
        self.write("/usr/bin/crontab")
        self.write("/etc/cron.deny", f"# not these\n{account}\n")
        self.write(
            "/etc/cron.d/portal",
            f"* * * * * {account} php -f /srv/portal/www/bitrix/modules/main/tools/cron_events.php\n",
        )
        self.write("/usr/lib/systemd/system/php8.2-fpm.service")

    def _unit(self, name: str) -> str:
        return "".join(f"{key}={value}\n" for key, value in {"Id": name, **self.units[name]}.items())

    def path(self, name: str) -> pathlib.Path:
        return self.root / name.lstrip("/")

    def write(self, name: str, text: str = "") -> None:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text, "utf-8")

    def age(self, name: str, days: float) -> None:
        then = time.time() - days * 86400
        os.utime(self.path(name), (then, then))

    def connect(self, host: str, port: int) -> socket.socket:
        """To a server that has said its answer already. Raises ConnectionRefusedError where there is none."""
        if (host, port) not in self.servers:
            raise ConnectionRefusedError(111, f"Connection refused: {host}:{port}")
        ours, theirs = socket.socketpair()
        theirs.sendall(self.servers[host, port])
        self._ends.append(theirs)
        return ours

    def close(self) -> None:
        for end in self._ends:
            end.close()

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A healthy portal with its web server and its context; a test breaks one thing and looks at the finding."""

from __future__ import annotations

import copy
import json
import socket
import ssl
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.health import php, runner
from ansible_collections.boxlift.portal.plugins.module_utils.health.catalogue import all_checks
from ansible_collections.boxlift.portal.plugins.module_utils.health.checks import environment, security_portal
from ansible_collections.boxlift.portal.plugins.module_utils.health.checks.security_outside import DANGEROUS, SURPLUS
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.http.visitor import HttpClient
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import connect
from unit.plugins.module_utils.health.toy_host import ToyHost
from unit.plugins.module_utils.health.toy_portal import DOMAIN, ToyPortal
from unit.plugins.module_utils.health.toy_site import Authority, ToySite

#: What portal_info said of this portal a while ago.
BASELINE: dict[str, t.Any] = {
    "modules": {"main": "26.250.100", "tasks": "26.1.5"},
    "counts": {
        **{
            "users": 4,
            "groups": None,
            "tasks": 1,
            "comments": 2,
            "leads": 0,
            "deals": 0,
            "contacts": 0,
            "companies": 0,
        },
        **{"activities": 0, "timeline": 0, "chats": 1, "messages": 1, "files": 2, "disk_objects": 2},
    },
    "newest": {"users": "2026-01-03 10:00:00", "tasks": "2026-01-03 10:00:00", "leads": None},
}
#: The settings of PHP-FPM that matter.
FPM = {
    **{"file_uploads": "On", "max_input_vars": "10000", "default_socket_timeout": "60", "session.auto_start": "Off"},
    **{"zend.multibyte": "Off", "display_errors": "Off", "opcache.enable": "On", "opcache.validate_timestamps": "On"},
    **{"opcache.revalidate_freq": "0", "arg_separator.output": "&", "memory_limit": "512M", "post_max_size": "1024M"},
    **{"upload_max_filesize": "1024M", "pcre.backtrack_limit": "1000000", "default_charset": "UTF-8"},
    **{"mbstring.internal_encoding": "no value", "internal_encoding": "no value", "sendmail_path": "/bin/sh -t -i"},
    **{"session.gc_maxlifetime": "1440", "session.save_handler": "files"},
    **{"session.use_strict_mode": "On", "session.use_only_cookies": "On", "session.use_trans_sid": "Off"},
    **{"disable_functions": ",".join(security_portal.STARTERS), "open_basedir": "/srv/portal/www/:/srv/portal/tmp/"},
    **{"Loaded Configuration File": "/etc/php/8.2/fpm/php.ini"},
    **{"Scan this dir for additional .ini files": "/etc/php/8.2/fpm/conf.d"},
}
#: Hosts beside the portal that answer.
NEIGHBOURS = (
    *("imap.company.test", "ldap.company.test", "app.partner.test", "redis.company.test"),
    *("www.bitrix24.com", "cloud-messaging.bitrix24.com"),
)


class World:
    """Everything that a check can see."""

    def __init__(self, portal: ToyPortal, site: ToySite, authority: Authority) -> None:
        self.portal, self.site, self.authority = portal, site, authority
        #: What the command line PHP answers: everything that the check asks for is there.
        self.php = {"version": "8.2.28", **dict.fromkeys((*environment.NEEDED, *environment.USEFUL), True)}
        sessions = portal.root.parent / "sessions"
        sessions.mkdir(mode=0o700, exist_ok=True)
        #: What PHP-FPM says of itself.
        self.fpm = {**FPM, "session.save_path": str(sessions)}
        #: What ini_get() gives with PHP-FPM's files.
        self.raw = {"file_uploads": "1", "session.auto_start": "0", "zend.multibyte": "0"}
        self.fpm_modules = [*environment.WEB_NEEDED, "Zend OPcache"]
        portal.root.chmod(0o750)
        owner = (portal.root / "bitrix/.settings.php").owner()
        self.host = ToyHost(portal.root.parent / "host", portal.root, owner)
        #: Of the ports that are tried from outside, those that answer.
        self.open_ports: set[int] = set()
        self.context = Context(
            now=time.time,
            connect=connect,
            portal_files=portal.files,
            base_url=f"https://{DOMAIN}",
            http_client=HttpClient(self.connect, str(authority.path)),
            run_command=self.command,
            host_root=self.host.root,
            connect_tcp=self.reach,
            baseline=copy.deepcopy(BASELINE),
        )
        self.neighbours = set(NEIGHBOURS)

    def command(self, arguments: t.Sequence[str]) -> tuple[int, str, str]:
        """The programs that the checks ask."""
        if arguments[0] == "env":
            assert arguments[1] == "PHP_INI_SCAN_DIR=/etc/php/8.2/fpm/conf.d"
            assert arguments[2:5] == ("php", "-c", "/etc/php/8.2/fpm/php.ini")
            return 0, json.dumps({name: self.raw.get(name, False) for name in arguments[8:]}), ""
        if arguments[0] in self.host.programs:
            program = self.host.programs[arguments[0]]
            return program(*arguments[1:]) if arguments[0] in ("df", "systemctl", "timeout") else program()
        if arguments[0] == "php":
            return 0, "8.2" if arguments[2] == php.BRANCH else json.dumps(self.php), ""
        if arguments[0] != "php-fpm8.2":
            raise FileNotFoundError(2, "No such file or directory", arguments[0])
        if arguments[1] == "-m":
            return 0, "[PHP Modules]\n" + "\n".join(self.fpm_modules), ""
        return 0, "".join(f"{name} => {value} => {value}\n" for name, value in self.fpm.items()), ""

    def reach(self, host: str, port: int) -> socket.socket:
        if host in ("127.0.0.1", "::1") or (host, port) in self.host.servers:
            return self.host.connect(host, port)
        if host == DOMAIN and port in (*DANGEROUS, *SURPLUS) and port not in self.open_ports:
            raise ConnectionRefusedError(111, f"Connection refused: {host}:{port}")
        return self.site.connect(DOMAIN, 443) if host in self.neighbours else self.connect(host, port)

    def connect(self, host: str, port: int) -> socket.socket:
        """To the site of this moment, since a test may replace it."""
        return self.site.connect(host, port)

    def use_certificate(self, authority: Authority, *names: str, **more: t.Any) -> None:
        self.use_context(authority.server_context(*names, **more))

    def use_context(self, context: ssl.SSLContext) -> None:
        self.site.close()
        answers = self.site.answers
        self.site = ToySite(context)
        self.site.answers = answers

    def findings(self, areas: t.Sequence[str] = (), vantage: str = "host") -> dict[str, Finding]:
        found = runner.run(self.context, runner.select(all_checks(), vantage, areas))
        return {finding.id: finding for finding in found}

    def finding(self, name: str) -> Finding:
        """One check with what it needs."""
        checks = all_checks().with_needs(name)
        ordered = list({check.id: check for check in checks}.values())
        return {finding.id: finding for finding in runner.run(self.context, ordered)}[name]

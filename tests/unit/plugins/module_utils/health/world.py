# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A healthy portal with its web server and its context; a test breaks one thing and looks at the finding."""

from __future__ import annotations

import json
import socket
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.health import runner
from ansible_collections.boxlift.portal.plugins.module_utils.health.catalogue import all_checks
from ansible_collections.boxlift.portal.plugins.module_utils.health.checks import environment
from ansible_collections.boxlift.portal.plugins.module_utils.health.client import HttpClient
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import connect
from unit.plugins.module_utils.health.toy_portal import DOMAIN, ToyPortal
from unit.plugins.module_utils.health.toy_site import Authority, ToySite


class World:
    """Everything that a check can see."""

    def __init__(self, portal: ToyPortal, site: ToySite, authority: Authority) -> None:
        self.portal, self.site, self.authority = portal, site, authority
        #: What the command line PHP answers: everything that the check asks for is there.
        self.php = {"version": "8.2.28", **dict.fromkeys((*environment.NEEDED, *environment.USEFUL), True)}
        self.context = Context(
            now=time.time,
            connect=connect,
            portal_files=portal.files,
            base_url=f"https://{DOMAIN}",
            http_client=HttpClient(self.connect, str(authority.path)),
            run_command=lambda arguments: (0, json.dumps(self.php), ""),
            connect_tcp=self.connect,
        )

    def connect(self, host: str, port: int) -> socket.socket:
        """To the site of this moment, since a test may replace it."""
        return self.site.connect(host, port)

    def use_certificate(self, authority: Authority, *names: str, **more: t.Any) -> None:
        self.site.close()
        answers = self.site.answers
        self.site = ToySite(authority.server_context(*names, **more))
        self.site.answers = answers

    def findings(self, areas: t.Sequence[str] = (), vantage: str = "host") -> dict[str, Finding]:
        found = runner.run(self.context, runner.select(all_checks(), vantage, areas))
        return {finding.id: finding for finding in found}

    def finding(self, name: str) -> Finding:
        """One check with what it needs."""
        checks = all_checks().with_needs(name)
        ordered = list({check.id: check for check in checks}.values())
        return {finding.id: finding for finding in runner.run(self.context, ordered)}[name]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A healthy portal with its web server and its context; a test breaks one thing and looks at the finding."""

from __future__ import annotations

import json
import pathlib
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.health import runner
from ansible_collections.boxlift.portal.plugins.module_utils.health.catalogue import all_checks
from ansible_collections.boxlift.portal.plugins.module_utils.health.checks import environment
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.http import HttpClient
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import connect, execute, rows
from unit.plugins.module_utils.health.toy_portal import DOMAIN, VARIABLES, ToyPortal
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
            http_client=HttpClient(lambda host, port: self.site.connect(host, port), str(authority.path)),
            run_command=lambda arguments: (0, json.dumps(self.php), ""),
            connect_tcp=lambda host, port: self.site.connect(host, port),
        )

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


@pytest.fixture(scope="session")
def toy_database(mariadb: t.Any) -> str:
    return ToyPortal.create_database(mariadb)


@pytest.fixture(scope="module")
def portal_server(mariadb: t.Any) -> t.Iterator[t.Any]:
    """The server with the portal's variables; other modules' tests get their own back."""
    conn = mariadb.connect()
    before = rows(conn, "SELECT " + ", ".join(f"@@global.{name} AS {name}" for name in VARIABLES))[0]
    for name, value in VARIABLES.items():
        execute(conn, f"SET GLOBAL {name} = %s", [value])
    yield mariadb
    for name, value in before.items():
        execute(conn, f"SET GLOBAL {name} = %s", [value])
    conn.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def good_context(authority: Authority) -> t.Any:
    return authority.server_context(DOMAIN)


@pytest.fixture
def portal(portal_server: t.Any, toy_database: str, tmp_path: pathlib.Path) -> ToyPortal:
    toy = ToyPortal(tmp_path / "www", portal_server, toy_database)
    toy.fill()
    return toy


@pytest.fixture
def world(portal: ToyPortal, authority: Authority, good_context: t.Any) -> t.Iterator[World]:
    everything = World(portal, ToySite(good_context), authority)
    yield everything
    everything.context.close()
    everything.site.close()

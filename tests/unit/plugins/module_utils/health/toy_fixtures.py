# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the toy portal; a test file that wants one says `portal = toy_fixtures.portal` and so on."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows
from unit.plugins.module_utils.health.toy_portal import DOMAIN, VARIABLES, ToyPortal
from unit.plugins.module_utils.health.toy_site import Authority, ToySite
from unit.plugins.module_utils.health.world import World


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


@pytest.fixture
def portal(portal_server: t.Any, tmp_path: pathlib.Path) -> t.Iterator[ToyPortal]:
    """A healthy portal; what a test has altered beside rows is put back."""
    toy = ToyPortal(tmp_path / "www", portal_server)
    toy.fill()
    yield toy
    toy.repair()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def good_context(authority: Authority) -> t.Any:
    return authority.server_context(DOMAIN)


@pytest.fixture
def world(portal: ToyPortal, authority: Authority, good_context: t.Any) -> t.Iterator[World]:
    """The portal with its web server and the context of the checks."""
    everything = World(portal, ToySite(good_context), authority)
    yield everything
    everything.context.close()
    everything.site.close()
    everything.host.close()

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario."""

from __future__ import annotations

import base64
import sys
import typing as t
from pathlib import Path

import pytest
from testinfra.host import Host

sys.path.insert(0, str(Path(__file__).parent))

from portal_site import ROOT, VARS, Answer, Ask, request


@pytest.fixture
def ask_all(host: Host) -> t.Callable[[list[dict[str, t.Any]]], list[Answer]]:
    """Many requests in one go."""
    return lambda requests: request(host, requests)


@pytest.fixture
def ask(ask_all: t.Callable[[list[dict[str, t.Any]]], list[Answer]]) -> Ask:
    """One request."""
    return lambda path, **request: ask_all([{"path": path, **request}])[0]


@pytest.fixture
def put(host: Host) -> t.Iterator[t.Callable[[str, str], None]]:
    """Write a file into the document root for one test."""
    written: list[str] = []

    def run(path: str, content: str) -> None:
        encoded = base64.b64encode(content.encode()).decode()
        target = path if path.startswith("/") else f"{ROOT}/{path}"
        host.check_output(
            "install -D -o portal -g portal -m 0644 /dev/null %s && echo %s | base64 -d > %s", target, encoded, target
        )
        written.append(target)

    yield run
    for target in written:
        host.check_output("rm -f %s", target)


@pytest.fixture
def as_portal(host: Host) -> t.Callable[[str], t.Any]:
    """Run SQL with the portal's own account, as the portal's system account."""

    def run(sql: str, server: str = "localhost") -> t.Any:
        return host.run(
            "runuser -u portal -- env MYSQL_PWD=%s mariadb --host=%s --user=portal -BN portal -e %s",
            VARS["site_database_password"],
            server,
            sql,
        )

    return run

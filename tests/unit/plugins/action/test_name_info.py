# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action name_info: it waits for the slowest server, and no longer than it may."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.action import name_info
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils import name_service
from lab.name_server import NameServer

NAME, OLD, NEW = "portal.example.com", "192.0.2.80", "203.0.113.10"


def told(server: str, **options: t.Any) -> dict[str, t.Any]:
    given = {"name": NAME, "resolvers": [server], "most_ttl": 300, "expected": [], "wait_minutes": 0.0, **options}
    return name_info.ActionModule.__new__(name_info.ActionModule).work(given, {})


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_service, "TIMEOUT", 0.5)


def test_it_waits_until_every_server_leads_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with NameServer(NAME, OLD, 60) as server:
        waits: list[float] = []

        def switch(seconds: float) -> None:
            waits.append(seconds)
            server.address = NEW if len(waits) == 2 else OLD

        monkeypatch.setattr(name_info.time, "sleep", switch)
        result = told(str(server), expected=[NEW], wait_minutes=1.0)
    assert waits == [5, 5]
    assert [each["status"] for each in result["findings"]] == ["pass", "pass"]
    assert result["answers"] == [
        {"server": str(server), "addresses": (NEW,), "ttl": 60, "authoritative": True, "problem": ""}
    ]


def test_without_waiting_it_says_what_is() -> None:
    with NameServer(NAME, OLD, 60) as server:
        result = told(str(server), expected=[NEW])
    assert [(each["id"], each["status"]) for each in result["findings"]] == [
        ("name.ttl", "pass"),
        ("name.address", "fail"),
    ]
    assert result["changed"] is False and "still leads" in result["msg"]


def test_a_wrong_resolver_is_refused() -> None:
    with pytest.raises(BoxliftError, match="is no IP address"):
        told("dns.example.com")

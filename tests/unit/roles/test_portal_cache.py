# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the portal finds Redis: one host stays as it is, and of three each instance has a socket."""

from __future__ import annotations

import typing as t

import pytest
from unit.plugins.playbook import REPOSITORY
from unit.roles import rendering

ROLE = REPOSITORY / "roles" / "portal"
SOCKET = {"host": "/run/redis/redis-server.sock", "port": "0", "password": None}
LIMITS = {"timeout": 3, "readTimeout": 5}
THREE = {"production": ["w", "a", "b", "c"], "preproduction": ["copy"], "cache": ["a", "b", "c", "copy"]}


def found(host: str, groups: dict[str, list[str]], **given: t.Any) -> tuple[t.Any, t.Any]:
    """The settings of the cache, and of the sessions."""
    site = {"inventory_hostname": host, "groups": groups, "portal_domain": "x", "portal_document_root": "/x", **given}
    text = "{{ [__portal_redis_of_cache, {'type': 'redis', 'servers': none} | combine(__portal_redis)] }}"
    cache, sessions = rendering.rendered(ROLE, text, site)
    return cache, sessions


@pytest.mark.parametrize(
    ("host", "groups"),
    [
        ("w", {"production": ["w"], "cache": ["w"]}),
        ("w", {"production": ["w", "a"], "cache": ["a"]}),
        ("w", {"production": ["w"], "preproduction": ["copy"], "cache": ["w", "copy"]}),
        ("copy", THREE),
        ("w", {"production": ["w"]}),
    ],
)
def test_one_cache_host_is_reached_as_before(host: str, groups: dict[str, list[str]]) -> None:
    assert found(host, groups) == (SOCKET, {"type": "redis", "servers": None, **SOCKET})


def test_three_have_a_socket_for_each_instance_and_no_page_waits_for_ever() -> None:
    cache, sessions = found("w", THREE)
    assert cache == {**SOCKET, "host": "/run/redis/redis-cache.sock", **LIMITS}
    assert sessions == {"type": "redis", "servers": None, **SOCKET, **LIMITS}


def test_a_redis_of_the_site_s_own_is_left_alone() -> None:
    cache, _sessions = found("w", THREE, portal_cache_host="redis.example.com")
    assert cache == {"host": "redis.example.com", "port": "6379", "password": None}

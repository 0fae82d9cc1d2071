# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis: who may use it, and how much it may hold."""

from __future__ import annotations

from portal_site import VARS
from testinfra.host import Host

SOCKET = "/run/redis/redis-server.sock"


def test_the_portal_uses_the_socket_and_others_do_not(host: Host) -> None:
    assert host.check_output("runuser -u portal -- redis-cli -s %s ping", SOCKET) == "PONG"
    assert "Permission denied" in host.run("runuser -u nobody -- redis-cli -s %s ping", SOCKET).stderr


def test_the_port_is_open_to_this_host_alone(host: Host) -> None:
    assert host.check_output("redis-cli ping") == "PONG"
    assert host.socket("tcp://127.0.0.1:6379").is_listening
    assert not host.socket("tcp://0.0.0.0:6379").is_listening


def test_memory_is_bounded(host: Host) -> None:
    answers = host.check_output("redis-cli -s %s config get 'maxmemory*'", SOCKET).split()
    settings = dict(zip(answers[::2], answers[1::2]))
    assert settings["maxmemory"] == str(VARS["cache_memory_mb"] * 1024 * 1024)
    assert settings["maxmemory-policy"] == "allkeys-lru"

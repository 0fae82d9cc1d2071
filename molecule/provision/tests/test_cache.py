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


def test_there_is_no_port_for_other_accounts(host: Host) -> None:
    assert ":6379" not in host.check_output("ss --listening --tcp --numeric")
    assert "refused" in host.run("redis-cli ping").stderr


def test_clients_use_data_and_do_not_administer_the_server(host: Host) -> None:
    def ask(*words: str) -> str:
        return str(host.check_output("redis-cli -s %s " + " ".join(["%s"] * len(words)), SOCKET, *words))

    assert ask("SET", "canary-key", "1", "EX", "60") == "OK"
    assert ask("EVAL", "return redis.call('GET', 'canary-key')", "0") == "1"
    assert ask("DEL", "canary-key") == "1"
    for refused in ("CONFIG GET dir", "MODULE LIST", "FLUSHALL", "ACL LIST", "MONITOR", "SHUTDOWN", "REPLICAOF a 1"):
        assert ask(*refused.split()).startswith("NOPERM"), refused
    assert ask("DEBUG", "SLEEP", "0").startswith(("ERR", "NOPERM"))
    assert "script" in ask("EVAL", "return redis.call('CONFIG', 'GET', 'dir')", "0")


def test_memory_is_bounded(host: Host) -> None:
    answers = host.check_output("redis-cli -s %s info memory", SOCKET).splitlines()
    settings = dict(line.split(":", 1) for line in answers if ":" in line)
    assert settings["maxmemory"].strip() == str(VARS["cache_memory_mb"] * 1024 * 1024)
    assert settings["maxmemory_policy"].strip() == "allkeys-lru"

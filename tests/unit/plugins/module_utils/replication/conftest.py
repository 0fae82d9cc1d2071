# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two real servers that replicate, as the role configures them."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import socket
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.replication import change
from ansible_collections.boxlift.portal.plugins.module_utils.replication import server as servers
from ansible_collections.boxlift.portal.plugins.module_utils.replication.settings import (
    Note,
    Peer,
    Settings,
    write_note,
)
from unit import conftest

RIGHTS = "GRANT REPLICATION SLAVE, BINLOG MONITOR, SLAVE MONITOR ON *.* TO"


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@dataclasses.dataclass
class Host:
    """A server and what the host knows."""

    server: conftest.Server
    settings: Settings

    def do(self, *statements: str) -> None:
        with servers.own_server(self.settings) as server:
            for statement in statements:
                server.do(statement)

    def value(self, sql: str) -> t.Any:
        with servers.own_server(self.settings) as server:
            return server.value(sql)

    def rows(self, sql: str) -> list[dict[str, t.Any]]:
        with servers.own_server(self.settings) as server:
            return server.rows(sql)

    def promote(self, position: str = "", unplanned: bool = False) -> servers.Term:
        with servers.own_server(self.settings) as server:
            return change.promote(server, self.settings, position, 10, unplanned)

    def demote(self, primary: str) -> str:
        with servers.own_server(self.settings) as server:
            return change.demote(server, self.settings, primary, 10)

    def follow(self, primary: str, wait: t.Callable[[float], None]) -> servers.Following:
        with servers.own_server(self.settings) as server:
            return change.follow(server, self.settings, self.settings.peer(primary), 30, wait)

    def state(self) -> servers.State:
        with servers.own_server(self.settings) as server:
            return server.state("portal")


@pytest.fixture(scope="session")
def empty_pair() -> t.Iterator[tuple[Host, Host]]:
    ports = {"db1": _free_port(), "db2": _free_port()}
    hosts = []
    for number, (name, port) in enumerate(ports.items(), start=1):
        server = conftest.Server(
            "--bind-address=127.0.0.1",
            f"--port={port}",
            f"--server-id={number}",
            "--log-bin=binlog",
            "--gtid-strict-mode=ON",
            "--log-slave-updates=ON",
            "--read-only=ON",
            "--relay-log=relay",
            "--binlog-format=ROW",
        )
        peers = tuple(Peer(other, there, "", 0) for other, there in ports.items() if other != name)
        base = str(server.base)
        settings = Settings(
            name, peers, "repl", "secret", f"{base}/socket", note=f"{base}/note.json", seen=f"{base}/seen/guard.json"
        )
        hosts.append(Host(server, settings))
    try:
        for host in hosts:
            host.server.start()
        yield hosts[0], hosts[1]
    finally:
        for host in hosts:
            host.server.kill()
            shutil.rmtree(host.server.base)


@pytest.fixture
def pair(empty_pair: tuple[Host, Host]) -> tuple[Host, Host]:
    """db1 is the primary, and db2 follows it; both have the same, and nothing of the test before."""
    for host in empty_pair:
        pathlib.Path(host.settings.note).unlink(missing_ok=True)
        host.do("STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 1", "SET SESSION sql_log_bin = 0")
        host.do("DROP DATABASE IF EXISTS portal", "DROP DATABASE IF EXISTS boxlift_replication", "RESET MASTER")
        host.do("SET GLOBAL gtid_slave_pos = ''")
    first, second = empty_pair
    first.do("CREATE OR REPLACE USER repl IDENTIFIED BY 'secret'", f"{RIGHTS} repl")
    first.do("GRANT SELECT ON `boxlift_replication`.* TO repl")
    first.do("CREATE DATABASE portal", "CREATE TABLE portal.orders (n INT PRIMARY KEY) ENGINE=InnoDB")
    first.promote()
    write_note(second.settings.note, Note("replica"))
    assert second.follow("db1", time.sleep).works
    caught_up(second, first)
    return first, second


def caught_up(host: Host, with_host: Host) -> None:
    position = with_host.value("SELECT @@gtid_binlog_pos")
    assert host.value(f"SELECT MASTER_GTID_WAIT('{position}', 60)") == 0

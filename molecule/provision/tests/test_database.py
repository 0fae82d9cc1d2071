# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB as the portal sees it: the checker's variables, its own database, and nothing else."""

from __future__ import annotations

import typing as t

import pytest
from testinfra.host import Host

Sql = t.Callable[..., t.Any]

EXPECTED = {
    "sql_mode": "",
    "innodb_strict_mode": "OFF",
    "innodb_default_row_format": "dynamic",
    "default_storage_engine": "InnoDB",
    "tx_isolation": "READ-COMMITTED",
    "character_set_server": "utf8mb4",
    "collation_server": "utf8mb4_unicode_ci",
    "character_set_database": "utf8mb4",
    "collation_database": "utf8mb4_unicode_ci",
    "collation_connection": "utf8mb4_unicode_ci",
    "max_allowed_packet": str(64 * 1024 * 1024),
    "innodb_flush_log_at_trx_commit": "2",
    "innodb_buffer_pool_size": str(176 * 1024 * 1024),
    "local_infile": "OFF",
    "skip_show_database": "ON",
    "have_symlink": "DISABLED",
    "secure_file_priv": "/var/lib/mysql-files/",
}


@pytest.mark.parametrize("server", ["localhost", "127.0.0.1"])
def test_the_portals_session_has_the_variables_that_the_checker_demands(as_portal: Sql, server: str) -> None:
    query = "SELECT CONCAT_WS('|', " + ", ".join(f"@@{name}" for name in EXPECTED) + ")"
    values = as_portal(query, server).stdout.rstrip("\n").split("|")
    assert dict(zip(EXPECTED, values)) == EXPECTED


def test_the_portal_may_do_everything_in_its_database(as_portal: Sql) -> None:
    result = as_portal(
        "CREATE TABLE t (a INT); ALTER TABLE t ADD b INT; INSERT t VALUES (1, 2); SELECT a + b FROM t; DROP TABLE t"
    )
    assert (result.rc, result.stdout.strip()) == (0, "3")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE DATABASE other",
        "SELECT * FROM mysql.global_priv",
        "CREATE USER other@localhost",
        "GRANT SELECT ON portal.* TO portal@localhost WITH GRANT OPTION",
        "SET GLOBAL max_connections = 1",
        "SELECT 1 INTO OUTFILE '/var/tmp/x'",
    ],
)
def test_the_portal_may_do_nothing_else(as_portal: Sql, statement: str) -> None:
    result = as_portal(statement)
    assert result.rc != 0
    assert "denied" in result.stderr


def test_root_logs_in_through_the_socket_only(host: Host) -> None:
    assert host.check_output("mariadb --batch --skip-column-names -e 'SELECT CURRENT_USER()'") == "root@localhost"
    assert "denied" in host.run("mariadb --host=127.0.0.1 --user=root -e 'SELECT 1'").stderr
    assert "denied" in host.run("runuser -u portal -- mariadb --user=root -e 'SELECT 1'").stderr


def test_nobody_logs_in_without_a_name(host: Host) -> None:
    assert "denied" in host.run("runuser -u nobody -- mariadb --user= -e 'SELECT 1'").stderr
    assert host.check_output("mariadb --batch --skip-column-names -e \"SHOW DATABASES LIKE 'test'\"") == ""


def test_the_port_is_open_to_this_host_alone(host: Host) -> None:
    assert host.socket("tcp://127.0.0.1:3306").is_listening
    assert not host.socket("tcp://0.0.0.0:3306").is_listening

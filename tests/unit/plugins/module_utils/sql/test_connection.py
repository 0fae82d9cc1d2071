# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import gc
import pathlib
import socket
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql import connection
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import (
    Login,
    connect,
    execute,
    hang_up,
    quote_name,
    rows,
    stream,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import DatabaseFailed
from lab.authority import Authority
from unit.conftest import running_server

PARAMS = {
    "host": "db.example",
    "port": 3307,
    "unix_socket": None,
    "name": "portal",
    "login_user": "boxlift",
    "login_password": "s3cret",
}


def test_login_comes_from_the_module_option_and_hides_its_password() -> None:
    login = Login.from_params(PARAMS)
    assert login == Login("db.example", 3307, None, "boxlift", "s3cret")
    assert "s3cret" not in repr(login) and "s3cret" not in str(login)
    assert str(login) == "boxlift at db.example:3307"


def test_a_login_without_password_has_an_empty_one() -> None:
    assert Login.from_params({**PARAMS, "login_password": None}).password == ""


def test_rows_are_dictionaries_and_arguments_are_data(mariadb: t.Any) -> None:
    conn = mariadb.connect()
    assert rows(conn, "SELECT 1 AS a, 'x%' AS b") == [{"a": 1, "b": "x%"}]
    assert rows(conn, "SELECT %s AS a", ("' OR 1=1",)) == [{"a": "' OR 1=1"}]


def test_one_statement_at_a_time_committed_and_no_local_file(mariadb: t.Any, tmp_path: t.Any) -> None:
    database = mariadb.fresh_database()
    conn = mariadb.connect(database)
    with pytest.raises(DatabaseFailed):
        execute(conn, "SELECT 1; SELECT 2")
    execute(conn, "CREATE TABLE t (a VARCHAR(99)) ENGINE=InnoDB")
    assert execute(conn, "INSERT INTO t VALUES ('x'), ('y')") == 2
    assert rows(mariadb.connect(database), "SELECT COUNT(*) AS n FROM t") == [{"n": 2}]
    file = tmp_path / "local"
    file.write_text("stolen\n")
    with pytest.raises(DatabaseFailed):
        execute(conn, f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE t")


@pytest.mark.parametrize("used", (0, 1))
def test_an_answer_that_nobody_will_read_to_its_end(mariadb: t.Any, used: int) -> None:
    """What PyMySQL makes of it when it is thrown away fails the test, as everything does that fails then."""
    conn = mariadb.connect()
    found = stream(conn, "SELECT seq FROM mysql.seq_1_to_1000000")
    assert [next(found) for _row in range(used)] == [(1,)] * used
    hang_up(conn)
    hang_up(conn)
    del found, conn
    gc.collect()


def test_a_server_that_is_not_there_is_named(tmp_path: t.Any) -> None:
    with pytest.raises(BoxliftError) as caught:
        connect(Login(unix_socket=str(tmp_path / "none"), user="boxlift", password="s3cret"), "portal")
    assert f"portal as boxlift at {tmp_path}/none" in caught.value.message
    assert "Start the server" in caught.value.remedy
    assert "s3cret" not in str(caught.value.as_result())


def test_a_refused_login_says_whose(mariadb: t.Any) -> None:
    with pytest.raises(BoxliftError) as caught:
        connect(dataclasses.replace(mariadb.login, user="stranger", password="s3cret"))
    assert "stranger at" in caught.value.message and "login_password" in caught.value.remedy


def test_a_missing_database_is_named(mariadb: t.Any) -> None:
    with pytest.raises(BoxliftError) as caught:
        connect(mariadb.login, "nowhere")
    assert "database nowhere" in caught.value.message and "Create the database" in caught.value.remedy


def test_a_missing_library_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PYMYSQL_IMPORT_ERROR", ImportError("No module named 'pymysql'"))
    with pytest.raises(BoxliftError) as caught:
        connect(Login())
    assert "PyMySQL" in caught.value.message and "python3-pymysql" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("b_user", "`b_user`"), ("a`b", "`a``b`"), ("a.b; DROP", "`a.b; DROP`")],
)
def test_a_name_is_quoted_whatever_it_holds(name: str, quoted: str) -> None:
    assert quote_name(name) == quoted


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 65])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(BoxliftError):
        quote_name(name)


@pytest.fixture(scope="module")
def encrypting(tls: t.Any) -> t.Iterator[Login]:
    """A server with a certificate for 127.0.0.1, reached over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = (f"--ssl-cert={tls.certificate}", f"--ssl-key={tls.key}")
    with running_server("--bind-address=127.0.0.1", f"--port={port}", *own) as server:
        execute(server.connect(), "CREATE USER far@'127.0.0.1' IDENTIFIED BY 's3cret' REQUIRE SSL")
        execute(server.connect(), "CREATE USER near@'127.0.0.1' IDENTIFIED BY 's3cret'")
        yield Login("127.0.0.1", port, None, "far", "s3cret", str(tls.authority))


def test_a_login_with_an_authority_is_encrypted(encrypting: Login) -> None:
    (status,) = rows(connect(encrypting), "SHOW STATUS LIKE 'Ssl_version'")
    assert status["Value"].startswith("TLSv1")


def test_a_certificate_of_another_authority_or_name_is_refused(encrypting: Login, tmp_path: pathlib.Path) -> None:
    stranger = Authority(tmp_path / "stranger").certificate
    with pytest.raises(DatabaseFailed, match="certificate verify failed"):
        connect(dataclasses.replace(encrypting, ca_path=str(stranger)))
    with pytest.raises(DatabaseFailed, match="certificate verify failed"):
        connect(dataclasses.replace(encrypting, host="localhost"))


def test_a_server_without_tls_is_refused_to_whom_wants_it(mariadb: t.Any, tls: t.Any) -> None:
    # A newer PyMySQL says it by itself.
    with pytest.raises(BoxliftError, match="would not be encrypted|SSL is required"):
        connect(dataclasses.replace(mariadb.login, ca_path=str(tls.authority)))


def test_a_connection_that_went_on_in_the_clear_is_refused(encrypting: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    """As PyMySQL of Debian 12 does where the server offers no TLS."""
    wanted = connection.pymysql.connect
    clear = {"ssl": None, "ssl_disabled": True}
    monkeypatch.setattr(connection.pymysql, "connect", lambda **options: wanted(**{**options, **clear}))
    with pytest.raises(BoxliftError, match="would not be encrypted") as caught:
        connect(dataclasses.replace(encrypting, user="near"))
    assert "ssl_cert" in caught.value.remedy


def test_an_authority_that_is_not_there_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BoxliftError, match="absent[.]pem does not exist on this host") as caught:
        connect(Login("127.0.0.1", 1, None, "far", "s3cret", str(tmp_path / "absent.pem")))
    assert "from whoever runs the database" in caught.value.remedy

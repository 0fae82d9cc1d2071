# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixture `mariadb`: a real server of the test run's own, reached by its socket alone."""

from __future__ import annotations

import getpass
import itertools
import pathlib
import shutil
import subprocess
import tempfile
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login, connect, execute

STARTUP_SECONDS = 30


class MariaDB:
    """A running server: `login` is its root; every test makes databases of its own."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self._numbers = itertools.count(1)

    def connect(self, database: str | None = None) -> t.Any:
        return connect(self.login, database)

    def fresh_name(self, prefix: str = "t") -> str:
        """A database name that no other test uses; the database does not exist yet."""
        return f"{prefix}_{next(self._numbers)}"

    def fresh_database(self, prefix: str = "t", options: str = "CHARACTER SET utf8mb4") -> str:
        """The name of a new, empty database."""
        name = self.fresh_name(prefix)
        conn = self.connect()
        try:
            execute(conn, f"CREATE DATABASE `{name}` {options}")
        finally:
            conn.close()
        return name


@pytest.fixture(scope="session")
def mariadb() -> t.Iterator[MariaDB]:
    """Start a server in a directory of its own, without network; fail, never skip, where MariaDB is not installed."""
    daemon = shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    installer = shutil.which("mariadb-install-db")
    if daemon is None or installer is None:
        pytest.fail("The tests need a real MariaDB: apt-get install mariadb-server")
    # Not pytest's own directory: the path of a socket must stay below 108 bytes.
    base = pathlib.Path(tempfile.mkdtemp(prefix="boxlift-mariadb-"))
    process: subprocess.Popen[bytes] | None = None
    try:
        small = ["--innodb-log-file-size=16M", "--innodb-buffer-pool-size=64M", f"--datadir={base}/data"]
        small.append(f"--user={getpass.getuser()}")
        subprocess.run(
            [installer, "--no-defaults", *small, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        socket = base / "socket"
        with (base / "log").open("wb") as log:
            process = subprocess.Popen(
                [daemon, "--no-defaults", *small, f"--socket={socket}", "--skip-networking", f"--pid-file={base}/pid"]
                # Speed instead of durability: the directory dies with the run.
                + ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--skip-log-bin"]
                + ["--max-connections=50", "--skip-name-resolve"],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        server = MariaDB(Login(unix_socket=str(socket)))
        _wait(server, process, base / "log")
        yield server
    finally:
        if process is not None:
            process.kill()
            process.wait()
        shutil.rmtree(base)


def _wait(server: MariaDB, process: subprocess.Popen[bytes], log: pathlib.Path) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while True:
        try:
            server.connect().close()
            return
        except BoxliftError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"MariaDB did not start: {error}\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)

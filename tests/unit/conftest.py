# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for everybody: a real MariaDB of the test run's own, and the dumps of the reference backups."""

from __future__ import annotations

import contextlib
import getpass
import gzip
import hashlib
import io
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import time
import typing as t

import hypothesis
import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import (
    Login,
    connect,
    execute,
    quote_name,
    rows,
)
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from lab.authority import Authority
from lab.reference import reference_backups

# A busy machine must not decide a test: no example has a deadline.
hypothesis.settings.register_profile("boxlift", deadline=None)
hypothesis.settings.load_profile("boxlift")

STARTUP_SECONDS = 120  # only a server that does not start at all takes so long


def _fast_directory() -> str | None:
    """Memory, if there is enough: tests create hundreds of tables and backups, and everything is synced to the disk."""
    memory = pathlib.Path("/dev/shm")
    if not memory.is_dir() or shutil.disk_usage(memory).free < 2**31:
        return None
    # Containers mount it so that no program in it can be run.
    return None if os.statvfs(memory).f_flag & os.ST_NOEXEC else str(memory)


if FAST_DIRECTORY := _fast_directory():
    # Where pytest makes its temporary directories.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", FAST_DIRECTORY)


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


class Tls(t.NamedTuple):
    """A server's certificate for 127.0.0.1, its key, and the authority that signed it."""

    certificate: pathlib.Path
    key: pathlib.Path
    authority: pathlib.Path


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    authority = Authority(tmp_path_factory.mktemp("tls"))
    issued = authority.issue("127.0.0.1")
    return Tls(issued.certificate, issued.key, authority.certificate)


class Server(MariaDB):
    """A server of its own, without network, in a directory that dies with the run; it can be killed and come back."""

    def __init__(self, *options: str) -> None:
        daemon = shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        installer = shutil.which("mariadb-install-db")
        if daemon is None or installer is None:
            pytest.fail("The tests need a real MariaDB: apt-get install mariadb-server")
        # Not pytest's own directory: the path of a socket must stay below 108 bytes.
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="boxlift-mariadb-", dir=FAST_DIRECTORY))
        super().__init__(Login(unix_socket=str(self.base / "socket")))
        small = ["--innodb-log-file-size=16M", "--innodb-buffer-pool-size=64M", f"--datadir={self.base}/data"]
        # Servers that share /tmp remove each other's temporary tables when they start.
        (self.base / "tmp").mkdir()
        small += [f"--tmpdir={self.base}/tmp", f"--user={getpass.getuser()}"]
        subprocess.run(
            [installer, "--no-defaults", *small, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self._command = [
            daemon,
            "--no-defaults",
            *small,
            f"--socket={self.base}/socket",
            *(options or ["--skip-networking"]),
            f"--pid-file={self.base}/pid",
            # Speed instead of durability: the directory dies with the run.
            "--innodb-flush-method=nosync",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=0",
            "--sync-frm=0",
            *([] if any(option.startswith("--log-bin") for option in options) else ["--skip-log-bin"]),
            "--max-connections=50",
            "--skip-name-resolve",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.base / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        _wait(self, self._process, self.base / "log")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def running_server(*options: str) -> t.Iterator[Server]:
    """A server without network, or with what `options` say instead."""
    server = Server(*options)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.base)


@pytest.fixture(scope="session")
def mariadb() -> t.Iterator[MariaDB]:
    """One server for all tests; fail, never skip, where MariaDB is not installed."""
    with running_server() as server:
        yield server


@pytest.fixture
def mortal_mariadb() -> t.Iterator[Server]:
    """A server for one test, which may kill it."""
    with running_server() as server:
        yield server


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


class ReferenceDump(t.NamedTuple):
    """The unpacked dump of a backup with a manifest: `files` in reading order, and what the manifest promises."""

    files: list[pathlib.Path]
    tables: dict[str, dict[str, t.Any]]
    views: list[str]


@pytest.fixture(scope="session", params=["plain_multi", "enc_multi"])
def reference_dump(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ReferenceDump:
    """Of the vendor's own writer, where its backups are at hand."""
    folder = reference_backups()[request.param]
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    stream = b"".join(gzip.decompress((folder / part["name"]).read_bytes()) for part in manifest["parts"])
    if manifest["password"]:
        key = hashlib.md5(manifest["password"].encode()).hexdigest().encode()
        decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()
        stream = decryptor.update(stream[512:]) + decryptor.finalize()
    target = tmp_path_factory.mktemp(request.param)
    db = manifest["db"]
    names = [db["after_connect"], *db["dump_parts"]]
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        for member in archive:
            if member.name in names:
                source = archive.extractfile(member)
                assert source is not None
                (target / pathlib.Path(member.name).name).write_bytes(source.read())
    return ReferenceDump([target / pathlib.Path(name).name for name in names], db["tables"], db["views"])


def rows_sha256(conn: t.Any, database: str, table: str) -> tuple[int, str]:
    """Number and digest of a table's rows by the recipe of the manifests."""
    columns = rows(
        conn,
        "SELECT COLUMN_NAME AS name FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s "
        "ORDER BY ORDINAL_POSITION",
        (database, table),
    )
    values = ", ".join(f"IFNULL(HEX({quote_name(column['name'])}), '~')" for column in columns)
    texts = rows(conn, f"SELECT CONCAT_WS(',', {values}) AS r FROM {quote_name(database)}.{quote_name(table)}")
    found = sorted(row["r"].encode() for row in texts)
    return len(found), hashlib.sha256(b"\n".join(found)).hexdigest()


@pytest.fixture(scope="session")
def digest() -> t.Callable[[t.Any, str, str], tuple[int, str]]:
    return rows_sha256

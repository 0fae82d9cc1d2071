# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small generated backup, and the portal unpacked from it beside a real database."""

from __future__ import annotations

import dataclasses
import gzip
import io
import pathlib
import shutil
import socket
import subprocess
import tarfile
import time
import typing as t
import urllib.request

import pytest
from lab.make_backup import Packing, make_backup
from lab.portal import tree
from lab.portal.data.world import World

SMALL = World(seed=7, users=60, leads=300, deals=90, contacts=100, tasks=80, messages=400, files=60, kernel_files=20)


@dataclasses.dataclass(frozen=True)
class Backup:
    world: World
    folder: pathlib.Path
    manifest: dict[str, t.Any]

    def stream(self) -> bytes:
        return b"".join(gzip.decompress((self.folder / part["name"]).read_bytes()) for part in self.manifest["parts"])


@pytest.fixture(scope="session")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Backup:
    """Not encrypted, in several parts."""
    folder = tmp_path_factory.mktemp("backup")
    world = dataclasses.replace(SMALL, file_bytes=2_000_000)
    return Backup(world, folder, make_backup(folder, world, Packing(kind="tar.gz", part_size=1_000_000)))


@pytest.fixture(scope="session")
def root(backup: Backup, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The document root, unpacked."""
    folder = tmp_path_factory.mktemp("root")
    with tarfile.open(fileobj=io.BytesIO(backup.stream())) as tar:
        tar.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def database(backup: Backup, root: pathlib.Path, mariadb: t.Any) -> str:
    """The name of a database with the dump in it, brought there by MariaDB's own client."""
    name: str = mariadb.fresh_database("portal")
    start = "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', foreign_key_checks=0"
    command = ["mariadb", "--no-defaults", "--user=root", f"--socket={mariadb.login.unix_socket}"]
    command += [f"--init-command={start}", "--default-character-set=utf8mb4", name]
    for path in backup.manifest["db"]["dump_parts"]:
        with (root / path).open("rb") as file:
            subprocess.run(command, stdin=file, check=True)
    return name


@pytest.fixture
def cursor(database: str, mariadb: t.Any) -> t.Iterator[t.Any]:
    """On that database; every statement stands for itself."""
    with mariadb.connect(database) as connection:
        connection.autocommit(True)
        with connection.cursor() as cursor:
            yield cursor


def scalar(cursor: t.Any, sql: str) -> t.Any:
    """The first value of the first row."""
    cursor.execute(sql)
    row = cursor.fetchone()
    return row[0] if row else None


@dataclasses.dataclass(frozen=True)
class Portal:
    """The application under PHP's built-in server."""

    url: str
    root: pathlib.Path
    mails: pathlib.Path

    def settings(self, *pairs: tuple[str, str]) -> None:
        """Replace texts of `.settings.php`; a text that is not there is an error."""
        file = self.root / "bitrix/.settings.php"
        text = file.read_text()
        for old, new in pairs:
            assert old in text, f"{old} is not in {file}"
            text = text.replace(old, new)
        file.write_text(text)

    def php(self, *arguments: str) -> str:
        command = ["php", *php_options(self.mails), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def php_options(mails: pathlib.Path) -> list[str]:
    # Sessions go where the test run's other files are; mail goes into a file.
    return ["-d", f"session.save_path={mails.parent}", "-d", f"sendmail_path=cat >> {mails}"]


@pytest.fixture
def portal(root: pathlib.Path, tmp_path: pathlib.Path) -> t.Iterator[Portal]:
    """A copy of the tree as it came, not yet configured."""
    if shutil.which("php") is None:
        pytest.fail("The tests need PHP: apt-get install php-cli php-mysql php-mbstring")
    copy = tmp_path / "www"
    shutil.copytree(root, copy)
    mails = tmp_path / "mails"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    router = tree.APP.parent / "router.php"
    command = ["php", *php_options(mails), "-S", f"127.0.0.1:{port}", "-t", str(copy), str(router)]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait(port)
            yield Portal(f"http://127.0.0.1:{port}", copy, mails)
        finally:
            process.terminate()


def _wait(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


class Browser:
    """Requests with a cookie jar; an answer of 4xx or 5xx is an answer, not an exception."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.opener = urllib.request.OpenerDirector()
        for handler in (urllib.request.HTTPHandler(), urllib.request.HTTPCookieProcessor()):
            self.opener.add_handler(handler)

    def open(self, path: str, data: str | None = None, **headers: str) -> tuple[int, t.Any, str]:
        """Status, headers and text."""
        request = urllib.request.Request(self.url + path, data.encode() if data else None, headers)
        with self.opener.open(request, timeout=20) as response:
            return response.status, response.headers, response.read().decode("utf-8", "replace")

    def login(self, user: str, password: str) -> int:
        return self.open("/", f"AUTH_FORM=Y&TYPE=AUTH&USER_LOGIN={user}&USER_PASSWORD={password}")[0]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A MariaDB of its own over the data of a copy, beside the live one: without network, without rights, soon gone.

Its folder holds all of it. `state.json` in it says how far it is, so that a killed run is gone on with where that is
safe: what was prepared or replayed wholly is kept, anything half done is made anew.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import STREAM, Copy
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import Restic
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file
from ansible_collections.boxlift.portal.plugins.module_utils.program import complained, start
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import remove_tree
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login, connect, hang_up
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import DatabaseFailed
from ansible_collections.boxlift.portal.plugins.module_utils.state import read_json, write_json

_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_STARTUP_SECONDS = 600  # the server reads its redo first
_STOP_SECONDS = 120
_LOOK_SECONDS = 0.1
_LINES = 5
# Of the settings that mariadb-backup found: how the data are laid out.
_LAYOUT = re.compile(
    r"(innodb_(?:data_file_path|page_size|undo_tablespaces|checksum_algorithm|log_file_size|compression_level))=(.*)"
)
_INFO = ("xtrabackup_binlog_info", "mariadb_backup_binlog_info")


class Folder(t.NamedTuple):
    """Where everything lies: data, what is added to them, logs, and the running server's own files."""

    path: str

    @property
    def base(self) -> str:
        return os.path.join(self.path, "base")

    @property
    def increment(self) -> str:
        return os.path.join(self.path, "increment")

    @property
    def logs(self) -> str:
        return os.path.join(self.path, "logs")

    @property
    def run(self) -> str:
        return os.path.join(self.path, "run")

    @property
    def sql(self) -> str:
        return os.path.join(self.path, "replay.sql")

    @property
    def _state(self) -> str:
        return os.path.join(self.path, "state.json")

    def state(self) -> dict[str, t.Any]:
        """What an earlier run has noted; empty where the host was started again since: nothing was forced to disk."""
        noted = read_json(self._state) or {}
        return noted if noted.get("boot") == _boot() else {}

    def note(self, **values: t.Any) -> None:
        write_json(self._state, {**self.state(), "boot": _boot(), **values})

    def make(self) -> None:
        """Everybody may pass through it, else the server could not; nobody may list it."""
        os.makedirs(self.path, exist_ok=True)
        os.chmod(self.path, 0o711)

    def remove(self) -> None:
        """End a server that a killed run has left, and remove everything."""
        end_processes(self.path)
        remove_tree(self.path)


def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as source:
        return source.read().strip()


def program(name: str, package: str) -> str:
    """The path of a program. Raises BoxliftError with the package that has it."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise BoxliftError(f"The program {name} is missing on this host.", f"Install it: apt-get install {package}.")
    return found


def refuse_other_version(chain: t.Sequence[Copy]) -> None:
    """Raise BoxliftError where the programs of this host are of another release than the server that was copied.

    Data files are only prepared by the release that wrote them; and that is not told by any error.
    """
    command = [program("mariadbd", "mariadb-server"), "--no-defaults", "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    here = _release(said.partition("Ver ")[2])
    for copy in chain:
        there = _release(str(copy.parts["database"].get("server", "")))
        if there and here != there:
            raise BoxliftError(
                f"The copy {copy.id} is of MariaDB {there}, and this host has {here}.",
                f"Bring it back on a host with MariaDB {there}, such as a Debian of the release that production had.",
                code="version",
            )


def _release(version: str) -> str:
    match = re.match(r"\s*(\d+\.\d+)", version)
    return match.group(1) if match else ""


def unpack(restic: Restic, chain: t.Sequence[Copy], folder: Folder, on_bytes: t.Callable[[int], None]) -> None:
    """Bring the database of the copies into the folder, not prepared yet. Raises BoxliftError."""
    for path in (folder.base, folder.increment):
        remove_tree(path)
    for path, copy in zip((folder.base, folder.increment), chain):
        os.mkdir(path, 0o700)
        _unpack(restic, copy, path)
        on_bytes(copy.bytes("database"))


def _unpack(restic: Restic, copy: Copy, path: str) -> None:
    with tempfile.TemporaryFile() as complaints:
        command = [program("mbstream", "mariadb-backup"), "-x", "-C", path]
        with start(command, stdin=subprocess.PIPE, stdout=complaints, stderr=complaints) as unpacking:
            feed = t.cast("t.IO[bytes]", unpacking.stdin)
            failed: BoxliftError | None = None
            try:
                restic.dump(copy.snapshot("database"), STREAM, feed)
            except BoxliftError as error:
                failed = error
            with contextlib.suppress(BrokenPipeError):
                feed.close()
            code = unpacking.wait()
        # Where unpacking fails, restic only has a pipe that broke.
        if code and (failed is None or _wrote(complaints)):
            raise BoxliftError(
                f"The database of copy {copy.id} cannot be unpacked: mbstream ended with {code}. "
                f"{complained(complaints)}",
                f"Look at the room (df -h {path}) and at the copy (boxlift-backup verify), and run again.",
            )
        if failed is not None:
            raise failed


def _wrote(stream: t.IO[bytes]) -> bool:
    return stream.seek(0, os.SEEK_END) > 0


def prepare(folder: Folder, memory: int, user: str) -> None:
    """Make the data consistent, the full copy first, then with what the incremental one adds. Raises BoxliftError."""
    targets = [[]] if not os.path.isdir(folder.increment) else [[], [f"--incremental-dir={folder.increment}"]]
    for more in targets:
        command = [
            program("mariadb-backup", "mariadb-backup"),
            "--prepare",
            f"--target-dir={folder.base}",
            f"--use-memory={memory}",
            *more,
        ]
        with tempfile.TemporaryFile() as said:
            with start(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said) as preparing:
                code = preparing.wait()
            said.seek(0)
            lines = said.read().decode("utf-8", "replace").strip().splitlines()
        if code or not lines or not lines[-1].endswith("completed OK!"):
            shown = " ".join(lines[-_LINES:]) or "nothing"
            raise BoxliftError(
                f"The copy's database cannot be prepared: mariadb-backup ended with {code} and said: {shown}",
                "Take another copy (recover_copy names one), and have this one verified (boxlift-backup verify).",
                code="prepare",
            )
    remove_tree(folder.increment)
    give(folder.base, user)


def position(folder: Folder) -> tuple[str, int, str] | None:
    """File, position and GTIDs where the prepared data stand; None where they name none."""
    for name in _INFO:
        path = os.path.join(folder.base, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as source:
                words = source.read().split()
            return (words[0], int(words[1]), words[2] if len(words) > 2 else "") if len(words) > 1 else None
    return None


def give(path: str, user: str) -> None:
    """Let the account own everything below the path."""
    account = pwd.getpwnam(user)
    os.chown(path, account.pw_uid, account.pw_gid)
    for directory, names, files in os.walk(path):
        for name in (*names, *files):
            os.lchown(os.path.join(directory, name), account.pw_uid, account.pw_gid)


class BesideServer:
    """The server over `folder.base`, which an earlier step has prepared. As a context manager it runs.

    It ends with the process that has started it, also where that is killed. `login` is of an account that may do
    everything in it, and that only this process' user can use, through a socket in a folder of the server's account.
    """

    def __init__(self, folder: Folder, user: str = "mysql", memory: int = 256 * 1024 * 1024, case: int = 0) -> None:
        self._folder = folder
        self._user = user
        self._memory = memory
        self._case = case
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = os.path.join(folder.run, "socket")
        self.login = Login(unix_socket=self.socket, user=getpass.getuser())

    @property
    def command(self) -> list[str]:
        """Reaches the server by standard input and output."""
        return [program("socat", "socat"), "STDIO", f"UNIX-CONNECT:{self.socket}"]

    def client(self, name: str = "mariadb") -> list[str]:
        """A client program with its login."""
        return [
            program(name, "mariadb-client"),
            "--no-defaults",
            f"--socket={self.socket}",
            f"--user={self.login.user}",
        ]

    def __enter__(self) -> BesideServer:
        end_processes(self._folder.run)
        remove_tree(self._folder.run)
        os.mkdir(self._folder.run, 0o700)
        os.mkdir(os.path.join(self._folder.run, "tmp"), 0o700)
        replace_file(self._file("my.cnf"), self._settings().encode(), durable=False)
        replace_file(self._file("account.sql"), self._account().encode(), durable=False)
        give(self._folder.run, self._user)
        with open(self._file("output"), "wb") as output:
            self._process = start(self._guarded(), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            self._await(self._process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_failure: object) -> None:
        process = self._process
        if process is None:
            return
        self._process = None
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _file(self, name: str) -> str:
        return os.path.join(self._folder.run, name)

    def _guarded(self) -> list[str]:
        account = pwd.getpwnam(self._user)
        server = [program("mariadbd", "mariadb-server"), f"--defaults-file={self._file('my.cnf')}"]
        if os.geteuid() != 0:
            return server
        return [
            program("setpriv", "util-linux"),
            f"--reuid={account.pw_uid}",
            f"--regid={account.pw_gid}",
            "--clear-groups",
            "--no-new-privs",
            "--bounding-set=-all",
            "--pdeathsig=KILL",
            *server,
        ]

    def _settings(self) -> str:
        settings = {
            "user": self._user,
            "datadir": self._folder.base,
            "socket": self.socket,
            "pid_file": self._file("pid"),
            "log_error": self._file("error.log"),
            "tmpdir": self._file("tmp"),
            "init_file": self._file("account.sql"),
            "lower_case_table_names": self._case,
            "innodb_buffer_pool_size": self._memory,
            "max_allowed_packet": "1G",
            "event_scheduler": "DISABLED",
            "performance_schema": "OFF",
            "innodb_strict_mode": "OFF",
            "local_infile": "OFF",
            "max_connections": 50,
            # Speed instead of durability: what a kill leaves is whole, and after a crash of the host all is made anew.
            "innodb_flush_log_at_trx_commit": 2,
            "innodb_fast_shutdown": 2,
            "innodb_flush_method": "nosync",
            "loose_sync_frm": 0,
            **self._layout(),
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        alone = ["skip_networking", "skip_log_bin", "skip_slave_start", "skip_name_resolve", "loose_skip_feedback"]
        return "\n".join(["[mariadbd]", *alone, *lines, ""])

    def _layout(self) -> dict[str, str]:
        path = os.path.join(self._folder.base, "backup-my.cnf")
        if not os.path.exists(path):
            return {}
        with open(path, encoding="utf-8", errors="replace") as source:
            found = [_LAYOUT.fullmatch(line.strip()) for line in source]
        return {f"loose_{match[1]}": match[2] for match in found if match}

    def _account(self) -> str:
        name = self.login.user.replace("`", "``")
        return (
            f"CREATE OR REPLACE USER `{name}`@`localhost` IDENTIFIED VIA unix_socket;\n"
            f"GRANT ALL PRIVILEGES ON *.* TO `{name}`@`localhost` WITH GRANT OPTION;\n"
        )

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + _STARTUP_SECONDS
        while True:
            try:
                hang_up(connect(self.login))
            except DatabaseFailed as error:
                if process.poll() is None and time.monotonic() < until:
                    time.sleep(_LOOK_SECONDS)
                    continue
                raise BoxliftError(
                    f"The server over the copy does not start: {self._last_words() or error.text}.",
                    "Nothing of the live portal was changed. Take another copy (recover_copy names one).",
                    code="server",
                ) from error
            return

    def _last_words(self) -> str:
        for name in ("error.log", "output"):
            path = self._file(name)
            if os.path.exists(path) and os.path.getsize(path):
                with open(path, encoding="utf-8", errors="replace") as source:
                    lines = [line.strip() for line in source if "ERROR" in line] or ["it says nothing"]
                return " ".join(lines[-_LINES:])[-1000:]
        return ""


# Programs of ours that a killed run may leave behind.
_OURS = frozenset(
    {"restic", "mbstream", "mariadb-backup", "mariadb-binlog", "mariadb-dump", "mariadb", "mariadbd", "socat"}
)


def end_processes(path: str) -> None:
    """End the programs of a killed run that still work below this path, and wait until they are gone."""
    until = time.monotonic() + _STOP_SECONDS
    while left := [pid for pid in _processes() if _works_below(pid, path)]:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > until:
            raise BoxliftError(f"Process {left[0]} below {path} does not end.", f"See why: ps -fp {left[0]}.")
        time.sleep(_LOOK_SECONDS)


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _works_below(pid: int, path: str) -> bool:
    """Whether it is one of our programs with this path, or one below it, among its arguments."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as source:
            words = source.read().decode("utf-8", "surrogateescape").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    if os.path.basename(words[0]) not in _OURS:
        return False
    values = [word.partition("=")[2] if word.startswith("--") and "=" in word else word for word in words[1:]]
    return any(value.rpartition(":")[2] == path or value.rpartition(":")[2].startswith(f"{path}/") for value in values)

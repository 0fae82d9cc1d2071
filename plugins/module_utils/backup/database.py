# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's part of a copy: its stream, what proves it, and what is noted of its tables."""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import STREAM, Copy
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import ProducerFailed, Restic, Saved
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Database
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import remove_tree
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login, connect, quote_name, rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import DatabaseFailed

_NO_SUCH_TABLE = 1146
#: Seconds for all counts of one pass; tables that do not come to their turn are not noted.
COUNTING = 600.0
#: Milliseconds between two looks of mariadb-backup at the server's log.
LOG_LOOKS = 50
_LAST_WORD = "completed OK!"
# The names before MariaDB 11.1, and since then.
_CHECKPOINTS = ("xtrabackup_checkpoints", "mariadb_backup_checkpoints")
_INFO = ("xtrabackup_info", "mariadb_backup_info")


OnBytes = t.Optional[t.Callable[[int], None]]


class Taken(t.NamedTuple):
    """A stored stream, and what the manifest says of it."""

    saved: Saved
    part: dict[str, t.Any]


class Server:
    """The running server, asked with the account of the copies."""

    def __init__(
        self,
        database: Database,
        clock: t.Callable[[], float] = time.monotonic,
        program: str = "mariadb-backup",
    ) -> None:
        self.database = database
        self.program = program
        self._clock = clock

    def login(self) -> Login:
        """The account in the option file. Raises BoxliftError."""
        options = configparser.ConfigParser(interpolation=None, allow_no_value=True, strict=False)
        path = self.database.option_file
        try:
            with open(path, encoding="utf-8") as stream:
                options.read_file(stream)
            client = options["client"]
        except (configparser.Error, KeyError) as error:
            raise BoxliftError(
                f"{path} holds no section [client].", "Run the playbook that sets up the copies again."
            ) from error
        socket = _unquoted(client.get("socket"))
        return Login(
            host=_unquoted(client.get("host")) or "localhost",
            unix_socket=socket or "/run/mysqld/mysqld.sock",
            user=_unquoted(client.get("user")) or "boxlift_backup",
            password=_unquoted(client.get("password")),
        )

    def ask(self, sql: str) -> list[dict[str, t.Any]]:
        """The rows of one question. Raises BoxliftError."""
        conn = connect(self.login())
        try:
            return rows(conn, sql)
        finally:
            conn.close()

    def version(self) -> str:
        """Such as 10.11.19-MariaDB."""
        said = str(self.ask("SELECT @@version AS v")[0]["v"])
        return re.sub(r"(-MariaDB).*", r"\1", said)

    def count(self) -> dict[str, int]:
        """The rows of each table of the portal's database, as far as the time allows."""
        conn = connect(self.login())
        found: dict[str, int] = {}
        began = self._clock()
        try:
            name = self.database.name
            tables = rows(
                conn,
                "SELECT table_name AS name FROM information_schema.tables "
                "WHERE table_schema = %s AND table_type = 'BASE TABLE' ORDER BY table_name",
                (name,),
            )
            for table in tables:
                if self._clock() - began > COUNTING:
                    break
                try:
                    counted = rows(conn, f"SELECT COUNT(*) AS n FROM {quote_name(name)}.{quote_name(table['name'])}")
                except DatabaseFailed as error:
                    if error.code != _NO_SUCH_TABLE:
                        raise
                    continue  # dropped since it was listed; the copy is none the worse
                found[str(table["name"])] = int(counted[0]["n"])
        finally:
            conn.close()
        return found

    def node(self) -> str:
        """The name that the server's host gives itself. Raises BoxliftError."""
        return str(self.ask("SELECT @@hostname AS h")[0]["h"])

    def about(self) -> dict[str, str]:
        """Which server it is: its version, its data directory, and whose binary logs it counts.

        Those of another host are others, though they have the same names. The second part of the incarnation may change
        with an update, which changes no log. Raises BoxliftError or OSError.
        """
        incarnation = self.incarnation()
        return {
            "server": self.version(),
            "incarnation": incarnation,
            "logs_of": f"{self.node()}-{incarnation.partition('-')[0]}",
        }

    def incarnation(self) -> str:
        """Another one after the data directory was made anew: increments of the old one do not fit then."""
        return incarnation_of(self.database.data_dir)

    def take(self, restic: Restic, tags: t.Sequence[str], base: Copy | None, scratch: str, on_bytes: OnBytes) -> Taken:
        """Stream the server into the repository, all of it or what changed since `base`.

        Raises ProducerFailed where the server or its copying program fails; nothing is stored then.
        """
        of = self.database
        login = [f"--defaults-extra-file={of.option_file}"]
        command = command_of(self.program, login, of.data_dir, scratch, of.read_mb, since_of(base))
        with made_for_now(scratch):
            return store(restic, command, tags, lambda words: proven(words, scratch), on_bytes)

    @contextlib.contextmanager
    def logs_at_hand(self, names: t.Sequence[str], scratch: str) -> t.Iterator[str]:
        """The folder on this host in which these closed binary logs lie meanwhile. Raises BoxliftError, OSError."""
        yield self.database.binlog_dir


def incarnation_of(folder: str) -> str:
    """That of the data directory in this folder. Raises OSError."""
    number = os.stat(os.path.join(folder, "ibdata1")).st_ino
    try:
        made = int(os.stat(os.path.join(folder, "mysql", "db.frm")).st_mtime)
    except FileNotFoundError:
        made = 0
    # A host that is built anew in the same way may give the file the same number.
    return f"{number}-{made}"


def since_of(base: Copy | None) -> int | None:
    """Up to where the server's log was read by the full copy."""
    return None if base is None else int(base.parts["database"]["to_lsn"])


def store(
    restic: Restic,
    command: t.Sequence[str],
    tags: t.Sequence[str],
    prove: t.Callable[[str], dict[str, t.Any]],
    on_bytes: OnBytes,
) -> Taken:
    """Store what the command writes; `prove` makes of its complaints what is noted. Raises ProducerFailed."""
    found: dict[str, t.Any] = {}
    saved = restic.backup_stream(
        command, STREAM, tags, prove=lambda words: found.update(prove(words)), on_bytes=on_bytes
    )
    return Taken(saved, {"snapshot": saved.snapshot, "bytes": saved.bytes, "stored": saved.stored, **found})


def command_of(
    program: str, login: t.Sequence[str], data_dir: str, scratch: str, read_mb: int, since: int | None
) -> list[str]:
    """The command that streams the server, all of it or what changed since this place in its log."""
    command = [
        program,
        *login,
        "--backup",
        "--stream=mbstream",
        "--parallel=1",
        # Writes wait at the end until all of the log is there, and it looks for more only so often; its own default
        # is a second.
        f"--log-copy-interval={LOG_LOOKS}",
        # In reads of a MiB a second.
        f"--throttle={read_mb}",
        f"--datadir={data_dir}",
        f"--target-dir={scratch}",
        f"--extra-lsndir={scratch}",
    ]
    return command if since is None else [*command, f"--incremental-lsn={since}"]


@contextlib.contextmanager
def made_for_now(folder: str) -> t.Iterator[None]:
    """An empty folder, which is gone afterwards. Raises OSError where it cannot be made or removed."""
    remove_tree(folder)
    os.makedirs(folder, mode=0o700)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # the first failure is the one to tell; the next copy removes the folder
            remove_tree(folder)
        raise
    remove_tree(folder)


def proven(words: str, scratch: str) -> dict[str, t.Any]:
    """What mariadb-backup has copied, from its last words and its notes in the folder. Raises ProducerFailed."""
    last = words.strip().splitlines()[-1:]
    if not last or not last[0].endswith(_LAST_WORD):
        raise ProducerFailed(
            f"mariadb-backup ended without the words '{_LAST_WORD}'; nothing of it was kept.",
            "See in the journal of boxlift-backup.service what it complained of, and take the copy again.",
            words,
        )
    lsn = _pairs(_read(scratch, _CHECKPOINTS))
    if not lsn.get("to_lsn", "").isdigit():
        raise ProducerFailed(
            "mariadb-backup did not say to which LSN it read; nothing of it was kept.",
            "See in the journal of boxlift-backup.service what it complained of, and take the copy again.",
            words,
        )
    return {
        "from_lsn": int(lsn.get("from_lsn", "0")),
        "to_lsn": int(lsn["to_lsn"]),
        "binlog": _binlog(_read(scratch, _INFO)),
    }


def _read(folder: str, names: t.Sequence[str]) -> str:
    for name in names:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as stream:
                return stream.read()
    return ""


def _pairs(text: str) -> dict[str, str]:
    split = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _sign, value in split}


def _binlog(info: str) -> dict[str, t.Any] | None:
    """Where the binary logs stood at the moment of the copy; None where the server writes none."""
    said = _pairs(info).get("binlog_pos", "")
    place = re.search(r"filename '([^']+)', position '(\d+)'", said)
    if place is None:
        return None
    gtid = re.search(r"GTID of the last change '([^']*)'", said)
    return {"file": place.group(1), "position": int(place.group(2)), "gtid": gtid.group(1) if gtid else ""}


def _unquoted(value: str | None) -> str:
    text = (value or "").strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text

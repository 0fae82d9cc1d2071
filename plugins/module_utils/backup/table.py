# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single tables from the server beside: switched in by one RENAME TABLE, or brought as files.

What they replace is kept in a database of its own. The rest of the portal's database stays as it is: rows of other
tables that belong to these ones are not looked at.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import subprocess
import tempfile
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup.beside import BesideServer
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.program import complained, start
from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import (
    Login,
    connect,
    execute,
    hang_up,
    quote_name,
    rows,
    use,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import DatabaseFailed
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.importer import default_jobs
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.staging import Names
from ansible_collections.boxlift.portal.plugins.module_utils.sql.refresh import sync
from ansible_collections.boxlift.portal.plugins.module_utils.sql.refresh.snapshot import snapshot

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

# The database on the server beside into which the wanted tables are moved: refresh takes a whole one.
_WANTED = f"{schema.RESERVED_PREFIX}wanted"
_LOCK_WAIT_SECONDS = 60
_MOST_NAMED = 5
Result = dict[str, t.Any]
Save = t.Callable[[Result], None]


@contextlib.contextmanager
def _opened(login: Login, database: str | None = None) -> t.Iterator[Connection[t.Any]]:
    conn = connect(login, database)
    try:
        yield conn
    finally:
        hang_up(conn)


def counts(login: Login, database: str) -> dict[str, int]:
    """The rows of every table."""
    with _opened(login) as conn:
        return {name: _count(conn, database, name) for name in schema.tables(conn, database)}


def _count(conn: Connection[t.Any], database: str, name: str) -> int:
    return int(rows(conn, f"SELECT COUNT(*) AS n FROM {quote_name(database)}.{quote_name(name)}")[0]["n"])


def left_behind(login: Login, database: str) -> list[str]:
    """A warning where the copy's database has triggers: a portal has none, and refresh brings none."""
    with _opened(login) as conn:
        found = _triggers(conn, database, None)
    if not found:
        return []
    shown = ", ".join(sorted(found)[:_MOST_NAMED])
    return [f"{len(found)} triggers of the copy were not brought back ({shown}): create them where they are needed."]


def refuse_unknown(login: Login, database: str, names: t.Sequence[str], moment: str) -> None:
    """Raise BoxliftError for tables that were not there at the moment."""
    with _opened(login) as conn:
        # A killed run has moved some of them already.
        known = {*schema.tables(conn, database), *schema.tables(conn, _WANTED)}
        known |= set(schema.objects(conn, database, views=True))
    for name in names:
        if name not in known:
            like = difflib.get_close_matches(name, known, n=3)
            hint = f" Is it one of these: {', '.join(like)}?" if like else ""
            raise BoxliftError(
                f"There was no table {name} in {database} at {moment}.",
                f"Correct the name or the moment; recover_find_table={name} shows when it was dropped.{hint}",
                code="unknown_table",
            )


def dump(server: BesideServer, database: str, names: t.Sequence[str], dest: str) -> list[Result]:
    """Write each table as SQL into `dest`, or without names the whole database as one file."""
    written = []
    for name in names or [""]:
        path = os.path.join(dest, f"{name or database}.sql")
        command = [
            *server.client("mariadb-dump"),
            "--single-transaction",
            "--hex-blob",
            "--default-character-set=utf8mb4",
        ]
        command += [database, *([name] if name else [])]
        with tempfile.TemporaryFile() as complaints, open(path, "xb", opener=_private) as out:
            with start(command, stdin=subprocess.DEVNULL, stdout=out, stderr=complaints) as process:
                code = process.wait()
            if code or not _completed(path):
                os.unlink(path)
                raise BoxliftError(
                    f"{name or database} cannot be written to {path}: mariadb-dump ended with {code}. "
                    f"{complained(complaints)}",
                    f"Look at the room (df -h {dest}), and run again.",
                )
        written.append({"name": name or database, "path": path, "bytes": os.path.getsize(path)})
    return written


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _completed(path: str) -> bool:
    with open(path, "rb") as source:
        source.seek(max(os.path.getsize(path) - 200, 0))
        return b"-- Dump completed" in source.read()


class Work:
    """Named tables and views brought home; `load` can be repeated, and `switch` goes on after a kill.

    `noted` is what a killed run has saved with `save`: under which name it keeps what it replaces, and the triggers
    that it has dropped.
    """

    def __init__(
        self,
        server: BesideServer,
        login: Login,
        database: str,
        names: t.Sequence[str],
        noted: Result | None,
        save: Save,
        now: float,
    ) -> None:
        self._server = server
        self._login = login
        self._database = database
        self._staging = Names.of(database).staging
        self._save = save
        with _opened(server.login) as conn:
            views = set(schema.objects(conn, database, views=True))
            there = {*schema.tables(conn, database), *(schema.tables(conn, _WANTED))}
        self._views = [name for name in names if name in views]
        self._tables = [name for name in names if name in there]
        stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(now))
        self._noted: Result = noted or {"kept": f"{database}_previous_t{stamp}", "live": database}
        self.warnings: list[str] = []

    def needed(self) -> int:
        """Bytes of the tables, with their indexes."""
        with _opened(self._server.login) as conn:
            found = rows(
                conn,
                "SELECT TABLE_NAME AS n, DATA_LENGTH + INDEX_LENGTH AS size FROM information_schema.TABLES "
                "WHERE TABLE_SCHEMA IN (%s, %s)",
                (self._database, _WANTED),
            )
        return sum(int(row["size"] or 0) for row in found if row["n"] in self._tables)

    def load(self, on_bytes: t.Callable[[int], None]) -> None:
        """Fill the staging database with the wanted tables alone. Raises BoxliftError for what speaks against them."""
        if "done" in self._noted or self._switched():
            return
        with _opened(self._login) as live:
            self._refuse(live)
            with _opened(self._server.login) as there:
                self._gather(there)
                schema.drop(live, self._staging)
                execute(live, f"CREATE DATABASE {quote_name(self._staging)} {schema.defaults(live, self._database)}")
        if self._tables:
            with snapshot(self._server.command, self._server.login.user, _WANTED) as source:
                sync.refresh(source, _WANTED, self._login, self._staging, jobs=default_jobs(), on_bytes=on_bytes)
            self._prove()

    def _gather(self, there: Connection[t.Any]) -> None:
        """Move the wanted tables into a database of their own; their triggers are noted, since they hinder that."""
        waiting = [name for name in self._tables if name in schema.tables(there, self._database)]
        if not schema.exists(there, _WANTED):
            schema.create_like(there, _WANTED, self._database)
        if not waiting:
            return
        triggers = _triggers(there, self._database, waiting)
        self._noted["triggers"] = {**self._noted.get("triggers", {}), **triggers}
        self._save(self._noted)
        for name in triggers:
            execute(there, f"DROP TRIGGER {quote_name(self._database)}.{quote_name(name)}")
        source, target = quote_name(self._database), quote_name(_WANTED)
        moves = [f"{source}.{quote_name(name)} TO {target}.{quote_name(name)}" for name in waiting]
        execute(there, f"RENAME TABLE {', '.join(moves)}")

    def _prove(self) -> None:
        if counts(self._server.login, _WANTED) != counts(self._login, self._staging):
            raise BoxliftError(
                f"The tables in {self._staging} are not what the copy holds.",
                "Nothing was switched. Nobody else may write to it: run again.",
            )

    def _refuse(self, live: Connection[t.Any]) -> None:
        """Raise BoxliftError where a name is of another kind now, or foreign keys bind the tables to others."""
        tables, views = schema.tables(live, self._database), schema.objects(live, self._database, views=True)
        for names, others, is_now in ((self._tables, views, "a view"), (self._views, tables, "a table")):
            for name in sorted(set(names) & set(others)):
                raise BoxliftError(
                    f"{name} is {is_now} now, and was none at the moment.",
                    f"Rename or drop what is called {name} now, and run again.",
                )
        with _opened(self._server.login) as there:
            for conn in (live, there):
                self._refuse_bound(conn)

    def _refuse_bound(self, conn: Connection[t.Any]) -> None:
        names = {name.lower() for name in self._tables}
        found = rows(
            conn,
            "SELECT TABLE_NAME AS child, REFERENCED_TABLE_NAME AS parent "
            "FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA IN (%s, %s)",
            (self._database, _WANTED),
        )
        for row in found:
            pair = (row["child"], row["parent"])
            bound = [name for name in pair if name.lower() in names]
            if len(bound) == 1:
                other = next(name for name in pair if name not in bound)
                raise BoxliftError(
                    f"A foreign key binds {bound[0]} to {other}, which is not named.",
                    f"Name both (recover_tables={','.join([*self._tables, other])}), or bring {bound[0]} as a file "
                    "(recover_dest).",
                    code="foreign_key",
                )

    def _switched(self) -> bool:
        """Whether an earlier run has done the RENAME: its marker lies beside what it replaced."""
        with _opened(self._login) as conn:
            return _MARKER in schema.objects(conn, self._noted["kept"], views=False)

    def switch(self) -> list[Result]:
        """One RENAME TABLE; what was brought and what was replaced, with its name. Raises BoxliftError before it."""
        with _opened(self._login) as live:
            if "done" in self._noted:
                self._tidy(live)
                return t.cast("list[Result]", self._noted["done"])
            if not self._switched():
                self._rename(live)
            for name, text in self._noted.get("triggers", {}).items():
                if name not in _triggers(live, self._database, None):
                    use(live, self._database)
                    execute(live, text)
            result = [self._brought(live, name) for name in self._tables]
            result += self._make_views(live)
            self._look_at_views(live)
            # Before the marker goes, by which a killed run knows its RENAME.
            self._noted["done"] = result
            self._save(self._noted)
            self._tidy(live)
            return result

    def _rename(self, live: Connection[t.Any]) -> None:
        kept = self._noted["kept"]
        present = [name for name in self._tables if name in schema.tables(live, self._database)]
        dropped = _triggers(live, self._database, present) if present else {}
        self._noted["dropped"] = {**self._noted.get("dropped", {}), **dropped}
        self._save(self._noted)
        if not schema.exists(live, kept):
            schema.create_like(live, kept, self._database)
        if not self._tables:
            return
        for name in self._tables:
            self._raise_counter(live, name)
        execute(live, f"CREATE TABLE IF NOT EXISTS {quote_name(self._staging)}.{quote_name(_MARKER)} (ID int)")
        moves = [(self._database, name, kept) for name in present]
        moves += [(self._staging, name, self._database) for name in self._tables]
        moves.append((self._staging, _MARKER, kept))
        text = ", ".join(
            f"{quote_name(old)}.{quote_name(name)} TO {quote_name(new)}.{quote_name(name)}" for old, name, new in moves
        )
        try:
            for name in dropped:
                execute(live, f"DROP TRIGGER {quote_name(self._database)}.{quote_name(name)}")
            execute(live, f"SET SESSION lock_wait_timeout = {_LOCK_WAIT_SECONDS}")
            execute(live, f"RENAME TABLE {text}")
        except DatabaseFailed as error:
            if not self._switched():
                _make_triggers(live, self._database, self._noted["dropped"])
            raise BoxliftError(
                f"The tables could not be switched in, everything is as it was: {error.text}.",
                error.remedy,
                **error.details,
            ) from error

    def _raise_counter(self, live: Connection[t.Any], name: str) -> None:
        """Give no number again that was given after the moment: rows of other tables may name it."""
        found = rows(
            live,
            "SELECT TABLE_SCHEMA AS d, AUTO_INCREMENT AS n FROM information_schema.TABLES "
            "WHERE TABLE_SCHEMA IN (%s, %s) AND TABLE_NAME = %s",
            (self._database, self._staging, name),
        )
        numbers = {row["d"]: row["n"] for row in found}
        coming, now = numbers.get(self._staging), numbers.get(self._database)
        if coming is not None and now is not None and now > coming:
            table = f"{quote_name(self._staging)}.{quote_name(name)}"
            execute(live, f"ALTER TABLE {table} AUTO_INCREMENT = {int(now)}")

    def _brought(self, live: Connection[t.Any], name: str) -> Result:
        kept = self._noted["kept"]
        replaced = name in schema.tables(live, kept)
        return {
            "name": name,
            "kind": "table",
            "rows": _count(live, self._database, name),
            "replaced": f"{kept}.{name}" if replaced else None,
            "replaced_rows": _count(live, kept, name) if replaced else None,
        }

    def _make_views(self, live: Connection[t.Any]) -> list[Result]:
        """Make the named views as they were; one that is there already is kept as its definition."""
        if not self._views:
            return []
        with _opened(self._server.login) as there:
            wanted = schema.view_definitions(there, self._database)
        former = schema.view_definitions(live, self._database)
        failed = schema.make_views(live, self._database, {name: wanted[name] for name in self._views})
        for name, error in failed.items():
            raise BoxliftError(f"View {name} cannot be made: {error.text}.", error.remedy, **error.details)
        return [
            {"name": name, "kind": "view", "rows": None, "replaced": former.get(name), "replaced_rows": None}
            for name in self._views
        ]

    def _look_at_views(self, live: Connection[t.Any]) -> None:
        """Views find a table by its name; one that uses a column which is not there at the moment is told."""
        for name in schema.objects(live, self._database, views=True):
            try:
                rows(live, f"SELECT * FROM {quote_name(self._database)}.{quote_name(name)} LIMIT 0")
            except DatabaseFailed as error:
                self.warnings.append(f"View {name} does not work: {error.text}.")

    def _tidy(self, live: Connection[t.Any]) -> None:
        schema.drop(live, self._staging)
        if schema.exists(live, self._noted["kept"]):
            execute(live, f"DROP TABLE IF EXISTS {quote_name(self._noted['kept'])}.{quote_name(_MARKER)}")
            if not schema.objects(live, self._noted["kept"], views=False):
                schema.drop(live, self._noted["kept"])
        lost = sorted(set(self._noted.get("dropped", {})) - set(self._noted.get("triggers", {})))
        if lost:
            self.warnings.append(f"Triggers that were not there at the moment are gone: {', '.join(lost)}.")


_MARKER = f"{schema.RESERVED_PREFIX}switched"


def undo(noted: Result | None, login: Login | None) -> None:
    """Give back the triggers that a killed run has dropped and that another wish will not need."""
    if not noted or login is None or not noted.get("dropped") or "done" in noted:
        return
    with _opened(login) as live:
        if _MARKER not in schema.objects(live, noted["kept"], views=False):
            _make_triggers(live, noted["live"], noted["dropped"])


def _make_triggers(conn: Connection[t.Any], database: str, definitions: t.Mapping[str, str]) -> None:
    there = _triggers(conn, database, None)
    use(conn, database)
    for name, text in definitions.items():
        if name not in there:
            execute(conn, text)


def _triggers(conn: Connection[t.Any], database: str, tables: t.Sequence[str] | None) -> dict[str, str]:
    """The statement of each trigger, of these tables or of all."""
    found = rows(
        conn,
        "SELECT TRIGGER_NAME AS n, EVENT_OBJECT_TABLE AS t FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s "
        "ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER",
        (database,),
    )
    names = [row["n"] for row in found if tables is None or row["t"] in tables]
    texts = {}
    for name in names:
        statement = f"SHOW CREATE TRIGGER {quote_name(database)}.{quote_name(name)}"
        texts[name] = str(rows(conn, statement)[0]["SQL Original Statement"])
    return texts

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Binary logs of a repository, without a gap behind a copy; where to stop in them; and their replay.

Nothing is replayed across a gap: neither one in the files' numbers, nor one in the GTIDs of files that follow each
other. The error says what is missing, and up to which moment a recovery is possible.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup import binlog_events
from ansible_collections.boxlift.portal.plugins.module_utils.backup.binlog_events import BinaryLog, Gtid, State
from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import BinlogRun, Copy
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import Restic
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.life import clock
from ansible_collections.boxlift.portal.plugins.module_utils.program import complained, start

_CHUNK = 1024 * 1024
# The clock may be set back so far without a word: servers slew.
_SLACK = 5


class Available(t.NamedTuple):
    """A log that can be had: everything up to `until` is in it or in those before it. One of them names its place."""

    number: int
    name: str
    until: float
    snapshot: str
    path: str


class Start(t.NamedTuple):
    """Where a copy stands in the logs."""

    name: str
    position: int
    gtids: tuple[Gtid, ...]

    @property
    def number(self) -> int:
        return number_of(self.name)


class Stop(t.NamedTuple):
    """Where a replay ends: behind this place of the last file. `last` is the last transaction, `next` the one behind.

    `late` are transactions behind the end that say an earlier second than the moment: the clock was set back.
    """

    name: str
    position: int
    last: binlog_events.Transaction | None
    next: binlog_events.Transaction | None
    transactions: int
    late: tuple[str, ...]


def number_of(name: str) -> int:
    """The number that a log's name ends with. Raises BoxliftError without one."""
    match = re.search(r"\.(\d+)$", name)
    if match is None:
        raise BoxliftError(f"{name} is no name of a binary log.", "Such a name ends with a number.")
    return int(match.group(1))


def start_of(copy: Copy) -> Start:
    """Where the copy stands in the logs. Raises BoxliftError where the server wrote none."""
    noted = copy.parts["database"].get("binlog") or {}
    if not noted.get("file"):
        raise BoxliftError(
            f"The copy {copy.id} was made of a server that wrote no binary logs: only its own moment can be had, "
            f"{clock(copy.ended)}.",
            "Name the copy (recover_copy), or its moment.",
            code="no_logs",
        )
    return Start(noted["file"], int(noted["position"]), tuple(binlog_events.gtids(noted.get("gtid") or "")))


def available(runs: t.Sequence[BinlogRun], local: str, since: int, now: float) -> list[Available]:
    """The logs from number `since` on, each once, by number.

    `local` is the folder of the server that the copies are of, empty where it is gone: what it has written since the
    last stored log is only there.
    """
    found: dict[int, Available] = {}
    for run in sorted(runs, key=lambda run: run.until):
        for path in run.files:
            number = number_of(path)
            if number >= since and number not in found:
                found[number] = Available(number, os.path.basename(path), run.until, run.snapshot, path)
    for path in _local(local) if local else []:
        number = number_of(path)
        if number >= since and number not in found:
            found[number] = Available(number, os.path.basename(path), os.stat(path).st_mtime, "", path)
    listed = [found[number] for number in sorted(found)]
    if listed and not listed[-1].snapshot:
        listed[-1] = listed[-1]._replace(until=now)  # the server writes in it
    return listed


def _local(folder: str) -> list[str]:
    names = os.listdir(folder) if os.path.isdir(folder) else []
    indexes = [name for name in names if name.endswith(".index") and not name.startswith("relay")]
    stems = {name[: -len(".index")] for name in indexes}
    return sorted(
        os.path.join(folder, name)
        for name in names
        if re.search(r"\.\d{6,}$", name) and name.rpartition(".")[0] in stems
    )


def contiguous(begin: Start, logs: t.Sequence[Available]) -> tuple[list[Available], str]:
    """Those that follow the copy without a gap in their numbers, and what is missing behind them; empty if nothing."""
    expected, kept = begin.number, []
    for log in logs:
        if log.number != expected:
            break
        kept.append(log)
        expected += 1
    if len(kept) == len(logs):
        return kept, ""
    stem, digits = begin.name.rpartition(".")[0], len(begin.name.rpartition(".")[2])
    names = [f"{stem}.{number:0{digits}d}" for number in (expected, logs[len(kept)].number - 1)]
    return kept, names[0] if names[0] == names[1] else f"{names[0]} to {names[1]}"


def reach(copy: Copy, logs: t.Sequence[Available]) -> float:
    """The last moment to which these logs bring a copy."""
    return max([copy.ended, *(log.until for log in logs)])


def wanted(logs: t.Sequence[Available], moment: float | None) -> list[Available]:
    """Those that hold what was written up to the moment; None stands for all."""
    chosen = []
    for log in logs:
        chosen.append(log)
        if moment is not None and log.until >= moment + 1:
            break
    return chosen


def fetch(restic: Restic, logs: t.Sequence[Available], folder: str, on_bytes: t.Callable[[int], None]) -> list[str]:
    """Bring them into the folder; their paths, in order. What is there of an earlier run is fetched anew."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    paths, came = [], 0
    for log in logs:
        path = os.path.join(folder, log.name)
        with open(path, "wb") as out:
            if log.snapshot:
                restic.dump(log.snapshot, log.path, out)
            else:
                _copy(log.path, out)
        came += os.path.getsize(path)
        on_bytes(came)
        paths.append(path)
    return paths


def _copy(path: str, out: t.IO[bytes]) -> None:
    with open(path, "rb") as source:
        while piece := source.read(_CHUNK):
            out.write(piece)


def prove(begin: Start, paths: t.Sequence[str]) -> None:
    """Raise BoxliftError where the GTIDs show that these files do not follow the copy, or each other."""
    if not paths:
        raise BoxliftError(
            f"{begin.name} is in no snapshot: nothing can be replayed behind the copy.",
            "Name the copy itself (recover_copy).",
            code="gap",
        )
    state: State | None = None
    for path in paths:
        log = BinaryLog(path)
        first = log.first_state()
        if state is not None and first != state:
            raise _gap(state, first, path)
        at_copy: State | None = first if path == paths[0] and begin.position <= 4 else None
        for transaction in log:
            if path == paths[0] and at_copy is None and transaction.begin >= begin.position:
                at_copy = dict(log.state)
                found = transaction.gtid
                at_copy[found.domain, found.server] = found.sequence - 1
        state = dict(log.state)
        if path == paths[0]:
            _prove_start(begin, at_copy if at_copy is not None else state, path)


def _prove_start(begin: Start, found: State, path: str) -> None:
    newest = {domain: max(number for (of, _server), number in found.items() if of == domain) for domain, _any in found}
    for each in begin.gtids:
        if newest.get(each.domain) != each.sequence:
            raise BoxliftError(
                f"{path} is not the log that the copy stands in: at {begin.position} it has come to "
                f"{newest.get(each.domain, 'nothing')} in domain {each.domain}, and the copy to {each.sequence}.",
                "The server's logs were begun anew (RESET MASTER) or came from another server. Name the copy itself "
                "(recover_copy), or a moment behind a newer copy.",
                code="gap",
            )


def _gap(before: State, after: State, path: str) -> BoxliftError:
    missing = [
        f"{domain}-{server}-{before.get((domain, server), 0) + 1} to {domain}-{server}-{sequence}"
        for (domain, server), sequence in sorted(after.items())
        if sequence != before.get((domain, server), 0)
    ]
    shown = ", ".join(missing) or "a domain"
    return BoxliftError(
        f"Transactions are missing before {os.path.basename(path)}: {shown}.",
        "Nothing was changed. Bring the portal back to a moment before them, or behind the next copy.",
        code="gap",
        missing=missing,
    )


def find_stop(begin: Start, paths: t.Sequence[str], moment: float | None, before: Gtid | None) -> Stop:
    """The end of a replay: before the first transaction that was committed after the moment, or before this GTID.

    With neither, the end of the logs. Raises BoxliftError where the GTID is not in them.
    """
    last: binlog_events.Transaction | None = None
    stop: Stop | None = None
    count, late = 0, []
    name, position = begin.name, begin.position
    for path in paths:
        floor = begin.position if path == paths[0] else 4
        if stop is None:
            name, position = os.path.basename(path), floor
        for transaction in BinaryLog(path):
            if transaction.begin < floor:
                continue
            if stop is not None:
                if moment is not None and transaction.time < moment - _SLACK:
                    late.append(str(transaction.gtid))
                continue
            if _is_over(transaction, moment, before):
                stop = Stop(name, position, last, transaction, count, ())
                if before is not None:
                    return stop
                continue
            last, position, count = transaction, transaction.end, count + 1
    if before is not None:
        raise BoxliftError(
            f"The transaction {before} is not in the logs behind the copy.",
            "Look for it with recover_find_table; the list names the GTIDs.",
            code="unknown_gtid",
        )
    return (stop or Stop(name, position, last, None, count, ()))._replace(late=tuple(late[:10]))


def _is_over(transaction: binlog_events.Transaction, moment: float | None, before: Gtid | None) -> bool:
    if before is not None:
        return transaction.gtid == before
    return moment is not None and transaction.time > moment


def write_sql(
    paths: t.Sequence[str], begin: Start, stop: Stop, destination: str, program: str = "mariadb-binlog"
) -> int:
    """Write what is to be replayed as SQL; its bytes. Raises BoxliftError where the program finds fault with a log."""
    names = [os.path.basename(path) for path in paths]
    chosen = paths[: names.index(stop.name) + 1]
    with tempfile.TemporaryDirectory(dir=os.path.dirname(destination)) as loads:
        command = [
            program,
            "--no-defaults",
            "--verify-binlog-checksum",
            f"--start-position={begin.position}",
            f"--stop-position={stop.position}",
            f"--local-load={loads}",
            f"--result-file={destination}",
            *chosen,
        ]
        with tempfile.TemporaryFile() as complaints:
            with start(command, stdin=subprocess.DEVNULL, stdout=complaints, stderr=complaints) as process:
                code = process.wait()
            if code:
                raise BoxliftError(
                    f"The logs cannot be read: {program} ended with {code}. {complained(complaints)}",
                    "Nothing was changed. Where a log is damaged, bring the portal back to a moment before it.",
                    code="damaged_log",
                )
    return os.path.getsize(destination)


def replay(sql: str, client: t.Sequence[str], on_bytes: t.Callable[[int], None]) -> None:
    """Give the SQL to a server. Raises BoxliftError with the server's words where it refuses a statement."""
    with tempfile.TemporaryFile() as complaints, open(sql, "rb") as source:
        process = start(
            [*client, "--binary-mode", "--max-allowed-packet=1G"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
        )
        with process:
            feed = t.cast("t.IO[bytes]", process.stdin)
            done = 0
            try:
                while piece := source.read(_CHUNK):
                    feed.write(piece)
                    done += len(piece)
                    on_bytes(done)
                feed.close()
            except BrokenPipeError:
                done = -1
            code = process.wait()
        if code or done < 0:
            raise BoxliftError(
                f"The logs cannot be replayed: {client[0]} ended with {code}. {complained(complaints)}",
                "Nothing of the live portal was changed. Bring it back to the moment of the copy (recover_copy), or to "
                "a moment before that statement.",
                code="replay",
            )


class Accident(t.NamedTuple):
    """A transaction that has taken rows or tables away."""

    gtid: str
    time: int
    table: str
    kind: str  # drop, truncate, rename, alter, replace, delete or update
    rows: int  # -1 where no rows are in the log, as for DROP
    statement: str


_DESTRUCTIVE = re.compile(
    r"\s*(?:/\*.*?\*/\s*)*(?P<kind>DROP\s+TABLE|DROP\s+DATABASE|DROP\s+VIEW|TRUNCATE|RENAME\s+TABLE|ALTER\s+TABLE"
    r"|ALTER\s+IGNORE\s+TABLE|CREATE\s+OR\s+REPLACE)\b",
    re.IGNORECASE | re.DOTALL,
)
_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|\b\d+\b")
_MOST_SHOWN = 200


def accidents(paths: t.Sequence[str], database: str, table: str, since: float, least_rows: int) -> t.Iterator[Accident]:
    """What has taken something from the table, in the logs' order.

    Rows count from `least_rows` on, since a portal deletes and updates single rows all the time; what is done to the
    table itself always does.
    """

    def counted(of: str, name: str) -> bool:
        return (of.lower(), name.lower()) == (database.lower(), table.lower())

    named, of_database = _naming(table), _naming(database)
    for path in paths:
        for transaction in BinaryLog(path, counted):
            if transaction.time < since:
                continue
            at = (str(transaction.gtid), transaction.time, table)
            for statement in transaction.statements:
                match = _DESTRUCTIVE.match(statement.text)
                if match is None:
                    continue
                kind = match["kind"].split()[0].lower()
                rest = statement.text[match.end() :]
                whole = match["kind"].lower().endswith("database") and of_database.search(rest)
                here = statement.database.lower() == database.lower() or f"{database}`." in statement.text.lower()
                if whole or (here and named.search(rest)):
                    yield Accident(*at, "replace" if kind == "create" else kind, -1, _shown(statement.text))
            for change in transaction.changes:
                if change.kind != "insert" and counted(change.database, change.table) and change.rows >= least_rows:
                    yield Accident(*at, change.kind, change.rows, "")


def _naming(name: str) -> t.Pattern[str]:
    return re.compile(rf"(?<![\w$])`?{re.escape(name)}`?(?![\w$])", re.IGNORECASE)


def _shown(text: str) -> str:
    """A statement without what people wrote in it."""
    shown = " ".join(_LITERAL.sub("?", text).split())
    return shown if len(shown) <= _MOST_SHOWN else shown[:_MOST_SHOWN] + "…"

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server's own client loads from a well-formed dump, the importer loads too, with the same rows.

Five hundred tables, and ten thousand more in `make soak`. BOXLIFT_SEED repeats the run whose seed was printed.
"""

from __future__ import annotations

import collections
import contextlib
import os
import random
import re
import subprocess
import typing as t

import hypothesis
import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, quote_name, rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import StatementFailed
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.files import Survey
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.importer import Importer, ImportResult
from hypothesis import strategies as st
from unit.plugins.module_utils.sql.fuzzed import Case, cases

TOGETHER = 20
HEAD = "-- Started: 2026-01-01 00:00:00\nSET NAMES 'utf8mb4';\n"
END = "-- Finished: 2026-01-01 00:01:00"
_ERROR = re.compile(rb"^ERROR ([0-9]+) ", re.MULTILINE)
# Changes after which a table's checksum may be another one.
TELLING = {"clause_dropped", "clause_replaced", "charset", "generated_value"}


class Refused(t.NamedTuple):
    """The tables that the server's own client could not load, and the numbers of all its errors."""

    tables: set[str]
    codes: set[int]


def load_by_client(mariadb: t.Any, conn: t.Any, database: str, batch: t.Sequence[Case]) -> Refused:
    """Load with the server's own client, and go on after each error."""
    text = "SET NAMES 'utf8mb4', SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', innodb_strict_mode = 0;\n"
    text += "".join(case.text for case in batch)
    command = ["mariadb", "--no-defaults", "-u", "root", "-S", mariadb.login.unix_socket, "--force", "--binary-mode"]
    done = subprocess.run([*command, database], input=text.encode(), capture_output=True, check=False)
    there = {
        row["n"]
        for row in rows(
            conn, "SELECT TABLE_NAME AS n FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", (database,)
        )
    }
    refused = {case.table for case in batch if case.table not in there or count(conn, case.table) != case.rows}
    return Refused(refused, {int(code) for code in _ERROR.findall(done.stderr)})


def count(conn: t.Any, table: str) -> int:
    return int(rows(conn, f"SELECT COUNT(*) AS n FROM {quote_name(table)}")[0]["n"])


def load_by_importer(
    mariadb: t.Any, database: str, batch: t.Sequence[Case], refused: Refused
) -> tuple[ImportResult, set[str]]:
    """Load with the importer. A table that the client cannot load either, for the same reason, is left out."""
    left_out: set[str] = set()
    while True:
        text = HEAD + "".join(case.text for case in batch if case.table not in left_out) + END
        with contextlib.closing(Importer(lambda: mariadb.connect(database), jobs=2)) as importer:
            try:
                importer.feed("d.sql", text.encode())
                importer.end_of_file()
                return importer.finish(), left_out
            except StatementFailed as error:
                table = error.details["table"]
                text = next(case.text for case in batch if case.table == table)
                same = table in refused.tables and error.details["code"] in refused.codes
                assert same, f"{error.message}\n{refused}\n{text}"
                left_out.add(table)


def content(conn: t.Any, table: str) -> t.Any:
    """A table's sum; of one with versions its rows, since the sum holds the moment of each."""
    if "SYSTEM VERSIONING" in str(rows(conn, f"SHOW CREATE TABLE {quote_name(table)}")[0]["Create Table"]):
        return sorted(str(list(row.values())) for row in rows(conn, f"SELECT * FROM {quote_name(table)}"))
    return rows(conn, f"CHECKSUM TABLE {quote_name(table)}")[0]["Checksum"]


def compare(mariadb: t.Any, batch: t.Sequence[Case], counts: collections.Counter[str]) -> None:
    with contextlib.ExitStack() as stack:
        by_client, theirs = stack.enter_context(database_of(mariadb, "client"))
        refused = load_by_client(mariadb, theirs, by_client, batch)
        by_importer, ours = stack.enter_context(database_of(mariadb, "importer"))
        result, left_out = load_by_importer(mariadb, by_importer, batch, refused)
        judge(theirs, ours, batch, counts, refused, result, left_out)


@contextlib.contextmanager
def database_of(mariadb: t.Any, kind: str) -> t.Iterator[tuple[str, t.Any]]:
    """An empty database while this runs, and a connection to it."""
    name = mariadb.fresh_name(kind)
    with contextlib.closing(mariadb.connect()) as conn:
        execute(conn, f"CREATE DATABASE {name}")
        conn.select_db(name)
        try:
            yield name, conn
        finally:
            execute(conn, f"DROP DATABASE {name}")


def judge(
    theirs: t.Any,
    ours: t.Any,
    batch: t.Sequence[Case],
    counts: collections.Counter[str],
    refused: Refused,
    result: ImportResult,
    left_out: t.Collection[str],
) -> None:
    survey = Survey()
    text = HEAD + "".join(case.text for case in batch if case.table not in left_out) + END
    survey.feed("d.sql", text.encode())
    survey.end_of_file()
    survey.finish()
    told = {case.table: [repair for repair in result.repairs if repair["table"] == case.table] for case in batch}
    stubborn = {repair["table"] for repair in result.repairs if "the server says" in repair["detail"]}
    assert [repair for repair in survey.repairs if repair["table"] not in stubborn] == [
        repair for repair in result.repairs if repair["table"] not in stubborn
    ]
    counts["left out after the server's refusal"] += len(stubborn)
    for case in batch:
        if case.table in left_out:
            counts["neither"] += 1
            continue
        assert count(ours, case.table) == case.rows
        if case.table in refused.tables:
            counts["only the importer"] += 1
            assert told[case.table], f"the client refuses it, and nothing was reported:\n{case.text}"
        elif content(theirs, case.table) == content(ours, case.table):
            counts["equal"] += 1
        else:
            counts["changed and told"] += 1
            kinds = {repair["kind"] for repair in told[case.table]}
            assert kinds & TELLING, f"other rows, and nothing was reported:\n{case.text}"


def campaign(mariadb: t.Any, tables: int, seed: int) -> collections.Counter[str]:
    counts: collections.Counter[str] = collections.Counter()
    examples = tables // TOGETHER

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        # Not made smaller: a failure names its one table anyway.
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(st.tuples(*(cases(number) for number in range(TOGETHER))))
    def run(batch: tuple[Case, ...]) -> None:
        compare(mariadb, batch, counts)

    print(f"\nBOXLIFT_SEED={seed}")
    run()
    print(dict(counts))
    return counts


def check(counts: collections.Counter[str], tables: int) -> None:
    """Enough of them were loaded by both and are equal."""
    assert sum(counts.values()) >= tables * 0.9
    assert counts["equal"] > tables // 4 and counts["neither"] < tables // 10, counts


@pytest.mark.slow
def test_five_hundred_tables(mariadb: t.Any) -> None:
    check(campaign(mariadb, 500, int(os.environ.get("BOXLIFT_SEED", "15"))), 500)


@pytest.mark.soak
def test_ten_thousand_tables(mariadb: t.Any, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("BOXLIFT_SEED", str(random.SystemRandom().randrange(2**32))))
    with capsys.disabled():
        check(campaign(mariadb, 10_000, seed), 10_000)

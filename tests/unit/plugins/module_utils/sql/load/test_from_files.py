# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a dump, the survey without a server, and the whole way into the live database."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import DumpError, StatementRefused
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.files import (
    Survey,
    check_whole,
    dump_files,
    feed_files,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load import from_files as loading
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load import staging
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.from_files import import_files
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.importer import Importer
from unit.plugins.module_utils.sql import samples


class Killed(BaseException):
    """Stands for kill -9: nothing of ours may catch it."""


def die(*_arguments: object) -> t.NoReturn:
    raise Killed


@pytest.fixture()
def files(tmp_path: pathlib.Path) -> list[str]:
    for name, data in samples.FILES.items():
        (tmp_path / name).write_bytes(data)
    return [str(tmp_path / name) for name in samples.FILES]


def table_rows(mariadb: t.Any, database: str) -> dict[str, int]:
    conn = mariadb.connect(database)
    return {name: rows(conn, f"SELECT COUNT(*) AS n FROM `{name}`")[0]["n"] for name in schema.tables(conn, database)}


def test_the_first_file_finds_the_others_in_the_order_of_their_numbers(tmp_path: pathlib.Path) -> None:
    names = ["x.sql", *(f"x.sql.{number}" for number in range(1, 12)), "x_after_connect.sql"]
    for name in [*names, "x.sql.bak", "x.sql.1.gz", "y.sql.12", "x.sql.01"]:
        (tmp_path / name).write_bytes(b"")
    expected = ["x_after_connect.sql", "x.sql", *(f"x.sql.{number}" for number in range(1, 12))]
    assert dump_files([str(tmp_path / "x.sql")]) == [str(tmp_path / name) for name in expected]


def test_given_files_are_taken_as_they_are(files: list[str]) -> None:
    assert dump_files(files[1:]) == files[1:]


def test_a_gap_in_the_numbers_is_named(tmp_path: pathlib.Path) -> None:
    for name in ("x.sql", "x.sql.1", "x.sql.3"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DumpError, match=r"x\.sql\.2 is missing, x\.sql\.3 is there"):
        dump_files([str(tmp_path / "x.sql")])


@pytest.mark.parametrize("given", [[], ["/nowhere/x.sql"], ["/nowhere/x.sql", "/nowhere/x.sql.1"]])
def test_a_dump_that_is_not_there_is_an_error(given: list[str]) -> None:
    with pytest.raises(DumpError):
        dump_files(given)


def test_the_closing_line_is_looked_for_in_the_last_file_alone(files: list[str]) -> None:
    check_whole(files)
    check_whole([*files[1:], files[0]])
    for cut in (files[:2], files[:1], []):
        with pytest.raises(DumpError, match="cut off"):
            check_whole(cut)


def test_a_survey_needs_no_server(files: list[str]) -> None:
    survey = Survey()
    feed_files(survey, files)
    survey.finish()
    assert {table["name"]: table["rows"] for table in survey.tables} == samples.ROWS
    assert survey.views == ["v_later", "v_tricky"]


def test_a_survey_refuses_what_an_import_would_refuse(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.sql"
    path.write_bytes(b"CREATE USER x;\n-- Finished: now")
    with pytest.raises(StatementRefused, match=f"{path}: the statement at byte 0"):
        feed_files(Survey(), [str(path)])


def test_a_dump_becomes_the_live_database(mariadb: t.Any, files: list[str]) -> None:
    live = mariadb.fresh_name("portal")
    load = import_files(mariadb.login, live, files)
    assert load.imported["rows"] == 11 and load.imported["views"] == ["v_later", "v_tricky"]
    assert load.switch == (True, 3, 2, 0, {}) and not load.resumed
    assert table_rows(mariadb, live) == samples.ROWS
    again = import_files(mariadb.login, live, files, keep_previous=False)
    assert again.switch.previous_tables == 3
    assert not schema.exists(mariadb.connect(), f"{live}_previous")
    assert not schema.exists(mariadb.connect(), f"{live}_staging")


def test_a_refused_dump_leaves_the_live_database_alone(mariadb: t.Any, files: list[str]) -> None:
    live = mariadb.fresh_name("portal")
    import_files(mariadb.login, live, files)
    text = samples.SECOND.replace(b"DROP VIEW IF EXISTS `v_later`;", b"GRANT ALL ON *.* TO x;")
    pathlib.Path(files[-1]).write_bytes(text)
    with pytest.raises(StatementRefused) as caught:
        import_files(mariadb.login, live, files)
    assert caught.value.details["file"] == files[-1]
    assert table_rows(mariadb, live) == samples.ROWS
    assert not schema.tables(mariadb.connect(), f"{live}_previous")


def test_a_cut_dump_never_reaches_the_server(files: list[str]) -> None:
    with pytest.raises(DumpError, match="cut off"):
        import_files(t.cast(t.Any, None), "portal", files[:-1])


def test_a_second_import_of_the_same_database_is_refused(
    mariadb: t.Any, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    live = mariadb.fresh_name("portal")
    finish = Importer.finish

    def finish_while_another_tries(importer: Importer) -> t.Any:
        with pytest.raises(BoxliftError, match=f"Another import into {live} is at work: connection"):
            import_files(mariadb.login, live, files)
        return finish(importer)

    monkeypatch.setattr(Importer, "finish", finish_while_another_tries)
    import_files(mariadb.login, live, files)
    assert table_rows(mariadb, live) == samples.ROWS


def test_a_killed_run_goes_on_where_it_was(mariadb: t.Any, files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed behind each piece of the dump, with the state saved at every one."""
    monkeypatch.setattr("ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.files.CHUNK", 300)
    monkeypatch.setattr(loading, "SAVE_EVERY", 0.0)
    live = mariadb.fresh_name("portal")
    kills, positions = 0, []
    told: list[int] = []
    fed = 0
    feed = Importer.feed

    def feed_until_killed(importer: Importer, file: str, data: bytes) -> None:
        """Each run gets one piece further than the run before."""
        nonlocal fed
        if not fed:
            positions.append(importer.safe_position)
        fed += 1
        feed(importer, file, data)
        if fed > kills + 1:
            raise Killed

    monkeypatch.setattr(Importer, "feed", feed_until_killed)
    while True:
        fed = 0
        try:
            told.clear()
            load = import_files(mariadb.login, live, files, on_progress=lambda *what: told.append(what[2]))
            break
        except Killed:
            kills += 1
    assert kills >= 3 and load.resumed and positions[-1] not in (None, positions[0])
    assert table_rows(mariadb, live) == samples.ROWS and load.imported["rows"] == 11
    size = sum(map(os.path.getsize, files))
    assert size * 0.8 < told[-1] <= size  # of the whole dump, though little of it was read
    last = len(told)
    monkeypatch.setattr(Importer, "feed", feed)
    told.clear()
    import_files(mariadb.login, mariadb.fresh_name("portal"), files, on_progress=lambda *what: told.append(what[2]))
    assert last < len(told)


def test_an_import_that_was_finished_but_not_switched_in_is_only_switched_in(
    mariadb: t.Any, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    live = mariadb.fresh_name("portal")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(staging, "_rename", die)
        import_files(mariadb.login, live, files)
    monkeypatch.setattr(Importer, "feed", None)  # must not be called
    load = import_files(mariadb.login, live, files)
    assert load.resumed and load.imported["rows"] == 11 and load.switch.switched
    assert table_rows(mariadb, live) == samples.ROWS


def test_a_switch_killed_behind_its_rename_is_finished_and_the_old_state_kept(
    mariadb: t.Any, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    live = mariadb.fresh_database("portal")
    staging.execute(mariadb.connect(live), "CREATE TABLE old (a INT)")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(staging, "_finish", die)
        import_files(mariadb.login, live, files)
    load = import_files(mariadb.login, live, files)
    assert load.resumed and load.switch == (True, 3, 2, 1, {})
    assert table_rows(mariadb, live) == samples.ROWS
    assert schema.tables(mariadb.connect(), f"{live}_previous") == ["old"]


def test_another_dump_begins_anew(mariadb: t.Any, files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    live = mariadb.fresh_name("portal")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(staging, "_rename", die)
        import_files(mariadb.login, live, files)
    pathlib.Path(files[1]).write_bytes(samples.FIRST.replace(b"zero; stays zero", b"changed"))
    load = import_files(mariadb.login, live, files)
    assert not load.resumed
    assert rows(mariadb.connect(live), "SELECT `a;b` AS a FROM b_tricky WHERE ID = 0") == [{"a": "changed"}]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module through its real main(): parameters in, JSON out."""

from __future__ import annotations

import functools
import json
import pathlib
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, quote_name, rows
from ansible_collections.boxlift.portal.plugins.modules import database_import
from unit.plugins.module_utils.sql import samples
from unit.plugins.module_utils.sql.faulty import FAULTS, fault


@pytest.fixture()
def dump(tmp_path: pathlib.Path) -> str:
    for name, data in samples.FILES.items():
        (tmp_path / name).write_bytes(data)
    return str(tmp_path / "d.sql")


@pytest.fixture()
def module(run_module: t.Any) -> t.Callable[..., dict[str, t.Any]]:
    return functools.partial(run_module, database_import)


# Dumps of other programs.
OTHERS = ("mysqldump", "phpmyadmin")


def option(mariadb: t.Any, name: str, **more: t.Any) -> dict[str, t.Any]:
    return {"unix_socket": mariadb.login.unix_socket, "name": name, **more}


def test_a_reference_dump_by_its_first_file(
    mariadb: t.Any, module: t.Any, reference_dump: t.Any, digest: t.Any
) -> None:
    live = mariadb.fresh_name("portal")
    result = module(dump=[str(reference_dump.files[1])], database=option(mariadb, live))
    assert result["changed"] and result["rows"] == sum(table["rows"] for table in reference_dump.tables.values())
    assert result["views"] == reference_dump.views
    assert "view_definer" in [repair["kind"] for repair in result["repairs"]]
    assert result["server_warnings"] == [] and result["resumed"] is False and result["previous_tables"] == 0
    conn = mariadb.connect()
    for name, table in reference_dump.tables.items():
        expected = table.get("rows_sha256")
        assert digest(conn, live, name) == (table["rows"], expected) or (table["structure_only"] and not expected)
    assert rows(mariadb.connect(live), "SELECT @@collation_database AS c")[0]["c"] == "utf8mb4_unicode_ci"
    assert not schema.exists(conn, f"{live}_staging")


def test_check_mode_reads_the_dump_and_needs_no_server(module: t.Any, dump: str) -> None:
    result = module(check=True, dump=dump, database={"unix_socket": "/nowhere", "name": "portal"})
    assert result["changed"] and result["rows"] == 11 and result["views"] == ["v_later", "v_tricky"]
    assert {table["name"]: table["rows"] for table in result["tables"]} == samples.ROWS
    assert result["views_left_out"] == []
    assert sorted(repair["detail"] for repair in result["repairs"]) == [
        *("", "", "", "gone@%", "root@localhost", "utf8mb4_zz_0900_ai_ci -> utf8mb4_nopad_bin")
    ]


def test_the_previous_state_is_kept_unless_told_otherwise(mariadb: t.Any, module: t.Any, dump: str) -> None:
    live = mariadb.fresh_database("portal")
    execute(mariadb.connect(live), "CREATE TABLE old (a INT)")
    predicted = module(check=True, diff=True, dump=dump, database=option(mariadb, live))
    result = module(diff=True, dump=dump, database=option(mariadb, live))
    assert result["diff"] == predicted["diff"]
    assert result["diff"]["before"] == "old\n" and result["diff"]["after"] == "b_bits\nb_stat_day\nb_tricky\n"
    assert result["previous_tables"] == 1
    assert schema.tables(mariadb.connect(), f"{live}_previous") == ["old"]
    result = module(dump=dump, database=option(mariadb, live), keep_previous=False)
    assert result["previous_tables"] == 0 and not schema.exists(mariadb.connect(), f"{live}_previous")


def test_a_hostile_dump_is_refused_with_its_place(mariadb: t.Any, module: t.Any, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "evil.sql"
    path.write_bytes(b"SET NAMES 'utf8mb4';\nSELECT LOAD_FILE('/etc/shadow') INTO OUTFILE '/tmp/x';\n-- Finished: now")
    for check in (True, False):
        result = module(check=check, dump=str(path), database=option(mariadb, mariadb.fresh_name("portal")))
        assert result["failed"] and result["offset"] == 21 and result["line"] == 2 and result["file"] == str(path)
        assert "SELECT LOAD_FILE" in result["msg"] and result["remedy"]


def test_a_view_of_the_old_state_that_cannot_be_kept_is_a_warning(mariadb: t.Any, module: t.Any, dump: str) -> None:
    live = mariadb.fresh_database("portal")
    conn = mariadb.connect(live)
    for text in (
        "CREATE TABLE t (a INT)",
        "CREATE TABLE u (a INT)",
        "CREATE VIEW v AS SELECT a FROM t",
        "DROP TABLE t",
    ):
        execute(conn, text)
    result = module(dump=dump, database=option(mariadb, live))
    assert any("View v of the previous state cannot be kept" in str(warning) for warning in result["warnings"])


def test_a_password_never_comes_back(mariadb: t.Any, module: t.Any, dump: str) -> None:
    result = module(dump=dump, database=option(mariadb, "portal", login_user="x", login_password="s3cret-word"))
    assert result["failed"] and "s3cret-word" not in json.dumps(result)


def test_over_one_connection_and_over_many(mariadb: t.Any, module: t.Any, dump: str) -> None:
    for jobs in (1, 3):
        result = module(dump=dump, database=option(mariadb, mariadb.fresh_name("portal")), jobs=jobs)
        assert {table["name"]: table["rows"] for table in result["tables"]} == samples.ROWS
    result = module(dump=dump, database=option(mariadb, "portal"), jobs=0)
    assert result["failed"] and result["msg"].startswith("jobs is 0") and result["remedy"]


@pytest.mark.parametrize("missing", ["dump", "database"])
def test_what_must_be_given(module: t.Any, dump: str, missing: str) -> None:
    params = {"dump": dump, "database": {"name": "portal"}}
    del params[missing]
    result = module(**params)
    assert result["failed"] and missing in result["msg"]


def test_it_says_how_far_it_has_come(mariadb: t.Any, module: t.Any, dump: str, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "run" / "import.json"
    module(dump=dump, database=option(mariadb, mariadb.fresh_name("portal")), progress=str(file))
    state = json.loads(file.read_text(encoding="utf-8"))
    assert (state["operation"], state["outcome"], state["phase"]) == ("database_import", "done", "import")
    assert (state["rows"], state["total"]) == (11, sum(len(data) for data in samples.FILES.values()))
    # Statements are counted without what lies between them.
    assert state["total"] * 0.8 < state["done"] <= state["total"]

    module(dump=dump, database=option(mariadb, "portal", host="127.0.0.1", unix_socket="/nowhere"), progress=str(file))
    state = json.loads(file.read_text(encoding="utf-8"))
    assert state["outcome"] == "failed" and "/nowhere" in state["message"]


def test_what_check_mode_foretells_is_what_happens(mariadb: t.Any, module: t.Any, tmp_path: t.Any) -> None:
    """Each fault is told in advance, is told again by the import, and stops nothing."""
    for number, path in enumerate(sorted(FAULTS.glob("*.sql"))):
        if path.stem in OTHERS:
            continue
        asked = {"dump": [str(path)], "database": option(mariadb, mariadb.fresh_name("portal"))}
        foretold, result = module(check=True, **asked), module(**asked)
        assert not foretold["failed"] and not result["failed"], path
        assert foretold["repairs"] == result["repairs"], path
        assert [view["name"] for view in foretold["views_left_out"]] == [
            view["name"] for view in result["views_left_out"]
        ], path
        assert number or result["tables"]


def test_a_view_that_is_left_out_is_a_warning(mariadb: t.Any, module: t.Any) -> None:
    dump = str(FAULTS / "view_badcol.sql")
    result = module(dump=[dump], database=option(mariadb, mariadb.fresh_name("portal")))
    assert [view["name"] for view in result["views_left_out"]] == ["v_a"] and result["views"] == []
    assert any("View v_a is left out" in str(text) and "GONE" in str(text) for text in result["warnings"])


def test_tables_with_odd_names_are_switched_in_and_kept(mariadb: t.Any, module: t.Any, tmp_path: pathlib.Path) -> None:
    names = ["отчет 2026", "a.b", "%s", "it's", "`x`", "a/../b", "SELECT"]
    text = "-- Started: 2026\nSET NAMES 'utf8mb4';\n" + "".join(
        f"CREATE TABLE {quote_name(name)} (`a` int);\nINSERT INTO {quote_name(name)} VALUES\n(1);\n" for name in names
    )
    (tmp_path / "d.sql").write_text(text + "-- Finished: 2026")
    asked = {"dump": [str(tmp_path / "d.sql")], "database": option(mariadb, mariadb.fresh_name("portal"))}
    assert not module(**asked)["failed"]
    again = module(diff=True, **asked)
    assert not again["failed"] and again["previous_tables"] == len(names)
    assert again["diff"]["before"] == again["diff"]["after"]
    live = mariadb.connect(asked["database"]["name"])
    assert sorted(schema.tables(live, asked["database"]["name"])) == sorted(names)


def test_values_that_the_server_changed_are_returned_and_told(
    mariadb: t.Any, module: t.Any, tmp_path: pathlib.Path
) -> None:
    live = mariadb.fresh_name("portal")
    (tmp_path / "d.sql").write_bytes(fault("invalid_utf8"))
    result = module(dump=[str(tmp_path / "d.sql")], database=option(mariadb, live))
    (warning,) = result["server_warnings"]
    assert {key: warning[key] for key in ("table", "column", "kind", "count", "rows")} == {
        "table": "b_im_message",
        "column": "MESSAGE",
        "kind": "invalid_text",
        "count": 2,
        "rows": [2, 3],
    }
    told = json.dumps(result["warnings"])
    assert "b_im_message.MESSAGE: Incorrect string value" in told and "WHERE `MESSAGE` LIKE '%?%'" in told

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import csv
import io
import pathlib
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.users import (
    COLUMNS,
    Locked,
    as_csv,
    locked_out,
    write_csv,
)

LETTER = "send the letter to set a password"


def people(portal: t.Any, change: str) -> list[Locked]:
    portal.sql(f"UPDATE b_user SET {change} WHERE ID = 2")
    return locked_out(portal.sql)


def test_who_can_log_in_is_not_listed(portal: t.Any) -> None:
    assert locked_out(portal.sql) == []


@pytest.mark.parametrize(
    ("change", "reasons", "what_to_do"),
    [
        ("EXTERNAL_AUTH_ID = 'socservices'", ("authenticated by socservices",), f"clear EXTERNAL_AUTH_ID; {LETTER}"),
        ("EXTERNAL_AUTH_ID = 'LDAP#7'", ("authenticated by LDAP#7",), "connect the directory (module ldap)"),
        ("PASSWORD = ''", ("no password",), LETTER),
        ("PASSWORD_EXPIRED = 'Y'", ("password expired",), LETTER),
        ("BLOCKED = 'Y'", ("blocked",), f"ask the customer whether to unblock; {LETTER}"),
        ("CONFIRM_CODE = 'abc'", ("invitation not accepted",), f"send the invitation again; {LETTER}"),
        ("PASSWORD = '', EMAIL = NULL", ("no password",), "has no address: hand a password over in person"),
    ],
)
def test_reasons_and_what_to_do(portal: t.Any, change: str, reasons: tuple[str, ...], what_to_do: str) -> None:
    portal.sql("UPDATE b_user SET EMAIL = 'anna@company.test', NAME = 'Anna', LAST_NAME = 'Ж' WHERE ID = 2")
    (one,) = people(portal, change)
    assert (one.id, one.login, one.name, one.reasons, one.what_to_do) == (2, "anna", "Anna Ж", reasons, what_to_do)


def test_whom_an_active_directory_knows_is_not_locked_out(portal: t.Any) -> None:
    portal.sql("UPDATE b_ldap_server SET ACTIVE = 'Y' WHERE ID = 1")
    assert people(portal, "EXTERNAL_AUTH_ID = 'LDAP#1', PASSWORD = '', CONFIRM_CODE = 'abc'") == []
    (blocked,) = people(portal, "BLOCKED = 'Y'")
    assert (blocked.reasons, blocked.what_to_do) == (("blocked",), "ask the customer whether to unblock")
    (stranger,) = people(portal, "EXTERNAL_AUTH_ID = 'LDAP#7', BLOCKED = 'N'")
    assert stranger.reasons == ("authenticated by LDAP#7", "no password", "invitation not accepted")


def test_a_login_that_is_taken_must_be_changed_first(portal: t.Any) -> None:
    (one,) = people(portal, "EXTERNAL_AUTH_ID = 'socservices', LOGIN = 'admin', EMAIL = 'x@y.test'")
    assert one.what_to_do.startswith("another user has this login: change it")


def test_people_who_left_and_bots_are_not_listed(portal: t.Any) -> None:
    assert people(portal, "PASSWORD = '', ACTIVE = 'N'") == []


def test_the_table_can_be_read_and_no_cell_is_a_formula() -> None:
    one = Locked(2, "=cmd|x", "a@b.test", 'Ж, "q"', ("no password", "blocked"), "x")
    content = as_csv([one])
    assert content.startswith(b"\xef\xbb\xbf")
    head, row = csv.reader(io.StringIO(content.decode("utf-8-sig")))
    assert tuple(head) == COLUMNS
    assert row == ["2", "'=cmd|x", "a@b.test", 'Ж, "q"', "no password, blocked", "x"]


def test_the_file_is_for_its_owner_alone_and_written_once(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text("old")
    path.chmod(0o644)
    assert write_csv(str(path), b"new") is True
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    assert write_csv(str(path), b"new") is False
    path.chmod(0o640)
    assert write_csv(str(path), b"new") is True
    assert [each.name for each in tmp_path.iterdir()] == ["users.csv"]


def test_a_missing_folder_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BoxliftError, match=r"users_csv .*none/users\.csv cannot be written"):
        write_csv(str(tmp_path / "none" / "users.csv"), b"x")

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Employees who cannot log in with a password, why, and what to do: a list for whoever writes to them."""

from __future__ import annotations

import csv
import dataclasses
import io
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file

# Employees: active users of a department.
_OF_DEPARTMENTS = (
    " FROM b_user u JOIN b_user_field f ON f.ENTITY_ID = 'USER' AND f.FIELD_NAME = 'UF_DEPARTMENT'"
    " JOIN b_utm_user d ON d.FIELD_ID = f.ID AND d.VALUE_ID = u.ID AND d.VALUE_INT > 0 WHERE u.ACTIVE = 'Y'"
)
# A portal without departments (module intranet): everybody who is a person. These authenticate bots, mail and guests.
_NO_PEOPLE = (
    *("bot", "email", "__controller", "replica", "imconnector", "sale", "saleanonymous", "shop", "call"),
    *("document_editor", "calendar_sharing", "im_guest", "rest_system"),
)
_PEOPLE = (
    " FROM b_user u WHERE u.ACTIVE = 'Y' AND COALESCE(u.EXTERNAL_AUTH_ID, '') NOT IN ("
    + ", ".join(f"'{name}'" for name in _NO_PEOPLE)
    + ")"
)
_SQL = (
    "SELECT DISTINCT u.ID, u.LOGIN, u.EMAIL, u.NAME, u.LAST_NAME, u.EXTERNAL_AUTH_ID AS outer_id, u.BLOCKED,"
    " u.PASSWORD_EXPIRED AS expired, u.PASSWORD = '' AS bare, COALESCE(u.CONFIRM_CODE, '') <> '' AS invited,"
    " EXISTS (SELECT 1 FROM b_user o WHERE o.LOGIN = u.LOGIN AND o.ID <> u.ID"
    " AND COALESCE(o.EXTERNAL_AUTH_ID, '') = '') AS taken"
    "{whom} AND (COALESCE(u.EXTERNAL_AUTH_ID, '') <> '' OR u.BLOCKED = 'Y' OR u.PASSWORD_EXPIRED = 'Y'"
    " OR u.PASSWORD = '' OR COALESCE(u.CONFIRM_CODE, '') <> '') ORDER BY u.ID"
)
COLUMNS = ("id", "login", "email", "name", "reason", "what to do")
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclasses.dataclass(frozen=True)
class Locked:
    """An employee who cannot log in with a password."""

    id: int
    login: str
    email: str
    name: str
    reasons: tuple[str, ...]
    what_to_do: str


Query = t.Callable[[str], "list[dict[str, t.Any]]"]


def employees(query: Query) -> tuple[str, str]:
    """FROM and WHERE for the employees as `u`, to which conditions may be added with AND; and a note for the reader.

    Where the tables of departments are missing, everybody counts who is a person, and the note says so.
    """
    missing = [table for table in ("b_user_field", "b_utm_user") if not query(f"SHOW TABLES LIKE '{table}'")]
    if missing:
        return _PEOPLE, f" (without {' and '.join(missing)} there are no departments: every active user counts)"
    return _OF_DEPARTMENTS, ""


def locked_out(query: Query) -> list[Locked]:
    """Employees who cannot log in. Users of an active directory are left out: they need no local password."""
    directories: set[str] = set()
    if query("SHOW TABLES LIKE 'b_ldap_server'"):
        directories = {f"LDAP#{row['ID']}" for row in query("SELECT ID FROM b_ldap_server WHERE ACTIVE = 'Y'")}
    return [
        one for one in (_judge(row, directories) for row in query(_SQL.format(whom=employees(query)[0]))) if one.reasons
    ]


def _judge(row: t.Mapping[str, t.Any], directories: t.Collection[str]) -> Locked:
    outer = str(row["outer_id"] or "")
    known = outer in directories
    found = (
        (f"authenticated by {outer}", bool(outer) and not known),
        ("blocked", row["BLOCKED"] == "Y"),
        ("password expired", row["expired"] == "Y" and not known),
        ("no password", bool(row["bare"]) and not known),
        ("invitation not accepted", bool(row["invited"]) and not known),
    )
    return Locked(
        id=int(row["ID"]),
        login=str(row["LOGIN"]),
        email=str(row["EMAIL"] or ""),
        name=" ".join(str(part) for part in (row["NAME"], row["LAST_NAME"]) if part),
        reasons=tuple(reason for reason, holds in found if holds),
        what_to_do="; ".join(_steps(row, outer, known)),
    )


def _steps(row: t.Mapping[str, t.Any], outer: str, known: bool) -> t.Iterator[str]:
    if outer.startswith("LDAP#"):
        if not known:
            yield "connect the directory (module ldap)"
    elif outer and row["taken"]:
        yield "another user has this login: change it, then clear EXTERNAL_AUTH_ID"
    elif outer:
        yield "clear EXTERNAL_AUTH_ID"
    if row["BLOCKED"] == "Y":
        yield "ask the customer whether to unblock"
    if row["invited"] and not known:
        yield "send the invitation again"
    if not outer.startswith("LDAP#"):
        yield "send the letter to set a password" if row["EMAIL"] else "has no address: hand a password over in person"


def as_csv(people: t.Iterable[Locked]) -> bytes:
    """CSV in UTF-8, with a byte order mark so that spreadsheets show Cyrillic names."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for one in people:
        cells = (str(one.id), one.login, one.email, one.name, ", ".join(one.reasons), one.what_to_do)
        table.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return b"\xef\xbb\xbf" + text.getvalue().encode("utf-8")


def write_csv(path: str, content: bytes) -> bool:
    """Replace the file atomically, mode 0600, if it differs; whether it did. Raises BoxliftError."""
    target = pathlib.Path(path)
    try:
        if target.is_file() and target.read_bytes() == content and target.stat().st_mode & 0o777 == 0o600:
            return False
        replace_file(str(target), content)
    except OSError as problem:
        raise BoxliftError(
            f"users_csv {target} cannot be written: {problem.strerror}.",
            "Name a file in a folder that is there, outside the document root.",
        ) from problem
    return True

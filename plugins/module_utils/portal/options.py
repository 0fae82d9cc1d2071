# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of `b_option` (for all sites) and `b_option_site` (for one site)."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows

if t.TYPE_CHECKING:
    from pymysql.connections import Connection


@dataclasses.dataclass(frozen=True)
class OptionChange:
    """One option whose row has to change; `None` stands for no row."""

    module: str
    name: str
    before: str | None
    after: str | None
    site: str = ""
    stored_names: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        return "b_option_site" if self.site else "b_option"

    @property
    def where(self) -> str:
        return f"{self.table} {self.module}.{self.name}" + (f" of site {self.site}" if self.site else "")


def text_value(module: str, name: str, value: t.Any) -> str | None:
    """An option as its column holds it; booleans are refused, since the portal knows Y/N, 1/0 and true/false."""
    if isinstance(value, bool):
        raise BoxliftError(
            f"Option {module}.{name} is a boolean ({value}), and the portal stores text.", "Write 'Y' or 'N' in quotes."
        )
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return str(value)
    raise BoxliftError(
        f"Option {module}.{name} is a {type(value).__name__}, and the portal stores text.",
        "Write the value as the string that the column is to hold.",
    )


def read(conn: Connection[t.Any], module: str, site: str = "") -> dict[str, str | None]:
    """The options of a module by their names in lower case, as the portal compares them."""
    return {row["NAME"].lower(): row["VALUE"] for row in _stored(conn, module, site)}


def plan(conn: Connection[t.Any], module: str, wanted: t.Mapping[str, t.Any], site: str = "") -> list[OptionChange]:
    """What has to change so that the module's options are as declared; None removes a row."""
    if site and not rows(conn, "SELECT LID FROM b_lang WHERE LID = %s", [site]):
        raise BoxliftError(f"There is no site {site!r} in b_lang.", "Correct the option site.")
    stored = _stored(conn, module, site)
    changes = []
    for name, value in wanted.items():
        after = text_value(module, name, value)
        same_name = [row for row in stored if row["NAME"].lower() == name.lower()]
        differing = [row for row in same_name if row["VALUE"] != after]
        if same_name if after is None else differing or not same_name:
            before = differing[0]["VALUE"] if differing else None
            names = tuple(row["NAME"] for row in same_name)
            changes.append(OptionChange(module, name, before, after, site, names))
    return changes


def apply(conn: Connection[t.Any], changes: t.Iterable[OptionChange]) -> None:
    """Writes the planned rows; the caller holds the transaction."""
    for change in changes:
        key, args = "MODULE_ID = %s AND NAME = %s", [change.module]
        if change.site:
            key, args = "SITE_ID = %s AND " + key, [change.site, change.module]
        for name in change.stored_names:
            if change.after is None:
                execute(conn, f"DELETE FROM {change.table} WHERE {key}", [*args, name])
            else:
                execute(conn, f"UPDATE {change.table} SET VALUE = %s WHERE {key}", [change.after, *args, name])
        if change.after is not None and not change.stored_names:
            columns = "SITE_ID, MODULE_ID, NAME, VALUE" if change.site else "MODULE_ID, NAME, VALUE"
            values = [*args, change.name, change.after]
            marks = ", ".join(["%s"] * len(values))
            execute(conn, f"INSERT INTO {change.table} ({columns}) VALUES ({marks})", values)


def _stored(conn: Connection[t.Any], module: str, site: str) -> list[dict[str, t.Any]]:
    if site:
        sql = "SELECT NAME, VALUE FROM b_option_site WHERE MODULE_ID = %s AND SITE_ID = %s"
        return rows(conn, sql, [module, site])
    return rows(conn, "SELECT NAME, VALUE FROM b_option WHERE MODULE_ID = %s", [module])

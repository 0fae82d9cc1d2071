# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares a recovered portal with what its copy noted of production while it was made.

The copy counts the rows of each table before and after it reads the database. What is recovered must lie between the
two. Where it does not, either the table is one that fills and empties by the minute, which is named, or rows are lost.
"""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

Data = dict[str, t.Any]
_SHOWN = 10  # of the tables that a finding names

#: Tables that the portal itself empties all the time, and why. Expressions match the whole name.
COME_AND_GO = (
    (r"b_cache_tag", "the portal's cache fills and empties it"),
    (r"b_(user_session|sec_session|session\w*)", "sessions begin and end"),
    (r"b_pull_\w+", "messages for the push server are kept for minutes"),
    (r"b_event|b_event_attachment", "letters are removed after they were sent"),
    (r"b_user_counter|b_im_recent|b_im_status", "counters and states of those who are online"),
    (r"b_user_access|b_user_access_check|b_rating_prepare", "the portal computes it anew"),
    (r"b_(search_content_\w+|composite_page|captcha|undo|user_hit_auth|perf_\w+)", "the portal makes it anew"),
)
#: What a recovery itself takes from a table: so many rows at most, and why.
TAKEN = {"b_option": (1, "the recovery takes the row of Sphinx away, so that its index is built anew")}
_REPLAYED = "changed by the binary logs after the copy"
_ONCE = "was counted once only: it came or went while the copy was made"


class Difference(t.NamedTuple):
    """One table that holds other numbers of rows than its copy noted. `reason` is empty where none is known."""

    table: str
    rows: int
    noted: tuple[int, int]
    reason: str


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What was compared, and the findings: dictionaries with `code`, `severity`, `text` and `remedy`."""

    tables: int
    rows: int
    files: int
    noted_files: int
    differences: list[Difference]
    missing: list[str]
    findings: list[Data]

    @property
    def same(self) -> bool:
        return not any(finding["severity"] == "fail" for finding in self.findings)

    def as_dict(self) -> Data:
        """For the drill's record."""
        return {
            "tables": self.tables,
            "rows": self.rows,
            "files": self.files,
            "noted_files": self.noted_files,
            "explained": [
                {"table": each.table, "rows": each.rows, "noted": list(each.noted), "reason": each.reason}
                for each in self.differences
                if each.reason
            ],
            "lost": [
                {"table": each.table, "rows": each.rows, "noted": list(each.noted)}
                for each in self.differences
                if not each.reason
            ],
            "missing": self.missing,
        }


def finding(code: str, severity: str, text: str, remedy: str) -> Data:
    """A finding of a drill, in the form of those of a store's status."""
    return {"code": code, "severity": severity, "text": text, "remedy": remedy}


def reason_of(table: str) -> str:
    """Why the rows of this table may differ; empty where nothing is known."""
    return next((reason for pattern, reason in COME_AND_GO if re.fullmatch(pattern, table.lower())), "")


def compare(
    noted: t.Mapping[str, t.Any],
    tables: t.Mapping[str, int],
    files: int,
    *,
    version: str = "",
    unread: int = 0,
    replayed: bool = False,
) -> Comparison:
    """Compare rows of tables and the number of files with what the copy noted.

    `version` is the recovered portal's. `unread` files could not be read when the copy was made, which the copy says.
    `replayed` tells that changes of the binary logs came after the copy: rows that are more or fewer have that reason.
    """
    known: dict[str, tuple[int, int]] = {}
    once = set()
    for name, counts in (noted.get("tables") or {}).items():
        numbers = [int(each) for each in counts if each is not None]
        once |= {name} if len(numbers) < len(counts) else set()
        known[name] = (min(numbers, default=0), max(numbers, default=0))
    missing = sorted(set(known) - set(tables) - once)
    differences = []
    for name in sorted(set(known) & set(tables)):
        low, high = known[name]
        if not low <= tables[name] <= high:
            taken, why = TAKEN.get(name.lower(), (0, ""))
            reason = why if low - taken <= tables[name] < low else ""
            reason = reason or reason_of(name) or (_REPLAYED if replayed else _ONCE if name in once else "")
            differences.append(Difference(name, tables[name], (low, high), reason))
    noted_files = int(noted.get("files") or 0)
    findings = [*_of_tables(known, missing, differences, tables), *_of_files(files, noted_files, unread)]
    expected = str(noted.get("portal_version") or "")
    if expected and version and version != expected and not replayed:
        findings.append(
            finding(
                "other_version",
                "fail",
                f"The recovered portal is of version {version}, the copy noted {expected}.",
                "Look whether the copy's files and database belong together (boxlift-backup list).",
            )
        )
    return Comparison(len(tables), sum(tables.values()), files, noted_files, differences, missing, findings)


def _of_tables(
    known: t.Mapping[str, tuple[int, int]],
    missing: t.Sequence[str],
    differences: t.Sequence[Difference],
    tables: t.Mapping[str, int],
) -> t.Iterator[Data]:
    remedy = (
        "Take no comfort from this copy: make a new one (playbook backup), drill again, and keep the older copies "
        "until the drill passes (docs/drills.md)."
    )
    if not known:
        yield finding("nothing_noted", "fail", "The copy noted no rows of any table: nothing can be compared.", remedy)
    if missing:
        yield finding("tables_missing", "fail", f"Tables are missing: {_some(missing)}.", remedy)
    if known and not sum(tables.values()):
        yield finding("empty", "fail", "The recovered database holds no row.", remedy)
    lost = [each for each in differences if not each.reason]
    fewer = [each for each in lost if each.rows < each.noted[0]]
    if fewer:
        told = [f"{each.table} {each.rows} instead of {_range(each.noted)}" for each in fewer]
        yield finding("fewer_rows", "fail", f"Tables have fewer rows than the copy noted: {_some(told)}.", remedy)
    more = [each for each in lost if each.rows > each.noted[1]]
    if more:
        told = [f"{each.table} {each.rows} instead of {_range(each.noted)}" for each in more]
        yield finding("more_rows", "fail", f"Tables have more rows than the copy noted: {_some(told)}.", remedy)
    unknown = sorted(set(tables) - set(known))
    if known and unknown:
        text = f"Rows of {len(unknown)} tables were not compared, since the copy noted none of them: {_some(unknown)}."
        yield finding(
            "not_noted", "warn", text, "A copy notes what it can count in ten minutes, in order of the names."
        )


def _of_files(files: int, noted: int, unread: int) -> t.Iterator[Data]:
    if files >= noted and noted:
        return
    if not noted:
        text = "The copy noted no files: nothing can be compared."
        yield finding("no_files_noted", "fail", text, "Make a new copy (playbook backup), and drill again.")
    elif noted - files <= unread:
        text = f"{noted - files} files could not be read when the copy was made, and are not there."
        yield finding(
            "unread_files", "warn", text, "The copy's warnings name them: mend their rights, or exclude them."
        )
    else:
        text = f"{files} files were recovered, and the copy noted {noted}."
        remedy = "boxlift-backup verify reads the repository; then make a new copy (playbook backup), and drill again."
        yield finding("fewer_files", "fail", text, remedy)


def _range(noted: tuple[int, int]) -> str:
    return str(noted[0]) if noted[0] == noted[1] else f"{noted[0]} to {noted[1]}"


def _some(names: t.Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def count_files(root: str) -> int:
    """Regular files and links below the directory. Raises OSError where a part of it cannot be read."""

    def refuse(error: OSError) -> None:
        raise error

    number = 0
    for folder, folders, names in os.walk(root, onerror=refuse):
        number += len(names) + sum(os.path.islink(os.path.join(folder, name)) for name in folders)
    return number

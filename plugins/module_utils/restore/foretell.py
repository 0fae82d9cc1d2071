# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says of a proven backup's dump, without a server, what an import will refuse, change or leave out."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import HEADER_SIZE
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Report, backup_finding
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import in_dump
from ansible_collections.boxlift.portal.plugins.module_utils.archive.stream import PartStream, Progress
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry, Walker
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump import repairs
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.files import Survey

_MOST_NAMED = 10
_ASSUMED = "MariaDB 10.11, which the roles install,"


class Foretold(t.NamedTuple):
    """Findings, and what an import would return as `repairs` and `views_left_out`."""

    findings: list[Finding]
    repairs: list[dict[str, t.Any]]
    views_left_out: list[dict[str, t.Any]]


def foretell(report: Report, progress: Progress | None = None) -> Foretold:
    """Read the dump of an intact backup once more. `progress` is called with the bytes of the parts just read."""
    survey = Survey()
    try:
        _read(report, survey, progress)
        survey.finish()
    except BoxliftError as error:
        refused = backup_finding(
            "backup.statements",
            "fail",
            error.message,
            "statements that an import runs",
            error.remedy,
        )
        return Foretold([refused], [], [])
    findings = [_definitions(survey.repairs), _collations(survey.repairs)]
    findings += [
        backup_finding(
            "backup.views",
            "warn",
            f"View {view['name']} will be left out: {view['reason']}.",
            "views of the tables in the backup",
            "Make the view by hand after the import if the portal needs it, or correct it at the source.",
        )
        for view in survey.views_left_out
    ]
    return Foretold(findings, survey.repairs, survey.views_left_out)


def _definitions(told: list[dict[str, t.Any]]) -> Finding:
    kinds = (repairs.CLAUSE, repairs.REPLACED, repairs.CHARSET)
    found = [repair for repair in told if repair["kind"] in kinds]
    if not found:
        return backup_finding("backup.definitions", "pass", f"{_ASSUMED} can hold every table as the dump defines it.")
    shown = "; ".join(f"{repair['table']}: {repair['detail']}" for repair in found[:_MOST_NAMED])
    more = f"; and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return backup_finding(
        "backup.definitions",
        "warn",
        f"{_ASSUMED} cannot hold {len(found)} clauses of the dump's tables, which an import leaves out or replaces: "
        f"{shown}{more}.",
        "definitions that the server can hold",
        "Look whether the portal needs them. The import takes the rows all the same, and returns the whole list.",
    )


def _collations(told: list[dict[str, t.Any]]) -> Finding:
    found = [repair for repair in told if repair["kind"] == repairs.COLLATION]
    names = sorted({str(repair["detail"]).rpartition(": ")[2] for repair in found})
    observed = f"{_ASSUMED} has every collation of the dump."
    if names:
        tables = len({repair["table"] for repair in found})
        observed = (
            f"{_ASSUMED} lacks collations of {tables} tables. An import replaces them by ones in which rows that "
            f"differ still differ: {', '.join(names[:_MOST_NAMED])}."
        )
    return backup_finding("backup.collations", "pass", observed)


class _Feeder:
    """The `Sink` of the walk through the parts."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._name: str | None = None

    def begin(self, entry: Entry) -> None:
        self._name = entry.text if not entry.is_directory and in_dump(entry.path) else None

    def data(self, content: memoryview) -> None:
        if self._name is not None:
            self._survey.feed(self._name, bytes(content))

    def end(self, entry: Entry) -> None:
        if self._name is not None:
            self._survey.end_of_file()

    def unsafe(self, path: bytes, reason: str) -> None:
        """The proof has refused it."""


def _read(report: Report, survey: Survey, progress: Progress | None) -> None:
    """Feed the survey with the dump. The dump's files follow each other, so the parts between its ends are its own."""
    feeder = _Feeder(survey)
    walker: Walker | None = None
    for index in range(report.dump_parts[0], report.dump_parts[-1] + 1) if report.dump_parts else ():
        begin = HEADER_SIZE if index == 0 and report.parts.kind.encrypted else 0
        if walker is None:
            walker = Walker(feeder, report.starts[index], begin)
        for chunk in PartStream(report.parts.present[index], report.parts.kind, report.cipher, progress).chunks():
            view = memoryview(chunk)[begin:]
            begin = 0
            walker.feed(view)

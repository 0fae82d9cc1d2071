# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of a site in operation: one chained file beside the journal, to which lines are added and nothing else.

Its lines are incidents and the notices about them, visits that were held or moved, and what the calendar has said of
each visit.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import lines, verify, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import incidents as inc
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.matters import LINE_KINDS

FILE = "service.records"
VISIT, CALENDAR = "visit", "calendar"
KINDS = (inc.EVENT, VISIT, CALENDAR, *LINE_KINDS)

Line = dict[str, t.Any]


def beside(journal: str) -> str:
    """The records of the site whose journal this is: its folder outlasts each journal."""
    return os.path.join(os.path.dirname(journal), FILE)


@dataclasses.dataclass(frozen=True)
class Records:
    """What the file says. `fault` names its first broken line, and `head` is the hash of its last whole one."""

    path: str
    lines: tuple[Line, ...] = ()
    fault: str = ""
    head: str = ""

    def of(self, kind: str) -> list[Line]:
        return [line for line in self.lines if line["event"] == kind]

    @property
    def incidents(self) -> list[inc.Incident]:
        return inc.incidents(self.of(inc.EVENT))


def read(path: str) -> Records:
    """Nothing where there is no such file yet. Raises OSError.

    A broken chain is told and does not hide what the lines say: whoever is at an incident must see it.
    """
    if not os.path.exists(path):
        return Records(path)
    content = pathlib.Path(path).read_bytes()
    if not content:
        return Records(path)
    verdict = verify.verify(content)
    fault = "" if verdict.code == verify.WHOLE else verdict.text
    return Records(path, tuple(lines.events_in(content, *KINDS)), fault, verdict.head)


def whole(path: str) -> Records:
    """The same, to go on with: nothing is added to a file that was edited. Raises BoxliftError, OSError."""
    found = read(path)
    content = pathlib.Path(path).read_bytes() if os.path.exists(path) else b""
    if found.fault and verify.verify(content).code != verify.TORN:  # the next line seals what was cut off
        raise BoxliftError(
            f"The records {path} prove nothing any more: {found.fault}",
            "Bring them back from a copy of the controller. Until then tell people by telephone.",
        )
    return found


def add(path: str, kind: str, fields: t.Mapping[str, t.Any]) -> None:
    """Add a line. Raises OSError and BoxliftError; nothing was written then."""
    writer.append(path, kind, fields)

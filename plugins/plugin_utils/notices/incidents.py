# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents of the portal in operation, as the site's records tell of them, one after the other.

A record is never edited: each line adds something, and an incident is what its lines say together.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import moment

EVENT = "incident"
OPEN, NOTE, HAND_OVER, CLOSE = "open", "note", "hand_over", "close"
CRITICAL, NORMAL = "critical", "normal"
#: So many seconds at most between two notices.
EVERY = {CRITICAL: 20 * 60.0, NORMAL: 30 * 60.0}
CLASSES = tuple(EVERY)

Line = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Note:
    """What was said of an incident at one moment: `kind` is one of the four above."""

    kind: str
    at: float
    by: str
    text: str


@dataclasses.dataclass(frozen=True)
class Incident:
    """`kind` is one of CLASSES, `owner` a person or an organisation of the plan, `people` are those who hear of it.

    `opened` and `closed` are when the record was written, `raised` is when it became critical. `began` is what people
    say of its beginning, if they do. `group` is the group of alerts that opened it, and `alerts` says of each of these
    what came last.
    """

    number: int
    title: str
    kind: str
    owner: str
    people: tuple[str, ...]
    opened: float
    users: str
    began: float | None = None
    raised: float | None = None
    group: str = ""
    alerts: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    closed: float | None = None
    cause: str = ""
    cure: str = ""

    @property
    def id(self) -> str:
        """As lines of notices name it."""
        return f"{EVENT} {self.number}"

    @property
    def class_since(self) -> float:
        """Since when it has been of its class."""
        return self.opened if self.raised is None else self.raised

    @property
    def is_open(self) -> bool:
        return self.closed is None

    @property
    def news(self) -> Note | None:
        """What was noted last, with a text for people."""
        said = [note for note in self.notes if note.kind in (NOTE, HAND_OVER) and note.text]
        return said[-1] if said else None


def incidents(lines: t.Iterable[Line]) -> list[Incident]:
    """All of them, in the order of their numbers. Other lines are passed over."""
    found: dict[int, Incident] = {}
    for line in lines:
        if line["event"] == EVENT:
            number = int(line["number"])
            found[number] = _opened(line) if line["what"] == OPEN else _continued(found[number], line)
    return list(found.values())


def _note(line: Line) -> Note:
    return Note(str(line["what"]), moment(line["time"]), str(line.get("operator") or ""), str(line.get("text") or ""))


def _opened(line: Line) -> Incident:
    began = line.get("began")
    return Incident(
        number=int(line["number"]),
        title=str(line["title"]),
        kind=str(line["class"]),
        owner=str(line["owner"]),
        people=tuple(line["people"]),
        opened=moment(line["time"]),
        users=str(line.get("users") or ""),
        began=float(began) if began is not None else None,
        group=str(line.get("group") or ""),
        alerts=dict(line.get("alerts") or {}),
        notes=(_note(line),),
    )


def _continued(former: Incident, line: Line) -> Incident:
    said = _note(line)
    out = dataclasses.replace(former, notes=(*former.notes, said))
    if said.kind == HAND_OVER:
        return dataclasses.replace(out, owner=str(line["owner"]))
    if said.kind == CLOSE:
        cause, cure = (str(line.get(name) or "") for name in ("cause", "cure"))
        return dataclasses.replace(out, closed=said.at, cause=cause, cure=cure)
    if line.get("class") == CRITICAL and former.kind != CRITICAL:
        out = dataclasses.replace(out, kind=CRITICAL, raised=said.at)
    users, alerts = str(line.get("users") or former.users), {**former.alerts, **dict(line.get("alerts") or {})}
    return dataclasses.replace(out, users=users, alerts=alerts)

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site in operation on a simulated clock: its records, its people, and channels that fail now and then."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import moment
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import due as d
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import incidents as inc
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import tell
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.kept import Kept
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.text import Message
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import desk, records
from unit.plugins.plugin_utils.notices.world import PLAN

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
BEGIN = moment("2026-11-28T12:00:00.000Z")


class Site:
    """`broken` are the channels that do not work now; `said` is what the others were given."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **plan: t.Any) -> None:
        self.plan = load({**PLAN, "site": "portal.example.com", **plan})
        self.journal, self.path = str(folder / "move.jsonl"), str(folder / records.FILE)
        self.now = BEGIN
        self.broken: set[str] = set()
        self.said: list[tuple[float, d.Due, Message]] = []
        self.ways: d.Ways = d.ways(self.plan, True, ("team", "office"))
        self.teller = self._teller()
        monkeypatch.setattr(writer.time, "time", lambda: self.now)

    def _teller(self) -> tell.Teller:
        return tell.Teller(self.plan, self.journal, self.ways, self._send, MINUTE, records=self.path)

    def _send(self, each: d.Due, message: Message) -> None:
        if each.way.channel in self.broken:
            raise BoxliftError("421 busy", "Try later.")
        self.said.append((self.now, each, message))

    def reach_only(self, **ways: tuple[d.Way, ...]) -> None:
        """From now on nobody else has a channel."""
        self.ways = {person: ways.get(person, ()) for person in self.plan.people}
        self.teller = self._teller()

    @property
    def records(self) -> records.Records:
        return records.read(self.path)

    def wish(self, action: str, **more: t.Any) -> int:
        """What the action does with a wish; the incident's number."""
        found = records.whole(self.path)
        number, lines = desk.lines_for(found, self.plan, desk.Wish(action, **more))
        for kind, fields in lines:
            records.add(self.path, kind, fields)
        return number

    def look(self, minutes: float = 0.0) -> None:
        """The sender looks every minute, for so long."""
        end = self.now + minutes * MINUTE
        while True:
            self.teller.look(lambda: self.now)
            if self.now >= end:
                return
            self.now += MINUTE

    def cadences(self) -> list[tuple[inc.Incident, Kept]]:
        return tell.cadences(self.path, self.now)

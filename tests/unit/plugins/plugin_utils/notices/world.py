# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A move on a simulated clock: its journal, its people, and channels that fail now and then."""

from __future__ import annotations

import random
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt, Run, moment, read
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import due as d
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import matters as m
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from unit.plugins.plugin_utils.by_hand import BY_HAND

MINUTE, HOUR = 60.0, 3600.0
BEGIN = moment("2026-11-28T12:00:00.000Z")
LOOK = 60.0

PLAN: dict[str, t.Any] = {
    "people": {
        "coordinator": {
            "name": "Olga Petrova",
            "email": "olga@contractor.example",
            "webhook": "team",
            "language": "ru",
        },
        "operator": {"name": "Li Wei", "webhook": "team", "language": "zh"},
        "approver": {"name": "Anna Schmidt", "email": "anna@example.com", "language": "de"},
        "executor": {"name": "Ravi Kumar", "email": "it@example.com", "webhook": "office", "language": "hi"},
        "key_user": {"name": "Fatima Haddad", "email": "it@example.com", "language": "ar"},
    },
    "timezone": "Europe/Berlin",
    "steps": BY_HAND,
}


def plan(**more: t.Any) -> Plan:
    return load({**PLAN, **more})


class Move:
    """Writes the journal by a clock of its own, and keeps the notices' lines beside it."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, stage: str = "final", the_plan: Plan | None = None):
        self.path, self.stage, self.plan = path, stage, the_plan or plan()
        self.now = BEGIN
        self.running: set[str] = set()
        self.lines: list[m.Line] = []
        self.attempts: list[Attempt] = []
        self.runs: list[Run] = []
        monkeypatch.setattr(writer.time, "time", lambda: self.now)

    def write(self, event: str, **fields: t.Any) -> int:
        line = writer.append(str(self.path), event, fields)
        journal = read([str(self.path)])
        self.attempts, self.runs = journal.attempts, journal.runs
        return line.seq

    def begin(self, step: str) -> None:
        process = f"{step} {self.now}"
        self.running = {process}
        self.write("start", version=2, playbook="cutover", process=process)
        self.write("step", step=step, stage=self.stage, state="begin", process=process)

    def end(self, step: str, outcome: str = "ok", message: str = "") -> None:
        self.running = set()
        self.write("step", step=step, stage=self.stage, state="end", outcome=outcome, message=message)

    def entitlement(self, *debts: dict[str, t.Any], host: str = "pbx", check: bool = False, **statuses: str) -> None:
        """A run of the playbook entitlement; `statuses` are those of findings by feature."""
        findings = [
            {"id": f"entitlement.{name}", "area": "entitlement", "status": status, "observed": f"{name}: {status}"}
            for name, status in statuses.items()
        ]
        self.write("start", version=2, playbook="entitlement", process=f"entitlement {self.now}")
        self.write("play", name="Hold", check=check)
        self.write(
            "task", start=writer.iso(self.now - 1), seconds=1.0, play="Hold", role="", name="Hold", host=host,
            action="boxlift.portal.entitlement_check", status="ok",
            results=[{"findings": findings, "debts": list(debts), "files": []}],
        )  # fmt: skip
        self.write("end", seconds=0, hosts={host: {"ok": 1}})

    def kill(self) -> None:
        self.running = set()

    def sight(self) -> m.Sight:
        return m.Sight(self.plan, self.attempts, (), {}, self.lines, self.running.__contains__, self.now, self.runs)

    def note(self, event: str, fields: t.Mapping[str, t.Any]) -> None:
        self.lines.append({"event": event, "time": writer.iso(self.now), **fields})

    def due(self, ways: d.Ways, look: float = LOOK) -> list[d.Due]:
        """As the sender does it: what is seen first is written down before anybody is told."""
        channels = d.channels_seen(ways, self.lines)
        for fields in [*([channels] if channels else []), *m.observations(self.sight(), None)]:
            self.note(m.OBSERVED, fields)
        return d.due(m.matters(self.sight()), self.lines, ways, self.plan, self.now, look)

    def counts(self) -> dict[str, d.Count]:
        return {each.person: each for each in d.tally(m.matters(self.sight()), self.lines, self.now)}


class Outages:
    """When a channel fails: about a third of the time, for one to ninety minutes."""

    def __init__(self, dice: random.Random, hours: float, never: bool = False) -> None:
        self.times: list[tuple[float, float]] = []
        at = BEGIN
        while not never and at < BEGIN + hours * HOUR:
            at += dice.expovariate(1 / (60 * MINUTE))
            lasts = dice.uniform(1, 90) * MINUTE if dice.random() < 0.5 else dice.uniform(1, 8) * MINUTE
            self.times.append((at, at + lasts))
            at += lasts

    def works(self, now: float) -> bool:
        return not any(begin <= now < end for begin, end in self.times)


def story(dice: random.Random, hours: float) -> list[tuple[float, str, str]]:
    """What happens in the move, as (moment, what, step): steps end, fail, or are killed, and are begun again."""
    steps = ["move.fetch", "move.restore", "move.configure", "move.health", "move.freeze", "move.delta", "move.open"]
    out, at, number = [], BEGIN, 0
    while at < BEGIN + hours * HOUR:
        step = steps[number % len(steps)]
        out.append((at, "begin", step))
        at += dice.choice([2, 7, 40, 200]) * MINUTE * dice.uniform(0.5, 1.5)
        how = dice.choice(["end", "end", "fail", "kill"])
        out.append((at, how, step))
        number += how == "end"
        at += dice.choice([1, 4, 30, 100]) * MINUTE * dice.uniform(0.5, 1.5)
    return out

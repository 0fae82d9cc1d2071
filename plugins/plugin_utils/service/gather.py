# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a report is made from, brought together: plan, records, journals, and what hosts answered."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import typing as t
import zoneinfo

from ansible_collections.boxlift.portal.plugins.plugin_utils.handover import move
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.evidence import Evidence
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import known
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Journal
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import tell
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import records, visits
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.answers import Answers
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.report import Period, Site

Data = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Office:
    """A site in operation, at the moment `now`. `told_opening` is what the inventory says of it."""

    plan: Plan
    journal: str
    path: str
    customer_class: str
    told_opening: str
    now: float

    @functools.cached_property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.plan.timezone)

    @functools.cached_property
    def today(self) -> datetime.date:
        return datetime.datetime.fromtimestamp(self.now, tz=self.zone).date()

    def month_of(self, at: float) -> str:
        return datetime.datetime.fromtimestamp(at, tz=self.zone).strftime("%Y-%m")

    @functools.cached_property
    def records(self) -> records.Records:
        return records.read(self.path)

    @functools.cached_property
    def journals(self) -> Journal:
        return known.gathered(self.journal, [])

    @functools.cached_property
    def opened(self) -> datetime.date:
        """Raises BoxliftError where nobody knows."""
        return visits.opening(self.plan, self.journals.attempts, self.told_opening, self.zone)

    def visits(self, months: int = 12) -> list[visits.Visit]:
        return visits.visits(self.plan, self.records, self.opened, self.customer_class, self.today, months)

    def site(self, period: Period, answers: Answers) -> Site:
        """What the report of a period is made from."""
        remarks = move.remarks(Evidence(self.plan, self.journals, self.today))
        cadences = tell.cadences(self.path, period.over)
        return Site(self.plan, self.records, cadences, self.visits(), answers, remarks)

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A notice as people read it: what happens, since when, how far, until when, and when they hear again."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import pathlib
import typing as t
import unicodedata
import zoneinfo

import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.units import size
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Journal, moment
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import matters as m
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import owed
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.due import Due
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import forecast as fc
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast import Forecast
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan

LANGUAGES = ("ar", "de", "en", "hi", "ru", "zh")
RIGHT_TO_LEFT = ("ar",)
#: A line that begins with the mark runs from right to left; between the isolates, a name of the other direction stands
#: by itself and does not move its neighbours.
RLM, LRM, FSI, PDI = "\u200f", "\u200e", "\u2068", "\u2069"
LONGEST_ERROR = 500


@dataclasses.dataclass(frozen=True)
class Message:
    subject: str
    body: str


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known of the move beside the matter: all journals, the forecast, and the last words of long modules."""

    plan: Plan
    journal: Journal
    current: str
    now: float
    forecast: Forecast | None = None
    sizes: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    progress: t.Sequence[m.Line] = ()  # lines `progress`


@functools.lru_cache(maxsize=1)
def texts() -> dict[str, dict[str, str]]:
    loaded: dict[str, dict[str, str]] = yaml.safe_load(pathlib.Path(__file__).with_name("texts.yml").read_text("utf-8"))
    return loaded


def message(each: Due, known: Known) -> Message:
    """The message in its language. Names and titles are as the plan writes them."""
    return _Writer(each, known).message()


class _Writer:
    def __init__(self, each: Due, known: Known) -> None:
        self.each, self.known, self.plan = each, known, known.plan
        self.span, self.facts = each.span, each.span.facts
        self.words = texts()[each.language]
        self.rtl = each.language in RIGHT_TO_LEFT
        self.zone = zoneinfo.ZoneInfo(known.plan.timezone)
        self.step = each.matter.id.partition("@")[0]

    def message(self) -> Message:
        return Message(self._line(*self._head()), "\n".join([self._line(*line) for line in self._lines()]) + "\n")

    def _line(self, key: str, fields: t.Mapping[str, t.Any]) -> str:
        text = self.words[key].format(**{name: self._isolated(str(value)) for name, value in fields.items()})
        return (RLM if self.rtl else "") + text

    def _isolated(self, value: str) -> str:
        """In Arabic everything that is put in, elsewhere only what runs from right to left."""
        value = " ".join(value.split())
        foreign = any(unicodedata.bidirectional(letter) in ("R", "AL", "AN") for letter in value)
        return f"{FSI}{value}{PDI}" if self.rtl or foreign else value

    def _head(self) -> tuple[str, dict[str, t.Any]]:
        kind = self.span.kind
        if kind == m.ENDED:
            kind = f"ended_{self.facts['outcome']}"
        elif kind == m.DECIDED:
            kind = f"decided_{self.facts['state']}"
        fields = {"title": self.each.matter.subject, "since": self._clock(self.span.since), "owner": self._owner()}
        return kind, {**fields, "number": self.facts.get("number", "")}

    def _lines(self) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
        yield self._head()
        if self.span.kind in m.OF_DEBTS:
            yield from self._debt()
        elif self.span.kind in m.OF_INCIDENTS:
            yield from self._incident()
        else:
            yield from self._of_the_move()
        if self.span.repeats:
            yield "next", {"time": self._clock(self.known.now + self.span.every)}
        elif self.span.is_open:
            yield "next", {"time": self._clock(self.facts["next"])}
        else:
            yield "last", {}

    def _of_the_move(self) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
        stage = self.plan.stages[self.each.matter.stage].title
        yield "stage", {"stage": f"{self.plan.title}, {stage}", "id": self.each.matter.id}
        if self.span.is_open:
            lasted = self._lasted(self.known.now - self.span.since)
            yield "since", {"since": self._clock(self.span.since), "lasted": lasted}
        if self.span.kind == m.ENDED and self.facts.get("seconds") is not None:
            yield "took", {"lasted": self._lasted(self.facts["seconds"])}
        yield from self._of_the_kind()
        what = self.known.forecast
        if what is not None and what.stage == self.each.matter.stage and not what.opened:
            yield "opening", self._range(what.opening.p50, what.opening.p80)
            if what.decision is not None and self.span.kind != m.DECISION:
                yield self._before(what.decision.before)

    def _debt(self) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
        """A licence that is owed belongs to no stage, and the opening does not wait for it."""
        facts = self.facts
        yield "licence", {"plan": self.plan.title, "feature": facts["feature"], "host": facts["host"]}
        if self.span.kind == m.PAID:
            return
        if facts["day"] is None:
            yield "no_day", {}
        else:
            left = (facts["day"] - owed.day_of(self.known.now, self.zone)).days
            yield "days_over" if left < 0 else "days_left", {"day": facts["day"].isoformat(), "days": abs(left)}
        yield self._error(facts["reason"])
        if facts["remedy"]:
            yield "remedy", {"remedy": facts["remedy"]}

    def _incident(self) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
        """What is noticed, who is at it and what is new. When it will be over nobody promises."""
        facts = self.facts
        yield "portal", {"site": self.plan.site or self.plan.title}
        if self.span.is_open:
            lasted = self._lasted(self.known.now - facts["opened"])
            yield "since", {"since": self._clock(facts["opened"]), "lasted": lasted}
        else:
            yield "took", {"lasted": self._lasted(facts["seconds"])}
        if facts["users"]:
            yield "users", {"users": facts["users"]}
        if self.span.is_open:
            yield "at_people", {"owner": self._owner()}
            if facts["news"] is not None:
                at, text = facts["news"]
                yield "news", {"time": self._clock(at), "text": text}
        for name in ("cause", "cure"):
            if facts[name]:
                yield name, {"text": facts[name]}

    def _of_the_kind(self) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
        kind, facts = self.span.kind, self.facts
        if facts.get("number", 1) > 1:
            yield "attempt", {"number": facts["number"]}
        if kind in (m.RUNNING, m.WAITING):
            yield from self._how_far()
        elif kind in (m.INCIDENT, m.KILLED):
            if kind == m.INCIDENT:
                where = ", ".join(part for part in (facts["task"], facts["host"]) if part)
                yield self._error(f"{where and where + ': '}{facts['message']}")
            else:
                yield "alive", {"time": self._clock(facts["alive"])}
            yield "in_hand", {}
        elif kind == m.ASKED:
            yield "missing", {"people": ", ".join(self._signer(*need) for need in facts["missing"])}
            yield "expires", {"time": self._clock(facts["expires"])}
        elif kind == m.DECISION:
            yield self._before(facts["before"])

    def _error(self, text: str) -> tuple[str, dict[str, t.Any]]:
        return "error", {"message": text if len(text) <= LONGEST_ERROR else text[:LONGEST_ERROR] + " …"}

    def _before(self, moment_of_it: float) -> tuple[str, dict[str, t.Any]]:
        return "past" if self.known.now >= moment_of_it else "before", {"time": self._clock(moment_of_it)}

    def _signer(self, count: int, role: str, org: str) -> str:
        able = [each.name for each in self.plan.people.values() if each.org == org and role in each.roles]
        return f"{count} × {' / '.join(able) or role} ({self.plan.organisations[org]})"

    def _how_far(self) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
        step = m.about(self.plan, self.step)
        if self.step in self.plan.steps and self.plan.steps[self.step].manual:
            yield "at_people", {"owner": self.facts.get("waiting_for") or self._owner()}
        word = self._progress()
        if word is not None:
            shown = {"phase": word["phase"], "done": size(word["done"])}
            if word.get("total"):
                percent = 100 * min(word["done"], word["total"]) // word["total"]
                yield "progress", {**shown, "total": size(word["total"]), "percent": percent}
            else:
                yield "progress_open", shown
        if step is not None:
            p50, p80 = self._end()
            late = self.known.now >= p80
            yield "longer" if late else "expected", {"p80": self._clock(p80)} if late else self._range(p50, p80)

    def _progress(self) -> m.Line | None:
        """The last word of a module in the run that is at the step."""
        mine = [
            word
            for word in self.known.progress
            if word.get("process") == self.facts.get("process") and moment(word["time"]) >= self.span.since
        ]
        return mine[-1] if mine and mine[-1]["phase"] else None

    def _end(self) -> tuple[float, float]:
        """P50 and P80 of the step's end: of the forecast for its stage, or else by what it took before."""
        what = self.known.forecast
        if what is not None and what.stage == self.each.matter.stage:
            for each in what.steps:
                if each.id == self.step and each.seconds is not None:
                    return max(each.end.p50, self.known.now), each.end.p80
        about = m.about(self.plan, self.step)
        if about is None:
            raise ValueError(self.step)
        samples = fc.samples_of(self.known.journal, self.known.current, self.each.matter.stage).get(self.step, [])
        scale = self.plan.steps[self.step].scale if self.step in self.plan.steps else None
        took = fc.expected(about.estimate, scale, samples, self.known.sizes)
        return max(self.span.since + took.p50, self.known.now), self.span.since + took.p80

    def _owner(self) -> str:
        if self.span.kind in (*m.OF_DEBTS, *m.OF_INCIDENTS):
            owner, people = self.facts["owner"], self.plan.people
            return people[owner].name if owner in people else self.plan.organisations.get(owner, owner)
        about = m.about(self.plan, self.step)
        return self.plan.organisations.get(about.owner, about.owner) if about is not None else ""

    def _range(self, p50: float, p80: float) -> dict[str, str]:
        return {"p50": self._clock(p50), "p80": self._clock(p80)}

    def _clock(self, at: float) -> str:
        return datetime.datetime.fromtimestamp(at, tz=self.zone).strftime("%Y-%m-%d %H:%M %Z")

    def _lasted(self, seconds: float) -> str:
        minutes = max(round(seconds / 60), 0)
        if minutes < 60:
            return self.words["minutes"].format(minutes=minutes)
        return self.words["hours"].format(hours=minutes // 60, minutes=minutes % 60)

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured, as samples of the forecast; and the portal that is asked about."""

from __future__ import annotations

import dataclasses
import functools
import math
import pathlib
import typing as t

import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import Kind
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.preflight.backup import Backup
from ansible_collections.boxlift.portal.plugins.module_utils.preflight.disk import needs
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast import Sample

FILE = pathlib.Path(__file__).with_name("measured.yml")
GB, MBIT = 10**9, 10**6 / 8
#: What a sizing is asked for; beyond it nothing was thought through.
MOST_PEOPLE, MOST_BYTES = 100_000, 20_000 * GB


@dataclasses.dataclass(frozen=True)
class Measurement:
    """`amount` bytes of the size `of` took `seconds`, on a line of `line` bytes a second where that limited it."""

    id: str
    title: str
    of: str
    amount: int
    seconds: float
    source: str
    step: str = ""
    line: float = 0.0

    def sample(self, link: float) -> Sample:
        """As the forecast takes it; over a line of `link` bytes a second, where it is a measurement of a line."""
        seconds = self.seconds * (self.line / link if self.line else 1.0)
        return Sample(seconds, {self.of: self.amount})

    def attempt(self, link: float) -> Attempt:
        """As a journal of its own would hold it."""
        sample = self.sample(link)
        return Attempt(self.step, 1, 0.0, "rehearsal", sample.seconds, "ok", journal=self.id, values=dict(sample.sizes))

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.amount / self.seconds


@dataclasses.dataclass(frozen=True)
class Assumption:
    value: float
    reason: str


@dataclasses.dataclass(frozen=True)
class Stored:
    share: float
    source: str


@dataclasses.dataclass(frozen=True)
class Known:
    """All that the sizing rests on, by id."""

    measured: t.Mapping[str, Measurement]
    stored: t.Mapping[str, Stored]
    assumed: t.Mapping[str, Assumption]

    def value(self, name: str) -> float:
        return self.assumed[name].value


@functools.lru_cache(maxsize=1)
def shipped() -> Known:
    data = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return Known(
        {name: Measurement(name, **one) for name, one in data["measured"].items()},
        {name: Stored(**one) for name, one in data["stored"].items()},
        {name: Assumption(**one) for name, one in data["assumed"].items()},
    )


def known(measured: t.Mapping[str, t.Any] | None = None, assumed: t.Mapping[str, t.Any] | None = None) -> Known:
    """What is shipped, with a site's own figures instead: seconds and bytes of measurements, values of assumptions.

    Raises BoxliftError for a name that is not there, and for what is no positive number.
    """
    base = shipped()
    ours, theirs = dict(base.measured), dict(base.assumed)
    for name, one in (measured or {}).items():
        if name not in ours:
            raise BoxliftError(f"size_measured: there is no measurement {name}.", f"Possible are {', '.join(ours)}.")
        if not isinstance(one, t.Mapping) or not {"seconds", "gigabytes"} <= set(one):
            raise BoxliftError(
                f"size_measured: {name} has no gigabytes and seconds.",
                f"Write it as {name}: {{gigabytes: 12, seconds: 340}}.",
            )
        amount = _positive(f"size_measured: gigabytes of {name}", one["gigabytes"]) * GB
        seconds = _positive(f"size_measured: seconds of {name}", one["seconds"])
        ours[name] = dataclasses.replace(
            ours[name], amount=round(amount), seconds=seconds, source="this site", line=0.0
        )
    for name, one in (assumed or {}).items():
        if name not in theirs:
            raise BoxliftError(f"size_assumed: there is no assumption {name}.", f"Possible are {', '.join(theirs)}.")
        theirs[name] = dataclasses.replace(theirs[name], value=_positive(f"size_assumed: {name}", one))
    return Known(ours, base.stored, theirs)


def _positive(what: str, value: t.Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise BoxliftError(f"{what} is {value!r}.", "Give a number above 0.")
    return number


@dataclasses.dataclass(frozen=True)
class Portal:
    """The portal that is asked about; `link` is bytes a second of the line over which the backup comes."""

    people: int
    sizes: t.Mapping[str, int]
    link: float


def portal(people: t.Any, gigabytes: t.Any, link_mbit: t.Any, database_gigabytes: t.Any = None) -> Portal:
    """The sizes are estimated from the backup's as preflight does. Raises BoxliftError."""
    count = _positive("size_people", people)
    total = round(_positive("size_gigabytes", gigabytes) * GB)
    link = _positive("size_link_mbit", link_mbit) * MBIT
    if count > MOST_PEOPLE or total > MOST_BYTES:
        raise BoxliftError(
            f"{count:g} people and {total / GB:g} GB are beyond what this sizing knows.",
            f"It ends at {MOST_PEOPLE} people and {MOST_BYTES // GB} GB; docs/scale.md says what to do beyond.",
        )
    given = {}
    if database_gigabytes is not None:
        given["database"] = round(_positive("size_database_gigabytes", database_gigabytes) * GB)
    backup = Backup("", Kind("tar.gz", compressed=True, encrypted=False), None, total, total, 0, "as given")
    places = {"archive": "", "tree": "", "database": ""}
    wanted = {one.what: one.size for one in needs(places, given, backup)}
    sizes = {"backup_bytes": wanted["archive"], "tree_bytes": wanted["tree"], "database_bytes": wanted["database"]}
    return Portal(round(count), sizes, link)

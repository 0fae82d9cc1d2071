# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares a host's figures with the thresholds: a finding for each, `unknown` where there is no figure."""

from __future__ import annotations

import dataclasses
import math
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding

_MACHINE = "Have the machine moved or enlarged, or order another one; dedicated cores where others share it."
_DISK = "Give this file system a faster disk, or find what else loads it."
_DATABASE = "Settle the disk's findings first; then give the database more memory (database_memory_mb)."
_PHP = "Settle the processor's findings first; then look whether a debugger or profiler is loaded into PHP (php -m)."
_WEB = "Settle the other findings first; then raise web_php_processes, and look at nginx's error.log."


@dataclasses.dataclass(frozen=True)
class Kind:
    """The meaning of a figure, and the remedy if it is not good enough."""

    what: str
    unit: str
    remedy: str
    owner: str = "customer"
    more_is_better: bool = True


KINDS = {
    "cpu.cores": Kind("processor cores", "", _MACHINE),
    "cpu.speed": Kind("text compressed by one core", " MiB a second", _MACHINE),
    "cpu.together": Kind("speed of a core while all work, of its speed alone", " %", _MACHINE),
    "cpu.stolen": Kind("processor time that the machine's other guests took", " %", _MACHINE, more_is_better=False),
    "disk.writing": Kind("writing in sequence", " MiB a second", _DISK),
    "disk.reads": Kind("random reads of 4 KiB", " a second", _DISK),
    "disk.latency": Kind("durable writes of 4 KiB, 99th percentile", " ms", _DISK, more_is_better=False),
    "database.commits": Kind("rows committed one by one", " a second", _DATABASE, "contractor"),
    "database.reads": Kind("rows read one by one", " a second", _DATABASE, "contractor"),
    "php.speed": Kind("steps of PHP by one process", " thousand a second", _PHP, "contractor"),
    "http.requests": Kind("requests to a page of PHP over TLS", " a second", _WEB, "contractor"),
    "http.latency": Kind("those requests, 99th percentile", " ms", _WEB, "contractor", more_is_better=False),
    "http.errors": Kind("requests that failed", "", _WEB, "contractor", more_is_better=False),
}
AREAS = tuple(dict.fromkeys(kind.partition(".")[0] for kind in KINDS))


@dataclasses.dataclass(frozen=True)
class Measured:
    """One figure, or the reason for its absence; `place` is the directory for figures of disks."""

    kind: str
    value: float | None
    reason: str = ""
    remedy: str = ""
    place: str = ""

    @property
    def id(self) -> str:
        return f"{self.kind}.{self.place}" if self.place else self.kind


@dataclasses.dataclass(frozen=True)
class Threshold:
    """Beyond `warn` a figure is a warning, beyond `fail` the host is not accepted."""

    warn: float
    fail: float


def kinds_of(area: str) -> list[str]:
    return [kind for kind in KINDS if kind.partition(".")[0] == area]


def passed_over(areas: t.Iterable[str], reason: str) -> list[Finding]:
    """Findings `skip` for every figure of the areas."""
    return [Finding(kind, area, "skip", f"not measured: {reason}") for area in areas for kind in kinds_of(area)]


def thresholds_from(given: t.Mapping[str, t.Any], areas: t.Iterable[str]) -> dict[str, Threshold]:
    """The inventory's thresholds. Raises BoxliftError if one is no pair of numbers, or in the wrong order."""
    found = {}
    for name in [kind for area in areas for kind in kinds_of(area)]:
        variable = f"acceptance_{name.replace('.', '_')}"
        pair = given.get(name)
        try:
            limit = Threshold(float(pair["warn"]), float(pair["fail"])) if pair is not None else None
        except (KeyError, TypeError, ValueError):
            limit = None
        if limit is None or not (math.isfinite(limit.warn) and math.isfinite(limit.fail)):
            raise BoxliftError(
                f"The threshold of {name} is {pair!r}.", f"Give {variable} as two numbers, {{warn: …, fail: …}}."
            )
        if limit.warn < limit.fail if KINDS[name].more_is_better else limit.warn > limit.fail:
            raise BoxliftError(
                f"The threshold of {name} fails at {limit.fail:g}, before it warns at {limit.warn:g}.",
                f"Swap or correct the numbers of {variable}.",
            )
        found[name] = limit
    return found


def judge(thresholds: t.Mapping[str, Threshold], measured: t.Iterable[Measured]) -> list[Finding]:
    return [_finding(thresholds[each.kind], each) for each in measured]


def _finding(limit: Threshold, each: Measured) -> Finding:
    kind, area = KINDS[each.kind], each.kind.partition(".")[0]
    place = f" in {each.place}" if each.place else ""
    bound = "at least" if kind.more_is_better else "at most"
    wish = f"{bound} {limit.warn:g}{kind.unit}; not accepted {_beyond(kind)} {limit.fail:g}{kind.unit}"
    if each.value is None or not math.isfinite(each.value) or each.value < 0:
        seen = f"{kind.what}: not measured{place}: {each.reason or f'{each.value} is no figure'}"
        return Finding(each.id, area, "unknown", seen, wish, each.remedy or "Measure again.", "contractor")
    status = (
        "fail" if _worse(kind, each.value, limit.fail) else "warn" if _worse(kind, each.value, limit.warn) else "pass"
    )
    seen = f"{kind.what}: {_shown(each.value)}{kind.unit}{place}"
    return Finding(each.id, area, status, seen, wish, "" if status == "pass" else kind.remedy, kind.owner)


def _beyond(kind: Kind) -> str:
    return "below" if kind.more_is_better else "above"


def _worse(kind: Kind, value: float, limit: float) -> bool:
    return value < limit if kind.more_is_better else value > limit


def _shown(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"

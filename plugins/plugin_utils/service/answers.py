# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus and the hosts are asked for a report, and what they answered, or why they did not.

The questions are made here and asked by tasks of the playbooks, on the hosts themselves. An answer that cannot be used
is a reason, which the report tells in place of the figure.
"""

from __future__ import annotations

import dataclasses
import typing as t
import urllib.parse

#: Availability is looked at in slots of so many seconds; copies are looked for every hour.
SLOT, HOUR = 300, 3600
#: Prometheus gives at most 11,000 points of a series at a time.
MOST_POINTS = 10_000
UP, COPIES = "availability", "copies"
RANGES = {
    UP: (f'min(avg_over_time(probe_success{{job="portal"}}[{SLOT}s]))', SLOT),
    COPIES: (f"max by (store) (max_over_time(boxlift_backup_last_good_timestamp_seconds[{HOUR}s]))", HOUR),
}
#: By name, what is asked of now. A day old is new enough where nobody is at work at the moment.
INSTANTS = {
    "certificate": 'min(last_over_time(probe_ssl_earliest_cert_expiry{job="certificate"}[1d]))',
    "licence": "min(last_over_time(boxlift_licence_expiry_timestamp_seconds[1d]))",
    "disks": "min by (host, path) (last_over_time(boxlift_disk_days_to_full[1d]))",
    "quota": "min(last_over_time(boxlift_portal_quota_bytes[2d]))",
    "quota_status": 'min(last_over_time(boxlift_figure_status{figure="quota"}[2d]))',
    "quota_used": "max(last_over_time(boxlift_portal_quota_used_bytes[2d]))",
    "quota_growth": "max(deriv(boxlift_portal_quota_used_bytes[30d])) * 86400",
    "checks": "max by (check, area, host) (boxlift_check_status) == 2",
    "checks_run": "max(boxlift_checks_run_timestamp_seconds)",
}

Data = dict[str, t.Any]


def questions(begin: float, end: float, now: float) -> list[Data]:
    """What to ask Prometheus about the time from `begin` to `end`, and about now: a name and a path with its query.

    A range whose points are too many for one answer is asked in several parts.
    """
    out: list[Data] = []
    for name, (query, step) in RANGES.items():
        at, last = int(begin) + step, int(min(end, now))
        while at <= last:
            until = min(at + (MOST_POINTS - 1) * step, last)
            fields: Data = {"query": query, "start": at, "end": until, "step": step}
            out.append({"name": name, "path": f"/api/v1/query_range?{urllib.parse.urlencode(fields)}"})
            at = until - (until - at) % step + step
    for name, query in INSTANTS.items():
        out.append(
            {"name": name, "path": f"/api/v1/query?{urllib.parse.urlencode({'query': query, 'time': int(now)})}"}
        )
    return out


@dataclasses.dataclass(frozen=True)
class Series:
    """One series: its labels, and its points (moment, value), in their order."""

    labels: t.Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclasses.dataclass(frozen=True)
class Answer:
    """The series that came, or why none is known. No series is an answer too: nothing has such a figure."""

    series: tuple[Series, ...] = ()
    why: str = ""

    @property
    def number(self) -> float | None:
        """The value of the only series, at its last moment."""
        return self.series[0].points[-1][1] if self.series and self.series[0].points else None


NOBODY_ASKED = "no host is in the group monitoring, so nobody measured it"


class Answers:
    """`prometheus` is what the task that asked it registered, one result for each question; `copies` what backup_status
    returned by host, and `entitlements` what entitlement_check did."""

    def __init__(
        self,
        prometheus: t.Mapping[str, t.Any] | None = None,
        copies: t.Mapping[str, t.Any] | None = None,
        entitlements: t.Mapping[str, t.Any] | None = None,
    ) -> None:
        self._results: dict[str, list[Data]] = {}
        for result in (prometheus or {}).get("results") or []:
            self._results.setdefault(str((result.get("item") or {}).get("name")), []).append(dict(result))
        self._whole = dict(prometheus or {})
        self.copies, self.entitlements = dict(copies or {}), dict(entitlements or {})

    def of(self, name: str) -> Answer:
        """What Prometheus said to all parts of a question. One part without an answer is a hole, not a refusal."""
        results = self._results.get(name, [])
        if not results:
            return Answer(why=failure(self._whole) or NOBODY_ASKED)
        found: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
        reasons: list[str] = []
        for result in results:
            series, why = _series(result)
            reasons += [why] if why else []
            for each in series:
                found.setdefault(tuple(sorted(each.labels.items())), []).extend(each.points)
        if not found and reasons:
            return Answer(why=reasons[0])
        return Answer(tuple(Series(dict(labels), tuple(sorted(points))) for labels, points in found.items()))


def failure(result: t.Mapping[str, t.Any]) -> str:
    """Why a task that registered this has no answer; empty where it has one, or was not run."""
    if result.get("unreachable"):
        return f"the host could not be reached: {_first_line(result)}"
    if result.get("failed"):
        return _first_line(result) or "the question failed"
    return ""


def _first_line(result: t.Mapping[str, t.Any]) -> str:
    return str(result.get("msg") or "").strip().partition("\n")[0][:200]


def _series(result: Data) -> tuple[list[Series], str]:
    """The series of one answer, and why there is none where it cannot be read."""
    why = failure(result)
    if why:
        return [], f"Prometheus did not answer: {why}"
    told = result.get("json")
    if not isinstance(told, dict) or told.get("status") != "success":
        error = str(told.get("error") or "") if isinstance(told, dict) else ""
        return [], f"Prometheus did not answer: {error or 'what came is not its answer'}"
    try:
        return [_one(each) for each in told["data"]["result"]], ""
    except (KeyError, TypeError, ValueError, IndexError):
        return [], "Prometheus did not answer: what came is not its answer"


def _one(each: Data) -> Series:
    points = each["values"] if "values" in each else [each["value"]]
    labels = {str(name): str(value) for name, value in each["metric"].items() if name != "__name__"}
    return Series(labels, tuple((float(at), float(value)) for at, value in points))

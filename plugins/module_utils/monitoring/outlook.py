# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the site is, from what Prometheus answers. Without a proof that the figures are fresh, nothing is well."""

from __future__ import annotations

import dataclasses
import math
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.metrics import CODES
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.prometheus import (
    Alert,
    Line,
    Prometheus,
    Silent,
    Value,
)
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.status_settings import StatusSettings
from ansible_collections.boxlift.portal.plugins.module_utils.units import duration

HOUR, DAY = 3600.0, 86400.0
#: Rules are evaluated every 30 s, checks made every 5 minutes and every night, copies made every night.
RULES_LATE, QUICK_LATE, NIGHTLY_LATE, COPY_LATE, DRILL_LATE = 300.0, 900.0, 26 * HOUR, 26 * HOUR, 90 * DAY
#: The portal's answers are counted in pieces of 5 minutes; the free room of 30 days is drawn in pieces of 2 hours.
SHORT_STEP, LONG_STEP = 300.0, 2 * HOUR
#: How often the portal is asked, at most.
PROBE_STEP = 30.0
_STATUS = {code: name for name, code in CODES.items()}


@dataclasses.dataclass(frozen=True)
class Trouble:
    """Alerts of one name that fire."""

    name: str
    severity: str
    since: float | None
    summary: str
    details: tuple[str, ...]
    runbook: str
    #: Alertmanager keeps it back, because something else that fires explains it.
    follows: bool


@dataclasses.dataclass(frozen=True)
class Pending:
    """What holds now, and has not held for long enough to be an alert."""

    severity: str
    summary: str


@dataclasses.dataclass(frozen=True)
class Proof:
    """Something that must hold before all is well."""

    holds: bool
    text: str


@dataclasses.dataclass(frozen=True)
class Past:
    """A trouble that is over."""

    name: str
    begin: float
    end: float


@dataclasses.dataclass(frozen=True)
class Availability:
    """Parts of a span in which the portal answered, oldest first; None where nobody asked it."""

    span: float
    step: float
    parts: tuple[float | None, ...]

    @property
    def share(self) -> float | None:
        """Of the time in which it was asked; None if it never was."""
        known = [part for part in self.parts if part is not None]
        return sum(known) / len(known) if known else None

    @property
    def measured(self) -> float:
        return sum(part is not None for part in self.parts) / len(self.parts)


@dataclasses.dataclass(frozen=True)
class Copy:
    """The copies in one store."""

    store: str
    last_good: float | None
    oldest: float | None
    verified: float | None


@dataclasses.dataclass(frozen=True)
class Disk:
    host: str
    path: str
    free: float
    size: float
    #: Infinite if it does not fill, None if that is not known.
    days: float | None
    #: Free bytes over 30 days.
    points: tuple[tuple[float, float], ...]


@dataclasses.dataclass(frozen=True)
class Area:
    """The health checks of an area: how many have each status, and which are not in order."""

    name: str
    counts: t.Mapping[str, int]
    wrong: tuple[tuple[str, str], ...]  # status, check


@dataclasses.dataclass(frozen=True)
class Outlook:
    """All that the page says."""

    now: float
    site: str
    timezone: str
    #: Why nothing is known; empty where Prometheus answered.
    silent: str = ""
    troubles: tuple[Trouble, ...] = ()
    #: The most urgent first.
    pending: tuple[Pending, ...] = ()
    proofs: tuple[Proof, ...] = ()
    past: tuple[Past, ...] = ()
    day: Availability | None = None
    month: Availability | None = None
    latency: tuple[tuple[float, float | None], ...] = ()
    latency_p95: float | None = None
    #: When the figures of copies and drills were made; None where there are none, so that nothing is known of either.
    copies_seen: float | None = None
    copies: tuple[Copy, ...] = ()
    restorable_until: float | None = None
    drill: float | None = None
    rto: float | None = None
    rpo: float | None = None
    certificates: tuple[tuple[str, float], ...] = ()
    licence: float | None = None
    disks: tuple[Disk, ...] = ()
    areas: tuple[Area, ...] = ()

    @property
    def level(self) -> str:
        """The colour of the first line: bad, unknown, warn or ok."""
        if "critical" in {trouble.severity for trouble in self.troubles} | {each.severity for each in self.pending}:
            return "bad"
        if self.silent or not self.proofs or not all(proof.holds for proof in self.proofs):
            return "unknown"
        return "warn" if self.troubles else "ok"

    @property
    def verdict(self) -> str:
        """The first line of the page."""
        if self.silent:
            return f"Nobody knows how the site is. {self.silent}"
        missing = sum(not proof.holds for proof in self.proofs)
        doubt = f"{missing} of {len(self.proofs)} proofs are missing" if missing else ""
        urgent = any(trouble.severity == "critical" for trouble in self.troubles)
        if not urgent and self.pending and self.pending[0].severity == "critical":
            return f"Seen just now, and not yet an alert: {self.pending[0].summary}."
        if self.troubles:
            worst = self.troubles[0]
            others = len(self.troubles) - 1
            told = worst.summary + (f", and {others} more" if others else "") + "."
            return f"{told} Besides, {doubt}." if doubt else told
        if not self.proofs:
            return "Nobody knows how the site is: nothing was proven."
        if missing:
            first = next(proof.text for proof in self.proofs if not proof.holds).rstrip(".")
            more = f"; and {missing - 1} more of {len(self.proofs)} proofs are missing" if missing > 1 else ""
            return f"That all is well is not proven. {first}{more}."
        return "All is well."


def looked(prometheus: Prometheus, settings: StatusSettings, now: float, inhibited: Inhibited) -> Outlook:
    """Ask everything. Where Prometheus falls silent on the way, nothing of it counts."""
    about = Outlook(now, settings.site, settings.timezone)
    try:
        return _Look(prometheus, settings, now).outlook(about, inhibited)
    except Silent as problem:
        return dataclasses.replace(about, silent=problem.message)


class Inhibited(t.NamedTuple):
    """What Alertmanager says: the labels of alerts that it keeps back, and why it says nothing."""

    labels: frozenset[frozenset[tuple[str, str]]] = frozenset()
    problem: str = ""
    asked: bool = False


class _Look:
    """The questions, all for the same moment."""

    def __init__(self, prometheus: Prometheus, settings: StatusSettings, now: float) -> None:
        self._prometheus = prometheus
        self._settings = settings
        self._now = now

    def outlook(self, about: Outlook, inhibited: Inhibited) -> Outlook:
        alerts = self._prometheus.alerts()
        firing = [each for each in alerts if each.state == "firing" and each.name != self._settings.watchdog]
        checks = self._ask("boxlift_check_status")
        copies, drill = self._copies(), self._newest("boxlift_drill_last_good_timestamp_seconds")
        copies_seen = self._newest("boxlift_backup_status_timestamp_seconds")
        day = self._availability(DAY, SHORT_STEP)
        return dataclasses.replace(
            about,
            troubles=_troubles(firing, inhibited),
            pending=_pending(alerts),
            proofs=tuple(self._proofs(alerts, checks, copies if copies_seen else None, drill, inhibited)),
            past=self._past({each.name for each in firing}),
            day=day,
            month=self._availability(30 * DAY, SHORT_STEP),
            latency=self._latency(),
            latency_p95=self._newest(f"quantile_over_time(0.95, {self._answered()}[1d:{PROBE_STEP:g}s])"),
            copies_seen=copies_seen,
            copies=copies,
            restorable_until=self._newest("boxlift_backup_restorable_until_timestamp_seconds"),
            drill=drill,
            rto=self._newest("boxlift_drill_rto_seconds"),
            rpo=self._newest("boxlift_drill_rpo_seconds"),
            certificates=self._certificates(),
            licence=self._oldest("boxlift_licence_expiry_timestamp_seconds"),
            disks=self._disks(),
            areas=_areas(checks),
        )

    def _ask(self, expression: str) -> list[Value]:
        return [each for each in self._prometheus.query(expression, self._now) if not math.isnan(each.value)]

    def _newest(self, expression: str) -> float | None:
        return max((each.value for each in self._ask(expression)), default=None)

    def _oldest(self, expression: str) -> float | None:
        return min((each.value for each in self._ask(expression)), default=None)

    # Proofs

    def _proofs(
        self,
        alerts: t.Sequence[Alert],
        checks: t.Sequence[Value],
        copies: t.Sequence[Copy] | None,
        drill: float | None,
        inhibited: Inhibited,
    ) -> t.Iterator[Proof]:
        """What people notice comes first: the first one that is missing is what the page says at its top."""
        yield self._of_portal()
        yield self._of_rules()
        alive = any(each.name == self._settings.watchdog and each.state == "firing" for each in alerts)
        yield Proof(
            alive, "The alert that must always fire does." if alive else "The alert that must always fire does not."
        )
        if inhibited.asked:
            yield Proof(
                not inhibited.problem, inhibited.problem or "Alertmanager, which tells people of alerts, answers."
            )
        yield self._of_targets()
        if "health" in self._settings.expects:
            yield self._of_runs("quick", QUICK_LATE, "every five minutes")
            yield self._of_runs("nightly", NIGHTLY_LATE, "every night")
            yield _of_checks(checks)
        if "backup" in self._settings.expects:
            yield self._of_copies(copies)
        if "drill" in self._settings.expects:
            never = "No drill has ever been made." if copies is not None else "Nothing is known of drills."
            yield self._of_age("A drill has brought a copy back", drill, DRILL_LATE, never)

    def _of_rules(self) -> Proof:
        rules = self._prometheus.rules()
        if not rules.names or rules.oldest_evaluation is None:
            return Proof(False, "Prometheus has loaded no alert rules, so it would not alert of anything.")
        if rules.broken:
            return Proof(False, f"Alert rules that cannot be evaluated: {', '.join(sorted(rules.broken))}.")
        age = self._now - rules.oldest_evaluation
        if age > RULES_LATE:
            return Proof(False, f"Alert rules were evaluated {duration(age)} ago last.")
        return Proof(True, f"{len(rules.names)} alert rules are evaluated.")

    def _of_targets(self) -> Proof:
        targets = self._ask("up")
        down = sorted(
            f"{each.labels.get('job', '')} on {each.labels.get('host') or each.labels.get('instance', '')}"
            for each in targets
            if each.value != 1
        )
        if not targets:
            return Proof(False, "Prometheus asks no host.")
        if down:
            return Proof(False, f"{len(down)} of {len(targets)} exporters do not answer: {', '.join(down[:5])}.")
        return Proof(True, f"All {len(targets)} exporters answer.")

    def _of_portal(self) -> Proof:
        probes = self._ask(f'probe_success{{job="{self._settings.portal_job}"}}')
        if not probes:
            return Proof(False, "Nobody asks the portal for its page, as people do.")
        bad = [each.labels.get("instance", "") for each in probes if each.value != 1]
        if bad:
            return Proof(False, f"The portal does not answer: {', '.join(sorted(bad))}.")
        return Proof(True, "The portal answers, as people see it.")

    def _of_runs(self, which: str, late: float, often: str) -> Proof:
        runs = self._ask(f'boxlift_checks_run_timestamp_seconds{{set="{which}"}}')
        if not runs:
            return Proof(False, f"No host makes the health checks of {often}.")
        if any(each.value > self._now + QUICK_LATE for each in runs):
            return Proof(False, f"The health checks of {often} were made in the future: a clock is wrong.")
        old = [each for each in runs if self._now - each.value > late]
        if old:
            names = ", ".join(sorted(_place(each) for each in old))
            oldest = min(each.value for each in old)
            when = f"were last made {duration(self._now - oldest)} ago" if oldest > 0 else "were not made yet"
            return Proof(False, f"The health checks of {often} {when} on {names}.")
        return Proof(True, f"The health checks of {often} are made.")

    def _of_copies(self, copies: t.Sequence[Copy] | None) -> Proof:
        if copies is None:
            return Proof(False, "Nothing is known of copies: no host publishes figures of them.")
        newest = max((copy.last_good for copy in copies if copy.last_good), default=None)
        return self._of_age("A good copy was made", newest, COPY_LATE, "There is no good copy.")

    def _of_age(self, what: str, moment: float | None, late: float, never: str) -> Proof:
        if not moment:
            return Proof(False, never)
        age = self._now - moment
        if age < -late:
            return Proof(False, f"{what} in the future: a clock is wrong.")
        return Proof(age <= late, f"{what} {duration(max(age, 0))} ago.")

    # Figures

    def _availability(self, span: float, step: float) -> Availability:
        lines = self._prometheus.range(
            f'min(avg_over_time(probe_success{{job="{self._settings.portal_job}"}}[{step:g}s]))',
            *_grid(self._now, span, step),
        )
        return Availability(span, step, tuple(value for _at, value in _filled(lines, *_grid(self._now, span, step))))

    def _latency(self) -> tuple[tuple[float, float | None], ...]:
        grid = _grid(self._now, DAY, SHORT_STEP)
        expression = f"max(max_over_time({self._answered()}[{SHORT_STEP:g}s:{PROBE_STEP:g}s]))"
        return tuple(_filled(self._prometheus.range(expression, *grid), *grid))

    def _answered(self) -> str:
        """How long the portal took each time that it gave a page: a refusal takes no time, and says nothing of it."""
        job = f'{{job="{self._settings.portal_job}"}}'
        return f"(probe_duration_seconds{job} and on (instance) probe_success{job} == 1)"

    def _past(self, firing: t.Collection[str]) -> tuple[Past, ...]:
        """The troubles of the last week that are over, the youngest first."""
        begin, end, step = _grid(self._now, 7 * DAY, SHORT_STEP)
        asked = f'max by (alertname) (ALERTS{{alertstate="firing", alertname!="{self._settings.watchdog}"}})'
        found = []
        for line in self._prometheus.range(asked, begin, end, step):
            name = line.labels.get("alertname", "")
            spans = _spans([at for at, _value in line.points], step)
            # The last one goes on.
            if name in firing and spans and spans[-1][1] >= end - 2 * step:
                spans.pop()
            found += [Past(name, *span) for span in spans]
        return tuple(sorted(found, key=lambda past: -past.end))

    def _copies(self) -> tuple[Copy, ...]:
        def by_store(expression: str) -> dict[str, float]:
            return {each.labels.get("store", ""): each.value for each in self._ask(f"max by (store) ({expression})")}

        good = by_store("boxlift_backup_last_good_timestamp_seconds")
        oldest = by_store("boxlift_backup_oldest_good_timestamp_seconds")
        verified = by_store("boxlift_backup_verified_ratio")
        return tuple(
            Copy(store, good.get(store) or None, oldest.get(store) or None, verified.get(store))
            for store in sorted({*good, *oldest, *verified})
        )

    def _certificates(self) -> tuple[tuple[str, float], ...]:
        ends: dict[str, float] = {}
        job = self._settings.certificate_job
        # The last value of an hour: what fails leaves no value, and would hide an expired certificate.
        for each in self._ask(f'last_over_time(probe_ssl_earliest_cert_expiry{{job="{job}"}}[1h])'):
            # The same certificate as the one that the portal's own host looks at has the same name.
            name = each.labels.get("instance", "")
            _earlier(ends, urllib.parse.urlsplit(name).hostname or name, each.value)
        for each in self._ask("boxlift_certificate_expiry_timestamp_seconds"):
            _earlier(ends, each.labels.get("name", ""), each.value)
        return tuple(sorted(ends.items(), key=lambda pair: (pair[1], pair[0])))

    def _disks(self) -> tuple[Disk, ...]:
        def by_place(expression: str) -> dict[tuple[str, str], float]:
            return {(_place(each), each.labels.get("path", "")): each.value for each in self._ask(expression)}

        free, size = by_place("boxlift_disk_free_bytes"), by_place("boxlift_disk_size_bytes")
        days = by_place("boxlift_disk_days_to_full")
        history = {
            (_place(line), line.labels.get("path", "")): tuple(line.points)
            for line in self._prometheus.range("boxlift_disk_free_bytes", *_grid(self._now, 30 * DAY, LONG_STEP))
        }
        return tuple(
            Disk(*place, free[place], size[place], days.get(place), history.get(place, ()))
            for place in sorted(free)
            if size.get(place)
        )


def _place(answer: Value | Line) -> str:
    return answer.labels.get("host") or answer.labels.get("instance", "")


def _earlier(ends: dict[str, float], name: str, end: float) -> None:
    ends[name] = min(end, ends.get(name, end))


def _grid(now: float, span: float, step: float) -> tuple[float, float, float]:
    """Begin, end and step of a range query whose pieces end now, and fill the span."""
    return now - span + step, now, step


def _filled(lines: t.Sequence[Line], begin: float, end: float, step: float) -> list[tuple[float, float | None]]:
    """A value for every moment of the grid, None where there is none."""
    known: dict[int, float] = {}
    for line in lines:
        known.update({round((at - begin) / step): value for at, value in line.points if not math.isnan(value)})
    return [(begin + number * step, known.get(number)) for number in range(round((end - begin) / step) + 1)]


def _spans(moments: t.Sequence[float], step: float) -> list[tuple[float, float]]:
    spans: list[tuple[float, float]] = []
    for at in moments:
        if spans and at - spans[-1][1] <= step * 1.5:
            spans[-1] = (spans[-1][0], at)
        else:
            spans.append((at, at))
    return spans


def _troubles(firing: t.Sequence[Alert], inhibited: Inhibited) -> tuple[Trouble, ...]:
    """One for each name, the most urgent first: what follows from another comes last of its severity."""
    by_name: dict[str, list[Alert]] = {}
    for alert in firing:
        by_name.setdefault(alert.name, []).append(alert)
    found = []
    for name, alerts in by_name.items():
        alerts.sort(key=lambda alert: sorted(alert.labels.items()))
        first = alerts[0]
        severe = any(alert.labels.get("severity") == "critical" for alert in alerts)
        summary = first.annotations.get("summary") or name
        since = [alert.since for alert in alerts if alert.since is not None]
        found.append(
            Trouble(
                name,
                "critical" if severe else "warning",
                min(since, default=None),
                summary if len(alerts) == 1 else f"{summary} ({len(alerts)} times)",
                tuple(dict.fromkeys(alert.annotations.get("description") or _labels(alert) for alert in alerts)),
                first.annotations.get("runbook_url", ""),
                all(frozenset(alert.labels.items()) in inhibited.labels for alert in alerts),
            )
        )
    return tuple(
        sorted(found, key=lambda each: (each.follows, each.severity != "critical", each.since or 0.0, each.name))
    )


def _pending(alerts: t.Sequence[Alert]) -> tuple[Pending, ...]:
    found = {
        Pending(each.labels.get("severity", "warning"), each.annotations.get("summary", each.name))
        for each in alerts
        if each.state == "pending"
    }
    return tuple(sorted(found, key=lambda each: (each.severity != "critical", each.summary)))


def _labels(alert: Alert) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(alert.labels.items()) if name != "alertname")


def _of_checks(checks: t.Sequence[Value]) -> Proof:
    counts = dict.fromkeys(_STATUS.values(), 0)
    for each in checks:
        counts[_STATUS.get(int(each.value), "unknown")] += 1
    if not counts["pass"]:
        return Proof(False, "No health check has passed.")
    if counts["fail"] or counts["unknown"]:
        return Proof(False, f"Of the health checks, {counts['fail']} failed and {counts['unknown']} could not look.")
    return Proof(
        True,
        f"Of the health checks, {counts['pass']} passed and none failed"
        + (f"; {counts['warn']} warn." if counts["warn"] else "."),
    )


def _areas(checks: t.Sequence[Value]) -> tuple[Area, ...]:
    """Of a check that several hosts make, the worst counts."""
    order = ("fail", "unknown", "warn", "skip", "pass")
    worst: dict[tuple[str, str], str] = {}
    for each in checks:
        place = each.labels.get("area", ""), each.labels.get("check", "")
        status = _STATUS.get(int(each.value), "unknown")
        worst[place] = min(status, worst.get(place, "pass"), key=order.index)
    areas = []
    for area in sorted({area for area, _check in worst}):
        of_area = {check: status for (name, check), status in worst.items() if name == area}
        counts = {status: list(of_area.values()).count(status) for status in order}
        wrong = sorted(
            ((status, check) for check, status in of_area.items() if status in order[:3]),
            key=lambda pair: (order.index(pair[0]), pair[1]),
        )
        areas.append(Area(area, counts, tuple(wrong)))
    return tuple(areas)

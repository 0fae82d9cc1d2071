# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status page: one HTML file that loads nothing. Every text of others is escaped, and shows what hides in it."""

from __future__ import annotations

import base64
import datetime
import hashlib
import html
import math
import typing as t
import zoneinfo

from ansible_collections.boxlift.portal.plugins.module_utils.monitoring import plot
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.outlook import (
    COPY_LATE,
    DAY,
    DRILL_LATE,
    Area,
    Availability,
    Copy,
    Disk,
    Outlook,
    Trouble,
)
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.status_style import SCRIPT, STYLE
from ansible_collections.boxlift.portal.plugins.module_utils.units import duration, size
from ansible_collections.boxlift.portal.plugins.module_utils.visible import visible

NOT_KNOWN = "not known"
MOST_TROUBLES, MOST_DETAILS, MOST_PAST = 40, 6, 15
#: Days before an end at which it is a warning, and at which it is urgent.
CERTIFICATE_DAYS, LICENCE_DAYS, DISK_DAYS = (21, 7), (30, 7), (14, 3)
_MARKS = {True: '<span class="ok">✓</span>', False: '<span class="bad">✗</span>'}
_LEVELS = {"critical": "bad", "warning": "warn", "fail": "bad", "unknown": "unknown", "warn": "warn"}


def text(value: object) -> str:
    """Text of others as HTML."""
    return html.escape(str(visible(str(value))))


def render(outlook: Outlook) -> str:
    page = _Page(outlook)
    script = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{script}'"
    figures = "" if outlook.silent else "".join(page.figures())
    content = f"{page.head()}{page.troubles()}{figures}{page.foot()}"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta http-equiv="refresh" content="60">\n<meta name="color-scheme" content="light dark">\n'
        '<meta name="robots" content="noindex">\n'
        f"<title>{page.title()}</title>\n<style>{STYLE}</style>\n</head>\n"
        f'<body data-made="{outlook.now:.0f}">\n<main>\n{content}</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n'
    )


class _Page:
    """The pieces, in their order."""

    def __init__(self, outlook: Outlook) -> None:
        self._of = outlook
        try:
            self._zone: datetime.tzinfo = zoneinfo.ZoneInfo(outlook.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            self._zone = datetime.timezone.utc

    def title(self) -> str:
        words = {"ok": "All is well", "warn": "Warnings", "bad": "Trouble", "unknown": "Not known"}
        return f"{words[self._of.level]}: {text(self._of.site)}"

    def head(self) -> str:
        return (
            f'<p id="verdict" class="banner {self._of.level}">{text(self._of.verdict)}</p>\n'
            f"<h1>{text(self._of.site)} · {self._when(self._of.now)}</h1>\n"
        )

    # What is wrong

    def troubles(self) -> str:
        troubles = self._of.troubles
        if self._of.silent:
            return ""
        shown = "".join(self._trouble(each) for each in troubles[:MOST_TROUBLES])
        if len(troubles) > MOST_TROUBLES:
            shown += f"<p>And {len(troubles) - MOST_TROUBLES} more.</p>\n"
        out = f"<h2>What is wrong</h2>\n{shown}" if troubles else ""
        if self._of.pending:
            items = "".join(f"<li>{text(each.summary)}</li>" for each in self._of.pending[:MOST_TROUBLES])
            if len(self._of.pending) > MOST_TROUBLES:
                items += f"<li>and {len(self._of.pending) - MOST_TROUBLES} more</li>"
            out += f'<h2>Watched, and not yet an alert</h2>\n<div class="card"><ul>{items}</ul></div>\n'
        return out

    def _trouble(self, trouble: Trouble) -> str:
        level = _LEVELS[trouble.severity]
        since = (
            f"Since {self._when(trouble.since)}, {self._ago(trouble.since)}"
            if trouble.since
            else "Since when is not known"
        )
        details = "".join(f"<p>{text(each)}</p>" for each in trouble.details[:MOST_DETAILS])
        more = len(trouble.details) - MOST_DETAILS
        details += f"<p>And {more} more.</p>" if more > 0 else ""
        follows = (
            '<p class="soft small">It follows from another trouble here; nobody is told of it.</p>'
            if trouble.follows
            else ""
        )
        return (
            f'<div class="card trouble {level}"><h3><span class="pill {level}">{trouble.severity}</span> '
            f'{text(trouble.summary)}</h3>{details}{follows}<p class="soft small">{since} · {text(trouble.name)} · '
            f"{_runbook(trouble.runbook)}</p></div>\n"
        )

    # Figures

    def figures(self) -> t.Iterator[str]:
        of = self._of
        yield '<h2>The portal</h2>\n<div class="cards">\n'
        yield self._availability("Answered in the last 24 hours", of.day)
        yield self._availability("Answered in the last 30 days", of.month)
        drawn = plot.line(of.latency, "Seconds until the first page, 24 hours")
        yield _figure(_seconds(of.latency_p95), "for the first page, of 95 % of all in 24 hours", drawing=drawn)
        yield '</div>\n<h2>Copies</h2>\n<div class="cards">\n'
        if of.copies_seen:
            yield from (self._copy(copy) for copy in of.copies)
            if not of.copies:
                yield _figure("none", "last good copy", "bad")
            yield self._way_back()
            yield self._drill()
        else:
            yield _figure(NOT_KNOWN, "what can be restored: no host publishes figures of copies and drills", "unknown")
        yield '</div>\n<h2>What ends</h2>\n<div class="cards">\n'
        for name, end in of.certificates:
            yield self._end(f"the certificate of {name}", end, CERTIFICATE_DAYS)
        if not of.certificates:
            yield _figure(NOT_KNOWN, "until the certificate ends", "unknown")
        yield self._end("the portal's licence", of.licence, LICENCE_DAYS)
        yield from (self._disk(disk) for disk in of.disks)
        if not of.disks:
            yield _figure(NOT_KNOWN, "until a disk is full", "unknown")
        yield "</div>\n"
        if of.areas:
            yield f'<h2>Health checks</h2>\n<div class="cards">\n{"".join(map(_area, of.areas))}</div>\n'
        yield self._past()

    def _availability(self, what: str, found: Availability | None) -> str:
        if found is None or found.share is None:
            return _figure(NOT_KNOWN, f"{what}: nobody asked the portal", "unknown")
        level = "" if found.share >= 0.999 else "warn" if found.share >= 0.99 else "bad"
        gaps = "" if found.measured > 0.99 else f"; measured for {_percent(found.measured)} of the time"
        down = (1 - found.share) * found.measured * found.span
        lost = f", {duration(down)} lost" if down >= 1 else ""
        return _figure(_percent(found.share), f"{what}{lost}{gaps}", level, plot.strip(found.parts, what))

    def _copy(self, copy: Copy) -> str:
        name = f"store {copy.store}" if copy.store else "the store"
        if copy.last_good is None:
            return _figure("no good copy", name, "bad")
        verified = NOT_KNOWN if copy.verified is None else _percent(min(max(copy.verified, 0.0), 1.0))
        late = self._of.now - copy.last_good > COPY_LATE
        said = f"last good copy in {name}, {self._when(copy.last_good)}; read again in 7 days: {verified}"
        return _figure(self._ago(copy.last_good), said, "bad" if late else "")

    def _way_back(self) -> str:
        moments = [copy.last_good for copy in self._of.copies if copy.last_good]
        until = max([*moments, *([self._of.restorable_until] if self._of.restorable_until else [])], default=None)
        oldest = min((copy.oldest for copy in self._of.copies if copy.oldest), default=None)
        if until is None or not moments:
            return _figure("nowhere", "one can go back", "bad")
        begin = f"back to {self._when(oldest)}" if oldest else "how far back the oldest copy reaches is not known"
        loss = max(self._of.now - until, 0.0)
        return _figure(
            f"{duration(loss)} at most", f"would be lost now: one can go to {self._when(until)}, and {begin}"
        )

    def _drill(self) -> str:
        of = self._of
        if not of.drill:
            return _figure("never", "a copy was brought back in a drill", "bad")
        took = duration(of.rto) if of.rto is not None else NOT_KNOWN
        lost = duration(of.rpo) if of.rpo is not None else NOT_KNOWN
        said = f"since the last drill that passed; it took {took}, and would have lost {lost}"
        return _figure(duration(max(of.now - of.drill, 0)), said, "bad" if of.now - of.drill > DRILL_LATE else "")

    def _end(self, what: str, end: float | None, limits: tuple[int, int]) -> str:
        if not end:
            return _figure(NOT_KNOWN, f"until {what} ends", "unknown")
        days = (end - self._of.now) / DAY
        level = "bad" if days < limits[1] else "warn" if days < limits[0] else ""
        if days < 0:
            return _figure("over", f"{what} ended on {self._when(end)}", level)
        return _figure(_days(days), f"until the end of {what}, {self._when(end)}", level)

    def _disk(self, disk: Disk) -> str:
        free = f"{size(disk.free)} of {size(disk.size)} free"
        place = f"{disk.path} on {disk.host}"
        drawn = plot.line(disk.points, f"Free on {place}, 30 days", disk.size)
        if disk.days is None:
            return _figure(NOT_KNOWN, f"until {place} is full: observed for too short a time; {free}", "unknown", drawn)
        if math.isinf(disk.days):
            return _figure("never", f"{place} is full, as it does not fill; {free}", "", drawn)
        level = "bad" if disk.days < DISK_DAYS[1] else "warn" if disk.days < DISK_DAYS[0] else ""
        return _figure(_days(disk.days), f"until {place} is full; {free}", level, drawn)

    def _past(self) -> str:
        past = self._of.past
        if not past:
            return ""
        items = "".join(
            f"<li>{text(each.name)}: {self._when(each.begin)} to {self._when(each.end)}</li>"
            for each in past[:MOST_PAST]
        )
        more = f"<li>and {len(past) - MOST_PAST} more</li>" if len(past) > MOST_PAST else ""
        return f'<h2>Over since, in the last 7 days</h2>\n<div class="card"><ul>{items}{more}</ul></div>\n'

    def foot(self) -> str:
        """The proofs, those that are missing first, and when the page was made."""
        proofs = sorted(self._of.proofs, key=lambda proof: proof.holds)
        items = "".join(f"<li>{_MARKS[proof.holds]} {text(proof.text)}</li>" for proof in proofs)
        shown = f'<h2>How this is known</h2>\n<div class="card"><ul class="plain">{items}</ul></div>\n' if items else ""
        made = f"Made {self._when(self._of.now)} from Prometheus, and every minute anew."
        return f"{shown}<footer>{made} Times are of {text(getattr(self._zone, 'key', 'UTC'))}.</footer>\n"

    def _when(self, moment: float) -> str:
        try:
            return datetime.datetime.fromtimestamp(moment, tz=self._zone).strftime("%Y-%m-%d %H:%M")
        except (OverflowError, ValueError, OSError):
            return NOT_KNOWN

    def _ago(self, moment: float) -> str:
        seconds = self._of.now - moment
        return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"


def _figure(value: str, what: str, level: str = "", drawing: str = "") -> str:
    return f'<div class="card figure {level}"><b>{text(value)}</b><span>{text(what)}</span>{drawing}</div>\n'


def _area(area: Area) -> str:
    level = next((_LEVELS[status] for status in ("fail", "unknown", "warn") if area.counts[status]), "ok")
    words = {"fail": "fail", "unknown": "could not look", "warn": "warn", "pass": "pass", "skip": "do not apply"}
    counts = ", ".join(f"{area.counts[status]} {word}" for status, word in words.items() if area.counts[status])
    wrong = "".join(
        f'<li><span class="pill {_LEVELS[status]}">{words[status]}</span> {text(check)}</li>'
        for status, check in area.wrong
    )
    listed = f'<ul class="plain small">{wrong}</ul>' if wrong else ""
    head = f'<h3 class="{level}">{text(area.name)}</h3><p class="soft small">{counts}</p>'
    return f'<div class="card">{head}{listed}</div>\n'


def _runbook(address: str) -> str:
    """What to do. Only the address of a page is a link: an alert's text comes from elsewhere."""
    if address.startswith(("https://", "http://")):
        return f'<a href="{text(address)}" rel="noreferrer">what to do</a>'
    return f"what to do: {text(address)}" if address else "no runbook"


def _percent(share: float) -> str:
    """Never rounded up to the whole: 100 % means that nothing was missing."""
    if share >= 1:
        return "100 %"
    return f"{math.floor(share * 10000) / 100:.2f} %"


def _days(days: float) -> str:
    return f"{days:.0f} days" if days >= 2 else duration(max(days, 0.0) * DAY)


def _seconds(seconds: float | None) -> str:
    return NOT_KNOWN if seconds is None else f"{seconds:.2f} s"

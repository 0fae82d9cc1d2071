# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is ahead: certificate, licences, room, and checks that fail now. Each is a row with its level and its words."""

from __future__ import annotations

import datetime
import math
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration, size
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.answers import Answers, failure

OK, WARN, UNKNOWN, BAD = "ok", "warn", "unknown", "bad"
#: The worst first.
LEVELS = (BAD, UNKNOWN, WARN, OK)
DAY = 86400.0
CERTIFICATE_DAYS, LICENCE_DAYS, DISK_DAYS = (7, 21), (7, 30), (4, 14)  # bad below the first, a warning below the second
QUOTA_SHARES = (0.98, 0.9)
NO_LIMIT = 4  # of boxlift_figure_status: the figure does not apply
CHECKS_LATE = 3600.0  # they are made every five minutes
DEBT_FIELDS = ("feature", "owner", "until", "remedy")
_WRONG = (("fail", BAD, "not in order"), ("unknown", UNKNOWN, "not known"), ("warn", WARN, "to be watched"))

Data = dict[str, t.Any]


def outlook(answers: Answers, now: float) -> t.Iterator[Data]:
    yield _until(answers, "certificate", "Certificate", CERTIFICATE_DAYS, now)
    yield _until(answers, "licence", "Licence of the portal", LICENCE_DAYS, now)
    yield _disks(answers)
    yield _quota(answers)


def _row(what: str, level: str, text: str, why: str = "", **more: t.Any) -> Data:
    return {"what": what, "level": level, "text": text, "why": why, **more}


def _none(what: str, why: str) -> Data:
    return _row(what, UNKNOWN, "not known", why)


def _judged(value: float, bounds: tuple[float, float]) -> str:
    return BAD if value < bounds[0] else WARN if value < bounds[1] else OK


def _until(answers: Answers, name: str, what: str, bounds: tuple[int, int], now: float) -> Data:
    answer = answers.of(name)
    until = answer.number
    if until is None or not math.isfinite(until):
        return _none(what, answer.why or "Prometheus has no such figure of the last day")
    days = math.floor((until - now) / DAY)
    when = datetime.datetime.fromtimestamp(until, tz=datetime.timezone.utc).date().isoformat()
    text = f"valid until {when}: {days} days left" if days >= 0 else f"over since {when}"
    return _row(what, _judged(days, bounds), text, days=days, until=until)


def _disks(answers: Answers) -> Data:
    what, answer = "Room on the disks", answers.of("disks")
    found = [(each.points[-1][1], each.labels) for each in answer.series if each.points]
    found = [each for each in found if not math.isnan(each[0])]
    if not found:
        return _none(what, answer.why or "Prometheus has no such figure of the last day")
    days, labels = min(found, key=lambda each: each[0])
    if math.isinf(days):
        return _row(what, OK, "no disk grows", days=None)
    where = f"{labels.get('path', '')} on {labels.get('host', '')}"
    return _row(
        what, _judged(days, DISK_DAYS), f"full in {math.floor(days)} days at the present growth: {where}", days=days
    )


def _quota(answers: Answers) -> Data:
    what = "Disk space of the portal"
    limit, used, growth, status = (answers.of(name) for name in ("quota", "quota_used", "quota_growth", "quota_status"))
    # What it says last: a limit that was taken away is still known for two days.
    if status.number == NO_LIMIT:
        return _row(what, OK, "the portal sets itself no limit: the disks alone count", days=None)
    if not limit.number or used.number is None:
        return _none(what, limit.why or used.why or status.why or "nobody has measured it in the last two days")
    share = used.number / limit.number
    level = BAD if share > QUOTA_SHARES[0] else WARN if share > QUOTA_SHARES[1] else OK
    text = f"{size(used.number)} of {size(limit.number)} used ({math.floor(share * 100)} %)"
    days = None
    if growth.number is not None and growth.number > 0:
        days = max((limit.number - used.number) / growth.number, 0.0)
        text += f"; full in {math.floor(days)} days at the present growth"
        level = min(level, _judged(days, DISK_DAYS), key=LEVELS.index)
    return _row(what, level, text, days=days, share=share)


def licences(answers: Answers) -> tuple[list[Data], list[Data]]:
    """What is owed, and a row of the outlook for each host whose licences were held against what it uses."""
    debts: list[Data] = []
    rows: list[Data] = []
    for host, result in answers.entitlements.items():
        what, why = f"Other licences ({host})", failure(result)
        if why or not isinstance(result.get("findings"), list):
            rows.append(_none(what, why or "entitlement_check was not asked"))
            continue
        for each in result.get("debts") or []:
            debts.append({**{name: each.get(name) or "" for name in DEBT_FIELDS}, "host": host})
        rows.append(_entitlements(what, result["findings"]))
    if not answers.entitlements:
        rows.append(_none("Other licences", "no host was asked"))
    return sorted(debts, key=lambda each: (each["until"] or "no day", each["feature"])), rows


def _entitlements(what: str, findings: t.Sequence[Data]) -> Data:
    """The worst finding in words, and how many there are of each kind."""
    wrong = [(level, word, [each for each in findings if each["status"] == status]) for status, level, word in _WRONG]
    wrong = [each for each in wrong if each[2]]
    if not wrong:
        return _row(what, OK, "all in order")
    level, _word, worst = wrong[0]
    counted = ", ".join(f"{len(found)} {word}" for _level, word, found in wrong)
    observed = str(worst[0]["observed"])
    return _row(what, level, f"{counted}: {observed}", observed if level == UNKNOWN else "")


def checks(answers: Answers, now: float) -> Data:
    """Health checks that fail now; `why` says why that is not known."""
    run, answer = answers.of("checks_run"), answers.of("checks")
    why = run.why or answer.why or ("" if run.number else "no health check has run")
    # The file of the results stays where nobody makes the checks any more.
    if not why and run.number and now - run.number > CHECKS_LATE:
        why = f"the last health check ran {duration(now - run.number)} ago"
    found = [dict(each.labels) for each in answer.series]
    return {
        "why": why,
        "run": run.number,
        "failing": sorted(found, key=lambda each: (each.get("area", ""), each.get("check", ""))),
    }

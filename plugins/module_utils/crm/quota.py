# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much room a portal takes, as far as anybody can measure it, against thresholds, and when they will be reached.

No REST method tells how much room a portal has, or has left. So `measured` tells what can be counted, and `judge` says
`unknown` for the rest, with the reason. A figure that leaves something out says so, and never passes for the whole.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.disk import DiskWalk, size_of
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import (
    Answer,
    Command,
    Rest,
    RestError,
    Unanswered,
)
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import free_bytes
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.units import size

AREA = "crm_quota"
DAY = 86400.0
#: Points of the history that are kept: more than a year of nights.
POINTS = 400
#: A new point is written only so long after the last one, so that two looks in a row are one.
POINT_SECONDS = 3600.0
#: From this share of a threshold on it is time to act.
NEAR = 0.9
#: A trend needs points over so many days.
TREND_DAYS = 1.0
#: Older points say nothing about today's growth.
TREND_WINDOW_DAYS = 90.0
IN_THE_PORTAL = "Look at the portal's own page of its plan and drive, where its administrators see the used space."


@dataclasses.dataclass(frozen=True)
class Measure:
    """One figure. `value` is None where it cannot be had; `left_out` says what a figure does not contain."""

    name: str
    title: str
    value: int | None
    unit: str = "bytes"
    reason: str = ""
    remedy: str = ""
    left_out: str = ""
    #: The figure is a lower bound: too little to pass, enough to fail.
    at_least: bool = False
    #: Less is worse: the threshold is a minimum.
    shrinks: bool = False

    def text(self, value: float | None = None) -> str:
        number = self.value if value is None else value
        if number is None:
            return "unknown"
        return size(number) if self.unit == "bytes" else f"{number:,.0f} {self.unit}"


class Sized(t.Protocol):
    """The part of a store that knows its size."""

    path: str

    def size(self) -> int: ...


class Notes(t.Protocol):
    """The part of a store that keeps small JSON values."""

    def note(self, name: str) -> t.Any: ...

    def set_note(self, name: str, value: t.Any) -> None: ...


# -- what can be measured ------------------------------------------------------------------------------------------


def portal_space() -> Measure:
    """Used and total space of the portal: nobody can ask for it."""
    return Measure(
        "portal_space",
        "used and total space of the portal",
        None,
        reason="no REST method tells how much space a portal has or uses",
        remedy=IN_THE_PORTAL,
    )


def counting(names: t.Iterable[str]) -> dict[str, Command]:
    """Of each kind the command whose answer has the number of its records. Raises BoxliftError."""
    found = {}
    for name in names:
        of = kinds.kind(name)
        if of.is_item:
            found[of.name] = Command(of.list_method, {"entityTypeId": of.entity_type, "select": ["id"], "start": 0})
        elif of.name == "activity":
            found[of.name] = Command(of.list_method, {"select": ["ID"], "start": 0})
        else:
            raise BoxliftError(
                f"Records of kind {of.name} cannot be counted.", "Leave it out of kinds: it is a part of others."
            )
    return found


def records(rest: Rest, kinds: t.Mapping[str, Command]) -> t.Iterator[Measure]:
    """How many records of each kind there are; a command for each kind, whose answer has a total."""
    for kind, outcome in zip(kinds, rest.batch(list(kinds.values()))):
        name, title = f"records.{kind}", f"records of {kind}"
        if isinstance(outcome, Answer) and outcome.total is not None:
            yield Measure(name, title, outcome.total, "records")
            continue
        reason = "the portal gave no total"
        if not isinstance(outcome, Answer):
            reason = f"the portal did not tell: {outcome.message.rstrip('.')}"
        yield Measure(name, title, None, "records", reason, "Give the webhook the rights to read this kind.")


def drive(rest: Rest, folders_at_most: int = 0) -> Measure:
    """Bytes of the drive's files that this webhook may see."""
    walk = DiskWalk(rest, folders_at_most=folders_at_most)
    name, title = "drive_bytes", "files on the drive"
    left_out = "versions, the recycle bin and files of records are not in it, nor what this account may not see"
    total = 0
    try:
        for file in walk.files():
            total += size_of(file)
    except (RestError, Unanswered) as error:
        remedy = "Run again."
        if isinstance(error, RestError):
            remedy = "Add the scope disk to the webhook, or leave the drive out (drive: false)."
        return Measure(name, title, None, reason=f"the drive was not shown: {error.message.rstrip('.')}", remedy=remedy)
    missing = ""
    if not walk.complete:
        missing = f"only the first {walk.folders} folders were read"
    elif walk.unseen:
        missing = f"{len(walk.unseen)} places were not shown ({walk.unseen[0].rstrip('.')})"
    return Measure(
        name,
        title,
        total,
        reason=missing,
        remedy="Raise drive_folders, or give the webhook's account the rights to read all storages." if missing else "",
        left_out=left_out,
        at_least=bool(missing),
    )


def folder(path: str) -> t.Iterator[Measure]:
    """What the upload folder of a box takes on its disk, and what is free beside it."""
    title = f"upload folder {path}"
    try:
        yield Measure("upload_bytes", title, used_bytes(path))
        yield Measure("free_bytes", f"free space beside {path}", free_bytes(path), shrinks=True)
    except OSError as error:
        reason = f"{error.filename or path}: {error.strerror}"
        yield Measure("upload_bytes", title, None, reason=reason, remedy="Correct upload_folder, and run as root.")


def used_bytes(path: str) -> int:
    """Bytes on the disk of everything below a folder, links not followed, a file with several names once."""
    total, seen, waiting = 0, set(), [path]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # people go on working
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif status.st_nlink > 1:
                    if (status.st_dev, status.st_ino) in seen:
                        continue
                    seen.add((status.st_dev, status.st_ino))
                total += status.st_blocks * 512
    return total


def database(connection: t.Any, name: str) -> Measure:
    """Bytes of the tables and indexes of a box's database, as its server counts them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT SUM(DATA_LENGTH + INDEX_LENGTH) AS total FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s",
            (name,),
        )
        row = cursor.fetchone()
    value = (list(row.values()) if isinstance(row, dict) else row)[0]
    if value is None:
        return Measure("database_bytes", f"database {name}", None, reason="the server shows no table of it")
    return Measure("database_bytes", f"database {name}", int(value))


def unseen_database(name: str, error: BoxliftError) -> Measure:
    """A database that could not be asked."""
    reason = error.message.rstrip(".")
    return Measure("database_bytes", f"database {name}", None, reason=reason, remedy=error.remedy)


def store_size(store: Sized) -> Measure:
    """The store on this host, with the files that it keeps."""
    return Measure("store_bytes", f"store {store.path}", store.size())


# -- history and trend ---------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Trend:
    """Growth in units a day, None where too little is known, with the reason."""

    per_day: float | None
    reason: str = ""

    def days_until(self, value: float, threshold: float) -> float | None:
        """Days until `threshold` at this rate; None where it goes the other way or stands still."""
        if self.per_day is None or self.per_day == 0 or (threshold - value) / self.per_day < 0:
            return None
        return (threshold - value) / self.per_day


def trend_of(points: t.Sequence[tuple[float, float]]) -> Trend:
    """The straight line through the points (time in seconds, value) of the last 90 days, by least squares."""
    if points:
        points = [point for point in points if point[0] >= points[-1][0] - TREND_WINDOW_DAYS * DAY]
    span = (points[-1][0] - points[0][0]) / DAY if points else 0.0
    if len(points) < 2 or span < TREND_DAYS:
        return Trend(None, f"no trend yet: {len(points)} points over {span:.1f} days")
    middle = sum(at for at, _value in points) / len(points)
    mean = sum(value for _at, value in points) / len(points)
    above = sum((at - middle) * (value - mean) for at, value in points)
    below = sum((at - middle) ** 2 for at, _value in points)
    return Trend(above / below * DAY)


def remember(store: Notes, measures: t.Iterable[Measure], now: float) -> bool:
    """Add a point to the history, unless the last one is fresh. True where one was added."""
    # What is later than now was noted while the host's clock was ahead: nothing after it would be noted until then.
    history: list[dict[str, t.Any]] = [point for point in store.note("quota") or [] if point["at"] <= now]
    if history and now - history[-1]["at"] < POINT_SECONDS:
        return False
    values = {each.name: each.value for each in measures if each.value is not None and not each.at_least}
    store.set_note("quota", [*history, {"at": now, "values": values}][-POINTS:])
    return True


def points_of(store: Notes, name: str) -> list[tuple[float, float]]:
    """The history of one measure."""
    return [(point["at"], point["values"][name]) for point in store.note("quota") or [] if name in point["values"]]


# -- findings ------------------------------------------------------------------------------------------------------


def judge(measure: Measure, threshold: int | None, trend: Trend, warn_days: float) -> Finding:
    """What a figure means."""
    name = f"{AREA}.{measure.name}"
    if measure.value is None:
        observed = f"{measure.title}: {measure.reason or 'not measured'}"
        return Finding(name, AREA, "unknown", observed, "it can be measured", measure.remedy, "customer")
    observed = f"{measure.title}: {'at least ' if measure.at_least else ''}{measure.text()}"
    if measure.left_out:
        observed += f" ({measure.left_out})"
    if measure.at_least:
        observed += f"; {measure.reason}"
    if trend.per_day is not None:
        observed += f"; {'+' if trend.per_day >= 0 else '-'}{measure.text(abs(trend.per_day))} a day"
    else:
        observed += f"; {trend.reason}"
    if threshold is None:
        return Finding(name, AREA, "skip", f"{observed}; no threshold is set", "", "", "customer")
    side = "at least" if measure.shrinks else "less than"
    expected = f"{side} {measure.text(threshold)}"
    remedy = _remedy(measure)
    over = measure.value < threshold if measure.shrinks else measure.value >= threshold
    if over:
        return Finding(name, AREA, "fail", observed, expected, remedy, "customer")
    if measure.at_least:
        return Finding(name, AREA, "unknown", observed, expected, measure.remedy, "customer")
    left = trend.days_until(measure.value, threshold)
    if left is not None:
        observed += f"; the threshold is reached in {left:.0f} days"
    near = measure.value * NEAR <= threshold if measure.shrinks else measure.value >= threshold * NEAR
    if near or (left is not None and left <= warn_days):
        return Finding(name, AREA, "warn", observed, expected, remedy, "customer")
    return Finding(name, AREA, "pass", observed, expected, "", "customer")


def _remedy(measure: Measure) -> str:
    if measure.name == "store_bytes":
        return "Keep fewer snapshots, or give the store's disk more room."
    if measure.name in ("free_bytes", "database_bytes", "upload_bytes"):
        return "Archive old records and files (crm_archive), empty the recycle bins, or give the host more room."
    return "Archive closed records and old files (crm_archive), and empty the recycle bin: only that frees the space."


def findings_of(
    store: Notes, measures: t.Sequence[Measure], thresholds: t.Mapping[str, int], warn_days: float
) -> list[Finding]:
    """A finding for each measure, and one for each threshold that nothing was measured for."""
    found = []
    for each in measures:
        points = points_of(store, each.name)
        found.append(judge(each, thresholds.get(each.name), trend_of(points), warn_days))
    for name in sorted(set(thresholds) - {each.name for each in measures}):
        found.append(
            Finding(
                f"{AREA}.{name}",
                AREA,
                "unknown",
                "a threshold is set, but nothing of this name was measured",
                "it is measured",
                f"Correct the name in thresholds: there are {', '.join(each.name for each in measures)}.",
                "customer",
            )
        )
    return found

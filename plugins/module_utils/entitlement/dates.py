# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Until which moment something is valid, by a date in whatever format its writer chose."""

from __future__ import annotations

import datetime
import re
import typing as t
import zoneinfo

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

UTC = datetime.timezone.utc
#: Never, as far as anybody here will see.
FAR = datetime.datetime.max.replace(tzinfo=UTC)
_NEAR = datetime.datetime.min.replace(tzinfo=UTC)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
_DAY = datetime.timedelta(days=1)
_ISO = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,][0-9]+)?)?"
    r" ?(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_WITH_YEAR, _WITH_TIME = re.compile(r"%[YyGcx]"), re.compile(r"%[HIMSXcp]")
ISO, UNIX, UNIX_MS = "iso", "unix", "unix_ms"


def zone_of(name: str) -> datetime.tzinfo:
    """Raises BoxliftError."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # a name may be a folder, or lead out of the zones'
        raise BoxliftError(
            f"The time zone {name!r} is not known", "Name one as Europe/Berlin, and install the package tzdata."
        ) from error


def end_of(text: str, pattern: str, zone: datetime.tzinfo, last_day: bool = True) -> datetime.datetime:
    """The first moment, in UTC, at which it is not valid any more.

    A date without a time is the last day on which it is valid, or with `last_day` false the first day on which it is
    not. Raises BoxliftError.
    """
    return _moment(text, pattern, zone, _DAY if last_day else datetime.timedelta())


def start_of(text: str, pattern: str, zone: datetime.tzinfo) -> datetime.datetime:
    """The first moment, in UTC, at which it is valid. Raises BoxliftError."""
    return _moment(text, pattern, zone, datetime.timedelta())


def moment_of(text: str, zone: datetime.tzinfo) -> datetime.datetime:
    """A moment as an option names it; a day is meant to its end. Raises BoxliftError."""
    found = end_of(text.strip(), ISO, zone)
    return found if _has_time(text.strip(), ISO) else found - datetime.timedelta(seconds=1)


def _has_time(text: str, pattern: str) -> bool:
    if pattern == ISO:
        return len(text) > len("2026-12-05")
    return pattern in (UNIX, UNIX_MS) or _WITH_TIME.search(pattern) is not None


def _moment(text: str, pattern: str, zone: datetime.tzinfo, of_a_day: datetime.timedelta) -> datetime.datetime:
    try:
        found = _parsed(text, pattern)
    except (ValueError, OverflowError, re.error) as error:
        raise BoxliftError(
            f"{text[:40]!r} is no date of the format {pattern}", "Correct date_format to what stands in the file."
        ) from error
    try:
        found = found if _has_time(text, pattern) else found + of_a_day
    except OverflowError:
        return FAR
    if found.tzinfo is None:
        found = found.replace(tzinfo=zone)
    try:
        return found.astimezone(UTC)
    except OverflowError:  # on the first or the last day that there is
        return FAR if found.year > 1 else _NEAR


def _parsed(text: str, pattern: str) -> datetime.datetime:
    if pattern == ISO:
        match = _ISO.fullmatch(text)
        if match is None:
            raise ValueError(text)
        time = f"{match['hour'] or '00'}:{match['minute'] or '00'}:{match['second'] or '00'}"
        zone = (match["zone"] or "").replace("Z", "+0000").replace(":", "")
        return datetime.datetime.strptime(f"{match['day']} {time}{zone}", f"%Y-%m-%d %H:%M:%S{'%z' if zone else ''}")
    if pattern in (UNIX, UNIX_MS):
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise ValueError(text)
        # By integers, since a float would lose the last digits.
        unit: dict[str, t.Any] = {"seconds" if pattern == UNIX else "milliseconds": int(text)}
        return _EPOCH + datetime.timedelta(**unit)
    if not _WITH_YEAR.search(pattern) or "%Z" in pattern:
        raise BoxliftError(
            f"the date_format {pattern!r} names no year, or names a zone by its letters",
            f"Write {ISO}, {UNIX}, {UNIX_MS}, or a pattern as %d.%m.%Y %H:%M %z.",
        )
    return datetime.datetime.strptime(text, pattern)

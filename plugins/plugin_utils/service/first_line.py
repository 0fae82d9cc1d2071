# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first line of a report, for a manager: was it there, what went wrong, could it be restored, what is owed."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.incidents import CRITICAL
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.availability import percent
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.copies import DRILL_DAYS
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.outlook import BAD, LEVELS, OK, UNKNOWN, WARN

Data = dict[str, t.Any]


def unknown(content: Data) -> list[Data]:
    """What is not known, with the reason."""
    up, copies, checks = content["availability"], content["copies"], content["checks"]
    found = [("Availability", up["why"]), ("Copies and drills", copies["why"]), ("Health checks", checks["why"])]
    if copies["not_known"]:
        nights = f"{copies['not_known']} night{'' if copies['not_known'] == 1 else 's'}"
        found.append(("Copies", f"of {nights} neither the repository nor Prometheus knows anything any more"))
    found += [(row["what"], row["why"]) for row in content["outlook"] if row["level"] == UNKNOWN]
    return [{"what": what, "why": why} for what, why in found if why]


def result(content: Data) -> Data:
    """Level and text of the first line: was it there, what went wrong, could it be restored, what is owed."""
    parts = [_word_on_availability(content), _word_on_incidents(content), _word_on_copies(content)]
    parts += _words_on_the_rest(content)
    level = min((level for level, _text in parts), key=LEVELS.index)
    if content["records"]["fault"]:
        parts.insert(0, (BAD, "The records were changed by hand, so this report proves nothing."))
        level = BAD
    return {"level": level, "text": " ".join(text for _level, text in parts)}


def _word_on_availability(content: Data) -> tuple[str, str]:
    found, period = content["availability"], content["period"]
    so_far = "" if period["as_of"] >= period["to"] else " so far"
    if found["up"] is None:
        return UNKNOWN, f"Whether the portal could be reached{period['when']} is not known."
    part = f" ({percent(found['known'])} of it is known)" if found["why"] else ""
    return found["level"], f"The portal could be reached {found['text']} of the time{period['when']}{so_far}{part}."


def _word_on_incidents(content: Data) -> tuple[str, str]:
    found, late = content["incidents"], content["notices"]["late"]
    if not found:
        return OK, "There was no incident."
    number = f"{len(found)} incident{'' if len(found) == 1 else 's'}"
    open_ones = [each for each in found if each["closed"] is None]
    over = f"{len(open_ones)} still open" if open_ones else "over" if len(found) == 1 else "all over"
    heard = f"{late} notice{'' if late == 1 else 's'} came late" if late else "no notice came late"
    level = BAD if any(each["class"] == CRITICAL for each in open_ones) else WARN if open_ones or late else OK
    return level, f"{number[0].upper()}{number[1:]}, {over}; {heard}."


def _word_on_copies(content: Data) -> tuple[str, str]:
    found = content["copies"]
    if found["level"] == UNKNOWN and found["last_good"] is None:
        return UNKNOWN, "Whether it could be restored is not known."
    if found["last_good"] is None:
        return BAD, "There is no proven copy."
    nights = found["with_copy"] + found["without_copy"]
    every = nights and not found["without_copy"]
    text = "A proven copy of " + ("every night" if every else f"{found['with_copy']} of {nights} nights")
    if found["not_known"]:
        text += f" ({found['not_known']} not known)"
    if found["drill_level"] == BAD:
        return BAD, f"{text}, but no restore was rehearsed in the last {DRILL_DAYS} days."
    last = found["last_drill"]
    if last and last["rto_seconds"]:
        text += f"; the last rehearsed restore took {duration(float(last['rto_seconds']))}"
    wrong = [each["name"] for each in found["stores"] if each["findings"]]
    if found["level"] == BAD and wrong:
        text += f", but something is wrong with the copies at {', '.join(wrong)}"
    return found["level"], f"{text}."


def _words_on_the_rest(content: Data) -> t.Iterator[tuple[str, str]]:
    rows = content["outlook"]
    yield from ((BAD, f"{row['what']}: {row['text']}.") for row in rows if row["level"] == BAD)
    soon = [row["what"] for row in rows if row["level"] == WARN]
    if soon:
        yield WARN, f"Soon due: {', '.join(soon)}."
    missed = content["visits"]["missed"]
    if missed:
        yield WARN, f"{missed} visit{' was' if missed == 1 else 's were'} missed."
    failing = len(content["checks"]["failing"])
    if failing:
        yield WARN, f"{failing} health check{' fails' if failing == 1 else 's fail'} now."
    late = [each for each in content["remarks"] if each.get("late")]
    owed = len(late) + len(content["debts"])
    if owed:
        yield WARN, f"{owed} thing{' is' if owed == 1 else 's are'} owed."
    blind = [row["what"] for row in rows if row["level"] == UNKNOWN]
    if blind:
        yield UNKNOWN, f"Not known: {', '.join(blind)}."

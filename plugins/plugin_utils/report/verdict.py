# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether people can work, and with what limits: the findings, weighed by whom each failure keeps from working."""

from __future__ import annotations

import collections
import typing as t

Data = dict[str, t.Any]

#: A message that begins so is the whole verdict: the role portal says it where the portal's kernel has stopped.
NOBODY = "Nobody can work"
#: The check that has seen a page of the portal. Without its word nothing says that people can work.
FRONT_DOOR = "web.answers"
FEW_AREAS = 3  # that the first line names

# Names of areas for readers who do not run servers.
AREAS = {
    "agents": "Background work",
    "backup": "Backup",
    "content": "Content",
    "database": "Database",
    "domain": "Domain and links",
    "entitlement": "Entitlements",
    "environment": "Host and PHP",
    "identity": "Users and logins",
    "integrations": "Applications and connections",
    "licence": "Licence",
    "mail": "Mail",
    "modules": "Modules",
    "push": "Messenger and live updates",
    "search": "Search",
    "security": "Security",
    "settings": "Settings",
    "telephony": "Telephony",
    "web": "Web and encryption",
}


def area_name(area: str) -> str:
    return AREAS.get(area, area.capitalize())


def stopped_by(findings: t.Sequence[Data]) -> Data | None:
    """The finding that keeps everybody from working, if there is one. A host that got through proves the contrary."""
    through = {each["id"] for each in findings if each["status"] != "fail"}
    stops = [
        each
        for each in findings
        if each["status"] == "fail" and each["blocks"] == "everybody" and each["id"] not in through
    ]
    return min(stops, key=lambda each: each["id"] != FRONT_DOOR, default=None)


def verdict_of(findings: t.Sequence[Data]) -> Data:
    """Level and sentence: who can work first, then how many checks say so."""
    number = collections.Counter(each["status"] for each in findings)
    answered = len(findings) - number["skip"]
    if not answered:
        return {"level": "unknown", "text": "The health check ran, but not one check gave an answer."}
    level, counted = _counted(number, answered)
    stop = stopped_by(findings)
    if stop is not None:
        return {"level": "bad", "text": f"{NOBODY}: {stop['observed']}. {counted}"}
    if not any(_open(each) for each in findings):
        unseen = f"Whether people can work is not known: {FRONT_DOOR} has not seen a page of the portal."
        return {"level": "bad" if number["fail"] else "unknown", "text": f"{unseen} {counted}"}
    limits = [each for each in findings if each["status"] == "fail" and each["blocks"] != "nobody"]
    if limits:
        return {"level": level, "text": f"People can work, with limits: {_named(limits)}. {counted}"}
    harmless = " None of that keeps anybody from working." if number["fail"] else ""
    seen = "People can work, as far as was seen." if number["unknown"] else "People can work."
    return {"level": level, "text": f"{seen} {counted}{harmless}"}


def _open(finding: Data) -> bool:
    """Whether a page of the portal was seen, from one place at least."""
    return finding["id"] == FRONT_DOOR and (finding["status"] == "pass" or finding["blocks"] == "some")


def _counted(number: t.Mapping[str, int], answered: int) -> tuple[str, str]:
    """The level of the worst that is known, and how many checks say so."""
    checks = f"{answered} check{'' if answered == 1 else 's'}"
    if number["fail"]:
        return "bad", f"{number['fail']} of {checks} failed."
    if number["unknown"]:
        return "unknown", f"{number['unknown']} of {checks} could not look."
    if number["warn"]:
        return "warn", f"No check failed; {number['warn']} of {answered} warned."
    skipped = f" {number['skip']} skipped, with the reasons below." if number["skip"] else ""
    passed = "The only check passed." if answered == 1 else f"All {checks} passed."
    return "ok", f"{passed}{skipped}"


def _named(limits: t.Sequence[Data]) -> str:
    """The areas with the ids of what failed in them, the areas with most of it first."""
    areas: dict[str, list[str]] = {}
    for each in limits:
        ids = areas.setdefault(each["area"], [])
        if each["id"] not in ids:
            ids.append(each["id"])
    ordered = sorted(areas.items(), key=lambda pair: -len(pair[1]))
    told = [f"{area_name(area)} ({', '.join(ids)})" for area, ids in ordered[:FEW_AREAS]]
    more = len(ordered) - FEW_AREAS
    if more > 0:
        told.append(f"{more} more area{'' if more == 1 else 's'}")
    return "; ".join(told)

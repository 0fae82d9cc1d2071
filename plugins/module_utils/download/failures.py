# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ends a fetch, in words for people."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError


def damaged_at_source(name: str, status: str, reason: str) -> BoxliftError:
    return BoxliftError(
        f"{name} is damaged at its source: two downloads agree and are {status} ({reason}).",
        "Downloading again cannot help. Ask the source for this part, or order a new backup.",
        part=name,
    )


def always_damaged(name: str, times: int, status: str, reason: str) -> BoxliftError:
    return BoxliftError(
        f"{name} arrived damaged {times} times, each time differently; last: {status} ({reason}).",
        "The line or a proxy changes the data: fetch over another line.",
        part=name,
    )


def rebuilt(name: str, reason: str, dest: str) -> BoxliftError:
    return BoxliftError(
        f"The source has another backup under the name {name} now than {dest}: {reason}. Nothing of the two was mixed.",
        "Give an empty directory in dest, or remove these parts if the earlier backup is no longer wanted.",
        part=name,
    )


def no_such(name: str, count: int) -> BoxliftError:
    return BoxliftError(
        f"The source has no {name} (404), and the backup has {count} parts.",
        "Ask the source for the missing part, or order a new backup.",
        part=name,
    )


def expired(name: str, status: int, error: Exception) -> BoxliftError:
    if status == 401:
        return BoxliftError(
            f"The source asks for a user and a password that it takes, before it gives out {name} ({error}).",
            "Write them into the address (https://user:password@host/...), or give Authorization in headers.",
            part=name,
        )
    return BoxliftError(
        f"The source no longer gives out {name} ({error}): the link has expired.",
        "Get a new link to the same backup and run again with it; what is here already is kept.",
        part=name,
    )


def refused(name: str, why: str) -> BoxliftError:
    return BoxliftError(
        f"{name} could not be fetched: {why}. Asking again would get the same answer.",
        "Check the address, and what the source says about it; what is here already is kept.",
        part=name,
    )


def unreachable(name: str, last: str) -> BoxliftError:
    return BoxliftError(
        f"{name} could not be fetched: {last}.",
        "Check the line and the source, then run again: it goes on where it stopped.",
        part=name,
    )

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last thing on the screen: what came of an item, the digits to be read out, and what is permitted now."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, digits
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.state import Ended

RULE = "=" * 78
_RESULT = {
    codes.OK: "OK",
    codes.FAILED: "FAILED",
    codes.UNKNOWN: "BROKEN OFF",
    codes.WAITING: "WAITS FOR SIGNATURES",
}
NEXT = "Read these digits out. Do not begin the next step before you have its code."


def block(title: str, ended: Ended, in_cutover: bool) -> list[str]:
    """Of one item that has ended. Without a read-back, as in the modes without codes, only the result.

    Only what belongs to the cutover can be taken back (`in_cutover`).
    """
    entry = ended.entry
    lines = [RULE, f"  {entry.item}  {title}", f"  Result: {_RESULT[entry.outcome]}{_took(entry)}"]
    if ended.message:
        lines.append(f"  {ended.message.splitlines()[0][:200]}")
    if ended.read_back:
        lines += ["", f"      {digits.spaced(ended.read_back)}", "", f"  {NEXT}", *_permitted(entry, in_cutover)]
        lines.append(f"  Write on the page: {ended.head}")
    return [*lines, RULE]


def begun_by_people(number: str, title: str) -> list[str]:
    """Of work that people do: it has begun, and they tell its end."""
    return [
        RULE,
        f"  {number}  {title}",
        "  This is done by people, and may begin now.",
        f"  When it is done, type:          mig {number} ok",
        f"  If it could not be done, type:  mig {number} failed",
        RULE,
    ]


def say(text: str) -> list[str]:
    """Of what was refused: nothing was changed, and this is said on the telephone."""
    return [RULE, "  Nothing was changed. Say on the telephone:", f"  {text}", RULE]


def _permitted(entry: codes.Entry, in_cutover: bool) -> t.Iterator[str]:
    if entry.outcome in (codes.FAILED, codes.UNKNOWN) and entry.item not in codes.SPECIAL:
        what = "Only two things are permitted now, each" if in_cutover else "Only one thing is permitted now,"
        yield f"  {what} with a code from the telephone:"
        yield f"      {f'mig {entry.item} CODE':20} to do this step once more"
        if in_cutover:
            yield f"      {'mig rollback CODE':20} to take the cutover back"
    elif entry.outcome == codes.WAITING:
        yield f"  When all have signed, ask for a new code and type: mig {entry.item} CODE"


def _took(entry: codes.Entry) -> str:
    """As roughly as the read-back says it: both sides see the same."""
    if entry.outcome == codes.UNKNOWN or entry.item in (codes.STOP, codes.RESUME):
        return ""
    return f", about {duration(round(codes.seconds_of(entry.duration)))}"

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of the copies in sentences."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration, size

#: So many of the newest copies are listed.
NEWEST = 10


def lines(status: t.Mapping[str, t.Any], now: float) -> list[str]:
    """What can be restored from each repository, then what is wrong, then what the drills allow to promise."""
    said = [line for store in status["stores"] for line in _of_store(store, now)]
    promise = status["promise"]
    if promise is None:
        return [*said, "No drill has passed yet, so nothing can be promised of the time that a recovery takes."]
    times = {name: "an unknown time" for name in ("rto_seconds", "rpo_seconds")}
    times.update({name: duration(promise[name]) for name in times if promise.get(name) is not None})
    if promise["computed"]:
        return [
            *said,
            f"No drill has passed yet. By its size, computed and not measured, the portal may be back within"
            f" {times['rto_seconds']}, and {times['rpo_seconds']} of work may be lost.",
        ]
    return [
        *said,
        f"Drills that passed: {promise['of_drills']}; by them the portal is back within {times['rto_seconds']}, and"
        f" {times['rpo_seconds']} of work may be lost.",
    ]


def _of_store(store: t.Mapping[str, t.Any], now: float) -> t.Iterator[str]:
    name = store["name"]
    if not store["reachable"]:
        yield f"{name}: cannot be read. Whether copies are there is not known."
    elif store["last_good"] is None:
        yield f"{name}: no proven copy."
    else:
        last = store["last_good"]
        yield (
            f"{name}: proven copies: {len(store['copies'])}; the newest one is of {moment(last['ended'])}"
            f" ({duration(now - last['ended'])} ago)."
        )
        if store["binlogs_until"] is None:
            yield f"{name}: no binary logs are stored, so only the moments of the copies can be recovered."
        elif store["restorable_until"] is not None:
            yield f"{name}: the database can be recovered to any moment until {moment(store['restorable_until'])}."
        yield (
            f"{name}: {100 * store['verified']['ratio_7_days']:.0f} % of the repository was read again without a fault"
            " in seven days."
        )
    for copy in store["copies"][-NEWEST:]:
        damaged = "; DAMAGED" if copy.get("damaged") else ""
        yield (
            f"  {copy['id']}  {moment(copy['ended'])}  {copy['kind']}  {size(sum(copy['bytes'].values()))}"
            f", {size(copy['stored'])} of it new{damaged}"
        )
    for finding in store["findings"]:
        yield f"{name}: {finding['severity']}: {finding['text']} {finding['remedy']}"


def moment(epoch: float) -> str:
    """A moment as playbook recover takes it."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(epoch))

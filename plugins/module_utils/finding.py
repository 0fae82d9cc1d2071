# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A finding: what was seen, what was expected, who fixes it, how."""

from __future__ import annotations

import dataclasses
import typing as t

STATUSES = ("pass", "warn", "fail", "unknown", "skip")
#: The most urgent first. A place that was not asked proves nothing, so it comes before `pass`.
WORST_FIRST = ("fail", "unknown", "warn", "skip", "pass")
#: What makes a run fail, from nothing to everything that is not in order.
FAIL_ON = {"never": (), "fail": ("fail",), "unknown": ("fail", "unknown"), "warn": ("fail", "unknown", "warn")}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One answer of one check. `unknown` means that it could not look; `skip` carries its reason in `observed`."""

    id: str
    area: str
    status: str
    observed: str
    expected: str = ""
    remedy: str = ""
    owner: str = "contractor"
    reference: str = ""
    #: What a check that compares saw in the earlier portal.
    before: str = ""
    #: Whom it keeps from working with the portal, if it fails: everybody, some or nobody.
    blocks: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"{self.id}: status {self.status!r} is none of {', '.join(STATUSES)}")

    def as_dict(self) -> dict[str, str]:
        """All fields; `before` only where something was compared, `blocks` only where it was weighed."""
        optional = ("before", "blocks")
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in optional or value}


def summarize(findings: t.Iterable[Finding]) -> dict[str, int]:
    """How many findings have each status; every status is a key, so that an empty set shows as zeros."""
    counts = dict.fromkeys(STATUSES, 0)
    for finding in findings:
        counts[finding.status] += 1
    return counts


def merge(host: t.Sequence[dict[str, t.Any]], outside: t.Sequence[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The findings of two vantage points: the host's in their order, then those that only the outside has.

    Of a check made from both places the worse finding is kept, with both observations. `seen_from` names the places.
    """
    others = {finding["id"]: finding for finding in outside}
    merged = []
    for finding in host:
        other = others.pop(finding["id"], None)
        merged.append(_both(finding, other) if other else {**finding, "seen_from": ["host"]})
    return merged + [{**finding, "seen_from": ["outside"]} for finding in others.values()]


def worsened(before: t.Sequence[dict[str, t.Any]], after: t.Sequence[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The findings of `after` that are not in order, and were better in `before` or not there; in their order."""
    earlier = {finding["id"]: finding["status"] for finding in before}
    return [
        finding
        for finding in after
        if finding["status"] in FAIL_ON["warn"]
        and WORST_FIRST.index(finding["status"]) < WORST_FIRST.index(earlier.get(finding["id"], "pass"))
    ]


def _both(host: dict[str, t.Any], outside: dict[str, t.Any]) -> dict[str, t.Any]:
    worse = min((host, outside), key=lambda finding: WORST_FIRST.index(finding["status"]))
    if host["status"] != outside["status"] and worse.get("blocks") == "everybody":
        # Somebody got through from the other place; where that one saw nothing, nobody knows whom it keeps away.
        through = {host["status"], outside["status"]} & {"pass", "warn"}
        worse = {**worse, "blocks": "some" if through else ""}
    observed = host["observed"]
    if host["observed"] != outside["observed"]:
        observed = f"from the host: {host['observed']}; from outside: {outside['observed']}"
    return {**worse, "observed": observed, "seen_from": ["host", "outside"]}

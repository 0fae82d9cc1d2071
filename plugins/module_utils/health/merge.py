# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges the findings of two vantage points: the portal's own host, and outside."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.finding import WORST_FIRST

FindingDict = dict[str, t.Any]


def merge(host: t.Sequence[FindingDict], outside: t.Sequence[FindingDict]) -> list[FindingDict]:
    """The host's findings in their order, then those that only the outside has.

    Of a check made from both places the worse finding is kept, with both observations. `seen_from` names the places.
    """
    others = {finding["id"]: finding for finding in outside}
    merged = []
    for finding in host:
        other = others.pop(finding["id"], None)
        merged.append(_both(finding, other) if other else {**finding, "seen_from": ["host"]})
    return merged + [{**finding, "seen_from": ["outside"]} for finding in others.values()]


def _both(host: FindingDict, outside: FindingDict) -> FindingDict:
    worse = min((host, outside), key=lambda finding: WORST_FIRST.index(finding["status"]))
    observed = host["observed"]
    if host["observed"] != outside["observed"]:
        observed = f"from the host: {host['observed']}; from outside: {outside['observed']}"
    return {**worse, "observed": observed, "seen_from": ["host", "outside"]}

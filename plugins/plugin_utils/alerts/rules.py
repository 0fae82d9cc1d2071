# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alert rules of role monitoring, with what a site wants otherwise."""

from __future__ import annotations

import copy
import re
import typing as t

import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

#: Where the rules say that help is; a site puts the address of its own copy in this place.
RUNBOOKS = "docs/alerts.md"
HEADER = "# Managed by Ansible, role boxlift.portal.monitoring: changes made here are lost.\n"
DURATIONS = ("for", "keep_firing_for")
CHANGES = ("expr", *DURATIONS, "labels", "severity")
SEVERITIES = ("critical", "warning")
#: Without it, nobody would notice that the alerting has died.
ALWAYS = "Watchdog"
_DURATION = re.compile(r"(?:[0-9]+(?:ms|[smhdwy]))+")

Rule = dict[str, t.Any]


def changed(files: t.Mapping[str, str], changes: t.Mapping[str, t.Any], runbooks: str) -> dict[str, list[Rule]]:
    """The groups of each file, each a name and its rules. Raises BoxliftError for a change that means nothing.

    `changes` has for an alert what is otherwise of it, or None, which takes it out.
    """
    if not isinstance(changes, t.Mapping):
        raise BoxliftError(
            "monitoring_rules is no dictionary.", "Write it so: monitoring_rules: {DiskFills: {for: 2h}}"
        )
    groups = {name: yaml.safe_load(text)["groups"] for name, text in files.items()}
    known = {rule["alert"] for each in groups.values() for group in each for rule in group["rules"]}
    if unknown := sorted(set(map(str, changes)) - known):
        raise BoxliftError(
            f"monitoring_rules names {', '.join(unknown)}, and there is no such alert.",
            f"The alerts are in {RUNBOOKS}.",
        )
    if changes.get(ALWAYS, {}) != {}:
        raise BoxliftError(f"monitoring_rules changes {ALWAYS}.", "Leave it: its silence is what is noticed.")
    return {
        name: [{**group, "rules": _rules(group["rules"], changes, runbooks)} for group in each]
        for name, each in groups.items()
    }


def _rules(rules: t.Sequence[Rule], changes: t.Mapping[str, t.Any], runbooks: str) -> list[Rule]:
    found = []
    for rule in rules:
        change = changes.get(rule["alert"], {})
        if change is None:
            continue
        rule = _merged(copy.deepcopy(rule), change)
        annotations = rule["annotations"]
        annotations["runbook_url"] = annotations["runbook_url"].replace(RUNBOOKS, runbooks, 1)
        found.append(rule)
    return found


def _merged(rule: Rule, change: t.Any) -> Rule:
    name = rule["alert"]
    if not isinstance(change, t.Mapping) or set(change) - set(CHANGES):
        raise BoxliftError(
            f"monitoring_rules has {change!r} for {name}.",
            f"Give a dictionary of {', '.join(CHANGES)}, or null to leave the alert out.",
        )
    for key in DURATIONS:
        if key in change and not _DURATION.fullmatch(str(change[key])):
            raise BoxliftError(
                f"monitoring_rules has {key}: {change[key]} for {name}.", "Write a time such as 90s, 5m or 2h."
            )
    more = change.get("labels", {})
    if not isinstance(more, t.Mapping):
        raise BoxliftError(
            f"monitoring_rules has the labels {more!r} for {name}.", "Write them so: labels: {team: night}"
        )
    # One that no receiver hears of would be an alert that reaches nobody.
    for severity in (change.get("severity", SEVERITIES[0]), more.get("severity", SEVERITIES[0])):
        if severity not in SEVERITIES:
            raise BoxliftError(
                f"monitoring_rules has the severity {severity} for {name}.", f"Use {' or '.join(SEVERITIES)}."
            )
    rule.update({key: str(change[key]) for key in ("expr", *DURATIONS) if key in change})
    labels = {**rule["labels"], **more}
    if "severity" in change:
        labels["severity"] = change["severity"]
    return {**rule, "labels": labels}


def texts(groups: t.Mapping[str, t.Sequence[Rule]]) -> dict[str, str]:
    """Files as Prometheus reads them."""
    return {
        name: HEADER + yaml.safe_dump({"groups": list(each)}, sort_keys=False, width=120, allow_unicode=True)
        for name, each in groups.items()
    }


def alerts(groups: t.Mapping[str, t.Sequence[Rule]]) -> list[str]:
    return [rule["alert"] for each in groups.values() for group in each for rule in group["rules"]]

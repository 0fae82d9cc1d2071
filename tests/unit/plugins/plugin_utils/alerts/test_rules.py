# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.boxlift.portal.plugins.filter.alert_rules import FilterModule, alert_rules

FILES = {
    "host": """
groups:
  - name: host
    rules:
      - alert: DiskFills
        expr: free < 1
        for: 1h
        labels: {severity: warning, needs: disk}
        annotations: {summary: s, runbook_url: "docs/alerts.md#diskfills"}
      - alert: Watchdog
        expr: vector(1)
        labels: {severity: none}
        annotations: {summary: s, runbook_url: "docs/alerts.md#watchdog"}
"""
}


def rules(changes: t.Any, runbooks: str = "docs/alerts.md") -> dict[str, t.Any]:
    found = alert_rules(FILES, changes, runbooks)
    assert found["problem"] == ""
    groups = yaml.safe_load(found["files"]["host"])["groups"]
    assert found["alerts"] == [rule["alert"] for group in groups for rule in group["rules"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_without_changes_all_is_as_in_the_files() -> None:
    assert list(rules({}).values()) == yaml.safe_load(FILES["host"])["groups"][0]["rules"]
    assert FilterModule().filters() == {"alert_rules": alert_rules}


def test_a_site_changes_what_it_wants() -> None:
    change = {"DiskFills": {"for": "10m", "severity": "critical", "labels": {"team": "night"}, "expr": "free < 2"}}
    found = rules(change, "https://wiki.example.com/alerts")
    assert found["DiskFills"]["for"] == "10m" and found["DiskFills"]["expr"] == "free < 2"
    assert found["DiskFills"]["labels"] == {"severity": "critical", "needs": "disk", "team": "night"}
    assert found["DiskFills"]["annotations"]["runbook_url"] == "https://wiki.example.com/alerts#diskfills"


def test_an_alert_is_left_out() -> None:
    assert list(rules({"DiskFills": None})) == ["Watchdog"]


@pytest.mark.parametrize(
    "changes,says",
    [
        ({"DiscFills": None}, "DiscFills"),
        ({"Watchdog": None}, "Watchdog"),
        ({"Watchdog": {"for": "1h"}}, "Watchdog"),
        ({"DiskFills": {"fro": "1h"}}, "DiskFills"),
        ({"DiskFills": "off"}, "DiskFills"),
        ({"DiskFills": {"for": 10}}, "for: 10"),
        ({"DiskFills": {"severity": "page"}}, "severity page"),
        ({"DiskFills": {"labels": {"severity": "page"}}}, "severity page"),
        ({"DiskFills": {"labels": "night"}}, "the labels 'night'"),
        (["DiskFills"], "no dictionary"),
    ],
)
def test_what_means_nothing_is_refused(changes: t.Any, says: str) -> None:
    found = alert_rules(FILES, changes)
    assert says in found["problem"] and found["files"] == {} and found["alerts"] == []

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Alertmanager posts: one group is one incident, which is noted and never closed by itself."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import alerts, desk, records
from unit.plugins.plugin_utils.service.site import BEGIN, MINUTE, Site

BOOK = "https://example.com/alerts.md#databasedown"


def alert(name: str, status: str = "firing", severity: str = "critical", at: str = "11:58", **more: str) -> t.Any:
    return {
        "status": status,
        "labels": {"alertname": name, "severity": severity, "instance": "portal-prod"},
        "annotations": {"summary": f"{name} says something", "runbook_url": BOOK, **more},
        "startsAt": f"2026-11-28T{at}:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": f"f-{name}",
    }


def post(*found: t.Any, group: str = '{}:{service="database"}') -> str:
    """As version 4 of the webhook writes it."""
    status = "firing" if any(each["status"] == "firing" for each in found) else "resolved"
    return json.dumps({"version": "4", "groupKey": group, "status": status, "receiver": "desk", "alerts": list(found)})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def take(site: Site, text: str) -> int:
    """The number of lines that the message adds."""
    wish = alerts.wish_of(alerts.payload(text), site.records)
    lines = desk.lines_for(site.records, site.plan, wish)[1] if wish else []
    for kind, fields in lines:
        records.add(site.path, kind, fields)
    return len(lines)


def test_a_group_opens_one_incident_and_what_is_new_is_noted(site: Site) -> None:
    assert take(site, post(alert("DatabaseDown"), alert("WebSlow", severity="warning"))) == 1
    (found,) = site.records.incidents
    assert (found.title, found.kind) == ("DatabaseDown says something (and 1 more alert)", "critical")
    assert found.began == pytest.approx(BEGIN - 2 * MINUTE, abs=1)
    assert found.notes[0].text.startswith(f"DatabaseDown on portal-prod fires: DatabaseDown says something ({BOOK}).")
    # Alertmanager says it again every few hours.
    assert take(site, post(alert("DatabaseDown"), alert("WebSlow", severity="warning"))) == 0
    assert take(site, post(alert("DatabaseDown"), alert("DiskFull"))) == 1
    (found,) = site.records.incidents
    assert found.news is not None and found.news.text.startswith("DiskFull on portal-prod fires")
    assert "DatabaseDown" not in found.news.text


def test_resolved_is_noted_and_closes_nothing_and_the_next_time_is_news(site: Site) -> None:
    take(site, post(alert("DatabaseDown")))
    assert take(site, post(alert("DatabaseDown", "resolved"))) == 1
    assert take(site, post(alert("DatabaseDown", "resolved"))) == 0
    (found,) = site.records.incidents
    assert found.is_open and found.news is not None
    assert found.news.text.endswith("See whether people can work, then close the incident.")
    assert take(site, post(alert("DatabaseDown", at="12:30"))) == 1
    site.wish("close", cause="a", cure="b")
    assert take(site, post(alert("DatabaseDown", "resolved", at="12:30"))) == 0
    assert take(site, post(alert("DatabaseDown", at="13:30"))) == 1
    assert [each.is_open for each in site.records.incidents] == [False, True]


def test_a_critical_alert_that_joins_makes_a_normal_incident_critical(site: Site) -> None:
    take(site, post(alert("MailStuck", severity="warning")))
    assert take(site, post(alert("MailStuck", severity="warning"), alert("DiskFull"))) == 1
    (found,) = site.records.incidents
    assert found.kind == "critical" and found.news is not None
    assert found.news.text.endswith("The incident is critical from now on.")
    # Once only, and it does not become normal again.
    assert take(site, post(alert("MailStuck", severity="warning"), alert("DiskFull"))) == 0
    take(site, post(alert("MailStuck", severity="warning"), alert("DiskFull", "resolved")))
    assert site.records.incidents[0].kind == "critical"


def test_two_groups_are_two_incidents_and_a_heartbeat_is_none(site: Site) -> None:
    assert take(site, post(alert("DatabaseDown"))) == 1
    assert take(site, post(alert("MailStuck", severity="warning"), group="{}:{service='mail'}")) == 1
    assert take(site, post(alert("Watchdog", severity="none"), group="{}:{service='alerting'}")) == 0
    assert take(site, post(alert("Over", "resolved"), group="{}:{service='other'}")) == 0
    assert [(each.title, each.kind) for each in site.records.incidents] == [
        ("DatabaseDown says something", "critical"), ("MailStuck says something", "normal"),
    ]  # fmt: skip


def test_a_site_may_open_for_critical_alerts_alone(site: Site) -> None:
    found = alerts.payload(post(alert("MailStuck", severity="warning")))
    assert alerts.wish_of(found, site.records, severities=("critical",)) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "are no JSON"),
        ("[]", "no groupKey and no list of alerts"),
        ('{"groupKey": "", "alerts": []}', "no groupKey and no list of alerts"),
        ('{"groupKey": "x", "alerts": [{"status": "firing"}]}', "One of the alerts has no labels"),
    ],
)
def test_what_alertmanager_has_not_written_is_refused(text: str, message: str) -> None:
    with pytest.raises(BoxliftError, match=message) as refused:
        alerts.payload(text)
    assert "version 4" in refused.value.remedy


def test_a_time_that_is_none_is_left_out(site: Site) -> None:
    for begin in ("0001-01-01T00:00:00Z", "yesterday", ""):
        found = alert("DatabaseDown")
        found["startsAt"] = begin
        wish = alerts.wish_of(alerts.payload(post(found)), site.records)
        assert wish is not None and wish.began is None

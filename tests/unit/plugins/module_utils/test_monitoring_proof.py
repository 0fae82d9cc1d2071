# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring_proof import Page, Wanted, problems_of, prove

PROMETHEUS = "http://prometheus"
PAGE = Page("mysqld", "http://mysqld", ("^mysql_up 1$",), ("^mysql_exporter_collector_success.* 0$",))
WANTED = Wanted((PAGE,), PROMETHEUS, ("Watchdog", "DiskFills"), ("node/a", "prometheus/a"))


def target(job: str, health: str = "up", error: str = "") -> dict[str, t.Any]:
    return {"labels": {"job": job, "host": "a"}, "health": health, "scrapeUrl": f"http://{job}", "lastError": error}


class Site:
    """Pages, and what Prometheus says."""

    def __init__(self) -> None:
        self.page = "mysql_up 1\nmysql_exporter_collector_success 1\n"
        rules = [{"name": name, "health": "ok"} for name in ("DiskFills", "Watchdog")]
        self.data: dict[str, t.Any] = {
            "rules?type=alert": {"groups": [{"rules": rules}]},
            "targets?state=active": {"activeTargets": [target("node"), target("prometheus")]},
            "alertmanagers": {"activeAlertmanagers": [{"url": "x"}]},
        }
        self.down: set[str] = set()
        self.status = "success"

    def fetch(self, url: str) -> str:
        if url in self.down:
            raise ConnectionRefusedError("nobody there")
        if url == PAGE.url:
            return self.page
        name = url[len(f"{PROMETHEUS}/api/v1/") :]
        return json.dumps({"status": self.status, "data": copy.deepcopy(self.data[name])})

    def problem(self) -> str:
        found = problems_of(WANTED, self.fetch)
        assert len(found) == 1, found
        return found[0]


@pytest.fixture
def site() -> Site:
    return Site()


def test_all_is_watched(site: Site) -> None:
    assert problems_of(WANTED, site.fetch) == []


def test_only_pages_are_asked_where_there_is_no_prometheus(site: Site) -> None:
    site.data.clear()
    assert problems_of(WANTED._replace(prometheus=""), site.fetch) == []


def test_an_exporter_that_may_not_look(site: Site) -> None:
    site.page = 'mysql_up 1\nmysql_exporter_collector_success{collector="slave_status"} 0\n'
    assert site.problem() == 'mysqld shows mysql_exporter_collector_success{collector="slave_status"} 0'


def test_an_exporter_that_says_the_service_is_down(site: Site) -> None:
    site.page = "mysql_up 0\n"
    assert site.problem() == "mysqld does not show ^mysql_up 1$, but mysql_up 0"


def test_an_empty_page_is_no_proof(site: Site) -> None:
    site.page = ""
    assert site.problem() == "mysqld does not show ^mysql_up 1$"


def test_an_exporter_that_does_not_answer(site: Site) -> None:
    site.down = {PAGE.url}
    assert site.problem() == "mysqld does not answer at http://mysqld: nobody there"


def test_prometheus_without_rules_says_success(site: Site) -> None:
    site.data["rules?type=alert"] = {"groups": []}
    assert site.problem() == "Prometheus has not loaded DiskFills, Watchdog: 0 of 2 rules"


def test_a_rule_of_yesterday(site: Site) -> None:
    site.data["rules?type=alert"]["groups"][0]["rules"].append({"name": "Old", "health": "ok"})
    assert site.problem() == "Prometheus still has Old"


def test_a_rule_that_fails(site: Site) -> None:
    site.data["rules?type=alert"]["groups"][0]["rules"][0].update(health="err", lastError="many-to-many")
    assert site.problem() == "the rule DiskFills fails: many-to-many"


def test_a_host_that_is_not_reached(site: Site) -> None:
    site.data["targets?state=active"]["activeTargets"][0] = target("node", "down", "connection refused")
    assert site.problem() == "Prometheus does not reach node/a at http://node: connection refused"
    site.data["targets?state=active"]["activeTargets"][0] = target("node", "unknown")
    assert site.problem().endswith("not asked yet")


def test_a_host_that_is_not_asked(site: Site) -> None:
    del site.data["targets?state=active"]["activeTargets"][0]
    assert site.problem() == "Prometheus does not ask node/a"


def test_no_alertmanager(site: Site) -> None:
    site.data["alertmanagers"]["activeAlertmanagers"] = []
    assert site.problem() == "Prometheus knows no Alertmanager"


def test_an_answer_that_is_none(site: Site) -> None:
    site.status = "error"
    assert site.problem().startswith(f"Prometheus does not answer at {PROMETHEUS}")


def test_it_waits_for_the_proof_and_not_for_ever(site: Site) -> None:
    moments = [0.0]

    def sleep(seconds: float) -> None:
        moments[0] += seconds
        if moments[0] == 3:
            site.down = set()

    site.down = {PAGE.url}
    assert prove(WANTED, site.fetch, lambda: moments[0], sleep, 10) == 4
    site.page = ""
    with pytest.raises(BoxliftError, match="After 10 s") as caught:
        prove(WANTED, site.fetch, lambda: moments[0], sleep, 10)
    assert "mysqld does not show" in caught.value.message and moments[0] == 13

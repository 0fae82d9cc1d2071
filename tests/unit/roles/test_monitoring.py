# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules, cases and runbooks have the same alerts; what cannot go well is refused; files say what their reader wants."""

from __future__ import annotations

import re
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from unit.roles import rendering

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles/monitoring"
sys.path.insert(0, str(ROOT / "molecule/monitoring/tests"))

import alert_tests  # noqa: E402 (it lies with the scenario)

RULES = alert_tests.rules()
#: Alerts that say, for each group of rules, that the figures of the others are missing.
GUARDS = {
    "host": {"HostUnwatched", "TextfileMissing"},
    "database": {"DatabaseUnwatched", "ReplicaMissing"},
    "cache": {"CacheUnwatched"},
    "web": {"PortalUnwatched", "CertificateUnknown", "WebServerUnwatched", "PhpUnwatched", "PhpDown"},
    "balancer": {"BalancerUnwatched", "BalancerDown"},
    "backup": {"BackupMissing", "BackupFiguresOld", "DrillMissing"},
    "service": {"ChecksMissing", "ChecksOld"},
    "alerting": {"HeartbeatMissing", "AlertmanagerDown"},
}
SITE: dict[str, t.Any] = {
    "ansible_facts": {
        "distribution": "Debian",
        "distribution_major_version": "12",
        "all_ipv4_addresses": ["192.0.2.10"],
        "all_ipv6_addresses": [],
    },
    "ansible_check_mode": False,
    "ansible_host": "192.0.2.10",
    "inventory_hostname": "portal",
    "groups": {name: ["portal"] for name in ("production", "web", "database", "cache", "monitoring")},
    "hostvars": {"portal": {"ansible_host": "192.0.2.10"}},
    "site_domain": "portal.example.com",
    "site_alert_receivers": [{"name": "operators", "mail": ["ops@example.com"]}],
    "portal_mail_relay": "mail.example.com",
    "monitoring_heartbeat_to": ["second@example.com"],
    "__monitoring_redis_account": {"matched": 1},
    "__monitoring_rules": {"problem": "", "files": {"host": ""}, "alerts": []},
}
APART: dict[str, t.Any] = {
    "inventory_hostname": "watcher",
    "ansible_host": "192.0.2.50",
    "groups": {**SITE["groups"], "monitoring": ["watcher"]},
    "hostvars": {"portal": {"ansible_host": "192.0.2.10"}, "watcher": {"ansible_host": "192.0.2.50"}},
}


def rendered(template: str, **given: t.Any) -> t.Any:
    return rendering.rendered(ROLE, template, {**SITE, **given})


def problems(**given: t.Any) -> list[str]:
    found = rendered("{{ __monitoring_problems | selectattr('found') | map(attribute='text') | list }}", **given)
    assert "canary" not in str(found)
    return [str(text) for text in found]


def written(name: str, **given: t.Any) -> t.Any:
    return yaml.safe_load(rendered((ROLE / "templates" / name).read_text(), **given))


@pytest.mark.parametrize(
    ("web", "database", "replicated"),
    [(["a"], ["a"], False), (["a", "b"], ["a", "b"], False), (["w"], ["a"], False), (["w"], ["a", "b"], True)],
)
def test_hosts_that_are_each_a_site_have_no_primary(web: list[str], database: list[str], replicated: bool) -> None:
    groups = {"production": sorted({*web, *database}), "web": web, "database": database}
    assert rendered("{{ __monitoring_replicated }}", inventory_hostname="a", groups=groups) is replicated


@pytest.mark.parametrize("alert", sorted(RULES))
def test_an_alert_says_what_whom_and_what_to_do(alert: str) -> None:
    rule = RULES[alert]
    severity = rule["labels"]["severity"]
    assert severity in ("critical", "warning") or alert == "Watchdog"
    said = rule["annotations"]["summary"] + rule["annotations"]["description"]
    assert "$labels.host" in said or alert in ("Watchdog", "HeartbeatMissing")
    assert "$labels.store" in said or "boxlift_backup_bytes" not in rule["expr"]
    assert "$labels.store" not in said or "boxlift_drill_" not in rule["expr"], "a drill's figures name no store"
    assert rule["annotations"]["runbook_url"] == f"docs/alerts.md#{alert.lower()}"


def test_increments_which_begin_small_after_each_full_copy_have_not_shrunk() -> None:
    selectors = re.findall(r"boxlift_backup_bytes(?:\{([^}]*)\})?", RULES["BackupShrunk"]["expr"])
    assert selectors == ['part!="database_incremental"'] * 2


def test_a_store_of_the_first_week_need_not_have_been_read_as_a_whole() -> None:
    _ratio, _and, young = RULES["BackupUnverified"]["expr"].partition(" and on (host, store) ")
    assert young == "time() - boxlift_backup_oldest_good_timestamp_seconds > 7 * 86400"


def test_the_weekly_removal_of_old_copies_which_locks_the_store_is_no_alarm() -> None:
    assert alert_tests.seconds(RULES["StoreLocked"].get("for", "0s")) >= 3600


def test_every_alert_has_a_case_and_a_part_of_the_page() -> None:
    assert set(alert_tests.cases()) == set(RULES)
    headings = re.findall(r"^### (\S+)$", (ROOT / "docs/alerts.md").read_text(), re.MULTILINE)
    assert headings == list(dict.fromkeys(headings)) and set(headings) == set(RULES)


def test_every_group_notices_that_its_figures_are_gone() -> None:
    files = {path.stem: yaml.safe_load(path.read_text())["groups"] for path in (ROLE / "files/rules").glob("*.yml")}
    assert files.keys() == GUARDS.keys()
    for name, groups in files.items():
        alerts = {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}
        assert GUARDS[name] <= alerts.keys()
        for guard in GUARDS[name]:
            assert re.search(r"absent|unless|up\{job[^}]*\} == 0|time\(\)", alerts[guard]), guard


def test_a_test_looks_before_and_after_and_between() -> None:
    for name, rule in RULES.items():
        looks = alert_tests.test_of(name, rule, alert_tests.cases()[name])["promql_expr_test"]
        fires = [bool(look["exp_samples"]) for look in looks]
        assert (fires[0], fires[-2], fires[-1]) == (False, True, False) or name == "Watchdog", name


def test_one_host_is_enough() -> None:
    assert problems() == []
    assert problems(**APART, **{"ansible_facts": {**SITE["ansible_facts"], "all_ipv4_addresses": ["192.0.2.50"]}}) == []


@pytest.mark.parametrize(
    "given,says",
    [
        ({"ansible_facts": {**SITE["ansible_facts"], "distribution_major_version": "11"}}, "Debian_11"),
        ({"groups": {**SITE["groups"], "monitoring": []}, "monitoring_heartbeat_to": []}, "Nobody would ask"),
        (
            {"groups": {**SITE["groups"], "monitoring": ["portal", "b"]}, "hostvars": {"b": {}, **SITE["hostvars"]}},
            "Leave one",
        ),
        ({"site_alert_receivers": []}, "Nobody would hear of an alert"),
        ({"site_alert_receivers": [{"name": "night"}]}, "names night without"),
        ({"site_alert_receivers": [{"name": "night", "mail": [], "webhook": ""}]}, "names night without"),
        ({"site_alert_receivers": [{"name": "heartbeat", "webhook": "https://canary/"}]}, "name twice"),
        (
            {"site_alert_receivers": [{"name": "a", "webhook": "https://canary/", "severities": ["page"]}]},
            "severities page",
        ),
        ({"portal_mail_relay": "", "monitoring_heartbeat_relay": "x"}, "there is no relay"),
        ({"portal_mail_relay": "mail.example.com:25"}, "mail.example.com:25 is no name or address"),
        ({"monitoring_heartbeat_relay": {"host": "mail.example.com"}}, "is no name or address"),
        ({"portal_mail_tls": "tls"}, "port 587"),
        ({"monitoring_interval": "soon"}, "monitoring_interval is soon"),
        ({"__monitoring_rules": {"problem": "monitoring_rules names X."}}, "monitoring_rules names X"),
        ({"site_monitoring_from": ["203.0.113.5"]}, "shorter than 16"),
        ({"site_monitoring_from": ["203.0.113.5"], "site_monitoring_password": "canary"}, "shorter than 16"),
        (
            {
                "site_monitoring_from": ["10.0.0.1"],
                "site_monitoring_password": "c" * 16,
                "monitoring_address": "10.1.1.1",
            },
            "10.1.1.1",
        ),
        ({"__monitoring_redis_account": {"matched": 0}}, "cache_configure"),
        ({"monitoring_heartbeat_to": []}, "the alerting itself has died"),
        ({"monitoring_heartbeat_seconds": "90"}, "less than two heartbeats"),
        (
            {
                "groups": {**SITE["groups"], "heartbeat": ["copy"], "preproduction": ["copy"]},
                "inventory_hostname": "copy",
                "hostvars": {**SITE["hostvars"], "copy": {"ansible_host": "192.0.2.10"}},
            },
            "reaches nobody",
        ),
    ],
)
def test_what_cannot_go_well_is_refused(given: dict[str, t.Any], says: str) -> None:
    found = problems(**given)
    assert len(found) == 1 and says in found[0], found


def test_alertmanager_is_told_whom_to_tell() -> None:
    receivers = [
        {"name": "operators", "mail": ["a@example.com", "b@example.com"]},
        {
            "name": "desk",
            "webhook": "https://desk.example.com/x",
            "webhook_token": "canary",
            "severities": ["critical"],
        },
    ]
    found = written("alertmanager.yml.j2", site_alert_receivers=receivers, portal_mail_user="portal")
    by_name = {receiver["name"]: receiver for receiver in found["receivers"]}
    assert [mail["to"] for mail in by_name["operators"]["email_configs"]] == ["a@example.com", "b@example.com"]
    assert by_name["desk"]["webhook_configs"][0]["http_config"] == {"authorization": {"credentials": "canary"}}
    assert found["route"]["receiver"] == "nobody" and by_name["nobody"] == {"name": "nobody"}
    routes = [(route["receiver"], *route["matchers"], route["repeat_interval"]) for route in found["route"]["routes"]]
    assert routes == [
        ("heartbeat", "alertname = Watchdog", "60s"),
        ("operators", "severity = critical", "4h"),
        ("operators", "severity = warning", "24h"),
        ("desk", "severity = critical", "4h"),
    ]
    assert found["global"]["smtp_require_tls"] is True and found["global"]["smtp_auth_username"] == "portal"
    assert by_name["heartbeat"]["webhook_configs"] == [
        {"url": "http://127.0.0.1:9146/heartbeat", "send_resolved": False}
    ]


def test_a_severity_without_brackets_is_one_severity() -> None:
    receivers = [{"name": "night", "mail": "a@example.com", "severities": "critical"}]
    assert problems(site_alert_receivers=receivers) == []
    routes = written("alertmanager.yml.j2", site_alert_receivers=receivers)["route"]["routes"]
    assert [route["matchers"] for route in routes[1:]] == [["severity = critical"]]


def test_one_address_of_the_heartbeat_is_one_address() -> None:
    found = written("heartbeat.json.j2", monitoring_heartbeat_to="second@example.com")
    assert found["mail"]["to"] == ["second@example.com"]


def test_what_inhibits_is_an_alert() -> None:
    rules = written("alertmanager.yml.j2")["inhibit_rules"]
    named = {
        name for rule in rules for each in rule.values() for text in each for name in re.findall(r"[A-Z]\w+", text)
    }
    assert named <= set(RULES)


def test_a_dead_host_hides_the_portal_s_alerts_only_where_the_portal_rests_on_it() -> None:
    groups = {**SITE["groups"], "production": ["portal", "db", "phones"], "database": ["db"], "telephony": ["phones"]}
    hostvars = {name: {"ansible_host": name} for name in groups["production"]}
    rules = written("alertmanager.yml.j2", groups=groups, hostvars=hostvars)["inhibit_rules"]
    sources = [rule["source_matchers"] for rule in rules if rule["target_matchers"] == ["needs = database"]]
    dead = [source[1:] for source in sources if any("HostDown" in each for each in source)]
    assert dead == [['host = "db"'], ['host = "portal"']]


def test_another_host_is_asked_over_tls_and_by_its_own_certificate() -> None:
    found = written("prometheus.yml.j2", **APART)
    jobs = {job["job_name"]: job for job in found["scrape_configs"]}
    remote = jobs["mysqld/portal"]
    assert (remote["scheme"], remote["static_configs"][0]["targets"]) == ("https", ["192.0.2.10:9443"])
    assert remote["tls_config"]["ca_file"] == "/etc/boxlift-monitoring/peers/portal.pem"
    assert remote["tls_config"]["server_name"] == "portal" and "insecure_skip_verify" not in remote["tls_config"]
    assert jobs["node/watcher"]["static_configs"][0]["targets"] == ["127.0.0.1:9146"]
    heartbeat = written("alertmanager.yml.j2", **APART)["receivers"][1]["webhook_configs"][0]
    assert heartbeat["url"] == "https://192.0.2.10:9443/heartbeat"
    sixth = {**APART["hostvars"], "portal": {"ansible_host": "2001:db8::10"}}
    heartbeat = written("alertmanager.yml.j2", **{**APART, "hostvars": sixth})["receivers"][1]["webhook_configs"][0]
    assert heartbeat["url"] == "https://[2001:db8::10]:9443/heartbeat"


def test_who_listens_for_the_heartbeat_is_watched() -> None:
    groups = {**APART["groups"], "heartbeat": ["listener", "another"]}
    hostvars = {**APART["hostvars"], "listener": {"ansible_host": "192.0.2.60"}}
    found = written("prometheus.yml.j2", **{**APART, "groups": groups, "hostvars": hostvars})
    jobs = {job["job_name"] for job in found["scrape_configs"]}
    assert "node/listener" in jobs and "node/another" not in jobs and "mysqld/listener" not in jobs


def test_a_replica_is_expected_where_mariadb_is_asked() -> None:
    template = (ROLE / "templates/expected.prom.j2").read_text()
    groups = {**SITE["groups"], "production": ["portal", "second"], "database": ["second"]}
    given: dict[str, t.Any] = {"groups": groups, "monitoring_expects": ["backup", "replica"]}
    found = {
        host: re.findall(r'what="(\w+)"', rendered(template, **given, inventory_hostname=host))
        for host in groups["production"]
    }
    assert found == {"portal": ["backup", "monitoring"], "second": ["monitoring", "replica"]}


def test_the_endpoint_is_closed_where_nobody_asks() -> None:
    template = (ROLE / "templates/nginx.conf.j2").read_text()
    assert "9443" not in rendered(template)
    opened = rendered(template, groups=APART["groups"], hostvars=APART["hostvars"])
    assert "listen 192.0.2.10:9443 ssl;" in opened and "ssl_verify_client optional;" in opened
    assert "ssl_verify_client" not in rendered(template, site_monitoring_from=["203.0.113.5"])


def test_the_page_says_how_a_prometheus_of_the_sites_own_gets_the_figures() -> None:
    """The certificate is for the inventory's name, and the rules go by the names of the jobs."""
    page = (ROOT / "docs/monitoring.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    block = next(each for each in blocks if each.startswith("scrape_configs"))
    (job,) = yaml.safe_load(block)["scrape_configs"]
    labels = job["static_configs"][0]["labels"]
    assert job["tls_config"]["server_name"] == labels["host"] == labels["instance"]
    assert job["metrics_path"] == f"/metrics/{job['job_name']}"
    told = set(re.findall(r"`/metrics/(\w+)`", page))
    texts = [path.read_text() for path in (ROLE / "files/rules").glob("*.yml") if path.stem != "alerting"]
    asked = set(re.findall(r'job=~?"([a-z|]+)"', "".join(texts)))
    assert {name for each in asked for name in each.split("|")} <= told
    # What would fire for ever without the alerting of this collection.
    alone = (ROLE / "files/rules/alerting.yml").read_text()
    assert 'absent(up{job="alertmanager"})' in alone and "but for `alerting.yml`" in page

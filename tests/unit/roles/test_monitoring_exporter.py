# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role monitoring writes for boxlift-exporter and boxlift-status is what these read; what is wrong is refused."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.settings import read_settings
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.status_settings import read_status_settings
from unit.roles import test_monitoring as role

TEMPLATES = role.ROLE / "templates"


def rendered(name: str, **given: t.Any) -> str:
    # Here nobody knows where a template lies, and what it could include.
    included = (TEMPLATES / "exporter-sandbox.j2").read_text()
    text = (TEMPLATES / name).read_text().replace("{% include 'exporter-sandbox.j2' %}", included)
    found = role.rendered(text, **given)
    return found if isinstance(found, str) else json.dumps(found)


def written(folder: Path, name: str, **given: t.Any) -> str:
    path = folder / "settings.json"
    path.write_text(rendered(name, **given))
    return str(path)


def test_the_exporters_settings(tmp_path: Path) -> None:
    found = read_settings(written(tmp_path, "exporter-settings.json.j2"))
    assert found.portal is not None and found.portal.base_url == "https://portal.example.com"
    assert (found.portal.document_root, found.portal.ca_path, found.portal.push) == ("/srv/portal/www", "", True)
    assert (found.disks, found.connector_url) == (("/", "/var", "/srv"), "")


def test_what_is_given_as_text_stands(tmp_path: Path) -> None:
    given = {"monitoring_exporter_push": "false", "site_ca_path": "/ca.pem", "monitoring_exporter_disks": ["/srv"]}
    found = read_settings(written(tmp_path, "exporter-settings.json.j2", **given))
    assert found.portal is not None and not found.portal.push and found.disks == ("/srv",)
    assert found.portal.ca_path == "/etc/boxlift-exporter/ca.pem"


def test_a_telephony_host_has_no_portal_and_a_connector(tmp_path: Path) -> None:
    groups = {**role.SITE["groups"], "production": ["portal", "pbx"], "telephony": ["pbx"]}
    given = {"inventory_hostname": "pbx", "groups": groups, "call_connector_metrics_port": "9791"}
    found = read_settings(written(tmp_path, "exporter-settings.json.j2", **given))
    assert found.portal is None and found.connector_url == "http://127.0.0.1:9791/metrics"


def test_the_pages_settings(tmp_path: Path) -> None:
    found = read_status_settings(written(tmp_path, "status-settings.json.j2", site_timezone="Asia/Yekaterinburg"))
    assert (found.site, found.timezone) == ("portal.example.com", "Asia/Yekaterinburg")
    assert found.page == "/var/lib/boxlift-status/index.html" and found.expects == ("backup", "drill", "health")
    # What only some sites have is no matter of the page.
    more = written(tmp_path, "status-settings.json.j2", monitoring_expects=["health", "replica"])
    assert read_status_settings(more).expects == ("health",)


def test_the_quick_checks_have_no_rights() -> None:
    quick = rendered("exporter-quick.service.j2").splitlines()
    assert {"User=boxlift-exporter", "CapabilityBoundingSet=", "SupplementaryGroups=portal"} <= set(quick)
    assert {"ProtectSystem=strict", "NoNewPrivileges=yes", "ReadWritePaths=/var/lib/boxlift-exporter"} <= set(quick)
    elsewhere = rendered("exporter-quick.service.j2", groups={**role.SITE["groups"], "web": []}).splitlines()
    assert "SupplementaryGroups=portal" not in elsewhere


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"monitoring_exporter_nightly_time": "4:40"}, "monitoring_exporter_nightly_time"),
        ({"monitoring_page_passwords": {"anna": "canary"}}, "monitoring_page_passwords"),
        ({"monitoring_page_passwords": {"an:na": "canary canary canary"}}, "monitoring_page_passwords"),
        ({"monitoring_page_networks": ["all"]}, "monitoring_page_networks"),
    ],
)
def test_what_cannot_go_well_is_refused(given: dict[str, t.Any], named: str) -> None:
    (told,) = role.problems(**given)
    assert told.startswith(f"{named} ")

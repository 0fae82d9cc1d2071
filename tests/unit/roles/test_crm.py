# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that role crm writes are those that boxlift-crm reads; what cannot go well is refused."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.settings import Settings, read_settings
from unit.roles import rendering

ROLE = Path(__file__).resolve().parents[3] / "roles/crm"
SITE: dict[str, t.Any] = {
    "ansible_facts": {"distribution": "Debian", "os_family": "Debian"},
    "site_crm_box_webhook": "https://portal.example.com/rest/1/canary1/",
}


def rendered(template: str, **given: t.Any) -> t.Any:
    return rendering.rendered(ROLE, template, {**SITE, **given})


def settings(folder: Path, **given: t.Any) -> Settings:
    content = rendered((ROLE / "templates/settings.json.j2").read_text(), **given)
    path = folder / "settings.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_settings(str(path))


def problems(**given: t.Any) -> list[str]:
    found = rendered("{{ __crm_problems | selectattr('found') | map(attribute='text') | list }}", **given)
    assert "canary" not in str(found)
    return [str(text).split()[0] for text in found]


def test_a_webhook_is_enough(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found.portal("box").webhook == SITE["site_crm_box_webhook"] and found.portal("box").ca_file == ""
    assert (found.portals["cloud"].webhook, found.store_key_file, found.files) == ("", "", False)
    assert found.store_path("box") == "/var/lib/boxlift-crm/box.sqlite"
    assert problems() == []


def test_what_is_given_as_text_stands(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        site_crm_cloud_webhook="https://acme.example/rest/7/canary2/",
        site_ca_path="/nowhere/ca.pem",
        site_crm_store_key="ab" * 32,
        crm_rate_share="0.25",
        crm_files="true",
        crm_kinds=["lead"],
        crm_keep_days="9",
        crm_thresholds={"lead": {"deleted": 2}},
    )
    assert found.portal("cloud").ca_file == "/etc/boxlift-crm/ca.pem" and found.portal("cloud").rate_share == 0.25
    assert (found.files, found.kinds, found.keep["daily"]) == (True, ["lead"], 9)
    assert found.thresholds == {"lead": {"deleted": 2}}
    assert found.store_key_file == "/etc/boxlift-crm/store.key"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"ansible_facts": {"distribution": "Fedora", "os_family": "RedHat"}}, "The"),
        ({"site_crm_box_webhook": ""}, "crm_box_webhook"),
        ({"site_crm_box_webhook": "https://portal.example.com/rest/canary1/"}, "crm_box_webhook"),
        ({"site_crm_cloud_webhook": "http://acme.example/rest/1/canary2/"}, "crm_cloud_webhook"),
        ({"site_crm_store_key": "canary"}, "crm_store_key"),
        ({"crm_rate_share": 0}, "crm_rate_share"),
        ({"crm_rate_share": "1.5"}, "crm_rate_share"),
        ({"crm_nightly_time": "2:30"}, "crm_nightly_time"),
        ({"crm_nightly_time": 9000}, "crm_nightly_time"),  # what YAML makes of 2:30 without quotes
        ({"crm_keep_days": 0}, "crm_keep_days,"),
    ],
)
def test_what_cannot_go_well_is_refused(given: dict[str, t.Any], named: str) -> None:
    assert problems(**given) == [named]


def test_the_unit_writes_into_its_folder_alone() -> None:
    unit = str(rendered((ROLE / "templates/boxlift-crm.service.j2").read_text(), crm_dir="/srv/crm"))
    assert "ReadWritePaths=/srv/crm\n" in unit and "User=boxlift-crm\n" in unit and "ProtectSystem=strict\n" in unit
    assert "rest" not in unit.partition("[Service]")[2].lower().replace("restart", "").replace("restrict", "")

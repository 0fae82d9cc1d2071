# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that role call_connector writes are those that the program reads, and follow from role telephony's."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.settings import Settings, read_settings
from unit.roles import rendering

ROLE = Path(__file__).resolve().parents[3] / "roles/call_connector"
SITE: dict[str, t.Any] = {
    "ansible_facts": {
        "hostname": "pbx",
        "distribution": "Debian",
        "os_family": "Debian",
        "getent_group": {"asterisk": ["x", "114", ""]},
    },
    "ansible_check_mode": False,
    "site_telephony_webhook": "https://portal.example/rest/1/CODE/",
    "site_telephony_fallback_user": "12",
    "telephony_ami_events_password": "a",
    "telephony_ami_originate_password": "b",
    "telephony_trunks": [{"name": "carrier"}, {"name": "second"}],
    "telephony_lines": [
        {"number": "+74951000001", "to": "101", "aliases": ["84951000001"]},
        {"number": "+74951000002", "to": "600"},
    ],
}


def rendered(template: str, **given: t.Any) -> t.Any:
    return rendering.rendered(ROLE, template, {**SITE, **given})


def settings(folder: Path, **given: t.Any) -> Settings:
    content = rendered((ROLE / "templates/settings.json.j2").read_text(), **given)
    path = folder / "settings.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_settings(str(path))


def problems(**given: t.Any) -> list[str]:
    found = rendered("{{ __call_connector_problems | selectattr('found') | map(attribute='text') | list }}", **given)
    return [str(text).split()[0] for text in found]


def test_the_exchanges_own_variables_are_enough(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found.exchange.host == "pbx" and found.wording.fallback_user == 12
    assert found.exchange.trunks == {"carrier": "+74951000001", "second": "+74951000001"}
    assert found.exchange.lines == {
        "+74951000001": "+74951000001",
        "74951000001": "+74951000001",
        "84951000001": "+74951000001",
        "+74951000002": "+74951000002",
        "74951000002": "+74951000002",
    }
    assert (found.ami.user, found.ami.secret) == ("boxlift-events", "a")
    assert found.clicks is None and found.originate is None and found.portal.application is None
    assert problems() == []


def test_another_exchange(tmp_path: Path) -> None:
    """An exchange that others set up: what is given stands, as text or not."""
    application = {"client_id": "i", "client_secret": "s", "refresh_token": "r", "oauth_url": "https://oauth.example/"}
    found = settings(
        tmp_path,
        call_connector_trunks={"provider-*": "+7495"},
        call_connector_recordings="",
        call_connector_show="false",
        call_connector_parallel="4",
        call_connector_host="old-pbx",
        call_connector_click_token="t",
        call_connector_application=application,
    )
    assert found.exchange.trunk_of("PJSIP/provider-7-00000001") == "+7495" and found.exchange.host == "old-pbx"
    assert (found.recordings, found.wording.show, found.portal.parallel) == (None, False, 4)
    assert found.clicks is not None and found.clicks.channel == "PJSIP/{inner}" and found.clicks.token == "t"
    assert found.originate is not None and found.originate.secret == "b"
    assert found.portal.application is not None and found.portal.application.refresh_token == "r"


@pytest.mark.parametrize(
    "given,named",
    [
        ({"site_telephony_webhook": "http://portal.example/rest/1/CODE/"}, "call_connector_portal_url"),
        ({"site_telephony_fallback_user": 0}, "call_connector_fallback_user"),
        ({"telephony_trunks": []}, "call_connector_trunks"),
        ({"telephony_ami_events_password": ""}, "call_connector_ami_password"),
        ({"call_connector_click_token": "t", "telephony_ami_originate_password": ""}, "call_connector_click_token"),
        ({"call_connector_click_poll": "5"}, "call_connector_click_poll"),
        ({"call_connector_anonymous": "anonymous"}, "call_connector_anonymous"),
        ({"call_connector_anonymous": 0}, "call_connector_anonymous"),
        ({"call_connector_application": {"client_id": "i"}}, "call_connector_application"),
        ({"ansible_facts": {**SITE["ansible_facts"], "getent_group": {"asterisk": None}}}, "There"),
        ({"ansible_facts": {**SITE["ansible_facts"], "os_family": "RedHat"}}, "The"),
    ],
)
def test_what_cannot_go_well_is_refused(given: dict[str, t.Any], named: str) -> None:
    assert problems(**given) == [named]


def test_check_mode_may_come_before_the_exchange() -> None:
    facts = {**SITE["ansible_facts"], "getent_group": {"asterisk": None}}
    assert problems(ansible_facts=facts, ansible_check_mode=True) == []

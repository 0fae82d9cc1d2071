# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that role cluster_web writes are those that boxlift-web reads; who gets what, and what is refused."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.settings import Settings, read_settings
from unit.roles import rendering

ROLE = Path(__file__).resolve().parents[3] / "roles/cluster_web"
SITE: dict[str, t.Any] = {
    "ansible_facts": {"distribution": "Debian", "distribution_major_version": "12"},
    "inventory_hostname": "web2",
    "groups": {"web": ["web1", "web2", "copy"], "production": ["db", "web2", "web1"]},
    "cluster_web_lead": "web1",
    "hostvars": {"web1": {"site_address": "192.0.2.1", "ansible_host": "c-web1"}, "web2": {}},
}


def rendered(template: str, **given: t.Any) -> t.Any:
    return rendering.rendered(ROLE, template, {**SITE, **given})


def settings(folder: Path, **given: t.Any) -> Settings:
    content = rendered((ROLE / "templates/settings.json.j2").read_text(), **given)
    path = folder / "settings.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_settings(str(path))


def test_who_is_who(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert (found.host, found.hosts, found.lead, found.leads) == ("web2", ["web1", "web2"], "web1", False)
    assert (found.lead_address, found.lead_port, found.database_host) == ("192.0.2.1", 22, "localhost")
    assert found.share == "/srv/portal/share"
    assert settings(tmp_path, inventory_hostname="web1").leads


def test_how_the_lead_is_reached_without_an_address_of_its_own(tmp_path: Path) -> None:
    ssh = {"web1": {"ansible_host": "192.0.2.9", "ansible_port": "2222"}}
    found = settings(tmp_path, hostvars=ssh)
    assert (found.lead_address, found.lead_port) == ("192.0.2.9", 2222)
    assert settings(tmp_path, hostvars={"web1": {}}).lead_address == "web1"


@pytest.mark.parametrize(
    ("host", "web", "several"),
    [("web1", ["web1"], False), ("web1", ["web1", "web2"], True), ("copy", ["web1", "web2", "copy"], False)],
)
def test_one_web_host_gets_nothing(host: str, web: list[str], several: bool) -> None:
    groups = {**SITE["groups"], "web": web, "balancer": ["db"]}
    assert rendered("{{ __cluster_web_several }}", inventory_hostname=host, groups=groups) is several


def test_hosts_without_a_balancer_are_sites_of_their_own() -> None:
    groups = {**SITE["groups"], "web": ["web1", "web2"], "balancer": []}
    assert rendered("{{ __cluster_web_several }}", inventory_hostname="web1", groups=groups) is False


def test_the_lead_brings_no_code() -> None:
    unit = (ROLE / "templates/boxlift-web.service.j2").read_text()
    lead, other = rendered(unit, inventory_hostname="web1"), rendered(unit)
    assert "ExecStart=/usr/local/bin/boxlift-web tell\n" in lead
    assert "ExecStart=/usr/local/bin/boxlift-web code\n" in other
    # What a host says of itself it says also where the code did not come.
    assert "ExecStopPost=/usr/local/bin/boxlift-web tell\n" in other


def test_a_host_that_was_set_aside_does_not_start_again_by_itself() -> None:
    text = rendered("{{ __cluster_web_units | map(attribute='content', default='') | join }}")
    assert "[Unit]\nConditionPathExists=!/etc/boxlift-web/aside" in text
    assert "ConditionPathExists=!/etc/boxlift-web/aside" in rendered(
        (ROLE / "templates/boxlift-web.timer.j2").read_text()
    )


def test_the_key_reads_the_document_root_and_nothing_else() -> None:
    options = rendered("{{ __cluster_web_key_options }}")
    assert options == 'restrict,command="/usr/bin/rrsync -ro /srv/portal/www"'


def test_no_key_is_let_in_unless_all_hosts_were_asked() -> None:
    made = {"__cluster_web_made": {"public_key": "ssh-ed25519 AAAA"}}
    question = "{{ __cluster_web_public_keys | length == __cluster_web_others | length }}"
    assert rendered(question, hostvars={"web1": {}, "web2": made}) is True
    assert rendered(question, hostvars={"web1": {}, "web2": {}}) is False
    assert rendered(question, hostvars={"web1": {}, "web2": {"__cluster_web_made": {"skipped": True}}}) is False


def test_what_cannot_go_well_is_refused() -> None:
    def problems(**given: t.Any) -> list[str]:
        found = rendered("{{ __cluster_web_problems | selectattr('found') | map(attribute='text') | list }}", **given)
        return [str(text).split()[0] for text in found]

    assert problems() == []
    assert problems(cluster_web_interval="5") == ["cluster_web_interval"]
    assert problems(cluster_web_interval="3601") == ["cluster_web_interval"]
    assert problems(cluster_web_document_root='/srv/a" b') == ["cluster_web_document_root"]
    assert problems(ansible_facts={"distribution": "Debian", "distribution_major_version": "11"}) == ["The"]


def test_a_host_whose_way_back_was_killed_is_started_by_the_next_run() -> None:
    _code, back, *_says = yaml.safe_load((ROLE / "tasks/together.yml").read_text())
    assert back["when"] == "__cluster_web_follows and not ansible_check_mode"
    assert [sorted(task)[:2] for task in back["block"]][-1] == ["ansible.builtin.systemd_service", "loop"]


def test_the_lead_looks_at_the_others_once_they_have_said_how_they_are() -> None:
    *_before, others, lead = yaml.safe_load((ROLE / "tasks/together.yml").read_text())
    says = {"argv": ["systemctl", "start", "boxlift-web.service"]}
    assert others["ansible.builtin.command"] == lead["ansible.builtin.command"] == says
    assert "__cluster_web_follows" in others["when"] and "__cluster_web_leads" in lead["when"]


def test_nothing_is_replaced_while_a_web_host_cannot_be_asked() -> None:
    refuse, aside = yaml.safe_load((ROLE / "tasks/aside.yml").read_text())
    assert refuse["ansible.builtin.assert"]["that"] == "__cluster_web_away | length == 0"
    assert "__cluster_web_follows" in aside["when"] and "__cluster_web_follows" not in refuse["when"]
    assert rendered("{{ __cluster_web_away }}", ansible_play_hosts=["web1"]) == ["web2"]
    for name in ("restore", "rollback"):
        plays = yaml.safe_load((ROLE.parents[1] / f"playbooks/{name}.yml").read_text())
        (out,) = [play for play in plays if "aside" in str(play.get("tasks"))]
        assert out["any_errors_fatal"]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which web host leads: named by the site, else the first of production."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleError
from ansible_collections.boxlift.portal.plugins.lookup.lead import LookupModule


def lead(web: t.Sequence[str], production: t.Sequence[str], **groups: t.Sequence[str]) -> str:
    known = {"groups": {"web": list(web), "production": list(production), **groups}}
    return str(LookupModule().run([], known)[0])


def test_it_is_the_first_of_production() -> None:
    assert lead(["copy", "web1", "web2"], ["db", "web2", "web1"], balancer=["db"]) == "web1"
    assert lead(["portal"], ["portal"]) == "portal"


def test_the_site_may_name_another() -> None:
    hosts = ["web1", "web2"]
    assert lead(hosts, [*hosts, "db"], web_lead=["web2"], balancer=["db"]) == "web2"
    assert lead(hosts, hosts, web_lead=[]) == "web1"
    with pytest.raises(AnsibleError, match="The group web_lead has db. Leave one of production's web hosts in it"):
        lead(hosts, [*hosts, "db"], web_lead=["db"])
    with pytest.raises(AnsibleError, match="has web1, web2"):
        lead(hosts, hosts, web_lead=hosts)


def test_without_a_balancer_each_is_a_site_of_its_own() -> None:
    known = {"groups": {"web": ["box1", "box2"], "production": ["box1", "box2"], "balancer": ["elsewhere"]}}
    assert LookupModule().run([], known) == ["box1", "box2"]


def test_without_a_web_host_it_is_a_pattern_that_none_matches() -> None:
    assert lead([], ["db"]) == "web:&production"
    assert lead(["copy"], ["db"]) == "web:&production"
    assert LookupModule().run([]) == ["web:&production"]

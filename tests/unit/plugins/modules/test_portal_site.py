# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

from ansible_collections.boxlift.portal.plugins.modules import portal_site
from unit.plugins.module_utils.health import toy_fixtures
from unit.plugins.module_utils.health.toy_portal import DOMAIN

portal_server = toy_fixtures.portal_server
portal = toy_fixtures.portal


def test_check_change_repeat(portal: t.Any, run_module: t.Any) -> None:
    wanted = {"document_root": str(portal.root), "domain": "new.test", "aliases": ["www.new.test"]}
    predicted = run_module(portal_site, check=True, **wanted)
    assert portal.sql("SELECT DISTINCT SERVER_NAME s FROM b_lang") == [{"s": DOMAIN}]
    changed = run_module(portal_site, **wanted)
    for key in ("changed", "actions", "diff", "caches", "leftovers"):
        assert changed[key] == predicted[key], key
    assert changed["changed"] and changed["caches"] == [str(portal.root / "bitrix/managed_cache")]
    assert {"where": "b_option main.server_name", "before": DOMAIN, "after": "new.test"} in changed["actions"]
    assert changed["diff"]["after"]["b_lang_domain ex"] == "new.test www.new.test"
    repeated = run_module(portal_site, **wanted)
    assert (repeated["changed"], repeated["actions"], repeated["caches"]) == (False, [], [])


def test_reports_what_is_left_of_the_cloud(portal: t.Any, run_module: t.Any) -> None:
    portal.edit("bitrix/php_interface/dbconn.php", "BX_USE_MYSQLI", "BX24_HOST_NAME")
    portal.sql("INSERT INTO b_option VALUES ('crm', 'x', 'https://acme.bitrix24.ru/1', NULL, NULL)")
    portal.sql("UPDATE b_option SET VALUE = 'acme.bitrix24.ru' WHERE NAME = 'server_name'")
    result = run_module(portal_site, check=True, document_root=str(portal.root), domain=DOMAIN)
    assert result["leftovers"] == [
        {"where": "b_option crm.x", "value": "acme.bitrix24.ru"},
        {"where": str(portal.root / "bitrix/php_interface/dbconn.php"), "value": "BX24_HOST_NAME"},
    ]
    assert [action["where"] for action in result["actions"]] == ["b_option main.server_name"]


def test_by_the_database_alone(portal: t.Any, run_module: t.Any) -> None:
    database = {"unix_socket": portal.server.login.unix_socket, "name": portal.database}
    result = run_module(portal_site, database=database, domain=DOMAIN, https=False)
    assert {action["where"] for action in result["actions"]} == {
        "b_option main.mail_link_protocol",
        "b_option voximplant.portal_url",
    }


def test_bad_input(portal: t.Any, run_module: t.Any) -> None:
    result = run_module(portal_site, document_root=str(portal.root), domain=f"https://{DOMAIN}/")
    assert result["failed"] and "is no bare host name" in result["msg"] and result["remedy"]
    assert run_module(portal_site, domain=DOMAIN)["failed"]
    portal.edit("bitrix/.settings.php", "'the-portals-own-password'", "'wrong-password'")
    result = run_module(portal_site, document_root=str(portal.root), domain=DOMAIN)
    assert result["failed"] and "Cannot connect" in result["msg"] and "wrong-password" not in json.dumps(result)

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

from ansible_collections.boxlift.portal.plugins.modules import portal_compare
from unit.plugins.module_utils.health import toy_fixtures
from unit.plugins.module_utils.health.toy_portal import DOMAIN, PASSWORD

portal_server = toy_fixtures.portal_server
portal = toy_fixtures.portal
SALT = "a-salt-of-sixteen-characters"


def test_looks_compares_and_changes_nothing(portal: t.Any, run_module: t.Any) -> None:
    wanted = {"document_root": str(portal.root), "salt": SALT}
    first = run_module(portal_compare, check=True, **wanted)
    assert not first["failed"] and not first["changed"] and "differences" not in first
    # The real PHP has answered.
    assert first["snapshot"]["php"]["PHP_VERSION"] and "memory_limit" in first["snapshot"]["php"]
    portal.sql("UPDATE b_option SET VALUE = 'test.test' WHERE NAME = 'server_name'")
    portal.sql("UPDATE b_option SET VALUE = '60' WHERE NAME = 'PARAM_MAX_USERS'")
    second = run_module(
        portal_compare,
        other=first["snapshot"],
        name="test",
        other_name="production",
        ignore=[r"^option main\.param_max_users$"],
        **wanted,
    )
    assert second["differences"] == [
        {"area": "option", "name": "main.server_name", "left": "test.test", "right": DOMAIN}
    ]
    assert second["counts"]["option"]["different"] == 1
    assert second["markdown"].startswith("# test and production")
    assert PASSWORD not in json.dumps([first, second])


def test_bad_input(portal: t.Any, run_module: t.Any) -> None:
    result = run_module(portal_compare, document_root=str(portal.root), salt="x7")
    assert result["failed"] and "salt is shorter" in result["msg"]
    result = run_module(portal_compare, document_root=str(portal.root), salt=SALT, php="no-such-php")
    assert result["failed"] and "There is no no-such-php" in result["msg"] and result["remedy"]
    result = run_module(portal_compare, document_root=str(portal.root), salt=SALT, php="false")
    assert result["failed"] and "failed with 1" in result["msg"]

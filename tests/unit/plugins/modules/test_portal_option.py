# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.modules import portal_option
from unit.plugins.module_utils.health import toy_fixtures

portal_server = toy_fixtures.portal_server
portal = toy_fixtures.portal


@pytest.fixture
def run_option(portal: t.Any, run_module: t.Any) -> t.Callable[..., dict[str, t.Any]]:
    def run(check: bool = False, **params: t.Any) -> dict[str, t.Any]:
        if "database" not in params:
            params.setdefault("document_root", str(portal.root))
        result: dict[str, t.Any] = run_module(portal_option, check=check, **params)
        return result

    return run


WANTED = {"module": "pull", "options": {"nginx": "Y", "signature_key": "canary-of-a-secret"}}


def test_check_change_repeat(portal: t.Any, run_option: t.Any) -> None:
    before = portal.sql("SELECT * FROM b_option WHERE MODULE_ID = 'pull'")
    predicted = run_option(check=True, **WANTED)
    assert portal.sql("SELECT * FROM b_option WHERE MODULE_ID = 'pull'") == before
    assert (portal.root / "bitrix/managed_cache/MYSQL").exists()
    changed = run_option(**WANTED)
    assert changed["changed"] and {key: changed[key] for key in ("diff", "caches")} == {
        key: predicted[key] for key in ("diff", "caches")
    }
    assert changed["caches"] == [str(portal.root / "bitrix/managed_cache")]
    assert not (portal.root / "bitrix/managed_cache/MYSQL").exists()
    portal.write("bitrix/managed_cache/MYSQL/x", "x")
    repeated = run_option(**WANTED)
    assert (repeated["changed"], repeated["caches"]) == (False, [])
    assert (portal.root / "bitrix/managed_cache/MYSQL").exists()


def test_no_secret_is_shown(portal: t.Any, run_option: t.Any) -> None:
    first = run_option(**WANTED)
    assert first["diff"] == {"before": {}, "after": {"nginx": "Y", "signature_key": "(secret)"}}
    second = run_option(module="pull", options={"signature_key": "canary-number-two"})
    assert second["diff"]["after"] == {"signature_key": "(secret, changed)"}
    third = run_option(module="pull", options={"signature_key": None})
    assert third["diff"] == {"before": {"signature_key": "(secret)"}, "after": {}}
    assert "canary" not in json.dumps([first, second, third])


def test_one_site_by_the_database_alone(portal: t.Any, run_option: t.Any) -> None:
    database = {"unix_socket": portal.server.login.unix_socket, "name": portal.database}
    result = run_option(database=database, module="main", site="ex", options={"email_from": "a@b.c"})
    assert result["changed"] and result["caches"] == []
    assert portal.sql("SELECT VALUE FROM b_option_site") == [{"VALUE": "a@b.c"}]


def test_a_cache_elsewhere_is_warned_of(portal: t.Any, run_option: t.Any) -> None:
    portal.edit("bitrix/.settings.php", "return [", "return [ 'cache' => ['value' => ['type' => 'redis']],")
    result = run_option(**WANTED)
    assert "caches in redis, which was not cleared" in json.dumps(result["warnings"])


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"module": "pull", "options": {"nginx": True}}, "pull.nginx is a boolean"),
        ({"module": "pull", "options": {"a": "b"}, "site": "zz"}, "no site 'zz'"),
        ({"module": "x", "options": {}, "database": {"name": "mysql"}}, "Table 'mysql.b_option' doesn't exist"),
        ({"module": "pull", "options": {}, "document_root": "/does/not/exist"}, "is no directory"),
        ({"module": "x", "options": {}, "database": {"name": "x", "unix_socket": "/does/not/exist"}}, "Cannot connect"),
    ],
)
def test_bad_input(portal: t.Any, run_option: t.Any, params: dict[str, t.Any], words: str) -> None:
    if "database" in params:
        socket = {"unix_socket": portal.server.login.unix_socket}
        params = {**params, "database": {**socket, **params["database"]}}
    result = run_option(**params)
    assert result["failed"] and words in result["msg"] and result["remedy"]


def test_a_failure_writes_nothing(portal: t.Any, run_option: t.Any) -> None:
    portal.sql("ALTER TABLE b_option MODIFY NAME varchar(40)")
    portal.sql("SET GLOBAL sql_mode = 'STRICT_ALL_TABLES'")
    before = portal.sql("SELECT * FROM b_option WHERE MODULE_ID = 'pull'")
    result = run_option(module="pull", options={"nginx": "N", "a_name_that_is_longer_than_this_table_may_hold": "x"})
    assert result["failed"] and "Data too long for column 'NAME'" in result["msg"] and result["remedy"]
    assert portal.sql("SELECT * FROM b_option WHERE MODULE_ID = 'pull'") == before

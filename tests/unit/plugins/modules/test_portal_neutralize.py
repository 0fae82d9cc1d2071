# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import socket
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.modules import portal_neutralize
from unit.plugins.module_utils.health import toy_fixtures
from unit.plugins.module_utils.health.toy_portal import DOMAIN
from unit.plugins.module_utils.portal import loud

portal_server = toy_fixtures.portal_server
portal = toy_fixtures.portal


@pytest.fixture
def mark(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "mark.json"
    path.write_text(json.dumps({"domain": "copy.test", "production_domain": DOMAIN}))
    return path


@pytest.fixture
def wanted(portal: t.Any, mark: pathlib.Path) -> t.Iterator[dict[str, t.Any]]:
    loud.fill(portal)
    yield {
        "document_root": str(portal.root),
        "confirm_domain": "copy.test",
        "mail_to": "trap@sink.test",
        "mark": str(mark),
    }
    loud.clear(portal)


def test_check_change_repeat(portal: t.Any, run_module: t.Any, wanted: dict[str, t.Any]) -> None:
    dbconn = portal.root / "bitrix/php_interface/dbconn.php"
    predicted = run_module(portal_neutralize, check=True, **wanted)
    assert "ONLY_EMAIL" not in dbconn.read_text()
    assert portal.sql("SELECT COUNT(*) n FROM b_pull_push") == [{"n": 1}]
    changed = run_module(portal_neutralize, **wanted)
    for key in ("changed", "actions", "diff", "files", "caches"):
        assert changed[key] == predicted[key], key
    assert changed["changed"] and changed["files"] == [str(dbconn)]
    assert changed["diff"]["before"]["rest_events"] == {"rows": 2}
    assert changed["diff"]["after"]["mail_only_email"] == {"ONLY_EMAIL": "trap@sink.test"}
    assert "canary" not in json.dumps([predicted, changed])
    repeated = run_module(portal_neutralize, **wanted)
    assert (repeated["changed"], repeated["files"], repeated["caches"]) == (False, [], [])
    assert len(repeated["actions"]) == len(changed["actions"]) and repeated["diff"] == {"before": {}, "after": {}}


def test_refuses_everything_that_may_not_be_the_copy(
    portal: t.Any, run_module: t.Any, wanted: dict[str, t.Any], mark: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**params: t.Any) -> str:
        result = run_module(portal_neutralize, **{**wanted, **params})
        assert result["failed"] and result["remedy"]
        return str(result["msg"])

    assert "which is production" in refused(confirm_domain=DOMAIN)
    assert "nothing says that the portal here is a copy" in refused(mark="/nonexistent")
    assert "no address" in refused(mail_to="nobody")
    monkeypatch.setattr(socket, "gethostname", lambda: "another-host")
    assert "this may be production's" in refused()
    assert portal.sql("SELECT COUNT(*) n FROM b_pull_push") == [{"n": 1}]
    assert "ONLY_EMAIL" not in (portal.root / "bitrix/php_interface/dbconn.php").read_text()


def test_says_what_this_portal_does_not_have(portal: t.Any, run_module: t.Any, wanted: dict[str, t.Any]) -> None:
    portal.sql("ALTER TABLE b_rest_ap DROP COLUMN ACTIVE")
    portal.sql("DROP TABLE b_voximplant_sip")
    result = run_module(portal_neutralize, check=True, **wanted)
    missing = {action["id"]: action["missing"] for action in result["actions"] if action["missing"]}
    assert missing == {"rest_incoming": "b_rest_ap.ACTIVE", "telephony_sip": "b_voximplant_sip"}
    assert "b_rest_ap.ACTIVE" in json.dumps(result["warnings"])
    assert "b_voximplant_sip" not in json.dumps(result["warnings"])

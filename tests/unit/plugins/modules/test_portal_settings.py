# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.modules import portal_settings

SETTINGS = (
    "<?php\nreturn ['connections' => ['value' => ['default' => ['login' => '******', 'password' => '******']]]];\n"
)
DBCONN = "<?php\ndefine('SHORT_INSTALL', true);\n"
WANTED = {
    "settings": {"connections": {"default": {"login": "portal", "password": "canary-of-a-secret"}}},
    "constants": {"SHORT_INSTALL": None, "BX_CRONTAB_SUPPORT": True},
    "variables": {"DBPassword": "canary-of-a-secret"},
}


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "bitrix/php_interface").mkdir(parents=True)
    (tmp_path / "bitrix/.settings.php").write_text(SETTINGS, "utf-8")
    (tmp_path / "bitrix/php_interface/dbconn.php").write_text(DBCONN, "utf-8")
    return tmp_path


def test_check_change_repeat(root: pathlib.Path, run_module: t.Any) -> None:
    predicted = run_module(portal_settings, check=True, document_root=str(root), **WANTED)
    assert predicted["changed"] and not predicted["failed"]
    assert (root / "bitrix/.settings.php").read_text() == SETTINGS
    changed = run_module(portal_settings, document_root=str(root), **WANTED)
    assert {key: changed[key] for key in ("changed", "diff", "files")} == {
        key: predicted[key] for key in ("changed", "diff", "files")
    }
    assert changed["files"] == [str(root / "bitrix" / name) for name in (".settings.php", "php_interface/dbconn.php")]
    assert "'login' => 'portal', 'password' => 'canary-of-a-secret'" in (root / "bitrix/.settings.php").read_text()
    repeated = run_module(portal_settings, document_root=str(root), **WANTED)
    assert (repeated["changed"], repeated["diff"], repeated["files"]) == (False, [], [])


def test_no_secret_is_shown(root: pathlib.Path, run_module: t.Any) -> None:
    result = run_module(portal_settings, document_root=str(root), **WANTED)
    assert "canary" not in json.dumps(result)
    # Everything else stays readable.
    assert result["diff"][0]["after"]["connections"]["value"]["default"] == {"login": "portal", "password": "(secret)"}
    assert result["diff"][1]["after"] == {"BX_CRONTAB_SUPPORT": True, "$DBPassword": "(secret)"}


def test_what_cannot_be_understood_is_refused(root: pathlib.Path, run_module: t.Any) -> None:
    (root / "bitrix/.settings.php").write_text("<?php\nreturn make();\n", "utf-8")
    result = run_module(portal_settings, document_root=str(root), **WANTED)
    assert result["failed"] and result["line"] == 2 and result["column"] == 8
    assert ".settings.php, line 2, column 8" in result["msg"] and result["remedy"]
    assert (root / "bitrix/php_interface/dbconn.php").read_text() == DBCONN
    assert "canary" not in json.dumps(result)


def test_a_file_that_is_not_read_is_warned_of(root: pathlib.Path, run_module: t.Any) -> None:
    (root / "local").mkdir()
    (root / "local/.settings.php").write_text("<?php return [];", "utf-8")
    result = run_module(portal_settings, document_root=str(root), settings={"a": {"b": 1}})
    assert result["files"] == [str(root / "local/.settings.php")]
    assert "is not read by the portal" in json.dumps(result["warnings"])


def test_nothing_declared_is_nothing_done(root: pathlib.Path, run_module: t.Any) -> None:
    assert run_module(portal_settings, document_root=str(root))["changed"] is False


def test_a_missing_portal_is_refused(tmp_path: pathlib.Path, run_module: t.Any) -> None:
    result = run_module(portal_settings, document_root=str(tmp_path), settings={"a": {"b": 1}})
    assert result["failed"] and "neither bitrix/.settings.php nor local/.settings.php" in result["msg"]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.restore.generations import name_of
from ansible_collections.boxlift.portal.plugins.modules import portal_info
from unit.plugins.module_utils.health import toy_fixtures

portal_server = toy_fixtures.portal_server
portal = toy_fixtures.portal


def test_everything_from_the_document_root(portal: t.Any, run_module: t.Any) -> None:
    result = run_module(portal_info, document_root=str(portal.root))
    found = result["portal"]
    assert not result["failed"] and result["changed"] is False
    assert (found["version"], found["counts"]["users"], found["encoding"]["utf_mode"]) == ("26.250.100", 4, True)
    assert set(found["modules"]) == set(found["registered"])
    assert len(found["fingerprint"]) == 64


def test_a_database_alone(portal: t.Any, run_module: t.Any) -> None:
    database = {"unix_socket": portal.server.login.unix_socket, "name": portal.database}
    found = run_module(portal_info, check=True, database=database)["portal"]
    assert (found["version"], found["modules"], found["counts"]["tasks"]) == (None, {}, 1)


def test_without_a_portal(portal: t.Any, run_module: t.Any) -> None:
    result = run_module(portal_info, document_root=str(portal.root / "upload"))
    assert result["failed"] and "neither bitrix/.settings.php" in result["msg"] and result["remedy"]


def test_the_generation_that_is_live(portal: t.Any, run_module: t.Any, tmp_path: Path) -> None:
    options = {"document_root": str(portal.root), "state_dir": str(tmp_path)}
    assert run_module(portal_info, **options)["generation"] is None
    register = {"document_root": str(portal.root), "last": 4, "live": {"number": 3}, "kept": {}, "switch": None}
    (tmp_path / f"{name_of(str(portal.root))}.generations.json").write_text(json.dumps(register), encoding="utf-8")
    assert run_module(portal_info, **options)["generation"] == 3

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module around the rollback: check mode, change, second run, errors; and the restore's options that go with it."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.modules import backup_restore, portal_rollback
from unit.plugins.module_utils.restore.living import DOMAIN, Site, backup

from .conftest import RunModule


@pytest.fixture
def site(tmp_path: Path, mariadb: t.Any) -> Site:
    return Site(tmp_path, mariadb.login, mariadb.fresh_name("portal"))


@pytest.fixture
def params(site: Site) -> dict[str, t.Any]:
    return {
        "document_root": str(site.tree),
        "state_dir": str(site.base / "state"),
        "database": {"unix_socket": site.login.unix_socket, "login_user": site.login.user, "name": site.name},
    }


def test_refused_confirmed_and_rolled_back(site: Site, params: dict[str, t.Any], run_module: RunModule) -> None:
    for name in ("one", "two"):
        source = str(backup(site.base / name, name))
        result = run_module(backup_restore, source=source, **params)
        if name == "one":
            assert not result["failed"], result
            site.order(8)
    assert result["failed"] and result["domain"] == DOMAIN
    assert result["in_use"] == [{"what": "deals", "count": 1, "newest": "number 8", "moment": "2026-11-29 09:12:44"}]
    result = run_module(backup_restore, source=source, confirm_domain=DOMAIN, keep_previous="yes", **params)
    assert not result["failed"] and result["previous"].endswith("/.www.previous-1")
    assert run_module(portal_rollback, check=True, **params)["changed"]
    assert site.seen() == ("two", "two")
    result = run_module(portal_rollback, **params)
    assert (result["failed"], result["changed"], result["generations"]["live"]["number"]) == (False, True, 1)
    assert (site.seen(), site.deals()) == (("one", "one"), [7, 8])
    for check in (False, True):
        assert not run_module(portal_rollback, check=check, **params)["changed"]


def test_what_is_not_there(site: Site, params: dict[str, t.Any], run_module: RunModule) -> None:
    result = run_module(portal_rollback, **params)
    assert result["failed"] and "there is no way back" in result["msg"]
    site.restore(backup(site.base / "one", "one"))
    result = run_module(portal_rollback, generation=4, **params)
    assert result["failed"] and "There is no generation 4" in result["msg"]


@pytest.mark.parametrize(("given", "kept"), ((True, 2), (False, 0), ("no", 0), ("3", 3), (1, 1), ("0", 0)))
def test_keep_previous(given: t.Any, kept: int) -> None:
    assert backup_restore.generations_to_keep(given) == kept


def test_keep_previous_is_a_number(site: Site, params: dict[str, t.Any], run_module: RunModule) -> None:
    result = run_module(backup_restore, source="/nowhere", keep_previous="-1", **params)
    assert result["failed"] and result["msg"] == "keep_previous is no number of generations. Give 0 or more, such as 2."

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.modules import monitoring_proof

PAGE = {"name": "redis", "url": "http://127.0.0.1:1/metrics", "present": ["^redis_up 1$"]}


@pytest.mark.parametrize("check", [False, True])
def test_what_is_shown_is_proof(run_module: t.Any, monkeypatch: pytest.MonkeyPatch, check: bool) -> None:
    monkeypatch.setattr(monitoring_proof, "fetch", lambda url: "redis_up 1\n")
    result = run_module(monitoring_proof, check=check, pages=[PAGE])
    assert (result["changed"], result["looks"]) == (False, 1)


def test_what_is_not_proven_fails(run_module: t.Any) -> None:
    result = run_module(monitoring_proof, pages=[PAGE], timeout=0)
    assert result["failed"] and "redis does not answer at http://127.0.0.1:1/metrics" in result["msg"]
    assert "boxlift-scrape" in result["msg"] + str(result.get("remedy"))

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one host of the cache answers, and what it does not."""

from __future__ import annotations

import functools
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.modules import cache_cluster_info as module
from unit.plugins.module_utils.cache_cluster.toy_redis import OTHER, OWN, ToyHost

SOCKETS = {"sessions": "/run/sessions", "cache": "/run/cache"}


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ToyHost:
    toy = ToyHost(["sessions"])
    monkeypatch.setattr(module, "open_socket", toy.connect)
    return toy


@pytest.fixture
def ask(toy: ToyHost, run_module: t.Any) -> t.Callable[..., dict[str, t.Any]]:
    return functools.partial(run_module, module, instances=SOCKETS, sentinel_socket="/run/sentinel")


@pytest.mark.parametrize("check", [False, True])
def test_who_is_what(ask: t.Any, check: bool) -> None:
    found = ask(check=check)
    assert not found["changed"] and found["problems"] == []
    assert found["roles"] == {"sessions": "master", "cache": "slave"}
    assert found["masters"] == {"sessions": OWN, "cache": OTHER}


def test_what_does_not_answer_is_left_out_and_named(toy: ToyHost, ask: t.Any) -> None:
    toy.silent = {"/run/cache", "/run/sentinel"}
    found = ask()
    assert (found["failed"], found["roles"], found["masters"]) == (False, {"sessions": "master"}, {})
    assert found["problems"][:2] == ["Nobody answers at /run/cache.", "Nobody answers at /run/sentinel."]


def test_a_host_that_only_leads_there_has_no_sentinel(ask: t.Any) -> None:
    found = ask(sentinel_socket="")
    assert (found["masters"], found["problems"]) == ({}, [])
    assert found["roles"] == {"sessions": "master", "cache": "slave"}

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell around the library: predicted, done, repeated, refused."""

from __future__ import annotations

import functools
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.cache_cluster import changes
from ansible_collections.boxlift.portal.plugins.modules import cache_cluster as module
from unit.plugins.module_utils.cache_cluster.toy_redis import ToyHost

INSTANCES = [
    {"name": name, "unit": f"redis-server@{name}.service", "socket": f"/run/{name}"} for name in ("sessions", "cache")
]
SENTINEL = {"unit": "redis-sentinel.service", "socket": "/run/sentinel"}


@pytest.fixture
def toy() -> ToyHost:
    return ToyHost(["sessions"])


@pytest.fixture
def run(toy: ToyHost, run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., dict[str, t.Any]]:
    def host(**given: t.Any) -> changes.Host:
        mine = {"run": toy.run, "now": lambda: toy.clock, "pause": toy.pause, "connect": toy.connect}
        return changes.Host(**{**given, **mine})

    monkeypatch.setattr(module, "Host", host)
    return functools.partial(run_module, module, instances=INSTANCES, sentinel=SENTINEL, password="canary")


def test_hands_over(toy: ToyHost, run: t.Any) -> None:
    predicted = run(check=True, state="handed_over")
    assert (predicted["changed"], predicted["handed_over"], toy.told) == (True, ["sessions"], [])
    done = run(state="handed_over")
    assert (done["changed"], done["handed_over"], done["restarted"]) == (True, ["sessions"], [])
    again = run(state="handed_over")
    assert (again["changed"], again["handed_over"], toy.told) == (
        False,
        [],
        ["failover sessions", "sessions follows"],
    )


def test_restarts_what_is_outdated(toy: ToyHost, run: t.Any, tmp_path: t.Any) -> None:
    file = tmp_path / "x"
    file.touch()
    sentinel = {**SENTINEL, "files": [str(file)]}
    predicted = run(check=True, state="current", sentinel=sentinel)
    assert (predicted["changed"], predicted["restarted"], toy.told) == (True, ["redis-sentinel.service"], [])
    assert run(state="current", sentinel=sentinel)["restarted"] == ["redis-sentinel.service"]
    assert not run(state="current", sentinel=sentinel)["changed"]
    assert toy.told == ["restart redis-sentinel.service"]


def test_waits_and_refuses(toy: ToyHost, run: t.Any) -> None:
    assert not run()["changed"]
    toy.good_replicas = 0
    assert not run(check=True)["failed"], "check mode does not wait"
    refused = run(timeout=3)
    assert refused["failed"] and refused["msg"].startswith(
        "The cache is not whole after 3 s: sessions is followed by 0"
    )
    assert "journalctl -u redis-sentinel" in refused["remedy"] and "canary" not in str(refused)

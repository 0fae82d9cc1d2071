# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell around the library: predicted, done, repeated, refused."""

from __future__ import annotations

import functools
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils import gluster
from ansible_collections.boxlift.portal.plugins.modules import gluster_volume as module
from unit.plugins.module_utils.toy_gluster import HOSTS, PATH, ToyGluster


@pytest.fixture
def toy() -> ToyGluster:
    return ToyGluster()


@pytest.fixture
def run(toy: ToyGluster, run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., dict[str, t.Any]]:
    monkeypatch.setattr(module, "Gluster", lambda: gluster.Gluster(toy.run, now=lambda: toy.clock, pause=toy.pause))
    given = {"name": "portal", "address": HOSTS[0], "hosts": list(HOSTS), "path": PATH}
    return functools.partial(run_module, module, **given)


def test_makes_it_once(toy: ToyGluster, run: t.Any) -> None:
    options = {"network.ping-timeout": 10}
    predicted = run(check=True, options=options)
    assert (predicted["changed"], predicted["joined"], toy.told) == (True, list(HOSTS[1:]), [])
    done = run(options=options)
    assert (done["changed"], done["done"][-1], toy.options) == (True, "started portal", {"network.ping-timeout": "10"})
    again = run(options=options)
    assert (again["changed"], again["joined"], again["done"]) == (False, [], [])


def test_waits_and_refuses(toy: ToyGluster, run: t.Any) -> None:
    run()
    toy.unhealed, toy.healed_at = 2, toy.clock + 3
    assert not run(state="whole", whole_within=10)["changed"]
    toy.away.add(HOSTS[1])
    refused = run(state="whole", whole_within=10)
    assert refused["failed"] and "192.0.2.2:/srv/g/portal is away" in refused["msg"]
    assert "Give 3 different addresses" in run(hosts=[HOSTS[0], HOSTS[1]])["msg"]
    assert "one of them as that of this host" in run(address="192.0.2.9")["msg"]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Against a scripted systemd, and real sockets."""

from __future__ import annotations

import socket
import typing as t

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils import host_services
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.modules import host_services as module


class Systemd:
    """Units by name, and what systemctl was told."""

    def __init__(self) -> None:
        self.units: dict[str, dict[str, str]] = {}
        self.on_disk: list[str] = []  # comes into `units` by a reload
        self.told: list[list[str]] = []
        self.refuses = ""

    def unit(self, name: str, active: str = "active", at_boot: str = "enabled", stale: str = "no") -> None:
        self.units[name] = {"ActiveState": active, "UnitFileState": at_boot, "NeedDaemonReload": stale}

    def __call__(self, argv: t.Sequence[str], **_options: t.Any) -> tuple[int, str]:
        verb, names = argv[1], list(argv[2:])
        if verb == "show":
            return 0, "\n".join(self._show(name) for name in names[names.index("--") + 1 :])
        self.told.append([verb, *names])
        if verb == self.refuses:
            return 1, "Job for it failed.\n"
        if verb == "daemon-reload":
            for name in self.on_disk:
                self.unit(name, active="inactive", at_boot="disabled")
            for unit in self.units.values():
                unit["NeedDaemonReload"] = "no"
        for name in names:
            self.units[name].update({"ActiveState": "active"} if verb == "start" else {"UnitFileState": "enabled"})
        return 0, ""

    def _show(self, name: str) -> str:
        none = {"ActiveState": "inactive", "UnitFileState": "", "NeedDaemonReload": "no"}
        state = {"LoadState": "loaded" if name in self.units else "not-found", **self.units.get(name, none)}
        return "".join(f"{key}={value}\n" for key, value in state.items())


@pytest.fixture
def systemd() -> Systemd:
    return Systemd()


@pytest.fixture
def run(systemd: Systemd, run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., dict[str, t.Any]]:
    def run_command(_module: t.Any, argv: t.Sequence[str]) -> tuple[int, str, str]:
        code, said = systemd(argv)
        return (code, said, "") if code == 0 else (code, "", said)

    monkeypatch.setattr(AnsibleModule, "run_command", run_command)

    def run(check: bool = False, **params: t.Any) -> dict[str, t.Any]:
        result: dict[str, t.Any] = run_module(module, check=check, **params)
        return result

    return run


def test_check_change_repeat(systemd: Systemd, run: t.Any) -> None:
    systemd.unit("a.service")
    systemd.unit("b.service", active="inactive", at_boot="disabled")
    systemd.unit("c.service", active="failed")
    names = ["a.service", "b.service", "c.service"]
    predicted = run(check=True, names=names)
    assert systemd.told == []
    changed = run(names=names)
    assert systemd.told == [["enable", "b.service"], ["start", "b.service", "c.service"]]
    for result in (predicted, changed):
        assert result["changed"] and result["enabled"] == ["b.service"]
        assert result["started"] == ["b.service", "c.service"]
        assert result["diff"]["before"] == {"stopped": ["b.service", "c.service"], "disabled": ["b.service"]}
    systemd.told.clear()
    repeated = run(names=names)
    assert (repeated["changed"], repeated["diff"], systemd.told) == (False, {"before": {}, "after": {}}, [])


@pytest.mark.parametrize("active", ["activating", "reloading"])
@pytest.mark.parametrize("at_boot", ["static", "enabled-runtime", "generated"])
def test_what_needs_nothing(systemd: Systemd, run: t.Any, active: str, at_boot: str) -> None:
    systemd.unit("a.service", active=active, at_boot=at_boot)
    assert not run(names=["a.service"])["changed"] and systemd.told == []


def test_units_that_changed_are_read_again(systemd: Systemd, run: t.Any) -> None:
    systemd.unit("a.service", stale="yes")
    assert not run(names=["a.service"])["changed"]
    assert systemd.told == [["daemon-reload"]]


def test_a_unit_that_was_just_written(systemd: Systemd, run: t.Any) -> None:
    systemd.on_disk = ["push@1.service"]
    predicted = run(check=True, names=["push@1.service"])
    assert predicted["started"] == ["push@1.service"] and systemd.told == []
    assert run(names=["push@1.service"])["changed"]
    assert systemd.told == [["daemon-reload"], ["enable", "push@1.service"], ["start", "push@1.service"]]


def test_a_unit_that_nobody_knows(run: t.Any) -> None:
    result = run(names=["none.service"])
    assert result["failed"] and "systemd cannot load none.service. See systemctl status none.service" in result["msg"]


def test_a_start_that_fails(systemd: Systemd, run: t.Any) -> None:
    systemd.unit("a.service", active="failed")
    systemd.refuses = "start"
    result = run(names=["a.service"])
    assert result["failed"] and result["remedy"] == "See journalctl --unit=a.service"
    assert "'systemctl start a.service' ended with 1: Job for it failed." in result["msg"]


def test_ports_are_asked_though_nothing_changed(systemd: Systemd, run: t.Any) -> None:
    systemd.unit("a.service")
    with socket.create_server(("127.0.0.1", 0)) as server:
        ports = {"a.service": server.getsockname()[1]}
        assert not run(names=["a.service"], ports=ports)["failed"]
    silent = run(names=["a.service"], ports=ports, timeout=0)
    assert silent["failed"] and silent["remedy"] == "See journalctl --unit=a.service"
    assert f"Nobody answers on 127.0.0.1 for a.service on port {ports['a.service']}, 0 s after" in silent["msg"]
    assert not run(check=True, names=["a.service"], ports=ports)["failed"]


@pytest.mark.parametrize("ports", [{"b.service": 80}, {"a.service": "http"}])
def test_ports_that_are_none(systemd: Systemd, run: t.Any, ports: dict[str, t.Any]) -> None:
    systemd.unit("a.service")
    result = run(names=["a.service"], ports=ports)
    assert result["failed"] and "Give a number for a service that names has, too." in result["msg"]


def test_a_service_has_its_time_and_no_more() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def prove(answers_at: float) -> None:
        ports = {"a.service": 1, "b.service": 2}
        host_services.prove(
            ports, "here", lambda _address, port: port == 1 or now[0] >= answers_at, lambda: now[0], sleep, patience=3
        )

    prove(2.5)
    assert 2.5 <= now[0] < 3
    now[0] = 0.0
    with pytest.raises(BoxliftError, match="Nobody answers on here for b.service on port 2, 3 s after the start"):
        prove(9.0)
    assert 3 <= now[0] < 3.5


def test_a_systemd_that_does_not_answer() -> None:
    with pytest.raises(BoxliftError, match="systemd does not say how a.service are: Failed to connect to bus"):
        host_services.read(["a.service"], lambda _argv: (1, "Failed to connect to bus"))

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The new connection that confirms a change, and what is said where there is none."""

from __future__ import annotations

import typing as t
from unittest import mock

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.boxlift.portal.plugins.action import guarded_files

Answer = t.Union["dict[str, t.Any]", Exception]
SECONDS = 60


class Host:
    """Answers the module's runs one after the other; `time` passes only while the action waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Answer, check: bool = False) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.time = 0.0
        monkeypatch.setattr(guarded_files.time, "monotonic", lambda: self.time)
        monkeypatch.setattr(guarded_files.time, "sleep", self.sleep)
        task = mock.Mock(args={"name": "rules"}, check_mode=check, async_val=0, diff=False)
        self.connection = mock.Mock()
        self.connection.reset.side_effect = lambda: self.asked.append("reset")
        self.action = guarded_files.ActionModule(task, self.connection, mock.Mock(), None, None, None)
        monkeypatch.setattr(self.action, "_execute_module", self.module)

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def module(self, module_args: dict[str, t.Any], task_vars: t.Any) -> dict[str, t.Any]:
        self.asked.append(module_args.get("step", "change"))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def run(self) -> dict[str, t.Any]:
        return self.action.run(None, {})


GIVEN = {"seconds": SECONDS, "state_directory": "/var/lib/guard"}
CHANGED = {"changed": True, "paths": ["/etc/rules"], "invocation": {"module_args": GIVEN}}
DEAF = AnsibleConnectionFailure("Connection timed out")


def test_a_new_connection_confirms(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, CHANGED, {"confirmed": True})
    result = host.run()
    assert result["changed"] and result["confirmed"] and not result.get("failed")
    assert host.asked == ["change", "reset", "confirm"]


def test_it_tries_again_while_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, CHANGED, DEAF, DEAF, {"confirmed": True})
    assert host.run()["confirmed"]
    assert host.asked == ["change", *["reset", "confirm"] * 3]


def test_the_host_has_put_back_what_was(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, CHANGED, *[DEAF] * 30, {"confirmed": False})
    result = host.run()
    assert result["failed"] and not result["changed"] and not result["confirmed"]
    assert result["msg"].startswith(f"rules: no new connection came through within {SECONDS} s")


def test_the_host_is_gone_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, CHANGED, DEAF)
    result = host.run()
    assert result["failed"] and result["changed"]
    assert "cannot connect to the host any more: Connection timed out" in result["msg"]
    assert result["remedy"] == "At the host's console run: sh /var/lib/guard/rules/back.sh"
    assert SECONDS + guarded_files.MARGIN <= host.time < SECONDS + guarded_files.MARGIN + 10


@pytest.mark.parametrize("answer", [{"changed": False}, {"changed": False, "failed": True, "msg": "no"}])
def test_nothing_changed_needs_no_connection(monkeypatch: pytest.MonkeyPatch, answer: dict[str, t.Any]) -> None:
    host = Host(monkeypatch, answer)
    assert host.run() == answer
    assert host.asked == ["change"]


def test_check_mode_only_predicts(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, CHANGED, check=True)
    assert host.run()["changed"]
    assert host.asked == ["change"]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.ssh_session import Process
from ansible_collections.boxlift.portal.plugins.modules import ssh_access_info


def test_over_ssh(run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Process(0, "admin", {"SSH_CONNECTION": "2001:db8::7 51234 2001:db8::10 22"})
    monkeypatch.setattr(ssh_access_info, "process", lambda _pid: seen)
    result = run_module(ssh_access_info)
    told = {"by_ssh": True, "address": "2001:db8::7", "port": 22, "account": "admin", "has_password": False}
    assert {name: result[name] for name in told} == told and not result["changed"]


def test_over_another_connection(run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_access_info, "process", lambda _pid: Process(0, "root", {}))
    result = run_module(ssh_access_info)
    assert (result["by_ssh"], result["address"], result["port"], result["account"]) == (False, "", 0, "")


def test_it_reads_real_processes(run_module: t.Any) -> None:
    assert not run_module(ssh_access_info)["failed"]


def test_a_process_that_it_may_not_see(run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int) -> Process:
        raise PermissionError(13, "Permission denied", "/proc/1/environ")

    monkeypatch.setattr(ssh_access_info, "process", refuse)
    assert not run_module(ssh_access_info)["by_ssh"]


def test_a_host_without_proc(run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def miss(_pid: int) -> Process:
        raise FileNotFoundError(2, "No such file or directory", "/proc/7/status")

    monkeypatch.setattr(ssh_access_info, "process", miss)
    assert run_module(ssh_access_info)["msg"].startswith("/proc/7/status: No such file or directory.")

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.modules import portal_telephony
from lab.authority import Authority
from lab.rest.service import CODE
from lab.telephony.server import TelephonyServer

Run = t.Callable[..., "dict[str, t.Any]"]
LINES = [{"number": "+74951000001", "name": "Sales"}, {"number": "+74951000002", "create_crm": False}]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def server(authority: Authority) -> t.Iterator[TelephonyServer]:
    issued = authority.issue("127.0.0.1")
    with TelephonyServer(certificate=issued.certificate, key=issued.key) as server:
        server.portal.add_user(1, "Anna", "101")
        yield server


@pytest.fixture
def run(server: TelephonyServer, authority: Authority, run_module: t.Any) -> Run:
    def run(check: bool = False, **params: t.Any) -> dict[str, t.Any]:
        given = {"webhook": server.webhook(1)} if "rest" not in params else {}
        given |= {"ca_path": str(authority.certificate), **params}
        result: dict[str, t.Any] = run_module(portal_telephony, check=check, **given)
        return result

    return run


def lines_of(server: TelephonyServer) -> list[tuple[str, str, str]]:
    rows = server.service.state()["lines"]
    return [(row["NUMBER"], row["NAME"], row["CRM_AUTO_CREATE"]) for row in rows]


def test_check_change_repeat(server: TelephonyServer, run: Run) -> None:
    server.portal.add_line("", "+74951000009", "Nobody declared it")
    predicted = run(check=True, lines=LINES, outgoing_line="REST_APP:3")
    assert len(lines_of(server)) == 1 and server.portal.rules.outgoing_line == ""
    changed = run(lines=LINES, outgoing_line="REST_APP:3")
    assert changed["changed"] and changed["diff"] == predicted["diff"]
    assert changed["diff"]["before"] == {
        "line +74951000001": "absent",
        "line +74951000002": "absent",
        "outgoing line": "",
    }
    assert lines_of(server)[1:] == [("+74951000001", "Sales", "Y"), ("+74951000002", "", "N")]
    assert server.portal.rules.outgoing_line == "REST_APP:3"
    assert not run(lines=LINES, outgoing_line="REST_APP:3")["changed"]


def test_a_line_that_a_call_made_gets_its_name(server: TelephonyServer, run: Run) -> None:
    server.portal.add_line("", "+74951000001")
    server.portal.add_line("", "+74951000002", "A name that stays", "N")
    result = run(lines=LINES)
    assert result["diff"] == {"before": {"line +74951000001": ""}, "after": {"line +74951000001": "Sales"}}
    assert lines_of(server) == [("+74951000001", "Sales", "Y"), ("+74951000002", "A name that stays", "N")]


def test_a_line_that_came_meanwhile(server: TelephonyServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = portal_telephony.portal_setup.plan

    def plan_and_wait(*arguments: t.Any) -> t.Any:
        changes = plan(*arguments)
        server.portal.add_line("", "+74951000001", "Sales")
        return changes

    monkeypatch.setattr(portal_telephony.portal_setup, "plan", plan_and_wait)
    assert run(lines=LINES[:1])["changed"]
    assert lines_of(server) == [("+74951000001", "Sales", "Y")]


def test_an_application(server: TelephonyServer, run: Run) -> None:
    server.portal.rules.webhooks = False
    refused = run(lines=LINES)
    assert refused["failed"] and "does not let this webhook use telephony.externalLine.get" in refused["msg"]
    token = server.service.token(1)
    assert run(rest=f"{server.url}/rest/", token=token, lines=LINES)["changed"]
    assert [row["APP"] for row in server.service.state()["lines"]] == ["3", "3"]


def test_what_goes_wrong(server: TelephonyServer, run: Run, tmp_path: pathlib.Path) -> None:
    result = run(lines=[LINES[0], LINES[0]])
    assert result["failed"] and result["msg"].startswith("Lines are declared twice: +74951000001.")
    server.service.set_up({"faults": [{"kind": "unavailable", "times": -1}]})
    result = run(lines=LINES)
    assert result["failed"] and "status 503 and no JSON" in result["msg"]
    assert CODE not in json.dumps(result["msg"])

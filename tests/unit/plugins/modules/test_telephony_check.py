# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils import program
from ansible_collections.boxlift.portal.plugins.modules import telephony_check
from lab.authority import Authority
from lab.rest.service import CODE
from lab.telephony.server import TelephonyServer
from unit.plugins.module_utils.telephony_check.toy_exchange import Console, TlsPort


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Console:
    """Asterisk's console in the place of the host's programs."""
    toy = Console()
    monkeypatch.setattr(program, "run", toy.run)
    return toy


def by_id(result: dict[str, t.Any]) -> dict[str, dict[str, str]]:
    return {finding["id"]: finding for finding in result["findings"]}


def test_findings_are_returned_whether_it_fails_or_not(console: Console, run_module: t.Any) -> None:
    result = run_module(telephony_check, check=True, trunks=["carrier"])
    assert not result["failed"] and result["changed"] is False
    assert by_id(result)["telephony.trunks"]["status"] == "pass"
    assert sum(result["summary"].values()) == len(result["findings"])
    console.asterisk["pjsip show registrations"] = console.asterisk["pjsip show registrations"].replace(
        "Registered ", "Rejected "
    )
    result = run_module(telephony_check, trunks=["carrier"])
    assert result["failed"] and result["msg"].endswith("checks are not in order: telephony.trunks.")
    assert by_id(result)["telephony.trunks"]["observed"] == "carrier: Rejected"
    assert not run_module(telephony_check, trunks=["carrier"], fail_on="never")["failed"]


def test_a_check_that_is_left_out(console: Console, run_module: t.Any) -> None:
    console.asterisk["pjsip show registrations"] = "No objects found.\n"
    console.asterisk["pjsip show contacts"] = "No objects found.\n"
    result = run_module(telephony_check, trunks=["carrier"], skip=["telephony.trunks"])
    assert not result["failed"] and by_id(result)["telephony.trunks"]["observed"] == "left out by request"
    result = run_module(telephony_check, skip=["telephony.typo"])
    assert result["failed"] and result["msg"].startswith("skip: telephony.typo is not known.")


def test_ports_and_portal_are_really_asked(console: Console, run_module: t.Any, tmp_path: pathlib.Path) -> None:
    authority = Authority(tmp_path / "ca")
    own, issued = authority.issue("pbx.boxlift.test"), authority.issue("127.0.0.1")
    port = TlsPort(own.certificate, own.key)
    with TelephonyServer(certificate=issued.certificate, key=issued.key) as server:
        server.portal.add_user(1, "Anna", "101")
        given = {
            "tls": {"name": "pbx.boxlift.test", "ports": [port.port], "file": str(own.certificate)},
            "portal": {"webhook": server.webhook(1), "inner_numbers": ["101", "102"]},
            "ca_path": str(authority.certificate),
        }
        result = run_module(telephony_check, **given, fail_on="never")
    port.close()
    found = by_id(result)
    assert found["telephony.certificate"]["status"] == "pass"
    assert found["telephony.credential"]["status"] == "pass"
    assert found["telephony.inner_numbers"]["observed"] == "in no profile: 102"
    assert CODE not in json.dumps(result["findings"])


def test_test_calls(console: Console, run_module: t.Any, tmp_path: pathlib.Path) -> None:
    """A call that nobody makes; in check mode none is awaited."""
    authority = Authority(tmp_path / "ca")
    issued = authority.issue("127.0.0.1")
    (tmp_path / "cdr.csv").touch()
    call = {"name": "mobile", "direction": "in", "client": "79001112233"}
    given: dict[str, t.Any] = {
        "recordings": str(tmp_path),
        "records": str(tmp_path / "cdr.csv"),
        "connector": {"prefix": "pbx-"},
        "calls": [call],
        "call_seconds": 0,
        "reserve_mb": 0,
        "ca_path": str(authority.certificate),
        "fail_on": "never",
    }
    with TelephonyServer(certificate=issued.certificate, key=issued.key) as server:
        server.portal.add_user(1, "Anna", "101")
        portal = {"webhook": server.webhook(1)}
        result = run_module(telephony_check, **given, portal=portal)
        looked = run_module(telephony_check, check=True, **given, portal=portal)
    assert result["changed"] and [row["status"] for row in result["calls"]] == ["fail"]
    assert "recorded no such call" in by_id(result)["telephony.call.mobile"]["observed"]
    assert not looked["changed"] and "calls" not in looked
    result = run_module(telephony_check, **{**given, "records": None}, portal={})
    assert result["failed"] and result["msg"].startswith("Test calls cannot be followed")


def test_wrong_options(console: Console, run_module: t.Any) -> None:
    result = run_module(telephony_check, portal={"webhook": "http://portal.example.com/rest/1/secret/"})
    assert result["failed"] and result["msg"].startswith("The REST address is no https address.")
    result = run_module(telephony_check, portal={"rest": "https://portal.example.com/rest/"})
    assert result["failed"] and "token" in result["msg"]

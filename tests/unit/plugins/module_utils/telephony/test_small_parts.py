# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings, clicks, logs, the pace of requests, and what the portal's answers mean."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony import recording
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import (
    client_number,
    dialled_number,
    endpoint_of,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.clicks import (
    Forged,
    Unusable,
    click_of,
    fact_of_click,
    originate_fields,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.logs import Log
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.portal import (
    Gone,
    NotAllowed,
    Refused,
    Reply,
    RetryLater,
    Wording,
    result_of,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.rest import Pace
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.settings import Listening, read_settings
from lab.exchange.events import CLIENT, EPOCH, EXCHANGE
from unit.plugins.module_utils.telephony.test_sender import ENDED, RINGING

SETTINGS: dict[str, t.Any] = {
    "store": "/calls.db",
    "portal": {"url": "https://portal.example/rest/1/SECRET", "application": None},
    "wording": {"fallback_user": 1},
    "exchange": {"host": "pbx1", "trunks": {"carrier": "line"}},
    "ami": {"host": "127.0.0.1", "port": 5038, "user": "u", "secret": "SECRET"},
    "cdr": "/boxlift.csv",
    "metrics": {"address": "127.0.0.1", "port": 1},
    "retention_days": 1,
    "show_numbers": False,
}
FORM = {
    "event": "ONEXTERNALCALLSTART",
    "data[CALL_ID]": "externalCall.0a.1",
    "data[USER_ID]": "7",
    "data[PHONE_NUMBER]": "8 (916) 123-45-67",
    "data[PHONE_NUMBER_INTERNATIONAL]": "+7 916 123-45-67",
    "auth[application_token]": "token",
}


def test_settings_and_their_secrets(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(SETTINGS))
    settings = read_settings(str(path))
    assert settings.portal.url == "https://portal.example/rest/1/SECRET/" and settings.recordings is None
    assert "SECRET" not in repr(settings)


@pytest.mark.parametrize(
    "changes,text",
    [
        ({"portal": {"url": "http://portal.example/rest/1/x/"}}, "portal.url does not begin with https://"),
        ({"ami": {"host": "127.0.0.1"}}, "missing 3 required"),
        ({"wording": {"fallback": 1}}, "unexpected keyword argument 'fallback'"),
        ({"metrics": {"address": ""}}, "port is missing"),
        ({"exchange": None}, "mapping"),
    ],
)
def test_wrong_settings_are_named(tmp_path: pathlib.Path, changes: dict[str, t.Any], text: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({**SETTINGS, **changes}))
    with pytest.raises(BoxliftError) as caught:
        read_settings(str(path))
    assert caught.value.message.startswith(f"{path}: ") and text in caught.value.message


def test_settings_that_are_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BoxliftError, match="No such file"):
        read_settings(str(tmp_path / "settings.json"))


def test_a_click() -> None:
    click = click_of(FORM, "token")
    assert (click.call_id, click.user, click.number) == ("externalCall.0a.1", 7, CLIENT)
    fact = fact_of_click(click, "101", EXCHANGE, EPOCH)
    assert (fact.kind, fact.number, fact.inner, fact.portal_call_id) == (1, CLIENT, "101", "externalCall.0a.1")
    fields = originate_fields(click, "101", Listening("", 0, "token", channel="SIP/{inner}"))
    assert (fields["Channel"], fields["Exten"]) == ("SIP/101", CLIENT[1:])
    # The exchange gives the call the Linkedid by which the fact is known.
    assert fact.external_id == EXCHANGE.external_id(fields["ChannelId"])


@pytest.mark.parametrize("given,token", [("x", "token"), ("", "token"), ("token", ""), ("", ""), ("tökén", "token")])
def test_a_click_without_the_token_is_forged(given: str, token: str) -> None:
    with pytest.raises(Forged):
        click_of({**FORM, "auth[application_token]": given}, token)


@pytest.mark.parametrize(
    "changes",
    [
        {"event": "ONCRMLEADADD"},
        {"data[CALL_ID]": ""},
        {"data[CALL_ID]": "a\r\nAction: Originate"},
        {"data[USER_ID]": "7 OR 1"},
        {"data[PHONE_NUMBER_INTERNATIONAL]": "7916&System(rm)"},
        {"data[PHONE_NUMBER_INTERNATIONAL]": "7916\r\nApplication: System"},
        {"data[PHONE_NUMBER_INTERNATIONAL]": "", "data[PHONE_NUMBER]": ""},
    ],
)
def test_a_click_that_no_call_is_made_of(changes: dict[str, str]) -> None:
    with pytest.raises(Unusable):
        click_of({**FORM, **changes}, "token")


def test_logs_shorten_numbers_unless_asked() -> None:
    lines: list[str] = []
    log = Log(lines.append, lambda: EPOCH, False)
    log("info", "call", call="pbx1-1764400000.12", number=CLIENT, reason="8916123456 is odd, 101 not")
    assert json.loads(lines[0]) == {
        "time": EPOCH,
        "level": "info",
        "event": "call",
        "call": "pbx1-1764400000.12",
        "number": "+7916***4567",
        "reason": "891***3456 is odd, 101 not",
    }
    log.show_numbers = True
    log("info", "call", number=CLIENT)
    assert CLIENT in lines[1]


def test_requests_keep_the_portals_pace() -> None:
    now = [0.0]
    pace = Pace(2, 5, lambda: now[0])
    assert [pace.wait() for _turn in range(8)] == [0, 0, 0, 0, 0, 0.5, 1.0, 1.5]
    now[0] = 60.0
    assert pace.wait() == 0
    assert {Pace(0, 1, lambda: 0.0).wait() for _turn in range(100)} == {0.0}


@pytest.mark.parametrize(
    "status,body,kind",
    [
        (200, {"error": "ERROR_CORE", "error_description": "Call is not found (call should be registered)"}, Gone),
        (400, {"error": "", "error_description": "Unknown TYPE"}, Refused),
        (500, {"error": "ERROR_UNEXPECTED_ANSWER"}, RetryLater),
        (429, {"error": "OPERATION_TIME_LIMIT"}, RetryLater),
        (503, {"error": "QUERY_LIMIT_EXCEEDED"}, RetryLater),
        (401, {"error": "NO_AUTH_FOUND"}, NotAllowed),
        (404, {"error": "ERROR_METHOD_NOT_FOUND"}, NotAllowed),
        (403, {"error": "something new"}, NotAllowed),
        (200, [], RetryLater),
        (502, "Bad gateway", RetryLater),
    ],
)
def test_what_an_error_means(status: int, body: t.Any, kind: type[Exception]) -> None:
    with pytest.raises(BoxliftError) as caught:
        result_of("m", Reply(status, json.dumps(body).encode()))
    assert caught.type is kind


def test_an_answer_may_be_false_or_nothing() -> None:
    assert result_of("m", Reply(200, b'{"result": false}')) is False
    assert result_of("m", Reply(200, b'{"result": null}')) is None


def test_how_a_call_is_put_to_the_portal() -> None:
    wording = Wording(fallback_user=1, source="CALL_CENTRE", show=False)
    given = wording.registration(RINGING, {"101": 7}, live=True)
    assert (given["USER_ID"], given["SHOW"], given["CRM_SOURCE"], given["LINE_NUMBER"]) == (
        7,
        0,
        "CALL_CENTRE",
        "+74951000001",
    )
    assert wording.registration(RINGING, {"102": 8}, live=True)["USER_ID"] == 1
    # While nobody is known, the portal looks for him itself.
    assert wording.registration(RINGING, {}, live=True)["USER_PHONE_INNER"] == "101"
    assert wording.finish(ENDED, "c", {})["USER_PHONE_INNER"] == "101"


def test_a_client_without_a_number_makes_no_lead() -> None:
    given = Wording(fallback_user=1).registration(dataclasses.replace(RINGING, number=""), {}, live=True)
    assert (given["PHONE_NUMBER"], given["CRM_CREATE"]) == ("000000", 0)


def test_names_of_the_exchange() -> None:
    assert endpoint_of("PJSIP/my-trunk-0000002a") == "my-trunk"
    assert endpoint_of("Local/101@x-0000002a;1") is None and endpoint_of("MixMonitor") is None
    assert dialled_number("79161234567@carrier") == dialled_number("carrier/sip:79161234567@h:5060") == "79161234567"
    assert dialled_number("101") == "101" and dialled_number("carrier/sip:anna@h") == ""
    assert client_number("Anonymous") == client_number("") == "" and client_number(CLIENT) == CLIENT


def test_a_recording_is_found_by_the_calls_linkedid(tmp_path: pathlib.Path) -> None:
    """In a folder of the day, or in the folder itself; another call's identifier may begin or end with the same."""
    noon = 1_764_400_000.0
    day = time.strftime("%Y/%m/%d", time.localtime(noon))
    (tmp_path / day).mkdir(parents=True)
    for name in ("1764400000.12.wav", "11764400000.1.wav", "1764400000.1.txt", f"{day}/in-600-1764400000.2.WAV"):
        (tmp_path / name).touch()
    assert recording.of_call(str(tmp_path), "1764400000.1", noon) == ""
    assert recording.of_call(str(tmp_path), "1764400000.2", noon) == f"{day}/in-600-1764400000.2.WAV"
    (tmp_path / "1764400000.1.wav").touch()
    assert recording.of_call(str(tmp_path), "1764400000.1", noon) == "1764400000.1.wav"

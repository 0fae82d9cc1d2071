# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated portal's telephony, rule by rule, as a client of the REST interface sees it."""

from __future__ import annotations

import base64
import http.server
import threading
import time
import typing as t
import urllib.parse
from pathlib import Path

import pytest
import requests
from lab.authority import Authority
from lab.rest.faults import KINDS, Fault
from lab.rest.limits import Limits, OperatingTime
from lab.telephony.server import APPLICATION_TOKEN, TelephonyServer

NOW = 1_800_000_000.0
CLIENT = "79001112233"
RECORDING = bytes(range(256)) * 5 + b"\r\n--\r\n"
REGISTER, FINISH = "telephony.externalCall.register", "telephony.externalCall.finish"
ATTACH, STATISTICS = "telephony.externalCall.attachRecord", "voximplant.statistic.get"
Json = dict[str, t.Any]


class Client:
    """The portal as an exchange sees it: two employees, and a clock that the test turns."""

    def __init__(self, server: TelephonyServer, verify: str, clock: list[float]) -> None:
        self.server, self.clock = server, clock
        self.session = requests.Session()
        self.session.trust_env = False  # else the machine's own certificates would win
        self.session.verify = verify
        server.portal.add_user(1, "Anna", "101", IS_ADMIN=1)
        server.portal.add_user(2, "Boris", "102", PERSONAL_MOBILE="+7 900 555-66-77", MAY_SEE_STATISTICS=0)
        server.portal.add_user(3, "Vera", "103", ACTIVE=0)

    def answer(self, method: str, user: int = 1, **parameters: t.Any) -> requests.Response:
        return self.session.post(self.server.webhook(user) + method, json=parameters, timeout=10)

    def ask(self, method: str, user: int = 1, **parameters: t.Any) -> t.Any:
        answer = self.answer(method, user, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def refusal(self, method: str, user: int = 1, **parameters: t.Any) -> tuple[int, str, str]:
        answer = self.answer(method, user, **parameters)
        content = answer.json()
        return answer.status_code, content["error"], content["error_description"]

    def as_application(self, method: str, user: int = 1, **parameters: t.Any) -> Json:
        parameters["auth"] = self.server.service.token(user)
        return self.session.post(f"{self.server.url}/rest/{method}", json=parameters, timeout=10).json()

    def register(self, **changes: t.Any) -> Json:
        return self.ask(REGISTER, **{"USER_ID": 1, "PHONE_NUMBER": CLIENT, "TYPE": 2, **changes})

    def finish(self, call: Json, **changes: t.Any) -> Json:
        return self.ask(FINISH, **{"CALL_ID": call["CALL_ID"], "USER_ID": 1, "DURATION": 20, **changes})

    def statistics(self, **filters: t.Any) -> list[Json]:
        return self.ask(STATISTICS, FILTER=filters)

    def state(self, table: str) -> list[Json]:
        return self.session.get(f"{self.server.url}/_lab/{table}", timeout=10).json()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def client(authority: Authority) -> t.Iterator[Client]:
    issued, clock = authority.issue("127.0.0.1"), [NOW]
    with TelephonyServer(certificate=issued.certificate, key=issued.key, clock=lambda: clock[0]) as server:
        yield Client(server, str(authority.certificate), clock)


# -- registration -----------------------------------------------------------------------------------------------


def test_the_same_call_within_30_minutes_is_one(client: Client) -> None:
    first = client.register(EXTERNAL_CALL_ID="a", LINE_NUMBER="74950000001")
    client.clock[0] += 29 * 60
    again = client.register(EXTERNAL_CALL_ID="a", LINE_NUMBER="74950000001", CRM_CREATE=1)
    assert again["CALL_ID"] == first["CALL_ID"]
    client.clock[0] += 60
    assert client.register(EXTERNAL_CALL_ID="a", LINE_NUMBER="74950000001")["CALL_ID"] != first["CALL_ID"]


@pytest.mark.parametrize(
    "other",
    [
        {"USER_ID": 2},
        {"PHONE_NUMBER": "79001112234"},
        {"TYPE": 1},
        {"LINE_NUMBER": "74950000002"},
        {"EXTERNAL_CALL_ID": "b"},
    ],
)
def test_what_belongs_to_the_key_makes_another_call(client: Client, other: Json) -> None:
    given = {"EXTERNAL_CALL_ID": "a", "LINE_NUMBER": "74950000001"}
    assert client.register(**given)["CALL_ID"] != client.register(**{**given, **other})["CALL_ID"]


def test_the_application_belongs_to_the_key(client: Client) -> None:
    given = {"USER_ID": 1, "PHONE_NUMBER": CLIENT, "TYPE": 2, "EXTERNAL_CALL_ID": "a"}
    by_application = client.as_application(REGISTER, **given)["result"]
    assert by_application["CALL_ID"] != client.register(EXTERNAL_CALL_ID="a")["CALL_ID"]


def test_two_parallel_calls_without_an_external_id_collapse(client: Client) -> None:
    first, second = client.register(), client.register()
    assert first["CALL_ID"] == second["CALL_ID"]
    client.finish(first)
    refused = client.refusal(FINISH, CALL_ID=second["CALL_ID"], USER_ID=1)
    assert refused[:2] == (400, "ERROR_CORE") and "Call is not found" in refused[2]


def test_a_late_registration_is_never_taken_for_the_same(client: Client) -> None:
    late = "2027-01-15T07:00:00+00:00"  # an hour before now
    calls = {client.register(EXTERNAL_CALL_ID="a", CALL_START_DATE=late)["CALL_ID"] for _time in range(2)}
    assert len(calls) == 2
    client.server.portal.rules.window = "registration"
    calls = {client.register(EXTERNAL_CALL_ID="b", CALL_START_DATE=late)["CALL_ID"] for _time in range(2)}
    assert len(calls) == 1


def test_a_finished_call_is_registered_anew(client: Client) -> None:
    """Which is why the statistics must be asked before anything is repeated."""
    for _time in range(2):
        client.finish(client.register(EXTERNAL_CALL_ID="a"))
    assert len(client.statistics(EXTERNAL_CALL_ID="a")) == 2


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"USER_ID": None}, "USER_ID or USER_PHONE_INNER should be set"),
        ({"USER_ID": 3}, "User is not found or is not active"),
        ({"USER_ID": None, "USER_PHONE_INNER": "199"}, "User is not found or is not active"),
        ({"TYPE": 9}, "Unknown TYPE"),
        ({"CALL_START_DATE": "yesterday"}, "CALL_START_DATE should be in the ISO-8601 format"),
        ({"PHONE_NUMBER": "anonymous"}, "Unsupported phone number format"),
        ({"PHONE_NUMBER": "0"}, "Unsupported phone number format"),
    ],
)
def test_refused_registrations(client: Client, change: Json, text: str) -> None:
    given = {"USER_ID": 1, "PHONE_NUMBER": CLIENT, "TYPE": 2, **change}
    assert client.refusal(REGISTER, **given) == (400, "ERROR_CORE", text)
    assert client.state("calls") == []


def test_the_inner_number_names_the_employee(client: Client) -> None:
    client.register(USER_ID=None, USER_PHONE_INNER="102")
    assert [call["USER_ID"] for call in client.state("calls")] == [2]


# -- the client's card ------------------------------------------------------------------------------------------


def test_a_lead_is_made_only_for_an_unknown_number(client: Client) -> None:
    lead = client.register(CRM_CREATE=1)
    assert lead["CRM_CREATED_LEAD"] and lead["CRM_CREATED_ENTITIES"] == [
        {"ENTITY_TYPE": "LEAD", "ENTITY_ID": lead["CRM_CREATED_LEAD"]}
    ]
    again = client.register(CRM_CREATE=1, PHONE_NUMBER="8 900 111-22-33", EXTERNAL_CALL_ID="b")
    assert again["CRM_CREATED_LEAD"] is None and again["CRM_ENTITY_ID"] == lead["CRM_CREATED_LEAD"]
    title = client.ask("crm.lead.get", ID=lead["CRM_CREATED_LEAD"])["TITLE"]
    assert title == f"{CLIENT} - Incoming call"


def test_without_leads_a_contact_and_a_deal_are_made(client: Client) -> None:
    client.server.portal.rules.leads = False
    call = client.register(CRM_CREATE=1)
    assert call["CRM_CREATED_LEAD"] is None
    assert [each["ENTITY_TYPE"] for each in call["CRM_CREATED_ENTITIES"]] == ["CONTACT", "DEAL"]


def test_a_number_of_an_employee_makes_no_lead(client: Client) -> None:
    answer = client.answer(REGISTER, USER_ID=1, PHONE_NUMBER="79005556677", TYPE=2, CRM_CREATE=1)
    result = answer.json()["result"]
    assert (answer.status_code, result["CRM_CREATED_LEAD"]) == (200, None)
    assert result["LEAD_CREATION_ERROR"] == "Lead creation is disabled for local users"
    inner = client.register(PHONE_NUMBER="102", CRM_CREATE=1)
    assert inner["CRM_ENTITY_ID"] is None and "LEAD_CREATION_ERROR" not in inner


def test_an_outgoing_call_obeys_its_line(client: Client) -> None:
    client.ask("telephony.externalLine.add", NUMBER="74950000001", CRM_AUTO_CREATE="N")
    given = {"CRM_CREATE": 1, "LINE_NUMBER": "74950000001"}
    assert client.register(**given, TYPE=1)["CRM_CREATED_LEAD"] is None
    assert client.register(**given, TYPE=2)["CRM_CREATED_LEAD"]


def test_search_tells_whose_client_it_is(client: Client) -> None:
    client.server.portal.add_entity("LEAD", CLIENT, 1)
    client.server.portal.add_entity("CONTACT", CLIENT, 2)
    found = client.ask("telephony.externalCall.searchCrmEntities", PHONE_NUMBER="+" + CLIENT)
    assert [each["CRM_ENTITY_TYPE"] for each in found] == ["CONTACT", "LEAD"]
    assert found[0]["ASSIGNED_BY"]["USER_PHONE_INNER"] == "102"
    refused = client.refusal("telephony.externalCall.searchCrmEntities")
    assert refused == (400, "ERROR_CORE", "PHONE_NUMBER is empty")


# -- lines ------------------------------------------------------------------------------------------------------


def test_a_line_exists_once_and_registration_makes_it(client: Client) -> None:
    client.ask("telephony.externalLine.add", NUMBER="74950000001", NAME="Office")
    refused = client.refusal("telephony.externalLine.add", NUMBER="74950000001")
    assert refused == (400, "ERROR_CORE", "Line already exists")
    client.register(LINE_NUMBER="74950000009")
    lines = client.ask("telephony.externalLine.get")
    assert [line["NUMBER"] for line in lines] == ["74950000001", "74950000009"]
    assert client.as_application("telephony.externalLine.get")["result"] == []


def test_a_line_is_changed(client: Client) -> None:
    update = "telephony.externalLine.update"
    client.ask("telephony.externalLine.add", NUMBER="74950000001", NAME="Office")
    client.ask(update, NUMBER="74950000001", CRM_AUTO_CREATE="N")
    assert client.ask("telephony.externalLine.get") == [
        {"NUMBER": "74950000001", "NAME": "Office", "CRM_AUTO_CREATE": "N"}
    ]
    assert client.refusal(update, NUMBER="74950000001")[2] == "There are no fields to update"
    assert client.refusal(update, NUMBER="1", NAME="x")[2] == "Could not find line with number 1"


# -- the end of a call ------------------------------------------------------------------------------------------


def test_finish_writes_statistics_and_activity_once(client: Client) -> None:
    call = client.register(CRM_CREATE=1, EXTERNAL_CALL_ID="a", LINE_NUMBER="74950000001")
    answer = client.finish(call, USER_ID=2, DURATION=95, VOTE=5)
    assert (answer["CALL_DURATION"], answer["CALL_STATUS"], answer["CALL_FAILED_CODE"]) == (95, 1, "200")
    refused = client.refusal(FINISH, CALL_ID=call["CALL_ID"], USER_ID=2)
    assert refused == (400, "ERROR_CORE", "Call is not found (call should be registered prior to finishing)")
    [row] = client.statistics(EXTERNAL_CALL_ID="a")
    assert (row["CALL_ID"], row["CALL_DURATION"], row["PORTAL_USER_ID"]) == (call["CALL_ID"], "95", "2")
    [activity] = client.ask("crm.activity.list", filter={"ORIGIN_ID": f"VI_{call['CALL_ID']}"})
    assert (activity["ID"], activity["OWNER_ID"]) == (row["CRM_ACTIVITY_ID"], str(call["CRM_CREATED_LEAD"]))
    # The lead that this call made goes to whom it ended with.
    assert client.ask("crm.lead.get", ID=call["CRM_CREATED_LEAD"])["ASSIGNED_BY_ID"] == "2"


def test_an_owner_of_an_existing_client_stays(client: Client) -> None:
    client.server.portal.add_entity("CONTACT", CLIENT, 1)
    client.finish(client.register(CRM_CREATE=1), USER_ID=2)
    assert [row["ASSIGNED_BY_ID"] for row in client.state("entities")] == [1]


def test_the_true_time_of_a_late_call_stays(client: Client) -> None:
    client.server.portal.add_entity("CONTACT", CLIENT)
    client.finish(client.register(CALL_START_DATE="2027-01-15T09:00:00+03:00"))
    assert client.statistics()[0]["CALL_START_DATE"] == "2027-01-15T06:00:00+00:00"
    assert client.state("activities")[0]["START_TIME"] == "2027-01-15T06:00:00+00:00"


def test_missed_calls_are_called_back(client: Client) -> None:
    row = client.finish(client.register(), DURATION=0)
    assert (row["CALL_FAILED_CODE"], row["CALL_STATUS"]) == ("304", 0)
    client.finish(client.register(TYPE=1), DURATION=0)  # nobody answered: an outgoing 304 is not a missed call
    assert [each["CALLBACK_CALL_ID"] for each in client.state("missed")] == [None]
    back = client.register(TYPE=1)
    client.finish(back)
    assert [each["CALLBACK_CALL_ID"] for each in client.state("missed")] == [back["CALL_ID"]]


def test_a_call_identifier_is_a_text(client: Client) -> None:
    assert client.refusal(FINISH, CALL_ID=7, USER_ID=1)[1:] == ("INVALID_ARGUMENT", "CALL_ID must be a string")


def test_cards_are_shown_and_hidden(client: Client) -> None:
    call = client.register(SHOW=0)
    assert client.state("cards") == []
    assert client.ask("telephony.externalCall.show", CALL_ID=call["CALL_ID"], USER_ID=[1, 2]) is True
    assert client.ask("telephony.externalCall.hide", CALL_ID=call["CALL_ID"], USER_ID=1) is True
    assert [card["USER_ID"] for card in client.state("cards")] == [2]
    assert client.ask("telephony.externalCall.show", CALL_ID="externalCall.unknown") is False
    client.finish(call)
    assert client.state("cards") == []


# -- recordings -------------------------------------------------------------------------------------------------


def stored(client: Client, number: int) -> bytes:
    return client.session.get(f"{client.server.url}/_lab/record/{number}", timeout=10).content


def test_a_recording_is_stored_as_it_was_sent(client: Client) -> None:
    call = client.register(CRM_CREATE=1)
    content = base64.b64encode(RECORDING).decode()
    given = {"CALL_ID": call["CALL_ID"], "FILENAME": "a.wav", "FILE_CONTENT": content}
    assert "It looks like it is not finished yet" in client.refusal(ATTACH, **given)[2]
    client.finish(call)
    number = client.ask(ATTACH, **given)["FILE_ID"]
    assert stored(client, number) == RECORDING
    [row] = client.statistics(CALL_ID=call["CALL_ID"])
    assert row["RECORD_FILE_ID"] == number and row["CALL_RECORD_URL"].endswith(f"/_lab/record/{number}")
    assert client.ask("crm.activity.get", ID=row["CRM_ACTIVITY_ID"])["FILES"] == [{"id": number}]


def test_a_recording_is_sent_to_the_upload_address_and_replaces_the_other(client: Client) -> None:
    call = client.register()
    client.finish(call)
    client.ask(ATTACH, CALL_ID=call["CALL_ID"], FILENAME="a.wav", FILE_CONTENT=base64.b64encode(b"old").decode())
    place = client.ask(ATTACH, CALL_ID=call["CALL_ID"], FILENAME="b.mp3")
    files = {place["fieldName"]: ("b.mp3", RECORDING)}
    number = client.session.post(place["uploadUrl"], files=files, timeout=10).json()["result"]["FILE_ID"]
    assert stored(client, number) == RECORDING
    assert [row["NAME"] for row in client.state("records")] == ["b.mp3"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"FILENAME": "a.ogg"}, "Wrong file extension. Only wav and mp3 are allowed"),
        ({"FILENAME": ""}, "File name is empty"),
        ({"FILE_CONTENT": ""}, "File content is empty."),
        ({"FILE_CONTENT": "not base64!"}, "File content is not properly encoded. Base64 encoding is expected."),
        ({"RECORD_URL": "https://198.18.0.9/a.wav"}, "resolves to a non-public address and was blocked"),
    ],
)
def test_refused_recordings(client: Client, change: Json, text: str) -> None:
    call = client.register()
    client.finish(call)
    given = {"CALL_ID": call["CALL_ID"], "FILENAME": "a.wav", "FILE_CONTENT": "YQ==", **change}
    assert text in client.refusal(ATTACH, **given)[2]
    assert client.state("records") == []


# -- statistics -------------------------------------------------------------------------------------------------


def test_statistics_come_in_pages_and_by_filter(client: Client) -> None:
    for number in range(60):
        client.clock[0] += 1
        client.finish(client.register(EXTERNAL_CALL_ID=str(number)), DURATION=number)
    page = client.answer(STATISTICS, FILTER={}, SORT="ID", ORDER="ASC").json()
    assert (len(page["result"]), page["total"], page["next"]) == (50, 60, 50)
    page = client.answer(STATISTICS, FILTER={}, start=50).json()
    assert len(page["result"]) == 10 and "next" not in page
    assert [row["CALL_DURATION"] for row in client.statistics(EXTERNAL_CALL_ID="7")] == ["7"]
    assert len(client.statistics(**{"EXTERNAL_CALL_ID": ["7", "8"]})) == 2
    since = "2027-01-15T08:00:51+00:00"
    assert len(client.statistics(**{">=CALL_START_DATE": since, "CALL_FAILED_CODE": "200"})) == 10
    assert client.statistics(EXTERNAL_CALL_ID="none") == []


def test_statistics_need_a_right(client: Client) -> None:
    assert client.refusal(STATISTICS, 2) == (403, "ACCESS_DENIED", "Access denied!")


def test_users_by_inner_number(client: Client) -> None:
    assert [user["UF_PHONE_INNER"] for user in client.ask("user.get", ACTIVE=True)] == ["101", "102"]
    assert [user["ID"] for user in client.ask("user.get", FILTER={"UF_PHONE_INNER": "102"})] == ["2"]


# -- who may ask ------------------------------------------------------------------------------------------------


def test_plain_http_is_refused(client: Client) -> None:
    answer = client.session.post(client.server.webhook(1).replace("https:", "http:") + "user.get", timeout=10)
    assert (answer.status_code, answer.json()["error_description"]) == (401, "Https required")


def test_webhooks_are_refused_where_the_documentation_is_followed(client: Client) -> None:
    client.server.portal.rules.webhooks = False
    for method in (REGISTER, FINISH, "telephony.externalLine.get"):
        assert client.refusal(method)[:2] == (403, "WRONG_AUTH_TYPE")
    given = {"USER_ID": 1, "PHONE_NUMBER": CLIENT, "TYPE": 2}
    assert client.as_application(REGISTER, **given)["result"]["CALL_ID"]
    client.server.portal.rules.webhooks = True
    assert client.refusal("event.offline.get")[:2] == (403, "WRONG_AUTH_TYPE")


def test_wrong_credentials(client: Client) -> None:
    url = f"{client.server.url}/rest/"
    for path, code in (("1/wrong/user.get", "INVALID_CREDENTIALS"), ("user.get", "NO_AUTH_FOUND")):
        answer = client.session.post(url + path, timeout=10)
        assert (answer.status_code, answer.json()["error"]) == (401, code)
    client.clock[0] += 3600
    old = client.server.service.token(1)
    client.clock[0] += 3600
    answer = client.session.post(url + "user.get", json={"auth": old}, timeout=10)
    assert answer.json()["error"] == "expired_token"
    given = {"client_id": "local.app", "client_secret": "client-secret", "grant_type": "refresh_token"}
    given["refresh_token"] = client.server.service.refresh_token(1)
    tokens = client.session.post(f"{client.server.url}/oauth/token/", data=given, timeout=10).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert client.session.post(url + "user.get", headers=headers, timeout=10).status_code == 200
    given["client_secret"] = "wrong"
    assert client.session.post(f"{client.server.url}/oauth/token/", data=given, timeout=10).status_code == 400


def test_an_unknown_method(client: Client) -> None:
    assert client.refusal("telephony.unknown")[:2] == (404, "ERROR_METHOD_NOT_FOUND")


def test_forms_are_understood_like_json(client: Client) -> None:
    given = {"FILTER[CALL_ID]": "x", "FILTER[ID][0]": "1", "FILTER[ID][1]": "2"}
    answer = client.session.post(client.server.webhook(1) + STATISTICS, data=given, timeout=10)
    assert answer.json()["result"] == []


def test_a_batch_answers_every_command(client: Client) -> None:
    filters = urllib.parse.urlencode({"FILTER[CALL_ID]": "x"})
    commands = {"a": "user.get", "b": "telephony.unknown", "c": f"{STATISTICS}?{filters}"}
    result = client.ask("batch", cmd=commands)
    assert (len(result["result"]["a"]), result["result"]["c"], list(result["result_error"])) == (3, [], ["b"])
    assert client.ask("batch", cmd={"a": "user.get"})["result_error"] == []
    assert "c" not in client.ask("batch", cmd=commands, halt=1)["result"]
    refused = client.ask("batch", cmd={"a": ATTACH})["result_error"]["a"]
    assert refused["error"] == "ERROR_BATCH_METHOD_NOT_ALLOWED"


# -- limits -----------------------------------------------------------------------------------------------------


def test_more_requests_than_the_bucket_holds(client: Client) -> None:
    client.server.service.limit(Limits(rate=2, burst=5))
    codes = [client.answer("user.get").status_code for _time in range(7)]
    assert codes == [200] * 5 + [503] * 2
    assert client.refusal("user.get")[1] == "QUERY_LIMIT_EXCEEDED"
    client.clock[0] += 1
    assert [client.answer("user.get").status_code for _time in range(3)] == [200, 200, 503]


def test_a_method_whose_work_took_too_long_waits(client: Client) -> None:
    client.server.service.limit(Limits(operating=480, work={"user.get": 300.0}))
    times = [client.answer("user.get").json()["time"]["operating"] for _time in range(2)]
    assert 300 <= times[0] < 301 and 600 <= times[1] < 601  # the request that crosses the limit is answered
    assert client.refusal("user.get")[:2] == (429, "OPERATION_TIME_LIMIT")
    assert client.ask("telephony.externalLine.get") == []  # another method has its own time
    assert "result" in client.as_application("user.get")  # and so has another credential
    client.clock[0] += 600
    assert client.answer("user.get").status_code == 200


def test_operating_time_leaves_slot_by_slot() -> None:
    clock = [0.0]
    time_spent = OperatingTime(None, lambda: clock[0])
    for minute in range(3):
        clock[0] = minute * 60
        time_spent.add("m", "c", 10)
    clock[0] = 10 * 60
    assert time_spent.spent("m", "c") == 20


# -- faults -----------------------------------------------------------------------------------------------------


def test_an_answer_lost_after_writing(client: Client) -> None:
    call = client.register(EXTERNAL_CALL_ID="a")
    client.server.faults.set([Fault("lose_answer", FINISH)])
    with pytest.raises(requests.ConnectionError):
        client.finish(call)
    assert len(client.statistics(EXTERNAL_CALL_ID="a")) == 1
    assert "Call is not found" in client.refusal(FINISH, CALL_ID=call["CALL_ID"], USER_ID=1)[2]
    lost = [row for row in client.state("requests") if row["FAULT"] == "lose_answer"]
    assert [(row["METHOD"], row["STATUS"], row["CALL_ID"]) for row in lost] == [(FINISH, 0, call["CALL_ID"])]


@pytest.mark.parametrize("kind", [kind for kind, done in KINDS.items() if not done])
def test_faults_that_do_nothing_else(client: Client, kind: str) -> None:
    statuses = {"unavailable": 503, "query_limit": 503, "overload": 503, "operation_limit": 429, "error": 500}
    statuses |= {"html": 200, "refuse": 400}
    client.server.faults.set([Fault(kind, REGISTER)])
    given = {"USER_ID": 1, "PHONE_NUMBER": CLIENT, "TYPE": 2}
    if kind == "drop":
        with pytest.raises(requests.ConnectionError):
            client.answer(REGISTER, **given)
    else:
        answer = client.answer(REGISTER, **given)
        assert answer.status_code == statuses[kind]
        assert ("json" in answer.headers["Content-Type"]) == (kind not in ("unavailable", "html"))
    assert client.state("calls") == []
    assert client.answer(REGISTER, **given).status_code == 200


def test_a_late_answer_has_been_written(client: Client) -> None:
    client.server.faults.set([Fault("late", REGISTER, seconds=0.5), Fault("slow", "user.get", seconds=0.3)])
    with pytest.raises(requests.ReadTimeout):
        given = {"USER_ID": 1, "PHONE_NUMBER": CLIENT, "TYPE": 2}
        client.session.post(client.server.webhook(1) + REGISTER, json=given, timeout=0.2)
    assert len(client.state("calls")) == 1
    begun = time.monotonic()
    client.ask("user.get")
    assert time.monotonic() - begun >= 0.3


def test_faults_are_counted_and_skipped(client: Client) -> None:
    client.server.faults.set([Fault("error", "user.*", skip=2, times=2)])
    assert [client.answer("user.get").status_code for _time in range(5)] == [200, 200, 500, 500, 200]
    client.server.faults.set([Fault("error", share=0.5, times=-1)])
    codes = [client.answer("user.get").status_code for _time in range(40)]
    assert 8 <= codes.count(500) <= 32


def test_unknown_faults_are_errors() -> None:
    for wrong in ({"kind": "typo"}, {"kind": "late"}, {"kind": "drop", "seconds": 1}):
        with pytest.raises(ValueError):
            Fault(**wrong)


def test_an_outage_ends(client: Client) -> None:
    lab = f"{client.server.url}/_lab/"
    client.session.post(lab + "set", json={"outage": 60}, timeout=10).raise_for_status()
    with pytest.raises(requests.ConnectionError):
        client.answer("user.get")
    client.session.post(lab + "set", json={"outage": 0}, timeout=10).raise_for_status()
    assert client.answer("user.get").status_code == 200


def test_a_lead_that_fails_is_told_with_status_200(client: Client) -> None:
    client.server.faults.set([Fault("no_lead", REGISTER)])
    call = client.register(CRM_CREATE=1)
    assert call["LEAD_CREATION_ERROR"] and call["CRM_CREATED_LEAD"] is None and call["CALL_ID"]


# -- events -----------------------------------------------------------------------------------------------------


class Listener(http.server.BaseHTTPRequestHandler):
    """Keeps the forms that are posted to it."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        t.cast(t.Any, self.server).forms.append(dict(urllib.parse.parse_qsl(body)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_a_click_registers_and_tells_the_handler(client: Client) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    t.cast(t.Any, server).forms = forms = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    handler = f"http://127.0.0.1:{server.server_address[1]}/click"
    assert client.as_application("event.bind", event="OnExternalCallStart", handler=handler)["result"] is True
    click = {"USER_ID": 1, "PHONE_NUMBER": CLIENT}
    assert client.server.service.click(click) == {"CALL_ID": None, "told": 0}  # not the default outgoing line
    client.server.portal.rules.outgoing_line = "REST_APP:3"
    told = client.session.post(f"{client.server.url}/_lab/click", json=click, timeout=10).json()
    deadline = time.monotonic() + 5
    while not client.state("deliveries") and time.monotonic() < deadline:
        time.sleep(0.01)
    server.shutdown()
    server.server_close()
    [form] = forms
    assert form["event"] == "ONEXTERNALCALLSTART" and form["data[CALL_ID]"] == told["CALL_ID"]
    assert form["auth[application_token]"] == APPLICATION_TOKEN
    [call] = client.state("calls")
    assert (call["CALL_ID"], call["EXTERNAL_CALL_ID"], call["TYPE"]) == (told["CALL_ID"], "", 1)


def test_offline_events_wait_until_they_are_cleared(client: Client) -> None:
    bound = {"event": "ONEXTERNALCALLSTART", "event_type": "offline"}
    assert client.as_application("event.bind", 2, **bound)["error"] == "ACCESS_DENIED"  # no administrator
    client.as_application("event.bind", **bound)
    client.server.portal.rules.outgoing_line = "REST_APP:3"
    calls = [client.server.service.click({"USER_ID": 1, "PHONE_NUMBER": f"7900000000{n}"}) for n in range(2)]
    got = client.as_application("event.offline.get", clear=0)["result"]
    assert [each["EVENT_DATA"]["CALL_ID"] for each in got["events"]] == [call["CALL_ID"] for call in calls]
    assert client.as_application("event.offline.get", clear=0)["result"]["events"] == []  # reserved
    again = client.as_application("event.offline.get", clear=0, process_id=got["process_id"])["result"]
    assert len(again["events"]) == 2
    first = got["events"][0]["ID"]
    client.as_application("event.offline.clear", process_id=got["process_id"], id=[first])
    assert len(client.state("queue")) == 1
    client.as_application("event.offline.clear", process_id=got["process_id"])
    assert client.state("queue") == []


def test_offline_events_are_gone_when_they_are_read_carelessly(client: Client) -> None:
    client.as_application("event.bind", event="ONEXTERNALCALLSTART", event_type="offline")
    client.server.portal.rules.outgoing_line = "REST_APP:3"
    client.server.service.click({"USER_ID": 1, "PHONE_NUMBER": CLIENT})
    assert len(client.as_application("event.offline.get")["result"]["events"]) == 1
    assert client.as_application("event.offline.get")["result"]["events"] == []


# -- the server -------------------------------------------------------------------------------------------------


def test_what_was_written_outlives_the_server(authority: Authority, tmp_path: Path) -> None:
    issued = authority.issue("127.0.0.1")
    for expected in (0, 1):
        options: Json = {"certificate": issued.certificate, "key": issued.key, "store": str(tmp_path / "db")}
        with TelephonyServer(**options) as server:
            assert server.store.count("calls") == expected
            if not expected:
                server.portal.add_user(1, "Anna")
                server.portal.register("", {"USER_ID": 1, "PHONE_NUMBER": CLIENT, "TYPE": 2})


def test_settings_of_a_host(client: Client) -> None:
    given = {
        "users": [{"ID": 9, "NAME": "Galina", "UF_PHONE_INNER": "109"}],
        "entities": [{"TYPE": "CONTACT", "PHONE": CLIENT}],
        "tokens": {"secret": [9, "3"]},
        "rules": {"webhooks": False},
        "faults": [{"kind": "error", "method": "app.info"}],
    }
    client.session.post(f"{client.server.url}/_lab/set", json=given, timeout=10).raise_for_status()
    url = f"{client.server.url}/rest/"
    answer = client.session.post(url + "user.get", json={"auth": "secret", "ID": 9}, timeout=10).json()
    assert [user["NAME"] for user in answer["result"]] == ["Galina"]
    assert client.session.post(url + "app.info", json={"auth": "secret"}, timeout=10).status_code == 500
    assert client.refusal(REGISTER)[1] == "WRONG_AUTH_TYPE"

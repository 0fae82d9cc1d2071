# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated CRM, rule by rule, as a client of the REST interface sees it."""

from __future__ import annotations

import base64
import typing as t
import urllib.parse

import pytest
import requests
from lab.authority import Authority
from lab.crm.portal import Crm
from lab.crm.server import CrmServer, Meanwhile
from lab.rest.faults import Fault
from lab.rest.limits import Limits

NOW = 1_800_000_000.0
Json = dict[str, t.Any]


class Client:
    """The portal as a program sees it: an administrator, an employee, and a clock that the test turns."""

    def __init__(self, server: CrmServer, verify: str, clock: list[float]) -> None:
        self.server, self.clock = server, clock
        self.session = requests.Session()
        self.session.trust_env = False  # else the machine's own certificates would win
        self.session.verify = verify
        server.crm.add_user(2, "Boris")
        server.crm.add_user(3, "Vera", ACTIVE=False)

    @property
    def crm(self) -> Crm:
        return self.server.crm

    def answer(self, method: str, user: int = 1, **parameters: t.Any) -> requests.Response:
        return self.session.post(self.server.webhook(user) + method, json=parameters, timeout=10)

    def envelope(self, method: str, user: int = 1, **parameters: t.Any) -> Json:
        answer = self.answer(method, user, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ask(self, method: str, user: int = 1, **parameters: t.Any) -> t.Any:
        return self.envelope(method, user, **parameters)["result"]

    def refusal(self, method: str, user: int = 1, **parameters: t.Any) -> tuple[int, str]:
        answer = self.answer(method, user, **parameters)
        return answer.status_code, answer.json()["error"]

    def batch(self, halt: int = 0, **commands: str) -> Json:
        return self.ask("batch", cmd=commands, halt=halt)

    def as_application(self, method: str, user: int = 1, **parameters: t.Any) -> Json:
        parameters["auth"] = self.server.service.token(user)
        return self.session.post(f"{self.server.url}/rest/{method}", json=parameters, timeout=10).json()

    def row(self, kind: str, number: int) -> Json:
        row = self.crm.get(kind, number)
        assert row is not None
        return row

    def items(self, kind: int = 1, **parameters: t.Any) -> list[Json]:
        return self.ask("crm.item.list", entityTypeId=kind, **parameters)["items"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def client(authority: Authority) -> t.Iterator[Client]:
    issued, clock = authority.issue("127.0.0.1"), [NOW]
    with CrmServer(issued.certificate, issued.key, clock=lambda: clock[0]) as server:
        yield Client(server, str(authority.certificate), clock)


def moment(days: int, hours: int = 12) -> str:
    """A date before NOW, which is 2027-01-15T11:00:00+03:00."""
    return f"2027-01-{15 - days:02}T{hours:02}:00:00+03:00"


def test_items_are_added_read_changed_and_deleted(client: Client) -> None:
    made = client.ask("crm.item.add", entityTypeId=3, fields={"name": "Anna", "assignedById": 2})["item"]
    assert (made["id"], made["name"], made["assignedById"], made["createdBy"]) == (1, "Anna", 2, 1)
    client.clock[0] += 60
    changed = client.ask("crm.item.update", entityTypeId=3, id=1, fields={"name": "Anne"}, user=2)["item"]
    assert (changed["name"], changed["updatedBy"]) == ("Anne", 2)
    assert changed["updatedTime"] > changed["createdTime"]
    assert client.ask("crm.item.get", entityTypeId=3, id=1)["item"] == changed
    assert client.ask("crm.item.delete", entityTypeId=3, id=1) == []
    assert client.refusal("crm.item.get", entityTypeId=3, id=1) == (400, "NOT_FOUND")


def test_import_is_monotone_for_an_administrator(client: Client) -> None:
    def refused(**fields: t.Any) -> bool:
        answer = client.answer("crm.item.import", entityTypeId=1, fields=fields)
        return answer.status_code == 400

    first = client.ask("crm.item.import", entityTypeId=1, fields={"createdTime": moment(5), "createdBy": 2})
    row = client.crm.get("lead", first["item"]["id"])
    assert row is not None and (row["createdTime"], row["createdBy"]) == (moment(5), 2)
    assert refused(createdTime=moment(6))
    assert not refused(createdTime=moment(5))
    assert refused(createdTime=moment(-1))
    client.crm.add("lead", createdTime=moment(3))
    assert refused(createdTime=moment(4))
    client.crm.delete("lead", 3)
    assert not refused(createdTime=moment(4))
    assert client.crm.automation == {}


def test_a_batch_of_imports(client: Client) -> None:
    data: list[Json] = [{"title": "a", "nonsense": 1}, {"title": "b", "createdTime": moment(2)}]
    items = client.ask("crm.item.batchImport", entityTypeId=2, data=data)["items"]
    assert items[0] == {"item": {"id": 1}}
    assert items[1]["error"] == "CRM_FIELD_ERROR_VALUE_NOT_VALID"
    refusal = client.refusal("crm.item.batchImport", entityTypeId=2, data=[{"title": "a"}] * 21)
    assert refusal == (400, "MAX_IMPORT_BATCH_SIZE_EXCEEDED")


def test_pages(client: Client) -> None:
    for _number in range(120):
        client.crm.add("lead")
    first = client.envelope("crm.item.list", entityTypeId=1)
    assert (len(first["result"]["items"]), first["total"], first["next"]) == (50, 120, 50)
    last = client.envelope("crm.item.list", entityTypeId=1, start=100)
    assert (len(last["result"]["items"]), "next" in last) == (20, False)
    walk = client.envelope("crm.item.list", entityTypeId=1, filter={">id": 100}, start=-1)
    assert len(walk["result"]["items"]) == 20 and "total" not in walk and "next" not in walk


# -- envelope, credentials, plans ------------------------------------------------------------------------------------


def test_an_answer_has_an_envelope_with_times(client: Client) -> None:
    times = client.envelope("crm.item.list", entityTypeId=1)["time"]
    assert times["date_start"] == "2027-01-15T11:00:00+03:00"
    assert times["operating"] > 0
    assert set(times) >= {"start", "finish", "duration", "processing", "date_finish", "operating_reset_at"}


def test_requests_in_every_form(client: Client) -> None:
    client.crm.add("lead", title="a")
    asked = {"filter[title]": "a", "entityTypeId": "1", "select[]": "title"}
    base = client.server.webhook(1) + "crm.item.list.json"
    as_query = client.session.get(f"{base}?{urllib.parse.urlencode(asked)}", timeout=10)
    as_form = client.session.post(base, data=asked, timeout=10)
    expected = {"items": [{"id": 1, "title": "a"}]}
    assert as_query.json()["result"] == as_form.json()["result"] == expected


def test_https_is_demanded(client: Client) -> None:
    address = client.server.url.replace("https:", "http:")
    assert client.session.get(f"{address}/rest/profile", timeout=10).json()["error"] == "INVALID_REQUEST"


def test_who_asks(client: Client) -> None:
    url = client.server.url
    for path, status, code in (
        ("1/wrong/profile", 403, "INVALID_CREDENTIALS"),
        ("3/hook0123456789ab/profile", 403, "INVALID_CREDENTIALS"),
        ("profile", 401, "NO_AUTH_FOUND"),
        ("profile?auth=unknown", 401, "expired_token"),
    ):
        answer = client.session.get(f"{url}/rest/{path}", timeout=10)
        assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert client.as_application("profile", user=2)["result"]["ID"] == "2"
    client.clock[0] += 7200
    old = client.server.service.token(1, seconds=-1)
    assert client.session.get(f"{url}/rest/profile?auth={old}", timeout=10).json()["error"] == "expired_token"


def test_plans_and_scopes(client: Client) -> None:
    rules = client.server.service.rules
    rules.scopes = ("user",)
    assert client.refusal("crm.item.list", entityTypeId=1) == (403, "insufficient_scope")
    assert client.answer("user.get").status_code == 200
    rules.rest_in_plan = False
    assert client.refusal("user.get") == (403, "ACCESS_DENIED")
    rules.closed = True
    assert client.refusal("user.get") == (500, "PORTAL_DELETED")


def test_a_plan_without_imports(client: Client) -> None:
    rules = client.server.service.rules
    rules.imports = rules.batch_imports = False
    assert client.refusal("crm.item.import", entityTypeId=1, fields={}) == (404, "ERROR_METHOD_NOT_FOUND")
    assert client.refusal("crm.item.batchImport", entityTypeId=1, data=[]) == (404, "ERROR_METHOD_NOT_FOUND")
    assert "crm.item.import" not in client.ask("methods")
    # method.get does not look at what comes after crm.item.
    assert client.ask("method.get", name="crm.item.import") == {"isExisting": True, "isAvailable": True}
    assert client.ask("method.get", name="crm.leed.list")["isExisting"] is False
    assert client.ask("method.get", name="User.Get")["isExisting"] is False


def test_features_of_a_plan(client: Client) -> None:
    rules = client.server.service.rules
    assert client.ask("feature.get", CODE="rest_offline_extended") == {"value": "Y"}
    rules.offline_extended = False
    assert client.ask("feature.get", CODE="rest_offline_extended") == {"value": "N"}
    rules.box = True
    assert client.ask("feature.get", CODE="rest_offline_extended") == {"value": "en_selfhosted"}
    assert client.refusal("feature.get") == (400, "CODE_EMPTY")


# -- batch -----------------------------------------------------------------------------------------------------------


def test_a_batch_answers_maps_or_empty_lists(client: Client) -> None:
    client.crm.add("lead", title="a")
    done = client.batch(one="crm.item.get?entityTypeId=1&id=1", two="crm.item.get?entityTypeId=1&id=9", three="profile")
    assert set(done["result"]) == {"one", "three"}
    assert done["result_error"]["two"]["error"] == "NOT_FOUND"
    assert done["result_total"] == done["result_next"] == []
    assert done["result_time"]["one"]["operating"] > 0
    nothing = client.ask("batch", cmd={})
    assert nothing["result"] == nothing["result_error"] == []
    assert client.ask("batch", cmd=["profile", "user.admin"])["result"][1] is True


def test_a_batch_halts(client: Client) -> None:
    done = client.batch(1, a="crm.item.get?entityTypeId=1&id=9", b="profile")
    assert done["result"] == [] and set(done["result_error"]) == {"a"}


def test_a_batch_has_fifty_commands_and_none_inside(client: Client) -> None:
    done = client.ask("batch", cmd={f"c{n}": "profile" for n in range(52)})
    assert len(done["result"]) == 50
    assert {each["error"] for each in done["result_error"].values()} == {"ERROR_BATCH_LENGTH_EXCEEDED"}
    assert client.batch(a="batch?cmd[0]=profile")["result_error"]["a"]["error"] == "ERROR_BATCH_METHOD_NOT_ALLOWED"


def test_commands_refer_to_earlier_ones(client: Client) -> None:
    for number in range(60):
        client.crm.add("lead", title=f"Lead {number}")
    done = client.batch(
        first="crm.item.list?entityTypeId=1&order[id]=ASC&start=-1",
        second="crm.lead.list?order[ID]=ASC&filter[%3EID]=%24result[first][items][49][id]&start=-1",
        third="crm.lead.get?id=$result[second][0][ID]",
        nothing="crm.lead.list?filter[%3EID]=$result[first][items][77][id]",
    )["result"]
    assert [row["ID"] for row in done["second"]] == [str(n) for n in range(51, 61)]
    assert done["third"]["TITLE"] == "Lead 50"
    assert done["nothing"] == []


def test_php_ends_a_key_at_the_first_equals_sign(client: Client) -> None:
    for _number in range(3):
        client.crm.add("lead")
    done = client.batch(
        wrong="crm.lead.list?filter[<=ID]=2&select[]=ID", right="crm.lead.list?filter[%3C%3DID]=2&select[]=ID"
    )["result"]
    assert (len(done["wrong"]), len(done["right"])) == (3, 2)
    both = client.batch(a="crm.lead.list?filter[<=ID]=2&filter[ID]=3&select[]=ID")["result"]
    assert both == {"a": [{"ID": "3"}]}


def test_a_thousand_imports_in_one_request(client: Client) -> None:
    data = urllib.parse.urlencode({f"data[{n}][title]": f"Lead {n}" for n in range(20)})
    commands = {f"c{n}": f"crm.item.batchImport?entityTypeId=1&{data}" for n in range(50)}
    done = client.ask("batch", cmd=commands)
    assert done["result_error"] == [] and client.crm.count("lead") == 1000
    assert done["result"]["c49"]["items"][19] == {"item": {"id": 1000}}
    client.server.service.rules.batch_imports_in_batch = False
    refused = client.ask("batch", cmd=commands)["result_error"]
    assert {each["error"] for each in refused.values()} == {"ERROR_BATCH_METHOD_NOT_ALLOWED"}


# -- lists -----------------------------------------------------------------------------------------------------------


def test_filters_of_items(client: Client) -> None:
    crm = client.crm
    crm.add("lead", title="Alpha", opportunity=100, createdTime=moment(9), sourceId="WEB")
    crm.add("lead", title="Beta", opportunity=200, createdTime=moment(8), isManualOpportunity="Y")
    crm.add("lead", title="Alphabet", opportunity=300, createdTime=moment(7), originId="7", originatorId="boxlift:x")

    def found(**filters: t.Any) -> list[int]:
        return [row["id"] for row in client.items(filter=filters)]

    assert found(title="Alpha") == found(**{"=title": "Alpha"}) == [1]
    assert found(**{"!title": "Alpha"}) == found(**{"!=title": "Alpha"}) == [2, 3]
    assert found(**{">id": 1}) == found(**{">=id": 2}) == [2, 3]
    assert found(**{"<id": 2}) == found(**{"<=id": 1}) == [1]
    assert found(**{"@id": [1, 3]}) == found(id=[1, 3]) == [1, 3]
    assert found(**{"!@id": [1, 3]}) == [2]
    assert found(**{"%title": "lph"}) == found(**{"=%title": "Alph%"}) == found(**{"%=title": "%Al%"}) == [1, 3]
    assert found(**{"!%title": "lph"}) == found(**{"!=%title": "Alph%"}) == [2]
    assert found(sourceId="") == [2, 3]
    assert found(isManualOpportunity="Y") == [2]
    assert found(**{">opportunity": "150", "<opportunity": 250}) == [2]
    assert found(originatorId="boxlift:x", originId=7) == [3]
    # Instants are compared, not texts: 12:00+03:00 is 09:00 in London.
    assert found(**{">=createdTime": "2027-01-07T09:00:00+00:00"}) == [2, 3]
    assert found(**{">createdTime": "2027-01-07T09:00:00Z"}) == [3]
    either = {"0": {"logic": "OR", "0": {"title": "Beta"}, "1": {"title": "Alpha"}}, "<id": 2}
    assert found(**either) == [1]
    assert found(logic="OR", title="Beta", id=3) == [2, 3]


def test_what_items_cannot_be_filtered_by(client: Client) -> None:
    def refusal(**parameters: t.Any) -> tuple[int, str]:
        return client.refusal("crm.item.list", entityTypeId=1, **parameters)

    wrong = (400, "INVALID_ARG_VALUE")
    assert refusal(filter={"nonsense": 1}) == refusal(filter={"fm": "x"}) == wrong
    assert refusal(order={"nonsense": "ASC"}) == refusal(order={"id": "sideways"}) == wrong
    assert refusal(filter={"createdTime": "yesterday"}) == wrong
    assert client.refusal("crm.item.list", entityTypeId=777) == (400, "NOT_FOUND")
    assert client.refusal("crm.item.list") == (400, "100")


def test_select_of_items(client: Client) -> None:
    client.crm.add_field("lead", "UF_CRM_1721244482250", "double")
    client.crm.add_field("lead", "UF_CRM_LEAD_SIZE")
    client.crm.add("lead", title="a", UF_CRM_1721244482250=2.5, fm=[{"typeId": "PHONE", "value": "+7"}])
    every = client.items(select=["*"])[0]
    assert every["ufCrm_1721244482250"] == 2.5 and every["ufCrmLeadSize"] is None
    assert every["fm"] == [{"id": 1, "typeId": "PHONE", "valueType": "WORK", "value": "+7"}]
    assert client.items(select=["title", "fm"])[0] == {"id": 1, "title": "a"}
    original = client.items(select=["UF_CRM_1721244482250"], useOriginalUfNames="Y")[0]
    assert original == {"id": 1, "UF_CRM_1721244482250": 2.5}
    assert [row["id"] for row in client.items(filter={"ufCrm_1721244482250": 2.5})] == [1]
    assert client.items(filter={"ID": 1}, select=["TITLE"]) == [{"id": 1, "title": "a"}]


def test_order(client: Client) -> None:
    for title in "bca":
        client.crm.add("deal", title=title)
    by_title = client.items(2, order={"title": "ASC"}, select=["title"])
    assert [row["title"] for row in by_title] == ["a", "b", "c"]
    assert [row["id"] for row in client.items(2, order={"id": "DESC"})] == [3, 2, 1]


def test_offsets_lose_rows_when_rows_disappear(client: Client) -> None:
    for _number in range(120):
        client.crm.add("lead")
    client.server.service.meanwhile = [Meanwhile("crm.item.list", 1, delete={"lead": list(range(1, 21))})]
    seen: set[int] = set()
    for start in (0, 50, 100):
        seen |= {row["id"] for row in client.items(start=start)}
    assert len(seen & {row["id"] for row in client.crm.rows("lead")}) == 80
    last, walked = 0, set()
    while page := client.items(filter={">id": last}, order={"id": "ASC"}, start=-1):
        walked |= {row["id"] for row in page}
        last = page[-1]["id"]
    assert walked == set(range(21, 121))


def test_counting_can_be_had_with_every_page(client: Client) -> None:
    client.crm.add("lead")
    client.server.service.rules.count_always = True
    assert client.envelope("crm.item.list", entityTypeId=1, start=-1)["total"] == 1


# -- the older methods -----------------------------------------------------------------------------------------------


def test_the_older_methods_give_texts(client: Client) -> None:
    client.crm.add_field("lead", "UF_CRM_FLAG", "boolean")
    number = client.ask("crm.lead.add", fields={"TITLE": "a", "OPPORTUNITY": 10, "UF_CRM_FLAG": 1})
    assert number == 1
    row = client.ask("crm.lead.get", id=1)
    assert (row["ID"], row["STATUS_ID"], row["OPENED"], row["OPPORTUNITY"]) == ("1", "NEW", "Y", "10.00")
    assert row["UF_CRM_FLAG"] == "1" and row["DATE_CREATE"].startswith("2027-01-15T11:00:00")
    assert client.ask("crm.lead.update", id=1, fields={"UF_CRM_FLAG": "N"}) is True
    assert client.ask("crm.lead.delete", id=1) is True
    assert client.answer("crm.lead.get", id=1).status_code == 400


def test_filter_and_select_of_the_older_methods(client: Client) -> None:
    client.crm.add_field("lead", "UF_CRM_FLAG", "boolean")
    client.crm.add("lead", title="a", UF_CRM_FLAG="Y", fm=[{"typeId": "PHONE", "value": "+7900"}])
    client.crm.add("lead", title="b")

    def found(**filters: t.Any) -> list[str]:
        return [row["ID"] for row in client.ask("crm.lead.list", filter=filters, select=["ID"])]

    assert found(PHONE="+7900") == found(UF_CRM_FLAG=1) == ["1"]
    assert found(UF_CRM_FLAG="Y") == ["2"]
    assert found(nonsense=1) == ["1", "2"]
    assert found(**{"0": {"LOGIC": "OR", "0": {"TITLE": "a"}}}) == ["1", "2"]
    row = client.ask("crm.lead.list", SELECT=["*", "UF_*"], ORDER={"ID": "ASC"})[0]
    assert row["UF_CRM_FLAG"] == "1" and "PHONE" not in row
    row = client.ask("crm.lead.list", select=["*", "PHONE"])[0]
    assert row["PHONE"] == [{"ID": "1", "VALUE_TYPE": "WORK", "VALUE": "+7900", "TYPE_ID": "PHONE"}]
    assert "UF_CRM_FLAG" not in row
    pages = client.envelope("crm.lead.list", start=0)
    assert pages["total"] == 2 and "next" not in pages


def test_feed_and_import_of_the_older_methods(client: Client) -> None:
    client.ask("crm.lead.add", fields={"TITLE": "a"}, params={"REGISTER_SONET_EVENT": "Y"})
    client.ask("crm.lead.add", fields={"TITLE": "a"}, params={"REGISTER_SONET_EVENT": "N"})
    assert client.crm.feed == {"lead": 1}
    fields = {"NAME": "a", "DATE_CREATE": moment(3), "CREATED_BY_ID": 2}
    client.ask("crm.contact.add", fields=fields, params={"IMPORT": "Y"})
    client.ask("crm.contact.add", fields=fields)
    first, second = client.row("contact", 1), client.row("contact", 2)
    assert (first["createdTime"], first["createdBy"]) == (moment(3), 2)
    assert (second["createdTime"], second["createdBy"]) == (moment(0, 11), 1)
    too_old = {"NAME": "a", "DATE_CREATE": moment(4)}
    assert client.answer("crm.contact.add", fields=too_old, params={"IMPORT": "Y"}).status_code == 400


def test_links(client: Client) -> None:
    for _number in range(3):
        client.crm.add("contact")
    client.crm.add("deal", contactIds=[2])
    client.ask("crm.deal.contact.items.set", id=1, items=[{"CONTACT_ID": 3}, {"CONTACT_ID": 1}])
    assert [each["CONTACT_ID"] for each in client.ask("crm.deal.contact.items.get", id=1)] == [3, 1]
    assert client.row("deal", 1)["contactId"] == 3


# -- writing ---------------------------------------------------------------------------------------------------------


def test_adding_overwrites_dates_and_runs_robots(client: Client) -> None:
    fields = {"title": "a", "createdTime": moment(9), "updatedTime": moment(8), "createdBy": 2, "movedTime": moment(8)}
    made = client.ask("crm.item.add", entityTypeId=2, fields=fields)["item"]
    assert made["createdTime"] == made["updatedTime"] == made["movedTime"] == moment(0, 11)
    assert (made["createdBy"], client.crm.automation) == (1, {"deal add": 1})


def test_import_keeps_what_an_administrator_gives(client: Client) -> None:
    fields: Json = {"title": "a", "createdTime": moment(9), "updatedTime": moment(7), "movedTime": moment(8)}
    fields |= {"createdBy": 2, "updatedBy": 2, "movedBy": 2, "stageId": "WON"}
    client.ask("crm.item.import", entityTypeId=2, fields=fields)
    row = client.row("deal", 1)
    assert {name: row[name] for name in fields} == fields
    client.server.crm.clear()
    client.crm.add_user(2, "Boris")
    client.ask("crm.item.import", entityTypeId=2, fields=fields, user=2)
    row = client.row("deal", 1)
    assert (row["createdTime"], row["createdBy"], row["movedTime"]) == (moment(0, 11), 2, moment(0, 11))
    assert client.crm.automation == {}


def test_order_of_the_dates_of_an_import(client: Client) -> None:
    def accepted(**fields: str) -> bool:
        return client.answer("crm.item.import", entityTypeId=2, fields=fields).status_code == 200

    assert not accepted(createdTime=moment(5), updatedTime=moment(6))
    assert not accepted(createdTime=moment(5), updatedTime=moment(3), movedTime=moment(2))
    assert not accepted(createdTime=moment(5), updatedTime=moment(3), movedTime=moment(6))
    assert not accepted(createdTime=moment(5), updatedTime=moment(-1))
    assert accepted(createdTime=moment(5), updatedTime=moment(3), movedTime=moment(4))
    # Each kind has its own order.
    assert client.answer("crm.item.import", entityTypeId=1, fields={"createdTime": moment(9)}).status_code == 200


def test_one_lead_of_a_call_blocks_every_older_one(client: Client) -> None:
    client.crm.add("lead", title="Incoming call")
    assert client.answer("crm.item.import", entityTypeId=1, fields={"createdTime": moment(1)}).status_code == 400


def test_what_an_import_asks_of_the_portal_is_never_old(client: Client) -> None:
    """The simulated portal remembers it from one record to the next, until somebody writes to it."""

    def imported(**fields: t.Any) -> Json:
        (answer,) = client.ask("crm.item.batchImport", user=2, entityTypeId=1, data=[fields])["items"]
        return answer

    first = imported(createdTime=moment(5), stageId="NEW")["item"]["id"]
    assert client.row("lead", first)["createdTime"] == moment(0, 11)  # an employee cannot choose it
    assert imported(stageId="OURS")["error"] == "CRM_FIELD_ERROR_VALUE_NOT_VALID"
    client.crm.delete("lead", first)

    client.crm.add_user(2, "Boris", admin=True)
    ours = {"ENTITY_ID": "STATUS", "STATUS_ID": "OURS", "NAME": "Ours", "SORT": 1}
    client.crm.store.insert("status", ours)
    second = imported(createdTime=moment(5))["item"]["id"]
    assert client.row("lead", second)["createdTime"] == moment(5)
    assert client.row("lead", second)["stageId"] == "OURS"
    client.crm.touch("lead", second, createdTime=moment(3))
    assert "earlier" in imported(createdTime=moment(4))["error_description"]

    client.crm.store.remove("status", [ours["ID"]])
    third = imported(createdTime=moment(3))["item"]["id"]
    assert client.row("lead", third)["stageId"] == "NEW"
    with pytest.raises(RuntimeError), client.crm.store.transaction():
        client.crm.delete("lead", third)
        client.crm.create("lead", {"title": "undone"}, 2, how="import")
        raise RuntimeError
    assert imported(createdTime=moment(3))["item"]["id"] == third + 1


def test_numbers_cannot_be_given_and_never_come_again(client: Client) -> None:
    made = client.ask("crm.item.import", entityTypeId=1, fields={"id": 77, "title": "a"})["item"]
    assert made["id"] == 1
    client.ask("crm.item.delete", entityTypeId=1, id=1)
    assert client.ask("crm.item.import", entityTypeId=1, fields={})["item"]["id"] == 2
    assert client.crm.add("lead", id=500) == 500
    assert client.crm.add("lead") == 501


def test_what_is_the_same_is_not_saved(client: Client) -> None:
    client.crm.add("contact", name="a", createdTime=moment(9))
    client.ask("crm.item.update", entityTypeId=3, id=1, fields={"name": "a", "nonsense": 1, "createdTime": moment(2)})
    assert client.row("contact", 1)["updatedTime"] == moment(9) and not client.crm.automation
    client.ask("crm.item.update", entityTypeId=3, id=1, fields={"name": "b", "updatedTime": moment(2)})
    row = client.row("contact", 1)
    assert (row["updatedTime"], row["createdTime"]) == (moment(0, 11), moment(9))
    assert client.crm.automation == {"contact update": 1}


def test_writing_phones_again_doubles_them(client: Client) -> None:
    phones = {"PHONE": [{"VALUE": "+7900", "VALUE_TYPE": "MOBILE"}, {"VALUE": "+7901"}]}

    def change(fm: t.Any) -> list[tuple[int, str, str]]:
        fields = {"fm": fm} if isinstance(fm, (list, dict)) and "PHONE" not in fm else fm
        client.ask("crm.item.update", entityTypeId=3, id=1, fields=fields)
        return [(each["id"], each["valueType"], each["value"]) for each in client.row("contact", 1).get("fm", [])]

    client.ask("crm.item.import", entityTypeId=3, fields={"name": "a", **phones})
    assert len(change(phones)) == 4
    assert change([{"id": 1, "value": "+7999"}])[0] == (1, "MOBILE", "+7999")
    assert [each[0] for each in change({"1": {"value": ""}, "2": {"value": ""}, "3": {"value": ""}})] == [4]
    assert change([{"id": 77, "typeId": "EMAIL", "value": "a@b.c"}])[-1] == (5, "WORK", "a@b.c")
    row = client.row("contact", 1)
    assert (row["hasPhone"], row["hasEmail"], row["hasImol"]) == ("Y", "Y", "N")
    client.ask("crm.contact.update", id=1, fields={"EMAIL": [{"ID": 5, "DELETE": "Y"}]})
    assert client.row("contact", 1)["hasEmail"] == "N"


def test_references_to_what_is_not_there(client: Client) -> None:
    company = client.crm.add("company")
    fields = {"companyId": company, "contactIds": [5]}
    rules = client.server.service.rules
    client.ask("crm.item.import", entityTypeId=2, fields=fields)
    row = client.row("deal", 1)
    assert row["companyId"] == company and "contactIds" not in row and "contactId" not in row
    rules.missing_references = "refuse"
    assert client.answer("crm.item.import", entityTypeId=2, fields=fields).status_code == 400
    rules.missing_references = "keep"
    client.ask("crm.item.import", entityTypeId=2, fields=fields)
    assert client.row("deal", 2)["contactId"] == 5


def test_deleting_takes_parts_and_references_along(client: Client) -> None:
    crm = client.crm
    contact, deal = crm.add("contact"), crm.add("deal", contactIds=[1], createdTime=moment(5))
    crm.add("activity", OWNER_TYPE_ID=3, OWNER_ID=contact)
    crm.add("comment", ENTITY_TYPE="contact", ENTITY_ID=contact)
    crm.add("productrow", ownerType="D", ownerId=deal)
    client.ask("crm.item.delete", entityTypeId=3, id=contact)
    row = client.row("deal", deal)
    assert "contactId" not in row and row["updatedTime"] == moment(5)
    assert crm.count("activity") == crm.count("comment") == 0 and crm.count("productrow") == 1
    client.ask("crm.item.delete", entityTypeId=2, id=deal)
    assert crm.count("productrow") == crm.count("stagehistory") == 0


def test_user_fields_of_every_type(client: Client) -> None:
    kinds = {"string": "x", "integer": "7", "double": "1.50", "date": "2026-12-31", "boolean": "1", "enumeration": "44"}
    kinds["datetime"] = "2026-12-31T10:00:00Z"
    for type_ in kinds:
        client.crm.add_field("lead", f"UF_CRM_{type_.upper()}", type_)
    client.crm.add_field("lead", "UF_CRM_MANY", "string", multiple=True)
    fields: Json = {f"UF_CRM_{type_.upper()}": value for type_, value in kinds.items()}
    fields |= {"UF_CRM_MANY": ["a", "b"], "UF_CRM_UNKNOWN": 1}
    made = client.ask("crm.item.add", entityTypeId=1, fields=fields, useOriginalUfNames="Y")["item"]
    assert [made[f"UF_CRM_{type_.upper()}"] for type_ in kinds] == [
        "x", 7, 1.5, "2026-12-31T00:00:00+03:00", "Y", 44, "2026-12-31T13:00:00+03:00",
    ]  # fmt: skip
    assert made["UF_CRM_MANY"] == ["a", "b"] and "UF_CRM_UNKNOWN" not in made
    assert [row["id"] for row in client.items(filter={"ufCrmMany": "b", "ufCrmBoolean": 1})] == [1]
    assert (
        client.answer("crm.item.add", entityTypeId=1, fields={"ufCrmInteger": 1, "ufCrmDate": "?"}).status_code == 400
    )


def test_files(client: Client) -> None:
    client.crm.add_field("lead", "UF_CRM_FILE", "file")
    client.crm.add_field("lead", "UF_CRM_FILES", "file", multiple=True)
    one, two = (base64.b64encode(content).decode() for content in (b"one", b"two"))
    fields = {"ufCrmFile": ["one.txt", one], "ufCrmFiles": [["one.txt", one], ["two.txt", two]]}
    made = client.ask("crm.item.import", entityTypeId=1, fields=fields)["item"]
    row = client.ask("crm.item.get", entityTypeId=1, id=made["id"])["item"]
    assert set(row["ufCrmFile"]) == {"id", "url", "urlMachine"} and len(row["ufCrmFiles"]) == 2
    address = row["ufCrmFiles"][1]["urlMachine"]
    assert address.startswith(client.server.webhook(1))
    assert client.session.get(address, timeout=10).content == b"two"
    assert client.session.get(address, timeout=10, headers={"User-Agent": ""}).status_code == 404
    wrong = address.replace("hook0123456789ab", "wrong")
    assert client.session.get(wrong, timeout=10).status_code == 403
    keep = {"ufCrmFile": {"id": row["ufCrmFile"]["id"]}, "ufCrmFiles": [{"id": row["ufCrmFiles"][0]["id"]}]}
    client.ask("crm.item.update", entityTypeId=1, id=1, fields=keep)
    assert client.row("lead", 1)["UF_CRM_FILE"] == {"id": 1} and client.row("lead", 1)["UF_CRM_FILES"] == [{"id": 2}]
    client.ask("crm.item.update", entityTypeId=1, id=1, fields={"ufCrmFile": {"id": 3}})
    assert "UF_CRM_FILE" not in client.row("lead", 1)
    client.ask("crm.lead.update", id=1, fields={"UF_CRM_FILE": {"fileData": ["two.txt", two]}})
    assert set(client.ask("crm.lead.get", id=1)["UF_CRM_FILE"]) == {"id", "showUrl", "downloadUrl"}


def test_titles_and_first_stages(client: Client) -> None:
    made = client.ask("crm.item.add", entityTypeId=2, fields={})["item"]
    assert (made["title"], made["stageId"], made["stageSemanticId"], made["closed"]) == ("Deal #1", "NEW", "P", "N")
    won = client.ask("crm.item.update", entityTypeId=2, id=1, fields={"stageId": "WON"})["item"]
    assert (won["stageSemanticId"], won["closed"], won["previousStageId"]) == ("S", "Y", "NEW")
    assert client.answer("crm.item.update", entityTypeId=2, id=1, fields={"stageId": "C9:NEW"}).status_code == 400


# -- what belongs to records -----------------------------------------------------------------------------------------


def call(**fields: t.Any) -> Json:
    given: Json = {"OWNER_TYPE_ID": 1, "OWNER_ID": 1, "TYPE_ID": 2, "SUBJECT": "Call", "RESPONSIBLE_ID": 1}
    given["COMMUNICATIONS"] = [{"VALUE": "+7900", "ENTITY_ID": 1, "ENTITY_TYPE_ID": 1}]
    return {**given, **fields}


def test_activities(client: Client) -> None:
    client.crm.add("lead", createdTime=moment(5))
    fields = call(ORIGINATOR_ID="boxlift:x", ORIGIN_ID="17", START_TIME=moment(3), END_TIME=moment(2))
    fields |= {"CREATED": moment(4), "AUTHOR_ID": 2}
    number = client.ask("crm.activity.add", fields=fields)
    row = client.ask("crm.activity.get", id=number)
    assert (row["ORIGIN_ID"], row["START_TIME"], row["DEADLINE"]) == ("17", moment(3), moment(3))
    assert (row["CREATED"], row["AUTHOR_ID"]) == (moment(0, 11), "1")
    lead = client.row("lead", 1)
    assert (lead["updatedTime"], lead["lastActivityTime"]) == (moment(5), moment(0, 11))
    found = client.ask("crm.activity.list", filter={"ORIGINATOR_ID": "boxlift:x", "ORIGIN_ID": "17"})
    assert [each["ID"] for each in found] == ["1"] and "COMMUNICATIONS" not in found[0]
    found = client.ask("crm.activity.list", select=["*", "COMMUNICATIONS"], filter={">ID": 0}, order={"ID": "ASC"})
    assert found[0]["COMMUNICATIONS"][0]["VALUE"] == "+7900"
    client.clock[0] += 60
    client.ask("crm.activity.update", id=1, fields={"SUBJECT": "New"})
    changed = client.ask("crm.activity.list", filter={">=LAST_UPDATED": "2027-01-15T11:01:00+03:00"})
    assert [each["SUBJECT"] for each in changed] == ["New"]
    assert client.ask("crm.activity.binding.list", activityId=1) == [{"entityTypeId": 1, "entityId": 1}]
    assert client.ask("crm.activity.delete", id=1) is True
    assert client.answer("crm.activity.get", id=1).status_code == 400


@pytest.mark.parametrize(
    "fields",
    [
        {"SUBJECT": ""},
        {"RESPONSIBLE_ID": 0},
        {"TYPE_ID": ""},
        {"COMMUNICATIONS": []},
        {"COMMUNICATIONS": [{"VALUE": "1"}, {"VALUE": "2"}]},
        {"OWNER_ID": 9, "COMMUNICATIONS": [{"VALUE": "+7"}]},
        {"TYPE_ID": 6, "PROVIDER_ID": ""},
        {"TYPE_ID": 6, "PROVIDER_ID": "CONFIGURABLE_REST_APP"},
        {"TYPE_ID": 6, "PROVIDER_ID": "REST_APP"},
    ],
)
def test_what_an_activity_needs(client: Client, fields: Json) -> None:
    client.crm.add("lead")
    assert client.answer("crm.activity.add", fields=call(**fields)).status_code == 400


def test_adding_an_outgoing_mail_may_send_it(client: Client) -> None:
    client.crm.add("lead")
    mail = {"TYPE_ID": 4, "DIRECTION": 2, "COMMUNICATIONS": [{"VALUE": "a@b.c", "ENTITY_ID": 1, "ENTITY_TYPE_ID": 1}]}
    client.ask("crm.activity.add", fields=call(**mail, COMPLETED="N"))
    assert client.crm.mail == {}
    quiet = {"DISABLE_SENDING_MESSAGE_COPY": "Y"}
    client.ask("crm.activity.add", fields=call(**mail, COMPLETED="Y", SETTINGS=quiet))
    assert (client.crm.mail["sent"], client.crm.mail["copies"]) == (1, 0)


def test_comments(client: Client) -> None:
    client.crm.add("lead", createdTime=moment(5))
    fields = {"ENTITY_TYPE": "lead", "ENTITY_ID": 1, "COMMENT": "a", "AUTHOR_ID": 2, "CREATED": moment(3)}
    assert client.ask("crm.timeline.comment.add", fields=fields) == 1
    comments = client.ask("crm.timeline.comment.list", filter={"ENTITY_TYPE": "lead", "ENTITY_ID": 1})
    assert [(each["COMMENT"], each["AUTHOR_ID"], each["CREATED"]) for each in comments] == [("a", "1", moment(0, 11))]
    assert client.row("lead", 1)["updatedTime"] == moment(5)
    for filters in ({}, {"ENTITY_TYPE": "lead"}, {"ENTITY_ID": 1}, {">ID": 0}):
        assert client.answer("crm.timeline.comment.list", filter=filters).status_code == 400
    assert client.refusal("crm.timeline.comment.add", fields={**fields, "ENTITY_ID": 5})[1] == "OWNER_NOT_FOUND"
    client.ask("crm.timeline.comment.update", id=1, fields={"COMMENT": "b"})
    assert client.ask("crm.timeline.comment.get", id=1)["COMMENT"] == "b"
    assert client.ask("crm.timeline.comment.delete", id=1) is True


def test_product_rows(client: Client) -> None:
    client.crm.add("deal", opportunity=5, createdTime=moment(5))
    rows = [{"productName": "a", "price": 10.5, "quantity": 2, "sort": 20}, {"productId": 7, "price": 1, "sort": 10}]
    answer = client.ask("crm.item.productrow.set", ownerType="D", ownerId=1, productRows=rows)["productRows"]
    assert [(row["productName"], row["productId"], row["price"], row["quantity"]) for row in answer] == [
        ("", 7, 1, 1), ("a", 0, 10.5, 2),
    ]  # fmt: skip
    deal = client.row("deal", 1)
    assert (deal["opportunity"], deal["updatedTime"]) == (22, moment(0, 11))
    kept = client.ask("crm.item.productrow.set", ownerType="D", ownerId=1, productRows=[{"id": 1, "price": 3}])
    assert [row["id"] for row in kept["productRows"]] == [1]
    client.ask("crm.item.update", entityTypeId=2, id=1, fields={"isManualOpportunity": "Y", "opportunity": 99})
    client.ask("crm.deal.productrows.set", id=1, rows=[{"PRODUCT_NAME": "b", "PRICE": "5", "QUANTITY": "2"}])
    assert client.row("deal", 1)["opportunity"] == 99
    legacy = client.ask("crm.deal.productrows.get", id=1)
    assert [(row["PRODUCT_NAME"], row["PRICE"], row["QUANTITY"]) for row in legacy] == [("b", "5", "2")]
    filters = {"=ownerType": "D", "=ownerId": 1, "price": 77}
    assert len(client.ask("crm.item.productrow.list", filter=filters)["productRows"]) == 1
    assert client.refusal("crm.item.productrow.list", filter={"=ownerId": 1}) == (400, "REQUIRED_ARG_MISSING")
    wrong = [{"price": 1}, {"price": "much"}]
    assert client.answer("crm.item.productrow.set", ownerType="D", ownerId=1, productRows=wrong).status_code == 400
    assert client.crm.count("productrow") == 1


def test_history_of_stages(client: Client) -> None:
    client.ask("crm.item.add", entityTypeId=2, fields={})
    for stage in ("EXECUTING", "WON"):
        client.clock[0] += 60
        client.ask("crm.item.update", entityTypeId=2, id=1, fields={"stageId": stage})
    rows = client.ask("crm.stagehistory.list", entityTypeId=2, order={"ID": "ASC"}, filter={"OWNER_ID": 1})["items"]
    assert [(row["TYPE_ID"], row["STAGE_ID"], row["STAGE_SEMANTIC_ID"]) for row in rows] == [
        (1, "NEW", "P"), (2, "EXECUTING", "P"), (3, "WON", "S"),
    ]  # fmt: skip
    deal = client.row("deal", 1)
    assert rows[-1]["CREATED_TIME"] == deal["movedTime"] == "2027-01-15T11:02:00+03:00"
    client.crm.add("lead")
    assert client.ask("crm.stagehistory.list", entityTypeId=1)["items"][0]["STATUS_ID"] == "NEW"


# -- what records refer to -------------------------------------------------------------------------------------------


def test_employees(client: Client) -> None:
    client.crm.add_user(4, "Robot", USER_TYPE="bot")
    client.crm.add_user(5, "Partner", USER_TYPE="integrator")
    assert [row["ID"] for row in client.ask("user.get")] == ["1", "2", "3"]
    assert [row["ID"] for row in client.ask("user.get", FILTER={"ACTIVE": True})] == ["1", "2"]
    assert [row["ID"] for row in client.ask("user.get", filter={"EMAIL": "user2@boxlift.test"})] == ["2"]
    assert [row["ID"] for row in client.ask("user.get", ID=2)] == ["2"]
    assert client.ask("user.current", user=2)["NAME"] == "Boris"
    assert (client.ask("user.admin"), client.ask("user.admin", user=2)) == (True, False)
    assert client.ask("profile", user=2)["ADMIN"] is False


def test_statuses(client: Client) -> None:
    stages = client.ask("crm.status.list", filter={"ENTITY_ID": "STATUS"}, order={"SORT": "ASC"})
    assert [row["STATUS_ID"] for row in stages] == ["NEW", "IN_PROCESS", "PROCESSED", "CONVERTED", "JUNK"]
    assert [row["EXTRA"]["SEMANTICS"] for row in stages[-2:]] == ["success", "failure"]
    fields = {"ENTITY_ID": "SOURCE", "STATUS_ID": "EXPO", "NAME": "Exhibition", "SORT": 50}
    number = client.ask("crm.status.add", fields=fields)
    assert client.answer("crm.status.add", fields=fields).status_code == 400
    assert client.refusal("crm.status.add", fields=fields, user=2) == (403, "ACCESS_DENIED")
    client.ask("crm.status.update", id=number, fields={"NAME": "Fair"})
    assert client.ask("crm.status.get", id=number)["NAME"] == "Fair"
    assert {"NAME": "Fair", "SORT": 50, "STATUS_ID": "EXPO"} in client.ask("crm.status.entity.items", entityId="SOURCE")
    assert client.ask("crm.status.delete", id=number) is True
    assert client.answer("crm.status.delete", id=1).status_code == 400


def test_pipelines(client: Client) -> None:
    assert client.ask("crm.category.list", entityTypeId=2)["categories"][0]["id"] == 0
    made = client.ask("crm.category.add", entityTypeId=2, fields={"name": "Service", "sort": 100})["category"]
    assert [row["name"] for row in client.ask("crm.category.list", entityTypeId=2)["categories"]] == [
        "Service",
        "General",
    ]
    stages = client.ask("crm.status.list", filter={"ENTITY_ID": f"DEAL_STAGE_{made['id']}"})
    assert stages[0]["STATUS_ID"] == f"C{made['id']}:NEW"
    deal = client.ask("crm.item.add", entityTypeId=2, fields={"categoryId": made["id"]})["item"]
    assert deal["stageId"] == "C1:NEW"
    assert client.answer("crm.category.delete", entityTypeId=2, id=made["id"]).status_code == 400
    client.crm.delete("deal", deal["id"])
    assert client.ask("crm.category.delete", entityTypeId=2, id=made["id"]) == []
    assert client.ask("crm.status.list", filter={"ENTITY_ID": "DEAL_STAGE_1"}) == []
    assert client.refusal("crm.category.list", entityTypeId=1) == (400, "ENTITY_TYPE_NOT_SUPPORTED")


def test_smart_processes(client: Client) -> None:
    made = client.ask("crm.type.add", fields={"title": "Orders", "entityTypeId": 130})["type"]
    assert (made["id"], made["entityTypeId"]) == (1, 130)
    field = {"entityId": f"CRM_{made['id']}", "fieldName": "UF_CRM_1_1700000001", "userTypeId": "string"}
    client.ask("userfieldconfig.add", field=field)
    lead = client.crm.add("lead")
    fields = {"title": "First", "ufCrm1_1700000001": "x", "parentId1": lead}
    item = client.ask("crm.item.add", entityTypeId=130, fields=fields)["item"]
    assert (item["ufCrm1_1700000001"], item["stageId"], item["parentId1"]) == ("x", "DT130_1:NEW", lead)
    assert client.crm.count("smart:130") == 1
    assert [row["title"] for row in client.ask("crm.type.list")["types"]] == ["Orders"]
    assert client.ask("crm.type.getByEntityTypeId", entityTypeId=130)["type"]["id"] == 1
    again = client.answer("crm.type.add", fields={"title": "Orders", "entityTypeId": 130})
    assert again.status_code == 400
    assert client.ask("crm.type.add", fields={"title": "More"})["type"]["entityTypeId"] == 1030
    assert "UF_CRM_1_1700000001" in client.ask("crm.item.fields", entityTypeId=130, useOriginalUfNames="Y")["fields"]


def test_user_fields(client: Client) -> None:
    fields = {"FIELD_NAME": "COLOUR", "USER_TYPE_ID": "enumeration", "LIST": [{"VALUE": "Red"}, {"VALUE": "Blue"}]}
    number = client.ask("crm.lead.userfield.add", fields=fields)
    assert client.refusal("crm.lead.userfield.add", fields=fields, user=2) == (403, "ACCESS_DENIED")
    listed = client.ask("crm.lead.userfield.list", filter={"FIELD_NAME": "UF_CRM_COLOUR"})
    assert [each["VALUE"] for each in listed[0]["LIST"]] == ["Red", "Blue"]
    described = client.ask("crm.item.fields", entityTypeId=1)["fields"]["ufCrmColour"]
    assert (described["type"], described["isDynamic"], described["upperName"]) == ("enumeration", True, "UF_CRM_COLOUR")
    assert [each["VALUE"] for each in described["items"]] == ["Red", "Blue"]
    client.ask("crm.lead.userfield.update", id=number, fields={"LIST": [{"ID": 1, "DEL": "Y"}, {"VALUE": "Green"}]})
    assert [each["VALUE"] for each in client.ask("crm.lead.userfield.get", id=number)["LIST"]] == ["Blue", "Green"]
    assert client.answer("crm.deal.userfield.get", id=number).status_code == 400
    assert client.ask("crm.lead.userfield.delete", id=number) is True
    assert "UF_CRM_COLOUR" not in client.ask("crm.lead.fields")


def test_duplicates_are_no_key(client: Client) -> None:
    def phone(kind: str, value: str) -> None:
        client.crm.add(kind, fm=[{"typeId": "PHONE", "value": value}])

    phone("contact", "8 (900) 111-22-33")
    phone("company", "+79001112233")
    ask: Json = {"type": "PHONE", "values": ["+7 900 1112233"]}
    assert client.ask("crm.duplicate.findbycomm", **ask) == {"CONTACT": [1], "COMPANY": [1]}
    for _number in range(25):
        phone("lead", "79001112233")
    assert client.ask("crm.duplicate.findbycomm", **ask) == {"LEAD": list(range(1, 21))}
    assert client.ask("crm.duplicate.findbycomm", type="EMAIL", values=["a@b.c"]) == []
    assert client.answer("crm.duplicate.findbycomm", type="FAX", values=["1"]).status_code == 400


# -- events ----------------------------------------------------------------------------------------------------------


def test_offline_events(client: Client) -> None:
    def ask(method: str, **parameters: t.Any) -> t.Any:
        return client.as_application(method, **parameters)["result"]

    for what in ("ADD", "UPDATE", "DELETE"):
        assert ask("event.bind", event=f"ONCRMLEAD{what}", event_type="offline") is True
    for name in "abc":
        client.crm.update("lead", client.crm.add("lead"), {"title": name})
    client.crm.update("lead", 1, {"title": "d"})
    client.crm.delete("lead", 1)
    taken = ask("event.offline.get", clear=0, limit=3)
    assert [(each["EVENT_NAME"], each["EVENT_DATA"]["FIELDS"]["ID"]) for each in taken["events"]] == [
        ("ONCRMLEADUPDATE", 2), ("ONCRMLEADUPDATE", 3), ("ONCRMLEADUPDATE", 1),
    ]  # fmt: skip
    rest = ask("event.offline.get", clear=0)
    assert [each["EVENT_NAME"] for each in rest["events"]] == ["ONCRMLEADDELETE"]
    # A crash here loses nothing: the rows wait for whoever knows the process, and after 30 days for everybody.
    again = ask("event.offline.get", clear=0, process_id=taken["process_id"])
    assert [each["ID"] for each in again["events"]] == [each["ID"] for each in taken["events"]]
    assert ask("event.offline.clear", process_id=taken["process_id"], id=[taken["events"][0]["ID"]]) is True
    assert ask("event.offline.get", clear=0)["events"] == []
    client.clock[0] += 31 * 24 * 3600
    assert len(ask("event.offline.get", clear=0)["events"]) == 3


def test_reading_events_deletes_them_by_default(client: Client) -> None:
    client.as_application("event.bind", event="ONCRMLEADDELETE", event_type="offline")
    client.crm.delete("lead", client.crm.add("lead"))
    assert len(client.as_application("event.offline.get")["result"]["events"]) == 1
    assert client.as_application("event.offline.get")["result"]["events"] == []


def test_who_may_use_events(client: Client) -> None:
    bind: Json = {"event": "ONCRMLEADADD", "event_type": "offline"}
    assert client.refusal("event.bind", **bind) == (403, "WRONG_AUTH_TYPE")
    assert client.as_application("event.bind", user=2, **bind)["error"] == "ACCESS_DENIED"
    rules = client.server.service.rules
    rules.offline_extended = False
    assert client.as_application("event.offline.get", clear=0)["error"] == "ACCESS_DENIED"
    rules.offline_events = False
    assert client.as_application("event.bind", **bind)["error"] == "ERROR_CORE"
    assert client.as_application("event.offline.get")["error"] == "ERROR_METHOD_NOT_FOUND"


# -- limits and faults -----------------------------------------------------------------------------------------------


def test_requests_are_counted_commands_are_not(client: Client) -> None:
    client.server.limits = Limits(rate=2, burst=3)
    commands = {f"c{n}": "profile" for n in range(50)}
    statuses = [client.answer("batch", cmd=commands).status_code for _number in range(4)]
    assert statuses == [200, 200, 200, 503]
    client.clock[0] += 0.5
    assert client.answer("profile").status_code == 200
    assert client.refusal("profile") == (503, "QUERY_LIMIT_EXCEEDED")


def test_operating_time_blocks_a_method_of_one_webhook(client: Client) -> None:
    client.server.limits = Limits(operating=480, work={"crm.item.add": 100.0})
    commands = {f"c{n}": "crm.item.add?entityTypeId=1" + "&fields[title]=a" for n in range(7)}
    done = client.ask("batch", cmd=commands)
    # The call that crosses the limit is still carried out, the next is not.
    assert set(done["result_error"]) == {"c5", "c6"}
    assert done["result_error"]["c5"]["error"] == "OPERATION_TIME_LIMIT"
    assert done["result_time"]["c4"]["operating"] > 500
    add: Json = {"entityTypeId": 1, "fields": {"title": "a"}}
    assert client.refusal("crm.item.add", **add) == (429, "OPERATION_TIME_LIMIT")
    assert client.answer("crm.item.list", entityTypeId=1).status_code == 200
    other = client.server.webhook(1, "another0123456789")
    assert client.session.post(other + "crm.item.add", json=add, timeout=10).status_code == 200
    client.clock[0] = done["result_time"]["c4"]["operating_reset_at"]
    assert client.answer("crm.item.add", **add).status_code == 200


def test_each_record_of_an_import_costs(client: Client) -> None:
    client.server.limits = Limits(operating=480, work={"crm.item.batchImport": 30.0})
    answer = client.envelope("crm.item.batchImport", entityTypeId=1, data=[{"title": "a"}] * 20)
    assert 600 < answer["time"]["operating"] < 601


def test_a_request_that_lasts_too_long_is_half_done(client: Client) -> None:
    client.server.limits = Limits(request=60, work={"crm.lead.add": 2.4})
    answer = client.answer("batch", cmd={f"c{n}": "crm.lead.add?fields[TITLE]=a" for n in range(50)})
    assert (answer.status_code, answer.headers["Content-Type"]) == (504, "text/html")
    assert client.crm.count("lead") == 25


@pytest.mark.parametrize(
    ("kind", "status"),
    [("lose_answer", 0), ("cut", 0), ("gateway_timeout", 504), ("error_after", 500)],
)
def test_faults_after_the_work(client: Client, kind: str, status: int) -> None:
    client.server.faults.set([Fault(kind, "crm.item.import")])
    command = "crm.item.import?entityTypeId=1&fields[title]=a"
    if status:
        assert client.answer("batch", cmd={"a": command}).status_code == status
    else:
        with pytest.raises(requests.RequestException):
            client.answer("batch", cmd={"a": command})
    assert client.crm.count("lead") == 1
    assert client.answer("batch", cmd={"a": command}).status_code == 200


def test_a_batch_that_is_half_done(client: Client) -> None:
    client.server.faults.set([Fault("half_batch")])
    answer = client.answer("batch", cmd={f"c{n}": "crm.lead.add?fields[TITLE]=a" for n in range(50)})
    assert answer.status_code == 504 and client.crm.count("lead") == 25


def test_two_percent_of_the_answers_get_lost(client: Client) -> None:
    client.server.faults.set([Fault("lose_answer", share=0.02, times=-1)])
    lost = 0
    for _number in range(200):
        try:
            client.answer("crm.lead.add", fields={"TITLE": "a"})
        except requests.ConnectionError:
            lost += 1
    assert (lost, client.crm.count("lead")) == (4, 200)  # the choice repeats with the seed


def test_one_command_of_a_batch_is_refused(client: Client) -> None:
    client.server.faults.set([Fault("refuse", "crm.lead.add", skip=1)])
    done = client.ask("batch", cmd={name: "crm.lead.add?fields[TITLE]=a" for name in "abc"})
    assert (set(done["result"]), set(done["result_error"])) == ({"a", "c"}, {"b"})
    assert client.crm.count("lead") == 2


# -- further kinds ---------------------------------------------------------------------------------------------------


def test_quotes_and_invoices_are_items_too(client: Client) -> None:
    for entity_type, kind in ((7, "quote"), (31, "invoice")):
        made = client.ask("crm.item.import", entityTypeId=entity_type, fields={"title": "a", "createdTime": moment(3)})
        assert made == {"item": {"id": 1}} and client.row(kind, 1)["createdTime"] == moment(3)
        assert [row["title"] for row in client.items(entity_type)] == ["a"]
    comment = {"ENTITY_TYPE": "dynamic_31", "ENTITY_ID": 1, "COMMENT": "a"}
    assert client.ask("crm.timeline.comment.add", fields=comment) == 1
    rows = client.ask("crm.item.productrow.set", ownerType="SI", ownerId=1, productRows=[{"price": 2}])
    assert rows["productRows"][0]["ownerType"] == "SI"
    assert client.refusal("crm.lead.nonsense") == client.refusal("crm.invoice.list") == (404, "ERROR_METHOD_NOT_FOUND")


def test_products(client: Client) -> None:
    number = client.ask("crm.product.add", fields={"NAME": "Chair", "PRICE": 12.5, "CURRENCY_ID": "RUB"})
    assert client.ask("crm.product.get", id=number)["PRICE"] == "12.50"
    client.ask("crm.product.update", id=number, fields={"NAME": "Table"})
    assert [row["NAME"] for row in client.ask("crm.product.list", filter={"CURRENCY_ID": "RUB"})] == ["Table"]
    client.server.service.rules.missing_products = "refuse"
    client.crm.add("deal")
    rows: Json = {"ownerType": "D", "ownerId": 1, "productRows": [{"productId": number + 1, "price": 1}]}
    assert client.answer("crm.item.productrow.set", **rows).status_code == 400
    rows["productRows"] = [{"productId": number, "price": 1}]
    assert client.answer("crm.item.productrow.set", **rows).status_code == 200
    assert client.ask("crm.product.delete", id=number) is True
    assert client.answer("crm.product.get", id=number).status_code == 400


def test_calls_need_the_scope_of_telephony(client: Client) -> None:
    for number in range(3):
        client.crm.add("call", PHONE_NUMBER=f"+7900{number}", CALL_START_DATE=moment(3 - number))
    assert client.refusal("voximplant.statistic.get") == (403, "insufficient_scope")
    client.server.service.rules.scopes = ("crm", "telephony")
    filters = {">CALL_START_DATE": moment(3)}
    calls = client.ask("voximplant.statistic.get", FILTER=filters, SORT="CALL_START_DATE", ORDER="DESC")
    assert [row["ID"] for row in calls] == ["3", "2"]

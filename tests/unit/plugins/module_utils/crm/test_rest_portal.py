# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against the simulated CRM, whose rules are those of the vendor's REST."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import (
    Answer,
    Application,
    Command,
    Denied,
    Rest,
    RestError,
    Unanswered,
)
from lab.crm.filling import activities, fill
from lab.crm.server import CrmServer, Meanwhile
from lab.rest.faults import Fault
from lab.rest.limits import Limits
from lab.rest.service import CLIENT


class Clock:
    """The time of the portal and of its client; it goes on where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(tls: t.Any, clock: Clock) -> t.Iterator[CrmServer]:
    with CrmServer(tls.certificate, tls.key, clock=clock) as running:
        yield running


@pytest.fixture
def cloud(server: CrmServer, tls: t.Any, clock: Clock) -> t.Iterator[Rest]:
    client = Rest(server.webhook(1), ca_file=str(tls.authority), clock=clock, sleep=clock.sleep, timeout=20)
    yield client
    client.close()


def add(number: int) -> Command:
    return Command("crm.item.import", {"entityTypeId": 1, "fields": {"title": f"Lead {number} & ö=%"}})


@pytest.mark.parametrize("method", ["crm.item.list", "crm.lead.list"])
def test_reads_every_lead_amid_failures_and_changes(server: CrmServer, cloud: Rest, method: str) -> None:
    fill(server.crm, "lead", 3000)
    name, params = ("id", {"entityTypeId": 1}) if method == "crm.item.list" else ("ID", {"select": ["*", "UF_*"]})
    kinds = ("lose_answer", "cut", "html", "error", "unavailable", "query_limit", "drop", "gateway_timeout")
    server.faults.set([Fault(kind, "batch", share=0.08, times=-1) for kind in kinds])
    server.service.meanwhile = [Meanwhile(method, 20, delete={"lead": [3, 7, 2990]}, add={"lead": 5})]
    found = [int(row[name]) for row in cloud.rows(method, params)]
    assert found == sorted(set(found))
    assert set(range(1, 3001)) - {3, 7, 2990} <= set(found)


def test_reads_every_kind_of_list(server: CrmServer, cloud: Rest) -> None:
    fill(server.crm, "lead", 10)
    fill(server.crm, "contact", 60)
    activities(server.crm, "lead", 333)
    for number in range(2, 130):
        server.crm.add_user(number, f"Ann {number}")
    assert len(list(cloud.rows("crm.activity.list", {"filter": {"OWNER_TYPE_ID": 1}}))) == 333
    assert len(list(cloud.rows("crm.contact.list", {"select": ["ID", "NAME"]}))) == 60
    assert [int(row["ID"]) for row in cloud.rows("user.get", {})] == list(range(1, 130))
    statuses = list(cloud.rows("crm.status.list", {}))
    assert {row["ENTITY_ID"] for row in statuses} >= {"STATUS", "SOURCE"}
    assert len({row["ID"] for row in statuses}) == len(statuses) == server.crm.count("status")
    server.crm.add_category("deal", "Second")
    assert len(list(cloud.rows("crm.category.list", {"entityTypeId": 2}))) == 2


def test_what_is_written_is_what_was_meant(server: CrmServer, cloud: Rest) -> None:
    outcomes = cloud.batch([add(number) for number in range(120)], repeat=False)
    ids = [outcome.result["item"]["id"] for outcome in outcomes if isinstance(outcome, Answer)]
    assert [server.crm.rows("lead")[number - 1]["title"] for number in ids] == [
        f"Lead {number} & ö=%" for number in range(120)
    ]
    data = [{"title": f"Many {number}"} for number in range(20)]
    [answer] = cloud.batch([Command("crm.item.batchImport", {"entityTypeId": 1, "data": data})], repeat=False)
    assert isinstance(answer, Answer)
    assert len(answer.result["items"]) == 20
    assert server.crm.count("lead") == 140


@pytest.mark.parametrize("kind", ["lose_answer", "cut", "half_batch", "gateway_timeout", "error_after"])
def test_a_write_without_its_answer_is_never_repeated(server: CrmServer, cloud: Rest, kind: str) -> None:
    server.faults.set([Fault(kind, "batch", skip=1)])
    outcomes = cloud.batch([add(number) for number in range(150)], repeat=False)
    unknown = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Unanswered)]
    # Of a cut batch all results may have come before what is missing.
    assert unknown or kind == "cut"
    assert set(unknown) <= set(range(50, 100))
    titles = [row["title"] for row in server.crm.rows("lead")]
    assert len(titles) == len(set(titles)) == (125 if kind == "half_batch" else 150)
    known = [outcome.result["item"]["id"] for outcome in outcomes if isinstance(outcome, Answer)]
    assert len(set(known)) == 150 - len(unknown)


def test_writes_as_fast_as_the_official_limit_allows(server: CrmServer, cloud: Rest, clock: Clock) -> None:
    server.limits = Limits(rate=2, burst=50)
    begun = clock.now
    for number in range(150):
        assert isinstance(cloud.call("crm.item.import", add(number).params, repeat=False), Answer)
    assert server.crm.count("lead") == 150
    assert (150 - 50) / 2 / (clock.now - begun) >= 0.95
    assert cloud.refused <= 10


def test_the_limit_of_working_time_is_waited_for(server: CrmServer, cloud: Rest, clock: Clock) -> None:
    """Each import is said to take 3 s; 480 s of ten minutes are allowed, and one batch crosses that in its middle."""
    server.limits = Limits(operating=480, work={"crm.item.import": 3.0})
    outcomes = cloud.batch([add(number) for number in range(320)], repeat=False)
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert [row["title"] for row in server.crm.rows("lead")] == [f"Lead {number} & ö=%" for number in range(320)]
    assert 500 < clock.slept < 1300
    assert cloud.refused <= 4


def test_a_share_of_the_working_time_is_left_to_others(server: CrmServer, tls: t.Any, clock: Clock) -> None:
    polite = Rest(server.webhook(1), ca_file=str(tls.authority), clock=clock, sleep=clock.sleep, timeout=20, share=0.5)
    server.limits = Limits(operating=480, work={"crm.item.import": 3.0})
    most = 0.0
    for number in range(100):
        answer = polite.call("crm.item.import", add(number).params, repeat=False)
        most = max(most, answer.time["operating"])
    assert most < 245
    assert polite.refused == 0


def test_what_the_portal_denies(server: CrmServer, cloud: Rest, tls: t.Any) -> None:
    with pytest.raises(RestError, match="Method not found") as refused:
        cloud.call("crm.nonsense.list")
    assert refused.value.code == "ERROR_METHOD_NOT_FOUND"
    wrong = Rest(server.webhook(1).rstrip("/") + "x/", ca_file=str(tls.authority))
    with pytest.raises(Denied) as denied:
        wrong.batch([add(1)], repeat=False)
    assert denied.value.code == "INVALID_CREDENTIALS"
    server.service.rules.closed = True
    with pytest.raises(Denied, match="deleted") as closed:
        cloud.call("crm.item.list", {"entityTypeId": 1})
    assert closed.value.code == "PORTAL_DELETED"


def test_an_application_reads_with_tokens_that_expire(
    server: CrmServer, tls: t.Any, clock: Clock, tmp_path: Path
) -> None:
    fill(server.crm, "lead", 600)
    path = tmp_path / "tokens.json"
    path.touch(0o600)
    known = {"client_id": CLIENT[0], "client_secret": CLIENT[1], "refresh_token": server.service.refresh_token(1)}
    path.write_text(json.dumps({**known, "oauth_url": f"{server.url.rstrip('/')}/oauth/token/"}))
    application = Application(f"{server.url.rstrip('/')}/rest/", str(path))
    rest = Rest(application, ca_file=str(tls.authority), clock=clock, sleep=clock.sleep, timeout=20)
    seen = []
    for row in rest.rows("crm.item.list", {"entityTypeId": 1}):
        seen.append(row["id"])
        if row["id"] % 100 == 0:
            clock.now += 3601
    assert seen == list(range(1, 601))
    assert json.loads(path.read_text())["refresh_token"] != known["refresh_token"]

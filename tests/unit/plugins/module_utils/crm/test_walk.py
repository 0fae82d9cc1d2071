# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists by id: complete and in order, whatever happens while they are read, with few requests and little memory."""

from __future__ import annotations

import itertools
import random
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm import walk
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Denied, Rest, RestError, Unanswered
from unit.plugins.module_utils.crm.fake_portal import Dropped, FakePortal, Refusal, Reply, Request, Row

LEADS = "crm.item.list:1"
PROBED = 50 * walk.PROBE
PAGE = b"<html><body>The portal is being updated.</body></html>"


def leads(numbers: t.Iterable[int]) -> list[Row]:
    return [{"id": number, "title": f"Лид {number}", "fm": [{"id": number, "value": "+7"}]} for number in numbers]


def read(rest: Rest, **options: t.Any) -> list[int]:
    return [row["id"] for row in rest.rows("crm.item.list", {"entityTypeId": 1}, **options)]


@pytest.mark.parametrize("amount", [0, 1, 49, 50, 51, 199, 200, 201, 250, 2699, 2700, 2701, 5200])
def test_all_rows_in_order(portal: FakePortal, rest: Rest, amount: int) -> None:
    portal.tables[LEADS] = leads(range(1, amount + 1))
    found = list(rest.rows("crm.item.list", {"entityTypeId": 1}))
    assert found == portal.tables[LEADS]
    pages = max(0, amount - PROBED) // 50 + (amount >= PROBED)  # the last one is not full, so that it is known to be so
    assert len(portal.requests) == 1 + -(-pages // 50)


@pytest.mark.parametrize("first", [1, 100_000])
def test_dense_ids_are_read_with_as_few_requests_as_there_are_pages_for(
    portal: FakePortal, rest: Rest, first: int
) -> None:
    portal.tables[LEADS] = leads(range(first, first + 20_000))
    assert read(rest) == list(range(first, first + 20_000))
    assert len(portal.requests) == 9
    assert len(portal.commands) <= 402


def test_the_next_batch_is_under_way_while_one_is_read(portal: FakePortal, rest: Rest) -> None:
    portal.tables[LEADS] = leads(range(1, 10_001))
    rows = rest.rows("crm.item.list", {"entityTypeId": 1})
    for _row in itertools.islice(rows, 201):
        pass
    assert rest.requests == 3
    assert len(list(rows)) == 10_000 - 201
    assert len({request.connection for request in portal.requests}) == 2


def test_a_list_that_nobody_reads_to_its_end_leaves_nothing_behind(portal: FakePortal, rest: Rest) -> None:
    portal.tables[LEADS] = leads(range(1, 10_001))
    rows = rest.rows("crm.item.list", {"entityTypeId": 1})
    next(rows)
    assert isinstance(rows, t.Generator)
    rows.close()
    assert read(rest) == list(range(1, 10_001))


@pytest.mark.parametrize("step", [2, 7, 1000])
def test_sparse_ids_are_read_in_full_pages(portal: FakePortal, rest: Rest, step: int) -> None:
    numbers = range(5, 5 + 10_000 * step, step)
    portal.tables[LEADS] = leads(numbers)
    assert read(rest) == list(numbers)
    assert len(portal.requests) <= 6


def test_ids_with_holes_of_any_size(portal: FakePortal, rest: Rest) -> None:
    chance = random.Random(20)
    numbers, last = [], 0
    for _run in range(60):
        last += chance.choice([1, 1, 2, 30, 3000, 10**6, 10**9])
        length, density = chance.randrange(1, 400), chance.choice([1.0, 1.0, 0.5, 0.05])
        for _number in range(length):
            last += 1
            if chance.random() < density:
                numbers.append(last)
    portal.tables[LEADS] = leads(numbers)
    assert read(rest) == numbers
    assert len(portal.requests) <= 40


def test_from_an_id_to_an_id(portal: FakePortal, rest: Rest) -> None:
    portal.tables[LEADS] = leads(range(1, 3001))
    assert read(rest, after=2990) == list(range(2991, 3001))
    assert read(rest, after=10, upto=12) == [11, 12]
    assert read(rest, after=100, upto=2800) == list(range(101, 2801))
    assert read(rest, after=3000) == []
    assert read(rest, after=2000, upto=1000) == []
    assert read(rest, upto=10**9) == list(range(1, 3001))


def test_a_few_rows_cost_one_request_of_few_commands(portal: FakePortal, rest: Rest) -> None:
    portal.tables[LEADS] = leads([7, 9, 400_000])
    assert read(rest) == [7, 9, 400_000]
    assert (len(portal.requests), len(portal.commands)) == (1, 1 + walk.PROBE)


def test_the_parameters_reach_the_portal(portal: FakePortal, rest: Rest) -> None:
    portal.tables[LEADS] = leads(range(1, 300))
    params = {
        "entityTypeId": 1,
        "filter": {">=updatedTime": "2026-11-28T10:00:00+03:00", "logic": "OR"},
        "order": {"title": "ASC"},
        "start": 50,
        "select": ["title"],
        "useOriginalUfNames": "Y",
    }
    found = [row["id"] for row in rest.rows("crm.item.list", params)]
    assert found == list(range(1, 300))
    for _method, given in portal.commands:
        assert given["filter"][">=updatedTime"] == "2026-11-28T10:00:00+03:00"
        assert (given["start"], given["useOriginalUfNames"], list(given["order"])) == ("-1", "Y", ["id"])
    assert portal.commands[0][1]["select"] == {"0": "id"}
    assert portal.commands[1][1]["select"] == {"0": "title", "1": "id"}


def test_lists_of_the_older_form(portal: FakePortal, rest: Rest) -> None:
    rows = [{"ID": str(number), "SUBJECT": "x"} for number in range(1, 3001)]
    portal.tables["crm.activity.list"] = rows
    assert list(rest.rows("crm.activity.list", {"filter": {"COMPLETED": "Y"}})) == rows
    assert len(portal.requests) == 3
    assert all(given["filter"]["COMPLETED"] == "Y" for _method, given in portal.commands)
    sparse = [{"ID": str(number)} for number in range(1, 30_000, 10)]
    portal.tables["crm.activity.list"] = sparse
    assert list(rest.rows("crm.activity.list", {})) == sparse


# -- while people work -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 3])
def test_what_is_deleted_meanwhile_hides_nothing(portal: FakePortal, rest: Rest, step: int) -> None:
    chance = random.Random(step)
    portal.tables[LEADS] = leads(range(1, 5000 * step, step))
    live = {row["id"] for row in portal.tables[LEADS]}
    usual, calls = portal.on_command, [0]

    def command(method: str, params: Row) -> t.Any:
        calls[0] += 1
        if calls[0] % 3 == 0:
            gone = set(chance.sample(sorted(live), 10))
            live.difference_update(gone)
            portal.tables[LEADS] = [row for row in portal.tables[LEADS] if row["id"] not in gone]
        return usual(method, params)

    portal.on_command = command
    found = read(rest)
    assert live <= set(found)
    assert found == sorted(set(found))
    assert calls[0] > 100


@pytest.mark.parametrize("step", [1, 3])
def test_what_is_added_meanwhile_disturbs_nothing(portal: FakePortal, rest: Rest, step: int) -> None:
    portal.tables[LEADS] = leads(range(1, 5000 * step, step))
    first = [row["id"] for row in portal.tables[LEADS]]
    usual, last = portal.on_command, [5000 * step]

    def command(method: str, params: Row) -> t.Any:
        if last[0] < 5000 * step + 200:  # then it is quiet
            last[0] += 1
            portal.tables[LEADS].append(leads([last[0]])[0])
        return usual(method, params)

    portal.on_command = command
    found = read(rest)
    assert found[: len(first)] == first
    assert found == sorted(set(found))
    assert len(found) > len(first)  # those that were there before its last page


# -- failures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 3])
def test_whatever_answers_are_lost_or_cut_each_row_comes_once(
    portal: FakePortal, rest: Rest, step: int, slept: list[float]
) -> None:
    chance = random.Random(3)
    portal.tables[LEADS] = leads(range(1, 12_000 * step, step))

    def answer(request: Request) -> Reply:
        fault = chance.randrange(8)
        if fault == 0:
            raise Dropped
        if fault == 1:
            return Reply(PAGE, chance.choice([200, 500, 502, 503, 504]))
        if fault == 2:
            return Reply({"error": "INTERNAL_SERVER_ERROR"}, 500)
        if fault == 3:
            return Reply({"error": "QUERY_LIMIT_EXCEEDED"}, 503)
        usual = portal.usual(request)
        if fault == 4:
            usual.cut = chance.randrange(len(usual.bytes()[1]))
        return usual

    portal.answer = answer
    assert read(rest) == [row["id"] for row in portal.tables[LEADS]]


def test_a_cut_answer_is_not_read_anew_from_its_beginning(portal: FakePortal, rest: Rest) -> None:
    portal.tables[LEADS] = leads(range(1, 5001))
    cut: list[int] = []

    def answer(request: Request) -> Reply:
        usual = portal.usual(request)
        if "filter[%3Eid]=200&" in request.params["cmd"]["p0"] and not cut:
            cut.append(usual.bytes()[1].index(b'"id": 1500'))
            usual.cut = cut[0]
        return usual

    portal.answer = answer
    assert read(rest) == list(range(1, 5001))
    begins = [request.params["cmd"]["p0"].partition("&filter")[2] for request in portal.requests]
    assert "[%3Eid]=1499&filter[%3C%3Did]=1549" in begins


def test_a_command_that_is_refused_for_its_working_time_is_asked_for_again(
    portal: FakePortal, rest: Rest, slept: list[float]
) -> None:
    portal.tables[LEADS] = leads(range(1, 6001))
    usual, calls = portal.on_command, [0]

    def command(method: str, params: Row) -> t.Any:
        calls[0] += 1
        return Refusal("OPERATION_TIME_LIMIT") if 30 <= calls[0] <= 56 else usual(method, params)

    portal.on_command = command
    assert read(rest) == list(range(1, 6001))
    assert max(slept) > 50
    assert rest.refused == 1


@pytest.mark.parametrize("at", [1, 2, 30])
def test_a_refusal_is_raised_behind_the_rows_that_came(portal: FakePortal, rest: Rest, at: int) -> None:
    portal.tables[LEADS] = leads(range(1, 6001))
    usual, calls = portal.on_command, [0]

    def command(method: str, params: Row) -> t.Any:
        calls[0] += 1
        return Refusal("insufficient_scope", "No") if calls[0] == at else usual(method, params)

    portal.on_command = command
    seen = []
    with pytest.raises(Denied, match="crm.item.list: No"):
        for row in rest.rows("crm.item.list", {"entityTypeId": 1}):
            seen.append(row["id"])
    assert seen == list(range(1, len(seen) + 1))


def test_a_list_that_is_not_there(portal: FakePortal, rest: Rest) -> None:
    with pytest.raises(RestError, match="Method not found"):
        read(rest)


def test_patience_begins_anew_with_each_row(portal: FakePortal, rest: Rest, slept: list[float]) -> None:
    """Of a long list more answers may fail than of one request."""
    portal.tables[LEADS] = leads(range(1, 40_001))

    def answer(request: Request) -> Reply:
        if len(portal.requests) % 2:
            return Reply(PAGE, 502)
        return portal.usual(request)

    portal.answer = answer
    assert read(rest) == list(range(1, 40_001))
    assert len(slept) > 15
    assert max(slept) <= 2


def test_patience_ends(portal: FakePortal, rest: Rest, slept: list[float]) -> None:
    portal.answer = lambda request: Reply(PAGE, 502)
    with pytest.raises(Unanswered, match="page instead of JSON"):
        read(rest)
    assert sum(slept) > 100


# -- portals that are not as they should be ----------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 3])
def test_a_portal_that_does_not_know_references(portal: FakePortal, rest: Rest, step: int) -> None:
    portal.tables[LEADS] = leads(range(1, 700 * step, step))
    usual = portal.on_command

    def command(method: str, params: Row) -> t.Any:
        above = params.get("filter", {}).get(">id")
        if above is not None and not above.isdigit():
            params["filter"][">id"] = "0"
        return usual(method, params)

    portal.on_command = command
    portal.resolves = False
    assert read(rest) == list(range(1, 700 * step, step))


def test_a_portal_that_refuses_a_reference_to_what_there_is_not(portal: FakePortal, rest: Rest) -> None:
    """Behind the last page nothing counts any more, also no refusal."""
    portal.tables[LEADS] = leads(range(1, 800, 2))
    usual = portal.on_command

    def command(method: str, params: Row) -> t.Any:
        if params["filter"].get(">id") == "":
            return Refusal("ERROR_ARGUMENT", "Wrong filter")
        return usual(method, params)

    portal.on_command = command
    assert read(rest) == list(range(1, 800, 2))


@pytest.mark.parametrize("wrong", ["filter", "order", "no id", "text"])
def test_a_portal_that_does_not_list_by_id_is_not_believed(portal: FakePortal, rest: Rest, wrong: str) -> None:
    portal.tables[LEADS] = leads(range(1, 1001))
    usual = portal.on_command

    def command(method: str, params: Row) -> t.Any:
        if wrong == "filter":
            params["filter"] = {}
        elif wrong == "order":
            params["order"] = {"id": "DESC"}
        result = usual(method, params)
        if wrong == "no id":
            return {"items": [{"title": row["title"]} for row in result["items"]]}
        return {"items": ["x"]} if wrong == "text" else result

    portal.on_command = command
    with pytest.raises(RestError, match="does not list by id") as caught:
        read(rest)
    assert caught.value.code == "NOT_BY_ID"


# -- lists without ids -------------------------------------------------------------------------------------------


class Users:
    """user.get: pages by offset."""

    def __init__(self, portal: FakePortal, amount: int) -> None:
        self.rows = [{"ID": str(number), "NAME": f"Ann {number}"} for number in range(1, amount + 1)]
        self.asked: list[Row] = []
        self.change: t.Callable[[], None] = lambda: None
        portal.answer = self.answer
        self._portal = portal

    def page(self, params: Row) -> tuple[list[Row], int, int | None]:
        self.asked.append(params)
        self.change()
        start = int(params.get("start") or 0)
        following = start + 50
        return self.rows[start:following], len(self.rows), following if following < len(self.rows) else None

    def answer(self, request: Request) -> Reply:
        from urllib.parse import parse_qsl

        from unit.plugins.module_utils.crm.fake_portal import nested_of

        if request.method == "batch":
            parts: Row = {name: {} for name in ("result", "result_error", "result_total", "result_next")}
            for key, text in request.params["cmd"].items():
                rows, total, following = self.page(nested_of(parse_qsl(text.partition("?")[2])))
                parts["result"][key], parts["result_total"][key] = rows, total
                if following:
                    parts["result_next"][key] = following
            return Reply(self._portal.envelope(parts))
        rows, total, following = self.page(request.params)
        return Reply({"result": rows, "total": total, **({"next": following} if following else {})})


@pytest.mark.parametrize("amount", [0, 1, 50, 51, 3000])
def test_a_list_that_only_knows_offsets(portal: FakePortal, rest: Rest, amount: int) -> None:
    users = Users(portal, amount)
    assert list(rest.rows("user.get", {"FILTER": {"ACTIVE": True}})) == users.rows
    assert len(portal.requests) == (1 if amount <= 50 else 3 if amount == 3000 else 2)
    assert users.asked[0] == {"sort": "ID", "order": "ASC", "FILTER": {"ACTIVE": True}, "start": 0}
    assert [row["ID"] for row in rest.rows("user.get", {}, after=10, upto=12)] == ["11", "12"][: max(0, amount - 10)]


def test_a_list_by_offsets_that_changes_meanwhile_is_read_again(portal: FakePortal, rest: Rest) -> None:
    users = Users(portal, 500)

    def change() -> None:
        if len(users.asked) == 3:
            users.rows.pop(0)  # each later page begins one row too late

    users.change = change
    assert list(rest.rows("user.get", {})) == users.rows
    assert len(users.asked) == 20


def test_a_list_by_offsets_that_never_rests(portal: FakePortal, rest: Rest) -> None:
    users = Users(portal, 500)
    users.change = lambda: users.rows.append({"ID": str(len(users.rows) + 1)})
    with pytest.raises(Unanswered, match="changed each of the 5 times"):
        list(rest.rows("user.get", {}))


def test_lists_without_pages(portal: FakePortal, rest: Rest) -> None:
    statuses = [{"ID": "1", "STATUS_ID": "NEW"}, {"ID": "2", "STATUS_ID": "WON"}]
    portal.tables["crm.status.list"] = statuses
    assert list(rest.rows("crm.status.list", {"filter": {"ENTITY_ID": "STATUS"}})) == statuses
    portal.answer = lambda request: Reply({"result": {"categories": [{"id": 0}, {"id": 9}]}, "total": 2})
    assert list(rest.rows("crm.category.list", {"entityTypeId": 2})) == [{"id": 0}, {"id": 9}]

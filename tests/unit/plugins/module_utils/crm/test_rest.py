# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls and batches: what is repeated, and what must not be."""

from __future__ import annotations

import gzip
import io
import json
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm import rest as rest_module
from ansible_collections.boxlift.portal.plugins.module_utils.crm import transport
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import (
    Answer,
    Command,
    Denied,
    Outcome,
    Rest,
    RestError,
    Unanswered,
)
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from lab.authority import Authority
from unit.plugins.module_utils.crm.fake_portal import Dropped, FakePortal, Refusal, Reply, Request, Row

PAGE = b"<html><body>The portal is being updated.</body></html>"
BUSY = Reply({"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"}, 503)
BLOCKED = Reply({"error": "OPERATION_TIME_LIMIT", "error_description": "Method is blocked"}, 429)
FAULT = Reply({"error": "INTERNAL_SERVER_ERROR", "error_description": "Internal server error"}, 500)


class Once:
    """Gives these replies first (an exception is raised), then what the portal usually answers."""

    def __init__(self, portal: FakePortal, *replies: Reply | Exception | t.Callable[[Request], Reply]) -> None:
        self.portal, self.replies = portal, list(replies)
        portal.answer = self

    def __call__(self, request: Request) -> Reply:
        if not self.replies:
            return self.portal.usual(request)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, Reply) else reply(request)


@pytest.fixture
def adding(portal: FakePortal) -> list[Row]:
    """What crm.lead.add has added; it answers with the number."""
    added: list[Row] = []

    def command(method: str, params: Row) -> t.Any:
        if method != "crm.lead.add":
            return portal.command(method, params)
        if params["fields"].get("TITLE") == "refused":
            return Refusal("ERROR_CORE", "No title")
        added.append(params["fields"])
        return len(added)

    portal.on_command = command
    return added


def add(title: str) -> Command:
    return Command("crm.lead.add", {"fields": {"TITLE": title}})


def kinds(outcomes: t.Sequence[Outcome]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def test_a_call_gives_result_total_next_and_time(portal: FakePortal, rest: Rest) -> None:
    portal.answer = lambda request: Reply({"result": [], "total": "7", "next": 50, "time": {"operating": 0.25}})
    assert rest.call("crm.lead.list", {"start": 0}) == Answer([], 7, 50, {"operating": 0.25})
    assert portal.requests[0].path == "/rest/1/s3cr3tc0de/crm.lead.list.json"
    assert portal.requests[0].params == {"start": 0}
    assert portal.requests[0].headers["content-type"] == "application/json"
    assert "Mozilla" in portal.requests[0].headers["user-agent"]


def test_any_result_is_given_as_it_is(portal: FakePortal, rest: Rest) -> None:
    for result in (None, False, 0, "", [], {}, {"item": {"id": 5}}):
        portal.answer = lambda request, result=result: Reply({"result": result})
        assert rest.call("m").result == result


def test_all_goes_over_one_connection(portal: FakePortal, rest: Rest, adding: list[Row]) -> None:
    for number in range(5):
        rest.call("crm.lead.add", {"fields": {"TITLE": str(number)}}, repeat=False)
    rest.batch([add("x")], repeat=False)
    assert {request.connection for request in portal.requests} == {1}


@pytest.mark.parametrize("chunked", [False, True])
def test_answers_in_chunks_keep_the_connection_too(portal: FakePortal, rest: Rest, chunked: bool) -> None:
    portal.answer = lambda request: Reply({"result": "x" * 200_000}, chunked=chunked)
    assert len(rest.call("m").result) == 200_000
    assert len(rest.call("m").result) == 200_000
    assert {request.connection for request in portal.requests} == {1}


def test_a_server_that_closes_after_each_answer(portal: FakePortal, rest: Rest, adding: list[Row]) -> None:
    portal.answer = lambda request: Reply(portal.envelope(1), close=True)
    for _number in range(3):
        rest.call("crm.lead.add", {"fields": {}}, repeat=False)
    assert [request.connection for request in portal.requests] == [1, 2, 3]


# -- what is repeated --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        Dropped(),
        Reply(PAGE),
        Reply(PAGE, 500),
        Reply(PAGE, 502),
        Reply(PAGE, 503),
        Reply(PAGE, 504),
        FAULT,
        Reply({"result": {"some": "thing"}}, cut=9),
        Reply({"result": "x" * 1000}, cut=500, chunked=True),
        Reply(b'{"result": {"so'),
        Reply([1, 2]),
        Reply({"time": {}}),
        Reply(b""),
        Reply(raw=b"SSH-2.0-OpenSSH\r\n"),
        Reply(raw=b"HTTP/1.1 200"),
        Reply(gzip.compress(b"{}", mtime=0)[:12], headers={"Content-Encoding": "gzip"}),
        Reply(b"no gzip at all", headers={"Content-Encoding": "gzip"}),
    ],
    ids=lambda reply: str(reply)[:60],
)
def test_without_a_whole_answer_reading_is_repeated_and_writing_is_not(
    portal: FakePortal, rest: Rest, slept: list[float], reply: Reply | Exception
) -> None:
    portal.tables["crm.lead.list"] = [{"ID": "1"}]
    Once(portal, reply)
    assert rest.call("crm.lead.list").result == [{"ID": "1"}]
    assert len(portal.requests) == 2
    assert sum(slept) <= 1
    Once(portal, reply)
    with pytest.raises(Unanswered) as caught:
        rest.call("crm.lead.list", repeat=False)
    assert caught.value.sent
    assert caught.value.remedy
    assert len(portal.requests) == 3


@pytest.mark.parametrize("repeat", [True, False])
@pytest.mark.parametrize("reply", [BUSY, BLOCKED, Reply(b"slow down", 429)], ids=["503", "429", "429 page"])
def test_what_was_not_carried_out_is_repeated_even_if_it_writes(
    portal: FakePortal, rest: Rest, adding: list[Row], reply: Reply, repeat: bool
) -> None:
    Once(portal, reply, reply)
    assert rest.call("crm.lead.add", {"fields": {"TITLE": "a"}}, repeat=repeat).result == 1
    assert len(adding) == 1
    assert (rest.requests, rest.refused) == (3, 2)
    assert rest.waited > 0


def test_a_pause_that_the_portal_names_is_kept(portal: FakePortal, rest: Rest, slept: list[float]) -> None:
    Once(portal, Reply(BUSY.content, 503, {"Retry-After": "17"}))
    portal.tables["m"] = []
    rest.call("m")
    assert 17 in slept


def test_a_refusal_is_not_repeated(portal: FakePortal, rest: Rest, slept: list[float]) -> None:
    portal.answer = lambda request: Reply({"error": "ERROR_CORE", "error_description": "Wrong field"}, 400)
    with pytest.raises(RestError, match="crm.lead.add: Wrong field") as caught:
        rest.call("crm.lead.add")
    assert (caught.value.code, caught.value.status, type(caught.value)) == ("ERROR_CORE", 400, RestError)
    assert (len(portal.requests), slept) == (1, [])


@pytest.mark.parametrize("code", ["INVALID_CREDENTIALS", "insufficient_scope", "OVERLOAD_LIMIT", "PORTAL_DELETED"])
def test_who_is_denied_stops_at_once(portal: FakePortal, rest: Rest, code: str) -> None:
    portal.answer = lambda request: Reply({"error": code}, 503 if code == "OVERLOAD_LIMIT" else 403)
    with pytest.raises(Denied) as caught:
        rest.batch([add("a")])
    assert (caught.value.code, len(portal.requests)) == (code, 1)
    assert caught.value.remedy


def test_patience_ends(portal: FakePortal, rest: Rest, slept: list[float]) -> None:
    portal.answer = lambda request: Reply(PAGE, 502)
    with pytest.raises(Unanswered, match="status 502 with a page"):
        rest.call("m")
    assert slept == list(rest_module.PAUSES)
    assert len(portal.requests) == len(rest_module.PAUSES) + 1


def test_an_hour_of_refusals_ends_too(portal: FakePortal, tls: t.Any) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds + 100

    rest = Rest(portal.webhook, ca_file=str(tls.authority), clock=lambda: now[0], sleep=sleep)
    portal.answer = lambda request: BUSY
    with pytest.raises(RestError, match="for an hour now") as caught:
        rest.call("m")
    assert caught.value.code == "QUERY_LIMIT_EXCEEDED"
    assert 3600 < now[0] < 5000


# -- connections -------------------------------------------------------------------------------------------------


def test_a_connection_that_the_server_closed_while_idle(portal: FakePortal, rest: Rest, adding: list[Row]) -> None:
    """Its end is seen before anything is sent, so that writing is safe."""
    rest.call("crm.lead.add", {"fields": {"TITLE": "a"}}, repeat=False)
    closed = threading.Event()
    portal.cut_connections()
    while not closed.is_set():  # until the end has arrived here
        free = rest._transport._free
        if not free or transport._ended(free[0][0].sock):
            closed.set()
    rest.call("crm.lead.add", {"fields": {"TITLE": "b"}}, repeat=False)
    assert [each["TITLE"] for each in adding] == ["a", "b"]
    assert rest.waited == 0


def test_a_connection_that_ends_just_when_it_is_used_again(
    portal: FakePortal, rest: Rest, slept: list[float], adding: list[Row]
) -> None:
    """Reading is repeated without a pause; writing is Unanswered, since the portal may have got it."""
    portal.tables["m"] = []
    rest.call("m")
    Once(portal, Dropped())
    assert rest.call("m").result == []
    assert slept == []
    Once(portal, Dropped())
    with pytest.raises(Unanswered):
        rest.call("crm.lead.add", {"fields": {}}, repeat=False)


def test_writing_takes_no_connection_that_was_idle_for_long(
    portal: FakePortal, rest: Rest, adding: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    rest.call("crm.lead.add", {"fields": {}}, repeat=False)
    monkeypatch.setattr(transport, "IDLE", -1.0)
    rest.call("crm.lead.add", {"fields": {}}, repeat=False)
    assert [request.connection for request in portal.requests] == [1, 2]


def test_nobody_at_the_address(tls: t.Any, slept: list[float], free_port: int) -> None:
    rest = Rest(f"https://127.0.0.1:{free_port}/rest/1/code/", ca_file=str(tls.authority), sleep=slept.append)
    with pytest.raises(Unanswered, match="no connection") as caught:
        rest.call("crm.lead.add", repeat=False)
    assert not caught.value.sent
    assert slept == list(rest_module.PAUSES)  # nothing was sent, so it was tried again
    [outcome] = rest.batch([add("a")], repeat=False)
    assert isinstance(outcome, Unanswered)
    assert not outcome.sent


def test_a_portal_that_says_nothing(portal: FakePortal, tls: t.Any) -> None:
    rest = Rest(portal.webhook, ca_file=str(tls.authority), timeout=0.2, sleep=lambda seconds: None)
    stop = threading.Event()

    def silent(request: Request) -> Reply:
        stop.wait(20)
        raise Dropped

    portal.answer = silent
    with pytest.raises(Unanswered, match="timed out"):
        rest.call("m", repeat=False)
    stop.set()


def test_a_portal_that_sends_a_byte_now_and_then(portal: FakePortal, tls: t.Any) -> None:
    """The time-out is that of the whole answer."""
    rest = Rest(portal.webhook, ca_file=str(tls.authority), timeout=0.3, sleep=lambda seconds: None)
    portal.drip = 0.05
    portal.answer = lambda request: Reply({"result": "x" * 1000})
    with pytest.raises(Unanswered, match="timed out"):
        rest.call("m", repeat=False)


def test_an_authority_that_is_not_trusted(portal: FakePortal) -> None:
    with pytest.raises(Denied, match=r"certificate of 127.0.0.1 is not trusted") as caught:
        Rest(portal.webhook).call("m")
    assert (caught.value.code, portal.requests) == ("CERTIFICATE", [])
    assert "ca_file" in caught.value.remedy


def test_a_name_that_leads_elsewhere_yet(tmp_path: Path, portal: FakePortal, tls: t.Any) -> None:
    """`resolve_to` is asked instead of DNS, and the certificate must be that of the name all the same."""
    issued = Authority(tmp_path).issue("box.example.test")
    box = FakePortal(str(issued.certificate), str(issued.key))
    box.tables["m"] = []
    url = f"https://box.example.test:{box.port}/rest/1/code/"
    assert Rest(url, ca_file=str(tmp_path / "ca.pem"), resolve_to="127.0.0.1").call("m").result == []
    assert box.requests[0].headers["host"] == f"box.example.test:{box.port}"
    box.close()
    url = f"https://box.example.test:{portal.port}/rest/1/code/"
    with pytest.raises(Denied, match=r"certificate of box\.example\.test is not trusted"):
        Rest(url, ca_file=str(tls.authority), resolve_to="127.0.0.1").call("m")
    assert portal.requests == []


def test_through_a_proxy(portal: FakePortal, tls: t.Any, proxy: t.Any) -> None:
    portal.tables["m"] = []
    rest = Rest(portal.webhook, ca_file=str(tls.authority), proxy=proxy.url)
    assert rest.call("m").result == []
    assert rest.call("m").result == []
    assert proxy.asked == [(f"127.0.0.1:{portal.port}", "Basic dXNlcjpzM2NyM3Q=")]


def test_a_proxy_that_refuses(portal: FakePortal, tls: t.Any, proxy: t.Any, slept: list[float]) -> None:
    proxy.refuses = True
    rest = Rest(portal.webhook, ca_file=str(tls.authority), proxy=proxy.url, sleep=slept.append)
    with pytest.raises(Unanswered, match="407") as caught:
        rest.call("m", repeat=False)
    assert not caught.value.sent
    assert "s3cr3t" not in str(caught.value.as_result())


def test_an_empty_proxy_is_none(portal: FakePortal, tls: t.Any, proxy: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy.url)
    portal.tables["m"] = []
    Rest(portal.webhook, ca_file=str(tls.authority), proxy="").call("m")
    assert proxy.asked == []
    Rest(portal.webhook, ca_file=str(tls.authority)).call("m")
    assert len(proxy.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_portal_that_has_moved(portal: FakePortal, rest: Rest, status: int) -> None:
    """A credential is sent to no other host than the one it was given for."""
    target = "https://elsewhere.example.test/rest/1/s3cr3tc0de/m"
    portal.answer = lambda request: Reply(b"", status, {"Location": target})
    with pytest.raises(Denied, match=r"redirects REST to elsewhere\.example\.test") as caught:
        rest.call("m")
    assert (caught.value.code, len(portal.requests)) == ("MOVED", 1)
    assert "s3cr3t" not in str(caught.value.as_result())


def test_a_thin_line_is_answered_in_compressed_form(
    portal: FakePortal, rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_THIN", float("inf"))
    body = json.dumps({"result": ["ё" * 100, *range(100_000)]}).encode()

    def answer(request: Request) -> Reply:
        if "gzip" not in request.headers["accept-encoding"]:
            return Reply(body)
        return Reply(gzip.compress(body), headers={"Content-Encoding": "gzip"})

    portal.answer = answer
    first = rest.call("m").result
    assert rest.call("m").result == first
    assert [request.headers["accept-encoding"] for request in portal.requests] == ["identity", "gzip"]
    assert {request.connection for request in portal.requests} == {1}


@pytest.mark.parametrize(
    "webhook",
    [
        "",
        "portal.example.test",
        "http://portal.example.test/rest/1/code/",
        "https://portal.example.test/",
        "https://me:pw@portal.example.test/rest/1/code/",
        "https://[::1/rest/1/code/",
    ],
)
def test_what_is_no_webhook(webhook: str) -> None:
    with pytest.raises(BoxliftError, match="not of the form") as caught:
        Rest(webhook)
    assert "code" not in str(caught.value.message)


def test_a_webhook_without_its_last_slash(portal: FakePortal, tls: t.Any) -> None:
    portal.tables["m"] = []
    Rest(portal.webhook.rstrip("/"), ca_file=str(tls.authority)).call("m")
    assert portal.requests[0].path == "/rest/1/s3cr3tc0de/m.json"


def test_the_code_is_in_no_message(portal: FakePortal, tls: t.Any, slept: list[float]) -> None:
    rest = Rest(portal.webhook, ca_file=str(tls.authority), timeout=5, sleep=slept.append)
    assert repr(rest) == "Rest(127.0.0.1)"
    shown: list[t.Any] = [repr(rest), rest.name]
    for reply in (Reply(PAGE), Reply({"error": "X", "error_description": "no"}, 400), Dropped(), Reply(b"", 302)):
        Once(portal, reply)
        with pytest.raises(BoxliftError) as caught:
            rest.call("m", repeat=False)
        error: BaseException | None = caught.value
        while error is not None:
            shown += [str(error), repr(error), vars(error)]
            error = error.__cause__ or error.__context__
    assert "s3cr3t" not in str(shown)


# -- batches -----------------------------------------------------------------------------------------------------


def test_a_batch_of_any_length_in_order(portal: FakePortal, rest: Rest, adding: list[Row]) -> None:
    outcomes = rest.batch([add(f"{number} & = % ё") for number in range(120)], repeat=False)
    assert [outcome.result for outcome in outcomes if isinstance(outcome, Answer)] == list(range(1, 121))
    assert [each["TITLE"] for each in adding] == [f"{number} & = % ё" for number in range(120)]
    assert [len(request.params["cmd"]) for request in portal.requests] == [50, 50, 20]
    assert rest.batch([]) == []


def test_each_command_has_its_own_outcome(portal: FakePortal, rest: Rest, adding: list[Row]) -> None:
    outcomes = rest.batch([add("a"), add("refused"), add("b"), Command("nonsense", {})], repeat=False)
    assert kinds(outcomes) == [Answer, RestError, Answer, RestError]
    assert isinstance(outcomes[1], RestError)
    assert (outcomes[1].code, outcomes[1].message) == ("ERROR_CORE", "crm.lead.add: No title.")


def test_after_a_refusal_a_halted_batch_does_nothing_more(portal: FakePortal, rest: Rest, adding: list[Row]) -> None:
    commands = [add("a"), add("refused"), *[add("b")] * 100]
    outcomes = rest.batch(commands, repeat=False, halt=True)
    assert kinds(outcomes) == [Answer, *[RestError] * 101]
    assert {outcome.code for outcome in outcomes[2:] if isinstance(outcome, RestError)} == {"HALTED"}
    assert (len(adding), len(portal.requests)) == (1, 1)


def test_total_next_and_time_of_each_command(portal: FakePortal, rest: Rest) -> None:
    portal.answer = lambda request: Reply(
        portal.envelope(
            {
                "result": {"c0": [1], "c1": None},
                "result_error": [],
                "result_total": {"c0": 70},
                "result_next": {"c0": "50"},
                "result_time": {"c0": {"operating": 1.5}},
            }
        )
    )
    outcomes = rest.batch([Command("a", {}), Command("b", {})])
    assert outcomes == [Answer([1], 70, 50, {"operating": 1.5}), Answer(None)]


def test_the_part_of_a_batch_that_is_cut_is_not_known(portal: FakePortal, rest: Rest, adding: list[Row]) -> None:
    """What has come is certain; of the rest nobody knows. All of it was carried out here."""
    whole: list[bytes] = []

    def cut(request: Request) -> Reply:
        reply = portal.usual(request)
        whole.append(reply.bytes()[1])
        return Reply(reply.content, cut=whole[0].index(b'"c31"'))

    Once(portal, cut)
    outcomes = rest.batch([add(str(number)) for number in range(50)], repeat=False)
    assert kinds(outcomes) == [Answer] * 31 + [Unanswered] * 19
    assert [outcome.result for outcome in outcomes if isinstance(outcome, Answer)] == list(range(1, 32))
    assert (len(adding), len(portal.requests)) == (50, 1)


def test_a_number_that_is_cut_is_none(portal: FakePortal, rest: Rest) -> None:
    """An id of which digits are missing would be that of another record."""
    head = b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n"  # says no length, so that the cut looks like the end
    portal.answer = lambda request: Reply(raw=head + b'{"result":{"result":{"c0":12345,"c1":678')
    outcomes = rest.batch([add("a"), add("b")], repeat=False)
    assert kinds(outcomes) == [Answer, Unanswered]


def test_of_a_batch_that_is_cut_before_its_errors_no_result_is_lost(
    portal: FakePortal, rest: Rest, adding: list[Row]
) -> None:
    Once(portal, lambda request: Reply(portal.usual(request).content, cut=60))
    outcomes = rest.batch([add("a"), add("refused"), add("b")], repeat=False)
    assert set(kinds(outcomes)) <= {Answer, Unanswered}
    assert isinstance(outcomes[1], Unanswered)


@pytest.mark.parametrize("reply", [Dropped(), Reply(PAGE), Reply(PAGE, 504), FAULT], ids=str)
def test_a_lost_batch_of_writes_is_unanswered_and_the_next_one_goes_on(
    portal: FakePortal, rest: Rest, adding: list[Row], reply: Reply | Exception
) -> None:
    Once(portal, reply)
    outcomes = rest.batch([add(str(number)) for number in range(70)], repeat=False)
    assert kinds(outcomes) == [Unanswered] * 50 + [Answer] * 20


def test_a_batch_that_only_reads_is_repeated(portal: FakePortal, rest: Rest) -> None:
    portal.tables["crm.lead.list"] = [{"ID": "1"}]
    Once(portal, Dropped(), Reply(PAGE), lambda request: Reply(portal.usual(request).content, cut=70))
    outcomes = rest.batch([Command("crm.lead.list", {})] * 3)
    assert kinds(outcomes) == [Answer] * 3


def test_only_what_was_refused_for_its_working_time_is_sent_again(
    portal: FakePortal, rest: Rest, adding: list[Row], slept: list[float]
) -> None:
    usual, calls = portal.on_command, [0]

    def command(method: str, params: Row) -> t.Any:
        calls[0] += 1
        return Refusal("OPERATION_TIME_LIMIT", "Method is blocked") if 3 <= calls[0] <= 5 else usual(method, params)

    portal.on_command = command
    outcomes = rest.batch([add(str(number)) for number in range(5)], repeat=False)
    assert kinds(outcomes) == [Answer] * 5
    assert [each["TITLE"] for each in adding] == ["0", "1", "2", "3", "4"]
    assert [list(request.params["cmd"]) for request in portal.requests] == [
        ["c0", "c1", "c2", "c3", "c4"],
        ["c2", "c3", "c4"],
    ]
    assert max(slept) > 50


def test_a_command_that_fails_within_is_repeated_only_if_it_reads(portal: FakePortal, rest: Rest) -> None:
    fails = [2]

    def command(method: str, params: Row) -> t.Any:
        if method == "b" and fails[0]:
            fails[0] -= 1
            return Refusal("INTERNAL_SERVER_ERROR")
        return method

    portal.on_command = command
    commands = [Command("a", {}), Command("b", {}), Command("c", {})]
    assert kinds(rest.batch(commands, repeat=False)) == [Answer, Unanswered, Answer]
    assert [outcome.result for outcome in rest.batch(commands) if isinstance(outcome, Answer)] == ["a", "b", "c"]
    assert [method for method, _params in portal.commands] == ["a", "b", "c", "a", "b", "c", "b"]


def test_a_result_that_is_missing_is_not_known(portal: FakePortal, rest: Rest) -> None:
    portal.answer = lambda request: Reply(portal.envelope({"result": {"c0": 1}, "result_error": []}))
    assert kinds(rest.batch([add("a"), add("b")], repeat=False)) == [Answer, Unanswered]


@pytest.mark.parametrize("content", [{"result": []}, {"result": True}, {"time": {}}, {"result": {"result_error": []}}])
def test_an_answer_that_is_none_of_a_batch(portal: FakePortal, rest: Rest, content: Row) -> None:
    portal.answer = lambda request: Reply(content)
    assert kinds(rest.batch([add("a")], repeat=False)) == [Unanswered]


def test_what_was_done_is_not_lost_where_the_rest_is_denied(portal: FakePortal, rest: Rest, adding: list[Row]) -> None:
    denied = Reply({"error": "INVALID_CREDENTIALS"}, 401)
    Once(portal, portal.usual, denied)
    outcomes = rest.batch([add(str(number)) for number in range(120)], repeat=False)
    assert kinds(outcomes) == [Answer] * 50 + [Denied] * 70
    assert (len(adding), len(portal.requests)) == (50, 2)
    # Within one request, too: a part was carried out, the rest is denied when it is sent again.
    usual, calls = portal.on_command, [0]

    def command(method: str, params: Row) -> t.Any:
        calls[0] += 1
        return Refusal("OPERATION_TIME_LIMIT") if calls[0] > 3 else usual(method, params)

    portal.on_command = command
    Once(portal, portal.usual, denied)
    assert kinds(rest.batch([add("x")] * 5, repeat=False)) == [Answer] * 3 + [Denied] * 2


def test_a_portal_that_is_away_is_not_waited_for_again_with_each_fifty(
    portal: FakePortal, rest: Rest, slept: list[float]
) -> None:
    portal.answer = lambda request: Reply(PAGE, 502)
    assert kinds(rest.batch([Command("m", {})] * 500)) == [Unanswered] * 500
    assert slept == list(rest_module.PAUSES)


def test_lanes_share_a_portal(portal: FakePortal, rest: Rest, adding: list[Row]) -> None:
    failures: list[BaseException] = []

    def lane(number: int) -> None:
        try:
            for each in range(20):
                [outcome] = rest.batch([add(f"{number}/{each}")], repeat=False)
                assert isinstance(outcome, Answer)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=lane, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len({each["TITLE"] for each in adding}) == 120
    assert rest.requests == 120
    assert len({request.connection for request in portal.requests}) <= 6


# -- files -------------------------------------------------------------------------------------------------------


def test_a_file_comes_with_its_address_intact(portal: FakePortal, rest: Rest) -> None:
    content = bytes(range(256)) * 5000
    portal.answer = lambda request: Reply(content)
    out = io.BytesIO()
    path = "/rest/1/s3cr3tc0de/crm.controller.item.getFile/?token=crm%7C1%7C5&x=a%2Bb"
    assert rest.fetch_file(f"https://127.0.0.1:{portal.port}{path}", out) == len(content)
    assert out.getvalue() == content
    assert portal.requests[0].path == path
    assert portal.requests[0].verb == "GET"
    assert rest.fetch_file("/bitrix/x?fileId=5", io.BytesIO()) == len(content)
    assert portal.requests[1].path == "/bitrix/x?fileId=5"


def test_a_file_that_breaks_off_is_fetched_again_from_its_beginning(portal: FakePortal, rest: Rest) -> None:
    content = b"x" * 300_000
    Once(portal, Reply(content, cut=200_000), Dropped(), Reply(PAGE, 502), Reply(content))
    out = io.BytesIO(b"head")
    out.seek(4)
    assert rest.fetch_file("/f", out) == len(content)
    assert out.getvalue() == b"head" + content


def test_a_file_that_lies_in_a_storage(portal: FakePortal, rest: Rest) -> None:
    target = f"https://127.0.0.1:{portal.port}/storage/f?signature=s3cr3t"
    Once(portal, Reply(b"", 302, {"Location": target}), Reply(b"content"))
    out = io.BytesIO()
    assert rest.fetch_file("/f", out) == 7
    assert portal.requests[1].path == "/storage/f?signature=s3cr3t"


def test_files_that_are_not_to_be_had(portal: FakePortal, rest: Rest) -> None:
    portal.answer = lambda request: Reply({"error": "NOT_FOUND", "error_description": "No file"}, 404)
    with pytest.raises(RestError, match="file: No file"):
        rest.fetch_file("/f", io.BytesIO())
    portal.answer = lambda request: Reply(b"", 302, {"Location": "http://127.0.0.1/plain?s3cr3t"})
    with pytest.raises(RestError, match="not https") as caught:
        rest.fetch_file("/f", io.BytesIO())
    assert "s3cr3t" not in str(caught.value.as_result())
    portal.answer = lambda request: Reply(b"", 302, {"Location": "/again"})
    with pytest.raises(RestError, match="redirects a file more than"):
        rest.fetch_file("/f", io.BytesIO())

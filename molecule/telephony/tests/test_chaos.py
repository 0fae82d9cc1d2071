# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""While calls are up, connector, exchange, portal and the whole host are killed: the portal has what the exchange has.

Runs after test_calls.py, and judges all calls of the scenario: also the one that was held, and the test calls.

LAB_CALLS  how many calls are made at least; by themselves two rounds (`make soak` makes 300)
LAB_SEED   what is killed when; by itself another one each time, which is printed
"""

from __future__ import annotations

import collections
import json
import os
import random
import time
import typing as t

import pytest
import testinfra
from harm import ROUND, Gap, Harm
from office import Happened, Office, Row
from testinfra.host import Host

CALLS = int(os.environ.get("LAB_CALLS", "0"))
SEED = int(os.environ.get("LAB_SEED", random.randrange(10**6)))
# Of the long run, each in a round of its own; the connector is killed in most of them besides.
LONG = ["host"] * 4 + ["exchange"] * 5 + ["manager interface"] * 4 + ["portal"] * 4 + ["portal dark for 5 s"] * 2
LONG += ["portal dark for 60 s"]
# An event on its way from the exchange to the connector's disk is lost with the host; it takes no longer than this.
ON_ITS_WAY = 1.0


class Seen(t.NamedTuple):
    """What is left of it all."""

    portal: dict[str, list[Row]]
    records: dict[str, list[dict[str, str]]]  # as the exchange's file has them
    cut: dict[str, list[Happened]]  # calls of which it has no record, since it was killed
    gaps: list[Gap]
    happened: collections.Counter[str]

    def died(self, name: str) -> float:
        """When the exchange was killed under this call, or a moment later."""
        deaths = [gap.done for gap in self.gaps if gap.kind in ("host", "exchange")]
        return min(death for death in deaths if death > self.cut[name][0].at)

    def wanted(self) -> set[str]:
        """The cut calls that the connector can have heard of: it ran when they began, and a phone rang."""
        return {name for name in self.cut if self._rang(name)}

    def _rang(self, name: str) -> bool:
        begun = [row.at for row in self.cut[name] if row.what == "CHAN_START"][:2]
        return len(begun) > 1 and not any(map(self.unheard, begun))

    def unheard(self, moment: float) -> bool:
        return any(gap.begin - ON_ITS_WAY < moment < gap.end + ON_ITS_WAY for gap in self.gaps)


@pytest.fixture(scope="module")
def office(host: Host) -> Office:
    """By the container's engine: an SSH session does not notice that its host is killed."""
    return Office(testinfra.get_host(f"docker://{host.ansible.get_variables()['lab_container']}"))


@pytest.fixture(scope="module")
def seen(host: Host, office: Office, request: pytest.FixtureRequest) -> Seen:
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{text}", flush=True)

    began, chance = time.monotonic(), random.Random(SEED)
    say(f"LAB_SEED={SEED}")
    before = len(office.happened())
    harm = Harm(office, host.ansible.get_variables()["lab_container"], chance)
    harm.round(ROUND, ["connector", "manager interface", "portal dark for 5 s", "connector"])
    harm.round(ROUND, ["host"])
    made = len(office.happened()) - before
    kinds: list[str] = []
    while made < CALLS:
        if not kinds:
            kinds = chance.sample(LONG, len(LONG))
        harm.round(ROUND, [*(["connector"] if chance.random() < 0.6 else []), kinds.pop()])
        made = len(office.happened()) - before
    records = office.outside()
    cut = {name: rows for name, rows in office.happened().items() if name not in records}
    seen = Seen({}, records, cut, harm.gaps, harm.happened)
    heard = {"pbx-" + path.rpartition("/")[2].removesuffix(".wav") for path in office.hashes()}
    office.told([*records, *seen.wanted()], seconds=240, silent=cut.keys() - heard)
    seen = seen._replace(portal=office.lab("state"))
    told = {row["EXTERNAL_CALL_ID"] for row in seen.portal["statistics"]}
    say(
        f"{made} calls in {time.monotonic() - began:.0f} s, {len(cut)} cut by a kill of exchange or host, of which"
        f" {len(told & cut.keys())} are told; killed: {dict(harm.happened)}"
    )
    return seen


def test_the_portal_failed_as_it_was_told_to(seen: Seen) -> None:
    kinds = collections.Counter(row["FAULT"] for row in seen.portal["requests"] if row["FAULT"])
    assert kinds["lose_answer"] >= 4 and kinds["unavailable"] >= 2


def test_no_call_is_lost_and_none_is_counted_twice(seen: Seen, office: Office) -> None:
    names = [row["EXTERNAL_CALL_ID"] for row in seen.portal["statistics"]]
    assert len(names) == len(set(names))
    assert set(names) >= seen.records.keys() | seen.wanted()
    assert set(names) <= seen.records.keys() | seen.cut.keys()
    assert not seen.portal["calls"], "a call is registered, and never finished"
    status = json.loads(office.host.check_output("call-connector status"))
    assert not status["dead_letters"] and status["oldest_unsent_seconds"] is None


def test_the_host_died_with_calls_up(seen: Seen) -> None:
    assert seen.happened["host"] >= 1 and seen.wanted()


def test_each_fact_is_what_the_exchange_recorded(seen: Seen) -> None:
    for fact in recorded(seen):
        rows = seen.records[fact["EXTERNAL_CALL_ID"]]
        answered = [row for row in rows if row["disposition"] == "ANSWERED" and row["dstchannel"]]
        assert (fact["CALL_FAILED_CODE"] == "200") == bool(answered)
        assert abs(fact["CALL_DURATION"] - sum(float(row["end"]) - float(row["answer"]) for row in answered)) <= 2
        assert abs(fact["CALL_START_DATE"] - min(float(row["start"]) for row in rows)) <= 1
        assert fact["PORTAL_NUMBER"] == rows[0]["boxlift_line"]


def test_a_call_that_was_cut_is_told_with_what_is_known(seen: Seen) -> None:
    """By what happened to its channels: whether they talked, and for how long at most."""
    for fact in seen.portal["statistics"]:
        name = fact["EXTERNAL_CALL_ID"]
        if name not in seen.wanted():
            continue
        rows, died = seen.cut[name], seen.died(name)
        assert abs(fact["CALL_START_DATE"] - rows[0].at) <= 1
        talked = [row.at for row in rows if row.what == "BRIDGE_ENTER"]
        if any(map(seen.unheard, talked)):
            continue
        assert (fact["CALL_FAILED_CODE"] == "200") == bool(talked)
        # A recording is written every two seconds or so, and the connector heard the exchange last a minute ago.
        if talked:
            assert 1 <= fact["CALL_DURATION"] <= died - min(talked) + 2


def test_recordings_are_those_of_the_exchange(seen: Seen, office: Office) -> None:
    """Of a call that was cut, as much as the exchange had written."""
    kept = office.hashes()
    sent = {record["CALL_ID"]: record["SHA256"] for record in seen.portal["records"]}
    expected = {
        fact["CALL_ID"]: kept[seen.records[fact["EXTERNAL_CALL_ID"]][0]["boxlift_recording"]]
        for fact in recorded(seen)
        if fact["CALL_FAILED_CODE"] == "200"
    }
    for fact in seen.portal["statistics"]:
        linkedid = fact["EXTERNAL_CALL_ID"].removeprefix("pbx-")
        of_it = [digest for path, digest in kept.items() if path.endswith(f"/{linkedid}.wav")]
        if fact["EXTERNAL_CALL_ID"] in seen.cut and fact["CALL_FAILED_CODE"] == "200" and of_it:
            expected[fact["CALL_ID"]] = of_it[0]
    assert sent == expected


def test_the_connectors_own_reconciliation_agrees(seen: Seen, office: Office) -> None:
    day = office.host.check_output("date +%F")
    found = json.loads(office.host.check_output(f"call-connector reconcile --only-compare --day {day}"))
    assert found["compared"] == len(seen.records)


def test_the_held_call_was_told_with_its_true_times(seen: Seen) -> None:
    """The call during which the certificate was renewed, before the release."""
    (fact,) = [row for row in seen.portal["statistics"] if row["PHONE_NUMBER"] == "+79000000122"]
    (registered,) = [
        row
        for row in seen.portal["requests"]
        if row["METHOD"].endswith(".register") and row["EXTERNAL_CALL_ID"] == fact["EXTERNAL_CALL_ID"]
    ]
    (row,) = seen.records[fact["EXTERNAL_CALL_ID"]]
    assert registered["AT"] > float(row["end"]) >= fact["CALL_START_DATE"] + fact["CALL_DURATION"] - 1
    assert fact["CALL_ID"] not in {card["CALL_ID"] for card in seen.portal["cards"]}


def recorded(seen: Seen) -> list[Row]:
    """The facts of the calls that the exchange recorded."""
    return [row for row in seen.portal["statistics"] if row["EXTERNAL_CALL_ID"] in seen.records]

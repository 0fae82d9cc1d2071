# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills at any moment, lost answers, errors and limits: nothing is lost, nothing is doubled, every field is equal."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import random
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from lab.authority import Authority
from lab.rest.faults import Fault
from lab.rest.limits import Limits
from unit.plugins.module_utils.crm.own_process import ENVIRONMENT
from unit.plugins.module_utils.crm.transfer import killing
from unit.plugins.module_utils.crm.transfer.move import CLOUD, ITEMS, Move, told

LEADS = 24
# What an activity has where nobody says otherwise.
DEFAULTS: dict[str, t.Any] = {
    **{
        "ASSOCIATED_ENTITY_ID": 0,
        "PRIORITY": 2,
        "NOTIFY_TYPE": 0,
        "NOTIFY_VALUE": 0,
        "DESCRIPTION": "",
        "LOCATION": "",
    },
    **{"DESCRIPTION_TYPE": 1, "RESULT_MARK": 0, "RESULT_STATUS": 0, "RESULT_STREAM": 0, "AUTOCOMPLETE_RULE": 0},
    "IS_INCOMING_CHANNEL": "N",
}
# What the target numbers itself, what depends on it, and what is compared through the numbers below.
OWN = {"id", "fm", "lastActivityTime", "lastActivityBy", "originatorId", "originId", "xmlId"}
REFERENCES = {
    "companyId": "company",
    "companyIds": "company",
    "contactId": "contact",
    "contactIds": "contact",
    "leadId": "lead",
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def move(tmp_path: Path, authority: Authority) -> t.Iterator[Move]:
    with contextlib.ExitStack() as stack:
        yield Move(tmp_path, authority, stack)


def people_work(move: Move, chance: random.Random, leads: int, comments: float = 0.3) -> None:
    """New records of every kind, that refer to old and to new ones, and changes of old ones."""
    cloud = move.cloud
    for number in range(leads):
        company = cloud.add("company", {"title": f"Firm {number}"}) if chance.random() < 0.3 else 1
        phones = [{"VALUE": f"+7{number:010}"}, {"VALUE": f"+8{number:010}", "VALUE_TYPE": "MOBILE"}]
        contact = cloud.add("contact", {"name": f"Name {number}", "companyIds": [company], "PHONE": phones})
        email = [{"VALUE": f"{number}@example.com", "VALUE_TYPE": "HOME"}]
        lead = cloud.add(
            "lead", {"title": f"Lead {number}", "contactIds": [contact, 1], "EMAIL": email, "opportunity": number / 4}
        )
        if chance.random() < 0.3:
            cloud.add("deal", {"title": f"Deal {number}", "contactIds": [contact], "leadId": lead})
        now = cloud.now()
        client = {
            "ID": "1",
            "TYPE": "PHONE",
            "VALUE": f"+7{number:010}",
            "ENTITY_ID": str(contact),
            "ENTITY_TYPE_ID": "3",
        }
        row = {**DEFAULTS, "OWNER_ID": lead, "OWNER_TYPE_ID": 1, "TYPE_ID": 2, "DIRECTION": 1, "RESPONSIBLE_ID": 1}
        row |= {"PROVIDER_ID": "VOXIMPLANT_CALL", "PROVIDER_TYPE_ID": "CALL", "SUBJECT": f"Call {number}"}
        row |= {name: now for name in ("CREATED", "LAST_UPDATED", "START_TIME", "END_TIME", "DEADLINE")}
        row |= {"COMPLETED": "Y", "STATUS": 2, "AUTHOR_ID": 1, "EDITOR_ID": 1, "COMMUNICATIONS": [client]}
        cloud.store.insert("activity", row)
        if chance.random() < comments:
            row = {
                "ENTITY_ID": lead,
                "ENTITY_TYPE": "lead",
                "COMMENT": f"Comment {number % 3}",
                "CREATED": now,
                "AUTHOR_ID": 1,
            }
            cloud.store.insert("comment", row)
        move.later(chance.choice((0, 1, 30)))
    for number in range(1, 4):
        phone = (cloud.get("contact", number) or {})["fm"][0]["id"]
        cloud.update(
            "contact",
            number,
            {"fm": [{"id": phone, "value": f"+99{move.now:.0f}"}, {"typeId": "PHONE", "value": "+1"}]},
        )
    move.later()


def counterparts(move: Move) -> dict[str, dict[int, int]]:
    """Cloud numbers to box numbers, by the keys alone: not by what the transfer believes."""
    found: dict[str, dict[int, int]] = {}
    for kind in (*ITEMS, "activity"):
        names = ("ORIGINATOR_ID", "ORIGIN_ID", "ID") if kind == "activity" else ("originatorId", "originId", "id")
        pairs = [
            (int(row[names[1]]), row[names[2]])
            for row in move.box.rows(kind)
            if row.get(names[0]) == f"boxlift:{CLOUD}"
        ]
        doubled = [number for number, count in collections.Counter(one for one, _other in pairs).items() if count > 1]
        assert doubled == [], f"{kind} doubled"
        found[kind] = {**{number: number for number in range(1, 4)}, **dict(pairs)}
    return found


def assert_equal(move: Move) -> None:
    """Every record of the cloud is in the box once, with equal fields; instants by what they mean."""
    ids = counterparts(move)
    for kind in ITEMS:
        theirs = {row["id"]: row for row in move.box.rows(kind)}
        assert len(theirs) == move.cloud.count(kind), kind
        for row in move.cloud.rows(kind):
            there = theirs[ids[kind][row["id"]]]
            changed = there["id"] <= 3 and kind == "contact"
            for name in (row.keys() | there.keys()) - OWN - ({"updatedTime", "updatedBy"} if changed else set()):
                value, other = row.get(name), there.get(name)
                if name in REFERENCES and value:
                    of = ids[REFERENCES[name]]
                    value = [of[each] for each in value] if isinstance(value, list) else of[value]
                elif name.endswith("Time") and value and other:
                    value, other = move.cloud.zone.seconds(value), move.box.zone.seconds(other)
                assert other == value, (kind, row["id"], name)
            values = [[(v["typeId"], v["valueType"], v["value"]) for v in each.get("fm", ())] for each in (row, there)]
            assert sorted(values[0]) == sorted(values[1]), (kind, row["id"])
    activities = {row["ID"]: row for row in move.box.rows("activity")}
    assert len(activities) == move.cloud.count("activity")
    for row in move.cloud.rows("activity"):
        there = activities[ids["activity"][row["ID"]]]
        assert there["OWNER_ID"] == ids["lead"][row["OWNER_ID"]] and there["SUBJECT"] == row["SUBJECT"]
        assert there["COMMUNICATIONS"][0]["ENTITY_ID"] == str(
            ids["contact"][int(row["COMMUNICATIONS"][0]["ENTITY_ID"])]
        )
    comments = collections.Counter(
        (row["ENTITY_ID"], row["COMMENT"].split("\n")[-1]) for row in move.box.rows("comment")
    )
    wanted = collections.Counter((ids["lead"][row["ENTITY_ID"]], row["COMMENT"]) for row in move.cloud.rows("comment"))
    assert comments == wanted


def go(move: Move, seed: int, kills: int, modes: list[str], events: int, **more: t.Any) -> dict[str, t.Any]:
    given = {name: move.servers[name].webhook(1) for name in ("cloud", "box")}
    given |= {"folder": str(move.folder), "authority": move.authority}
    text = json.dumps({**given, "seed": seed, "kills": kills, "modes": modes, "events": events, **more})
    command = [sys.executable, killing.__file__]
    done = subprocess.run(
        command, input=text, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=3600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers: dict[str, t.Any] = json.loads(done.stdout)
    return answers


FAULTS = [
    Fault("lose_answer", "batch", times=-1, share=0.03),
    Fault("error_after", "batch", times=-1, share=0.02),
    Fault("half_batch", "batch", times=-1, share=0.03),
    Fault("cut", "batch", times=-1, share=0.02),
    Fault("error", times=-1, share=0.02),
    Fault("query_limit", times=-1, share=0.03),
    Fault("operation_limit", times=-1, share=0.02),
    Fault("unavailable", times=-1, share=0.02),
]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(3, 23))])
def test_nothing_is_lost_and_nothing_doubled(move: Move, seed: int) -> None:
    chance = random.Random(seed)
    people_work(move, chance, 3)
    move.restore()
    move.run("begin")
    people_work(move, chance, LEADS // 2)
    for server in move.servers.values():
        server.faults.set(FAULTS)
    warm = go(move, seed, 3, ["warm"], 40)
    people_work(move, chance, LEADS // 2)
    final = go(move, seed + 1000, 3, ["final"], 40)
    assert warm["kills"] + final["kills"] == 6, "every chosen moment came"
    assert final["final"]["grade"] in ("perfect", "good"), json.dumps(final, indent=1)
    assert_equal(move)
    assert move.box.automation.keys() <= {"contact update"}


#: What goes wrong, and at which requests: those that create, change, or set a whole.
LOST = [
    (kind, method)
    for kind in ("lose_answer", "half_batch", "error_after", "cut")
    for method in ("crm.item.batchImport", "crm.activity.add", "crm.timeline.comment.add", "crm.item.update")
]


@pytest.mark.parametrize(("kind", "method"), LOST)
def test_an_answer_that_is_lost_is_looked_for(move: Move, kind: str, method: str) -> None:
    chance = random.Random(kind + method)
    people_work(move, chance, 3)
    move.restore()
    move.run("begin")
    people_work(move, chance, 8, comments=1)
    move.servers["box"].faults.set([Fault(kind, method, times=2)])
    result = move.run("final")
    # Of an answer that is cut, what came before the cut counts.
    assert result.grade == "good" and (result.lost_answers >= 1 or kind == "cut"), told(result)
    assert_equal(move)


def test_limits_in_the_middle_of_the_writing(move: Move) -> None:
    chance = random.Random(7)
    people_work(move, chance, 3)
    move.restore()
    move.run("begin")
    people_work(move, chance, 8, comments=1)
    faults = [Fault("query_limit", method, times=2) for method in ("crm.item.batchImport", "crm.activity.add")]
    move.servers["box"].faults.set([*faults, Fault("unavailable", "crm.item.update", times=2)])
    result = move.run("final")
    assert result.grade == "good" and result.lost_answers <= 2, told(result)
    assert_equal(move)


@pytest.mark.soak
def test_twenty_thousand_leads(move: Move) -> None:
    """With contacts and activities, at the official limits, with kills; BOXLIFT_CRM_LEADS says how many."""
    leads = int(os.environ.get("BOXLIFT_CRM_LEADS", "20000"))
    kinds = ["company", "contact", "lead", "deal", "activity"]
    chance = random.Random(20)
    people_work(move, chance, 3, comments=0)
    move.restore()
    move.run("begin")
    people_work(move, chance, leads, comments=0)
    for server in move.servers.values():
        server.faults.set([fault for fault in FAULTS if "limit" not in fault.kind])
        server.service.clock = time.time  # the limits are in real time
        server.limits = Limits(rate=2, burst=50, operating=480)
    begun = time.monotonic()
    answers = go(move, 20, 12, ["final"], 300, real_time=True, options={"kinds": kinds})
    print(f"{leads} leads: {time.monotonic() - begun:.0f} s", json.dumps(answers))
    assert answers["kills"] >= 3
    assert answers["final"]["grade"] in ("perfect", "good"), json.dumps(answers, indent=1)
    assert_equal(move)


def test_a_final_pass_after_warm_ones_needs_few_requests(move: Move) -> None:
    """So that it takes less than 30 s, at 2 requests a second after 50 and 30 ms for each."""
    chance = random.Random(5)
    people_work(move, chance, 10)
    move.restore()
    move.run("begin")
    people_work(move, chance, 5)
    move.run("warm")
    people_work(move, chance, 60)
    result = move.run("final")
    assert result.grade == "good", told(result)
    written = sum(count for counts in result.written.values() for count in counts.values())
    assert written > 190
    for requests in result.requests.values():
        assert requests * 0.03 + max(0, requests - 50) / 2 < 20, result.requests

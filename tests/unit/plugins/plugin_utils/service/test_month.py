# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole month on a simulated clock: nobody hears late where a channel works, and who had none is counted exactly."""

from __future__ import annotations

import json
import math
import random
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import verify
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import moment
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import due as d
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import incidents as inc
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.kept import NO_CHANNEL, NOBODY_SENT
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import page, report
from unit.plugins.plugin_utils.service import sample_month as sample
from unit.plugins.plugin_utils.service.sample_month import BEGIN, END, MONTH, at
from unit.plugins.plugin_utils.service.site import DAY, MINUTE, Site

TEAM, OFFICE, MAIL = d.Way("webhook", "team"), d.Way("webhook", "office"), d.Way("mail", "anna@example.com")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path, monkeypatch)
    made.now = BEGIN
    return made


def live(site: Site, dice: random.Random, mail_fails: bool) -> None:
    """A month with six incidents, the first one long. Mail fails for half an hour now and then."""
    for number in range(6):
        site.now = at(5 * number + 1, dice.randrange(20))
        opened = site.wish("open", title=f"Trouble {number}", kind=dice.choice(inc.CLASSES))
        for _part in range(5 if number == 0 else dice.randrange(1, 4)):
            site.broken = {"mail"} if mail_fails and dice.random() < 0.5 else set()
            site.look(dice.randrange(2, 40))
            if dice.random() < 0.3:
                site.wish("note", number=opened, text=f"News of {site.now}")
        site.now += 7  # no deadline falls on the very moment
        site.wish("close", number=opened, cause="a", cure="b")
        site.broken = set()
        site.look(6)


def late_by_hand(site: Site, person: str) -> int:
    """Counted from the bare lines: every deadline that passed before somebody brought word."""
    lines = [json.loads(line) for line in Path(site.path).read_text("utf-8").splitlines()]
    late = 0
    for opened in (line for line in lines if line["event"] == "incident" and line["what"] == "open"):
        same = [line for line in lines if line["event"] == "incident" and line["number"] == opened["number"]]
        end = moment(next(line["time"] for line in same if line["what"] == "close"))
        mine = [
            moment(line["time"])
            for line in lines
            if line["event"] == "notice" and line["outcome"] == "sent" and person in line["people"]
            and line["matter"] == f"incident {opened['number']}" and line["kind"] == "trouble"
        ]  # fmt: skip
        deadline = moment(opened["time"]) + 5 * MINUTE
        for heard in [*mine, end]:
            while heard > deadline:
                late += 1
                deadline += inc.EVERY[opened["class"]]
            deadline = heard + inc.EVERY[opened["class"]]
    return late


@pytest.mark.parametrize("seed", [7, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(20))])
def test_nobody_hears_late_where_a_channel_works(seed: int, site: Site) -> None:
    """Mail fails half of the time, and everybody has a webhook that works."""
    everybody = {person: (d.Way("mail", f"{person}@example.com"), TEAM) for person in site.plan.people}
    site.reach_only(**everybody)
    live(site, random.Random(seed), mail_fails=True)
    found = report.build(sample.told(site), MONTH)
    assert len(found["incidents"]) == 6 and found["notices"]["failed"] > 10
    assert found["notices"]["late"] == 0 and found["notices"]["reasons"] == {}
    assert "6 incidents, all over; no notice came late." in found["result"]["text"]
    assert verify.verify(Path(site.path).read_bytes()).code == verify.WHOLE


@pytest.mark.parametrize("seed", [11, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(20))])
def test_whoever_has_no_channel_that_works_is_counted_exactly_with_the_reason(seed: int, site: Site) -> None:
    """The coordinator has a webhook, the approver mail alone, which fails at times; the others have nothing."""
    site.reach_only(coordinator=(TEAM,), approver=(MAIL,))
    live(site, random.Random(seed), mail_fails=True)
    late = {
        person: sum(each.person == person for _incident, kept in site.cadences() for each in kept.late)
        for person in ("coordinator", "approver", "operator", "executor", "key_user")
    }
    silent = sum(max(math.ceil((_lasted(site, each) - 300) / inc.EVERY[each.kind]), 0) for each, _k in site.cadences())
    assert late["coordinator"] == 0
    assert late["operator"] == late["executor"] == late["key_user"] == silent == late_by_hand(site, "operator")
    # What is late of a closing word is counted too, which the bare lines do not say.
    assert late_by_hand(site, "approver") <= late["approver"] <= late_by_hand(site, "approver") + 6
    found = report.build(sample.told(site), MONTH)
    assert found["notices"]["late"] == sum(late.values())
    assert found["notices"]["reasons"][NO_CHANNEL] == 3 * silent
    assert set(found["notices"]["reasons"]) <= {NO_CHANNEL, "mail: 421 busy"}
    assert f"{sum(late.values())} notices came late." in found["result"]["text"]


def _lasted(site: Site, incident: inc.Incident) -> float:
    return (incident.closed or site.now) - incident.opened


def test_a_month_in_which_nobody_sent_anything(site: Site) -> None:
    site.now = at(4, 10)
    site.wish("open", title="Slow", audience=("customer",), owner="customer")
    site.now += 66 * MINUTE
    site.wish("close", cause="a", cure="b")
    found = report.build(sample.told(site), MONTH)
    # 5, 25, 45 and 65 minutes after the opening, to each of three people.
    assert (found["notices"]["late"], found["notices"]["reasons"]) == (12, {NOBODY_SENT: 12})
    assert found["incidents"][0]["late"] == 12
    assert found["result"]["level"] == "warn"


def test_a_late_notice_that_came_in_the_end_is_one_notice(site: Site) -> None:
    """The mail to one person is due after 5 minutes and comes after 6; the next one is in time, and so is the end."""
    site.reach_only(approver=(MAIL,))
    site.now = at(4, 10)
    site.broken = {"mail"}
    site.wish("open", title="Slow", audience=("customer",), owner="approver")
    site.look(6)
    site.broken = set()
    site.look(20)
    site.wish("close", cause="a", cure="b")
    site.look(2)
    told = site.cadences()[0][1]
    mine = [each for each in told.late if each.person == "approver"]
    assert (len(mine), told.sent["approver"], len(told.in_time)) == (1, 3, 2)
    content = report.build(sample.told(site), MONTH)
    notices = content["notices"]
    assert (notices["sent"], notices["in_time"], notices["late"]) == (3, 2, len(told.late))
    assert f"{notices['late']} of {notices['late'] + 2}<" in page.render(content)


def test_an_incident_over_the_end_of_the_month_is_in_both_and_each_late_notice_in_one(site: Site) -> None:
    site.now = END - 30 * MINUTE
    site.wish("open", title="Slow", audience=("contractor",))
    site.now = END + 30 * MINUTE
    site.wish("close", cause="a", cure="b")
    before = report.build(sample.told(site, prometheus={}), MONTH)
    january = report.Period("January 2027", " in January 2027", END, END + 31 * DAY, END + 31 * DAY)
    told = sample.told(site, now=january.now, prometheus={}, until=january.end)
    after = report.build(told, january)
    assert before["incidents"][0]["closed"] is None and before["incidents"][0]["seconds"] == 30 * MINUTE
    assert "1 still open" in before["result"]["text"]
    assert before["notices"]["late"] == 4  # 5 and 25 minutes after the opening
    assert after["notices"]["late"] == 2  # 45 minutes after it
    assert after["incidents"][0]["seconds"] == 60 * MINUTE


def test_the_sample_month_as_a_manager_and_as_a_program_read_it(site: Site) -> None:
    sample.lived(site)
    outages = [(at(3, 9.15), at(3, 9.85)), (at(19, 3.1), at(19, 3.2))]
    nights = [night for night in range(1, 32) if night != 20]
    asked = sample.prometheus(outages, [(at(24), at(24, 11))], nights)
    found = report.build(sample.told(site, prometheus=asked, remarks=sample.REMARKS), MONTH)
    assert found["result"] == {
        "level": "warn",
        "text": "The portal could be reached 99.89 % of the time in December 2026 (98.52 % of it is known). "
        "2 incidents, all over; no notice came late. A proven copy of 30 of 31 nights; the last rehearsed restore "
        "took 38 min 30 s. Soon due: Other licences (portal-prod). 2 things are owed.",
    }
    assert [row["day"] for row in found["copies"]["nights"] if not row["copied"]] == ["2026-12-20"]
    assert found["copies"]["promise"] == {"of_drills": 3, "rto_seconds": 3525, "rpo_seconds": 300}
    assert (found["visits"]["held"], found["visits"]["missed"]) == (3, 0)
    assert found["debts"][0]["owner"] == "Sales"
    assert json.loads(json.dumps(found)) == found
    text = page.render(found)
    assert text == page.render(found) and "http" not in text.split("</style>")[1].replace("https://s3", "")


def test_what_nobody_knows_is_said_with_its_reason_and_no_figure_stands_for_it(site: Site) -> None:
    nothing: dict[str, t.Any] = {"prometheus": {}, "copies": {}, "entitlements": {}}
    found = report.build(sample.told(site, **nothing), MONTH)
    assert found["availability"]["up"] is None
    assert found["result"] == {
        "level": "unknown",
        "text": "Whether the portal could be reached in December 2026 is not known. There was no incident. Whether it "
        "could be restored is not known. 3 visits were missed. Not known: Certificate, Licence of the portal, Room on "
        "the disks, Disk space of the portal, Other licences.",
    }
    why = {each["what"]: each["why"] for each in found["unknown"]}
    assert why["Availability"] == "no host is in the group monitoring, so nobody measured it"
    assert why["Copies and drills"] == "no host that makes copies was asked"
    assert why["Other licences"] == "no host was asked"
    text = page.render(found)
    assert "0 %" not in text and "None" not in text.replace("None that is known", "")


def test_records_that_were_edited_make_a_report_that_says_so_first(site: Site) -> None:
    sample.lived(site)
    file = Path(site.path)
    file.write_bytes(file.read_bytes().replace(b'"normal"', b'"critical"', 1))
    found = report.build(sample.told(site), MONTH)
    assert found["result"]["level"] == "bad"
    assert found["result"]["text"].startswith("The records were changed by hand, so this report proves nothing.")
    assert "Not proven:" in page.render(found)


def test_what_people_wrote_cannot_become_a_page(site: Site) -> None:
    site.now = at(4, 10)
    site.wish("open", title="<script>alert(1)</script>", users="\u202egnorw")
    text = page.render(report.build(sample.told(site), MONTH))
    assert "<script>" not in text and "&lt;script&gt;" in text and "\u202e" not in text

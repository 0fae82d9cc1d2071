# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status page, from a Prometheus over HTTP: what it says when all is well, and that it says so only then."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import math
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring import outlook, status_command, status_page
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.outlook import Outlook
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.prometheus import Prometheus, moment
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.status_settings import StatusSettings
from unit.plugins.module_utils.monitoring.fake_prometheus import (
    DAY,
    HOST,
    NOW,
    FakePrometheus,
    Series,
    all_well,
    in_trouble,
)

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>&\u202etxt\x07'
SILENT = "Nobody knows how the site is. Prometheus at"


@pytest.fixture
def server() -> t.Iterator[FakePrometheus]:
    made = FakePrometheus()
    all_well(made)
    yield made
    made.close()


def settings(server: FakePrometheus, **more: t.Any) -> StatusSettings:
    given = StatusSettings(prometheus=server.url, page="", site="portal.example.com", alertmanager=server.url)
    return dataclasses.replace(given, **more)


def seen(server: FakePrometheus, **more: t.Any) -> Outlook:
    of = settings(server, **more)
    return outlook.looked(Prometheus(of.prometheus), of, NOW, status_command.inhibited(of.alertmanager))


class Shown(html.parser.HTMLParser):
    """What a browser would make of the page: its tags, and the text of it and of its first line."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._within: list[str] = []
        self.verdict = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within.append(tag)

    def handle_data(self, data: str) -> None:
        if self._within[-1:] not in (["style"], ["script"]):
            self.text += data
        if not self.verdict and self.tags and self.tags[-1][1].get("id") == "verdict":
            self.verdict = data


def shown(found: Outlook) -> Shown:
    return Shown(status_page.render(found))


def test_all_is_well(server: FakePrometheus) -> None:
    found = seen(server, timezone="Asia/Yekaterinburg")
    assert (found.level, found.verdict) == ("ok", "All is well.")
    assert all(proof.holds for proof in found.proofs) and len(found.proofs) == 10
    page = shown(found)
    assert page.verdict == "All is well."
    assert "2026-11-30 11:20" in page.text and "Asia/Yekaterinburg" in page.text
    for words in (
        "100 %",
        "0.31 s",
        "8 h ago",
        "2 min 10 s at most",
        "back to 2026-05-13",
        "71 days",
        "121 days",
        "143 days",
    ):
        assert words in page.text, words
    assert "What is wrong" not in page.text


def test_nothing_is_loaded_from_anywhere(server: FakePrometheus) -> None:
    server.fire("A", runbook_url="https://docs.example.com/alerts.html#a")
    page = shown(seen(server))
    assert not [attrs for _tag, attrs in page.tags if "src" in attrs or (set(attrs) & {"srcset", "data", "action"})]
    links = {attrs["href"] for _tag, attrs in page.tags if "href" in attrs}
    assert links == {"https://docs.example.com/alerts.html#a"}
    policy = next(attrs["content"] for _tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'; ") and "script-src 'sha256-" in policy


def rules(server: FakePrometheus, **values: t.Any) -> None:
    server.groups[0].update(values)


#: What happens, and what the page then has no proof of.
DOUBTS: dict[str, tuple[t.Callable[[FakePrometheus], None], str]] = {
    "no rules": (lambda server: server.groups.clear(), "no alert rules"),
    "rules not evaluated": (
        lambda server: rules(server, lastEvaluation="2026-11-30T06:00:00Z"),
        "evaluated 20 min ago",
    ),
    "rules never evaluated": (lambda server: rules(server, lastEvaluation="0001-01-01T00:00:00Z"), "were evaluated"),
    "a rule is broken": (
        lambda server: server.groups[0]["rules"][1].update(health="err"),
        "cannot be evaluated: PortalDown",
    ),
    "no heartbeat": (lambda server: server.alerts.clear(), "must always fire does not"),
    "Alertmanager is silent": (
        lambda server: server.instead.update({"/api/v2/alerts": (503, b"")}),
        "Alertmanager does not answer, so nobody is told",
    ),
    "Alertmanager is none": (lambda server: server.instead.update({"/api/v2/alerts": (200, b"[3]")}), "Alertmanager"),
    "no exporter": (lambda server: server.remove("up"), "asks no host"),
    "an exporter is down": (
        lambda server: server.set("up", 0, job="mysqld"),
        "1 of 5 exporters do not answer: mysqld on box12",
    ),
    "no probe": (lambda server: server.remove("probe_success"), "Nobody asks the portal"),
    "the portal is down": (lambda server: server.set("probe_success", 0), "The portal does not answer"),
    "no quick checks": (
        lambda server: server.remove("boxlift_checks_run_timestamp_seconds", set="quick"),
        "No host makes the health checks of every five minutes",
    ),
    "old quick checks": (
        lambda server: server.set("boxlift_checks_run_timestamp_seconds", NOW - 901, set="quick"),
        "were last made 15 min 1 s ago on box12",
    ),
    "quick checks of the future": (
        lambda server: server.set("boxlift_checks_run_timestamp_seconds", NOW + 3600, set="quick"),
        "a clock is wrong",
    ),
    "no nightly checks yet": (
        lambda server: server.set("boxlift_checks_run_timestamp_seconds", 0, set="nightly"),
        "every night were not made yet",
    ),
    "a check fails": (
        lambda server: server.set("boxlift_check_status", 2, check="web.answers"),
        "1 failed and 0 could not look",
    ),
    "a check cannot look": (
        lambda server: server.set("boxlift_check_status", 3, check="web.answers"),
        "0 failed and 1 could not look",
    ),
    "no check at all": (lambda server: server.remove("boxlift_check_status"), "No health check has passed"),
    "only skipped checks": (lambda server: server.set("boxlift_check_status", 4), "No health check has passed"),
    "no copy": (lambda server: server.remove("boxlift_backup_last_good_timestamp_seconds"), "There is no good copy"),
    "an old copy": (
        lambda server: server.set("boxlift_backup_last_good_timestamp_seconds", NOW - 27 * 3600),
        "A good copy was made 1 d 3 h ago",
    ),
    "no drill": (
        lambda server: server.set("boxlift_drill_last_good_timestamp_seconds", 0),
        "No drill has ever been made",
    ),
    "an old drill": (
        lambda server: server.set("boxlift_drill_last_good_timestamp_seconds", NOW - 91 * DAY),
        "A drill has brought a copy back 91 d ago",
    ),
    "no figures of copies": (
        lambda server: server.remove("boxlift_backup_status_timestamp_seconds"),
        "Nothing is known of copies: no host publishes figures",
    ),
    "not a number": (lambda server: server.set("boxlift_drill_last_good_timestamp_seconds", math.nan), "No drill"),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_without_a_proof_nothing_is_well(server: FakePrometheus, name: str) -> None:
    happens, told = DOUBTS[name]
    happens(server)
    found = seen(server)
    assert found.level == "unknown"
    missing = [proof.text for proof in found.proofs if not proof.holds]
    assert found.verdict.startswith(f"That all is well is not proven. {missing[0]}"[:-1])
    assert any(told in text for text in missing), missing
    page = shown(found)
    assert page.verdict == found.verdict and "All is well" not in page.text and told in page.text


def test_what_people_notice_stands_in_the_first_line(server: FakePrometheus) -> None:
    server.groups[0]["rules"][1].update(health="err")
    server.set("probe_success", 0)
    assert seen(server).verdict == (
        "That all is well is not proven. The portal does not answer: https://portal.example.com/; and 1 more of 10 "
        "proofs are missing."
    )


def test_what_is_critical_and_not_yet_an_alert_is_in_the_first_line(server: FakePrometheus) -> None:
    server.fire("CertificateEnds", state="pending", summary="A certificate ends soon")
    assert seen(server).level == "ok"
    server.fire("DatabaseDown", severity="critical", state="pending", summary="MariaDB on box12 is down")
    found = seen(server)
    assert found.level == "bad"
    assert found.verdict == "Seen just now, and not yet an alert: MariaDB on box12 is down."
    server.fire("TimerNeverRan", summary="A timer has never run")
    found = seen(server)
    assert found.verdict == "Seen just now, and not yet an alert: MariaDB on box12 is down."
    page = shown(found)
    assert page.verdict == found.verdict and page.text.rindex("MariaDB on box12") < page.text.index("A certificate")


def test_without_figures_of_copies_nothing_is_said_of_them(server: FakePrometheus) -> None:
    server.remove("boxlift_backup_status_timestamp_seconds")
    text = shown(seen(server)).text
    assert "no host publishes figures of copies and drills" in text
    assert "last good copy" not in text and "brought back in a drill" not in text


def test_what_a_site_does_not_have_need_not_be_proven(server: FakePrometheus) -> None:
    for name in ("boxlift_backup_last_good_timestamp_seconds", "boxlift_drill_last_good_timestamp_seconds"):
        server.remove(name)
    assert seen(server, expects=("health",)).verdict == "All is well."


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/api/v1/alerts", (503, b"")),
        ("/api/v1/alerts", (200, b"<html>")),
        ("/api/v1/alerts", (200, b"[]")),
        ("/api/v1/alerts", (200, b'{"status": "success", "data": {"alerts": [7]}}')),
        ("/api/v1/rules", (200, b'{"status": "error", "error": "out of order"}')),
        ("/api/v1/query", (200, b'{"status": "success", "data": {"resultType": "matrix", "result": []}}')),
        (
            "/api/v1/query",
            (200, b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}}]}}'),
        ),
        ("/api/v1/query", (422, b'{"status": "error"}')),
        ("/api/v1/query_range", (200, b"")),
    ],
)
def test_a_prometheus_that_falls_silent_is_in_the_first_line(
    server: FakePrometheus, path: str, answer: tuple[int, bytes]
) -> None:
    server.fire("PortalDown", severity="critical")
    server.instead[path] = answer
    found = seen(server)
    assert found.level == "unknown" and not found.troubles
    page = shown(found)
    assert page.verdict.startswith("Nobody knows how the site is. ") and server.url in page.verdict
    assert "100 %" not in page.text and "All is well" not in page.text


def test_no_prometheus_at_all(server: FakePrometheus) -> None:
    of = settings(server, prometheus="http://127.0.0.1:1")
    page = shown(outlook.looked(Prometheus(of.prometheus), of, NOW, outlook.Inhibited()))
    assert page.verdict.startswith(f"{SILENT} http://127.0.0.1:1 does not answer: ")


def test_troubles_come_in_the_order_of_their_urgency(server: FakePrometheus) -> None:
    server.fire("DiskFills", since=NOW - 7200, summary="The disk fills", description="/srv", host="box12")
    down = server.fire("PortalDown", since=NOW - 300, severity="critical", summary="The portal is down", host="box12")
    server.fire("DatabaseDown", since=NOW - 360, severity="critical", summary="MariaDB is down", host="box12")
    server.fire("CheckFailed", since=NOW - 60, summary="A check fails", description="one", check="one")
    server.fire("CheckFailed", since=NOW - 90, summary="A check fails", description="two", check="two")
    server.fire("FpmSaturated", state="pending", summary="PHP is busy")
    server.held = [{"labels": down["labels"], "status": {"inhibitedBy": ["1234"]}}]
    found = seen(server)
    assert found.level == "bad" and found.verdict == "MariaDB is down, and 3 more."
    assert [each.name for each in found.troubles] == ["DatabaseDown", "DiskFills", "CheckFailed", "PortalDown"]
    assert found.troubles[2].since == pytest.approx(NOW - 90, abs=1) and found.troubles[2].details == ("one", "two")
    page = shown(found)
    for words in (
        "Since 2026-11-30 06:14, 6 min ago",
        "A check fails (2 times)",
        "It follows from another trouble",
        "PHP is busy",
        "no runbook",
    ):
        assert words in page.text, words
    assert page.text.index("MariaDB is down") < page.text.index("The portal is down")


def test_a_bad_day(server: FakePrometheus) -> None:
    in_trouble(server)
    found = seen(server)
    assert (found.level, found.verdict[:39]) == ("bad", "MariaDB on box12 is down, and 3 more. B")
    assert [each.name for each in found.troubles if each.follows] == ["PortalDown"]
    page = shown(found)
    for words in (
        "1 d 9 h ago",
        "17 min at most",
        "5 days",
        "The messenger of box12 stands still",
        "CertificateExpires: ",
    ):
        assert words in page.text, words


def test_a_warning_alone_is_no_alarm(server: FakePrometheus) -> None:
    server.fire("DiskFills", summary="The disk fills")
    found = seen(server)
    assert (found.level, found.verdict) == ("warn", "The disk fills.")
    server.remove("up")
    found = seen(server)
    assert found.verdict == "The disk fills. Besides, 1 of 10 proofs are missing."
    assert found.level == "unknown"


def test_what_others_write_is_text(server: FakePrometheus) -> None:
    """Labels and annotations come from hosts, and may hold what people typed."""
    server.fire(HOSTILE, summary=HOSTILE, description=HOSTILE, runbook_url=f"javascript:{HOSTILE}", host=HOSTILE)
    server.fire("B", runbook_url=f"https://docs.example.com/{HOSTILE}")
    server.fire("C", state="pending", summary=HOSTILE)
    for job in ("up", "boxlift_check_status", "boxlift_disk_free_bytes", "boxlift_backup_last_good_timestamp_seconds"):
        labels = dict.fromkeys(("host", "instance", "job", "area", "check", "path", "store"), HOSTILE)
        server.series.append(Series(job, labels, 2))
    server.series.append(Series("boxlift_disk_size_bytes", {"host": HOSTILE, "path": HOSTILE}, 5))
    server.series.append(Series("probe_ssl_earliest_cert_expiry", {"job": "certificate", "instance": HOSTILE}, NOW))
    server.series.append(
        Series("ALERTS", {"alertname": HOSTILE, "alertstate": "firing"}, 1, lambda at: 1.0 if at < NOW - DAY else None)
    )
    found = seen(server, site=HOSTILE, timezone=f"No/{HOSTILE}")
    text = status_page.render(found)
    page = Shown(text)
    assert [tag for tag, _attrs in page.tags].count("script") == 1
    assert not [attrs for _tag, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert "img" not in {tag for tag, _attrs in page.tags}
    assert not [attrs for _tag, attrs in page.tags if str(attrs.get("href", "")).startswith("javascript")]
    assert "\u202e" not in text and "\x07" not in text and "\\u202e" in page.text
    # Each of them is there, as text.
    assert page.text.count("<script>alert(1)</script>") >= 10


def test_availability_counts_what_was_measured(server: FakePrometheus) -> None:
    portal = next(each for each in server.series if each.name == "probe_success")
    # Six hours without figures, then one hour down.
    portal.before = lambda at: None if at <= NOW - 18 * 3600 else 0.0 if at <= NOW - 17 * 3600 else 1.0
    day = seen(server).day
    assert day is not None and day.share == pytest.approx(17 / 18, abs=0.002)
    assert day.measured == pytest.approx(0.75, abs=0.005)
    page = shown(seen(server))
    assert "94.44 %" in page.text and "1 h lost; measured for 75.00 % of the time" in page.text


def test_only_pages_have_taken_time(server: FakePrometheus) -> None:
    seen(server)
    asked = [each for each in server.asked if "probe_duration_seconds" in each]
    assert len(asked) == 2 and all('probe_success{job="portal"} == 1' in each for each in asked)


def test_minutes_of_a_month_are_no_hours(server: FakePrometheus) -> None:
    portal = next(each for each in server.series if each.name == "probe_success")
    portal.before = lambda at: None if at <= NOW - 900 else 0.0 if at <= NOW - 600 else 1.0
    page = status_page.render(seen(server))
    assert "Answered in the last 30 days, 5 min lost; measured for 0.03 % of the time" in Shown(page).text
    month = page[page.index("<title>Answered in the last 30 days") :]
    # It is drawn above what is beside it.
    assert month[: month.index("</svg>")].rindex('class="bad"') > month.index('class="ok"') > 0


def test_the_whole_is_said_only_of_the_whole() -> None:
    assert [status_page._percent(share) for share in (1.0, 0.99999, 0.5, 0.0)] == [
        "100 %",
        "99.99 %",
        "50.00 %",
        "0.00 %",
    ]


def test_what_is_over_is_told_since_when(server: FakePrometheus) -> None:
    server.add(
        "ALERTS",
        1,
        lambda at: 1.0 if NOW - DAY <= at <= NOW - DAY + 3000 else None,
        alertname="PortalDown",
        alertstate="firing",
    )
    # This one was, and is again.
    server.add(
        "ALERTS",
        1,
        lambda at: 1.0 if at > NOW - 900 or at < NOW - 5 * DAY else None,
        alertname="DiskFills",
        alertstate="firing",
    )
    server.fire("DiskFills", summary="The disk fills")
    past = seen(server).past
    assert [(each.name, round(each.end - each.begin)) for each in past][0] == ("PortalDown", 3000)
    assert [each.name for each in past] == ["PortalDown", "DiskFills"] and past[1].end < NOW - 4 * DAY


def test_unknown_figures_are_not_guessed(server: FakePrometheus) -> None:
    for name in (
        *("boxlift_disk_days_to_full", "boxlift_licence_expiry_timestamp_seconds", "probe_ssl_earliest_cert_expiry"),
        *("boxlift_backup_oldest_good_timestamp_seconds", "boxlift_backup_verified_ratio", "boxlift_drill_rto_seconds"),
    ):
        server.remove(name)
    page = shown(seen(server))
    assert page.text.count("not known") == 8
    assert "how far back the oldest copy reaches is not known" in page.text


def test_one_cannot_go_back_to_a_moment_beyond_a_gap(server: FakePrometheus) -> None:
    server.set("boxlift_backup_restorable_until_timestamp_seconds", NOW - 8 * 3600)
    server.add("boxlift_binlog_shipped_timestamp_seconds", NOW - 130, **HOST)
    found = seen(server)
    assert found.restorable_until == NOW - 8 * 3600
    assert "8 h at most" in shown(found).text.replace("\u00a0", " ")


def test_an_expired_certificate_is_over(server: FakePrometheus) -> None:
    server.set("probe_ssl_earliest_cert_expiry", NOW + DAY)
    # The same one as the host looks at it: the earlier date counts.
    server.add("boxlift_certificate_expiry_timestamp_seconds", NOW - DAY, name="portal.example.com", **HOST)
    found = seen(server)
    assert found.certificates == (("portal.example.com", NOW - DAY),)
    assert "overthe certificate of portal.example.com ended on 2026-11-29" in shown(found).text


def test_the_program_replaces_the_page(
    server: FakePrometheus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, page = tmp_path / "settings.json", tmp_path / "index.html"
    given = {"prometheus": server.url, "page": str(page), "site": "portal.example.com", "expects": ["health"]}
    place.write_text(json.dumps(given))
    assert status_command.main(["--settings", str(place), "check"]) == 0 and not page.exists()
    assert status_command.main(["--settings", str(place), "make"]) == 0
    # By the real clock these figures are old.
    assert capsys.readouterr().out.startswith("unknown: ") and page.stat().st_mode & 0o777 == 0o644
    server.close()
    assert status_command.main(["--settings", str(place), "make"]) == 0
    assert (
        Shown(page.read_text()).verdict.startswith(SILENT)
        and [each.name for each in tmp_path.iterdir()]
        == [
            "settings.json",
            "index.html",
        ]
        or len(list(tmp_path.iterdir())) == 2
    )
    given["page"] = str(tmp_path / "none" / "index.html")
    place.write_text(json.dumps(given))
    assert status_command.main(["--settings", str(place), "make"]) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"prometheus": None}, "prometheus is missing"),
        ({"prometheus": "127.0.0.1:9090"}, "prometheus is no address such as"),
        ({"alertmanager": "file:///etc/passwd"}, "alertmanager is no address such as"),
        ({"expects": ["backup", "luck"]}, "expects names luck"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_wrong_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str], given: dict[str, t.Any], told: str) -> None:
    place = tmp_path / "settings.json"
    whole = {"prometheus": "http://127.0.0.1:9090", "page": "/x", "site": "y", **given}
    place.write_text(json.dumps({name: value for name, value in whole.items() if value is not None}))
    assert status_command.main(["--settings", str(place), "check"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{place}: ") and told in said and "playbook monitoring" in said


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:10Z", 10.0),
        ("1970-01-01T00:00:10.123456789Z", 10.123456789),
        ("1970-01-01T05:00:10.5+05:00", 10.5),
        ("0001-01-01T00:00:00Z", None),
        ("yesterday", None),
        ("2026-13-01T00:00:00Z", None),
        ("", None),
    ],
)
def test_moments_as_go_writes_them(text: str, seconds: float | None) -> None:
    assert moment(text) == seconds

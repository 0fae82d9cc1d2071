# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks incident, notify, visits and service_report as a user runs them, with a Prometheus on this machine."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import json
import subprocess
import typing as t
import urllib.parse
from pathlib import Path

import icalendar
import pytest
import yaml
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import verify
from unit.plugins.playbook import run_playbook
from unit.plugins.plugin_utils.notices.servers import MailServer, certificate, serving
from unit.plugins.plugin_utils.notices.world import PLAN

RUNS = "service.records"


class Prometheus(http.server.ThreadingHTTPServer):
    """Answers every question with a portal that was always up, or with the status that it was told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked: list[str] = []
        self.status = 200


class _Answer(http.server.BaseHTTPRequestHandler):
    server: Prometheus

    def do_GET(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(parts.query))
        self.server.asked.append(asked["query"])
        found: list[dict[str, t.Any]] = []
        if parts.path.endswith("query_range") and "probe_success" in asked["query"]:
            moments = range(int(asked["start"]), int(asked["end"]) + 1, int(asked["step"]))
            found = [{"metric": {}, "values": [[at, "1"] for at in moments]}]
        elif "cert_expiry" in asked["query"]:
            found = [{"metric": {}, "value": [float(asked["time"]), str(float(asked["time"]) + 50.5 * 86400)]}]
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": found}}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: t.Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def prometheus() -> t.Iterator[Prometheus]:
    with serving(Prometheus()) as server:
        yield server


@pytest.fixture
def play(tmp_path: Path, prometheus: Prometheus) -> t.Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a playbook of the collection in the site's folder; the only host is this machine."""
    people = {**PLAN["people"], "commercial_owner": {"email": "sales@example.com"}}
    (tmp_path / "plan.yml").write_text(
        yaml.safe_dump({**PLAN, "site": "portal.example.com", "people": people}), "utf-8"
    )
    variables = {
        "migration_plan": "plan.yml", "site_customer_class": "vip", "site_domain": "portal.example.com",
        "service_prometheus_url": f"http://127.0.0.1:{prometheus.server_address[1]}",
        "web_document_root": "/nonexistent/www",
    }  # fmt: skip
    groups = {name: {"hosts": {"box": {"ansible_connection": "local"}}} for name in ("production", "web", "monitoring")}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"children": groups, "vars": variables}}), "utf-8")

    def run(*books: tuple[str, dict[str, t.Any]], code: int = 0, check: bool = False) -> list[str]:
        """Several playbooks, one after the other; what each of their plays said."""
        text = [
            {"name": name, "ansible.builtin.import_playbook": f"boxlift.portal.{name}", "vars": given}
            for name, given in books
        ]
        done = run_playbook(
            tmp_path, yaml.safe_dump(text), "-i", "hosts.json", *(["--check"] if check else []),
            BOXLIFT_JOURNAL=str(tmp_path / "journal/move.jsonl"),
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout.split("\nPLAY ")[1:]

    return run


def lines(folder: Path, event: str) -> list[dict[str, t.Any]]:
    content = (folder / "journal" / RUNS).read_bytes()
    assert verify.verify(content).code == verify.WHOLE
    return [line for line in map(json.loads, content.decode().splitlines()) if line["event"] == event]


Play = t.Callable[..., list[str]]


def named(name: str, **given: t.Any) -> tuple[str, dict[str, t.Any]]:
    """A playbook with its variables."""
    return name, given


@pytest.mark.slow
def test_an_incident_by_telephone_and_by_mail(play: Play, tmp_path: Path) -> None:
    mail = "Mail does not leave"
    (tmp_path / "mail").mkdir()
    with contextlib.ExitStack() as stack:
        mails = stack.enter_context(serving(MailServer(certificate(tmp_path / "mail"))))
        smtp = {
            "host": "127.0.0.1", "port": mails.port, "sender": "desk@example.com",
            "ca_path": str(tmp_path / "mail/127.0.0.1.pem"),
        }  # fmt: skip
        opened, again, told, noted, handed, closed, _recap = play(
            named("incident", incident_action="open", incident_title=mail, incident_operator="olga"),
            named("incident", incident_action="open", incident_title=mail, incident_operator="olga"),
            named("notify", notify_smtp=smtp),
            named("incident", incident_action="note", incident_told="operator", incident_number=1),
            named(
                "incident", incident_action="hand_over", incident_owner="executor", incident_text="He knows the relay"
            ),
            named("incident", incident_action="close", incident_cause="Its certificate", incident_cure="A new one"),
        )
        assert len(mails.mails) == 5
        assert "Störung 1: Mail does not leave" in {mail["Subject"] for mail in mails.mails}
    assert "changed: [localhost]" in opened and "Incident 1 (critical), open for" in opened
    assert "changed" not in again and "Next notice by" in again
    assert "Incident 1 (critical)" in told and "Without a channel: Li Wei" in told
    assert "Incident 1" in noted and "Ravi Kumar: Mail does not leave" in handed and "No incident is open." in closed
    found = lines(tmp_path, "incident")
    assert [line["what"] for line in found] == ["open", "hand_over", "close"]
    assert found[0]["operator"] == "olga"
    assert found[0]["people"][-1] == "commercial_owner"  # an important customer's account manager hears too
    channels = [line["channel"] for line in lines(tmp_path, "notice")]
    assert channels == ["mail"] * 5 + ["telephone"]


@pytest.mark.slow
def test_alerts_of_a_file_the_short_command_and_what_is_refused(play: Play, tmp_path: Path) -> None:
    labels = {"alertname": "DatabaseDown", "severity": "critical", "host": "portal-prod"}
    alert = {"status": "firing", "labels": labels, "annotations": {"summary": "The database is down"}}
    (tmp_path / "alerts.json").write_text(json.dumps({"groupKey": "{}:{host='portal-prod'}", "alerts": [alert]}))
    given = named("incident", incident_alerts="alerts.json", incident_command="desk/incident")
    (dry, _recap) = play(given, check=True)
    assert "changed: [localhost]" in dry and not (tmp_path / "journal" / RUNS).exists()
    first, second, refused, _recap = play(given, given, named("incident", incident_action="close"), code=2)
    assert (
        "changed: [localhost]" in first and "The database is down" in first and "changed" not in second.split("TASK")[1]
    )
    assert "incident_cause and incident_cure" in refused
    assert (tmp_path / "desk/incident").stat().st_mode & 0o777 == 0o755


@pytest.mark.slow
def test_visits_and_the_report_of_the_month(play: Play, tmp_path: Path, prometheus: Prometheus) -> None:
    day = datetime.date.today() - datetime.timedelta(days=20)
    opened, held = day.isoformat(), str(day + datetime.timedelta(days=4))
    said = play(
        named("visits", site_opened=opened, visit_held="d3", visit_day=held, visit_text="Bookmarks"),
        named("service_report", site_opened=opened),
    )
    ends = [each for each in said if each.startswith("[Write ")]
    assert "MISSED: Second visit" in ends[0] and "MISSED: First visit" not in ends[0]
    calendar = icalendar.Calendar.from_ical((tmp_path / "boxlift-service/visits.ics").read_bytes())
    assert len(calendar.walk("VEVENT")) > 12 and {event["sequence"] for event in calendar.walk("VEVENT")} == {1}
    assert lines(tmp_path, "visit")[0]["text"] == "Bookmarks"
    assert "What to look at" in (tmp_path / "boxlift-service/visit-d15.html").read_text("utf-8")
    assert "The portal could be reached 100 % of the time" in ends[1]
    (report,) = (tmp_path / "boxlift-service").glob("service-*.json")
    found = json.loads(report.read_text("utf-8"))
    assert found["availability"]["up"] == 1.0 and found["outlook"][0]["text"].endswith("50 days left")
    assert {each["what"] for each in found["unknown"]} >= {"Room on the disks", "Health checks"}


@pytest.mark.slow
def test_what_does_not_answer_is_not_known_and_a_site_without_an_opening_is_refused(
    play: Play, tmp_path: Path, prometheus: Prometheus
) -> None:
    prometheus.status = 503
    report = named("service_report", site_opened="2026-01-11", service_report_month="2026-03")
    said = play(report, named("visits", visit_move="2027-03", visit_day="2027-03-18"), code=2)
    found = json.loads((tmp_path / "boxlift-service/service-2026-03.json").read_text("utf-8"))
    assert found["availability"]["up"] is None
    assert "Prometheus did not answer" in found["availability"]["why"] and "503" in found["availability"]["why"]
    assert any("site_opened" in each for each in said if each.startswith("[Say what the pages must know]"))
    why = {each["what"]: each["why"] for each in found["unknown"]}
    assert why["Copies and drills"].startswith("box: /etc/boxlift-backup/settings.json"), why

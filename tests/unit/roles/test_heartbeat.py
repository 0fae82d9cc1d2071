# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever listens whether the alerting lives: real HTTP and SMTP on loopback, and a clock that is given."""

from __future__ import annotations

import http.client
import importlib.util
import json
import socketserver
import threading
import typing as t
from pathlib import Path

import pytest

_PATH = Path(__file__).resolve().parents[3] / "roles/monitoring/files/heartbeat.py"
_SPEC = importlib.util.spec_from_file_location("boxlift_heartbeat", _PATH)
assert _SPEC is not None and _SPEC.loader is not None
heartbeat = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(heartbeat)

BEAT = {"status": "firing", "alerts": [{"status": "firing", "labels": {"alertname": "Watchdog"}}]}
START = 1_000_000.0


class Site:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sent: list[str] = []
        self.broken = False
        mail = {"relay": "127.0.0.1", "port": 0, "tls": "none", "ca_path": "", "user": "", "password": "",
                "sender": "monitoring@example.com", "to": ["second@example.com"]}  # fmt: skip
        self.settings = heartbeat.Settings(
            str(folder), 0, 600, 3600, str(folder / "beat.prom"), "db", "portal.example.com", "docs/alerts.md#watchdog",
            mail, "",
        )  # fmt: skip

    def beat(self, at: float) -> None:
        (self.folder / "beat").write_text(str(START + at))

    def look(self, at: float) -> str:
        """What is said at that time, and nothing where nothing is."""
        before = len(self.sent)

        def send(subject: str, text: str) -> list[str]:
            if self.broken:
                return ["mail: refused"]
            self.sent.append(f"{subject}\n{text}")
            return []

        self.problems = heartbeat.check(self.settings, START + at, send)
        return " ".join(line.split("\n")[0] for line in self.sent[before:])


SILENT = "CRITICAL The alerting of portal.example.com is silent"
AGAIN = "OVER The alerting of portal.example.com lives again"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_while_it_comes_nothing_is_said(site: Site) -> None:
    for minute in range(60):
        site.beat(60 * minute)
        assert site.look(60 * minute + 5) == ""


def test_silence_is_said_once_then_now_and_again_until_it_ends(site: Site) -> None:
    site.beat(0)
    assert [site.look(at) for at in (0, 600, 601, 700, 4200, 4202)] == ["", "", SILENT, "", "", SILENT]
    assert "docs/alerts.md#watchdog" in site.sent[0] and "601 s" in site.sent[0]
    site.beat(5000)
    assert [site.look(at) for at in (5001, 5060)] == [AGAIN, ""]


def test_one_that_never_came_is_silence_too(site: Site) -> None:
    assert [site.look(at) for at in (0, 600, 601)] == ["", "", SILENT]
    assert "never" in site.sent[0]


def test_a_letter_that_was_not_taken_is_sent_again(site: Site) -> None:
    site.look(0)
    site.broken = True
    assert site.look(700) == "" and site.problems == ["mail: refused"]
    site.broken = False
    assert site.look(760) == SILENT and site.problems == []


def test_a_spoilt_note_is_no_heartbeat(site: Site) -> None:
    site.look(0)
    (site.folder / "beat").write_text("\x00")
    (site.folder / "check.json").write_text("{")
    assert [site.look(at) for at in (1000, 1700)] == ["", SILENT]


def test_a_clock_that_went_back_raises_no_alarm(site: Site) -> None:
    site.look(0)
    site.beat(0)
    assert [site.look(at) for at in (-86400, -86300)] == ["", ""]


def test_prometheus_sees_whether_somebody_listens(site: Site) -> None:
    site.beat(0)
    site.look(30)
    assert "boxlift_heartbeat_timestamp_seconds 1000000\n" in (site.folder / "beat.prom").read_text()
    assert "boxlift_heartbeat_checked_timestamp_seconds 1000030\n" in (site.folder / "beat.prom").read_text()
    assert "boxlift_heartbeat_limit_seconds 600\n" in (site.folder / "beat.prom").read_text()


def test_before_the_first_heartbeat_prometheus_reckons_from_the_first_look(site: Site) -> None:
    site.look(30)
    site.look(90)
    assert "boxlift_heartbeat_timestamp_seconds 1000030\n" in (site.folder / "beat.prom").read_text()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"alerts": 1}',
        json.dumps({"alerts": [{"status": "resolved", "labels": {"alertname": "Watchdog"}}]}).encode(),
        json.dumps({"alerts": [{"status": "firing", "labels": {"alertname": "DiskFills"}}]}).encode(),
    ],
)
def test_only_the_watchdog_that_fires_is_a_heartbeat(body: bytes) -> None:
    assert not heartbeat.is_heartbeat(body)


def test_what_is_heard_is_noted(site: Site) -> None:
    server = heartbeat.listen(site.settings, lambda: START)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for body, status in ((b"{}", 400), (json.dumps(BEAT).encode(), 200)):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
            connection.request("POST", "/", body)
            assert connection.getresponse().status == status
            connection.close()
        assert heartbeat.last_beat(site.folder) == START
    finally:
        server.shutdown()
        server.server_close()


class Relay(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server: t.Any = self.server
        self.wfile.write(b"220 relay\r\n")
        while line := self.rfile.readline().strip():
            if line.upper() == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while (part := self.rfile.readline()) != b".\r\n":
                    server.heard.append(part)
            self.wfile.write(b"250 ok\r\n")  # also to QUIT, which no relay should


def test_the_letter_goes_out_by_its_own_relay(site: Site) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as relay:
        heard: list[bytes] = []
        t.cast("t.Any", relay).heard = heard
        relay.daemon_threads = True
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        mail = {**site.settings.mail, "port": relay.server_address[1]}
        assert heartbeat.deliver(site.settings._replace(mail=mail), "Silent", "Look.\n") == []
        relay.shutdown()
    assert b"Subject: Silent\r\n" in heard and b"To: second@example.com\r\n" in heard


def test_a_relay_that_is_down_is_said(site: Site) -> None:
    mail = {**site.settings.mail, "port": 1}
    problems = heartbeat.deliver(site.settings._replace(mail=mail, webhook="http://127.0.0.1:1/secret"), "s", "t")
    assert [problem.split(":")[0] for problem in problems] == ["mail by 127.0.0.1", "webhook"]
    assert "secret" not in str(problems)


def test_nobody_to_be_told_is_said(site: Site) -> None:
    mail = {**site.settings.mail, "to": []}
    assert "monitoring_heartbeat_to" in heartbeat.deliver(site.settings._replace(mail=mail), "s", "t")[0]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Prometheus that answers what a test has put into it, over HTTP; and a site whose figures are all good."""

from __future__ import annotations

import dataclasses
import datetime
import http.server
import json
import math
import re
import threading
import typing as t
import urllib.parse

Labels = t.Mapping[str, str]
Curve = t.Callable[[float], "float | None"]
NOW = 1796019600.0
DAY = 86400.0
HOST = {"host": "box12", "instance": "box12"}


@dataclasses.dataclass
class Series:
    """A metric with labels: its value now, and at any earlier moment."""

    name: str
    labels: Labels
    value: float
    before: Curve | None = None

    def at(self, moment: float) -> float | None:
        return self.value if self.before is None else self.before(moment)


class FakePrometheus(http.server.ThreadingHTTPServer):
    """Knows a question by the metric's name in it, and by `label="value"` pairs that must fit."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.series: list[Series] = []
        self.alerts: list[dict[str, t.Any]] = []
        self.groups: list[dict[str, t.Any]] = []
        #: Alerts as Alertmanager has them.
        self.held: list[dict[str, t.Any]] = []
        #: Answers given in place of the right one, by the path.
        self.instead: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def add(self, metric: str, value: float, before: Curve | None = None, /, **labels: str) -> None:
        self.series.append(Series(metric, labels, value, before))

    def set(self, name: str, value: float, **labels: str) -> None:
        """Another value for all series of this name that have these labels."""
        found = [each for each in self.series if each.name == name and labels.items() <= each.labels.items()]
        assert found, name
        for each in found:
            each.value = value

    def remove(self, name: str, **labels: str) -> None:
        left = [each for each in self.series if each.name != name or not labels.items() <= each.labels.items()]
        assert len(left) < len(self.series), name
        self.series = left

    def fire(self, name: str, state: str = "firing", since: float = NOW - 600, **more: t.Any) -> dict[str, t.Any]:
        annotations = {key: more.pop(key) for key in ("summary", "description", "runbook_url") if key in more}
        alert = {
            "labels": {"alertname": name, "severity": "warning", **more},
            "annotations": annotations,
            "state": state,
            # As Go writes it.
            "activeAt": datetime.datetime.fromtimestamp(since, datetime.timezone.utc).strftime(
                "%Y-%m-%dT%H:%M:%S.123456789Z"
            ),
            "value": "1e+00",
        }
        self.alerts.append(alert)
        return alert

    def matching(self, expression: str) -> list[Series]:
        names = {
            each.name for each in self.series if re.search(rf"(?<![a-z_]){re.escape(each.name)}(?![a-z_])", expression)
        }
        if not names:
            return []
        name = max(names, key=len)
        wanted = dict(_pairs(expression))
        return [each for each in self.series if each.name == name and wanted.items() <= each.labels.items()]


def _pairs(expression: str) -> t.Iterator[tuple[str, str]]:
    inside = expression.partition("{")[2].partition("}")[0]
    for pair in inside.split(","):
        name, equals, value = pair.strip().partition('="')
        if equals and not name.endswith("!"):
            yield name, value.rstrip('"')


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FakePrometheus

    def do_GET(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        query = {name: values[0] for name, values in urllib.parse.parse_qs(parts.query).items()}
        self.server.asked.append(query.get("query", parts.path))
        if parts.path in self.server.instead:
            status, body = self.server.instead[parts.path]
        elif parts.path == "/api/v2/alerts":
            status, body = 200, json.dumps(self.server.held).encode()
        else:
            status, body = 200, json.dumps({"status": "success", "data": self._data(parts.path, query)}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _data(self, path: str, query: dict[str, str]) -> t.Any:
        if path == "/api/v1/alerts":
            return {"alerts": self.server.alerts}
        if path == "/api/v1/rules":
            return {"groups": self.server.groups}
        found = self.server.matching(query["query"])
        if path == "/api/v1/query":
            result = [
                {"metric": dict(each.labels), "value": [float(query["time"]), _text(each.value)]} for each in found
            ]
            return {"resultType": "vector", "result": result}
        begin, end, step = float(query["start"]), float(query["end"]), float(query["step"])
        moments = [begin + number * step for number in range(int((end - begin) / step) + 1)]
        lines = []
        for each in found:
            points = [[moment, _text(value)] for moment in moments if (value := each.at(moment)) is not None]
            if points:
                lines.append({"metric": dict(each.labels), "values": points})
        return {"resultType": "matrix", "result": lines}

    def log_message(self, *_arguments: t.Any) -> None:
        """Nothing: the tests' output is for tests."""


def _text(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(value)


def all_well(server: FakePrometheus) -> None:
    """A site in the best order, at the moment NOW."""
    evaluated = datetime.datetime.fromtimestamp(NOW - 20, datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    rules = [{"name": name, "health": "ok", "type": "alerting"} for name in ("Watchdog", "PortalDown", "BackupTooOld")]
    server.groups = [
        {"name": "all", "rules": rules, "lastEvaluation": evaluated},
        # A group of recording rules only: Prometheus names it with an empty list.
        {"name": "none", "rules": [], "lastEvaluation": "0001-01-01T00:00:00Z"},
    ]
    server.fire("Watchdog", severity="none")
    portal = "https://portal.example.com/"
    for job in ("node", "mysqld", "redis", "nginx", "php"):
        server.add("up", 1, job=job, **HOST)
    server.add("probe_success", 1, lambda _at: 1.0, job="portal", instance=portal)
    wave = _latency
    server.add("probe_duration_seconds", 0.21, wave, job="portal", instance=portal)
    server.add("quantile_over_time(0.95, (probe_duration_seconds", 0.31, job="portal", instance=portal)
    server.add("probe_ssl_earliest_cert_expiry", NOW + 71 * DAY, job="certificate", instance=portal)
    server.add("boxlift_checks_run_timestamp_seconds", NOW - 100, set="quick", **HOST)
    server.add("boxlift_checks_run_timestamp_seconds", NOW - 9 * 3600, set="nightly", **HOST)
    for area, names in CHECKS.items():
        for name in names:
            server.add("boxlift_check_status", 0, check=f"{area}.{name}", area=area, **HOST)
    server.add("boxlift_backup_last_good_timestamp_seconds", NOW - 8.5 * 3600, store="local", **HOST)
    server.add("boxlift_backup_last_good_timestamp_seconds", NOW - 8 * 3600, store="offsite", **HOST)
    for store in ("local", "offsite"):
        server.add("boxlift_backup_oldest_good_timestamp_seconds", NOW - 201 * DAY, store=store, **HOST)
        server.add("boxlift_backup_verified_ratio", 1, store=store, **HOST)
    server.add("boxlift_backup_restorable_until_timestamp_seconds", NOW - 130, **HOST)
    server.add("boxlift_backup_status_timestamp_seconds", NOW - 300, **HOST)
    server.add("boxlift_drill_last_good_timestamp_seconds", NOW - 23 * DAY, **HOST)
    server.add("boxlift_drill_rto_seconds", 1840, **HOST)
    server.add("boxlift_drill_rpo_seconds", 212, **HOST)
    server.add("boxlift_licence_expiry_timestamp_seconds", NOW + 121 * DAY, **HOST)
    size = 400 * 1024**3
    for path, days, now in (("/", math.inf, 0.7), ("/srv", 143.0, 0.44)):
        server.add("boxlift_disk_days_to_full", days, path=path, **HOST)
        server.add("boxlift_disk_size_bytes", size, path=path, **HOST)
        slope = 0.0 if math.isinf(days) else now / days
        curve = _filling(size, now, slope)
        server.add("boxlift_disk_free_bytes", curve(NOW) or 0, curve, path=path, **HOST)


CHECKS = {
    "agents": ("configuration", "cron", "stuck", "switched_off"),
    "database": ("reachable", "login", "clock", "charset", "variables"),
    "mail": ("queue", "transport", "mailboxes"),
    "push": ("enabled", "server", "roundtrip_websocket", "roundtrip_longpoll"),
    "web": ("answers", "certificate", "redirect", "compression", "upload_limit"),
}


def in_trouble(server: FakePrometheus) -> None:
    """The same site on a bad day: the database died, a disk fills, the night's copy was not made."""
    page = "https://docs.example.com/alerts.html#"
    server.set("probe_success", 0)
    probe = next(each for each in server.series if each.name == "probe_success")
    probe.before = lambda at: None if at < NOW - 19 * DAY else 0.0 if at > NOW - 900 or at % (9 * DAY) < 5000 else 1.0
    latency = next(each for each in server.series if each.name == "probe_duration_seconds")
    latency.before = lambda at: None if at > NOW - 900 else _latency(at) * (1 + 3 * max(0.0, (at - NOW) / DAY + 0.2))
    server.set("boxlift_backup_last_good_timestamp_seconds", NOW - 33.5 * 3600, store="local")
    server.set("boxlift_backup_restorable_until_timestamp_seconds", NOW - 1020)
    server.set("boxlift_disk_days_to_full", 5.4, path="/srv")
    disk = next(
        each for each in server.series if each.name == "boxlift_disk_free_bytes" and each.labels["path"] == "/srv"
    )
    disk.before = lambda at: 400 * 1024**3 * (0.05 + 0.0095 * (NOW - at) / DAY)
    disk.value = disk.before(NOW) or 0
    for check in ("database.reachable", "web.answers", "push.roundtrip_websocket"):
        server.set("boxlift_check_status", 2, check=check)
    for check in ("agents.cron", "mail.queue"):
        server.set("boxlift_check_status", 3, check=check)
    server.fire(
        "DatabaseDown",
        since=NOW - 840,
        severity="critical",
        summary="MariaDB on box12 is down",
        description="MariaDB on box12 does not run. The portal cannot work.",
        runbook_url=f"{page}databasedown",
        host="box12",
    )
    portal = server.fire(
        "PortalDown",
        since=NOW - 780,
        severity="critical",
        summary="The portal https://portal.example.com/ does not answer",
        description="https://portal.example.com/ of box12 gave the monitoring host no good answer, with its "
        "certificate verified, for 2 minutes.",
        runbook_url=f"{page}portaldown",
        host="box12",
    )
    server.fire(
        "BackupTooOld",
        since=NOW - 7.5 * 3600,
        summary="The last good copy in local is old",
        description="The last good copy of box12 in store local was made 33 h ago. One is due every night.",
        runbook_url=f"{page}backuptooold",
        host="box12",
        store="local",
    )
    server.fire(
        "DiskFills",
        since=NOW - 2.2 * DAY,
        summary="/srv on box12 is full in 5 days",
        description="/srv on box12 has 20 GiB free, and loses 3.8 GiB a day.",
        runbook_url=f"{page}diskfills",
        host="box12",
        path="/srv",
    )
    server.fire("PushRoundtrip", state="pending", summary="The messenger of box12 stands still")
    server.held = [{"labels": portal["labels"], "status": {"inhibitedBy": ["1"]}}]
    server.add(
        *("ALERTS", 1, lambda at: 1.0 if NOW - 3 * DAY < at < NOW - 3 * DAY + 2400 else None),
        alertname="CertificateExpires",
        alertstate="firing",
    )


def _latency(at: float) -> float:
    """More by day than by night; no chance in it."""
    day = math.sin((at % DAY) / DAY * 2 * math.pi - 1.9)
    return 0.2 + 0.06 * day + 0.02 * math.sin(at / 700) + 0.015 * math.sin(at / 333)


def _filling(size: float, now: float, slope: float) -> Curve:
    def free(at: float) -> float | None:
        return size * (now + slope * (NOW - at) / DAY) - (2 * 1024**3 if (at % DAY) < 7200 else 0)

    return free

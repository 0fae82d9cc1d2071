# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before and after an unattended update, and services that need a restart."""

from __future__ import annotations

import http.server
import json
import pathlib
import threading
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.upkeep import command, night, notes, services, update
from unit.plugins.module_utils.upkeep.toy_apt import ToyApt


class Time:
    def __init__(self) -> None:
        self.now = 1796000000.0
        self.on_sleep: t.Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def host(apt: ToyApt, clock: Time) -> night.Host:
    return night.Host(apt, lambda _url: "", clock, clock.sleep, "https://portal.test")


def test_a_quiet_night_leaves_no_note(host: night.Host, tmp_path: pathlib.Path) -> None:
    night.before(host, str(tmp_path))
    assert night.after(host, str(tmp_path)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_good_night_leaves_a_note_with_the_way_back(host: night.Host, apt: ToyApt, tmp_path: pathlib.Path) -> None:
    night.before(host, str(tmp_path))
    apt.installed["bash"] = "5.2"
    note = night.after(host, str(tmp_path))
    assert note is not None and note.outcome == "done"
    assert notes.load(note.name, str(tmp_path)).changes == [("bash", "5.1", "5.2", "", False)]


def test_only_what_is_new_counts(host: night.Host, apt: ToyApt, tmp_path: pathlib.Path) -> None:
    apt.units["mariadb.service"] = "inactive"
    night.before(host, str(tmp_path))
    apt.installed["bash"] = "5.2"
    apt.units["nginx.service"] = "failed"
    note = night.after(host, str(tmp_path))
    assert note is not None
    assert note.problems == ("nginx.service has failed", "nginx.service does not run")
    line = json.loads((tmp_path / notes.HISTORY).read_text())
    assert (line["outcome"], line["problems"]) == ("failed", list(note.problems))


def test_a_service_gets_a_minute(host: night.Host, apt: ToyApt, clock: Time, tmp_path: pathlib.Path) -> None:
    night.before(host, str(tmp_path))
    apt.installed["bash"] = "5.2"
    apt.units["nginx.service"] = "inactive"
    clock.on_sleep = lambda: apt.units.update({"nginx.service": "active"})
    note = night.after(host, str(tmp_path))
    assert note is not None and note.problems == ()


def test_an_update_that_broke_off_is_new_though_no_package_changed(
    host: night.Host, apt: ToyApt, tmp_path: pathlib.Path
) -> None:
    night.before(host, str(tmp_path))
    apt.units["apt-daily-upgrade.service"] = "failed"
    note = night.after(host, str(tmp_path))
    assert note is not None and note.problems == ("apt-daily-upgrade.service has failed",)
    assert notes.names(str(tmp_path)) == []
    # It has no note that could be taken back.
    assert note.name not in update.way_back(note)


def test_nobody_has_looked_before(host: night.Host, tmp_path: pathlib.Path) -> None:
    with pytest.raises(BoxliftError, match="Nobody has noted"):
        night.after(host, str(tmp_path))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ({"nginx": "unknown directive"}, "nginx would not start: unknown directive"),
        ({"audit": "half configured"}, "dpkg has not completed a package"),
        ({"units": {"push-server@sub-8010.service": "failed"}}, "push-server@sub-8010.service has failed"),
    ],
)
def test_problems(host: night.Host, apt: ToyApt, damage: dict[str, t.Any], told: str) -> None:
    assert night.problems(host) == []
    for name, value in damage.items():
        setattr(apt, name, value)
    assert told in night.problems(host)


def test_a_portal_that_does_not_answer_is_a_problem(host: night.Host) -> None:
    assert night.problems(host._replace(ask=lambda _url: "it says 502")) == ["the portal does not answer: it says 502"]
    assert night.problems(host._replace(ask=lambda _url: "it says 502", url="")) == []


def test_the_quick_health_checks_count_where_they_are(host: night.Host, apt: ToyApt, tmp_path: pathlib.Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"textfile_dir": str(tmp_path)}))
    (tmp_path / "boxlift_health.prom").write_text(
        "# TYPE boxlift_check_status gauge\n"
        'boxlift_check_status{area="web",check="web.answers"} 2\n'
        'boxlift_check_status{check="agents.cron",area="agents"} 2\n'
        'boxlift_check_status{area="web",check="web.compression"} 1\n'
        'boxlift_check_status{area="push",check="push.enabled"} 3\n'
    )
    watched = host._replace(exporter=str(tmp_path / "settings.json"))
    assert night.problems(watched) == ["check web.answers fails", "check agents.cron fails"]
    assert apt.started == ["boxlift-exporter-quick.service"]
    apt.refuses = "Job for boxlift-exporter-quick.service failed"
    assert night.problems(watched) == [f"the health checks cannot be made: {apt.refuses}"]


@pytest.mark.parametrize(("status", "wrong"), [(200, ""), (302, ""), (401, ""), (502, "it says 502"), (404, "404")])
def test_the_answer_of_a_web_server(status: int, wrong: str) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(str(self.headers["Host"]))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_arguments: t.Any) -> None:
            pass

    asked: list[str] = []
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        told = night.answer(f"http://portal.test:{server.server_address[1]}/")
        thread.join()
    assert (wrong in told, bool(told), asked) == (True, bool(wrong), ["portal.test"])


def test_nobody_listens() -> None:
    assert "refused" in night.answer("https://portal.test:1/").lower()


def process(proc: pathlib.Path, number: int, cgroup: str, *maps: str) -> None:
    folder = proc / str(number)
    folder.mkdir()
    (folder / "cgroup").write_text(f"0::{cgroup}\n")
    (folder / "maps").write_text("".join(f"7f-7f {line}\n" for line in maps))


OLD = "r-xp 00000000 08:01 1 /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)"


def test_services_that_run_replaced_files(tmp_path: pathlib.Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "9").mkdir()  # has ended meanwhile
    process(tmp_path, 1, "/init.scope", OLD)
    process(tmp_path, 2, "/system.slice/nginx.service", OLD)
    process(tmp_path, 3, "/system.slice/nginx.service", OLD)
    process(tmp_path, 4, "/docker/abc/system.slice/system-push.slice/push-server@sub-1.service", OLD)
    process(tmp_path, 5, "/system.slice/cron.service", "r-xp 0 08:01 1 /usr/sbin/cron")
    process(tmp_path, 6, "/system.slice/redis-server.service", "rw-s 0 00:01 1 /dev/zero (deleted)")
    process(tmp_path, 7, "/system.slice/mariadb.service", "r--p 0 08:01 1 /usr/share/zoneinfo/UTC (deleted)")
    process(tmp_path, 8, "/user.slice/user-0.slice/session-1.scope", OLD)
    process(tmp_path, 10, "/system.slice/ssh.service", OLD)
    process(tmp_path, 11, "/system.slice/systemd-journald.service", OLD)
    assert services.outdated(tmp_path) == ["nginx.service", "push-server@sub-1.service"]


def test_the_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path) -> None:
    assert command.main(["--folder", str(tmp_path), "after"]) == 1
    assert "Nobody has noted what was there before the updates." in capsys.readouterr().err

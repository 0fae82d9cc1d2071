# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program boxlift-exporter, on a toy portal with a real database and a real web server."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fcntl
import json
import os
import socket
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health import runner
from ansible_collections.boxlift.portal.plugins.module_utils.health.catalogue import all_checks
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import CannotLook, Verdict, passed
from ansible_collections.boxlift.portal.plugins.module_utils.health.quick import QUICK, quick_checks
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import Registry
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring import command, connector, figures, runs
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.metrics import (
    CODES,
    METRICS,
    Sample,
    parsed,
    sample,
)
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.settings import PortalPlace, Settings
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows
from unit.plugins.module_utils.health.toy_portal import DOMAIN
from unit.plugins.module_utils.health.world import World

NOW = 1796019600.0
#: A page as the call connector shows it.
CONNECTOR = """# TYPE call_connector_calls gauge
call_connector_calls{state="stored"} 2.0
call_connector_calls{state="registered"} 1.0
call_connector_calls{state="finished"} 1.0
call_connector_calls{state="closed"} 900.0
call_connector_calls{state="dead"} 3.0
call_connector_oldest_unsent_seconds 61.5
call_connector_ami_connected 1.0
"""


class Exporter:
    """The program with its settings; `run` gives the exit status, `samples` what Prometheus reads then."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], portal: PortalPlace | None) -> None:
        self.settings = folder / "settings.json"
        self.folder = folder / "state"
        self.metrics = folder / "metrics"
        self.folder.mkdir()
        self.metrics.mkdir()
        self.given: dict[str, t.Any] = {"folder": str(self.folder), "textfile_dir": str(self.metrics), "disks": ["/"]}
        self.given["portal"] = None if portal is None else dataclasses.asdict(portal)
        self.capsys = capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        self.settings.write_text(json.dumps(self.given), "utf-8")
        status = command.main(["--settings", str(self.settings), *arguments])
        said = self.capsys.readouterr()
        return status, said.out, said.err

    @property
    def samples(self) -> list[Sample]:
        assert [path.name for path in self.metrics.iterdir()] == ["boxlift_health.prom"]
        path = self.metrics / "boxlift_health.prom"
        assert path.stat().st_mode & 0o777 == 0o644
        return parsed(path.read_text())

    def values(self, name: str) -> dict[str, float]:
        """By the value of the metric's last label."""
        return {([*each.labels.values()] or [""])[-1]: each.value for each in self.samples if each.name == name}


@pytest.fixture
def bare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Exporter:
    """On a host without a portal."""
    return Exporter(tmp_path, capsys, None)


@pytest.fixture
def exporter(
    tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Exporter:
    """On the toy portal's host."""
    (tmp_path / "exporter").mkdir()
    # A run remembers nothing of the one before.
    monkeypatch.setattr(
        runs, "context_of", lambda _place, _now: dataclasses.replace(world.context, _memory={}, _asking={})
    )
    place = PortalPlace(str(world.portal.root), f"https://{DOMAIN}")
    return Exporter(tmp_path / "exporter", capsys, place)


def test_a_quick_run_publishes_all_that_it_knows(exporter: Exporter) -> None:
    status, said, errors = exporter.run("quick")
    assert (status, errors) == (0, "")
    assert json.loads(said.splitlines()[-1])["set"] == "quick"
    checks = exporter.values("boxlift_check_status")
    # Every check has a value: those that were not made yet are unknown.
    assert checks.keys() == {each.id for each in runner.select(all_checks(), "host")}
    quick = {each.id for each in quick_checks(all_checks())}
    assert {checks[name] for name in quick} <= {CODES["pass"], CODES["skip"], CODES["warn"]}, said
    assert {value for name, value in checks.items() if name not in quick} == {CODES["unknown"]}
    ended = exporter.values("boxlift_checks_run_timestamp_seconds")
    assert ended["quick"] > NOW - 10 * 365 * 86400 and ended["nightly"] == 0
    status_of = exporter.values("boxlift_figure_status")
    assert {name: status_of[name] for name in ("agents", "mail", "push", "licence", "certificate")} == dict.fromkeys(
        ("agents", "mail", "push", "licence", "certificate"), 0
    ), said
    # It has been looked at the disk for the first time.
    assert status_of["disk /"] == CODES["unknown"] and exporter.values("boxlift_disk_free_bytes")["/"] > 0
    assert exporter.values("boxlift_push_roundtrip_ok") == {"": 1}
    assert {each.name for each in exporter.samples} <= METRICS.keys()


def test_the_night_completes_it_and_the_younger_answer_counts(exporter: Exporter, world: World) -> None:
    assert exporter.run("nightly")[0] == 0
    checks = exporter.values("boxlift_check_status")
    assert list(checks.values()).count(CODES["unknown"]) == 0
    assert exporter.values("boxlift_figure_status")["quota"] == CODES["skip"]
    world.site.close()
    assert exporter.run("quick")[0] == 0
    later = exporter.values("boxlift_check_status")
    assert (
        later["web.answers"] in (CODES["fail"], CODES["unknown"]) and later["content.files"] == checks["content.files"]
    )
    assert exporter.values("boxlift_figure_status")["certificate"] == CODES["unknown"]
    assert exporter.values("boxlift_certificate_expiry_timestamp_seconds") == {}


def test_figures(exporter: Exporter, world: World) -> None:
    conn = world.portal.server.connect(world.portal.database)
    execute(conn, "UPDATE b_agent SET LAST_EXEC = NOW() - INTERVAL 100 SECOND, NEXT_EXEC = NOW() - INTERVAL 1 HOUR")
    execute(conn, "UPDATE b_event SET SUCCESS_EXEC = 'N', DATE_INSERT = NOW() - INTERVAL 400 SECOND")
    execute(conn, "REPLACE INTO b_option (MODULE_ID, NAME, VALUE) VALUES ('main', 'disk_space', '2048')")
    execute(
        conn, "REPLACE INTO b_option (MODULE_ID, NAME, VALUE) VALUES ('main', '~support_finish_date', '2031-05-01')"
    )
    conn.commit()
    number = rows(conn, "SELECT COUNT(*) AS n FROM b_event WHERE SUCCESS_EXEC = 'N'")[0]["n"]
    conn.close()
    assert exporter.run("quick")[0] == 0 and exporter.run("nightly")[0] == 0
    ended = exporter.values("boxlift_checks_run_timestamp_seconds")["quick"]
    last = exporter.values("boxlift_agent_last_exec_timestamp_seconds")[""]
    assert 95 <= ended - last <= 130
    assert exporter.values("boxlift_agents_overdue")[""] > 0
    assert exporter.values("boxlift_mail_queue_waiting")[""] == number
    assert 400 <= exporter.values("boxlift_mail_queue_oldest_seconds")[""] <= 430
    assert exporter.values("boxlift_portal_quota_bytes")[""] == 2 * 1024**3
    assert 0 < exporter.values("boxlift_portal_quota_used_bytes")[""] < 1024**3
    end = datetime.datetime(2031, 5, 1).astimezone().timestamp()
    assert exporter.values("boxlift_licence_expiry_timestamp_seconds")[""] == end


def test_a_dead_database_makes_figures_unknown_and_nothing_absent(
    exporter: Exporter, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert exporter.run("quick")[0] == 0

    def refused(*_arguments: t.Any) -> t.Any:
        raise BoxliftError("MariaDB does not answer.", "systemctl status mariadb")

    dead = dataclasses.replace(world.context, connect=refused, _memory={}, _asking={})
    monkeypatch.setattr(runs, "context_of", lambda _place, _now: dead)
    status, said, _errors = exporter.run("quick")
    assert status == 0 and "figure agents: MariaDB does not answer. systemctl status mariadb" in said
    checks = exporter.values("boxlift_check_status")
    assert checks["database.reachable"] in (CODES["fail"], CODES["unknown"]) and checks["agents.cron"] == CODES["skip"]
    known = exporter.values("boxlift_figure_status")
    assert {known[name] for name in ("agents", "mail", "licence")} == {CODES["unknown"]} and known["certificate"] == 0
    assert exporter.values("boxlift_agents_overdue") == {}


def test_a_crash_leaves_the_old_file(exporter: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter.run("quick")
    before = (exporter.metrics / "boxlift_health.prom").read_bytes()

    def crash(*_arguments: t.Any) -> t.Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "textfile", crash)
    with pytest.raises(KeyboardInterrupt):
        exporter.run("quick")
    assert (exporter.metrics / "boxlift_health.prom").read_bytes() == before


def test_a_host_without_a_portal(bare: Exporter) -> None:
    bare.given["connector_url"] = "http://127.0.0.1:1/metrics"
    assert bare.run("quick")[0] == 0 and bare.run("nightly")[0] == 0
    assert bare.values("boxlift_check_status") == {}
    assert bare.values("boxlift_figure_status") == {"disk /": CODES["unknown"], "telephony": CODES["unknown"]}


def test_two_runs_of_a_set_do_not_meet(bare: Exporter) -> None:
    assert bare.run("quick")[0] == 0
    with open(bare.folder / "quick.lock", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        status, said, errors = bare.run("quick")
        assert (status, said) == (1, "") and errors.startswith("The quick set of boxlift-exporter is made by another")
        assert bare.run("nightly")[0] == 0
    assert bare.run("quick")[0] == 0


def test_damaged_state_is_as_none(bare: Exporter) -> None:
    bare.run("quick")
    for content in ("", "[]", '{"ended": 1}', "\x00"):
        for name in ("quick.json", "nightly.json", "disks.json"):
            (bare.folder / name).write_text(content)
        assert bare.run("nightly")[0] == 0
        assert bare.values("boxlift_checks_run_timestamp_seconds")["quick"] == 0


def test_a_disk_that_is_gone_is_unknown(bare: Exporter) -> None:
    bare.given["disks"] = ["/", "/nowhere"]
    status, said, _errors = bare.run("quick")
    assert status == 0 and "figure disk /nowhere: No such file or directory" in said
    assert bare.values("boxlift_figure_status")["disk /nowhere"] == CODES["unknown"]


def test_folders_of_one_file_system_count_once_and_an_unmounted_one_is_told(bare: Exporter) -> None:
    beside = bare.folder / "beside"
    beside.mkdir()
    bare.given["disks"] = [str(bare.folder), str(beside)]
    assert bare.run("quick")[0] == 0
    assert bare.values("boxlift_disk_free_bytes").keys() == {str(bare.folder)}
    # Until now it was a disk of its own.
    state = json.loads((bare.folder / "disks.json").read_text())
    (bare.folder / "disks.json").write_text(json.dumps({**state, str(beside): [[1, 2, 3]]}))
    said = bare.run("quick")[1]
    assert f"figure disk {beside}: it lies in the file system of {bare.folder} now" in said
    assert bare.values("boxlift_figure_status")[f"disk {beside}"] == CODES["unknown"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"folder": None}, "folder is missing"),
        ({"surprise": 1}, "surprise"),
        ({"connector_url": "127.0.0.1:9790"}, "connector_url is no address"),
        (
            {"portal": {"document_root": "/srv", "base_url": "http://portal.example.com"}},
            "portal.base_url is no address",
        ),
        ({"portal": {"document_root": "/srv"}}, "base_url"),
        ({"portal": []}, "list"),
    ],
)
def test_wrong_settings(bare: Exporter, change: dict[str, t.Any], told: str) -> None:
    bare.given = {name: value for name, value in {**bare.given, **change}.items() if value is not None}
    status, _said, errors = bare.run("check")
    assert (
        status == 1 and errors.startswith(f"{bare.settings}: ") and told in errors and "playbook monitoring" in errors
    )


def test_no_folder(bare: Exporter) -> None:
    bare.given["textfile_dir"] = str(bare.folder / "none")
    assert bare.run("check")[0] == 0
    status, _said, errors = bare.run("quick")
    assert status == 1 and "none" in errors


# What a run does with checks of any kind


def registry(**answers: t.Callable[[Context], Verdict]) -> Registry:
    made = Registry()
    for name in QUICK:
        run = answers.get(name.replace(".", "_"), lambda _context: passed("fine"))
        made.check(name, why="because", expected="fine", remedy="do it")(run)
    return made


def context(**more: t.Any) -> Context:
    def refused(*_arguments: t.Any) -> t.Any:
        raise BoxliftError("no database here")

    return Context(now=lambda: NOW, connect=refused, base_url="https://portal.example.com", **more)


def settings(**more: t.Any) -> Settings:
    return Settings(folder="/", textfile_dir="/", portal=PortalPlace("/srv", "https://portal.example.com"), **more)


def test_a_check_that_hangs_is_unknown_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(_context: Context) -> Verdict:
        release.wait()
        return passed("late")

    monkeypatch.setitem(runs.OF_PORTAL, "quick", {})
    found = runs.made(settings(quick_seconds=0), "quick", registry(web_answers=hang), lambda: NOW, context())
    release.set()
    assert found.hangs and found.state["checks"]["web.answers"] == "unknown"
    assert found.state["checks"].keys() == set(QUICK)


def test_a_figure_that_hangs_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(_context: Context, _findings: t.Any) -> list[Sample]:
        release.wait()
        return []

    monkeypatch.setitem(runs.OF_PORTAL, "quick", {"agents": hang})
    monkeypatch.setattr(runs, "FIGURE_SECONDS", 0.0)
    found = runs.made(settings(), "quick", registry(), lambda: NOW, context())
    release.set()
    assert found.hangs and found.state["figures"] == {"agents": ["unknown", []]}
    assert found.reasons == {"agents": "no answer within 0 s"}


def test_an_error_of_ours_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_context: Context, _findings: t.Any) -> list[Sample]:
        raise ZeroDivisionError("so it is")

    monkeypatch.setitem(runs.OF_PORTAL, "quick", {"agents": broken, "mail": lambda _context, _findings: []})
    found = runs.made(settings(), "quick", registry(), lambda: NOW, context())
    assert found.state["figures"] == {"agents": ["unknown", []], "mail": ["pass", []]} and not found.hangs
    assert found.reasons["agents"] == "ZeroDivisionError: so it is"


def test_an_old_answer_proves_nothing() -> None:
    def state(age: float) -> dict[str, t.Any]:
        values = [list(sample("boxlift_agents_overdue", 1))]
        return {"ended": NOW - age, "seconds": 1, "checks": {"a.b": "pass"}, "figures": {"agents": ["pass", values]}}

    fresh = parsed(runs.textfile({"quick": state(3599)}, {}, ["a.b", "c.d"], NOW))
    old = parsed(runs.textfile({"quick": state(3601)}, {}, ["a.b", "c.d"], NOW))

    def check(samples: list[Sample]) -> dict[str, float]:
        return {each.labels["check"]: each.value for each in samples if each.name == "boxlift_check_status"}

    assert check(fresh) == {"a.b": 0, "c.d": 3} and check(old) == {"a.b": 3, "c.d": 3}
    assert [each.value for each in fresh if each.name == "boxlift_agents_overdue"] == [1]
    assert [each.value for each in old if each.name == "boxlift_agents_overdue"] == []
    assert [each.value for each in old if each.name == "boxlift_figure_status"] == [3]


def test_every_quick_check_is_there_with_what_it_needs() -> None:
    assert [each.id for each in quick_checks(all_checks()) if each.id not in QUICK] == []
    assert list(QUICK) == sorted(QUICK)
    assert {each.vantage for each in quick_checks(all_checks())} <= {"host", "anywhere"}


def test_push(monkeypatch: pytest.MonkeyPatch) -> None:
    class Found(t.NamedTuple):
        status: str

    def said(**statuses: str) -> dict[str, t.Any]:
        return {f"push.{name}": Found(status) for name, status in statuses.items()}

    names = ("enabled", "server", "roundtrip_websocket", "roundtrip_longpoll")
    good = said(**dict.fromkeys(names, "pass"))
    assert figures.push(context(), good) == [sample("boxlift_push_roundtrip_ok", 1)]
    for name in names:
        broken = {**good, **said(**{name: "fail"})}
        assert figures.push(context(push_expected=False), broken) == [sample("boxlift_push_roundtrip_ok", 0)]
        with pytest.raises(CannotLook):
            figures.push(context(), {**good, **said(**{name: "unknown"})})
    with pytest.raises(CannotLook):
        figures.push(context(), {})
    with pytest.raises(figures.DoesNotApply):
        figures.push(context(push_expected=False), said(enabled="warn", server="skip"))


# The connector's page


def test_the_queue_of_the_call_connector() -> None:
    found = {each.name: each.value for each in connector.telephony("http://here", lambda _url: CONNECTOR)}
    assert found == {
        "boxlift_telephony_queue_calls": 4,
        "boxlift_telephony_queue_oldest_seconds": 61.5,
        "boxlift_telephony_dead_calls": 3,
        "boxlift_telephony_exchange_connected": 1,
    }


@pytest.mark.parametrize("page", ["", "<html></html>", "up 1\n", 'call_connector_calls{state="stored"} 1\n'])
def test_another_page_is_no_connector(page: str) -> None:
    with pytest.raises(CannotLook, match="http://here"):
        connector.telephony("http://here", lambda _url: page)


def test_a_connector_that_is_silent() -> None:
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/metrics"
        with pytest.raises(CannotLook, match="does not answer"):
            connector.fetched(url)


def test_whoever_made_a_file_the_folders_group_may_read_it(tmp_path: Path) -> None:
    """Root makes files by hand, too; the account of the quick checks must be able to read and to lock them."""
    if os.geteuid() != 0:
        pytest.fail("this test is made as root, as all of these")
    os.chown(tmp_path, 0, 4711)
    folder = runs.Folder(Settings(folder=str(tmp_path), textfile_dir=str(tmp_path)))
    folder.keep("nightly", {"ended": 1, "seconds": 1, "checks": {}, "figures": {}})
    with folder.running("quick"), folder.publishing():
        pass
    for name in ("nightly.json", "quick.lock"):
        state = (tmp_path / name).stat()
        assert (state.st_gid, state.st_mode & 0o777) == (4711, 0o640)

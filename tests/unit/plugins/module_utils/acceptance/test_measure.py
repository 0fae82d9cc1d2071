# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring: scripted tools, a real processor, PHP and database. Nothing stays, whatever goes wrong."""

from __future__ import annotations

import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.acceptance import measure
from ansible_collections.boxlift.portal.plugins.module_utils.acceptance.judge import Measured
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

RECORDED = Path(__file__).with_name("recorded")
GOOD_PAGE = (200, '{"acceptance":{}}')


class Tools:
    """fio and wrk that print what was recorded, or fail as told."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.commands: list[list[str]] = []

    def run(self, command: t.Sequence[str]) -> tuple[int, str, str]:
        self.commands.append(list(command))
        line = " ".join(command)
        if self.failing and self.failing in line:
            return 1, "", "it said why"
        if command[0] == "php":
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout, done.stderr
        if command[0] == "wrk":
            return 0, (RECORDED / "wrk-ok.txt").read_text(), ""
        kind = "read" if "--rw=randread" in line else "sync" if "--sync=dsync" in line else "write"
        folder = Path(next(option for option in command if option.startswith("--filename="))[len("--filename=") :])
        folder.write_bytes(b"measured")
        return 0, (RECORDED / f"fio-{kind}.json").read_text(), ""


def refuse() -> t.Any:
    raise BoxliftError("no server", "Start it.")


@pytest.fixture
def place(tmp_path: Path) -> measure.Place:
    root = tmp_path / "www"
    root.mkdir()
    return measure.Place([str(tmp_path)], str(root), "portal.example.com", 0.2, 1)


def ask(
    place: measure.Place,
    area: str,
    tools: Tools | None = None,
    connect: t.Callable[[], t.Any] = refuse,
    fetch: t.Callable[[str], tuple[int, str]] = lambda path: GOOD_PAGE,
) -> dict[str, Measured]:
    host = measure.Host((tools or Tools()).run, time.monotonic, connect, fetch)
    return {each.id: each for each in measure.measure(host, place, [area])}


def test_processor(place: measure.Place) -> None:
    found = ask(place, "cpu")
    assert found["cpu.cores"].value and found["cpu.cores"].value >= 1
    assert found["cpu.speed"].value and found["cpu.speed"].value > 0.1
    assert found["cpu.together"].value and found["cpu.together"].value > 1
    assert found["cpu.stolen"].value is not None and 0 <= found["cpu.stolen"].value <= 100


def test_disk(place: measure.Place, tmp_path: Path) -> None:
    (tmp_path / ".boxlift-acceptance-left").mkdir()
    found = ask(place, "disk")
    assert found[f"disk.reads.{tmp_path}"].value == pytest.approx(40530.2, abs=0.1)
    assert found[f"disk.writing.{tmp_path}"].value == pytest.approx(401, abs=0.1)
    assert found[f"disk.latency.{tmp_path}"].value == pytest.approx(8.094, abs=0.001)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["www"]


def test_a_disk_that_fails_half_way(place: measure.Place, tmp_path: Path) -> None:
    found = ask(place, "disk", Tools("--rw=randread"))
    assert [each.value for each in found.values()] == [None] * 3
    assert {each.reason for each in found.values()} == {"fio ended with 1: it said why"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["www"]


def test_each_file_system_once_and_each_missing_directory(place: measure.Place, tmp_path: Path) -> None:
    both = measure.Place([str(tmp_path), place.document_root, "/nowhere"], place.document_root, "", 0.2, 1)
    found = ask(both, "disk")
    assert {each.place for each in found.values()} == {str(tmp_path), "/nowhere"}
    assert found["disk.reads./nowhere"].value is None
    assert found["disk.reads./nowhere"].reason == "/nowhere is no directory."


def test_a_disk_without_room(place: measure.Place, tmp_path: Path) -> None:
    tools = Tools()
    huge = measure.Place([str(tmp_path)], place.document_root, "", 0.2, 10**9)
    assert "are wanted" in ask(huge, "disk", tools)[f"disk.reads.{tmp_path}"].reason
    assert tools.commands == []


def test_php(place: measure.Place) -> None:
    speed = ask(place, "php")["php.speed"].value
    assert speed is not None and speed > 10


def test_php_that_does_not_run(place: measure.Place) -> None:
    found = ask(place, "php", Tools("php"))["php.speed"]
    assert (found.value, found.reason) == (None, "php ended with 1: it said why")


def test_database(place: measure.Place, mariadb: t.Any) -> None:
    found = ask(place, "database", connect=mariadb.connect)
    assert found["database.commits"].value and found["database.commits"].value > 1
    assert found["database.reads"].value and found["database.reads"].value > 1
    with mariadb.connect() as connection, connection.cursor() as cursor:
        assert cursor.execute("SHOW DATABASES LIKE 'boxlift%'") == 0


def test_no_database(place: measure.Place) -> None:
    found = ask(place, "database")["database.commits"]
    assert (found.value, found.reason, found.remedy) == (None, "no server", "Start it.")


def test_http(place: measure.Place) -> None:
    tools, seen = Tools(), []

    def fetch(path: str) -> tuple[int, str]:
        page = Path(place.document_root + path)
        seen.append(page.read_text())
        assert page.stat().st_mode & 0o777 == 0o644
        return GOOD_PAGE

    left = Path(place.document_root, "boxlift-acceptance-left.php")
    left.touch()
    found = ask(place, "http", tools, fetch=fetch)
    assert {each.kind: each.value for each in found.values()} == {
        "http.requests": 1134.54,
        "http.latency": 16.65,
        "http.errors": 0,
    }
    assert seen == [measure.PAGE]
    assert "Host: portal.example.com" in tools.commands[0]
    assert list(Path(place.document_root).iterdir()) == []


def test_the_page_does_what_the_module_expects_of_it() -> None:
    shown = subprocess.run(["php", "-r", measure.PAGE[len("<?php") :]], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith('{"acceptance":')


@pytest.mark.parametrize("answer", [(301, ""), (200, "<?php"), (502, "bad gateway")])
def test_a_page_that_is_not_shown_is_not_loaded(place: measure.Place, answer: tuple[int, str]) -> None:
    tools = Tools()
    found = ask(place, "http", tools, fetch=lambda path: answer)
    assert {each.value for each in found.values()} == {None}
    assert f"answers {answer[0]}" in found["http.errors"].reason
    assert tools.commands == []
    assert list(Path(place.document_root).iterdir()) == []


@pytest.mark.parametrize("areas", [[], ["memory"]])
def test_an_empty_set_is_no_acceptance(place: measure.Place, areas: list[str]) -> None:
    host = measure.Host(Tools().run, time.monotonic, refuse, lambda path: GOOD_PAGE)
    with pytest.raises(BoxliftError, match="areas holds"):
        measure.measure(host, place, areas)

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which copy and which logs lead to a moment, and what is refused with the moments that can be had."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.backup import find
from ansible_collections.boxlift.portal.plugins.module_utils.backup.binlog_events import gtid
from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import tags_of_check
from ansible_collections.boxlift.portal.plugins.module_utils.backup.points import Point, find_point, iso, moment_of
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from lab.recovery import Repository

NOW = 100_000.0


@pytest.fixture
def repository(tmp_path: pathlib.Path) -> Repository:
    return Repository(tmp_path / "repository")


def _copy(repository: Repository, name: str, ended: float, file: str, sequence: int, **more: t.Any) -> None:
    binlog = {"file": file, "position": 400, "gtid": f"0-1-{sequence}"}
    database = {"bytes": 10, "server": "10.11.1-MariaDB", "binlog": binlog}
    repository.add_copy(name, ended, {"files": {"bytes": 10, "files": 1}, "database": database}, **more)


def _logs(repository: Repository, until: float, *numbers: int) -> str:
    folder = repository.folder.parent / "logs"
    folder.mkdir(exist_ok=True)
    paths = [folder / f"log.{number:06d}" for number in numbers]
    for path in paths:
        path.touch()
    return repository.add_logs(until, paths)


def _find(repository: Repository, moment: float | None = None, **more: t.Any) -> Point:
    how = {"before": None, "copy_id": "", "local_logs": "", "now": NOW, **more}
    return find_point(repository, moment, how["before"], how["copy_id"], how["local_logs"], how["now"])


def _refused(repository: Repository, moment: float | None = None, **more: t.Any) -> BoxliftError:
    with pytest.raises(BoxliftError) as caught:
        _find(repository, moment, **more)
    return caught.value


def test_the_newest_copy_before_the_moment_and_only_the_logs_up_to_it(repository: Repository) -> None:
    _copy(repository, "one", 1000, "log.000001", 10)
    _copy(repository, "two", 2000, "log.000003", 30)
    for until, number in ((1500, 1), (1800, 2), (2100, 3), (2400, 4), (2700, 5)):
        _logs(repository, until, number)
    found = _find(repository, 2200)
    assert found.copy.id == "two" and [log.number for log in found.logs] == [3, 4]
    assert found.possible == [[iso(1000), iso(2700)]]
    found = _find(repository, 1900)
    assert found.copy.id == "one" and [log.number for log in found.logs] == [1, 2, 3]
    assert [log.number for log in _find(repository).logs] == [3, 4, 5]


def test_an_incremental_copy_brings_its_full_one(repository: Repository) -> None:
    _copy(repository, "one", 1000, "log.000001", 10)
    _copy(repository, "two", 2000, "log.000001", 20)
    _copy(repository, "three", 3000, "log.000001", 30)
    said = repository.folder / f"{repository.listed[-1].id}.json"
    said.write_text(said.read_text().replace('"kind": "full", "base": null', '"kind": "incremental", "base": "one"'))
    assert [each.id for each in _find(repository, 3000).chain] == ["one", "three"]


def test_before_the_first_copy_nothing_can_be_had(repository: Repository) -> None:
    _copy(repository, "one", 1000, "log.000001", 10)
    _logs(repository, 1500, 1)
    error = _refused(repository, 999)
    assert error.details["code"] == "too_early" and error.details["possible"] == [[iso(1000), iso(1500)]]
    assert f"Possible is: {iso(1000)} to {iso(1500)}." in error.remedy


def test_behind_the_last_log_nothing_can_be_had(repository: Repository) -> None:
    _copy(repository, "one", 1000, "log.000001", 10)
    _logs(repository, 1500, 1)
    error = _refused(repository, 1501)
    assert error.details["code"] == "too_late" and f"the binary logs end at {iso(1500)}" in error.message


def test_a_gap_in_the_numbers_is_named_and_only_stops_what_lies_behind_it(repository: Repository) -> None:
    _copy(repository, "one", 1000, "log.000001", 10)
    for until, number in ((1500, 1), (1800, 2), (2700, 5)):
        _logs(repository, until, number)
    error = _refused(repository, 1801)
    assert error.details["code"] == "gap" and "log.000003 to log.000004 is missing" in error.message
    assert _find(repository, 1700).copy.id == "one"
    assert _refused(repository).details["code"] == "gap"
    _copy(repository, "two", 2600, "log.000005", 50)
    assert _find(repository).copy.id == "two"
    assert _refused(repository, 2000).details["possible"] == [[iso(1000), iso(1800)], [iso(2600), iso(2700)]]


def test_a_copy_without_logs_is_its_own_moment_alone(repository: Repository) -> None:
    database = {"bytes": 10, "server": "10.11.1-MariaDB", "binlog": None}
    repository.add_copy("one", 1000, {"files": {"bytes": 1}, "database": database})
    assert _find(repository).moment == 1000
    assert "the server wrote no binary logs then" in _refused(repository, 1001).message


def test_a_named_copy_is_taken_as_it_is(repository: Repository) -> None:
    _copy(repository, "one", 1000, "log.000001", 10)
    _logs(repository, 1500, 1)
    found = _find(repository, copy_id="one")
    assert (found.moment, found.logs, found.begin) == (1000, [], None)
    assert "There is no proven copy two. Name one of these: one." in str(
        _refused(repository, copy_id="two").as_result()
    )


def test_before_a_transaction_the_newest_copy_that_does_not_have_it(repository: Repository) -> None:
    _copy(repository, "one", 1000, "log.000001", 10)
    _copy(repository, "two", 2000, "log.000002", 30)
    _logs(repository, 2500, 1, 2)
    assert _find(repository, before=gtid("0-1-30")).copy.id == "one"
    assert _find(repository, before=gtid("0-1-31")).copy.id == "two"
    assert _refused(repository, before=gtid("0-1-10")).details["code"] == "too_early"


@pytest.mark.parametrize("numbers", [(500, 501), (1, 2, 3)])
def test_logs_of_the_server_before_do_not_hinder_those_of_the_new_one(
    repository: Repository, numbers: tuple[int, ...]
) -> None:
    _copy(repository, "old", 1000, f"log.{numbers[0]:06d}", 9000)
    _logs(repository, 1500, *numbers)
    # The host was built anew, and its server counts from one again.
    _copy(repository, "new", 3000, "log.000002", 20)
    _logs(repository, 2900, 1)
    stored = _logs(repository, 3300, 2)
    _logs(repository, 3600, 3)
    found = _find(repository)
    assert found.copy.id == "new" and [log.number for log in found.logs] == [2, 3]
    assert found.logs[0].snapshot == stored and found.moment == 3600
    assert found.possible[-1] == [iso(3000), iso(3600)]


def test_an_accident_is_looked_for_in_the_logs_of_the_new_server(
    repository: Repository, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _logs(repository, 1500, 1, 2)
    (repository.folder.parent / "logs" / "log.000002").write_text("new")
    repository.add_logs(3600, [repository.folder.parent / "logs" / "log.000002"])
    read: list[str] = []

    def accidents(paths: t.Sequence[str], *_wanted: t.Any) -> list[t.Any]:
        read.extend(pathlib.Path(path).read_text() for path in paths)
        return []

    monkeypatch.setattr(find.binlog_replay, "accidents", accidents)
    search = find.Search("portal", "b_order", 3000, 10)
    found = find.find(repository, search, "", str(tmp_path / "work"), NOW, lambda _count: None)
    assert read == ["new"] and found["searched"]["files"] == 1


def test_logs_behind_a_clock_that_was_set_back(repository: Repository) -> None:
    _copy(repository, "one", 5000, "log.000001", 10)
    _logs(repository, 2000, 1)
    assert [log.number for log in _find(repository).logs] == [1]


def test_before_a_transaction_that_lies_before_a_gap(repository: Repository) -> None:
    _copy(repository, "one", 1000, "log.000001", 10)
    for until, number in ((1500, 1), (2700, 5)):
        _logs(repository, until, number)
    assert [log.number for log in _find(repository, before=gtid("0-1-11")).logs] == [1]


def test_a_damaged_copy_is_only_taken_where_it_is_named(repository: Repository) -> None:
    _copy(repository, "one", 1000, "log.000001", 10)
    _copy(repository, "two", 2000, "log.000002", 30)
    _logs(repository, 2500, 1, 2)
    hurt = next(each.id for each in repository.listed if "copy-two" in each.tags)
    _check(repository, hurt)
    assert _find(repository).copy.id == "one"
    assert _find(repository, before=gtid("0-1-31")).copy.id == "one"
    assert _find(repository, copy_id="two").copy.id == "two"
    hurt = next(each.id for each in repository.listed if "copy-one" in each.tags)
    _check(repository, hurt)
    assert "is damaged" in _refused(repository).message


def _check(repository: Repository, hurt: str) -> None:
    number = repository.add(tags_of_check(1, 1, 1), (), 3000)
    known = [each.id for each in repository.listed if each.id == hurt or "copy-two" in each.tags]
    (repository.folder / f"{number}.json").write_text(json.dumps({"faults": [{"pack": "p"}], "snapshots": known}))


def test_this_servers_own_logs_go_on_where_the_stored_ones_end(repository: Repository, tmp_path: pathlib.Path) -> None:
    _copy(repository, "one", 1000, "log.000001", 10)
    _logs(repository, 1500, 1)
    own = tmp_path / "data"
    own.mkdir()
    for name in ("log.index", "log.000001", "log.000002", "log.000003", "other.000004"):
        (own / name).touch()
    for number in (2, 3):
        os.utime(own / f"log.00000{number}", (1800, 1800))
    found = _find(repository, local_logs=str(own))
    assert [(log.number, bool(log.snapshot)) for log in found.logs] == [(1, True), (2, False), (3, False)]
    assert found.moment == NOW  # the server writes in the last one
    other = find_point(repository, None, None, "", str(own), NOW, host="another")
    assert [log.number for log in other.logs] == [1]


def test_an_empty_repository_is_refused(repository: Repository) -> None:
    assert _refused(repository).details["code"] == "no_copy"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("latest", None),
        ("@1796020919", 1796020919.0),
        ("2026-11-30T09:41:59+03:00", 1796020919.0),
        ("2026-11-30T06:41:59Z", 1796020919.0),
    ],
)
def test_moments(text: str, moment: float | None) -> None:
    assert moment_of(text) == moment


@pytest.mark.parametrize("text", ["2026-11-30T06:41:59", "yesterday", "@x"])
def test_what_is_no_moment_with_a_zone_is_refused(text: str) -> None:
    with pytest.raises(BoxliftError, match="is no moment with its time zone"):
        moment_of(text)

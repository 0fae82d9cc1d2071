# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a portal's room can be measured, how it grows, and what that means."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm import quota
from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import Answer, Denied, RestError, Unanswered
from ansible_collections.boxlift.portal.plugins.module_utils.crm.commands import Command
from ansible_collections.boxlift.portal.plugins.module_utils.crm.quota import Measure, Trend
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

DAY = 86400.0
NONE = Trend(None, "no trend yet")
SIZE = Measure("drive_bytes", "files on the drive", 900)


class Notes:
    def __init__(self) -> None:
        self.kept: dict[str, t.Any] = {}

    def note(self, name: str) -> t.Any:
        return self.kept.get(name)

    def set_note(self, name: str, value: t.Any) -> None:
        self.kept[name] = value


class FakeRest:
    """Answers by method; `disk` is folder → children."""

    name = "cloud.example.com"

    def __init__(self, answers: dict[str, t.Any] | None = None) -> None:
        self.answers = answers or {}
        self.disk: dict[int, t.Any] = {}
        self.asked: list[Command] = []

    def call(self, method: str, params: t.Any = None, *, repeat: bool = True) -> Answer:
        answer = self.answers[method]
        if isinstance(answer, Exception):
            raise answer
        return t.cast(Answer, answer)

    def batch(self, commands: t.Sequence[Command], *, repeat: bool = True, halt: bool = False) -> list[t.Any]:
        assert len(commands) <= 50
        self.asked += commands
        return [self._one(command) for command in commands]

    def _one(self, command: Command) -> t.Any:
        if not command.method.startswith("disk"):
            return self.answers[command.method]
        found = self.disk[command.params["id"]]
        if not isinstance(found, list):
            return found
        start = command.params["start"]
        following = start + 50 if start + 50 < len(found) else None
        return Answer(found[start : start + 50], len(found), following)


def file(number: int, size: int, **more: t.Any) -> dict[str, t.Any]:
    return {"ID": str(number), "TYPE": "file", "NAME": f"f{number}", "SIZE": str(size), "DELETED_TYPE": "0", **more}


def folder(number: int) -> dict[str, t.Any]:
    return {"ID": str(number), "TYPE": "folder", "NAME": f"d{number}"}


def portal(**disk: t.Any) -> FakeRest:
    rest = FakeRest({"disk.storage.getlist": Answer([{"ID": "1", "NAME": "Company"}, {"ID": "2", "NAME": "Anna"}])})
    rest.disk = {1: [folder(10), file(100, 5)], 2: [], 10: [file(number, 2) for number in range(200, 320)]}
    rest.disk.update({int(key[1:]): value for key, value in disk.items()})
    return rest


class TestMeasuring:
    def test_the_portals_own_space_is_unknown_and_says_why(self) -> None:
        finding = quota.judge(quota.portal_space(), 100, NONE, 30)
        assert finding.status == "unknown" and "no REST method" in finding.observed and finding.remedy

    def test_records_are_counted_by_the_portal(self) -> None:
        rest = FakeRest({"crm.item.list": Answer({"items": []}, 4321), "crm.activity.list": Answer([], 7)})
        found = list(quota.records(t.cast(t.Any, rest), quota.counting(["lead", "activity"])))
        assert [(each.name, each.value, each.text()) for each in found] == [
            ("records.lead", 4321, "4,321 records"),
            ("records.activity", 7, "7 records"),
        ]
        assert rest.asked[0].params == {"entityTypeId": 1, "select": ["id"], "start": 0}

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (Answer({"items": []}), "the portal gave no total"),
            (RestError("crm.item.list: no.", code="X"), "the portal did not tell: crm.item.list: no"),
            (Unanswered("cloud.example.com: cut."), "the portal did not tell: cloud.example.com: cut"),
        ],
    )
    def test_what_was_not_told_is_unknown(self, answer: t.Any, reason: str) -> None:
        rest = FakeRest({"crm.item.list": answer})
        (found,) = quota.records(t.cast(t.Any, rest), quota.counting(["lead"]))
        assert (found.value, found.reason) == (None, reason)
        assert quota.judge(found, 5, NONE, 30).status == "unknown"

    def test_kinds_that_are_parts_of_others_cannot_be_counted(self) -> None:
        with pytest.raises(BoxliftError, match="comment cannot be counted"):
            quota.counting(["comment"])

    def test_the_drive_is_walked_over_pages_and_folders(self) -> None:
        rest = portal()
        found = quota.drive(t.cast(t.Any, rest))
        assert (found.value, found.at_least) == (5 + 120 * 2, False)
        assert "recycle bin" in quota.judge(found, 10**6, NONE, 30).observed

    def test_deleted_files_are_not_counted(self) -> None:
        rest = portal(_2=[file(1, 7, DELETED_TYPE="3"), file(2, 9)])
        assert quota.drive(t.cast(t.Any, rest)).value == 254

    def test_a_place_that_is_not_shown_makes_the_figure_a_lower_bound(self) -> None:
        rest = portal(_10=RestError("disk.folder.getchildren: Access denied.", code="ACCESS_DENIED"))
        found = quota.drive(t.cast(t.Any, rest))
        assert (found.value, found.at_least) == (5, True)
        finding = quota.judge(found, 100, NONE, 30)
        assert finding.status == "unknown" and "at least 5 B" in finding.observed and "d10" in finding.observed
        assert quota.judge(found, 5, NONE, 30).status == "fail"

    def test_a_bound_of_folders_is_said(self) -> None:
        rest = portal(_2=[folder(number) for number in range(20, 80)], **{f"_{n}": [] for n in range(20, 80)})
        found = quota.drive(t.cast(t.Any, rest), folders_at_most=5)
        assert found.at_least and "only the first" in found.reason
        assert len(rest.asked) < 60

    @pytest.mark.parametrize(
        ("error", "remedy"),
        [
            (Denied("disk.storage.getlist: insufficient scope.", code="insufficient_scope"), "Add the scope disk"),
            (Unanswered("cut."), "Run again."),
        ],
    )
    def test_without_the_scope_the_drive_is_unknown(self, error: Exception, remedy: str) -> None:
        found = quota.drive(t.cast(t.Any, FakeRest({"disk.storage.getlist": error})))
        assert found.value is None and found.remedy.startswith(remedy)

    def test_the_upload_folder_is_measured_as_du_does(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a/big").write_bytes(b"x" * 100_000)
        os.link(tmp_path / "a/big", tmp_path / "again")
        (tmp_path / "link").symlink_to("/")
        used, free = quota.folder(str(tmp_path))
        assert used.value is not None and 100_000 <= used.value < 140_000
        assert free.shrinks and free.value

    def test_a_folder_that_is_not_there_is_unknown(self, tmp_path: Path) -> None:
        (found,) = quota.folder(str(tmp_path / "none"))
        assert found.value is None and "none: No such file" in found.reason

    def test_the_database_is_measured_by_its_server(self, mariadb: t.Any) -> None:
        name = mariadb.fresh_database("quota")
        with mariadb.connect(name) as connection:
            assert quota.database(connection, "nothing").value is None
            with connection.cursor() as cursor:
                cursor.execute("CREATE TABLE a (b INT) ENGINE=InnoDB")
            assert (quota.database(connection, name).value or 0) >= 16384


class TestTrend:
    def test_needs_two_points_over_a_day(self) -> None:
        assert quota.trend_of([]).per_day is None
        assert quota.trend_of([(0, 1)]).per_day is None
        early = quota.trend_of([(0, 1), (DAY / 2, 2)])
        assert early.per_day is None and early.reason == "no trend yet: 2 points over 0.5 days"

    def test_is_the_straight_line(self) -> None:
        trend = quota.trend_of([(DAY * day, 100 + 10 * day) for day in range(10)])
        assert trend.per_day == pytest.approx(10)
        assert trend.days_until(190, 300) == pytest.approx(11)

    def test_forgets_what_is_old(self) -> None:
        old = [(DAY * day, 10_000.0) for day in range(10)]
        new = [(DAY * (200 + day), 10 * day) for day in range(10)]
        assert quota.trend_of([*old, *new]).per_day == pytest.approx(10)

    def test_of_what_shrinks_or_stands_still_there_is_no_day(self) -> None:
        assert Trend(-1.0).days_until(5, 10) is None
        assert Trend(0.0).days_until(5, 10) is None
        assert Trend(-1.0).days_until(10, 5) == 5

    def test_points_are_noted_once_an_hour_and_the_oldest_go(self) -> None:
        notes = Notes()
        assert quota.remember(notes, [SIZE], 0.0)
        assert not quota.remember(notes, [SIZE], 3599.0)
        for number in range(1, 500):
            assert quota.remember(notes, [SIZE], number * 3600.0)
        assert len(notes.kept["quota"]) == quota.POINTS
        assert quota.points_of(notes, "drive_bytes")[-1] == (499 * 3600.0, 900)

    def test_points_of_a_clock_that_was_ahead_do_not_stop_the_history(self) -> None:
        notes = Notes()
        quota.remember(notes, [SIZE], 1000 * DAY)  # the host's clock was wrong
        for day in (1, 2, 3):
            assert quota.remember(notes, [SIZE], day * DAY)
        assert [at for at, _value in quota.points_of(notes, "drive_bytes")] == [DAY, 2 * DAY, 3 * DAY]
        assert quota.trend_of(quota.points_of(notes, "drive_bytes")).per_day == 0

    def test_lower_bounds_are_no_points(self) -> None:
        notes = Notes()
        quota.remember(notes, [Measure("drive_bytes", "x", 5, at_least=True), Measure("a", "a", None)], 0.0)
        assert notes.kept["quota"] == [{"at": 0.0, "values": {}}]


class TestJudging:
    @pytest.mark.parametrize(
        ("threshold", "trend", "status"),
        [
            (None, NONE, "skip"),
            (900, NONE, "fail"),
            (950, NONE, "warn"),  # nearer than a tenth
            (2000, NONE, "pass"),
            (2000, Trend(100.0), "warn"),  # in 11 days
            (2000, Trend(10.0), "pass"),  # in 110 days
            (2000, Trend(-10.0), "pass"),
        ],
    )
    def test_a_figure_that_grows(self, threshold: int | None, trend: Trend, status: str) -> None:
        assert quota.judge(SIZE, threshold, trend, 30).status == status

    @pytest.mark.parametrize(("threshold", "status"), [(901, "fail"), (900, "warn"), (810, "warn"), (500, "pass")])
    def test_a_figure_that_shrinks(self, threshold: int, status: str) -> None:
        free = Measure("free_bytes", "free", 900, shrinks=True)
        assert quota.judge(free, threshold, NONE, 30).status == status
        assert quota.judge(free, 500, Trend(-20.0), 30).status == "warn"

    def test_says_when_and_what_to_do(self) -> None:
        finding = quota.judge(SIZE, 2000, Trend(100.0), 30)
        assert finding.observed == "files on the drive: 900 B; +100 B a day; the threshold is reached in 11 days"
        assert finding.expected == "less than 2.0 KiB"
        assert "empty the recycle bin" in finding.remedy

    def test_a_threshold_for_nothing_is_unknown(self) -> None:
        found = quota.findings_of(Notes(), [SIZE], {"drive_bytes": 2000, "drve": 1}, 30)
        assert [(each.id, each.status) for each in found] == [
            ("crm_quota.drive_bytes", "pass"),
            ("crm_quota.drve", "unknown"),
        ]
        assert "drive_bytes" in found[1].remedy

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a drill until its record is written, and what may be promised after it."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.backup import drill as drills
from ansible_collections.boxlift.portal.plugins.module_utils.backup.compare import finding
from ansible_collections.boxlift.portal.plugins.module_utils.backup.drill import Drill, Moment
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

COPY = "20261130T010000Z-ab12"
NOON = 1_800_000_000.0


def at(seconds: float, *, skew: float = 0.0, boot: str = "one") -> Moment:
    return Moment(NOON + seconds + skew, 500.0 + seconds, boot)


def begun(folder: pathlib.Path, restorable: float | None = NOON - 240) -> Drill:
    drill = Drill.begin(str(folder / "drill"), "copy.test", at(0), {"generation": 4})
    drill.choose(COPY, 3_000_000_000, restorable, at(0))
    return drill


def whole(folder: pathlib.Path) -> Drill:
    drill = begun(folder)
    drill.enter("prepare", at(0))
    # The comparison is not part of a recovery.
    for name, moment in (("stop", 10), ("recover", 12), ("compare", 100), ("silence", 112), ("health", 130)):
        drill.enter(name, at(moment))
    drill.healthy(at(150))
    drill.enter("remove", at(151))
    drill.leave(at(181))
    drill.left([])
    return drill


def test_the_time_of_recovery_is_from_the_stop_to_the_healthy_portal(tmp_path: pathlib.Path) -> None:
    record = whole(tmp_path).record(at(182))
    assert record["rto_seconds"] == 2 + 88 + 18 + 20 and record["rpo_seconds"] == 240
    assert record["phases"] == {
        **{"prepare": 10, "stop": 2, "recover": 88, "compare": 12, "silence": 18, "health": 21, "remove": 30},
    }
    assert record["passed"] and record["findings"] == [] and record["left"] == []
    assert (record["began"], record["ended"]) == (NOON, NOON + 182)
    assert (record["copy"], record["host"], record["format"]) == (COPY, "copy.test", 1)


def test_what_is_told_of_it(tmp_path: pathlib.Path) -> None:
    drill = whole(tmp_path)
    assert drills.told(drill.record(at(182))) == [
        f"Copy {COPY} on copy.test: passed.",
        "Recovered in 2 min 8 s; 4 min would be lost.",
        "prepare 10 s, stop 2 s, recover 1 min 28 s, compare 12 s, silence 18 s, health 21 s, remove 30 s",
        "Left on copy.test: nothing.",
    ]
    drill.content.update(healthy=None, rpo_seconds=None, left=["database x"])
    told = drills.told(drill.record(at(182)))
    assert told[0].endswith("FAILED.") and told[-1] == "Left on copy.test: database x."
    assert "FAIL Left on copy.test: database x. Remove it by hand, and drill again." in told


def test_a_clock_that_is_set_meanwhile_changes_no_time(tmp_path: pathlib.Path) -> None:
    drill = begun(tmp_path)
    drill.enter("stop", at(10))
    drill.enter("recover", at(20, skew=-7200))
    drill.healthy(at(60, skew=3600))
    drill.leave(at(60, skew=3600))
    drill.left([])
    record = drill.record(at(61, skew=-7200))
    assert record["rto_seconds"] == 50 and record["phases"] == {"stop": 10, "recover": 40}
    assert record["ended"] == NOON + 61


def test_after_a_reboot_the_clock_is_all_there_is(tmp_path: pathlib.Path) -> None:
    assert at(0).until(Moment(NOON + 30, 1.0, "two")) == 30
    assert at(0).until(Moment(NOON - 30, 1.0, "two")) == 0


def test_what_is_known_outlives_a_kill(tmp_path: pathlib.Path) -> None:
    drill = begun(tmp_path)
    drill.enter("recover", at(5))
    found = Drill.found(str(tmp_path / "drill"))
    assert found is not None and found.phase == "recover" and found.before == {"generation": 4}
    assert not found.stopped
    found.add(drills.interrupted(found.phase))
    found.left([])
    record = found.record(at(90))
    assert not record["passed"] and record["rto_seconds"] is None
    assert record["findings"][0]["text"] == "The drill was interrupted in its phase recover."
    found.close()
    assert Drill.found(str(tmp_path / "drill")) is None and not (tmp_path / "drill").exists()


def test_from_the_stop_on_there_is_something_to_take_back(tmp_path: pathlib.Path) -> None:
    drill = begun(tmp_path)
    drill.enter("prepare", at(0))
    assert not drill.stopped
    drill.enter("stop", at(1))
    drill.enter("recover", at(2))
    assert drill.stopped


def test_a_drill_that_found_no_copy_is_a_drill_that_failed(tmp_path: pathlib.Path) -> None:
    drill = Drill.begin(str(tmp_path / "drill"), "copy.test", at(0), {})
    drill.add(finding("no_copy", "fail", "There is no proven copy.", "x"))
    drill.left([])
    record = drill.record(at(3))
    assert (record["copy"], record["passed"], record["rto_seconds"], record["rpo_seconds"]) == (None, False, None, None)


def test_a_phase_that_is_entered_again_goes_on(tmp_path: pathlib.Path) -> None:
    drill = begun(tmp_path)
    drill.enter("recover", at(0))
    drill.enter("recover", at(7))
    drill.enter("remove", at(10))
    assert drill.record(at(11))["phases"] == {"recover": 10, "remove": 1}


@pytest.mark.parametrize("left", [["directory /srv/portal/.www.previous-5"], None])
def test_what_is_left_or_was_not_looked_at_fails_the_drill(tmp_path: pathlib.Path, left: list[str] | None) -> None:
    drill = whole(tmp_path)
    drill.content["left"] = left
    record = drill.record(at(200))
    assert not record["passed"]
    assert [each["code"] for each in record["findings"]] == ["left" if left else "left_unknown"]
    assert all(each["remedy"] for each in record["findings"])


def test_a_warning_fails_nothing_and_a_failure_does(tmp_path: pathlib.Path) -> None:
    drill = whole(tmp_path)
    drill.add(finding("unread_files", "warn", "3 files", "x"))
    drill.add(finding("unread_files", "warn", "3 files", "x"))
    assert drill.record(at(200))["passed"] and len(drill.record(at(200))["findings"]) == 1
    drill.add(finding("fewer_rows", "fail", "b_user", "x"))
    assert not drill.record(at(200))["passed"]


def test_a_portal_that_was_never_healthy_has_not_passed(tmp_path: pathlib.Path) -> None:
    drill = begun(tmp_path)
    drill.enter("recover", at(1))
    drill.left([])
    record = drill.record(at(2))
    assert [each["code"] for each in record["findings"]] == ["not_healthy"] and not record["passed"]


@pytest.mark.parametrize(
    ("restorable", "seconds", "code"),
    [(NOON - 100, 100.0, []), (NOON + 30, 0.0, []), (NOON + 90, None, ["clock"]), (None, None, ["restorable_unknown"])],
)
def test_how_old_the_last_moment_was(restorable: float | None, seconds: float | None, code: list[str]) -> None:
    rpo, findings = drills.rpo_of(NOON, restorable)
    assert (rpo, [each["code"] for each in findings]) == (seconds, code)


def test_a_drill_of_another_version_is_not_guessed_at(tmp_path: pathlib.Path) -> None:
    drill = begun(tmp_path)
    drill.content["format"] = 2
    drill.left([])
    with pytest.raises(BoxliftError, match="another version"):
        Drill.found(str(tmp_path / "drill"))


def record(rto: float | None, rpo: float | None = 300.0, passed: bool = True, ended: float = NOON) -> dict[str, t.Any]:
    return {"passed": passed, "rto_seconds": rto, "rpo_seconds": rpo, "ended": ended}


def promised(*given: dict[str, t.Any], copied: float | None = 6e9, shipped: bool = True) -> dict[str, t.Any]:
    found = drills.promise(given, copied, shipped)
    assert found is not None
    return found


def test_a_promise_is_what_four_of_five_drills_kept_and_a_quarter_more() -> None:
    found = promised(*(record(rto) for rto in (100, 500, 200, 400, 300)))
    assert (found["rto_seconds"], found["rpo_seconds"], found["of_drills"], found["computed"]) == (500, 375, 5, False)
    assert "last 5 drills" in found["text"] and "25 % more" in found["text"]


def test_a_drill_that_failed_promises_nothing_and_old_ones_are_forgotten() -> None:
    assert promised(record(100), record(10, passed=False))["rto_seconds"] == 125
    old = [record(9000, ended=NOON - 99 + number) for number in range(20)]
    new = [record(100, ended=NOON + number) for number in range(8)]
    assert promised(*old, *new)["rto_seconds"] == 125


def test_before_the_first_drill_the_promise_is_computed_and_says_so() -> None:
    found = promised(record(None, passed=False))
    assert (found["rto_seconds"], found["rpo_seconds"], found["of_drills"]) == (2 * (100 + 900), 600, 0)
    assert found["computed"] and found["text"].startswith("Computed, not measured")
    assert promised(shipped=False)["rpo_seconds"] == 26 * 3600
    assert drills.promise([], None, True) is None


def test_the_loss_is_not_known_where_no_drill_knew_it() -> None:
    assert promised(record(100, rpo=None))["rpo_seconds"] is None


PLACES = {"files": "/srv/portal", "database": "/var/lib/mysql", "work": "/var/lib/boxlift-backup"}


def test_room_on_one_device_is_needed_for_all_of_it() -> None:
    (room,) = drills.room_needed(1000, 100, PLACES, lambda path: 1, lambda path: 1321)
    assert (room.needed, room.free) == (1320, 1321)
    drills.refuse_room([room], "copy")
    with pytest.raises(BoxliftError, match="on copy") as refused:
        drills.refuse_room([room._replace(free=1319)], "copy")
    assert "Nothing was stopped." in refused.value.message and refused.value.remedy


def test_room_on_several_devices() -> None:
    rooms = drills.room_needed(1000, 100, PLACES, len, lambda path: 10**9)
    assert {room.path: room.needed for room in rooms} == {
        **{"/srv/portal": 1100, "/var/lib/mysql": 110, "/var/lib/boxlift-backup": 110},
    }


def test_only_the_same_release_of_mariadb_can_read_the_copy() -> None:
    drills.refuse_release("10.11.19-MariaDB-0+deb12u1", "10.11.14-MariaDB-log", "copy")
    with pytest.raises(BoxliftError, match="of MariaDB 10.11, and copy has 11.8") as refused:
        drills.refuse_release("10.11.19-MariaDB", "11.8.9-MariaDB", "copy")
    assert "Debian 12 has 10.11" in refused.value.remedy
    with pytest.raises(BoxliftError, match="is not known"):
        drills.refuse_release("", "11.8.9-MariaDB", "copy")

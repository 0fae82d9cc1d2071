# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import json
import os
import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.backup import (
    binlogs,
    copies,
    metrics,
    offsite,
    problems,
    retention,
    status,
    verify,
)
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import OURS, Fault, ResticFailed
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Keep, Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from unit.plugins.module_utils.backup.kept_copies import DAY, NOON, Killed, Memory, Portal


def told(portal: Portal, **changes: t.Any) -> dict[str, t.Any]:
    settings = portal.settings
    for name, value in changes.items():
        object.__setattr__(settings, name, value)
    return status.status(settings, portal.now, lambda _store: portal.memory)


def findings(portal: Portal) -> dict[str, str]:
    (store,) = told(portal)["stores"]
    return {each["code"]: each["severity"] for each in store["findings"] if each["code"] != "same_host"}


def ship(portal: Portal) -> binlogs.Shipped:
    portal.log(portal.server.logs[-1])
    return binlogs.ship(portal.settings, portal.memory, lambda: portal.now, portal.server)


# Copies


def test_a_copy_whose_part_is_gone_counts_nowhere(portal: Portal) -> None:
    manifest = portal.night()
    del portal.memory.held[manifest["parts"]["files"]["snapshot"]]
    known = copies.contents(portal.memory)
    assert known.good == ()
    assert known.unproven == (manifest["id"],)


def test_a_copy_whose_full_one_is_gone_is_not_the_last_good_one(portal: Portal) -> None:
    portal.night()
    portal.now += DAY
    base = portal.night(full=True)
    portal.now += DAY
    portal.night()
    portal.memory.forget([each["snapshot"] for each in base["parts"].values()])
    assert [copy.damaged for copy in copies.good_copies(portal.memory)] == [False, True]
    (store,) = told(portal)["stores"]
    assert store["last_good"]["ended"] == NOON


def test_a_manifest_of_another_format_counts_nowhere(portal: Portal) -> None:
    portal.memory.save_text(copies.MANIFEST, json.dumps({"format": 2, "id": "a"}), copies.tags_of_manifest("a"))
    portal.memory.save_text(copies.MANIFEST, "no json", copies.tags_of_manifest("b"))
    assert copies.good_copies(portal.memory) == []


def test_a_manifest_is_read_once_where_there_is_a_cache(portal: Portal, tmp_path: Path) -> None:
    portal.memory.cache = str(tmp_path / "cache")
    portal.night()
    copies.good_copies(portal.memory)
    portal.memory.calls.clear()
    assert len(copies.good_copies(portal.memory)) == 1
    assert portal.memory.calls == ["snapshots"]


@pytest.mark.parametrize("left", [b"", b"{", b"\xff"])
def test_a_manifest_that_is_cut_off_in_the_cache_costs_no_copy(portal: Portal, tmp_path: Path, left: bytes) -> None:
    portal.memory.cache = str(tmp_path / "cache")
    manifest = portal.night()
    copies.good_copies(portal.memory)
    (kept,) = (tmp_path / "cache" / "manifests").iterdir()
    kept.write_bytes(left)
    portal.now += 3 * DAY
    retention.prune(portal.memory, portal.settings.keep, lambda: portal.now)
    assert [copy.id for copy in copies.good_copies(portal.memory)] == [manifest["id"]]


def test_the_newest_copy_before_a_moment_and_what_it_needs(portal: Portal) -> None:
    full = portal.night()
    portal.now += DAY
    middle = portal.night()
    portal.now += DAY
    portal.night()
    good = copies.good_copies(portal.memory)
    chosen = copies.newest_before(good, NOON + DAY + 10)
    assert chosen.id == middle["id"]
    assert [each.id for each in copies.chain(good, chosen)] == [full["id"], middle["id"]]
    with pytest.raises(BoxliftError, match="no proven and undamaged copy"):
        copies.newest_before(good, NOON - 1)
    with pytest.raises(BoxliftError, match="not in the repository"):
        copies.chain(good[1:], chosen)


# Binary logs


def test_each_log_is_stored_once(portal: Portal) -> None:
    assert ship(portal).files == ["binlog.000001"]
    portal.now += 300
    assert ship(portal).files == ["binlog.000002"]
    runs = copies.binlog_runs(portal.memory)
    assert [(run.until, run.gtid) for run in runs] == [(NOON, "0-1-10"), (NOON + 300, "0-1-10")]
    assert [os.path.basename(path) for run in runs for path in run.files] == ["binlog.000001", "binlog.000002"]


def test_the_lock_of_a_dead_process_does_not_keep_the_logs_out(portal: Portal) -> None:
    ship(portal)
    assert portal.memory.calls == ["unlock", "snapshots", "backup"]


def test_several_gtid_domains_are_kept_in_the_tag(portal: Portal) -> None:
    portal.server.gtid = "0-1-10,1-2-7"
    ship(portal)
    assert copies.binlog_runs(portal.memory)[0].gtid == "0-1-10,1-2-7"


def test_logs_that_were_not_stored_in_time_are_stored_later(portal: Portal) -> None:
    ship(portal)
    for name in ("binlog.000002", "binlog.000003", "binlog.000004"):
        portal.log(name)
    portal.server.logs += ["binlog.000003", "binlog.000004"]
    assert ship(portal).files == ["binlog.000002", "binlog.000003", "binlog.000004"]


def test_a_removed_log_is_a_gap(portal: Portal) -> None:
    portal.night()
    portal.now += 60
    ship(portal)
    assert findings(portal) == {}
    portal.server.logs = ["binlog.000004"]
    portal.now += 300
    assert ship(portal).gap == "between the binary logs 1 and 4"
    assert findings(portal) == {"binlog_gap": "fail"}
    (store,) = told(portal)["stores"]
    assert store["restorable_until"] == NOON + 60
    # A copy begins a new row.
    portal.night()
    assert findings(portal) == {}


def test_a_server_that_counts_anew_is_seen(portal: Portal) -> None:
    for _run in range(3):
        ship(portal)
    portal.server.logs = ["binlog.000001"]
    assert ship(portal).files == ["binlog.000001"]


@pytest.mark.parametrize(("log", "gtid"), [("binlog.000001", "0-1-11"), ("binlog.000005", "0-1-2")])
def test_across_a_server_that_counts_anew_nothing_can_be_restored(portal: Portal, log: str, gtid: str) -> None:
    portal.server.logs = ["binlog.000004"]
    portal.night()
    portal.now += 60
    ship(portal)
    portal.now += 60
    portal.server.logs, portal.server.gtid = [log], gtid
    ship(portal)
    (store,) = told(portal)["stores"]
    assert store["restorable_until"] == NOON + 60
    assert findings(portal) == {"binlog_gap": "fail"}


@pytest.mark.parametrize("before", ["binlog.000500", "binlog.000002"])
def test_a_new_copy_has_nothing_to_do_with_logs_of_the_server_before(portal: Portal, before: str) -> None:
    portal.server.logs, portal.server.gtid = [before], "0-1-9000"
    portal.night()
    ship(portal)
    portal.now += 3600
    # The host was built anew.
    portal.server.logs, portal.server.gtid, portal.server.born = ["binlog.000001"], "0-1-10", "78"
    ship(portal)
    portal.now += 60
    portal.night()
    portal.now += 60
    ship(portal)
    (store,) = told(portal)["stores"]
    assert findings(portal) == {}
    assert store["restorable_until"] == portal.now


@pytest.mark.parametrize("log", ["binlog.000001", "binlog.000003", "binlog.000900"])
def test_after_a_failover_logs_of_the_same_names_are_those_of_another_server(portal: Portal, log: str) -> None:
    portal.server.logs = ["binlog.000001"]
    portal.night()
    for _run in range(3):
        portal.now += 60
        ship(portal)
    switched = portal.now
    # The replica has the same transactions in logs that it counts by itself.
    portal.log(log)
    portal.server.logs, portal.server.host, portal.server.born, portal.server.gtid = [log], "db2", "99", "0-2-30"
    portal.now += 60
    assert ship(portal).files == [log]
    (store,) = told(portal)["stores"]
    assert store["restorable_until"] == switched
    assert findings(portal) == {"binlog_gap": "fail"}
    portal.now += 60
    assert portal.night()["kind"] == "full"
    portal.now += 60
    ship(portal)
    (store,) = told(portal)["stores"]
    assert findings(portal) == {} and store["restorable_until"] == portal.now


def test_logs_of_which_nobody_knows_the_server_go_on(portal: Portal) -> None:
    """An earlier version has stored them."""
    ship(portal)
    (kept,) = portal.memory.held
    snapshot, files = portal.memory.held[kept]
    tags = tuple(tag for tag in snapshot.tags if not tag.startswith("server-"))
    portal.memory.held[kept] = (dataclasses.replace(snapshot, tags=tags), files)
    assert ship(portal).files == ["binlog.000002"]


def test_a_log_that_cannot_be_read_is_not_taken_for_stored(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    portal.night()
    portal.now += 60
    portal.server.logs = ["binlog.000001", "binlog.000002", "binlog.000003"]
    for name in portal.server.logs:
        portal.log(name)
    assert portal.settings.database is not None
    lost, real = os.path.join(portal.settings.database.binlog_dir, "binlog.000002"), portal.memory.backup

    def backup(paths: t.Sequence[str], *given: t.Any, **named: t.Any) -> t.Any:
        saved = real(paths, *given, **named)
        return dataclasses.replace(saved, unread=(lost,) if lost in paths else ())

    monkeypatch.setattr(portal.memory, "backup", backup)
    with pytest.raises(BoxliftError, match=r"could not be read: .*binlog\.000002") as failed:
        ship(portal)
    assert failed.value.details["code"] == "unread" and "boxlift-backup now" in failed.value.remedy
    (run,) = copies.binlog_runs(portal.memory)
    assert [os.path.basename(path) for path in run.files] == ["binlog.000001", "binlog.000003"]
    assert copies.contents(portal.memory).binlogs == (run,)
    assert findings(portal) == {"binlog_gap": "fail"}
    # What counts for nothing goes with the next prune, and then the note of it.
    before = len(portal.memory.held)
    retention.prune(portal.memory, Keep(), lambda: portal.now)
    retention.prune(portal.memory, Keep(), lambda: portal.now)
    assert len(portal.memory.held) == before
    assert copies.contents(portal.memory).void == frozenset()
    portal.now += 60
    portal.night()
    assert findings(portal) == {}


def test_of_logs_that_cannot_be_read_at_all_nothing_is_taken_for_stored(portal: Portal) -> None:
    portal.log("binlog.000001")
    assert portal.settings.database is not None
    portal.memory.unread = (os.path.join(portal.settings.database.binlog_dir, "binlog.000001"),)
    with pytest.raises(BoxliftError, match="could not be read"):
        ship(portal)
    assert copies.binlog_runs(portal.memory) == []
    portal.memory.unread = ()
    assert ship(portal).files == ["binlog.000001", "binlog.000002"]


def test_a_stopped_database_is_named_by_the_logs_too(portal: Portal) -> None:
    portal.server.stopped = BoxliftError("Cannot connect.", "Start it.")
    with pytest.raises(BoxliftError, match="does not close its binary log") as failed:
        ship(portal)
    assert failed.value.details["code"] == "database_stopped"


def test_late_logs_are_a_finding(portal: Portal) -> None:
    portal.night()
    portal.now += 901
    assert findings(portal) == {"binlogs_old": "fail"}
    ship(portal)
    assert findings(portal) == {}


# Checks


def test_slices_go_round_and_cover_everything(portal: Portal) -> None:
    portal.night()
    read = []
    for _night in range(14):
        portal.now += DAY
        read.append(verify.verify(portal.memory, 7, lambda: portal.now)["slice"])
        portal.memory.calls.clear()
    assert read == [*range(1, 8)] * 2
    assert verify.ratio(copies.contents(portal.memory).slices, 7, portal.now) == 1


def test_after_a_day_that_was_left_out_the_oldest_slice_is_next(portal: Portal) -> None:
    for number in (3, 1, 2):
        portal.now += DAY
        verify.verify(portal.memory, 3, lambda: portal.now, number)
    assert verify.next_slice(copies.contents(portal.memory).slices, 3) == 3
    assert verify.ratio(copies.contents(portal.memory).slices, 3, portal.now + 6 * DAY) == pytest.approx(2 / 3)


def test_a_slice_of_another_number_of_slices_is_none(portal: Portal) -> None:
    verify.verify(portal.memory, 7, lambda: portal.now, 1)
    assert verify.next_slice(copies.contents(portal.memory).slices, 5) == 1
    assert verify.ratio(copies.contents(portal.memory).slices, 5, portal.now) == 0
    with pytest.raises(BoxliftError, match="no slice 8 of 7"):
        verify.verify(portal.memory, 7, lambda: portal.now, 8)


def damaged(portal: Portal) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """An undamaged copy, and one whose files are damaged, as a check has found."""
    first = portal.night()
    portal.now += DAY
    second = portal.night()
    portal.memory.faults = [Fault(second["parts"]["files"]["snapshot"], "pack does not match")]
    verify.verify(portal.memory, 7, lambda: portal.now)
    return first, second


def test_a_damaged_copy_is_named_and_the_one_before_is_the_last_good_one(portal: Portal) -> None:
    first, second = damaged(portal)
    assert portal.memory.calls.count("check") == 1  # looked at twice, the second time with the lock
    ship(portal)
    (store,) = told(portal)["stores"]
    (finding,) = [each for each in store["findings"] if each["code"] == "damaged"]
    assert second["id"] in finding["text"]
    assert second["parts"]["files"]["snapshot"] in finding["text"]
    assert "boxlift-backup repair; " in finding["remedy"]
    assert store["last_good"]["id"] == first["id"]
    assert [copy["damaged"] for copy in store["copies"]] == [False, True]


def test_a_damaged_full_copy_damages_what_needs_it_and_the_next_night_is_full(portal: Portal) -> None:
    first = portal.night()
    portal.now += DAY
    portal.night()
    portal.memory.faults = [Fault(first["parts"]["database"]["snapshot"], "pack does not match")]
    note = verify.verify(portal.memory, 7, lambda: portal.now)
    assert note["copies"] == [first["id"]]
    assert [copy.damaged for copy in copies.good_copies(portal.memory)] == [True, True]
    portal.now += DAY
    assert portal.night()["kind"] == "full"


def test_of_a_broken_tree_the_snapshot_is_known_by_its_topmost_one(portal: Portal) -> None:
    manifest = portal.night()
    tree = f"tree of {manifest['parts']['database']['snapshot']}"
    portal.memory.faults = [Fault("", f"tree {tree}: blob not found in index", tree)]
    assert verify.verify(portal.memory, 7, lambda: portal.now)["copies"] == [manifest["id"]]


def test_a_fault_that_only_others_writing_has_made_is_none(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    portal.night()
    monkeypatch.setattr(
        portal.memory, "check", lambda _slice, lock=True: [] if lock else [Fault("", "error: tree not found")]
    )
    assert verify.verify(portal.memory, 7, lambda: portal.now)["faults"] == []


def test_after_the_repair_a_sound_check_ends_the_finding(portal: Portal) -> None:
    damaged(portal)
    assert verify.repair(portal.memory, "/aside") != []
    portal.now += 60
    verify.verify(portal.memory, 7, lambda: portal.now, 1)
    ship(portal)
    assert findings(portal) == {}


def test_an_unread_repository_is_a_finding_after_its_time(portal: Portal) -> None:
    portal.night()
    portal.now += 10 * DAY
    portal.night()
    ship(portal)
    assert findings(portal) == {"unverified": "warn"}


# Retention


def nights(portal: Portal, count: int) -> None:
    for _night in range(count):
        portal.now += DAY
        portal.night()


def test_what_is_kept_is_enough_to_restore_each_copy(portal: Portal) -> None:
    nights(portal, 60)
    retention.prune(portal.memory, Keep(daily=7, weekly=5, monthly=3, binlog_days=14), lambda: portal.now)
    good = copies.good_copies(portal.memory)
    for copy in good:
        copies.chain(good, copy)
    days = [round((portal.now - copy.ended) / DAY) for copy in good]
    assert set(range(7)) <= set(days)
    assert len(good) < 20
    assert copies.newest_before(good, portal.now - 14 * DAY)


def test_logs_reach_back_to_the_copy_from_which_the_last_days_are_reached(portal: Portal) -> None:
    for _night in range(30):
        portal.now += DAY
        portal.night()
        ship(portal)
    note = retention.prune(portal.memory, Keep(daily=3, weekly=2, monthly=1, binlog_days=14), lambda: portal.now)
    good, runs = copies.good_copies(portal.memory), copies.binlog_runs(portal.memory)
    base = copies.newest_before(good, portal.now - 14 * DAY)
    assert runs[0].until >= base.began
    assert runs[0].until - base.ended < DAY
    assert note["binlogs_since"] == base.began
    until, gap = binlogs.restorable_until(base, runs)
    assert (until, gap) == (portal.now, "")


def test_unproven_parts_go_only_after_they_cannot_be_in_the_making(portal: Portal) -> None:
    portal.night()
    portal.wanted["code"] = 1
    with pytest.raises(BoxliftError):
        portal.night()
    portal.wanted["code"] = 0
    for days, left in ((1, 1), (3, 0)):
        portal.now = NOON + days * DAY
        ship(portal)
        retention.prune(portal.memory, Keep(), lambda: portal.now)
        assert len(copies.contents(portal.memory).unproven) == left


def test_a_copy_that_a_newer_version_has_proven_is_not_removed_as_unproven(portal: Portal) -> None:
    first = portal.night()
    manifest = next(files for each, files in portal.memory.held.values() if "good" in each.tags)
    manifest["/copy.json"] = json.dumps({**first, "format": 2}).encode()
    portal.now += 3 * DAY
    portal.night()
    assert not retention.plan(copies.contents(portal.memory), Keep(), portal.now).snapshots
    portal.now += 35 * DAY
    ship(portal)
    assert len(retention.plan(copies.contents(portal.memory), Keep(), portal.now).snapshots) == 4


def test_a_copy_from_the_future_is_neither_counted_nor_removed(portal: Portal) -> None:
    portal.now += 400 * DAY
    ahead = portal.night()
    portal.now -= 400 * DAY
    nights(portal, 3)
    keep = Keep(daily=1, weekly=1, monthly=1)
    assert ahead["id"] in retention.kept(copies.good_copies(portal.memory), keep, portal.now)
    assert len(retention.kept(copies.good_copies(portal.memory), keep, portal.now)) >= 3
    assert findings(portal)["clock"] == "fail"
    (store,) = told(portal)["stores"]
    assert store["last_good"]["ended"] == portal.now


@pytest.mark.parametrize("ahead", [15, 400])
def test_a_clock_that_is_ahead_removes_nothing_that_the_true_one_keeps(portal: Portal, ahead: int) -> None:
    for _night in range(20):
        portal.now += DAY
        portal.night()
        ship(portal)
    true = retention.plan(copies.contents(portal.memory), Keep(), portal.now)
    assert true.snapshots and true.binlogs_since <= portal.now - 14 * DAY
    began, true_now = portal.memory.snapshots(), portal.now
    portal.now += ahead * DAY  # of the repository's host alone
    retention.prune(portal.memory, Keep(), lambda: portal.now)
    portal.now = true_now
    left = {each.id for each in portal.memory.snapshots()}
    assert {each.id for each in began} - left == set(true.snapshots)
    # It is told, until a prune by a clock that is right.
    assert findings(portal)["clock"] == "fail"
    portal.now += DAY
    portal.night()
    assert findings(portal)["clock"] == "fail"
    retention.prune(portal.memory, Keep(), lambda: portal.now)
    assert "clock" not in findings(portal)
    (store,) = told(portal)["stores"]
    assert store["pruned"] == portal.now


def test_nothing_ages_in_a_repository_that_nothing_comes_to(portal: Portal) -> None:
    for _night in range(20):
        portal.now += DAY
        portal.night()
    retention.prune(portal.memory, Keep(), lambda: portal.now)
    known = copies.contents(portal.memory)
    assert retention.plan(known, Keep(), portal.now + 300 * DAY).snapshots == ()


def test_a_damaged_copy_stays_for_a_while_and_takes_no_place(portal: Portal) -> None:
    first, second = damaged(portal)
    good = copies.good_copies(portal.memory)
    assert retention.kept(good, Keep(1, 1, 1), portal.now) == {first["id"], second["id"]}
    assert retention.kept(good, Keep(1, 1, 1), portal.now + 60 * DAY) == {first["id"]}


def test_forgetting_a_copy_takes_what_needs_it_and_never_all(portal: Portal) -> None:
    first = portal.night()
    nights(portal, 1)
    with pytest.raises(BoxliftError, match="every undamaged copy"):
        retention.forget(portal.memory, [first["id"]])
    portal.now += 60
    last = portal.night(full=True)
    assert len(retention.forget(portal.memory, [first["id"]])) == 2
    assert [copy.id for copy in copies.good_copies(portal.memory)] == [last["id"]]
    with pytest.raises(BoxliftError, match="There is no copy nonsense"):
        retention.forget(portal.memory, ["nonsense"])


def test_a_prune_that_did_not_run_is_a_finding(portal: Portal) -> None:
    portal.night()
    portal.now += 16 * DAY
    portal.night()
    ship(portal)
    assert "prune_old" in findings(portal)
    retention.prune(portal.memory, Keep(), lambda: portal.now)
    assert "prune_old" not in findings(portal)


# Off-site


def test_what_is_kept_is_sent_once_and_readable_there(portal: Portal) -> None:
    nights(portal, 2)
    ship(portal)
    far = Memory(lambda: portal.now, Store("far", "s3:x", "/pw", offsite=True))
    far.made = False
    assert offsite.send(portal.memory, far, Keep(), portal.now)["sent_snapshots"] == 9
    assert far.calls[:2] == ["exists", "init"]
    there = copies.good_copies(far)
    assert [copy.id for copy in there] == [copy.id for copy in copies.good_copies(portal.memory)]
    assert all(part["snapshot"] in far.held for copy in there for part in copy.parts.values())
    assert offsite.send(portal.memory, far, Keep(), portal.now)["sent_snapshots"] == 0


def test_killed_while_it_is_sent_no_manifest_names_what_is_missing(portal: Portal) -> None:
    nights(portal, 1)
    for number in range(1, 12):
        far = Memory(lambda: portal.now, Store("far", "s3:x", "/pw", offsite=True))
        far.dies_at = number
        try:
            offsite.send(portal.memory, far, Keep(), portal.now)
        except Killed:
            assert len(far.calls) == number
        far.dies_at = None
        offsite.send(portal.memory, far, Keep(), portal.now)
        assert len(copies.good_copies(far)) == 1


# Status and figures


def test_an_empty_repository_has_no_copy(portal: Portal) -> None:
    assert findings(portal) == {"no_copy": "fail"}


@pytest.mark.parametrize(("hours", "severity"), [(25, None), (27, "warn"), (51, "fail")])
def test_the_age_of_the_newest_copy(portal: Portal, hours: float, severity: str | None) -> None:
    portal.night()
    portal.now += hours * 3600
    assert findings(portal).get("copy_old") == severity


def test_a_repository_that_cannot_be_read_is_part_of_the_answer(portal: Portal) -> None:
    portal.night()
    portal.memory.failure = ResticFailed("unreachable", "Repository x: no route.", "See that it runs.")
    (store,) = told(portal)["stores"]
    assert (store["reachable"], store["last_good"], store["problem"]) == (False, None, "Repository x: no route.")
    assert findings(portal) == {"unreachable": "fail"}


def test_a_failed_work_is_told_until_it_succeeds(portal: Portal) -> None:
    portal.night()
    ship(portal)
    with pytest.raises(ResticFailed), problems.noted(portal.settings, "now", "local", lambda: 5.0):
        raise ResticFailed("full", "No room.", "Make room.")
    with pytest.raises(ResticFailed), problems.noted(portal.settings, "now", "local", lambda: 9.0):
        raise ResticFailed("full", "No room.", "Make room.")
    (note,) = problems.known(portal.settings)
    assert (note["since"], note["code"]) == (5.0, "full")
    (finding,) = [each for each in told(portal)["stores"][0]["findings"] if each["code"] == "full"]
    assert (finding["text"], finding["remedy"]) == ("The night's copy failed: No room.", "Make room.")
    with problems.noted(portal.settings, "now", "local"):
        pass
    assert findings(portal) == {}


def test_only_a_store_on_this_host_is_warned_of_as_such(portal: Portal) -> None:
    portal.night()
    assert [each["code"] for each in told(portal)["stores"][0]["findings"]] == ["same_host"]
    far = Store("far", "sftp:u@h:/x", "/pw", offsite=True)
    found = told(portal, stores=(*portal.settings.stores, far))
    assert [each["code"] for each in found["stores"][0]["findings"]] == []


FEWER = {"code": "rows", "severity": "fail", "text": "b_user has fewer rows than noted.", "remedy": "Look at both."}


def drill(portal: Portal, passed: bool, rto: float = 600.0) -> None:
    note = {
        **{"format": 1, "copy": "c", "began": portal.now - rto, "ended": portal.now, "passed": passed},
        **{"rto_seconds": rto, "rpo_seconds": 100.0, "findings": [] if passed else [FEWER]},
    }
    portal.memory.save_text("drill.json", json.dumps(note), (OURS, copies.DRILL))


def test_the_promise_is_made_of_drills_that_passed(portal: Portal) -> None:
    assert told(portal)["promise"] is None
    for number, rto in enumerate((100.0, 200.0, 300.0, 400.0, 1000.0)):
        portal.now += 10
        drill(portal, passed=number < 4, rto=rto)
    assert told(portal)["promise"] == {
        **{"computed": False, "of_drills": 4, "rto_seconds": 500, "rpo_seconds": 125},
        "text": "From the last 4 drills that passed: what four of five of them kept, and 25 % more.",
    }


def test_old_and_failed_drills_are_findings(portal: Portal) -> None:
    portal.night()
    ship(portal)
    drill(portal, passed=False)
    assert findings(portal) == {"drill_failed": "fail"}
    portal.now += 1
    drill(portal, passed=True)
    assert findings(portal) == {}
    portal.now += 91 * DAY
    assert findings(portal)["drill_old"] == "fail"


def test_the_text_file_holds_every_figure_and_each_finding_once(portal: Portal, tmp_path: Path) -> None:
    portal.night()
    ship(portal)
    drill(portal, passed=True)
    retention.prune(portal.memory, Keep(), lambda: portal.now)
    verify.verify(portal.memory, 7, lambda: portal.now)
    portal.now += 27 * 3600
    path = metrics.write(str(tmp_path), told(portal), portal.now)
    text = Path(path).read_text()
    assert os.stat(path).st_mode & 0o777 == 0o644
    assert [name for name in os.listdir(tmp_path) if name.endswith(".new")] == []
    for line in (
        f'boxlift_backup_last_good_timestamp_seconds{{store="local"}} {NOON:.17g}',
        'boxlift_backup_bytes{store="local",part="database"} 5000',
        'boxlift_backup_bytes{store="local",part="files"} 1005',
        'boxlift_backup_verified_ratio{store="local"} 0.14285714285714285',
        f'boxlift_binlog_shipped_timestamp_seconds{{store="local"}} {NOON:.17g}',
        f"boxlift_drill_last_good_timestamp_seconds {NOON:.17g}",
        "boxlift_drill_rto_seconds 600",
        "boxlift_drill_rpo_seconds 100",
        f'boxlift_backup_pruned_timestamp_seconds{{store="local"}} {NOON:.17g}',
        'boxlift_backup_problem{store="local",code="copy_old",severity="warn"} 1',
        'boxlift_backup_problem{store="local",code="binlogs_old",severity="fail"} 1',
    ):
        assert text.splitlines().count(line) == 1, line
    assert "same_host" not in text
    assert text.endswith("\n")


def figures_with_an_off_site_store(portal: Portal, days: int = 0) -> str:
    """The night's copy is sent there; nobody reads that store again, and binary logs come with the copies alone."""
    far = Memory(lambda: portal.now, Store("far", "s3:x", "/pw", offsite=True, append_only=True))
    portal.night()
    ship(portal)
    offsite.send(portal.memory, far, Keep(), portal.now)
    portal.now += days * DAY
    object.__setattr__(portal.settings, "stores", (*portal.settings.stores, far.store))
    found = status.status(portal.settings, portal.now, lambda store: far if store.name == "far" else portal.memory)
    return metrics.text(found, portal.now)


def test_binary_logs_of_an_off_site_store_are_no_measure_of_what_could_be_lost(portal: Portal) -> None:
    text = figures_with_an_off_site_store(portal)
    assert 'boxlift_binlog_shipped_timestamp_seconds{store="local"}' in text
    assert 'boxlift_binlog_shipped_timestamp_seconds{store="far"}' not in text
    assert 'boxlift_backup_last_good_timestamp_seconds{store="far"}' in text


def test_what_no_timer_does_to_an_off_site_store_is_no_alarm_for_ever(portal: Portal) -> None:
    text = figures_with_an_off_site_store(portal, days=30)
    assert 'boxlift_backup_verified_ratio{store="local"} 0' in text
    assert 'boxlift_backup_verified_ratio{store="far"}' not in text
    codes = {
        store: set(re.findall(rf'boxlift_backup_problem{{store="{store}",code="(\w+)"', text))
        for store in ("local", "far")
    }
    assert {"unverified", "prune_old"} <= codes["local"]
    assert codes["far"] == {"copy_old"}


def test_figures_that_are_not_known_are_left_out(portal: Portal) -> None:
    text = metrics.text(told(portal), portal.now)
    assert "last_good" not in text
    assert 'boxlift_backup_problem{store="local",code="no_copy",severity="fail"} 1' in text

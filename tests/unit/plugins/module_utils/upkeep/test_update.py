# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates and the way back, against a scripted apt."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.upkeep import notes, packages, update
from unit.plugins.module_utils.upkeep.toy_apt import SECURITY, ToyApt

NOW = 1796000000.0


def clock() -> float:
    return NOW


def updated(apt: ToyApt, folder: pathlib.Path, security: bool = False) -> notes.Note:
    return update.apply(apt, update.plan(apt, security), str(folder), clock)


def test_a_plan_names_versions_origins_and_what_closes_holes(apt: ToyApt) -> None:
    apt.needs["libnew"] = "3"
    planned = update.plan(apt, security_only=False)
    assert [(each.name, each.before, each.after, each.security) for each in planned.changes] == [
        ("nginx", "1.0", "1.1", True),
        ("bash", "5.1", "5.2", False),
        ("libnew", "", "3", False),
    ]
    assert planned.changes[0].origin == SECURITY
    assert apt.told == []


def test_security_alone_leaves_the_others(apt: ToyApt, tmp_path: pathlib.Path) -> None:
    note = updated(apt, tmp_path, security=True)
    assert [(each.name, each.security) for each in note.changes] == [("nginx", True)]
    assert apt.installed["bash"] == "5.1"
    assert "nginx=1.1" in apt.told[-1] and "--no-remove" in apt.told[-1]


def test_a_bundle_does_not_say_what_closes_holes(apt: ToyApt) -> None:
    apt.offers["nginx"] = [("1.1", "boxlift:12")]
    assert len(update.plan(apt, security_only=False).changes) == 2
    with pytest.raises(BoxliftError, match="does not say which of its 1 updates close holes"):
        update.plan(apt, security_only=True)


def test_packages_that_somebody_holds_are_named(apt: ToyApt) -> None:
    apt.held = ["bash"]
    planned = update.plan(apt, security_only=False)
    assert ([each.name for each in planned.changes], planned.held) == (["nginx"], ["bash"])


def test_the_note_is_there_before_anything_changes(apt: ToyApt, tmp_path: pathlib.Path) -> None:
    class Killed(Exception):
        pass

    def run(argv: list[str]) -> tuple[int, str, str]:
        if argv[0] == "apt-get" and "--simulate" not in argv:
            raise Killed
        return apt(argv)

    with pytest.raises(Killed):
        update.apply(run, update.plan(apt, False), str(tmp_path), clock)
    (name,) = notes.names(str(tmp_path))
    note = notes.load(name, str(tmp_path))
    assert (note.outcome, [each.before for each in note.changes]) == ("begun", ["1.0", "5.1"])


def test_the_note_and_the_history_say_what_happened(apt: ToyApt, tmp_path: pathlib.Path) -> None:
    note = updated(apt, tmp_path)
    assert notes.load(note.path(str(tmp_path)), str(tmp_path)) == note
    assert (tmp_path / f"{note.name}.json").stat().st_mode & 0o777 == 0o600
    (line,) = (tmp_path / notes.HISTORY).read_text().splitlines()
    assert {key: json.loads(line)[key] for key in ("note", "by", "outcome", "packages", "security")} == {
        **{"note": note.name, "by": "playbook", "outcome": "done", "packages": 2, "security": 1},
    }


def test_an_update_that_breaks_off_says_the_way_back(apt: ToyApt, tmp_path: pathlib.Path) -> None:
    apt.breaks = "dpkg: error processing package nginx"
    with pytest.raises(BoxliftError) as caught:
        updated(apt, tmp_path)
    (name,) = notes.names(str(tmp_path))
    assert (
        "error processing package nginx" in caught.value.message and "2 packages were changed" in caught.value.message
    )
    assert f"update_back={name}" in caught.value.remedy
    assert notes.load(name, str(tmp_path)).outcome == "failed"


def test_what_a_killed_dpkg_has_left_is_completed_first(apt: ToyApt, tmp_path: pathlib.Path) -> None:
    apt.audit = "The following packages are only half configured: nginx"
    updated(apt, tmp_path)
    assert [words[0] for words in apt.told] == ["dpkg", "apt-get"]


def test_the_way_back_takes_what_is_offered_and_what_apt_has_kept(apt: ToyApt, tmp_path: pathlib.Path) -> None:
    archives = tmp_path / "archives"
    archives.mkdir()
    (archives / "bash_5.1_amd64.deb").write_bytes(b"")
    apt.files[f"{archives}/bash_5.1_amd64.deb"] = ("bash", "5.1")
    note = updated(apt, tmp_path)
    back = update.plan_back(apt, note.name, str(tmp_path), str(archives))
    assert back.arguments[-2:] == [f"{archives}/bash_5.1_amd64.deb", "nginx=1.0"]
    update.go_back(apt, back, str(tmp_path), lambda: NOW + 60)
    assert apt.installed == {"nginx": "1.0", "bash": "5.1", "curl": "7"}
    assert update.held_by_us(apt, str(tmp_path)) == ["bash", "nginx"]
    assert update.plan(apt, False).changes == []


def test_versions_that_nobody_has_are_named_and_nothing_changes(apt: ToyApt, tmp_path: pathlib.Path) -> None:
    note = updated(apt, tmp_path)
    told = len(apt.told)
    with pytest.raises(BoxliftError, match=r"to be had no more, .*: bash 5\.1\.$") as caught:
        update.plan_back(apt, note.name, str(tmp_path), str(tmp_path / "archives"))
    assert "Debian's snapshot archive" in caught.value.remedy
    assert (len(apt.told), apt.installed["nginx"]) == (told, "1.1")


def test_a_later_update_is_taken_back_first(apt: ToyApt, tmp_path: pathlib.Path) -> None:
    note = updated(apt, tmp_path)
    apt.installed["nginx"] = "1.2"
    with pytest.raises(BoxliftError, match=r"nginx is at 1\.2, and the update brought 1\.1"):
        update.plan_back(apt, note.name, str(tmp_path), str(tmp_path))


def test_going_back_twice_changes_nothing(apt: ToyApt, tmp_path: pathlib.Path) -> None:
    note = updated(apt, tmp_path, security=True)
    update.go_back(apt, update.plan_back(apt, note.name, str(tmp_path)), str(tmp_path), lambda: NOW + 60)
    assert update.plan_back(apt, note.name, str(tmp_path)).changes == []


def test_what_a_failed_way_back_brought_is_held_too(apt: ToyApt, tmp_path: pathlib.Path) -> None:
    note = updated(apt, tmp_path, security=True)
    apt.breaks = "nginx.service did not start"
    with pytest.raises(BoxliftError, match="did not start"):
        update.go_back(apt, update.plan_back(apt, note.name, str(tmp_path)), str(tmp_path), lambda: NOW + 60)
    assert update.plan_back(apt, note.name, str(tmp_path)).changes == []
    assert update.held_by_us(apt, str(tmp_path)) == ["nginx"]
    assert [change.name for change in update.plan(apt, False).changes] == ["bash"]


@pytest.mark.parametrize("name", ["20200101T000000Z-night", "../../etc/passwd", "history"])
def test_a_note_that_is_not_there_is_refused(apt: ToyApt, tmp_path: pathlib.Path, name: str) -> None:
    updated(apt, tmp_path)
    with pytest.raises(BoxliftError, match="There is no note"):
        notes.load(name, str(tmp_path))


def test_the_file_of_a_version_is_found_by_epoch_and_architecture(tmp_path: pathlib.Path) -> None:
    for name in ("a_1%3a2.0_amd64.deb", "a_1%3a2.0_i386.deb", "a_1%3a2.0-1_amd64.deb"):
        (tmp_path / name).write_bytes(b"")
    assert packages.kept_file("a", "1:2.0", str(tmp_path)) == f"{tmp_path}/a_1%3a2.0_amd64.deb"
    assert packages.kept_file("a:i386", "1:2.0", str(tmp_path)) == f"{tmp_path}/a_1%3a2.0_i386.deb"
    assert packages.kept_file("a", "3", str(tmp_path)) == packages.kept_file("a", "3", "/nowhere") == ""


def test_installed_knows_foreign_architectures_and_leaves_out_what_is_gone(apt: ToyApt) -> None:
    apt.installed = {"libc6": "2", "libc6:i386": "2"}
    assert packages.installed(apt) == {"libc6": "2", "libc6:i386": "2"}

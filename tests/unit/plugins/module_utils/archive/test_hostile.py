# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that mean harm are refused by name; nothing outside the staging tree is touched, and the live tree never."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Report
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore.restore import Restore, RestoreRequest
from lab.hostile import ATTACKS, COLLISIONS, FALSE_HEADERS, MARKERS, Attack, file, write_hostile

KINDS = (("tar.gz", None), ("enc.gz", "secret"), ("tar", None), ("enc", "secret"))


def named(attacks: t.Iterable[Attack]) -> t.Any:
    return pytest.mark.parametrize("attack", attacks, ids=lambda attack: attack.name)


class Site:
    """A live tree with something in it, and everything around it under watch."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.live = place / "site" / "www"
        self.live.mkdir(parents=True)
        (self.live / "old.txt").write_text("old")
        (place / "outside").mkdir()
        (place / "outside" / "keep").write_text("keep")
        (self.live / "link").symlink_to(place / "outside")
        self.before = self.around()

    def around(self) -> dict[str, str]:
        """Every name here but the parts, the state and the staging tree, with what it holds."""
        found = {}
        for folder, folders, files in os.walk(self.place):
            for own in ("backup", "state", ".www.staging"):
                if own in folders:
                    folders.remove(own)
            for name in (*folders, *files):
                path = Path(folder, name)
                content = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else "/"
                found[str(path.relative_to(self.place))] = content
        return found

    def restore(self, source: Path, password: str | None = None) -> dict[str, t.Any]:
        return Restore(RestoreRequest(str(source), str(self.live), str(self.place / "state"), password), None).run()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def refusals(report: Report) -> list[str]:
    return [finding.observed for finding in report.findings if finding.id == "backup.entry"]


@named(ATTACKS)
def test_refused_by_name_before_anything_is_placed(site: Site, attack: Attack) -> None:
    source = write_hostile(site.place / "backup", attack.blocks)
    report = verify(str(source))
    assert not report.intact
    assert [volume.status for volume in report.volumes] == ["intact"] * len(report.volumes)
    [said] = refusals(report)
    assert said.startswith(f"Entry '{attack.entry}")
    assert attack.reason in said
    with pytest.raises(BoxliftError) as caught:
        site.restore(source)
    assert said in caught.value.message
    assert site.around() == site.before
    assert not (site.place / "site" / ".www.staging").exists()
    assert not Path("/tmp/evil").exists()


@pytest.mark.parametrize(("kind", "password"), KINDS)
def test_every_kind_of_archive(site: Site, kind: str, password: str | None) -> None:
    blocks = b"".join(attack.blocks for attack in ATTACKS)
    source = write_hostile(site.place / "backup", blocks, kind=kind, password=password, part_limit=64 * 1024)
    said = refusals(verify(str(source), password))
    assert len([line for line in said if line.startswith("Entry ")]) == 20  # more are not named
    with pytest.raises(BoxliftError, match="is refused"):
        site.restore(source, password)
    assert site.around() == site.before


@named(COLLISIONS)
@pytest.mark.parametrize("part_limit", (512, 1024, 65536))
def test_names_that_collide(site: Site, attack: Attack, part_limit: int) -> None:
    """In one part, and in parts that are placed at the same time."""
    source = write_hostile(site.place / "backup", attack.blocks, part_limit=part_limit)
    with pytest.raises(BoxliftError) as caught:
        site.restore(source)
    assert "'upload/a" in caught.value.message
    assert site.around() == site.before
    if part_limit == 65536:
        assert f"'{attack.entry}'" in caught.value.message
        assert attack.reason in caught.value.message


@named(FALSE_HEADERS)
@pytest.mark.parametrize(("kind", "password"), KINDS)
def test_false_headers(site: Site, attack: Attack, kind: str, password: str | None) -> None:
    source = write_hostile(site.place / "backup", attack.blocks, kind=kind, password=password, part_limit=2**21)
    report = verify(str(source), password)
    assert [volume.status for volume in report.volumes if volume.status != "intact"] != []
    assert attack.reason in report.summary()
    with pytest.raises(BoxliftError, match="nothing was restored"):
        site.restore(source, password)
    assert site.around() == site.before


def test_names_of_the_restore_itself_are_just_names(site: Site) -> None:
    source = write_hostile(site.place / "backup", b"".join(file(name, name) for name in MARKERS))
    result = site.restore(source)
    assert {name: (site.live / name.decode()).read_bytes() for name in MARKERS} == {name: name for name in MARKERS}
    assert (Path(result["previous"]) / "old.txt").read_text() == "old"


def test_a_link_in_the_live_tree_is_not_written_through(site: Site) -> None:
    source = write_hostile(site.place / "backup", file(b"link/evil") + file(b"link/keep"))
    result = site.restore(source)
    assert (site.place / "outside" / "keep").read_text() == "keep"
    assert sorted(path.name for path in (site.place / "outside").iterdir()) == ["keep"]
    assert (site.live / "link" / "evil").read_text() == "evil"
    assert (Path(result["previous"]) / "link").is_symlink()


def test_a_link_in_the_place_of_the_staging_tree(site: Site) -> None:
    (site.place / "site" / ".www.staging").symlink_to(site.place / "outside")
    site.restore(write_hostile(site.place / "backup", file(b"keep")))
    assert (site.place / "outside" / "keep").read_text() == "keep"
    assert (site.live / "keep").exists()

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mirrors, and disks that were brought here."""

from __future__ import annotations

import os
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.download.local import get_file
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.response import HttpRefused
from lab.cloud.faults import Fault

from .conftest import SEGMENT, Lab, of_part


@pytest.fixture
def mirror(lab: Lab, tmp_path: Path) -> Path:
    """A folder with the same backup, of the same times."""
    return Path(shutil.copytree(lab.folder, tmp_path / "mirror"))


def test_connections_are_spread_over_all_mirrors(lab: Lab, mirror: Path) -> None:
    with lab.cloud(folder=mirror, rate=200_000) as second, lab.cloud(rate=200_000) as first:
        address = f"{first.url}{lab.parts[0].name}"
        result = lab.prepare(address, mirrors=[f"{second.url}{lab.parts[0].name}"], connections=2).run()
    lab.assert_here()
    assert result["warnings"] == []
    assert first.served and second.served
    assert result["bytes_fetched"] == lab.size


@pytest.mark.parametrize(("kind", "said"), (("error", "HTTP 500"), ("expired", "HTTP 403")))
def test_a_failing_mirror_is_left_for_the_others(lab: Lab, mirror: Path, kind: str, said: str) -> None:
    faults = [(index, Fault(kind, times=-1)) for index in range(1, len(lab.parts))]
    with lab.cloud(*faults, folder=mirror) as bad:
        result, _cloud = lab.fetch(mirrors=[f"{bad.url}{lab.parts[0].name}"])
    lab.assert_here()
    assert len(result["warnings"]) == 1
    assert "127.0.0.1 was left for the other sources" in result["warnings"][0]
    assert said in result["warnings"][0]


def test_a_mirror_that_is_not_there(lab: Lab) -> None:
    result, _cloud = lab.fetch(mirrors=["https://127.0.0.1:9/base.enc.gz"])
    lab.assert_here()
    assert "Connection refused" in result["warnings"][0]


def test_a_mirror_without_one_of_the_parts(lab: Lab, mirror: Path) -> None:
    (mirror / lab.parts[2].name).unlink()
    with lab.cloud(folder=mirror) as poor:
        result, _cloud = lab.fetch(url=f"{poor.url}{lab.parts[0].name}", mirrors=[str(lab.parts[0])])
    lab.assert_here()
    assert f"it has no {lab.parts[2].name}" in result["warnings"][0]


def test_the_end_of_a_backup_that_does_not_tell_it(tmp_path: Path, tls: t.Any) -> None:
    """The first number that no mirror has is the end; no mirror is to blame for it."""
    lab = Lab(tmp_path, tls, "tar")
    shutil.copytree(lab.folder, tmp_path / "mirror")
    with lab.cloud(folder=tmp_path / "mirror") as second:
        result, _cloud = lab.fetch(mirrors=[f"{second.url}{lab.parts[0].name}"])
    lab.assert_here()
    assert result["warnings"] == []


def test_mirrors_must_agree_on_the_length(lab: Lab, mirror: Path) -> None:
    with (mirror / lab.parts[1].name).open("ab") as part:
        part.write(b"more")
    with (
        lab.cloud((1, Fault("error", times=8))) as first,
        pytest.raises(BoxliftError, match=r"has base\.enc\.gz\.1 with \d+ bytes, and .* do not hold the same backup"),
    ):
        plan = [f"{mirror / lab.parts[0].name}"]
        fetch = lab.prepare(f"{first.url}{lab.parts[0].name}", mirrors=plan, connections=1, segment=65536 * 2)
        (lab.dest).mkdir()
        begun = lab.dest / f".{lab.parts[1].name}.partial"
        begun.write_bytes(b"")
        size = lab.parts[1].stat().st_size
        note = f'{{"total": {size}, "validators": {{"127.0.0.1": "x"}}, "segment": {65536 * 2}, "done": []}}'
        begun.with_name(begun.name + ".json").write_text(note)
        fetch.run()


def test_mirrors_on_one_host_must_agree_on_the_version(lab: Lab, mirror: Path) -> None:
    """Of the first part's four segments each takes a second, so that neither connection is left without one."""
    os.utime(mirror / lab.parts[0].name, (1, 1))
    slow = (0, Fault("slow", rate=SEGMENT, times=-1))
    with (
        lab.cloud(slow, folder=mirror) as second,
        pytest.raises(BoxliftError, match="its version is another than before"),
    ):
        lab.fetch(slow, mirrors=[f"{second.url}{lab.parts[0].name}"])


def test_a_mirror_of_something_else(lab: Lab) -> None:
    with pytest.raises(BoxliftError, match="The mirror example.com is for other.enc.gz, and url is for base.enc.gz"):
        lab.fetch(mirrors=["https://example.com/other.enc.gz"])


@pytest.mark.parametrize("form", ("path", "file"))
def test_a_disk_that_was_brought_here(lab: Lab, tmp_path: Path, form: str) -> None:
    disk = tmp_path / "a disk%20"
    lab.folder.rename(disk)
    lab.parts = [disk / part.name for part in lab.parts]
    address = str(lab.parts[0]) if form == "path" else lab.parts[0].as_uri()
    result = lab.prepare(address, connections=4).run()
    lab.assert_here()
    assert result["intact"]
    assert result["bytes_fetched"] == lab.size


def test_copying_from_a_disk_goes_on(lab: Lab) -> None:
    held = lab.parts[2].rename(lab.parts[2].with_name("held"))
    with pytest.raises(BoxliftError, match=r"has no base\.enc\.gz\.2 .404., and the backup has"):
        lab.fetch(url=str(lab.parts[0]), connections=1)
    here = sum(path.stat().st_size for path in lab.dest.iterdir() if not path.name.startswith("."))
    held.rename(lab.parts[2])
    result, _cloud = lab.fetch(url=str(lab.parts[0]))
    lab.assert_here()
    assert 0 < result["bytes_fetched"] <= lab.size - here


def test_a_part_that_the_disk_does_not_have_comes_from_the_mirror(lab: Lab, mirror: Path) -> None:
    lab.parts[2].unlink()
    with lab.cloud(folder=mirror) as cloud:
        result = lab.prepare(str(lab.parts[0]), mirrors=[f"{cloud.url}{lab.parts[0].name}"], connections=1).run()
    lab.parts = [mirror / part.name for part in lab.parts]
    lab.assert_here()
    assert of_part(cloud.served, lab.parts[1].name) == []
    assert of_part(cloud.served, lab.parts[2].name)
    assert f"{lab.folder} was left for the other sources" in result["warnings"][0]


def test_parts_are_not_copied_onto_themselves(lab: Lab) -> None:
    lab.dest.symlink_to(lab.folder)
    with pytest.raises(BoxliftError, match=r"lie in .*dest .dest. already"):
        lab.fetch(url=str(lab.parts[0]))


def test_files_are_read_as_servers_are(tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.write_bytes(bytes(range(100)))
    body = get_file(str(path), 10, 19, step=4)
    assert (body.offset, body.total, body.ranged) == (10, 100, True)
    assert list(body.chunks) == [bytes(range(10, 14)), bytes(range(14, 18)), bytes(range(18, 20))]
    changed = get_file(str(path), 10, 19, "another")
    assert (changed.offset, changed.ranged) == (0, False)
    assert b"".join(changed.chunks) == bytes(range(100))
    with pytest.raises(HttpRefused, match="404"):
        get_file(str(tmp_path / "absent"))
    with pytest.raises(HttpRefused, match="416"):
        get_file(str(path), 100, 110)

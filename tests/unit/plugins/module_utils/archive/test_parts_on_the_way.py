# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people, browsers and servers do to parts on their way: joined, renamed, gunzipped, left out at the end."""

from __future__ import annotations

import gzip
import random
import shutil
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import find_parts, look_alike
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import KnownCount, Report
from ansible_collections.boxlift.portal.plugins.module_utils.archive.sums import check_expected
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore.restore import Restore, RestoreRequest
from lab.archive_writer import Entry, write_archive

FAULTS = Path(__file__).parents[3] / "faults"
LIMIT = 8192
ENTRIES = [Entry(b"f%d" % number, data=random.Random(number).randbytes(5000)) for number in range(10)]


def written(place: Path, kind: str = "tar.gz", limit: int = LIMIT, entries: list[Entry] | None = None) -> list[Path]:
    place.mkdir(exist_ok=True)
    password = "x" if kind.startswith("enc") else None
    return write_archive(entries or ENTRIES, place, "b", kind=kind, part_limit=limit, password=password)


def joined(parts: list[Path], into: Path) -> Path:
    content = b"".join(part.read_bytes() for part in parts)
    for part in parts:
        part.unlink()
    into.write_bytes(content)
    return into


def count_finding(report: Report) -> tuple[str, str]:
    [finding] = [finding for finding in report.findings if finding.id == "backup.part_count"]
    return finding.status, finding.observed


# Joined parts


def test_the_fault_merged_parts(tmp_path: Path) -> None:
    """Every byte is there: it is read through."""
    report = verify(str(FAULTS / "merged_parts"))
    assert report.intact, report.summary()
    result = Restore(
        RestoreRequest(str(FAULTS / "merged_parts"), str(tmp_path / "www"), str(tmp_path / "s")), None
    ).run()
    assert result["files"] == report.tally.files > 0


@pytest.mark.parametrize("kind", ("tar.gz", "enc.gz", "tar", "enc"))
def test_all_parts_in_one_file(tmp_path: Path, kind: str) -> None:
    parts = written(tmp_path / "p", kind)
    first = joined(parts, parts[0])
    report = verify(str(first), "x")
    assert report.intact, report.summary()
    request = RestoreRequest(str(first), str(tmp_path / "www"), str(tmp_path / "s"), "x")
    assert Restore(request, None).run()["files"] == len(ENTRIES)


def test_some_parts_in_one_file(tmp_path: Path) -> None:
    parts = written(tmp_path / "p")
    size = parts[0].stat().st_size
    joined(parts[:2], parts[0])
    summary = verify(str(parts[0])).summary()
    assert f"this file holds 2 joined parts, which begin at the bytes 0, {size}: cut it there" in summary


def test_later_parts_joined(tmp_path: Path) -> None:
    parts = written(tmp_path / "p")
    joined(parts[2:4], parts[2])
    assert "b.tar.gz.2 is foreign (this file holds 2 joined parts" in verify(str(parts[0])).summary()


def test_joined_in_the_order_of_text(tmp_path: Path) -> None:
    """What `cat b.tar.gz*` does with more than ten parts."""
    parts = written(tmp_path / "p", limit=4096)
    assert len(parts) > 11
    first = joined(sorted(parts, key=str), parts[0])
    report = verify(str(first))
    assert "joined parts" in report.summary()
    assert "in another order than that of their numbers" in report.summary()


def test_a_joined_part_that_was_cut(tmp_path: Path) -> None:
    parts = written(tmp_path / "p")
    content = gzip.decompress(parts[1].read_bytes())
    parts[1].write_bytes(parts[1].read_bytes()[:37] + gzip.compress(content[:-512], mtime=0))
    summary = verify(str(joined(parts, parts[0]))).summary()
    assert "damaged" in summary
    assert not verify(str(parts[0])).sound


# The end of a backup that states no number of parts


@pytest.fixture
def even(tmp_path: Path) -> list[Path]:
    """Four parts, each as large as the others, each ending between two entries."""
    return written(
        tmp_path / "p", "tar", 4096, [Entry(b"f%d" % number, data=bytes([number]) * 3584) for number in range(4)]
    )


def test_a_last_part_as_large_as_the_others(even: list[Path], tmp_path: Path) -> None:
    report = verify(str(even[0]))
    assert (report.sound, report.intact, report.as_dict()["intact"]) == (True, False, None)
    status, said = count_finding(report)
    assert (status, "b.tar.3 is a full one, so that another may follow it" in said) == ("unknown", True)
    request = RestoreRequest(str(even[0]), str(tmp_path / "www"), str(tmp_path / "s"))
    with pytest.raises(BoxliftError, match="their end is not proven"):
        Restore(request, None).run()
    assert not (tmp_path / "www").exists()


def test_a_stated_number(even: list[Path], tmp_path: Path) -> None:
    report = verify(str(even[0]), known=KnownCount(4, "the number that the task states"))
    assert report.intact
    assert count_finding(report) == ("pass", "The backup has 4 parts by the number that the task states.")
    request = RestoreRequest(str(even[0]), str(tmp_path / "www"), str(tmp_path / "s"), part_count=4)
    assert Restore(request, None).run()["files"] == 4


def test_a_stated_number_that_is_larger_or_smaller(even: list[Path]) -> None:
    assert "b.tar.4 is missing" in verify(str(even[0]), known=KnownCount(5, "the task")).summary()
    assert (
        "b.tar.3 is foreign (by the task, its last part is b.tar.2)"
        in verify(str(even[0]), known=KnownCount(3, "the task")).summary()
    )


def test_a_stated_number_against_the_archives_own(tmp_path: Path) -> None:
    parts = written(tmp_path / "p")
    report = verify(str(parts[0]), known=KnownCount(len(parts) + 1, "the task"))
    assert not report.intact
    assert f"The backup states that it has {len(parts)} parts; it has {len(parts) + 1} by the task." in report.summary()


def test_sums_of_all_parts(even: list[Path]) -> None:
    report = verify(str(even[0]))
    sums = {volume.name: volume.sha256 for volume in report.volumes}
    check_expected(report, sums)
    assert report.intact
    report = verify(str(even[0]))
    check_expected(report, {**sums, "b.tar.4": "0" * 64})
    assert "b.tar.4 is missing" in report.summary()
    report = verify(str(even[0]))
    check_expected(report, {name: value for name, value in sums.items() if name != "b.tar.2"})
    assert not report.intact


def test_a_shorter_last_part_is_the_end(tmp_path: Path) -> None:
    parts = written(tmp_path / "p", "tar", 8192)
    assert verify(str(parts[0])).intact
    parts[-1].unlink()
    assert not verify(str(parts[0])).intact


@pytest.mark.parametrize(("size", "intact"), ((1024 * 1024, False), (1024 * 1024 + 512, True), (512 * 3, True)))
def test_a_part_that_is_alone(tmp_path: Path, size: int, intact: bool) -> None:
    """Limits are whole numbers of MiB: a part of such a size may be the first of several."""
    [part] = written(tmp_path / "p", "tar", 1 << 30, [Entry(b"a", data=bytes(size - 512))])
    assert verify(str(part)).intact is intact


# Names


@pytest.mark.parametrize(
    ("name", "index"),
    (
        ("X.tar.gz.1.gz", 1),
        ("X.tar.1.gz", 1),
        ("X.tar.gz.001", 1),
        ("X.tar.gz.01", 1),
        ("X.tar.gz (1).12", 12),
        ("X.tar (2).gz", 0),
        ("X (1).tar.gz", 0),
        ("X(1).tar.gz.3", 3),
        ("X.tar.gz.2 (1)", 2),
        ("X.tar", 0),
        ("X.tar.7", 7),
        ("X.tar.gz.3.txt", 3),
        ("X.tar.gz_4", 4),
        ("X.TAR.GZ.5", 5),
        ("X.tar.gz.6.crdownload", 6),
        ("X.tar.gz.8.part", 8),
        ("X.1.tar.gz", 1),
        ("X - Copy.tar.gz", 0),
        ("X.tar.gz.gz", 0),
        ("X.tar.gz", None),
        ("X.tar.gz.1", None),
        ("Y.tar.gz.1.gz", None),
        ("X.sql", None),
        ("X.tar.gz.manifest.json", None),
        ("X.tar.gz.sha256", None),
    ),
)
def test_look_alikes(name: str, index: int | None) -> None:
    assert look_alike(name, "X.tar.gz") == index


@pytest.mark.parametrize(
    ("was", "became", "said"),
    (
        (1, "b.tar.gz.1.gz", "rename it by `mv b.tar.gz.1.gz b.tar.gz.1`"),
        (2, "b.tar.gz.002", "rename it by `mv b.tar.gz.002 b.tar.gz.2`"),
        (2, "b.tar (1).gz.2", "rename it by `mv 'b.tar (1).gz.2' b.tar.gz.2`"),
        (3, "b.tar.3", "was gunzipped on the way"),
        (1, "b.tar.gz.1.part", "its download has not ended"),
        (0, "b (1).tar.gz", "rename it by `mv 'b (1).tar.gz' b.tar.gz`"),
    ),
)
def test_a_renamed_part_is_named(tmp_path: Path, was: int, became: str, said: str) -> None:
    parts = written(tmp_path / "p")
    parts[was].rename(parts[was].with_name(became))
    for path in (tmp_path / "p", parts[0]):
        report = verify(str(path))
        [missing] = [volume for volume in report.volumes if volume.status == "missing"]
        assert missing.name == parts[was].name
        assert said in missing.reason


def test_all_parts_renamed(tmp_path: Path) -> None:
    parts = written(tmp_path / "p")
    for number, part in enumerate(parts):
        part.rename(part.with_name(f"b.tar.gz.{number:03d}.gz" if number else "b.tar (1).gz"))
    with pytest.raises(BoxliftError, match="only files that look like parts of it") as caught:
        find_parts(str(parts[0]))
    assert "`mv 'b.tar (1).gz' b.tar.gz`" in caught.value.remedy
    with pytest.raises(BoxliftError, match="holds no backup") as caught:
        find_parts(str(tmp_path / "p"))
    assert "`mv 'b.tar (1).gz' b.tar.gz`" in caught.value.remedy
    with pytest.raises(BoxliftError, match="is not named like a backup") as caught:
        find_parts(str(tmp_path / "p" / "b.tar (1).gz"))
    assert "`mv 'b.tar (1).gz' b.tar.gz`" in caught.value.remedy


@pytest.mark.parametrize("kind", ("tar.gz", "enc.gz"))
@pytest.mark.parametrize("index", (0, 1))
def test_gunzipped_on_the_way(tmp_path: Path, kind: str, index: int) -> None:
    parts = written(tmp_path / "p", kind)
    parts[index].write_bytes(gzip.decompress(parts[index].read_bytes()))
    report = verify(str(parts[0]), "x")
    [volume] = report.damaged()
    assert (volume.name, volume.status) == (parts[index].name, "foreign")
    assert "gunzipped on the way" in volume.reason


def test_a_copy_beside_the_part_is_no_second_backup(tmp_path: Path) -> None:
    parts = written(tmp_path / "p")
    shutil.copy(parts[0], parts[0].with_name("b (1).tar.gz"))
    assert verify(str(tmp_path / "p")).intact

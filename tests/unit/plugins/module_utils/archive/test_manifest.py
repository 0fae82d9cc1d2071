# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manifest is taken of what is proven, names damaged bytes later, and never blames a part for its own damage."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive import manifest as manifest_module
from ansible_collections.boxlift.portal.plugins.module_utils.archive import sums as sums_module
from ansible_collections.boxlift.portal.plugins.module_utils.archive.manifest import (
    Comparison,
    compare,
    read_manifest,
    write_manifest,
)
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import PartFiles, find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.sums import (
    CHUNK,
    check_expected,
    expected_sums,
    sum_part,
)
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from lab.archive_writer import Entry, write_archive

from .conftest import Sample, make_sample

SMALL = 64 * 1024


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few MB have many chunks then."""
    monkeypatch.setattr(sums_module, "CHUNK", SMALL)
    monkeypatch.setattr(manifest_module, "CHUNK", SMALL)


def manifest_path(parts: PartFiles) -> str:
    """Beside the backup, as an operator would name it."""
    return str(Path(parts.directory) / f"{parts.base}.manifest.json")


def first_look(sample: Sample) -> str:
    """Prove the backup and write its manifest; the manifest's path."""
    report = verify(str(sample.part(0)), sample.password)
    path = manifest_path(report.parts)
    write_manifest(report, path)
    return path


def second_look(sample: Sample) -> Comparison:
    parts = find_parts(str(sample.directory))
    manifest = read_manifest(manifest_path(parts))
    assert manifest is not None
    return compare(parts, manifest)


def statuses(comparison: Comparison) -> dict[int, str]:
    return {volume.index: volume.status for volume in comparison.volumes if volume.status != "intact"}


def finding(outcome: t.Any, name: str) -> tuple[str, str]:
    [found] = [finding for finding in outcome.findings if finding.id == name]
    return found.status, found.observed


def test_the_manifest_is_what_was_proven(sample: Sample) -> None:
    path = Path(first_look(sample))
    assert path.name == f"{sample.base}.manifest.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = json.loads(path.read_text())
    assert content["base"] == sample.base
    for index, part in enumerate(content["parts"]):
        stored = sample.part(index).read_bytes()
        assert (part["size"], part["sha256"]) == (len(stored), hashlib.sha256(stored).hexdigest())
        pieces = [stored[start : start + SMALL] for start in range(0, len(stored), SMALL)]
        assert part["chunks"] == [hashlib.sha256(piece).hexdigest() for piece in pieces]
    if sample.password:
        assert sample.password not in path.read_text()


def test_the_same_again(sample: Sample) -> None:
    report = verify(str(sample.part(0)), sample.password)
    first_look(sample)
    again = second_look(sample)
    assert again.intact
    assert finding(again, "backup.checksums")[0] == "pass"
    assert finding(again, "backup.part_count")[0] == "pass"
    assert finding(again, "backup.dump") == finding(report, "backup.dump")
    now, then = again.as_dict(), report.as_dict()
    del now["findings"], then["findings"]
    assert now == then


def test_damaged_bytes_are_named(sample: Sample) -> None:
    first_look(sample)
    part = sample.part(1)
    content = bytearray(part.read_bytes())
    for place in (3, 2 * SMALL, 2 * SMALL + 9, 3 * SMALL, len(content) - 1):
        content[place] ^= 0x40
    part.write_bytes(content)
    comparison = second_look(sample)
    assert statuses(comparison) == {1: "corrupt"}
    volume = comparison.volumes[1]
    last = (len(content) - 1) // SMALL * SMALL
    assert volume.ranges == [(0, SMALL - 1), (2 * SMALL, 4 * SMALL - 1), (last, len(content) - 1)]
    assert volume.offset == 0
    assert volume.reason.startswith(f"bytes 0 to {SMALL - 1}, {2 * SMALL} to {4 * SMALL - 1}, {last} to ")
    assert volume.sha256 == hashlib.sha256(content).hexdigest()
    assert finding(comparison, "backup.checksums")[0] == "fail"


def test_content_of_an_uncompressed_archive_is_covered(tmp_path: Path) -> None:
    """The one fault that nothing in the format shows."""
    write_archive([Entry(b"a", data=b"needle" * 2000)], tmp_path, "base", kind="tar", part_limit=4096)
    sample = Sample(tmp_path, "base.tar", None)
    first_look(sample)
    sample.part(1).write_bytes(sample.part(1).read_bytes().replace(b"needle", b"noodle", 1))
    assert verify(str(sample.part(0))).intact
    assert statuses(second_look(sample)) == {1: "corrupt"}


@pytest.mark.parametrize("left", (0, 1, SMALL, SMALL + 1))
def test_a_part_that_was_cut(sample: Sample, left: int) -> None:
    first_look(sample)
    whole = sample.part(1).read_bytes()
    sample.part(1).write_bytes(whole[:left])
    comparison = second_look(sample)
    assert statuses(comparison) == {1: "truncated"}
    assert comparison.volumes[1].ranges == [(left // SMALL * SMALL, len(whole) - 1)]
    assert comparison.volumes[1].offset == left


def test_a_part_with_bytes_behind_it(sample: Sample) -> None:
    first_look(sample)
    whole = sample.part(1).read_bytes()
    sample.part(1).write_bytes(whole + b"more")
    comparison = second_look(sample)
    assert statuses(comparison) == {1: "corrupt"}
    assert comparison.volumes[1].ranges == [(len(whole) // SMALL * SMALL, len(whole) + 3)]
    assert comparison.volumes[1].reason.startswith(f"has {len(whole) + 4} bytes, not {len(whole)}; bytes ")


def test_missing_foreign_and_swapped_parts(sample: Sample) -> None:
    first_look(sample)
    last = sample.last
    sample.part(last + 1).write_bytes(b"nobody's")
    sample.part(0).rename(sample.directory / "spare")
    sample.part(1).rename(sample.part(0))
    (sample.directory / "spare").rename(sample.part(1))
    sample.part(2).unlink()
    comparison = second_look(sample)
    assert statuses(comparison) == {0: "out_of_order", 1: "out_of_order", 2: "missing", last + 1: "foreign"}
    assert comparison.volumes[0].reason == f"it holds the bytes of {sample.part(1).name}"
    assert comparison.summary().startswith(f"4 of {last + 2} parts are damaged: ")


def test_a_backup_that_is_not_intact_gets_no_manifest(sample: Sample) -> None:
    sample.part(1).unlink()
    report = verify(str(sample.part(0)), sample.password)
    with pytest.raises(BoxliftError, match="gets no manifest"):
        write_manifest(report, manifest_path(report.parts))
    assert not Path(manifest_path(report.parts)).exists()


def test_a_part_that_changes_between_proof_and_manifest(tmp_path: Path) -> None:
    sample = make_sample("tar", tmp_path / "backup")
    report = verify(str(sample.part(0)))
    content = bytearray(sample.part(3).read_bytes())
    content[700] ^= 1
    sample.part(3).write_bytes(content)
    with pytest.raises(BoxliftError, match=rf"{sample.part(3).name} has changed since it was verified"):
        write_manifest(report, manifest_path(report.parts))
    assert not Path(manifest_path(report.parts)).exists()


def test_a_damaged_manifest_blames_itself(tmp_path: Path) -> None:
    sample = make_sample("tar.gz", tmp_path / "backup")
    path = Path(first_look(sample))
    content = json.loads(path.read_text())
    sha256 = content["parts"][1]["chunks"][0]
    path.write_text(path.read_text().replace(sha256, sha256[:-1] + ("0" if sha256[-1] != "0" else "1")))
    with pytest.raises(BoxliftError, match=r"manifest .* is damaged"):
        read_manifest(str(path))
    for nonsense in ("[]", "{}", "{half"):
        path.write_text(nonsense)
        with pytest.raises(BoxliftError, match=r"is damaged|is not readable"):
            read_manifest(str(path))


def test_another_version_of_manifest_is_not_guessed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = first_look(make_sample("tar.gz", tmp_path / "backup"))
    monkeypatch.setattr(manifest_module, "VERSION", 2)
    with pytest.raises(BoxliftError, match="has version 1, which this release does not read"):
        read_manifest(path)


def test_the_manifest_of_another_backup(tmp_path: Path) -> None:
    one, other = make_sample("tar.gz", tmp_path / "one"), make_sample("enc.gz", tmp_path / "other")
    manifest = read_manifest(first_look(one))
    assert manifest is not None
    with pytest.raises(BoxliftError, match=rf"is that of {one.base}, not of {other.base}"):
        compare(find_parts(str(other.directory)), manifest)


def test_the_directory_of_a_manifest_is_looked_for_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(BoxliftError, match="does not exist"):
        read_manifest(str(tmp_path / "nowhere" / "m.json"))


def test_chunks_do_not_depend_on_how_much_a_read_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(io.FileIO):
        """Returns seven bytes at a time, as a network file system may."""

        def readinto(self, buffer: t.Any) -> int:
            return super().readinto(memoryview(buffer)[:7])

    part = tmp_path / "part"
    part.write_bytes(bytes(range(256)) * 300)
    expected = sum_part(str(part), lambda _length: None, True)
    monkeypatch.setattr(sums_module, "open", lambda path, _mode, buffering: Slow(path), raising=False)
    assert sum_part(str(part), lambda _length: None, True) == expected
    assert len(expected.chunks) == 2


def lines_of(sample: Sample) -> list[str]:
    """As sha256sum prints them."""
    names = [sample.part(index) for index in range(sample.last + 1)]
    return [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./backup/{path.name}" for path in names]


def expect(sample: Sample, lines: list[str]) -> t.Any:
    report = verify(str(sample.part(0)), sample.password)
    check_expected(report, expected_sums(lines, sample.base))
    return report


def test_all_sums_of_the_source(sample: Sample) -> None:
    report = expect(sample, [*lines_of(sample), "", f"{'0' * 64} *notes.txt"])
    assert report.intact
    count = sample.last + 1
    assert finding(report, "backup.checksums") == (
        "pass",
        f"All {count} parts have the sums that were taken at the source.",
    )


def test_a_part_with_another_sum_than_at_the_source(tmp_path: Path) -> None:
    """Content of an uncompressed archive: proven by the sum alone."""
    sample = make_sample("tar", tmp_path / "backup")
    lines = lines_of(sample)
    lines[2] = "f" * 64 + lines[2][64:]
    report = expect(sample, lines)
    assert not report.intact
    assert [(volume.name, volume.reason) for volume in report.damaged()] == [
        (sample.part(2).name, "its sha256 is not the one that was taken at the source")
    ]
    assert finding(report, "backup.checksums")[0] == "fail"
    assert finding(report, "backup.volumes")[0] == "fail"


def test_damage_that_came_from_the_source(packed: Sample) -> None:
    packed.part(1).write_bytes(packed.part(1).read_bytes()[:-9])
    report = expect(packed, lines_of(packed))
    assert not report.intact
    [volume] = report.damaged()
    assert volume.reason.endswith("it has the sum that was taken at the source, so it is damaged there")


def test_a_part_that_only_the_source_has(tmp_path: Path) -> None:
    """A .tar does not state its number of parts: cut where an entry ends, only the list tells."""
    sample = make_sample("tar", tmp_path / "backup")
    report = expect(sample, [*lines_of(sample), f"{'a' * 64}  {sample.base}.{sample.last + 1}"])
    assert [(volume.name, volume.status) for volume in report.damaged()] == [
        (f"{sample.base}.{sample.last + 1}", "missing")
    ]


def test_a_part_without_a_sum_is_named(sample: Sample) -> None:
    report = expect(sample, lines_of(sample)[:-1])
    assert report.intact
    status, said = finding(report, "backup.checksums")
    assert status == "unknown"
    assert said.startswith(f"No sum was given for {sample.part(sample.last).name}; ")


@pytest.mark.parametrize(
    ("lines", "message"),
    (
        ([], "have none for a part of base.tar"),
        ([f"{'0' * 64}  other.tar"], "have none for a part of base.tar"),
        (["0123  base.tar"], "Line 1 of the expected sums"),
        ([f"{'0' * 64}  base.tar", f"{'1' * 64}  base.tar"], "two different ones for base.tar"),
    ),
)
def test_sums_that_say_nothing(lines: list[str], message: str) -> None:
    with pytest.raises(BoxliftError, match=message):
        expected_sums(lines, "base.tar")


def test_the_size_of_chunks_outside_of_tests() -> None:
    assert CHUNK == 4 * 1024 * 1024

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that an archive holds several times: the last entry stays, whatever part it lies in and whatever is killed."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore import doubles as doubles_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore import restore as restore_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore import sink as sink_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore.pipeline import Pipeline
from ansible_collections.boxlift.portal.plugins.module_utils.restore.restore import Restore, RestoreRequest
from lab.archive_writer import Entry, write_archive

CONFIG = b"<?php\n$config = ['a' => 1];\n"
CP, UTF = "Прайс".encode("cp1251"), "Прайс".encode()


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def written(place: Path, entries: t.Sequence[Entry], part_limit: int, kind: str = "tar.gz") -> Path:
    (place / "source").mkdir(parents=True)
    password = "x" if kind.startswith("enc") else None
    return write_archive(entries, place / "source", "base", kind=kind, part_limit=part_limit, password=password)[0]


def request_for(place: Path, first: Path, **options: t.Any) -> RestoreRequest:
    password = "x" if ".enc" in first.name else None
    return RestoreRequest(str(first), str(place / "www"), str(place / "state"), password, **options)


def last_of(entries: t.Sequence[Entry]) -> dict[bytes, bytes]:
    """The tree as the vendor's reader leaves it."""
    return {entry.path: entry.data for entry in entries if entry.type == "file" and isinstance(entry.data, bytes)}


def files_in(root: Path) -> dict[bytes, bytes]:
    return {
        str(path.relative_to(root)).encode("utf-8", "surrogateescape"): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def said(first: Path) -> list[tuple[str, str]]:
    report = verify(str(first), "x" if ".enc" in first.name else None)
    assert report.intact, report.summary()
    return [(finding.status, finding.observed) for finding in report.findings if finding.id == "backup.doubles"]


def test_as_the_vendors_writer_does_it(tmp_path: Path) -> None:
    """`bitrix/.config.php` comes first of all, and again in the walk over the tree: placed once, and noted."""
    entries = [
        Entry(b"bitrix/.config.php", data=CONFIG),
        Entry(b"bitrix", type="dir"),
        Entry(b"bitrix/.config.php", data=CONFIG),
        Entry(b"bitrix/.settings.php", data=b"<?php\nreturn [];\n"),
        Entry(b"index.php", data=b"<?php\n"),
    ]
    first = written(tmp_path, entries, 100 * 1024 * 1024)
    told = (
        "'bitrix/.config.php' is in the archive twice with the same bytes "
        f"(sha256 {hashlib.sha256(CONFIG).hexdigest()}): it is placed once."
    )
    assert said(first) == [("pass", told)]
    result = Restore(request_for(tmp_path, first), None).run()
    assert files_in(tmp_path / "www") == last_of(entries)
    assert (result["files"], result["warnings"]) == (3, [])
    assert [row["observed"] for row in result["findings"] if row["id"] == "backup.doubles"] == [told]


@pytest.mark.parametrize("kind", ("tar.gz", "enc.gz"))
@pytest.mark.parametrize(
    ("copies", "between"),
    (
        ((b"1", b"2"), 0),  # in one part
        ((b"1", b"2", b"3"), 9000),  # in several
        ((b"1", b"2", b"1"), 100),
        ((noise(20000), noise(30000, 2)), 700),  # each spans parts
        ((noise(20000), b"short"), 9000),
        ((b"short", noise(20000)), 9000),
        ((b"", b"x", b""), 5000),
        ((noise(8192), noise(8192), noise(8192, 3)), 0),  # side by side, across each border
    ),
)
def test_the_last_one_stays(tmp_path: Path, kind: str, copies: t.Sequence[bytes], between: int) -> None:
    entries = [Entry(b"a", data=noise(3000, 9))]
    for number, content in enumerate(copies):
        entries += [Entry(b"d/twice", data=content, mode=0o600 + number, mtime=1000 + number)]
        entries += [Entry(b"fill/%d" % number, data=noise(between, number))]
    first = written(tmp_path, entries, 4096, kind)
    sums = [hashlib.sha256(content).hexdigest() for content in copies]
    [(status, told)] = said(first)
    assert status == "warn"
    assert f"with different bytes (sha256 {', then '.join(sums)}): the last one stays." in told
    result = Restore(request_for(tmp_path, first, jobs=4), None).run()
    found = files_in(tmp_path / "www")
    assert found == last_of(entries)
    kept = (tmp_path / "www" / "d" / "twice").stat()
    assert (kept.st_mode & 0o777, kept.st_mtime) == (0o600 + len(copies) - 1, 1000 + len(copies) - 1)
    assert (result["files"], result["bytes"]) == (len(found), sum(map(len, found.values())))
    assert [warning.startswith(told) for warning in result["warnings"]] == [True]
    assert not Restore(request_for(tmp_path, first), None).run()["changed"]


def test_a_name_behind_a_dot_is_the_same_name(tmp_path: Path) -> None:
    entries = [Entry(b"upload/a", data=b"1"), Entry(b"./upload/a", data=b"2")]
    first = written(tmp_path, entries, 4096)
    Restore(request_for(tmp_path, first), None).run()
    assert files_in(tmp_path / "www") == {b"upload/a": b"2"}
    assert said(first)[0][0] == "warn"


@pytest.mark.parametrize("order", list(itertools.permutations((CP, UTF, CP + b"#", UTF + b"#"), 4))[::5])
@pytest.mark.parametrize("part_limit", (512, 4096, 1 << 20))
def test_two_encodings_of_one_name(tmp_path: Path, order: t.Sequence[bytes], part_limit: int) -> None:
    """Whichever comes first: UTF-8 gets the name, cp1251 keeps its bytes; of each the last one (`#`) stays."""
    if order.index(CP) > order.index(CP + b"#") or order.index(UTF) > order.index(UTF + b"#"):
        order = order[::-1]
    entries = [Entry(name.rstrip(b"#"), data=name + noise(900)) for name in order]
    first = written(tmp_path, entries, part_limit)
    assert [status for status, _told in said(first)] == ["warn"]
    Restore(request_for(tmp_path, first, jobs=3), None).run()
    assert files_in(tmp_path / "www") == last_of(entries)


def test_raw_names_have_no_twins(tmp_path: Path) -> None:
    entries = [Entry(CP, data=b"1"), Entry(UTF, data=b"2"), Entry(CP, data=b"3")]
    result = Restore(request_for(tmp_path, written(tmp_path, entries, 512), raw_names=True), None).run()
    assert files_in(tmp_path / "www") == last_of(entries)
    assert result["files"] == 2


def test_what_is_excluded_is_no_double(tmp_path: Path) -> None:
    entries = [Entry(b"keep", data=b"1"), Entry(b"d/a", data=b"1"), Entry(b"d/a", data=b"2")]
    first = written(tmp_path, entries, 1536)
    result = Restore(request_for(tmp_path, first, exclude=("d",)), None).run()
    assert (files_in(tmp_path / "www"), result["excluded"], result["warnings"]) == ({b"keep": b"1"}, 2, [])
    report = verify(str(first), exclude=("d",))
    assert [finding for finding in report.findings if finding.id == "backup.doubles"] == []


def test_a_double_in_an_archive_within_the_archive_is_none(tmp_path: Path) -> None:
    """The search for the first header is misled by it, in a verification too."""
    (tmp_path / "inner").mkdir()
    inner = [Entry(b"same", data=noise(600, number)) for number in range(40)]
    packed = write_archive(inner, tmp_path / "inner", "inner", kind="tar")[0].read_bytes()
    entries = [Entry(b"a", data=noise(300)), Entry(b"copy.tar", data=packed), Entry(b"same", data=b"outer")]
    first = written(tmp_path, entries, 4096)
    assert said(first) == []
    Restore(request_for(tmp_path, first, jobs=4), None).run()
    assert files_in(tmp_path / "www") == last_of(entries)


@pytest.mark.parametrize("killed", (False, True))
@pytest.mark.parametrize("step", range(6))
def test_a_run_that_ends_at_any_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, killed: bool) -> None:
    """Before, within and after the last placing: the next run comes to the same end, with the same notes."""
    monkeypatch.setattr(restore_module, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(sink_module, "NOTE_SECONDS", 0.0)
    entries = [Entry(b"a", data=noise(3000))]
    for number in range(3):
        entries += [Entry(b"d/one", data=noise(9000, number)), Entry(b"d/two", data=b"%d" % (number // 2))]
        entries += [Entry(b"fill/%d" % number, data=noise(5000, number))]
    first = written(tmp_path, entries, 4096)
    steps, tried = itertools.count(), itertools.count()

    def ended(real: t.Any) -> t.Any:
        def run(*arguments: t.Any, **options: t.Any) -> t.Any:
            if next(steps) == step and killed:
                os._exit(9)
            if next(tried) == step:
                raise BoxliftError("stop", "")
            return real(*arguments, **options)

        return run

    with monkeypatch.context() as patch:
        patch.setattr(doubles_module.Doubles, "find", ended(doubles_module.Doubles.find))
        patch.setattr(Pipeline, "_again", ended(Pipeline._again))
        patch.setattr(doubles_module.Doubles, "_place", ended(doubles_module.Doubles._place))
        patch.setattr(Pipeline, "_settle", ended(Pipeline._settle))
        if killed and (child := os.fork()):
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        else:
            with pytest.raises(BoxliftError, match="stop"):
                Restore(request_for(tmp_path, first), None).run()
    assert not (tmp_path / "www").exists()
    result = Restore(request_for(tmp_path, first), None).run()
    found = files_in(tmp_path / "www")
    assert result["resumed"]
    assert found == last_of(entries)
    assert (result["files"], result["bytes"]) == (len(found), sum(map(len, found.values())))
    assert len(result["warnings"]) == 2


@pytest.mark.parametrize("seed", range(12))
def test_any_archive_with_doubles(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    names = [b"%d/%d" % (chance.randrange(4), number) for number in range(12)]
    entries = [Entry(b"top", type="dir")]
    for number in range(40):
        size = chance.choice((0, 1, 511, 512, 513, 3000, 12000))
        entries.append(Entry(chance.choice(names), data=noise(size, number), mtime=number))
    kind = chance.choice(("tar.gz", "enc.gz"))
    first = written(tmp_path, entries, chance.choice((1024, 4096, 16384)), kind)
    result = Restore(request_for(tmp_path, first, jobs=chance.choice((1, 4))), None).run()
    found = files_in(tmp_path / "www")
    assert found == last_of(entries), f"seed {seed}"
    assert (result["files"], result["bytes"]) == (len(found), sum(map(len, found.values())))
    assert {path: (tmp_path / "www" / path.decode()).stat().st_mtime for path in found} == {
        entry.path: entry.mtime for entry in entries if entry.type == "file"
    }
    twice = sum([entry.path for entry in entries].count(name) > 1 for name in names)
    assert len(said(first)) == twice

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts placed before it is known how they begin: whatever the guess meets, the tree is that of the archive."""

from __future__ import annotations

import dataclasses
import json
import random
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import scan_part
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan_json import from_json, layout, to_json
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore import restore as restore_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore.pipeline import Pipeline
from ansible_collections.boxlift.portal.plugins.module_utils.restore.restore import Restore, RestoreRequest
from lab.archive_writer import Entry, write_archive

from .test_restore_files import tree_of

JOBS = 4  # so many parts are begun before any of them is done


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def nested(tmp_path: Path, entries: t.Sequence[Entry]) -> bytes:
    """An archive of the same writer, as a portal has them in its upload folder."""
    (tmp_path / "nested").mkdir()
    return write_archive(entries, tmp_path / "nested", "inner", kind="tar")[0].read_bytes()


def restored(tmp_path: Path, entries: t.Sequence[Entry], part_limit: int, kind: str = "tar.gz") -> dict[str, t.Any]:
    """Restore an archive of `entries`, with many workers; the tree must be what one worker, in order, makes of it."""
    (tmp_path / "source").mkdir()
    first = write_archive(entries, tmp_path / "source", "base", kind=kind, part_limit=part_limit)[0]
    result = Restore(
        RestoreRequest(str(first), str(tmp_path / "a" / "www"), str(tmp_path / "sa"), jobs=JOBS), None
    ).run()
    Restore(RestoreRequest(str(first), str(tmp_path / "b" / "www"), str(tmp_path / "sb"), jobs=1), None).run()
    tree = tree_of(tmp_path / "a" / "www")
    in_order = tree_of(tmp_path / "b" / "www")
    assert set(tree) == set(in_order)
    assert all(tree[entry.path] == in_order[entry.path] for entry in entries)
    files = {entry.path: entry for entry in entries if entry.type == "file"}
    assert result["files"] == len(files)
    for path, entry in files.items():
        assert (tmp_path / "a" / "www" / path.decode()).read_bytes() == entry.data
        assert tree[path][1:] == (entry.mode, entry.mtime)
    assert set(tree) == {entry.path for entry in entries} | parents(entries)
    return result


def stop(_pipeline: Pipeline) -> None:
    raise BoxliftError("stop", "")


def interrupt(request: RestoreRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends when everything is placed."""
    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "_settle", stop)
        with pytest.raises(BoxliftError, match="stop"):
            Restore(request, None).run()


def parents(entries: t.Sequence[Entry]) -> set[bytes]:
    found = set()
    for entry in entries:
        parts = entry.path.split(b"/")
        found |= {b"/".join(parts[:depth]) for depth in range(1, len(parts))}
    return found


@pytest.mark.parametrize("kind", ("tar.gz", "tar"))
def test_an_archive_in_the_archive(tmp_path: Path, kind: str) -> None:
    """The guess takes the inner archive's entries for the backup's: they leave nothing behind, not even folders."""
    inner = [Entry(b"index.php", data=b"inner"), Entry(b"only/inside/a", data=noise(700)), Entry(b"empty", type="dir")]
    inner += [Entry(b"inside/%d" % number, data=noise(900, number)) for number in range(60)]
    entries = [
        Entry(b"upload/first.bin", data=noise(3000), mtime=5),
        Entry(b"upload/copy.tar", data=nested(tmp_path, inner), mtime=6),
        Entry(b"index.php", data=b"outer", mtime=7),
        Entry(b"last.txt", data=b"last", mtime=8),
    ]
    restored(tmp_path, entries, 8192, kind)


def test_a_wrong_guess_is_in_the_way_of_a_right_file(tmp_path: Path) -> None:
    """A folder of the inner archive has the name of the backup's own file, which comes first to no harm."""
    inner = [Entry(b"name/%d" % number, data=noise(900, number)) for number in range(60)]
    entries = [Entry(b"upload/copy.tar", data=nested(tmp_path, inner)), Entry(b"name", data=noise(20000))]
    restored(tmp_path, entries, 8192)


def test_a_file_through_many_parts(tmp_path: Path) -> None:
    entries = [
        Entry(b"a", data=noise(3000), mtime=1),
        Entry(b"large", data=noise(90_000), mode=0o600, mtime=2),
        Entry(b"b", data=noise(512), mtime=3),
        Entry(b"larger", data=noise(120_000), mtime=4),
    ]
    result = restored(tmp_path, entries, 8192)
    assert [row["index"] for row in result["timeline"]] == list(range(27))
    assert all(0 <= row["proven"][0] <= row["proven"][1] <= row["placed"][1] for row in result["timeline"])


@pytest.mark.parametrize("blocks", range(1, 7))
def test_long_names_across_the_border(tmp_path: Path, blocks: int) -> None:
    """The pair of a long name and its header, and the name itself, are cut by the part's end at each place."""
    entries = [Entry(b"f", data=noise(blocks * 512))]
    entries += [
        Entry(b"d%d/" % number + b"n" * 200 + b"/" + b"m" * 240, data=noise(600, number)) for number in range(20)
    ]
    restored(tmp_path, entries, 5 * 512)


def test_content_exactly_to_the_border(tmp_path: Path) -> None:
    entries = [Entry(b"f%d" % number, data=noise(512 * (number % 4)), mtime=number) for number in range(40)]
    restored(tmp_path, entries, 2048)


def test_two_entries_of_one_name_far_apart(tmp_path: Path) -> None:
    """The later one is placed first, and still it is the one that stays: the archive decides, not the order of work."""
    (tmp_path / "source").mkdir()
    entries = [Entry(b"a", data=noise(9000)), Entry(b"twice", data=b"1"), Entry(b"b", data=noise(30000))]
    entries.append(Entry(b"twice", data=b"2"))
    first = write_archive(entries, tmp_path / "source", "base", part_limit=8192)[0]
    request = RestoreRequest(str(first), str(tmp_path / "a" / "www"), str(tmp_path / "state"), jobs=JOBS)
    result = Restore(request, None).run()
    assert (tmp_path / "a" / "www" / "twice").read_bytes() == b"2"
    assert (result["files"], result["bytes"]) == (3, 39001)
    [warning] = result["warnings"]
    assert warning.startswith("'twice' is in the archive twice with different bytes (sha256 6b86b273ff34")


def test_a_used_part_that_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two runs the backup becomes another one of the same name: nothing of the first stays."""
    (tmp_path / "source").mkdir()
    entries = [Entry(b"d%d/%d" % (number, number), data=noise(900, number)) for number in range(40)]
    first = write_archive(entries, tmp_path / "source", "base", part_limit=8192)[0]
    request = RestoreRequest(str(first), str(tmp_path / "a" / "www"), str(tmp_path / "state"), jobs=JOBS)
    interrupt(request, monkeypatch)
    for part in first.parent.iterdir():
        part.unlink()
    other = [Entry(b"other/%d" % number, data=noise(900, number)) for number in range(30)]
    write_archive(other, tmp_path / "source", "base", part_limit=8192)
    result = Restore(request, None).run()
    assert result["files"] == 30
    assert {path.split(b"/")[0] for path in tree_of(tmp_path / "a" / "www")} == {b"other"}


def test_what_is_proven_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source").mkdir()
    entries = [Entry(b"d/%d" % number, data=noise(900, number)) for number in range(40)]
    first = write_archive(entries, tmp_path / "source", "base", part_limit=8192)[0]
    request = RestoreRequest(str(first), str(tmp_path / "a" / "www"), str(tmp_path / "state"), jobs=JOBS)
    interrupt(request, monkeypatch)
    given: list[int] = []
    monkeypatch.setattr(Pipeline, "_give_part", lambda self, index: given.append(index))
    assert Restore(request, None).run()["resumed"]
    assert not given


def test_a_scan_survives_json(tmp_path: Path) -> None:
    entries = [
        Entry(b"bitrix/backup/base.sql", data=b"-- Started\n" * 900),
        Entry(b"\xcf\xf0\xe0\xe9\xf1", data=noise(9000)),
    ]
    parts = find_parts(str(write_archive(entries, tmp_path, "base", part_limit=4096)[0]))
    for index in parts.present:
        scan = scan_part(parts, None, index)
        assert from_json(json.loads(json.dumps(to_json(scan)))) == scan


def test_checkpoints_hold_the_state_of_every_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore_module, "CHECKPOINT_SECONDS", 0.0)
    (tmp_path / "source").mkdir()
    first = write_archive([Entry(b"a", data=noise(40000))], tmp_path / "source", "base", part_limit=8192)[0]
    request = RestoreRequest(str(first), str(tmp_path / "a" / "www"), str(tmp_path / "state"), jobs=JOBS)
    interrupt(request, monkeypatch)
    state = json.loads(next((tmp_path / "state").glob("restore-*.json")).read_text())
    assert sorted(map(int, state["marks"]["parts"])) == list(range(5))


def test_what_another_version_has_noted_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its classes may have other names and fields: the restore begins anew, with nothing of the first in the way."""
    (tmp_path / "source").mkdir()
    entries = [Entry(b"d/%d" % number, data=noise(900, number)) for number in range(40)]
    first = write_archive(entries, tmp_path / "source", "base", part_limit=8192)[0]
    request = RestoreRequest(str(first), str(tmp_path / "a" / "www"), str(tmp_path / "state"), jobs=JOBS)
    interrupt(request, monkeypatch)
    path = next((tmp_path / "state").glob("restore-*.json"))
    state = json.loads(path.read_text().replace('"PartMark"', '"Mark"'))
    assert state["marks"].pop("layout")
    path.write_text(json.dumps(state))
    result = Restore(request, None).run()
    assert (result["files"], result["resumed"]) == (40, False)


def test_another_field_or_name_is_another_layout() -> None:
    kept = layout(dataclasses.make_dataclass("Kept", ["one"]))
    assert layout(dataclasses.make_dataclass("Kept", ["one"])) == kept
    assert layout(dataclasses.make_dataclass("Kept", ["one", "two"])) != kept
    assert layout(dataclasses.make_dataclass("Held", ["one"])) != kept

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle cut into pieces, and joined by the real join.sh; every piece lost and damaged in turn."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle import media
from unit.plugins.plugin_utils.bundle.conftest import SITE, Site, sh

LIMIT = 6000


@pytest.fixture
def pieces(bundle: Path, tmp_path: Path) -> Path:
    (bundle / "manual/big").write_bytes(bytes(range(256)) * 60)
    media.split(bundle, tmp_path / "media", LIMIT)
    return tmp_path / "media"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_joined_again_it_is_the_same(pieces: Path, bundle: Path, tmp_path: Path) -> None:
    done = sh(pieces / "join.sh", tmp_path / "joined bundle")
    assert done.code == 0, done
    assert contents(tmp_path / "joined bundle") == contents(bundle)
    assert sh(pieces / "join.sh", tmp_path / "joined bundle").code == 1  # nothing is overwritten


def test_the_pieces_fill_their_media(pieces: Path) -> None:
    sizes = [path.stat().st_size for path in sorted(pieces.glob("*.000?"))]
    assert len(sizes) >= 4 and set(sizes[:-1]) == {LIMIT} and 0 < sizes[-1] <= LIMIT


def test_a_verified_bundle_stays_one(keys: Site, bundle: Path, tmp_path: Path) -> None:
    media.split(bundle, tmp_path / "media", media.SMALLEST)
    sh(tmp_path / "media/join.sh", tmp_path / "joined")
    assert keys.verify(tmp_path / "joined").code == 0


def test_each_piece_damaged_or_lost_is_named_and_can_be_brought_again(pieces: Path, tmp_path: Path) -> None:
    kept = shutil.copytree(pieces, tmp_path / "kept")
    names = sorted(path.name for path in pieces.glob("*.000?"))
    for number, name in enumerate(names, 1):
        content = (pieces / name).read_bytes()
        for damaged in (bytes([content[0] ^ 1]) + content[1:], content[:-1], None):
            (pieces / name).unlink()
            if damaged is not None:
                (pieces / name).write_bytes(damaged)
            done = sh(pieces / "join.sh", tmp_path / "joined")
            assert done.code == 2 and not (tmp_path / "joined").exists()
            state = "missing" if damaged is None else "damaged"
            assert done.complaints == f"piece {number} of {len(names)} is {state}: {name}; bring it again\n"
        shutil.copy(kept / name, pieces / name)
    assert sh(pieces / "join.sh", tmp_path / "joined").code == 0


def test_all_that_is_wrong_is_said_at_once(pieces: Path, tmp_path: Path) -> None:
    (pieces / f"{SITE}-7.0001").unlink()
    (pieces / f"{SITE}-7.0003").write_bytes(b"")
    said = sh(pieces / "join.sh", tmp_path / "joined").complaints.splitlines()
    assert [line.split()[1] for line in said] == ["1", "3"]


def test_the_same_bundle_gives_the_same_pieces(pieces: Path, bundle: Path, tmp_path: Path) -> None:
    """So a lost piece can be made again by itself."""
    for path in bundle.rglob("*"):
        path.touch()
    media.split(bundle, tmp_path / "again", LIMIT)
    assert contents(tmp_path / "again") == contents(pieces)
    media.split(bundle, pieces, LIMIT)  # over those of before
    assert contents(tmp_path / "again") == contents(pieces)


def test_a_label_says_what_a_courier_needs(pieces: Path) -> None:
    sum_ = (pieces / "PIECES").read_text().split()[2]
    total = len(list(pieces.glob("*.000?")))
    assert (pieces / f"{SITE}-7.0002.txt").read_text().splitlines() == [
        f"Site:    {SITE}",
        f"Bundle:  {SITE}-7",
        f"Piece:   2 of {total}",
        f"File:    {SITE}-7.0002",
        "Size:    6000 bytes (5.9 KiB)",
        f"SHA-256: {sum_[:4]} {sum_[4:8]} {sum_[8:12]} ...",
    ]


def test_what_cannot_be_split(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BoxliftError, match="too small"):
        media.split(bundle, tmp_path / "media", 10)
    with pytest.raises(BoxliftError, match="is no bundle"):
        media.split(tmp_path, tmp_path / "media", LIMIT)
    with pytest.raises(BoxliftError, match="holds no pieces"):
        media.split(bundle, bundle, LIMIT)
    assert (bundle / "README.txt").exists()


def test_join_needs_the_list(pieces: Path, tmp_path: Path) -> None:
    (pieces / "PIECES").unlink()
    assert sh(pieces / "join.sh", tmp_path / "joined").code == 1
    assert sh(pieces / "join.sh").code == 1

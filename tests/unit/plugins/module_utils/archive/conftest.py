# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of every kind: the genuine ones where they are at hand, and others made from them part by part."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
from lab.reference import reference_backups


class Sample:
    """A backup in a folder of its own that a test may damage."""

    def __init__(self, directory: Path, base: str, password: str | None) -> None:
        self.directory = directory
        self.base = base
        self.password = password

    def part(self, index: int) -> Path:
        return self.directory / (self.base if index == 0 else f"{self.base}.{index}")

    @property
    def last(self) -> int:
        index = 0
        while self.part(index + 1).exists():
            index += 1
        return index


KINDS = ("tar.gz", "enc.gz", "tar", "enc")


@pytest.fixture(params=KINDS)
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> Sample:
    """One backup of each kind. The uncompressed kinds hold the same stream as the genuine compressed ones."""
    return make_sample(request.param, tmp_path / "backup")


@pytest.fixture(params=("tar.gz", "enc.gz"))
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> Sample:
    """The kinds whose every byte is proven by a checksum."""
    return make_sample(request.param, tmp_path / "backup")


def make_sample(kind: str, directory: Path) -> Sample:
    source = reference_backups()["plain_multi" if kind.startswith("tar") else "enc_multi"]
    manifest = json.loads((source / "manifest.json").read_text())
    directory.mkdir(parents=True)
    base = manifest["parts"][0]["name"]
    for part in manifest["parts"]:
        if kind.endswith(".gz"):
            shutil.copyfile(source / part["name"], directory / part["name"])
        else:
            plain = gzip.decompress((source / part["name"]).read_bytes())
            (directory / part["name"].replace(".gz", "")).write_bytes(plain)
    return Sample(directory, base if kind.endswith(".gz") else base.replace(".gz", ""), manifest["password"])

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup at the simulated cloud, over real TLS, and somewhere to fetch it to."""

from __future__ import annotations

import hashlib
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.download.bandwidth import BandwidthLimit
from ansible_collections.boxlift.portal.plugins.module_utils.download.fetch import Fetch
from ansible_collections.boxlift.portal.plugins.module_utils.download.request import FetchRequest
from ansible_collections.boxlift.portal.plugins.module_utils.http.client import Client
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import tls_context
from lab.archive_writer import Entry, write_archive
from lab.cloud.faults import Fault
from lab.cloud.server import CloudServer, Served

PASSWORD = "Ключ"
SEGMENT = 16384


class Lab:
    """`parts` are the files at the cloud; `slept` what the last fetch waited for."""

    def __init__(self, tmp_path: Path, tls: t.Any, kind: str) -> None:
        self.tls = tls
        self.folder = tmp_path / "cloud"
        self.folder.mkdir()
        self.dest = tmp_path / "dest"
        self.kind = kind
        self.password = PASSWORD if kind.startswith("enc") else None
        self.parts = self.write("one")
        self.slept: list[float] = []

    @property
    def size(self) -> int:
        return sum(part.stat().st_size for part in self.parts)

    def write(self, seed: str, noise_size: int = 256000, part_limit: int = 65536) -> list[Path]:
        """Put a backup at the cloud instead of the one that is there."""
        noise = hashlib.shake_256(seed.encode()).digest(noise_size)
        entries = [
            Entry(b"index.php", data=b"<?php " + seed.encode()),
            Entry(b"noise.bin", data=noise),
            Entry(b"end.txt", data=b"end"),
        ]
        new = self.folder / "new"
        new.mkdir()
        written = write_archive(entries, new, "base", kind=self.kind, part_limit=part_limit, password=self.password)
        self.parts = [path.replace(self.folder / path.name) for path in written]
        new.rmdir()
        for old in {*self.folder.glob("base*")} - {*self.parts}:
            old.unlink()
        return self.parts

    def cloud(self, *faults: tuple[int, Fault], folder: Path | None = None, rate: int | None = None) -> CloudServer:
        plan: dict[str, list[Fault]] = {}
        for index, fault in faults:
            plan.setdefault(self.parts[index].name, []).append(fault)
        folder = folder or self.folder
        return CloudServer(folder, certificate=self.tls.certificate, key=self.tls.key, faults=plan, rate=rate)

    def prepare(self, url: str, **options: t.Any) -> Fetch:
        client = Client(
            options.pop("headers", {}),
            options.pop("timeout", 10),
            options.pop("context", None) or tls_context(str(self.tls.authority), True),
        )
        others = {name: options.pop(name) for name in ("prove", "progress") if name in options}
        sleep = options.pop("sleep", self.slept.append)
        pace = options.pop("pace", None) or BandwidthLimit(None)
        request = FetchRequest(
            url,
            str(self.dest),
            options.pop("password", self.password),
            options.pop("connections", 2),
            segment=options.pop("segment", SEGMENT),
            **options,
        )
        self.slept.clear()
        return Fetch(request, client, pace, sleep=sleep, **others)

    def fetch(self, *faults: tuple[int, Fault], **options: t.Any) -> tuple[dict[str, t.Any], CloudServer]:
        with self.cloud(*faults) as cloud:
            return self.prepare(options.pop("url", f"{cloud.url}{self.parts[0].name}"), **options).run(), cloud

    def assert_here(self) -> None:
        for part in self.parts:
            assert (self.dest / part.name).read_bytes() == part.read_bytes()
        assert sorted(path.name for path in self.dest.iterdir() if not path.name.startswith(".")) == sorted(
            part.name for part in self.parts
        )
        assert list(self.dest.glob(".*.partial*")) == []


def of_part(served: list[Served], name: str) -> list[Served]:
    """The requests for one part."""
    return [request for request in served if request.path.partition("?")[0].rpartition("/")[2] == name]


@pytest.fixture
def lab(tmp_path: Path, tls: t.Any) -> Lab:
    return Lab(tmp_path, tls, "enc.gz")

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where verify and extract spend their time: seconds of one core, each stage including those before it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.inflate import READ_SIZE, Inflater
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import scan_part
from ansible_collections.boxlift.portal.plugins.module_utils.archive.stream import PartStream, backup_cipher
from ansible_collections.boxlift.portal.plugins.module_utils.restore.parts import Chain
from ansible_collections.boxlift.portal.plugins.module_utils.restore.tasks import OfferedPart, ProvePart
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import StagingTree

_RUNS = 3


def main() -> None:
    """Usage: profile FIRST_PART PASSWORD FOLDER. Prints a JSON list of [stage, user seconds, kernel seconds]."""
    first, password, work = sys.argv[1:]
    folder = tempfile.mkdtemp(dir=work)
    parts = find_parts(first)
    cipher = backup_cipher(parts, password or None)
    paths = list(parts.present.values())
    stages: list[tuple[str, t.Callable[[], None]]] = [
        ("reading", lambda: read(paths)),
        ("… and inflating", lambda: inflate(paths)),
        ("… and sha256" + (", decrypting" if cipher else ""), lambda: stream(paths, parts.kind, cipher)),
        ("… and walking headers (verify)", lambda: verify(parts, cipher)),
        ("… and placing files (verify and extract)", lambda: place(parts, cipher, folder)),
    ]
    try:
        print(json.dumps([[name, *min(map(cost, [stage] * _RUNS), key=sum)] for name, stage in stages]))
    finally:
        shutil.rmtree(folder)


def cost(stage: t.Callable[[], None]) -> tuple[float, float]:
    before = os.times()
    stage()
    after = os.times()
    return after.user - before.user, after.system - before.system


def blocks(path: str) -> t.Iterator[bytes]:
    with open(path, "rb") as part:
        while block := part.read(READ_SIZE):
            yield block


def read(paths: list[str]) -> None:
    for path in paths:
        for _block in blocks(path):
            pass


def inflate(paths: list[str]) -> None:
    for path in paths:
        for _chunk in Inflater().chunks(blocks(path)):
            pass


def stream(paths: list[str], kind: t.Any, cipher: Cipher | None) -> None:
    for path in paths:
        for _chunk in PartStream(path, kind, cipher).chunks():
            pass


def verify(parts: t.Any, cipher: Cipher | None) -> None:
    for index in parts.present:
        assert scan_part(parts, cipher, index).fault is None


def place(parts: t.Any, cipher: Cipher | None, folder: str) -> None:
    work = tempfile.mkdtemp(dir=folder)  # removing it is not part of what is measured
    os.mkdir(f"{work}/tree")
    chain, path = Chain(), None
    for index, part_path in parts.present.items():
        start = chain.starts[index]
        part = OfferedPart(index, parts.name(index), part_path, part_path, parts.kind, cipher)
        proven = ProvePart(part, start, path, StagingTree(f"{work}/tree", -1, -1), f"{work}/log-{index}").run(
            lambda _note: None
        )
        assert proven.mark is not None and chain.follow(proven.scan, start), proven.reason
        path = proven.path if proven.scan.walk and proven.scan.walk.first is not None else path


if __name__ == "__main__":
    main()

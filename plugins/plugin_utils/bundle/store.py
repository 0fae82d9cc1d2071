# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was fetched once: packages under their SHA-256, and answers of archives under the question."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file


class Store:
    """A folder that bundles are made from; nothing in it is trusted without its sum."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.fetched = 0  # files that came from outside
        self.fetched_bytes = 0

    def tmp(self) -> pathlib.Path:
        """Where files lie while they come."""
        place = self.folder / "tmp"
        place.mkdir(parents=True, exist_ok=True)
        return place

    def path(self, sha256: str) -> pathlib.Path:
        return self.folder / "sha256" / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        return self.path(sha256).exists()

    def take(self, sha256: str, dest: pathlib.Path) -> bool:
        """Copy it to `dest`. False where it is not here, or is not what it was; then it is removed."""
        source, digest = self.path(sha256), hashlib.sha256()
        dest.parent.mkdir(parents=True, exist_ok=True)
        try:
            with source.open("rb") as reading, dest.open("wb") as writing:
                while block := reading.read(2**20):
                    digest.update(block)
                    writing.write(block)
        except FileNotFoundError:
            return False
        if digest.hexdigest() == sha256:
            return True
        source.unlink()
        dest.unlink()
        return False

    def keep(self, found: pathlib.Path, sha256: str) -> None:
        """Move a file that was fetched into the store. Raises BoxliftError where its sum is another one."""
        digest = hashlib.sha256(found.read_bytes()).hexdigest()
        if digest != sha256:
            raise BoxliftError(
                f"{found.name} came with the SHA-256 {digest}, and {sha256} was announced.",
                "Fetch again; where it stays so, the mirror is wrong or somebody is between.",
            )
        self.fetched += 1
        self.fetched_bytes += found.stat().st_size
        place = self.path(sha256)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(found, place)

    def answer(self, kind: str, question: t.Any, ask: t.Callable[[], t.Any], again: bool) -> t.Any:
        """What `ask` answered to this question last time, or now where it never did or `again` is set."""
        key = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
        place = self.folder / "answers" / kind / f"{key}.json"
        if not again:
            with contextlib.suppress(FileNotFoundError, ValueError):
                return json.loads(place.read_bytes())
        answer = ask()
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_file(place, json.dumps(answer, sort_keys=True).encode(), durable=False)
        return answer

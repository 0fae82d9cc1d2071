# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of a backup's parts and the four kinds of archive (docs/archive-format.md, section 1)."""

from __future__ import annotations

import dataclasses
import os
import re

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

_NUMBERED = re.compile(r"^(?P<base>.+)\.(?P<index>[0-9]+)$")
_SUFFIXES = (
    (".tar.gz", True, False),
    (".tgz", True, False),
    (".enc.gz", True, True),
    (".tar", False, False),
    (".enc", False, True),
)


@dataclasses.dataclass(frozen=True)
class Kind:
    """`format` is the suffix without its dot: tar, tar.gz, enc or enc.gz."""

    format: str
    compressed: bool
    encrypted: bool


@dataclasses.dataclass(frozen=True)
class PartFiles:
    """The files of one backup in a directory; `present` maps a part's number to its path, in order."""

    directory: str
    base: str
    kind: Kind
    present: dict[int, str]

    def name(self, index: int) -> str:
        return part_name(self.base, index)

    def path(self, index: int) -> str:
        return os.path.join(self.directory, self.name(index))


def part_name(base: str, index: int) -> str:
    """The first part carries no number: `X.tar.gz`, `X.tar.gz.1`, `X.tar.gz.2` …"""
    return base if index == 0 else f"{base}.{index}"


def split_name(name: str) -> tuple[str, int]:
    """(`X.tar.gz`, 12) for `X.tar.gz.12`; a name without a number is part 0."""
    match = _NUMBERED.match(name)
    if match and kind_or_none(match["base"]):
        return match["base"], int(match["index"])
    return name, 0


def kind_or_none(base: str) -> Kind | None:
    for suffix, compressed, encrypted in _SUFFIXES:
        if base.lower().endswith(suffix) and len(base) > len(suffix):
            return Kind("tar.gz" if suffix == ".tgz" else suffix[1:], compressed, encrypted)
    return None


def kind_of(base: str) -> Kind:
    """The kind by the end of the first part's name, as the vendor's reader decides. Raises BoxliftError."""
    kind = kind_or_none(base)
    if kind is None:
        raise BoxliftError(
            f"{base} is not named like a backup: .tar, .tar.gz, .enc or .enc.gz, with .1, .2 … on later parts.",
            "Give the path of the first part under the name it was downloaded with.",
        )
    return kind


def find_parts(path: str) -> PartFiles:
    """All parts of the backup that `path` belongs to; `path` is its first part, or a directory that holds one backup.

    Numbers are compared as numbers (`.10` comes after `.9`), and a name is only a part when its number is written
    the way the writer writes it (`.1`, never `.01`).
    """
    if os.path.isdir(path):
        path = os.path.join(path, _only_backup(path))
    directory, name = os.path.split(os.path.abspath(path))
    base, _index = split_name(name)
    kind = kind_of(base)
    present = {}
    if os.path.isdir(directory):
        for entry in os.listdir(directory):
            entry_base, index = split_name(entry)
            if (
                entry_base == base
                and entry == part_name(base, index)
                and os.path.isfile(os.path.join(directory, entry))
            ):
                present[index] = os.path.join(directory, entry)
    if not present:
        raise BoxliftError(
            f"No part of {base} was found in {directory}.",
            "Give the path of the backup's first part, the one without a number.",
        )
    return PartFiles(directory, base, kind, dict(sorted(present.items())))


def _only_backup(directory: str) -> str:
    bases = sorted({base for base, _index in map(split_name, os.listdir(directory)) if kind_or_none(base)})
    if len(bases) == 1:
        return bases[0]
    if not bases:
        raise BoxliftError(f"{directory} holds no backup.", "Give the path of the backup's first part.")
    raise BoxliftError(
        f"{directory} holds {len(bases)} backups: {', '.join(bases)}.", "Give the path of one first part."
    )

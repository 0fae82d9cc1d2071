# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of a backup's parts and the four kinds of archive (docs/archive-format.md, section 1)."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex

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
    """The files of one backup in a directory; `present` maps a part's number to its path, in order.

    `look_alikes` maps a number to names that look like that part, and are not its name.
    """

    directory: str
    base: str
    kind: Kind
    present: dict[int, str]
    look_alikes: dict[int, list[str]] = dataclasses.field(default_factory=dict)

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
            _renaming(base) or "Give the path of the first part under the name it was downloaded with.",
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
    look_alikes: dict[int, list[str]] = {}
    if os.path.isdir(directory):
        for entry in sorted(os.listdir(directory)):
            entry_base, index = split_name(entry)
            if (
                entry_base == base
                and entry == part_name(base, index)
                and os.path.isfile(os.path.join(directory, entry))
            ):
                present[index] = os.path.join(directory, entry)
            elif (alike := look_alike(entry, base)) is not None:
                look_alikes.setdefault(alike, []).append(entry)
    if not present and look_alikes:
        first = min(look_alikes)
        raise BoxliftError(
            f"No part of {base} was found in {directory}, only files that look like parts of it.",
            f"{advice(look_alikes[first], part_name(base, first))}, and so on.".capitalize(),
        )
    if not present:
        raise BoxliftError(
            f"No part of {base} was found in {directory}.",
            "Give the path of the backup's first part, the one without a number.",
        )
    return PartFiles(directory, base, kind, dict(sorted(present.items())), look_alikes)


# What browsers, file managers and mail programs make of a name: a number of the copy, an ending by the content's type.
_COPY = re.compile(r"[ _]?\(\d+\)|( [-–—] )(copy|копия|kopie|copie)( \(\d+\))?", re.IGNORECASE)
_UNFINISHED = (".part", ".crdownload", ".download", ".partial", ".opdownload", ".tmp")
_ENDINGS = r"(?:\.(?:gz|gzip|tgz|tar|enc|txt|bin|dat|zip|html?))*"
_NUMBER = r"(?:[._-]?0*(\d+))?"


def look_alike(name: str, base: str) -> int | None:
    """The number of the part of `base` that `name` looks like under a wrong name, None where it looks like none."""
    stem = re.sub(r"(\.tar\.gz|\.tgz|\.enc\.gz|\.tar|\.enc)$", "", base, flags=re.IGNORECASE)
    inner = "enc" if ".enc" in base[len(stem) :].lower() else "tar"
    plain, known = _COPY.sub("", name).strip(), _COPY.sub("", stem)
    for ending in _UNFINISHED:
        plain = plain[: -len(ending)] if plain.lower().endswith(ending) else plain
    between = r"(?:[._-]0*(\d+))?"
    packed = rf"(?:\.{inner}{between}(?:\.gz)?|{between}\.tgz)"
    match = re.fullmatch(rf"{re.escape(known)}{between}{packed}{_NUMBER}{_ENDINGS}", plain, re.IGNORECASE)
    numbers = [number for number in match.groups() if number is not None] if match else [""] * 2
    if len(numbers) > 1 or (split_name(name)[0] == base and name == part_name(base, split_name(name)[1])):
        return None
    return int(numbers[0]) if numbers else 0


def advice(names: list[str], own: str) -> str:
    """What to do about files that look like the part `own`."""
    name = names[0]
    if any(name.lower().endswith(ending) for ending in _UNFINISHED):
        return f"{name!r} looks like it, and its download has not ended: fetch it to its end"
    if own.lower().rstrip(".0123456789").endswith("gz") and not re.search(r"gz|zip", name, re.IGNORECASE):
        return f"{name!r} looks like it and was gunzipped on the way: fetch it with backup_fetch or curl"
    others = f" (as do {len(names) - 1} more)" if len(names) > 1 else ""
    return f"{name!r} looks like it{others}: rename it by `mv {shlex.quote(name)} {shlex.quote(own)}`"


def _renaming(name: str) -> str:
    """The command that gives a first part its name back, empty where it cannot be told."""
    plain = re.sub(r"\.gz(\.gz|\.gzip|\.txt|\.bin)+$", ".gz", _COPY.sub("", name).strip(), flags=re.IGNORECASE)
    base, index = split_name(plain)
    if plain == name or kind_or_none(base) is None:
        return ""
    command = f"mv {shlex.quote(name)} {shlex.quote(part_name(base, index))}"
    return f"It looks like a part that was renamed on the way: `{command}`."


def _only_backup(directory: str) -> str:
    names = os.listdir(directory)
    bases = sorted({base for base, _index in map(split_name, names) if kind_or_none(base)})
    own = sorted({_COPY.sub("", base) for base in bases})
    if len(own) == 1 and own[0] in bases:
        return own[0]
    begun = [base for base in bases if base in names]
    others = [name for name in names if kind_or_none(split_name(name)[0]) and split_name(name)[0] not in begun]
    if len(begun) == 1 and all(look_alike(name, begun[0]) is not None for name in others):
        return begun[0]
    if len(bases) == 1:
        return bases[0]
    if not bases:
        hints = sorted(filter(None, map(_renaming, names)))
        raise BoxliftError(
            f"{directory} holds no backup.", hints[0] if hints else "Give the path of the backup's first part."
        )
    raise BoxliftError(
        f"{directory} holds {len(bases)} backups: {', '.join(bases)}.", "Give the path of one first part."
    )

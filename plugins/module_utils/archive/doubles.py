# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries that want one place in the tree: the same name twice, or a file where other entries need a folder.

The vendor's writer itself stores `bitrix/.config.php` twice. Its reader lets the later entry stay; so does a restore.
Of each name only a hash of eight bytes is kept. Where two are equal, the parts that hold them are read once more.
"""

from __future__ import annotations

import array
import dataclasses
import hashlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import HEADER_SIZE, Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.names import placed_name
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import PartFiles
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import backup_finding
from ansible_collections.boxlift.portal.plugins.module_utils.archive.safety import excluded, refusal
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import MOST_NAMED
from ansible_collections.boxlift.portal.plugins.module_utils.archive.stream import PartStream
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry, State, Walker, printable
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding

MOST_NAMES = 20_000_000  # kept of one part; a portal has a few million files in all
_BUCKETS = 256  # so that only a small part of all names is a set at a time


def place_of(path: bytes, raw_names: bool) -> bytes:
    """The path of an entry in the tree; with `raw_names` entries keep the bytes of their names there."""
    return path if raw_names else placed_name(path)


def key_of(path: bytes) -> int:
    """Stands for a path of the tree in comparisons."""
    return int.from_bytes(hashlib.blake2b(path, digest_size=8).digest(), "little")


class NameKeys:
    """The keys of one part's files, and of the folders that they need: a `Companion` of archive/scan.py.

    `raw_names`: names keep their bytes in the tree. `full`: there are more than MOST_NAMES.
    """

    def __init__(self, exclude: t.Sequence[str] = (), raw_names: bool = False) -> None:
        self.files = array.array("Q")
        self.folders: set[int] = set()
        self.full = False
        self._exclude = exclude
        self._raw_names = raw_names
        self._last_folder = b""

    def begin(self, entry: Entry) -> None:
        if excluded(entry.path, self._exclude) or refusal(entry.path):
            return
        path = place_of(entry.path, self._raw_names)
        if entry.is_directory:
            self._need(path)
        else:
            self.add_file(path)

    def add_file(self, path: bytes) -> None:
        """Add a file by its path in the tree."""
        if len(self.files) + len(self.folders) >= MOST_NAMES:
            self.full = True
            return
        self.files.append(key_of(path))
        folder = path.rpartition(b"/")[0]
        if folder != self._last_folder:
            self._last_folder = folder
            self._need(folder)

    def _need(self, folder: bytes) -> None:
        while folder:
            key = key_of(folder)
            if key in self.folders:
                return
            self.folders.add(key)
            folder = folder.rpartition(b"/")[0]

    def data(self, content: memoryview) -> None:
        """Only names count here."""

    def end(self, entry: Entry) -> None:
        """Only names count here."""

    def unsafe(self, path: bytes, reason: str) -> None:
        """Refused anyway."""

    def lead(self, content: memoryview) -> None:
        """Only names count here."""

    def withdraw(self) -> None:
        """The walk was misled or the part is damaged: its names are those of another walk."""
        self.files, self.folders, self._last_folder = array.array("Q"), set(), b""


class Clashes(t.NamedTuple):
    """Keys of names that are there twice, and of files where a folder is needed."""

    twice: set[int]
    in_the_way: set[int]


def clashes(parts: t.Iterable[NameKeys]) -> Clashes:
    """What is there twice in all parts together."""
    found = Clashes(set(), set())
    files = [array.array("Q") for _number in range(_BUCKETS)]
    folders: list[set[int]] = [set() for _number in range(_BUCKETS)]
    for keys in parts:
        for key in keys.files:
            files[key % _BUCKETS].append(key)
        for key in keys.folders:
            folders[key % _BUCKETS].add(key)
    for number, bucket in enumerate(files):
        seen: set[int] = set()
        for key in bucket:
            if key in seen:
                found.twice.add(key)
            seen.add(key)
        found.in_the_way.update(seen & folders[number])
    return found


@dataclasses.dataclass(frozen=True)
class Occurrence:
    """A file of the archive. `index` is the part that it begins in, `offset` its place there, `last` where it ends."""

    path: bytes
    index: int
    offset: int
    last: int
    size: int
    sha256: str
    mode: int
    mtime: int

    def entry(self) -> Entry:
        """It as an entry again."""
        return Entry(self.path, False, self.size, self.mode, self.mtime, self.offset)


class _Finder:
    """A `Sink` that takes the entries whose key is wanted, and gives their content to `take`."""

    def __init__(self, wanted: t.Callable[[Entry], bool], take: t.Callable[[Entry, memoryview | None], None]) -> None:
        self._wanted = wanted
        self._take = take
        self._entry: Entry | None = None

    @property
    def busy(self) -> bool:
        return self._entry is not None

    def begin(self, entry: Entry) -> None:
        self._entry = entry if not entry.is_directory and self._wanted(entry) else None

    def data(self, content: memoryview) -> None:
        if self._entry is not None:
            self._take(self._entry, content)

    def end(self, entry: Entry) -> None:
        if self._entry is not None:
            self._take(self._entry, None)
            self._entry = None

    def unsafe(self, path: bytes, reason: str) -> None:
        """Refused anyway."""


def read_entries(
    parts: PartFiles,
    cipher: Cipher | None,
    starts: t.Mapping[int, State],
    index: int,
    wanted: t.Callable[[Entry], bool],
    take: t.Callable[[Entry, memoryview | None, int], None],
) -> None:
    """Read the entries of a proven backup that begin in part `index`, to their end in a later part.

    `take` gets each piece of a wanted entry's content, and None at its end, with the part that the piece lies in.
    """
    place = index
    finder = _Finder(lambda entry: place == index and wanted(entry), lambda entry, piece: take(entry, piece, place))
    skip = HEADER_SIZE if index == 0 and parts.kind.encrypted else 0
    walker = Walker(finder, starts[index], skip)
    while True:
        for chunk in PartStream(parts.present[place], parts.kind, cipher).chunks():
            view = memoryview(chunk)[skip:]
            skip = 0
            walker.feed(view)
            if place > index and not finder.busy:
                return
        place += 1
        if not finder.busy or place not in parts.present:
            return


def occurrences(
    parts: PartFiles,
    cipher: Cipher | None,
    starts: t.Mapping[int, State],
    indexes: t.Iterable[int],
    keys: t.AbstractSet[int],
    raw_names: bool = False,
) -> list[Occurrence]:
    """The files of these parts whose key is one of `keys`, in the order of the stream, with their sums."""
    found: list[Occurrence] = []
    for index in sorted(indexes):
        total = hashlib.sha256()

        def wanted(entry: Entry) -> bool:
            return key_of(place_of(entry.path, raw_names)) in keys

        def take(entry: Entry, piece: memoryview | None, place: int, index: int = index) -> None:
            nonlocal total
            if piece is not None:
                total.update(piece)
                return
            at = (entry.path, index, entry.offset, place)
            found.append(Occurrence(*at, entry.size, total.hexdigest(), entry.mode, entry.mtime))
            total = hashlib.sha256()

        read_entries(parts, cipher, starts, index, wanted, take)
    return found


def by_place(found: t.Iterable[Occurrence], raw_names: bool = False) -> list[list[Occurrence]]:
    """Those that want one place in the tree, together; each group has at least two."""
    groups: dict[bytes, list[Occurrence]] = {}
    for occurrence in found:
        groups.setdefault(place_of(occurrence.path, raw_names), []).append(occurrence)
    return [group for group in groups.values() if len(group) > 1]


def stays(group: t.Sequence[Occurrence], raw_names: bool = False) -> dict[bytes, Occurrence]:
    """What of a group stays, by its path in the tree: of each name the last one, and each under another path.

    A name in UTF-8 gets the path, and the same one in cp1251 keeps its bytes.
    """
    last = {occurrence.path: occurrence for occurrence in group}
    if len(last) == 1 and not raw_names:
        return {placed_name(group[-1].path): group[-1]}
    return dict(last)


def findings_about(groups: t.Sequence[t.Sequence[Occurrence]], in_the_way: t.Sequence[Occurrence]) -> list[Finding]:
    """What a verification says of them."""
    findings = []
    for group in groups[:MOST_NAMED]:
        status, said, remedy = _told(group)
        findings.append(backup_finding("backup.doubles", status, said, "every name once", remedy))
    if len(groups) > MOST_NAMED:
        more = f"{len(groups) - MOST_NAMED} more names are in the archive several times."
        findings.append(backup_finding("backup.doubles", "warn", more, "every name once", _COMPARE))
    findings += [
        backup_finding(
            "backup.entry",
            "fail",
            f"Entry {printable(occurrence.path)!r} is refused: it is a file, and other entries need a folder there.",
            "files and folders of different names",
            "Leave the file out by exclude, if the folder is the right one; else order a new backup.",
        )
        for occurrence in in_the_way[:MOST_NAMED]
    ]
    return findings


_COMPARE = "Compare the restored file with the source, and put the other one in its place if that is the right one."


def _told(group: t.Sequence[Occurrence]) -> tuple[str, str, str]:
    name = printable(group[0].path)
    times = "twice" if len(group) == 2 else f"{len(group)} times"
    if len({occurrence.path for occurrence in group}) > 1:
        said = f"{name!r} is in the archive in UTF-8 and in cp1251: UTF-8 gets the name, the other keeps its bytes."
        return "warn", said, "Look whether both are of use, and remove the one that is not."
    sums = list(dict.fromkeys(occurrence.sha256 for occurrence in group))
    if len(sums) == 1:
        said = f"{name!r} is in the archive {times} with the same bytes (sha256 {sums[0]}): it is placed once."
        return "pass", said, ""
    listed = ", then ".join(occurrence.sha256 for occurrence in group[-MOST_NAMED:])
    said = f"{name!r} is in the archive {times} with different bytes (sha256 {listed}): the last one stays."
    return "warn", said, _COMPARE

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that want one place in the tree: found when all parts but theirs are placed, and placed last of all.

What stays is what the vendor's reader leaves: the entry that comes last in the stream (archive/doubles.py).
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.doubles import (
    NameKeys,
    Occurrence,
    by_place,
    clashes,
    occurrences,
    read_entries,
    stays,
)
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import PartFiles
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import scan_part
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry, State
from ansible_collections.boxlift.portal.plugins.module_utils.restore.parts import PartTable
from ansible_collections.boxlift.portal.plugins.module_utils.restore.sink import Routes
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import (
    StagingTree,
    TreeWriter,
    logged_files,
)


class Doubles:
    """Of a backup that is proven whole. `log` gives the path of a part's log."""

    def __init__(
        self, tree: StagingTree, routes: Routes, log: t.Callable[[int], str], files: PartFiles, parts: PartTable
    ) -> None:
        self._raw = tree.raw_names
        self._routes = routes
        self._log = log
        self._files = files
        self._parts = parts

    @property
    def _starts(self) -> dict[int, State]:
        return dict(enumerate(self._parts.chain.starts))

    def find(self, unplaced: t.Sequence[int], cipher: Cipher | None) -> list[list[Occurrence]]:
        """The files that want one place, together. At least one of them is in a part that could not be placed.

        The logs tell the names in the other parts, so that few parts are read again.
        """
        names = {}
        for index in self._parts.states:
            names[index] = NameKeys(self._routes.exclude, self._raw)
            if index in unplaced:
                start = (self._starts[index], b"")
                scan_part(self._files, cipher, index, start=start, companion=names[index])
            elif os.path.exists(self._log(index)):
                for path in logged_files(self._log(index)):
                    names[index].add_file(path)
        twice = clashes(names.values()).twice
        holding = [index for index, part in names.items() if not twice.isdisjoint(part.files)]
        found = occurrences(self._files, cipher, self._starts, holding, twice, self._raw)
        return by_place((file for file in found if self._routes.of(file.entry()) == "tree"), self._raw)

    def place(self, writer: TreeWriter, groups: t.Iterable[t.Sequence[Occurrence]], cipher: Cipher | None) -> None:
        """Put what stays of each group in its place, over whatever stands there. Can be repeated after a kill."""
        for group in groups:
            for path, file in stays(group, self._raw).items():
                self._place(writer, path, file, cipher)

    def _place(self, writer: TreeWriter, path: bytes, file: Occurrence, cipher: Cipher | None) -> None:
        def write(_entry: Entry, piece: memoryview | None, _part: int) -> None:
            if piece is not None:
                writer.write(piece)

        writer.replace_file(file.entry(), path)
        read_entries(self._files, cipher, self._starts, file.index, lambda entry: entry.offset == file.offset, write)
        writer.end_file()

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be fetched."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import part_name, split_name
from ansible_collections.boxlift.portal.plugins.module_utils.download.partial import SEGMENT
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

_SHA256 = re.compile(r"^[0-9a-f]{64}$")


@dataclasses.dataclass(frozen=True)
class FetchRequest:
    """`url` and `mirrors` are addresses of the first part, or its path on a disk that was brought here.

    `expected` maps a part's name to its sha256. `segment` is the size of a range. `part_count` is the number of parts
    as somebody states it, None where the archive or the source must tell it.
    """

    url: str = dataclasses.field(repr=False)
    dest: str
    password: str | None = dataclasses.field(default=None, repr=False)
    connections: int = 4
    mirrors: t.Sequence[str] = dataclasses.field(default=(), repr=False)
    expected: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    segment: int = SEGMENT
    part_count: int | None = None
    exclude: t.Sequence[str] = ()  # what a restore leaves out, and therefore nobody judges
    # Told the bytes that the backup holds uncompressed, as soon as its beginning states them; may raise.
    on_stated: t.Callable[[int], None] | None = None

    def sums(self, base: str) -> dict[str, str]:
        """`expected`, proven to be about parts of this backup."""
        sums = {name: str(value).strip().lower() for name, value in self.expected.items()}
        for name, value in sums.items():
            part_base, index = split_name(name)
            if part_base != base or name != part_name(base, index):
                raise BoxliftError(f"expected names {name}, which is no part of {base}.", "Give names of its parts.")
            if not _SHA256.match(value):
                raise BoxliftError(f"expected has no sha256 for {name}.", "Give 64 hexadecimal digits.")
        return sums

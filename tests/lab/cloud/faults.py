# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with a part of the backup, and how many times.

A file `faults.json` names the faults of each part; several faults of one part add up:

    {"backup.tar.gz.1": [{"kind": "bit_flip", "at": 4096, "times": 1}, {"kind": "slow", "rate": 65536, "times": -1}]}
"""

from __future__ import annotations

import dataclasses
import json
import threading
import typing as t
from pathlib import Path

# Kind → the field it needs.
KINDS: dict[str, str | None] = {
    "bit_flip": "at",  # the lowest bit of the byte at this offset of the part is flipped
    "truncate": "at",  # the part seems to be this many bytes long
    "reset": "at",  # the connection is reset after this many bytes of the answer's body
    "slow": "rate",  # bytes per second
    "html": None,  # a web page instead of the part, with status 200
    "no_range": None,  # ranges are not understood: the whole part, with status 200
    "expired": None,  # 403, as for a link that is no longer valid
    "busy": "seconds",  # 503, with Retry-After this time
    "error": None,  # 500
    "stall": "at",  # nothing more is sent after this many bytes of the answer's body, until the client goes away
    "short": "at",  # a range is answered with no more than this many bytes of it
    "blank": "at",  # the 4096 bytes from this offset of the part on are zeros
    "noise": None,  # one byte of the answer is wrong, a different one each time
    "unsized": None,  # a range without the length of the whole, and the whole without its length
    "unversioned": None,  # neither ETag nor Last-Modified
    "encoded": None,  # as Content-Encoding gzip
    "moved": "to",  # redirected to this address
}
BLANK = 4096


@dataclasses.dataclass(frozen=True)
class Fault:
    """One thing that goes wrong; `times` requests are affected, -1 means every one."""

    kind: str
    at: int | None = None
    rate: int | None = None
    times: int = 1
    seconds: int | None = None
    to: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"fault kind {self.kind!r} is unknown; there are {', '.join(KINDS)}")
        for field in ("at", "rate", "seconds", "to"):
            value = getattr(self, field)
            if (KINDS[self.kind] == field) != (value is not None):
                raise ValueError(f"fault {self.kind!r} {'needs' if value is None else 'takes no'} {field!r}")
            if isinstance(value, int) and value < (field == "rate"):
                raise ValueError(f"fault {self.kind!r}: {field!r} cannot be {value}")

    @property
    def value(self) -> int:
        """The number the kind needs."""
        number = self.at if self.at is not None else self.rate
        if number is None:
            raise TypeError(f"fault {self.kind!r} has no number")
        return number


class FaultPlan:
    """The faults of all parts and how often each has happened; safe to use from many threads."""

    def __init__(self, faults: t.Mapping[str, t.Sequence[Fault]] | None = None) -> None:
        self._faults = {part: list(of_part) for part, of_part in (faults or {}).items()}
        self._happened: dict[tuple[str, int], int] = {}
        self._spared: dict[str, int] = {}
        self._lock = threading.Lock()

    @classmethod
    def load(cls, path: Path) -> FaultPlan:
        """Read faults.json; an unknown kind or field is an error."""
        with path.open(encoding="utf-8") as stream:
            content = json.load(stream)
        return cls({part: [Fault(**fault) for fault in faults] for part, faults in content.items()})

    def spare(self, part: str, requests: int) -> None:
        """Nothing goes wrong with the next so many requests for the part."""
        with self._lock:
            self._spared[part] = requests

    def request(self, part: str) -> None:
        """One more request for the part begins."""
        with self._lock:
            self._spared[part] = self._spared.get(part, 0) - 1

    def happen(self, part: str, *kinds: str, applies: t.Callable[[Fault], bool] = lambda fault: True) -> list[Fault]:
        """The faults of these kinds that affect a request for the part; each is counted."""
        met = []
        with self._lock:
            if self._spared.get(part, -1) >= 0:
                return []
            for number, fault in enumerate(self._faults.get(part, [])):
                count = self._happened.get((part, number), 0)
                if fault.kind in kinds and (fault.times < 0 or count < fault.times) and applies(fault):
                    self._happened[part, number] = count + 1
                    met.append(fault)
        return met

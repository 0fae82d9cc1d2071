# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch a whole backup: every part, then the proof that they make one backup, then repair of what does not fit."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import threading
import time
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.archive.kinds import kind_of, part_name, split_name
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Report
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from ansible_collections.boxlift.portal.plugins.module_utils.download.client import Client
from ansible_collections.boxlift.portal.plugins.module_utils.download.pace import Pace
from ansible_collections.boxlift.portal.plugins.module_utils.download.part import PartFetcher
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock, read_json, write_json

REPAIR_ROUNDS = 3
SAMPLE = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Request:
    """`url` is the first part's; `connections` parts are fetched at the same time."""

    url: str
    dest: str
    password: str | None = dataclasses.field(default=None, repr=False)
    connections: int = 4


class Fetch:
    """One backup into one directory; `run()` fetches what is not there yet."""

    def __init__(
        self, request: Request, client: Client, pace: Pace, sleep: t.Callable[[float], None] = time.sleep
    ) -> None:
        split = urllib.parse.urlsplit(request.url)
        self._split = split
        self._base, index = split_name(urllib.parse.unquote(os.path.basename(split.path)))
        if split.scheme not in ("https", "http") or not split.hostname:
            raise BoxliftError(
                f"url {_shown(request.url)} is not an https address.", "Give the address of the first part."
            )
        if index:
            raise BoxliftError(
                f"url names part {index} of the backup.",
                f"Give the address of the first part, {self._base}, without a number.",
            )
        if not self._base or "/" in self._base or self._base.startswith("."):
            raise BoxliftError("url does not end with a part's name.", "Give the address of the first part.")
        self._kind = kind_of(self._base)
        self._request = request
        self._fetcher = PartFetcher(client, request.dest, self._kind, pace, sleep)
        self._state_path = os.path.join(request.dest, f".{self._base}.fetched.json")
        self._parts: dict[str, dict[str, t.Any]] = {}
        self._lock = threading.Lock()
        self.bytes_fetched = 0
        self.bytes_refetched = 0
        self.repairs: list[dict[str, t.Any]] = []

    @property
    def path(self) -> str:
        """Where the first part lies once it is here."""
        return os.path.join(self._request.dest, self._base)

    def complete(self) -> bool:
        """Whether an earlier run fetched and proved everything, and the files are as it left them."""
        state = read_json(self._state_path) or {"parts": {}}
        return bool(state.get("result")) and all(self._unchanged(name, state) for name in state["parts"])

    def run(self) -> dict[str, t.Any]:
        """The result, with `changed`. Raises BoxliftError; what has arrived is kept for the next run."""
        os.makedirs(self._request.dest, mode=0o700, exist_ok=True)
        with Lock(os.path.join(self._request.dest, f".{self._base}.lock"), f"The download of {self._base}"):
            state = read_json(self._state_path) or {"parts": {}}
            self._parts = state["parts"]
            if self.complete() and (state["result"]["intact"] or not self._request.password):
                return {**state["result"], "changed": False, "bytes_fetched": 0, "bytes_refetched": 0, "repairs": []}
            self._fetch_all()
            result = self._result(self._prove())
            self._save(result)
            return {**result, "changed": True}

    def _fetch_all(self) -> None:
        self._check_same_backup()
        first = self._part(0)
        if first is None:
            raise BoxliftError(
                f"The source has no {self._base} (HTTP 404).",
                "Check the address of the first part; the name must be kept.",
            )
        last = first.get("last_index")
        if last is None:
            self._fetch_until_404()
            return
        self._check_room(first["size"], last)
        with concurrent.futures.ThreadPoolExecutor(self._request.connections) as pool:
            for index, part in zip(range(1, last + 1), pool.map(self._part, range(1, last + 1))):
                if part is None:
                    raise BoxliftError(
                        f"The source has no {part_name(self._base, index)} (404), and the backup has {last + 1} parts.",
                        "Ask the source for the missing part, or order a new backup.",
                        part=part_name(self._base, index),
                    )

    def _check_same_backup(self) -> None:
        """Parts from an earlier run and parts of a backup made anew would never fit together."""
        if not self._unchanged(self._base, {"parts": self._parts}):
            return
        with open(os.path.join(self._request.dest, self._base), "rb") as first:
            here = first.read(SAMPLE)
        if self._fetcher.beginning(self._url(0), self._base, len(here)) != here:
            raise BoxliftError(
                f"The source has another backup under the name {self._base} now than {self._request.dest}.",
                "Give an empty directory in dest, or remove these parts if the earlier backup is no longer wanted.",
            )

    def _fetch_until_404(self) -> None:
        """This kind does not state its number of parts: the first one that the source does not have is the end."""
        index = 1
        while self._part(index) is not None:
            index += 1

    def _part(self, index: int, known_bad: t.Sequence[str] = ()) -> dict[str, t.Any] | None:
        name = part_name(self._base, index)
        if not known_bad and self._unchanged(name, {"parts": self._parts}):
            return self._parts[name]
        fetched = self._fetcher.fetch(self._url(index), name, index, known_bad)
        if fetched is None:
            return None
        status = os.stat(os.path.join(self._request.dest, name))
        marker = fetched.scan.marker
        part = {
            "size": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "sha256": fetched.scan.sha256,
            # A marked first part without a last number is a backup's only part.
            "last_index": (marker.last_index or 0) if marker else None,
        }
        with self._lock:
            self.bytes_fetched += fetched.bytes
            self.bytes_refetched += fetched.refetched
            self.repairs += fetched.repairs
            self._parts[name] = part
            self._save(None)
        return part

    def _prove(self) -> Report | None:
        """The parts together; those that do not fit are fetched again. None without a password to look inside."""
        if self._kind.encrypted and not self._request.password:
            return None
        first = os.path.join(self._request.dest, self._base)
        seen: dict[int, list[str]] = {}
        for repairs_left in reversed(range(REPAIR_ROUNDS + 1)):
            report = verify(first, self._request.password)
            damaged = [volume for volume in report.damaged() if volume.status != "missing"]
            if not damaged or not repairs_left:
                break
            for volume in damaged:
                self.repairs.append(
                    {"name": volume.name, "status": volume.status, "reason": volume.reason, "bytes": volume.size}
                )
                seen.setdefault(volume.index, []).append(volume.sha256)
                self._part(volume.index, seen[volume.index])
        if not report.intact:
            raise BoxliftError(
                f"The backup was fetched and is not intact. {report.summary()}",
                "Order a new backup.",
                **report.as_dict(),
            )
        return report

    def _result(self, report: Report | None) -> dict[str, t.Any]:
        names = sorted(self._parts, key=lambda name: split_name(name)[1])
        if report is None:
            volumes: list[dict[str, t.Any]] = [
                {
                    "name": name,
                    "index": split_name(name)[1],
                    "size": self._parts[name]["size"],
                    "sha256": self._parts[name]["sha256"],
                }
                for name in names
            ]
            proven: dict[str, t.Any] = {"intact": None, "volumes": volumes, "findings": []}
        else:
            proven = report.as_dict()
        return {
            "path": self.path,
            "bytes_fetched": self.bytes_fetched,
            "bytes_refetched": self.bytes_refetched,
            "repairs": self.repairs,
            **proven,
        }

    def _unchanged(self, name: str, state: t.Mapping[str, t.Any]) -> bool:
        part = state["parts"].get(name)
        try:
            status = os.stat(os.path.join(self._request.dest, name))
        except FileNotFoundError:
            return False
        return part is not None and (status.st_size, status.st_mtime_ns) == (part["size"], part["mtime_ns"])

    def _url(self, index: int) -> str:
        """A part's address: the number goes behind the name; what follows the question mark stays (signed links)."""
        suffix = f".{index}" if index else ""
        return urllib.parse.urlunsplit(self._split._replace(path=self._split.path + suffix))

    def _check_room(self, size: int, last: int) -> None:
        missing = sum(1 for index in range(1, last + 1) if part_name(self._base, index) not in self._parts)
        room = os.statvfs(self._request.dest)
        free, needed = room.f_bavail * room.f_frsize, size * missing
        if free < needed:
            raise BoxliftError(
                f"{self._request.dest} has {free // 2**20} MiB free and about {needed // 2**20} MiB are still to come.",
                "Make room or give another directory in dest; what has arrived is kept.",
            )

    def _save(self, result: dict[str, t.Any] | None) -> None:
        write_json(self._state_path, {"parts": self._parts, "result": result})


def _shown(url: str) -> str:
    """An address without what may be secret in it."""
    split = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((split.scheme, split.hostname or "", split.path, "", ""))

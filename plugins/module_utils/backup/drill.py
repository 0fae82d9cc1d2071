# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill: what it found, how long each phase took, and what may be promised after it.

A drill is many tasks of a playbook, and may be killed in each of them. So what is known of it stands in one file on the
drill host from its beginning until its record is in the repository. A file that is there before a drill begins belongs
to one that was killed: it says what was live before, and so the next run can take everything back.
"""

from __future__ import annotations

import dataclasses
import math
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup import figures
from ansible_collections.boxlift.portal.plugins.module_utils.backup.compare import finding
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.state import read_json, write_json
from ansible_collections.boxlift.portal.plugins.module_utils.units import duration, size, size_needed

FORMAT = 1
Data = dict[str, t.Any]
#: The phases that belong to the time of a recovery: from the stop of the site until the portal is healthy.
RECOVERY = ("stop", "recover", "silence", "health")
#: Before the first drill: bytes a second, what people need besides, and twice the sum of both.
BYTES_A_SECOND, BESIDES, FACTOR = 60e6, 900.0, 2.0
#: How old the last event may be that is in the repository where binary logs are shipped, and where they are not.
SHIPPED, NIGHTLY = 600, 26 * 3600
_SKEW = 60.0  # seconds that clocks of two hosts may differ


class Moment(t.NamedTuple):
    """A moment of this host: `clock` may be set back, `uptime` counts within one boot."""

    clock: float
    uptime: float
    boot: str

    @classmethod
    def now(cls) -> Moment:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as source:
            return cls(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), source.read().strip())

    def until(self, later: Moment) -> float:
        """Seconds from this moment to a later one, right also where the clock was set meanwhile."""
        if self.boot == later.boot:
            return max(0.0, later.uptime - self.uptime)
        return max(0.0, later.clock - self.clock)


@dataclasses.dataclass
class Drill:
    """One drill, from `begin` until its record is written. Every change is on the disk before it returns."""

    path: str
    content: Data

    @classmethod
    def begin(cls, folder: str, host: str, at: Moment, before: Data) -> Drill:
        """A new drill. `before` is what is needed to take it back, and to prove that nothing is left of it."""
        content = {
            "format": FORMAT,
            **{"copy": None, "bytes": None, "host": host, "began": list(at), "phases": [], "healthy": None},
            **{"rpo_seconds": None, "before": before, "compared": {}, "findings": [], "left": None},
        }
        os.makedirs(folder, mode=0o700, exist_ok=True)
        drill = cls(os.path.join(folder, "drill.json"), content)
        drill._write()
        return drill

    def choose(self, copy: str, size_of_copy: int, restorable: float | None, at: Moment) -> None:
        """The copy that is recovered, and the last moment that could be recovered now."""
        rpo, findings = rpo_of(at.clock, restorable)
        self.content.update(copy=copy, bytes=size_of_copy, rpo_seconds=rpo)
        self.add(*findings)

    @classmethod
    def found(cls, folder: str) -> Drill | None:
        """The drill that was begun and has not ended."""
        path = os.path.join(folder, "drill.json")
        content = read_json(path)
        if content is not None and content.get("format") != FORMAT:
            raise BoxliftError(
                f"{path} was written by another version of this collection.",
                "Run that version's playbook drill once, which ends its drill.",
            )
        return None if content is None else cls(path, content)

    @property
    def before(self) -> Data:
        before: Data = self.content["before"]
        return before

    @property
    def stopped(self) -> bool:
        """Whether the site may have been stopped: then there is something to take back."""
        return any(phase["name"] == RECOVERY[0] for phase in self.content["phases"])

    @property
    def phase(self) -> str:
        """The phase that is under way."""
        phases = self.content["phases"]
        return str(phases[-1]["name"]) if phases and phases[-1]["ended"] is None else ""

    def enter(self, name: str, at: Moment) -> None:
        """The phase before ends, and this one begins. Nothing changes where it is under way already."""
        if self.phase == name:
            return
        self._end_phase(at)
        self.content["phases"].append({"name": name, "began": list(at), "ended": None})
        self._write()

    def leave(self, at: Moment) -> None:
        """The phase that is under way ends."""
        self._end_phase(at)
        self._write()

    def _end_phase(self, at: Moment) -> None:
        if self.phase:
            self.content["phases"][-1]["ended"] = list(at)

    def healthy(self, at: Moment) -> None:
        """The recovered portal was seen healthy: the time of recovery ends."""
        self.content["healthy"] = list(at)
        self._write()

    def add(self, *findings: Data) -> None:
        """Note findings, each once."""
        known = self.content["findings"]
        known.extend(each for each in findings if each not in known)
        self._write()

    def compared(self, compared: Data) -> None:
        self.content["compared"] = compared
        self._write()

    def left(self, left: t.Sequence[str]) -> None:
        """What the drill has left on its host; an empty list is the proof that nothing is."""
        self.content["left"] = list(left)
        self._write()

    def record(self, at: Moment) -> Data:
        """What is written into the repository."""
        content = self.content
        began = Moment(*content["began"])
        phases: dict[str, float] = {}
        for phase in content["phases"]:
            start, end = Moment(*phase["began"]), Moment(*(phase["ended"] or at))
            phases[phase["name"]] = round(phases.get(phase["name"], 0.0) + start.until(end), 1)
        findings = list(content["findings"])
        if content["left"] is None:
            findings.append(
                finding(
                    "left_unknown",
                    "fail",
                    "Whether something of the drill is left on its host was not looked at.",
                    "Run the playbook drill again: it cleans first.",
                )
            )
        elif content["left"]:
            findings.append(
                finding(
                    "left",
                    "fail",
                    f"Left on {content['host']}: {', '.join(content['left'][:10])}.",
                    "Remove it by hand, and drill again.",
                )
            )
        healthy = Moment(*content["healthy"]) if content["healthy"] else None
        if healthy is None and not any(each["severity"] == "fail" for each in findings):
            findings.append(
                finding("not_healthy", "fail", "The recovered portal was never seen healthy.", "Drill again.")
            )
        return {
            "format": FORMAT,
            "copy": content["copy"],
            "host": content["host"],
            "began": began.clock,
            "ended": round(began.clock + began.until(at), 1),
            "passed": not any(each["severity"] == "fail" for each in findings),
            "bytes": content["bytes"],
            "phases": phases,
            "rto_seconds": None if healthy is None else self._recovered_in(healthy),
            "rpo_seconds": content["rpo_seconds"],
            "compared": content["compared"],
            "findings": findings,
            "left": content["left"] or [],
        }

    def _recovered_in(self, healthy: Moment) -> float:
        """Seconds of those phases that a real recovery has too, until the portal was healthy."""
        seconds = 0.0
        for phase in self.content["phases"]:
            if phase["name"] in RECOVERY:
                began = Moment(*phase["began"])
                ended = Moment(*phase["ended"]) if phase["ended"] else healthy
                seconds += min(began.until(ended), began.until(healthy))
        return round(seconds, 1)

    def close(self) -> None:
        """The record is in the repository: the drill has ended."""
        os.unlink(self.path)
        folder = os.path.dirname(self.path)
        if not os.listdir(folder):
            os.rmdir(folder)

    def _write(self) -> None:
        write_json(self.path, self.content)


def told(record: t.Mapping[str, t.Any]) -> list[str]:
    """The record for people."""
    result = "passed" if record["passed"] else "FAILED"
    lines = [f"Copy {record['copy'] or '(none was found)'} on {record['host']}: {result}."]
    if record["rto_seconds"] is not None:
        lost = record["rpo_seconds"]
        lines.append(
            f"Recovered in {duration(record['rto_seconds'])}; "
            + ("what would be lost is not known." if lost is None else f"{duration(lost)} would be lost.")
        )
    lines.append(", ".join(f"{name} {duration(seconds)}" for name, seconds in record["phases"].items()))
    lines += [f"{each['severity'].upper()} {each['text']} {each['remedy']}" for each in record["findings"]]
    return [*lines, f"Left on {record['host']}: {', '.join(record['left']) or 'nothing'}."]


def utc(moment: float) -> str:
    """The moment as ISO 8601 in UTC, rounded up to a second: what was there at it is there then."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(math.ceil(moment)))


def interrupted(phase: str) -> Data:
    """The finding of a drill that was killed."""
    where = f" in its phase {phase}" if phase else " before its first phase"
    return finding("interrupted", "fail", f"The drill was interrupted{where}.", "Run the playbook drill again.")


def rpo_of(began: float, restorable: float | None) -> tuple[float | None, list[Data]]:
    """How old the last moment was that could be recovered, and the findings where that cannot be said."""
    if restorable is None:
        text = "The repository does not say to which moment production can be recovered."
        return None, [finding("restorable_unknown", "fail", text, "boxlift-backup status on production says why.")]
    if restorable - began > _SKEW:
        text = f"The last moment that can be recovered lies {duration(restorable - began)} ahead of this host's clock."
        return None, [finding("clock", "fail", text, "Set the clocks of both hosts (timedatectl), and drill again.")]
    return round(max(0.0, began - restorable), 1), []


def promise(drills: t.Sequence[Data], copied: float | None, shipped: bool) -> Data | None:
    """The time of recovery and the loss that may be promised: from the drills that passed, else computed.

    `drills` are in the order of their ends. `copied` are the bytes of the last good copy, `shipped` tells whether
    binary logs are. None where neither says anything. `of_drills` is 0 and `computed` is true where no drill has
    passed yet.
    """
    told = figures.promise(drills)
    if told is not None and told["rto_seconds"] is not None:
        of = told["of_drills"]
        number = "the last drill that passed" if of == 1 else f"the last {of} drills that passed"
        text = f"From {number}: what four of five of them kept, and {figures.MARGIN - 1:.0%} more."
        return {**told, "computed": False, "text": text.replace("%", " %")}
    if copied is None:
        return None
    text = (
        f"Computed, not measured: no drill has passed yet. {size(copied)} at {BYTES_A_SECOND / 1e6:.0f} MB/s and "
        f"{duration(BESIDES)}, doubled."
    )
    rto = math.ceil(FACTOR * (copied / BYTES_A_SECOND + BESIDES))
    rpo = SHIPPED if shipped else NIGHTLY
    return {"rto_seconds": rto, "rpo_seconds": rpo, "of_drills": 0, "computed": True, "text": text}


class Room(t.NamedTuple):
    """What a file system needs, and has."""

    path: str
    needed: int
    free: int


def room_needed(
    files: int,
    database: int,
    places: t.Mapping[str, str],
    device_of: t.Callable[[str], int],
    free: t.Callable[[str], int],
) -> list[Room]:
    """What each file system needs for a drill, those of one device together.

    `places` holds the directories `files` (beside the document root), `database` (the server's) and `work` (where the
    copy is unpacked). The database is there twice for a while: in the server of its own, and loaded. A tenth is added.
    """
    needs = {"files": files, "database": database, "work": database}
    found: dict[int, Room] = {}
    for name, path in places.items():
        device = device_of(path)
        former = found.get(device, Room(path, 0, free(path)))
        found[device] = former._replace(needed=former.needed + -(-11 * needs[name] // 10))
    return list(found.values())


def refuse_room(rooms: t.Sequence[Room], host: str) -> None:
    """Raise BoxliftError where a file system has too little room."""
    for room in rooms:
        if room.free < room.needed:
            raise BoxliftError(
                f"The drill needs {size_needed(room.needed)} beside {room.path} on {host}, and {size(room.free)} are "
                "free. Nothing was stopped.",
                "Make room there, or name another host in the group drill. The portal's generations that are kept "
                "there take room too (playbook status lists them).",
                needed=room.needed,
                free=room.free,
            )


def refuse_release(copied: str, here: str, host: str) -> None:
    """Raise BoxliftError where the copy's files are of another release of MariaDB than the drill host's server."""
    one, other = release(copied), release(here)
    if one and other and one != other:
        raise BoxliftError(
            f"The copy is of MariaDB {one}, and {host} has {other}: its files can only be read by their own release. "
            "Nothing was stopped.",
            f"Drill on a host with MariaDB {one} (group drill): Debian 12 has 10.11, Debian 13 has 11.8.",
        )
    if not one or not other:
        raise BoxliftError(
            f"The release of MariaDB is not known: the copy says '{copied}', {host} says '{here}'.",
            "Look whether mariadb-server is installed there, and whether the copy's manifest names its server "
            "(boxlift-backup list).",
        )


def release(version: str) -> str:
    """10.11 of 10.11.19-MariaDB-0+deb12u1; empty where it is no version."""
    numbers = version.split("-")[0].split(".")
    return ".".join(numbers[:2]) if len(numbers) > 1 and all(each.isdigit() for each in numbers[:2]) else ""


def judged(found: t.Sequence[Data], before: t.Sequence[Data]) -> tuple[bool, list[Data]]:
    """Whether a recovered portal is healthy, and what the drill notes of its health check.

    `before` are the findings of the portal that was live on the drill host: what failed there as well is the host's
    fault and not the copy's. A portal whose first page nobody has seen is not healthy.
    """
    answers = [each for each in found if each["id"] == "web.answers"]
    if not answers or answers[0]["status"] not in ("pass", "warn"):
        said = str(answers[0]["observed"]) if answers else "it was not asked"
        text = f"The recovered portal does not answer: {said}."
        return False, [finding("does_not_answer", "fail", text, "See the nginx and PHP logs of the drill host.")]
    known = {each["id"] for each in before if each["status"] == "fail"}
    new = [each for each in found if each["status"] == "fail" and each["id"] not in known]
    notes = [
        finding(
            "health",
            "warn" if each.get("blocks") == "nobody" else "fail",
            f"{each['id']}: {each['observed']}",
            str(each.get("remedy") or f"docs/checks says what {each['id']} means."),
        )
        for each in new
    ]
    return not any(note["severity"] == "fail" for note in notes), notes

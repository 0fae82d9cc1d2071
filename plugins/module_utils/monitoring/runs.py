# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of boxlift-exporter: checks and figures of a set, kept, and published with what the other set has left.

The quick set is made by an account of its own, the nightly one by root without most of its rights. So the folder
belongs to root, and its group is that account's.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import json
import os
import pathlib
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils import program
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.health import runner, site_checks
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import CannotLook, DoesNotApply
from ansible_collections.boxlift.portal.plugins.module_utils.health.quick import quick_checks
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import Registry
from ansible_collections.boxlift.portal.plugins.module_utils.http.visitor import HttpClient, direct
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring import connector, disk
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.figures import OF_PORTAL, Figure
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.metrics import (
    CODES,
    Sample,
    exposition,
    sample,
)
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.settings import PortalPlace, Settings
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import connect

QUICK, NIGHTLY = "quick", "nightly"
SETS = (QUICK, NIGHTLY)
TEXTFILE = "boxlift_health.prom"
#: An answer of an older run proves nothing any more.
OLDEST = {QUICK: 3600.0, NIGHTLY: 50 * 3600.0}
#: Two runs publish at almost the same time at most.
PATIENCE = 30.0
_NEIGHBOUR_SECONDS = 5
#: So long the figures of a portal may take together.
FIGURE_SECONDS = 60.0

Clock = t.Callable[[], float]


class Measured(t.NamedTuple):
    """A figure: `pass`, `unknown` or `skip`; its samples; why it is not known, for people."""

    status: str
    samples: list[Sample]
    reason: str = ""


class Run(t.NamedTuple):
    """What a run has found: for people (findings, reasons) and for the state."""

    state: dict[str, t.Any]
    findings: list[Finding]
    reasons: dict[str, str]
    #: Threads of checks that never answered are still there.
    hangs: bool


def context_of(place: PortalPlace, now: Clock) -> Context:
    there = os.path.isdir(place.document_root)
    return Context(
        now=now,
        connect=connect,
        portal_files=PortalFiles(place.document_root) if there else None,
        no_files=f"document_root {place.document_root} is no directory",
        base_url=place.base_url.rstrip("/"),
        http_client=HttpClient(direct("", place.host, place.timeout), place.ca_path),
        run_command=program.run,
        host_root=pathlib.Path("/"),
        connect_tcp=direct("", place.host, min(place.timeout, _NEIGHBOUR_SECONDS)),
        push_expected=place.push,
    )


def made(settings: Settings, which: str, registry: Registry, now: Clock, context: Context | None) -> Run:
    """Make the checks and figures of the set. `context` is None where there is no portal."""
    began = now()
    findings: list[Finding] = []
    measured: dict[str, Measured] = {}
    hangs = False
    place = settings.portal
    if place is not None and context is not None:
        if which == NIGHTLY and place.checks_dir:
            site_checks.load(place.checks_dir, registry)
        checks = quick_checks(registry) if which == QUICK else runner.select(registry, "host", (), ())
        patience = settings.quick_seconds if which == QUICK else settings.nightly_seconds
        findings = runner.run(context, checks, place.skip, patience)
        measured, hangs = _figures(context, findings, which)
    if which == QUICK and settings.connector_url:
        measured["telephony"] = _measured(lambda: connector.telephony(settings.connector_url))
    ended = now()
    state = {
        "ended": ended,
        "seconds": max(0.0, ended - began),
        "checks": {finding.id: finding.status for finding in findings},
        "figures": {name: [each.status, [list(one) for one in each.samples]] for name, each in measured.items()},
    }
    hangs = hangs or any(runner.NO_ANSWER in finding.observed for finding in findings)
    return Run(state, findings, {name: each.reason for name, each in measured.items() if each.reason}, hangs)


def _figures(context: Context, findings: t.Sequence[Finding], which: str) -> tuple[dict[str, Measured], bool]:
    """The portal's figures by name, and whether one of them never answered."""
    by_id = {finding.id: finding for finding in findings}

    def answer(figure: Figure) -> Measured:
        try:
            return _measured(lambda: figure(context, by_id))
        finally:
            context.release()

    workers = concurrent.futures.ThreadPoolExecutor(runner.WORKERS)
    asked = {name: workers.submit(answer, figure) for name, figure in OF_PORTAL[which].items()}
    _done, late = concurrent.futures.wait(asked.values(), FIGURE_SECONDS)
    workers.shutdown(wait=not late, cancel_futures=True)
    silent = Measured("unknown", [], f"{runner.NO_ANSWER} {FIGURE_SECONDS:g} s")
    return {name: silent if future in late else future.result() for name, future in asked.items()}, bool(late)


def _measured(ask: t.Callable[[], list[Sample]]) -> Measured:
    try:
        return Measured("pass", ask())
    except DoesNotApply as reason:
        return Measured("skip", [], str(reason))
    except CannotLook as reason:
        return Measured("unknown", [], str(reason))
    except BoxliftError as error:
        return Measured("unknown", [], f"{error.message} {error.remedy}".strip())
    except Exception as problem:  # an error of ours proves nothing about the portal, and must not hide the others
        return Measured("unknown", [], f"{type(problem).__name__}: {problem}")


class Folder:
    """What runs leave to each other, and the textfile."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def running(self, which: str) -> t.ContextManager[None]:
        """One run of a set at a time. Raises BoxliftError at once where there is another one."""
        what = f"The {which} set of boxlift-exporter is made by another process."
        return _held(os.path.join(self._settings.folder, f"{which}.lock"), os.O_CREAT, what, 0.0)

    def publishing(self) -> t.ContextManager[None]:
        """One writer at a time, of whichever set. Raises BoxliftError where the other one does not end."""
        folder = self._settings.folder
        return _held(folder, os.O_DIRECTORY, f"Another run of boxlift-exporter holds {folder}.", PATIENCE)

    def keep(self, which: str, state: dict[str, t.Any]) -> None:
        self._write(f"{which}.json", state)

    def kept(self, which: str) -> dict[str, t.Any]:
        """What the last run of the set has left. A file that cannot be read is as none: the next run writes it anew."""
        found = self._read(f"{which}.json")
        return found if {"ended", "seconds", "checks", "figures"} <= found.keys() else {}

    def disks(self, now: float) -> dict[str, Measured]:
        """Take a sample of every file system, keep it, and say how it fills. Two folders of one count once."""
        found = self._read("disks.json")
        results: dict[str, Measured] = {}
        samples: dict[str, t.Any] = {}
        devices: dict[int, str] = {}
        for path in self._settings.disks:
            before = [disk.Room(*each) for each in found.get(path, ()) if isinstance(each, list) and len(each) == 3]
            try:
                first = devices.setdefault(os.stat(path).st_dev, path)
                room = disk.measured(path, now)
            except OSError as problem:
                results[path] = Measured("unknown", [], problem.strerror or str(problem))
                samples[path] = before
                continue
            if first == path:
                samples[path] = disk.kept(before, room)
                results[path] = _of_disk(path, samples[path])
            elif before:
                # It had a file system of its own: that one is no longer mounted.
                results[path] = Measured("unknown", [], f"it lies in the file system of {first} now")
                samples[path] = before
        self._write("disks.json", samples)
        return results

    def publish(self, text: str) -> None:
        replace_file(os.path.join(self._settings.textfile_dir, TEXTFILE), text.encode(), 0o644)

    def _read(self, name: str) -> dict[str, t.Any]:
        try:
            with open(os.path.join(self._settings.folder, name), encoding="utf-8") as stream:
                found = json.load(stream)
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, name: str, content: dict[str, t.Any]) -> None:
        path = os.path.join(self._settings.folder, name)
        replace_file(path, json.dumps(content).encode(), 0o640, (os.geteuid(), _group(path)))


@contextlib.contextmanager
def _held(path: str, flags: int, what: str, patience: float) -> t.Iterator[None]:
    """Lock a file or a folder. Opened for reading: whichever account has made it, the other one may lock it too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | flags, 0o640)
    try:
        if os.fstat(descriptor).st_uid == os.geteuid() and flags & os.O_CREAT:
            os.fchown(descriptor, -1, _group(path))
        deadline = time.monotonic() + patience
        while not _taken(descriptor):
            if time.monotonic() >= deadline:
                raise BoxliftError(what, "systemctl status boxlift-exporter-quick boxlift-exporter-nightly names it.")
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _group(path: str) -> int:
    """The group of the folder in which this lies: whoever makes a file there, the other account may read it."""
    return os.stat(os.path.dirname(path)).st_gid


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _of_disk(path: str, rooms: list[disk.Room]) -> Measured:
    ahead, last = disk.outlook(rooms), rooms[-1]
    samples = [
        sample("boxlift_disk_free_bytes", last.free, path=path),
        sample("boxlift_disk_size_bytes", last.size, path=path),
        sample("boxlift_disk_observed_seconds", ahead.observed, path=path),
    ]
    if ahead.days is None or ahead.growth_per_day is None:
        return Measured("unknown", samples, f"observed for {ahead.observed / 86400:.1f} days, which is too short")
    samples.append(sample("boxlift_disk_growth_bytes_per_day", ahead.growth_per_day, path=path))
    return Measured("pass", [*samples, sample("boxlift_disk_days_to_full", ahead.days, path=path)])


def textfile(
    states: t.Mapping[str, dict[str, t.Any]], disks: t.Mapping[str, Measured], expected: t.Sequence[str], now: float
) -> str:
    """The whole file. `expected` are the ids of checks that must not be absent."""
    statuses: dict[str, tuple[float, str]] = {name: (0.0, "unknown") for name in expected}
    figures: dict[str, tuple[str, list[Sample]]] = {}
    samples: list[Sample] = []
    for which in SETS:
        state = states.get(which, {})
        ended = float(state.get("ended", 0))
        fresh = now - ended <= OLDEST[which]
        samples.append(sample("boxlift_checks_run_timestamp_seconds", round(ended, 3), set=which))
        samples.append(sample("boxlift_checks_run_duration_seconds", round(state.get("seconds", 0), 3), set=which))
        for name, status in state.get("checks", {}).items():
            known = status if status in CODES and fresh else "unknown"
            # The younger answer counts, whichever set it is of.
            if ended >= statuses.get(name, (0.0, ""))[0]:
                statuses[name] = (ended, known)
        for name, (status, values) in state.get("figures", {}).items():
            figures[name] = (status, [Sample(*each) for each in values]) if fresh else ("unknown", [])
    figures.update({f"disk {path}": (each.status, each.samples) for path, each in disks.items()})
    for name, (_ended, status) in statuses.items():
        samples.append(sample("boxlift_check_status", CODES[status], check=name, area=name.partition(".")[0]))
    for name, (status, values) in figures.items():
        samples.append(sample("boxlift_figure_status", CODES.get(status, CODES["unknown"]), figure=name))
        samples += values
    return exposition(samples)

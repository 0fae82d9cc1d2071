# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's Python packages as wheels, chosen and fetched by pip, in the versions that this controller runs."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import sys
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils import program
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle.store import Store

if t.TYPE_CHECKING:
    from packaging.requirements import Requirement

#: Python and the C library of each release of Debian.
PYTHONS = {"12": ("3.11", 36), "13": ("3.13", 41)}
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
Run = t.Callable[[t.Sequence[str]], tuple[int, str, str]]


@dataclasses.dataclass(frozen=True)
class Wheel:
    """A Python package for one version of Python, or for several."""

    name: str
    version: str
    file: str
    sha256: str
    requires: tuple[str, ...]
    url: str


class Pip:
    """pip for one release's Python; `settings` come before its command, such as an index."""

    def __init__(self, store: Store, release: str, architecture: str, run: Run = program.run) -> None:
        if architecture not in MACHINES:
            raise BoxliftError(f"No wheels are known for {architecture}.", f"Possible are {', '.join(MACHINES)}.")
        self.python, libc = PYTHONS[release]
        self._store, self._run = store, run
        machine = MACHINES[architecture]
        platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(libc, 4, -1)]
        platforms += [f"manylinux2014_{machine}", f"linux_{machine}", "any"]
        short = self.python.replace(".", "")
        self._target = ["--only-binary=:all:", "--implementation=cp", f"--python-version={self.python}"]
        self._target += [f"--abi={abi}" for abi in (f"cp{short}", "abi3", "none")]
        self._target += [f"--platform={platform}" for platform in platforms]

    def _pip(self, *command: str) -> str:
        status, said, complaints = self._run([sys.executable, "-m", "pip", "--disable-pip-version-check", *command])
        if status != 0:
            wrong = [line for line in complaints.splitlines() if line.startswith("ERROR:")] or [complaints[-300:]]
            raise BoxliftError(
                f"pip failed: {' '.join(wrong).strip()}",
                "Look whether this machine reaches its Python index (pip config list); then run again.",
            )
        return said

    def resolve(self, requirements: t.Sequence[str], again: bool) -> list[Wheel]:
        """The wheels of all requirements and of what these need, sorted by name. Raises BoxliftError."""
        question = [self.python, self._target, sorted(requirements)]
        answer = self._store.answer("wheels", question, lambda: self._resolve(list(requirements)), again)
        return [Wheel(**{**one, "requires": tuple(one["requires"])}) for one in answer]

    def _resolve(self, requirements: list[str]) -> list[dict[str, t.Any]]:
        # pip reads conditions such as python_version with the Python that it runs in, so what they leave out is added.
        while True:
            wheels = self._report(requirements)
            missing = self.missing(wheels)
            if not missing:
                return [dataclasses.asdict(one) for one in wheels]
            requirements = requirements + missing

    def missing(self, wheels: t.Sequence[Wheel]) -> list[str]:
        """Requirements of these wheels that none of them meets on this Python."""
        from packaging.markers import default_environment

        names = {canonical(one.name) for one in wheels}
        environment = t.cast(dict[str, str], default_environment())
        environment |= {"python_version": self.python, "python_full_version": f"{self.python}.0", "extra": ""}
        parsed = [requirement(text) for one in wheels for text in one.requires]
        lacking = [one for one in parsed if one.marker is None or one.marker.evaluate(environment)]
        return sorted({f"{one.name}{one.specifier}" for one in lacking if canonical(one.name) not in names})

    def _report(self, requirements: t.Sequence[str]) -> list[Wheel]:
        report = self._store.tmp() / f"report-{self.python}-{os.getpid()}.json"
        try:
            self._pip(
                *("install", "--dry-run", "--ignore-installed", "--quiet", f"--report={report}", *self._target),
                *(f"--target={report}.none", *requirements),
            )
            items = json.loads(report.read_bytes())["install"]
        finally:
            report.unlink(missing_ok=True)
        wheels = []
        for item in items:
            metadata, download = item["metadata"], item["download_info"]
            path = urllib.parse.urlsplit(download["url"]).path
            wheels.append(
                Wheel(
                    metadata["name"],
                    metadata["version"],
                    urllib.parse.unquote(path.rsplit("/", 1)[-1]),
                    download["archive_info"]["hashes"]["sha256"],
                    tuple(metadata.get("requires_dist") or ()),
                    download["url"],
                )
            )
        return sorted(wheels, key=lambda one: canonical(one.name))

    def fetch(self, wheels: t.Sequence[Wheel]) -> None:
        """Bring into the store what is not there yet. Raises BoxliftError."""
        missing = [one for one in wheels if not self._store.has(one.sha256)]
        if not missing:
            return
        folder = self._store.tmp() / f"wheels-{self.python}-{os.getpid()}"
        try:
            addresses = [f"{one.url}#sha256={one.sha256}" for one in missing]
            self._pip("download", "--quiet", "--no-deps", *self._target, f"--dest={folder}", *addresses)
            for one in missing:
                self._store.keep(folder / one.file, one.sha256)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def write(self, folder: pathlib.Path, wheels: t.Sequence[Wheel]) -> None:
        """The wheels, and the file that lets pip install exactly these."""
        for one in wheels:
            if not self._store.take(one.sha256, folder / one.file):
                self.fetch([one])
                self._store.take(one.sha256, folder / one.file)
        lines = [f"{one.name}=={one.version} --hash=sha256:{one.sha256}\n" for one in wheels]
        (folder / f"requirements-{self.python}.txt").write_text("".join(lines), encoding="utf-8")


def canonical(name: str) -> str:
    """The name of a package as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement(text: str) -> Requirement:
    """A line of requirements; what reads it comes with ansible-core."""
    from packaging.requirements import Requirement

    return Requirement(text)


def pinned(requirements: t.Sequence[str]) -> list[str]:
    """Each requirement in the version that runs here, with all that it needs here: what was rehearsed is what goes in.

    What is not installed here keeps its own condition.
    """
    wanted: dict[str, str] = {}
    pending = [requirement(text) for text in requirements]
    while pending:
        one = pending.pop()
        key = canonical(one.name)
        if key in wanted or (one.marker is not None and not one.marker.evaluate({"extra": ""})):
            continue
        try:
            here = importlib.metadata.distribution(one.name)
        except importlib.metadata.PackageNotFoundError:
            wanted[key] = f"{one.name}{one.specifier}"
            continue
        wanted[key] = f"{one.name}=={here.version}"
        pending += [requirement(text) for text in here.requires or []]
    return [wanted[key] for key in sorted(wanted)]

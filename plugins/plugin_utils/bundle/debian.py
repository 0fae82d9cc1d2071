# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages with everything that they depend on, chosen and fetched by apt in a folder of its own.

Nothing is taken as installed, so that the packages suffice for a host of any age. Each role is resolved by itself: the
hosts install the roles one after the other, and of two alternatives each role may need another one.
"""

from __future__ import annotations

import dataclasses
import email.utils
import hashlib
import os
import pathlib
import re
import shutil
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils import program
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle.manifest import sum_of
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle.roles import RELEASES
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle.store import Store

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
#: Who asked for the packages that every Debian has, and for those that the site adds.
SYSTEM, SITE = "the system", "the site"
_PRIORITIES = ("required", "important")
_FOLDERS = ("state/lists/partial", "cache/archives/partial", "etc/apt/apt.conf.d", "etc/apt/preferences.d")
_URI = re.compile(r"^'[^']+' \S+ \d+ SHA256:([0-9a-f]{64})$", re.MULTILINE)
_CODENAME = re.compile(r"^VERSION_CODENAME=(\w+)$", re.MULTILINE)
Run = t.Callable[[t.Sequence[str]], tuple[int, str, str]]


@dataclasses.dataclass(frozen=True)
class Deb:
    """A Debian package; `stanza` is what its archive says of it."""

    name: str
    version: str
    architecture: str
    file: str
    sha256: str
    stanza: str
    wanted_by: tuple[str, ...] = ()


def own_sources(run: Run = program.run) -> list[str]:
    """The Debian archives that this machine itself uses, with {codename} for the release. Raises BoxliftError."""
    release = pathlib.Path("/etc/os-release")
    codename = _CODENAME.search(release.read_text(encoding="utf-8")) if release.exists() else None
    listed = run(["apt-get", "update", "--print-uris"])[1] if codename and shutil.which("apt-get") else ""
    pattern = rf"^'(\S+)/dists/{codename[1] if codename else ''}(-updates|-security)?/InRelease'"
    found = re.findall(pattern, listed, re.MULTILINE)
    if not found:
        raise BoxliftError(
            "apt on this machine has no archive of its own Debian release to take packages from.",
            "Build on Debian, or name the archives as bundle_sources.",
        )
    return sorted({f"deb {address} {{codename}}{suite} main" for address, suite in found})


class Apt:
    """apt for one release and architecture, in a folder of the store, apart from this machine's own."""

    def __init__(
        self,
        store: Store,
        release: str,
        architecture: str,
        sources: t.Sequence[str],
        keyring: str = KEYRING,
        run: Run = program.run,
    ) -> None:
        if release not in RELEASES:
            raise BoxliftError(f"Debian {release} is not known here.", f"Possible are {', '.join(RELEASES)}.")
        self.release, self.architecture = release, architecture
        self._store, self._run = store, run
        lines = [_signed(line.format(codename=RELEASES[release]), keyring) for line in sources]
        identity = hashlib.sha256("\n".join([release, architecture, *lines]).encode()).hexdigest()[:12]
        self.root = store.folder.absolute() / "apt" / f"{release}-{architecture}-{identity}"
        self._own: list[Deb] = []
        self._known: dict[str, list[str]] = {}
        self._configure(lines)

    def _configure(self, lines: t.Sequence[str]) -> None:
        for name in (*_FOLDERS, "site"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        (self.root / "status").write_text("")
        site = f"deb [trusted=yes] file:{self.root}/site ./"
        (self.root / "sources.list").write_text("\n".join([*lines, site]) + "\n", encoding="utf-8")
        # Without these, this machine itself could not reach its mirror: proxies, certificates, an aged index.
        wanted = re.compile(r"^Acquire::(https?::|Check-Valid-Until|Check-Date).*$", re.MULTILINE)
        reach = wanted.finditer(self._run(["apt-config", "dump", "--no-empty"])[1])
        settings = [
            f'Dir "{self.root}/";',
            'Dir::State "state/";',
            f'Dir::State::status "{self.root}/status";',
            'Dir::Cache "cache/";',
            'Dir::Etc "etc/";',
            f'Dir::Etc::sourcelist "{self.root}/sources.list";',
            f'APT::Architecture "{self.architecture}";',
            f'APT::Architectures {{ "{self.architecture}"; }};',
            'APT::Install-Recommends "false";',
            'APT::Sandbox::User "root";',
            'APT::Update::Error-Mode "any";',
            'Acquire::Languages "none";',
            'Acquire::GzipIndexes "false";',
            'Acquire::ForceHash "SHA256";',
            *(found.group() for found in reach),
        ]
        (self.root / "apt.conf").write_text("\n".join(settings) + "\n", encoding="utf-8")

    def _apt(self, *command: str, folder: pathlib.Path | None = None) -> str:
        place = [f"--chdir={folder}"] if folder else []
        environment = ["env", *place, f"APT_CONFIG={self.root}/apt.conf", "LC_ALL=C"]
        status, said, complaints = self._run([*environment, *command])
        if status != 0:
            reasons = [line for line in complaints.splitlines() if line.startswith("E:")] or [complaints]
            raise BoxliftError(
                f"apt for Debian {self.release} failed: {' '.join(reasons).strip()}",
                "Look whether this machine reaches its Debian archives, and whether their signing keys are those of "
                "debian-archive-keyring; then run again.",
            )
        return said

    def add(self, files: t.Sequence[str]) -> None:
        """Packages of the site's own, beside those of the archives. To be called before `update`."""
        for place in files:
            path = pathlib.Path(place)
            size, sha256 = sum_of(path)
            control = self._apt("dpkg-deb", "--field", str(path)).rstrip("\n")
            field = dict(re.findall(r"^(Package|Version|Architecture): *(.+)$", control, re.MULTILINE))
            stanza = f"{control}\nFilename: ./{path.name}\nSize: {size}\nSHA256: {sha256}"
            deb = Deb(field["Package"], field["Version"], field["Architecture"], path.name, sha256, stanza, (SITE,))
            self._own.append(deb)
            if not self._store.has(sha256):
                copy = self._store.tmp() / path.name
                shutil.copyfile(path, copy)
                self._store.keep(copy, sha256)

    def update(self, again: bool) -> None:
        """Fetch the archives' indexes, if they were never fetched or `again` is set. Raises BoxliftError."""
        wanted = index_of(self._own)
        place, mark = self.root / "site" / "Packages", self.root / "updated"
        before = place.read_bytes() if place.exists() else b""
        if mark.exists() and not again and wanted.encode() == before:
            return
        mark.unlink(missing_ok=True)
        place.write_text(wanted, encoding="utf-8")
        (self.root / "site" / "Release").write_text(release_of(wanted, self.release, self.architecture, ""))
        self._apt("apt-get", "--quiet", "update")
        mark.touch()

    def _lists(self) -> t.Iterator[str]:
        for path in sorted((self.root / "state/lists").glob("*_Packages")):
            yield from path.read_text(encoding="utf-8").split("\n\n")

    def resolve(self, wanted: t.Mapping[str, t.Sequence[str]], may_lack: t.Collection[str]) -> Selection:
        """Of each group of names, the packages and all that they need. Raises BoxliftError.

        A name of `may_lack` that the release does not have is left out, and named in `absent`. The same question to
        the same indexes is answered once.
        """
        indexes = [sum_of(path)[1] for path in sorted((self.root / "state/lists").glob("*Release"))]
        groups = {group: sorted(names) for group, names in wanted.items()}
        question = [str(self.root), indexes, index_of(self._own), groups, sorted(may_lack)]

        def ask() -> dict[str, t.Any]:
            found = self._resolve(groups, may_lack)
            return {"debs": [dataclasses.asdict(deb) for deb in found.debs], "absent": found.absent}

        answer = self._store.answer("debs", question, ask, False)
        debs = [Deb(**{**one, "wanted_by": tuple(one["wanted_by"])}) for one in answer["debs"]]
        return Selection(debs, answer["absent"])

    def _resolve(self, wanted: t.Mapping[str, t.Sequence[str]], may_lack: t.Collection[str]) -> Selection:
        by_sum: dict[str, str] = {}
        names: set[str] = set()
        system: list[str] = []
        for stanza in self._lists():
            if found := re.search(r"^SHA256: (\w+)$", stanza, re.MULTILINE):
                by_sum[found[1]] = stanza
            name = stanza[9 : stanza.find("\n")] if stanza.startswith("Package: ") else ""
            names.add(name)
            if f"\nPriority: {_PRIORITIES[0]}\n" in stanza or f"\nPriority: {_PRIORITIES[1]}\n" in stanza:
                system.append(name)
            if found := re.search(r"^Provides: (.+)$", stanza, re.MULTILINE):
                names |= {provided.split()[0] for provided in found[1].split(",")}
        groups = {SYSTEM: sorted(set(system)), **wanted}
        groups[SITE] = [*wanted.get(SITE, []), *(deb.name for deb in self._own)]
        absent = {name for group in groups.values() for name in group if name not in names}
        if missing := sorted(absent - set(may_lack)):
            raise BoxliftError(
                f"The archives of Debian {self.release} have no {', '.join(missing)}.",
                "Add the archive to bundle_sources, or supply the packages as bundle_debs.",
            )
        wanted_by: dict[str, list[str]] = {}
        for group, members in groups.items():
            present = [name for name in members if name not in absent]
            said = self._apt("apt-get", "install", "--quiet", "--yes", "--print-uris", *present) if present else ""
            for sha256 in _URI.findall(said):
                wanted_by.setdefault(sha256, []).append(group)
        debs = [_deb(by_sum[sha256], tuple(sorted(groups))) for sha256, groups in wanted_by.items()]
        return Selection(sorted(debs, key=lambda deb: (deb.name, deb.version)), sorted(absent))

    def date(self) -> str:
        """The day of the youngest archive, as Release states it."""
        dates = []
        for path in (self.root / "state/lists").glob("*Release"):
            found = re.search(r"^Date: (.+)$", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
            dates += [found[1]] if found else []
        return max(dates, key=_moment, default="")

    def fetch(self, debs: t.Sequence[Deb]) -> None:
        """Bring into the store what is not there yet; apt compares each package with the signed index."""
        missing = [deb for deb in debs if not self._store.has(deb.sha256)]
        if not missing:
            return
        folder = self._store.tmp() / f"debs-{self.release}-{os.getpid()}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            exact = [f"{deb.name}:{deb.architecture}={deb.version}" for deb in missing]
            self._apt("apt-get", "download", "--quiet", *exact, folder=folder.absolute())
            for path in folder.iterdir():
                self._store.keep(path, sum_of(path)[1])
        finally:
            shutil.rmtree(folder)
        if lacking := [deb.file for deb in missing if not self._store.has(deb.sha256)]:
            raise BoxliftError(f"{lacking[0]} did not come, or came with another sum.", "Run again.")


class Selection(t.NamedTuple):
    debs: list[Deb]
    absent: list[str]  # names that the release does not have


def _moment(text: str) -> float:
    return email.utils.parsedate_to_datetime(text).timestamp()


def _signed(line: str, keyring: str) -> str:
    """A line of sources.list that names the key its archive must be signed by."""
    if re.search(r"\b(trusted|allow-insecure|allow-weak)=", line):
        raise BoxliftError(f"bundle_sources: '{line}' would take packages unsigned.", "Name the key as signed-by.")
    if not re.match(r"deb\s+\S", line):
        raise BoxliftError(f"bundle_sources: '{line}' is no source.", "Write: deb ADDRESS {codename} main")
    if line.split()[1].startswith("["):
        return line
    return re.sub(r"^deb\s+", f"deb [signed-by={keyring}] ", line)


def _deb(stanza: str, wanted_by: tuple[str, ...]) -> Deb:
    field = dict(re.findall(r"^(Package|Version|Architecture|Filename|SHA256): *(.+)$", stanza, re.MULTILINE))
    file = field["Filename"].rsplit("/", 1)[-1]
    stanza = re.sub(r"^Filename: .+$", f"Filename: ./{file}", stanza.strip("\n"), flags=re.MULTILINE)
    return Deb(field["Package"], field["Version"], field["Architecture"], file, field["SHA256"], stanza, wanted_by)


def index_of(debs: t.Sequence[Deb]) -> str:
    """The file Packages of a flat repository."""
    return "".join(f"{deb.stanza}\n\n" for deb in debs)


def release_of(index: str, release: str, architecture: str, date: str) -> str:
    """The file Release of a flat repository, with the sum of its Packages."""
    data = index.encode()
    return (
        "Origin: boxlift\nLabel: boxlift bundle\nSuite: bundle\n"
        f"Codename: {RELEASES[release]}\nArchitectures: {architecture} all\n"
        f"Date: {date or 'Thu, 01 Jan 1970 00:00:00 UTC'}\n"
        f"SHA256:\n {hashlib.sha256(data).hexdigest()} {len(data)} Packages\n"
    )


def write(folder: pathlib.Path, apt: Apt, debs: t.Sequence[Deb], store: Store) -> None:
    """The packages as a flat repository. Raises BoxliftError for one that was damaged in the store."""
    for deb in debs:
        if not store.take(deb.sha256, folder / deb.file):
            apt.fetch([deb])
            store.take(deb.sha256, folder / deb.file)
    index = index_of(debs)
    (folder / "Packages").write_text(index, encoding="utf-8")
    (folder / "Release").write_text(release_of(index, apt.release, apt.architecture, apt.date()), encoding="utf-8")

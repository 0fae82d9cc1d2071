# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a bundle: gathers everything beside the place, seals and signs it, and puts it there by a rename."""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
import shutil
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import sync_directory
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle import (
    components,
    debian,
    galaxy,
    licences,
    manifest,
    roles,
    site_files,
    wheels,
)
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle.components import Component
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle.manifest import Facts
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle.store import Store

HERE = pathlib.Path(__file__).parent
SCRIPTS = ("verify.sh", "install.sh", "countersign.sh")
#: Beside what the collection itself asks for.
ENGINE, ENGINE_FROM = "ansible-core>=2.19,<2.20", "2.19"
INSTALLER = "pip"
KINDS = {
    "collections": "collection",
    "python": "wheel",
    "debian": "deb",
    "inventory": "inventory",
    "plan": "plan",
    "manual": "manual",
    "checks": "documentation",
    "sbom": "sbom",
}
OWN_LICENCE = "GPL-3.0-or-later"


@dataclasses.dataclass(frozen=True)
class Request:
    """What a bundle shall hold."""

    dest: pathlib.Path
    facts: Facts
    releases: t.Sequence[str]
    architecture: str = "amd64"
    sources: t.Sequence[str] = ()  # of Debian packages; none: those of this machine
    keyring: str = debian.KEYRING
    packages: t.Sequence[str] = ()  # names of further Debian packages
    debs: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)  # release → files of the site's own
    inventory: str = ""
    plan: str = ""
    manual: str = ""
    base: str = ""
    key_file: str = ""
    refresh: bool = True  # ask archives and indexes anew
    never: t.Sequence[bytes] = ()  # what no file of the site may hold


@dataclasses.dataclass(frozen=True)
class Built:
    changed: bool
    id: str
    manifest_sha256: str
    files: int
    size: int  # bytes in the bundle's own folder
    absent: list[str]  # "RELEASE NAME" of packages that a release does not have
    kept_back: list[str]
    fetched: int  # files that came from outside
    fetched_bytes: int


class Contents(t.Protocol):
    """Where the parts that others wrote come from; tests have small ones."""

    def collections(self) -> list[galaxy.Collection]: ...

    def requirements(self) -> list[str]: ...

    def packages(self, release: str) -> t.Mapping[str, t.Sequence[str]]: ...


class Installed:
    """As it is installed here."""

    def collections(self) -> list[galaxy.Collection]:
        return galaxy.all_of()

    def requirements(self) -> list[str]:
        text = (roles.ROLES.parent / "requirements.txt").read_text(encoding="utf-8")
        named = [line for line in text.splitlines() if line and not line.startswith("#")]
        return [*wheels.pinned([ENGINE, *named]), INSTALLER]

    def packages(self, release: str) -> t.Mapping[str, t.Sequence[str]]:
        return roles.packages(release)


class Builder:
    def __init__(self, request: Request, store: Store, contents: Contents) -> None:
        self._request, self._store, self._contents = request, store, contents
        self._folder = request.dest.parent / f".{request.dest.name}.new"
        self._components: list[Component] = []
        self._licences: dict[str, str] = {}
        self._absent: list[tuple[str, str]] = []
        self._kept_back: list[str] = []

    def build(self, check: bool = False) -> Built:
        """Make the bundle, or in check mode only what can be told without fetching. Raises BoxliftError."""
        request = self._request
        before = self._held()
        base = manifest.base_of(pathlib.Path(request.base)) if request.base else None
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        try:
            # First what can be refused, then what takes time.
            components.sbom([], request.facts.site, "")
            self._bring_site()
            if check:
                return self._told(True, request.facts.id, "", [])
            self._bring_collections()
            self._bring_python()
            for release in request.releases:
                self._bring_debian(release)
            self._bring_rest()
            contents = manifest.seal(self._folder, request.facts, self._describe, base)
            made = manifest.read(self._folder)
            if before is not None and manifest.same_but_time(before, made) and self._signed():
                kept = request.dest / manifest.NAME
                return self._told(False, before["id"], manifest.sum_of(kept)[1], contents)
            if request.key_file:
                manifest.sign(self._folder, request.key_file)
            digest = manifest.sum_of(self._folder / manifest.NAME)[1]
            self._put()
            return self._told(True, request.facts.id, digest, contents)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _held(self) -> dict[str, t.Any] | None:
        """The manifest of the bundle that is at the place. Raises BoxliftError for something else there."""
        dest = self._request.dest
        if not dest.exists() or (dest.is_dir() and not any(dest.iterdir())):
            return None
        return manifest.read(dest)

    def _signed(self) -> bool:
        return not self._request.key_file or (self._request.dest / manifest.CONTRACTOR).exists()

    def _put(self) -> None:
        dest, old = self._request.dest, self._folder.with_suffix(".old")
        for root, folders, names in os.walk(self._folder):
            for name in folders:
                os.chmod(os.path.join(root, name), 0o755)
            for name in names:
                os.chmod(os.path.join(root, name), 0o644)
        os.chmod(self._folder, 0o755)
        shutil.rmtree(old, ignore_errors=True)
        if dest.exists():
            dest.rename(old)
        self._folder.rename(dest)
        sync_directory(str(dest.parent))
        shutil.rmtree(old, ignore_errors=True)

    def _told(self, changed: bool, name: str, digest: str, contents: t.Sequence[manifest.Content]) -> Built:
        return Built(
            changed,
            name,
            digest,
            len(contents),
            sum(one.size for one in contents if not one.in_base),
            [f"{release} {package}" for release, package in self._absent],
            self._kept_back,
            self._store.fetched,
            self._store.fetched_bytes,
        )

    def _describe(self, path: str) -> tuple[str, str]:
        top = path.split("/")[0]
        return KINDS.get(top, "tool") if "/" in path else "tool", self._licences.get(path, "")

    def _add(self, one: Component) -> None:
        self._components.append(one)
        self._licences[one.path] = one.licence

    def _bring_site(self) -> None:
        request = self._request
        plan = pathlib.Path(request.plan) if request.plan else None
        for name, source in (("inventory", request.inventory), ("plan", request.plan), ("manual", request.manual)):
            if source:
                place = self._folder / name
                found = site_files.bring(pathlib.Path(source), place, request.never, name == "inventory", plan)
                self._kept_back += [f"{name}/{one}" for one in found]

    def _bring_collections(self) -> None:
        for one in self._contents.collections():
            path = f"collections/{one.file}"
            place = self._folder / path
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(one.tarball)
            self._add(
                Component(components.COLLECTION, one.name, one.version, one.licence, path, manifest.sum_of(place)[1])
            )

    def _bring_python(self) -> None:
        wanted = self._contents.requirements()
        for release in self._request.releases:
            pip = wheels.Pip(self._store, release, self._request.architecture)
            found = pip.resolve(wanted, self._request.refresh)
            pip.fetch(found)
            pip.write(self._folder / "python", found)
            for one in found:
                path = f"python/{one.file}"
                if path not in self._licences:
                    licence = licences.of_wheel(self._folder / path)
                    self._add(Component(components.WHEEL, one.name, one.version, licence, path, one.sha256))

    def _bring_debian(self, release: str) -> None:
        request = self._request
        sources = request.sources or debian.own_sources()
        apt = debian.Apt(self._store, release, request.architecture, sources, request.keyring)
        apt.add(request.debs.get(release, []))
        apt.update(request.refresh)
        wanted = {**self._contents.packages(release), debian.SITE: list(request.packages)}
        selection = apt.resolve(wanted, roles.supplied())
        self._absent += [(release, name) for name in selection.absent]
        apt.fetch(selection.debs)
        debian.write(self._folder / "debian" / release, apt, selection.debs, self._store)
        said = {
            one.name: self._store.answer("licence", one.sha256, functools.partial(self._look, one), False)
            for one in selection.debs
        }
        for one in selection.debs:
            known = said[one.name]
            for _step in range(3):
                known = said.get(known.get("same_as", ""), known)
            licence = "; ".join(known["licences"]) or licences.UNKNOWN
            path = f"debian/{release}/{one.file}"
            self._add(
                Component(
                    *(components.DEB, one.name, one.version, licence, path, one.sha256),
                    *(release, one.architecture, one.wanted_by),
                )
            )

    def _look(self, one: debian.Deb) -> dict[str, t.Any]:
        return licences.of_deb(self._store.path(one.sha256))

    def _bring_rest(self) -> None:
        request, folder = self._request, self._folder
        for name in SCRIPTS:
            (folder / name).write_bytes((HERE / name).read_bytes())
            self._licences[name] = OWN_LICENCE
        checks = roles.ROLES.parent / "docs" / "checks"
        for path in sorted(checks.glob("*.md")):
            place = folder / "checks" / path.name
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(path.read_bytes())
        absent = [{"release": release, "name": name} for release, name in self._absent]
        listed = sorted(self._components, key=lambda one: (one.kind, one.release, one.name.lower(), one.path))
        about = {"site": request.facts.site, "absent": absent}
        (folder / "sbom").mkdir()
        for name, text in (
            ("sbom/components.csv", components.licence_list(listed)),
            ("sbom/sbom.cdx.json", components.sbom(listed, request.facts.site, request.facts.plan_sha256[:12])),
            ("sbom/index.html", components.html(listed, about)),
            ("README.txt", readme(request.facts, request.base)),
        ):
            (folder / name).write_text(text, encoding="utf-8")


def readme(facts: Facts, base: str) -> str:
    """What somebody reads who has only the medium."""
    more = " -b BASE" if base else ""
    return f"""\
Bundle {facts.id} for {facts.site}, built at {facts.built_at}, valid to {facts.valid_to}.

1. Verify it with a verify.sh that reached you another way, and with the keys that your site keeps:
   sh verify.sh -k SIGNERS -s {facts.site}{more} -e FOLDER
2. After your own checks, accept it by your signature:
   sh countersign.sh -k SIGNERS -s {facts.site}{more} -f KEY FOLDER
3. Install the controller, on Debian with Python {facts.python.replace(" ", " or ")}:
   sh FOLDER/install.sh -k SIGNERS -s {facts.site}{more}

sbom/index.html lists what others wrote, with versions and licences. manual/ is for the operators.
"""


def build(request: Request, store: Store, contents: Contents, check: bool = False) -> Built:
    """Make a bundle. Raises BoxliftError and OSError; what was at the place stays then."""
    if request.dest.exists() and not request.dest.is_dir():
        raise BoxliftError(f"{request.dest} is a file.", "Name a folder.")
    return Builder(request, store, contents).build(check)

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible collections as tarballs that ansible-galaxy takes without a network; the same bytes for the same files."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import io
import json
import pathlib
import sys
import tarfile
import tempfile
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils import program
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

OWN = "boxlift.portal"
Data = dict[str, t.Any]


class Collection(t.NamedTuple):
    name: str
    version: str
    licence: str
    dependencies: list[str]
    tarball: bytes

    @property
    def file(self) -> str:
        return f"{self.name.replace('.', '-')}-{self.version}.tar.gz"


def all_of(name: str = OWN, run: t.Callable[[t.Sequence[str]], tuple[int, str, str]] = program.run) -> list[Collection]:
    """A collection and those that it depends on, as they are installed here. Raises BoxliftError."""
    found: dict[str, Collection] = {}
    pending = [name]
    while pending:
        wanted = pending.pop()
        if wanted not in found:
            folder = folder_of(wanted)
            found[wanted] = packed(folder) if (folder / "MANIFEST.json").exists() else built(folder, run)
            pending += found[wanted].dependencies
    return [found[key] for key in sorted(found)]


def folder_of(name: str) -> pathlib.Path:
    """Where a collection is installed."""
    try:
        return pathlib.Path(importlib.import_module(f"ansible_collections.{name}").__path__[0])
    except ImportError:
        raise BoxliftError(
            f"The collection {name} is not installed here.", f"Run: ansible-galaxy collection install {name}"
        ) from None


def built(folder: pathlib.Path, run: t.Callable[[t.Sequence[str]], tuple[int, str, str]]) -> Collection:
    """Of a checkout, which has no manifest yet."""
    with tempfile.TemporaryDirectory() as work:
        command = [sys.executable, "-m", "ansible", "galaxy", "collection", "build", "--output-path", work, str(folder)]
        status, _said, complaints = run(command)
        if status != 0:
            raise BoxliftError(f"{folder} cannot be built: {complaints.strip()}", "Correct galaxy.yml.")
        with tarfile.open(next(pathlib.Path(work).glob("*.tar.gz"))) as archive:
            archive.extractall(f"{work}/files", filter="data")
        return packed(pathlib.Path(work, "files"))


def packed(folder: pathlib.Path) -> Collection:
    """Of an installed collection, what its own list names and is here. Raises BoxliftError for a changed file.

    The package `ansible` leaves out the tests of the collections that it brings.
    """
    info = json.loads((folder / "MANIFEST.json").read_bytes())
    entries: list[Data] = []
    contents: dict[str, bytes] = {}
    for entry in json.loads((folder / "FILES.json").read_bytes())["files"]:
        path = folder / entry["name"]
        if entry["ftype"] == "file" and path.is_file():
            contents[entry["name"]] = path.read_bytes()
            if hashlib.sha256(contents[entry["name"]]).hexdigest() != entry["chksum_sha256"]:
                raise BoxliftError(
                    f"{path} was changed after its collection was installed.", "Install the collection anew."
                )
        elif not path.is_dir():
            continue
        entries.append(entry)
    entries.sort(key=lambda entry: str(entry["name"]))
    listed = json.dumps({"files": entries, "format": 1}, indent=1, sort_keys=True).encode()
    info["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(listed).hexdigest()
    about = info["collection_info"]
    contents |= {"MANIFEST.json": json.dumps(info, indent=1, sort_keys=True).encode(), "FILES.json": listed}
    folders = [str(entry["name"]) for entry in entries if entry["ftype"] == "dir" and entry["name"] != "."]
    return Collection(
        f"{about['namespace']}.{about['name']}",
        about["version"],
        " AND ".join(about.get("license") or []) or _licence_of(folder, about),
        sorted(about.get("dependencies") or {}),
        tarball(folders, contents, {path for path in contents if (folder / path).stat().st_mode & 0o100}),
    )


def _licence_of(folder: pathlib.Path, about: Data) -> str:
    """Of a collection that names a file only."""
    text = (folder / about["license_file"]).read_text(encoding="utf-8") if about.get("license_file") else ""
    return "GPL-3.0-or-later" if "GNU GENERAL PUBLIC LICENSE" in text and "Version 3" in text else "see its files"


def tarball(folders: t.Sequence[str], contents: t.Mapping[str, bytes], executable: t.Collection[str] = ()) -> bytes:
    """A compressed archive without times, accounts and order of this machine."""
    packed_up = io.BytesIO()
    with gzip.GzipFile(fileobj=packed_up, mode="wb", mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as made:
        for name in sorted(folders):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            made.addfile(entry)
        for name in sorted(contents):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(contents[name]), 0o755 if name in executable else 0o644
            made.addfile(entry, io.BytesIO(contents[name]))
    return packed_up.getvalue()

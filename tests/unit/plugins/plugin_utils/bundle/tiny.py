# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny repositories: Debian packages and wheels that weigh nothing, for the real apt and the real pip."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import typing as t
import zipfile
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle import galaxy

DEP5 = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: {}\n"


def deb(folder: Path, name: str, version: str = "1.0", licence: str = "GPL-2+", **fields: str) -> Path:
    """A Debian package with nothing in it but its copyright file."""
    tree = folder / f"{name}-{version}.tree"
    documents = tree / "usr/share/doc" / name
    documents.mkdir(parents=True)
    if licence.startswith("->"):
        documents.rmdir()
        documents.symlink_to(licence[2:])
    else:
        (documents / "copyright").write_text(DEP5.format(licence))
    (tree / "DEBIAN").mkdir()
    values = {"Package": name, "Version": version, "Architecture": "amd64", "Maintainer": "A <a@example.com>"}
    values |= {"Description": f"the package {name}", **{key.replace("_", "-"): value for key, value in fields.items()}}
    (tree / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in values.items()))
    path = folder / f"{name}_{version}_amd64.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def archive(folder: Path) -> str:
    """Make an index of the packages in this folder; the line that names the folder as a source, unsigned."""
    stanzas = []
    for path in sorted(folder.glob("*.deb")):
        shown = subprocess.run(["dpkg-deb", "--field", path], check=True, capture_output=True, text=True).stdout
        data = path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        stanzas.append(f"{shown.rstrip()}\nFilename: ./{path.name}\nSize: {len(data)}\nSHA256: {sha256}\n\n")
    index = "".join(stanzas)
    (folder / "Packages").write_text(index)
    digest = hashlib.sha256(index.encode()).hexdigest()
    (folder / "Release").write_text(
        f"Codename: bookworm\nDate: Sat, 28 Nov 2026 02:53:00 UTC\nSHA256:\n {digest} {len(index)} Packages\n"
    )
    return f"deb [trusted=yes] file:{folder} ./"


def wheel(folder: Path, name: str, version: str = "1.0", tag: str = "py3-none-any", **headers: t.Sequence[str]) -> Path:
    """A Python package with one empty module."""
    info = f"{name}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"]
    lines += [f"{key.replace('_', '-')}: {value}\n" for key, values in headers.items() for value in values]
    files = {
        f"{name}.py": b"",
        f"{info}/METADATA": "".join(lines).encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tiny\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')},{len(data)}\n"
        for path, data in files.items()
    )
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as packed:
        for inner, data in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            packed.writestr(zipfile.ZipInfo(inner), data)
    return path


class Contents:
    """What a small bundle holds, in place of this collection and what it needs."""

    def __init__(self, requirements: t.Sequence[str], packages: t.Mapping[str, t.Sequence[str]]) -> None:
        self._requirements, self._packages = list(requirements), packages

    def collections(self) -> list[galaxy.Collection]:
        return [galaxy.Collection("some.thing", "1.2.3", "MIT", [], galaxy.tarball(["a"], {"a/b": b"c"}))]

    def requirements(self) -> list[str]:
        return self._requirements

    def packages(self, release: str) -> t.Mapping[str, t.Sequence[str]]:
        return self._packages

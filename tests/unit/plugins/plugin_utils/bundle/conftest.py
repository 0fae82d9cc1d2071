# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small sealed and signed bundle, the keys of a site, and the real scripts."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle import build, manifest

SITE = "portal.example.com"
FACTS = manifest.Facts(SITE, 7, "2026-01-02T03:04:05Z", "2999-12-31", plan_sha256="ab" * 32, python="3.11")
# Names that a shell could stumble over.
FILES = {
    "README.txt": b"A bundle.\n",
    "debian/12/nginx_1.22~1+b1_amd64.deb": b"a package\n",
    "python/two words.whl": b"a wheel\n",
    "manual/-rf": b"a name like an option\n",
    "manual/$HOME; `id` 'x' \"y\" *": b"a name like a command\n",
    "manual/руководство.html": b"<html></html>\n",
    "plan/empty": b"",
}


class Run(t.NamedTuple):
    code: int
    said: str
    complaints: str


def sh(script: Path, *arguments: str | Path, **environment: str) -> Run:
    """What a script says to these arguments; run by the shell that Debian calls sh."""
    command = ["sh", str(script), *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment or None)
    return Run(ended.returncode, ended.stdout, ended.stderr)


@dataclasses.dataclass(frozen=True)
class Site:
    """Keys and the file of public keys that the site keeps."""

    folder: Path

    def key(self, name: str) -> Path:
        return self.folder / name

    def signers(self, *names: str) -> Path:
        path = self.folder / f"signers-{'-'.join(names)}"
        lines = [
            f'{name} namespaces="boxlift-bundle" {self.key(name).with_suffix(".pub").read_text()}' for name in names
        ]
        path.write_text("".join(lines))
        return path

    def verify(
        self, bundle: Path, *options: str | Path, site: str = SITE, names: t.Sequence[str] = ("contractor",)
    ) -> Run:
        return sh(build.HERE / "verify.sh", "-k", self.signers(*names), "-s", site, *options, bundle)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("contractor", "customer", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / name], check=True)
    return Site(folder)


def make(folder: Path, files: t.Mapping[str, bytes], key: Path, base: Path | None = None, **facts: t.Any) -> Path:
    """A bundle of these files."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    of = manifest.base_of(base) if base else None
    manifest.seal(folder, dataclasses.replace(FACTS, **facts), lambda path: ("manual", ""), of)
    manifest.sign(folder, str(key))
    return folder


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory, keys: Site) -> Path:
    return make(tmp_path_factory.mktemp("pristine") / "bundle", FILES, keys.key("contractor"))


@pytest.fixture
def bundle(tmp_path: Path, pristine: Path) -> Path:
    """A copy that a test may damage; its path has a space and a dash in it."""
    return Path(shutil.copytree(pristine, tmp_path / "the -bundle"))

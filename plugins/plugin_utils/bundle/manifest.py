# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a bundle: what it is, for whom, how long, and the sum of every file; and the signature over it.

`verify.sh` reads it with sed. So each of its values stands on a line of its own, and the text is always the same for
the same values. Of the files it reads SHA256SUMS, whose own sum the manifest holds.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import re
import subprocess
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file

FORMAT = 1
NAME = "BUNDLE.json"
SUMS = "SHA256SUMS"
BASE_SUMS = "SHA256SUMS.base"
CONTRACTOR = "BUNDLE.sig.contractor"
CUSTOMER = "BUNDLE.sig.customer"
#: What no list of sums holds: the lists themselves, and what is signed or signs.
UNLISTED = frozenset({NAME, SUMS, BASE_SUMS, CONTRACTOR, CUSTOMER})
NAMESPACE = "boxlift-bundle"
# What the shell scripts take from the manifest into paths and messages.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclasses.dataclass(frozen=True)
class Content:
    """One file of a bundle."""

    path: str  # relative to the bundle's folder, with /
    size: int  # bytes
    sha256: str
    kind: str
    licence: str
    in_base: bool = False  # it did not change, and lies in the base's folder


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a manifest says beside the files."""

    site: str
    version: int  # grows with every bundle of a site; an older one is refused where a newer one was installed
    built_at: str  # 2026-11-29T22:30:00Z
    valid_to: str  # 2027-02-28, that day included
    plan_sha256: str = ""
    min_engine: str = ""
    python: str = ""  # versions of Python that it has packages for
    releases: str = ""

    @property
    def id(self) -> str:
        return f"{self.site}-{self.version}"


@dataclasses.dataclass(frozen=True)
class Base:
    """A bundle that another one completes: its id, the sum of its manifest, and all files that it stands for."""

    id: str
    sha256: str
    sums: t.Mapping[str, str]


def read(folder: pathlib.Path) -> dict[str, t.Any]:
    """The manifest of the bundle in this folder. Raises BoxliftError where there is none."""
    try:
        found = json.loads((folder / NAME).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise BoxliftError(f"{folder} is no bundle: {error}.", f"Name the folder that {NAME} lies in.") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BoxliftError(f"{folder / NAME} has a format that is not known here.", "Use the release that made it.")
    return found


def base_of(folder: pathlib.Path) -> Base:
    """The bundle in this folder as the base of another one."""
    found = read(folder)
    sha256 = hashlib.sha256((folder / NAME).read_bytes()).hexdigest()
    return Base(found["id"], sha256, {one["path"]: one["sha256"] for one in found["contents"]})


def sum_of(path: pathlib.Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    size, digest = 0, hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            size += len(block)
            digest.update(block)
    return size, digest.hexdigest()


def files_in(folder: pathlib.Path) -> list[str]:
    """All files of a bundle that are listed, sorted. Raises BoxliftError for what a bundle cannot hold."""
    found = []
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = pathlib.Path(root, name)
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise BoxliftError(f"{path} is neither a file nor a folder.", "Put what it leads to in its place.")
            if _UNSAFE.search(name) or len(name.encode(errors="replace")) != len(os.fsencode(name)):
                raise BoxliftError(f"The name {name!r} in {root} cannot be listed.", "Rename the file.")
        found += [pathlib.Path(root, name).relative_to(folder).as_posix() for name in names]
    return sorted(path for path in found if path not in UNLISTED)


def seal(
    folder: pathlib.Path,
    facts: Facts,
    describe: t.Callable[[str], tuple[str, str]],
    base: Base | None = None,
) -> list[Content]:
    """Write the lists of sums and the manifest of what lies in `folder`; files that are in `base` are taken out.

    `describe` gives the kind and the licence of a path.
    """
    if not _NAME.fullmatch(facts.id):
        raise BoxliftError(
            f"The site is called '{facts.site}', which no bundle can be named after.", "Use letters, digits, . and -."
        )
    contents = []
    for path in files_in(folder):
        size, sha256 = sum_of(folder / path)
        kind, licence = describe(path)
        # Readme and programs are in every bundle: somebody must begin.
        in_base = base is not None and base.sums.get(path) == sha256 and "/" in path
        contents.append(Content(path, size, sha256, kind, licence, in_base))
        if in_base:
            (folder / path).unlink()
    if base is not None and not any(one.in_base for one in contents):
        raise BoxliftError(f"Nothing is as in the base {base.id}.", "Make the bundle without a base.")
    for root, _folders, _names in os.walk(folder, topdown=False):
        if not os.listdir(root):
            os.rmdir(root)
    values: dict[str, t.Any] = {**dataclasses.asdict(facts), "id": facts.id, "format": FORMAT}
    values["sums_sha256"] = _write_sums(folder / SUMS, [one for one in contents if not one.in_base])
    values |= {"base_bundle": "", "base_sha256": "", "base_sums_sha256": ""}
    if base is not None:
        values |= {"base_bundle": base.id, "base_sha256": base.sha256}
        values["base_sums_sha256"] = _write_sums(folder / BASE_SUMS, [one for one in contents if one.in_base])
    replace_file(folder / NAME, text_of(values, contents).encode(), mode=0o644)
    return contents


def _write_sums(path: pathlib.Path, contents: t.Sequence[Content]) -> str:
    text = "".join(f"{one.sha256}  ./{one.path}\n" for one in contents).encode()
    replace_file(path, text, mode=0o644)
    return hashlib.sha256(text).hexdigest()


def text_of(values: t.Mapping[str, t.Any], contents: t.Sequence[Content]) -> str:
    """The manifest's text, one value on a line; the same for the same values."""
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in values.items()]
    files = ",\n".join(f"    {json.dumps(dataclasses.asdict(one), sort_keys=True)}" for one in contents)
    lines.append(f'  "contents": [\n{files}\n  ]')
    return "{\n" + ",\n".join(sorted(lines)) + "\n}\n"


def same_but_time(one: t.Mapping[str, t.Any], other: t.Mapping[str, t.Any]) -> bool:
    """Whether two manifests differ in nothing but when they were made, and in the version, which follows from it."""
    passing = {"built_at", "version", "id", "sums_sha256", "contents"}

    def lasting(manifest: t.Mapping[str, t.Any]) -> t.Any:
        listed = {entry["path"]: entry["sha256"] for entry in manifest["contents"]}
        listed.pop("README.txt", None)
        return {key: value for key, value in manifest.items() if key not in passing}, listed

    return bool(lasting(one) == lasting(other))


def sign(folder: pathlib.Path, key: str, name: str = CONTRACTOR) -> None:
    """Sign the manifest by an SSH key; `key` may be the public half of a key in an agent. Raises BoxliftError."""
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", NAMESPACE]
    try:
        made = subprocess.run(command, input=(folder / NAME).read_bytes(), capture_output=True, check=False)
    except FileNotFoundError:
        raise BoxliftError(
            "There is no ssh-keygen on this machine, so nothing can be signed.", "Install openssh-client."
        ) from None
    if made.returncode != 0:
        raise BoxliftError(
            f"{key} did not sign the manifest: {made.stderr.decode(errors='replace').strip()}.",
            "Name a key without a passphrase, or the public half of one that ssh-agent holds.",
        )
    replace_file(folder / name, made.stdout, mode=0o644)

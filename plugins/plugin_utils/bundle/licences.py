# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Under which licences a package comes, as it says itself."""

from __future__ import annotations

import gzip
import pathlib
import re
import tarfile
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils import program

Data = dict[str, t.Any]
UNKNOWN = "see its copyright file"
_COPYRIGHT = re.compile(r"\./usr/share/doc/[^/]+/copyright(\.gz)?")
_DOCUMENTS = re.compile(r"\./usr/share/doc/[^/]+")


def of_deb(path: pathlib.Path) -> Data:
    """`licences` by the copyright file in the package; or in `same_as` the package whose file counts for this one."""
    reader = program.start(["dpkg-deb", "--fsys-tarfile", str(path)], stdout=-1)
    found: Data = {"licences": []}
    try:
        with tarfile.open(fileobj=reader.stdout, mode="r|") as archive:
            for member in archive:
                if member.issym() and _DOCUMENTS.fullmatch(member.name):
                    found["same_as"] = member.linkname.rsplit("/", 1)[-1]
                elif member.isfile() and _COPYRIGHT.fullmatch(member.name):
                    stream = archive.extractfile(member)
                    text = stream.read() if stream else b""
                    text = gzip.decompress(text) if member.name.endswith(".gz") else text
                    found["licences"] = of_text(text.decode("utf-8", "replace"))
                    break
    finally:
        if reader.stdout:
            reader.stdout.close()
        reader.kill()
        reader.wait()
    return found


def of_text(text: str) -> list[str]:
    """Names of licences in a copyright file: those of its fields, else those of the licences that it refers to."""
    if text.lstrip().startswith("Format"):
        names = re.findall(r"^License: *(\S.*?) *$", text, re.MULTILINE | re.IGNORECASE)
        return sorted({name.rstrip(",") for name in names})
    return sorted({name.rstrip(".") for name in re.findall(r"/usr/share/common-licenses/([\w.+-]+)", text)})


def of_wheel(metadata: t.Mapping[str, t.Any]) -> str:
    """By the metadata of a Python package: its expression, else its classifiers, else its own word."""
    if expression := metadata.get("license_expression"):
        return str(expression)
    classifiers = [text for text in metadata.get("classifier") or [] if text.startswith("License :: ")]
    if classifiers:
        return "; ".join(sorted(text.rsplit(" :: ", 1)[-1] for text in classifiers))
    lines = str(metadata.get("license") or "").strip().splitlines()
    return lines[0].strip()[:80] if lines else UNKNOWN

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Under which licences a package comes, as it says itself."""

from __future__ import annotations

import email.parser
import gzip
import pathlib
import re
import tarfile
import typing as t
import zipfile

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


# Of older copyright files, which are plain text.
_PHRASES = (
    (r"Permission\s+is\s+hereby\s+granted,\s+free\s+of\s+charge", "MIT"),
    (r"Permission\s+to\s+use,\s+copy,\s+modify,\s+(and\s+)?distribute", "MIT-like"),
    (r"Redistribution\s+and\s+use\s+in\s+source\s+and\s+binary\s+forms", "BSD"),
    (r"PYTHON\s+SOFTWARE\s+FOUNDATION\s+LICENSE", "PSF"),
    (r"\bpublic\s+domain\b", "public-domain"),
)


def of_text(text: str) -> list[str]:
    """Names of licences in a copyright file: those of its fields, else those that its text refers to or consists of."""
    if text.lstrip().startswith("Format"):
        names = re.findall(r"^License: *(\S.*?) *$", text, re.MULTILINE | re.IGNORECASE)
        return sorted({name.rstrip(",") for name in names})
    named = {name.rstrip(".") for name in re.findall(r"/usr/share/common-licenses/([\w.+-]+)", text)}
    return sorted(named | {name for phrase, name in _PHRASES if re.search(phrase, text, re.IGNORECASE)})


def of_wheel(path: pathlib.Path) -> str:
    """By the metadata of a Python package: its expression, else its classifiers, else its own word."""
    with zipfile.ZipFile(path) as archive:
        name = next(
            name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1
        )
        metadata = email.parser.BytesHeaderParser().parsebytes(archive.read(name))
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = [str(text) for text in metadata.get_all("Classifier") or [] if str(text).startswith("License :: ")]
    if classifiers:
        return "; ".join(sorted(text.rsplit(" :: ", 1)[-1] for text in classifiers))
    lines = str(metadata.get("License") or "").strip().splitlines()
    return lines[0].strip()[:80] if lines else UNKNOWN

#!/usr/bin/env python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of hosts that the scenario provision has built: which tag they have, and which of them are outdated.

An image is named by the hash of everything that the scenario makes it from, so that it is never used for another
commit's roles. Several checkouts may share an engine: the newest images of others are kept.
"""

from __future__ import annotations

import functools
import hashlib
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RELEASES = ("12", "13")
# What the boxes are made from. Not the tests of provision: what they look at is the same whatever they ask.
SOURCES = (
    ".config/molecule",
    "molecule/provision/converge.yml",
    "molecule/provision/molecule.yml",
    "molecule/provision/pki.py",
    "molecule/provision/prepare.yml",
    "molecule/provision/restart.yml",
    "molecule/provision/vars",
    "molecule/shared",
    "plugins",
    "requirements-dev.txt",
    "roles",
    "tests/lab",
)
KEPT = 3


@functools.cache
def state() -> str:
    """The hash of every file that git tracks or would track under SOURCES, with its path."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", *SOURCES],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    total = hashlib.sha256()
    for name in sorted(filter(None, listed.split("\0"))):
        path = ROOT / name
        # A removed file is still listed until git is told.
        if path.is_file():
            total.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()[:12]


def tag(release: str) -> str:
    """The image of a provisioned host of this release of Debian, whether or not it exists."""
    return f"boxlift-lab:debian{release}-provisioned-{state()}"


def engine(*arguments: str) -> list[str]:
    """The lines that the container engine answers."""
    return subprocess.run(["docker", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def made() -> bool:
    """True if the images of all releases exist."""
    there = engine("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "boxlift-lab")
    return all(tag(release) in there for release in RELEASES)


def remove(*tags: str) -> None:
    """Remove these images; what a container still runs on loses its tag only."""
    there = engine("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "boxlift-lab")
    if present := [name for name in tags if name in there]:
        engine("image", "rm", "--force", *present)


def remove_outdated() -> None:
    """Keep the current images and the newest others of each release."""
    for release in RELEASES:
        # Newest first.
        there = engine(
            "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"boxlift-lab:debian{release}-provisioned-*"
        )
        others = [name for name in there if name != tag(release)]
        remove(*others[KEPT - 1 :])

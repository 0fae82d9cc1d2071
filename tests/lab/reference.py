# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups with a manifest to test against: the genuine writer's if they are at hand, else our own."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
GENUINE = CHECKOUT.parent / "shared" / "data" / "backups"
OWN = CHECKOUT / ".cache" / "lab" / "reference"
OWN_KINDS = {
    "plain_multi": ["--kind", "tar.gz", "--part-size", "4194304"],
    "enc_multi": ["--kind", "enc.gz", "--part-size", "3145728"],
}
# Kinds of archive that no genuine one at hand has.
FURTHER_KINDS = {
    "own_tar": ["--kind", "tar", "--part-size", "4194304"],
    "own_enc": ["--kind", "enc", "--part-size", "4194304"],
    "own_enc_gz_blowfish": ["--kind", "enc.gz", "--part-size", "3145728", "--cipher", "blowfish"],
}
PASSWORD = "Пароль №1 & test"


def reference_backups() -> dict[str, Path]:
    """Folder by name, each with a manifest.json. Our own are made once per checkout."""
    found = {path.parent.name: path.parent for path in sorted(GENUINE.glob("*/manifest.json"))}
    return found or {name: _own(name, options) for name, options in OWN_KINDS.items()}


def every_backup() -> dict[str, Path]:
    """The reference backups, and one of every other kind."""
    return {**reference_backups(), **{name: _own(name, options) for name, options in FURTHER_KINDS.items()}}


def _own(name: str, options: list[str]) -> Path:
    folder = OWN / name
    OWN.mkdir(parents=True, exist_ok=True)
    with (OWN / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers start at the same time
        if not (folder / "manifest.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
            if "enc" in name:
                (OWN / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
                options = [*options, "--password-file", str(OWN / "password")]
            maker = CHECKOUT / "tests" / "lab" / "make_backup.py"
            command = [sys.executable, str(maker), "--out", str(folder), *options]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # our output is a list of folders
    return folder


if __name__ == "__main__":
    for path in every_backup().values():
        print(path)

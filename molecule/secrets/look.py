# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints where a host shows canaries: {canary: [places]} as JSON. Runs on the host, as root.

Places are files, `journal`, and `PID cmdline` or `PID environ` of other processes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import typing as t

CANARY = re.compile(rb"Canary[0-9]{3}x[0-9a-f]{32}")
#: No device, nothing that the kernel makes up.
FOLDERS = ("/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var")


def files() -> t.Iterator[tuple[str, bytes]]:
    """Every file with its content."""
    for start in FOLDERS:
        for folder, _folders, names in os.walk(start):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as opened:
                        yield path, opened.read()


def processes() -> t.Iterator[tuple[str, bytes]]:
    """What other processes were called with."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for kind in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{kind}", "rb") as opened:
                    yield f"{pid} {kind}", opened.read()
            except OSError:  # it has ended meanwhile, or is the kernel's
                continue


def main() -> None:
    found: dict[str, list[str]] = {}
    journal = subprocess.run(["journalctl", "--no-pager", "--all", "--output=json"], capture_output=True, check=True)
    for place, content in (*processes(), ("journal", journal.stdout), *files()):
        for canary in set(CANARY.findall(content)):
            found.setdefault(canary.decode(), []).append(place)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

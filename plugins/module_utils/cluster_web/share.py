# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The share: where all web hosts must see the same files. A share that hangs holds up nobody.

Each host writes the time into a file of its own there, and reads those of the others.
"""

from __future__ import annotations

import json
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file

FOLDER = ".boxlift"
#: Made by the first host that mounts it, and never again.
IDENTITY = f"{FOLDER}/identity"
BEACONS = f"{FOLDER}/hosts"
ANSWER_SECONDS = 10
_REMEDY = "Run the playbook provision, whose role storage mounts it (docs/scale-web.md)."
Data = dict[str, t.Any]


def look(share: str, host: str, now: t.Callable[[], float] = time.time) -> Data:
    """The share's identity, and when each host has last written there. Raises BoxliftError or OSError.

    Reads and writes: run it apart, since a network file system may never answer.
    """
    if not os.path.ismount(share):
        raise BoxliftError(f"{share} is no mount point: the share is not there.", _REMEDY)
    try:
        with open(os.path.join(share, IDENTITY), encoding="ascii") as stream:
            identity = stream.read().strip()
    except FileNotFoundError as problem:
        raise BoxliftError(f"{share} is not the share of this portal: it has no {IDENTITY}.", _REMEDY) from problem
    beacons = os.path.join(share, BEACONS)
    replace_file(os.path.join(beacons, host), f"{now():.3f}\n".encode(), 0o640, durable=False)
    seen = {}
    for name in sorted(os.listdir(beacons)):
        if not name.startswith("."):
            with open(os.path.join(beacons, name), encoding="ascii") as stream:
                seen[name] = float(stream.read())
    return {"identity": identity, "seen": seen}


def looked(answer: tuple[int, str, str] | None) -> Data:
    """What a process that ran `look` said: `identity` and `seen`, or `problem`."""
    if answer is None:
        return {"problem": f"the share has not answered within {ANSWER_SECONDS} s"}
    status, said, complaint = answer
    if status != 0:
        return {"problem": complaint.strip()[:300] or f"status {status}"}
    found: Data = json.loads(said)
    return found

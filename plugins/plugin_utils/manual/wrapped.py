# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which playbook files a short command runs, with their SHA-256, for the officer who has read them before."""

from __future__ import annotations

import hashlib
import pathlib
import re
import typing as t

PLAYBOOKS = pathlib.Path(__file__).parents[3] / "playbooks"
_IMPORTED = re.compile(r"import_playbook:\s*[\"']?boxlift\.portal\.([\w.]+)[\"']?\s*$", re.MULTILINE)


class File(t.NamedTuple):
    """`name` as in the folder `playbooks`, or that of the site's own file; no sum where there is no such file."""

    name: str
    sha256: str


def files_of(playbook: str, folder: pathlib.Path = PLAYBOOKS) -> tuple[File, ...]:
    """The file of a playbook of this collection, then all that it imports by name; each once.

    A site's own playbook is named by its path, and what it imports is not looked at. Raises OSError.
    """
    if playbook.endswith((".yml", ".yaml")):
        own = pathlib.Path(playbook).expanduser()
        return (File(own.name, hashlib.sha256(own.read_bytes()).hexdigest() if own.is_file() else ""),)
    found: dict[str, File] = {}
    waiting = [playbook]
    while waiting:
        name = waiting.pop(0)
        path = folder / f"{name.replace('.', '/')}.yml"
        if name in found:
            continue
        if not path.is_file():
            found[name] = File(name, "")
            continue
        content = path.read_bytes()
        found[name] = File(str(path.relative_to(folder)), hashlib.sha256(content).hexdigest())
        waiting += _IMPORTED.findall(content.decode())
    return tuple(found.values())

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a drill back: what was live before it is live again, and what it has recovered is removed.

Each step looks at what exists, so that a killed run is completed by the next one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup import beside
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore.generations import Generations, name_of
from ansible_collections.boxlift.portal.plugins.module_utils.restore.rollback import Rollback
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import Trees, filled, remove_tree
from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import connect
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load import staging
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock

if t.TYPE_CHECKING:
    from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
    from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login


@dataclasses.dataclass(frozen=True)
class Site:
    """The drill host's portal: its tree, its database, and where the register of its generations lies."""

    document_root: str
    state_dir: str
    work_dir: str
    login: Login
    name: str
    database: StagedDatabase

    @property
    def trees(self) -> Trees:
        return Trees.of(self.document_root)

    def generations(self) -> Generations:
        found = Generations(self.trees, self.state_dir, self.database)
        if found.switch is None:
            found.recognise()
        return found


def live_now(site: Site) -> dict[str, t.Any]:
    """What is live, and what is needed to take a drill back and to know the portal again. Raises BoxliftError."""
    generations = site.generations()
    if generations.switch is not None:
        raise BoxliftError(
            f"A restore or rollback of {site.document_root} was interrupted, and is half done.",
            "Run that playbook again, which completes it; then drill.",
        )
    if not filled(site.trees.live) or generations.live is None:
        raise BoxliftError(
            f"No portal is live in {site.document_root}: a drill has nothing to come back to.",
            "Run the playbook preproduction for this host first.",
        )
    status = os.stat(site.trees.live)
    with connect(site.login) as conn:
        number = len(schema.tables(conn, site.name))
    return {
        "generation": generations.slot(),
        "kept": [int(note["number"]) for note in generations.kept],
        "tree": [status.st_dev, status.st_ino],
        "tables": number,
        "state": sorted(_state_files(site)),
    }


def take_back(site: Site, before: t.Mapping[str, t.Any]) -> list[str]:
    """Make what was live before the drill live again, and remove what the drill brought; what was done.

    The web server must not run. Raises BoxliftError.
    """
    done: list[str] = []
    if not os.path.isdir(site.state_dir):
        return done
    if _end_recovery(site):
        done.append("ended the recovery that still ran")
    if _complete(site):
        done.append("completed the switch that was interrupted")
    number = int(before["generation"])
    rolled = Rollback(site.document_root, site.state_dir, site.database, number).run()
    if rolled["changed"]:
        done.append(f"made generation {number} live")
    with _locked(site):
        generations = site.generations()
        keep = {number, *map(int, before["kept"])}
        new = [int(note["number"]) for note in generations.kept if int(note["number"]) not in keep]
        done += [f"removed generation {each}" for each in generations.drop(*new)]
        done += _remove_unfinished(site)
        for path in sorted(set(_state_files(site)) - set(before["state"])):
            remove_tree(path)
            if os.path.lexists(path):
                os.unlink(path)
            done.append(f"removed {path}")
    return done


def same_portal(site: Site, before: t.Mapping[str, t.Any]) -> list[str]:
    """What speaks against that the portal that was live before the drill is live again; empty if nothing does."""
    now = live_now(site)
    wrong = []
    if now["generation"] != before["generation"]:
        wrong.append(f"generation {now['generation']} is live, and {before['generation']} was")
    if now["tree"] != list(before["tree"]):
        wrong.append(f"{site.document_root} is another directory than before")
    if now["tables"] != before["tables"]:
        wrong.append(f"the database has {now['tables']} tables, and had {before['tables']}")
    return wrong


def _locked(site: Site) -> Lock:
    path = os.path.join(site.state_dir, f"{name_of(site.trees.live)}.lock")
    return Lock(path, f"The portal in {site.trees.live}")


def _complete(site: Site) -> bool:
    """A recovery that was killed while it was switched in is switched in; a rollback completes itself."""
    with _locked(site):
        generations = Generations(site.trees, site.state_dir, site.database)
        if generations.switch is None or generations.switch["kind"] != "restore":
            return False
        generations.switch_restored()
        generations.commit()
        return True


def _end_recovery(site: Site) -> bool:
    """End a recovery whose playbook was killed: its module works on by itself. It may be killed at any point."""
    path = os.path.join(site.state_dir, f"{name_of(site.trees.live)}.lock")
    try:
        with open(path, encoding="utf-8") as lock:
            owner = re.match(r"process (\d+) on ", lock.read())
        if owner is None:
            return False
        with open(f"/proc/{owner[1]}/cmdline", "rb") as source:
            if b"portal_recover" not in source.read():
                return False
    except FileNotFoundError:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(owner[1]), signal.SIGKILL)
    return True


def _remove_unfinished(site: Site) -> list[str]:
    """What a recovery makes beside the live portal before it is switched in."""
    done = []
    recovering = os.path.join(site.trees.parent, f".{os.path.basename(site.trees.live)}.recover")
    beside.end_processes(recovering)
    if os.path.lexists(site.work_dir):
        beside.Folder(site.work_dir).remove()
        done.append(f"removed {site.work_dir}")
    for tree in (site.trees.staging, recovering):
        if os.path.lexists(tree):
            remove_tree(tree)
            done.append(f"removed {tree}")
    name = staging.Names.of(site.name).staging
    with connect(site.login) as conn:
        if schema.exists(conn, name):
            staging.end_connections(conn, name)
            schema.drop(conn, name)
            done.append(f"removed the database {name}")
    return done


def _state_files(site: Site) -> list[str]:
    """What restores note of their own work; the register and the lock stay."""
    if not os.path.isdir(site.state_dir):
        return []
    name = name_of(site.trees.live)
    found = [each for each in os.listdir(site.state_dir) if each.startswith(f"{name}.") and each not in registers(site)]
    return [os.path.join(site.state_dir, each) for each in found]


def registers(site: Site) -> list[str]:
    """Names of the files that stay once a host has had a restore: the register of generations, and the lock."""
    name = name_of(site.trees.live)
    return [f"{name}.generations.json", f"{name}.lock"]

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site of a fleet: a folder with an ansible.cfg, which names the layers of its inventory, its vault, its journal."""

from __future__ import annotations

import configparser
import dataclasses
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

CONFIGURATION, JOURNAL = "ansible.cfg", "boxlift.portal.journal"
#: Of the fleet's own ansible-playbook. No site may take them over: they name inventories, vaults, journals of others.
OTHERS = ("ANSIBLE_", "BOXLIFT_")
#: What all sites have in common.
KEPT = ("ANSIBLE_HOME",)


@dataclasses.dataclass(frozen=True)
class Site:
    """`journal` is the file that the site's runs are written into."""

    folder: str
    configuration: str
    journal: str


def site(folder: str) -> Site:
    """Raises BoxliftError where there is none, or where its journal could be that of another site."""
    folder = os.path.abspath(folder)
    path = os.path.join(folder, CONFIGURATION)
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";",))
    try:
        with open(path, encoding="utf-8") as stream:
            parser.read_file(stream)
    except FileNotFoundError as error:
        raise BoxliftError(
            f"There is no {path}.", "Make the site's folder as docs/fleet.md says, or correct fleet_folder."
        ) from error
    except (configparser.Error, UnicodeDecodeError) as error:
        raise BoxliftError(f"{path} cannot be read: {error}.", "Correct the file.") from error
    if not parser.get("defaults", "inventory", fallback=""):
        raise BoxliftError(
            f"{path} names no inventory.", "Name the site's layers under [defaults], as docs/fleet.md says."
        )
    if JOURNAL not in parser.get("defaults", "callbacks_enabled", fallback=""):
        raise BoxliftError(
            f"{path} does not enable the journal, so nobody would know how far the site comes.",
            f"Add callbacks_enabled = {JOURNAL} under [defaults].",
        )
    named = parser.get("boxlift_journal", "path", fallback="").replace("{{CWD}}", folder)
    journal = os.path.abspath(os.path.join(folder, os.path.expanduser(named))) if named else ""
    if journal and os.path.commonpath([journal, folder]) != folder:
        raise BoxliftError(
            f"The journal {journal} of {path} does not lie in the site's folder.",
            "Name a file in it, such as journal/move.jsonl: another site could write the same one.",
        )
    return Site(folder, path, journal or os.path.join(folder, "journal", "fleet.jsonl"))


def environment(of: Site, collections: t.Sequence[str], base: t.Mapping[str, str]) -> dict[str, str]:
    """What the site's ansible-playbook gets: `base` without what the fleet's own was told."""
    kept = {name: value for name, value in base.items() if name in KEPT or not name.startswith(OTHERS)}
    return {
        **kept,
        "ANSIBLE_CONFIG": of.configuration,
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(os.path.abspath(path) for path in collections),
        "ANSIBLE_NOCOLOR": "true",
        "BOXLIFT_JOURNAL": of.journal,
    }

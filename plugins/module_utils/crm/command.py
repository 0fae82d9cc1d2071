# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `boxlift-crm`: the nightly snapshot of a portal's CRM, and what people ask its store."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sqlite3
import sys
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.command_line import become_owner, ended, say
from ansible_collections.boxlift.portal.plugins.module_utils.crm import nightly
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.settings import BOX, CLOUD, Settings, read_settings
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

SETTINGS = "/etc/boxlift-crm/settings.json"
Work = t.Callable[[Settings, argparse.Namespace], int]


def main(arguments: t.Sequence[str] | None = None) -> int:
    """Give the exit status; what went wrong is on standard error, with what helps."""
    given = _parser().parse_args(arguments)
    return ended(lambda: _work(given))


def _work(given: argparse.Namespace) -> int:
    settings = read_settings(given.settings)
    if given.run is not _check:
        become_owner(settings.folder)
    try:
        return int(given.run(settings, given))
    except sqlite3.DatabaseError as error:
        say(f"A store is damaged: {error}. Put back a copy of it, or move it away and take a full one.", sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="boxlift-crm", description="Keeps what a portal's CRM was like every night.")
    parser.add_argument("--settings", default=SETTINGS, help="settings file (%(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Work, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        return made

    def of_portal(name: str, run: Work, text: str) -> argparse.ArgumentParser:
        made = command(name, run, text)
        made.add_argument("--portal", choices=[BOX, CLOUD], default=BOX, help="whose store (%(default)s)")
        return made

    command("check", _check, "read the settings, and say what is wrong in them")
    snapshot = of_portal("snapshot", _snapshot, "take a snapshot of the portal's CRM; the timer does this every night")
    snapshot.add_argument("--full", action="store_true", help="read everything again, not only what changed")
    status = command("status", _status, "print the last snapshots, their alerts and the stores' sizes, as JSON")
    status.add_argument("--prove", action="store_true", help="read the stores as a whole, and ask the portals")
    of_portal("prune", _prune, "remove the snapshots that the settings do not keep")
    history = of_portal("history", _history, "print every version of a record, as JSON")
    history.add_argument("kind", metavar="KIND", help="such as lead, deal, contact or company")
    history.add_argument("id", metavar="ID", type=int, help="its number in the portal")
    return parser


def _check(settings: Settings, _given: argparse.Namespace) -> int:
    settings.portal(BOX)
    return 0


def _rest(settings: Settings, name: str) -> Rest:
    access = settings.portal(name)
    return Rest(access.webhook, ca_file=access.ca_file or None, proxy=access.proxy or None, share=access.rate_share)


def _snapshot(settings: Settings, given: argparse.Namespace) -> int:
    rest = _rest(settings, given.portal)
    with Store(settings.store_path(given.portal), settings.store_key) as store:
        taken = nightly.snapshot(settings, rest, store, full=given.full, now=time.time)
    say(json.dumps(taken, ensure_ascii=False))
    return 0


def _status(settings: Settings, given: argparse.Namespace) -> int:
    said: dict[str, t.Any] = {}
    for name in (BOX, CLOUD):
        path = settings.store_path(name)
        if not os.path.exists(path) or os.path.getsize(path) == 0:
            continue
        try:
            with Store(path, settings.store_key, create=False) as store:
                said[name] = nightly.status(settings, store, prove=given.prove)
        except (BoxliftError, sqlite3.DatabaseError) as error:
            said[name] = {"problem": str(error)}
    if given.prove:
        for name, access in settings.portals.items():
            if access.webhook:
                said.setdefault(name, {})["webhook"] = nightly.webhook_problem(_rest(settings, name))
    say(json.dumps(said, indent=2, ensure_ascii=False))
    return 0


def _prune(settings: Settings, given: argparse.Namespace) -> int:
    with Store(settings.store_path(given.portal), settings.store_key) as store:
        say(json.dumps(nightly.prune(settings, store, time.time)))
    return 0


def _history(settings: Settings, given: argparse.Namespace) -> int:
    with Store(settings.store_path(given.portal), settings.store_key, create=False) as store:
        versions = store.history(given.kind, given.id)
    if not versions:
        raise BoxliftError(
            f"The store of the {given.portal} has no {given.kind} {given.id}.",
            "boxlift-crm status says since when there are snapshots.",
        )
    say(json.dumps([dataclasses.asdict(version) for version in versions], indent=2, ensure_ascii=False))
    return 0

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `boxlift-upkeep`: what the unattended update of a night runs before and after itself."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils import program
from ansible_collections.boxlift.portal.plugins.module_utils.command_line import ended, say
from ansible_collections.boxlift.portal.plugins.module_utils.upkeep import night, notes, services, update


def main(arguments: t.Sequence[str] | None = None) -> int:
    """Give the exit status; what went wrong is on standard error, with what helps."""
    given = _parser().parse_args(arguments)
    # Program's messages are read.
    os.environ.update({"LC_ALL": "C.UTF-8"})
    host = night.Host(program.run, night.answer, time.time, time.sleep, given.url)
    return ended(lambda: int(given.work(host, given.folder)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="boxlift-upkeep", description="Keeps an eye on a host's unattended updates.")
    parser.add_argument("--folder", default=notes.FOLDER, help="where notes and history are (%(default)s)")
    parser.add_argument("--url", default="", help="the portal's address, where this host has its web server")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, work, text in (
        ("before", _before, "note what is there before an update"),
        ("after", _after, "note what has changed, and fail if the portal is worse than before"),
        ("status", _status, "print what is not in order, and services that run replaced files, as JSON"),
    ):
        commands.add_parser(name, help=text, description=text).set_defaults(work=work)
    return parser


def _before(host: night.Host, folder: str) -> int:
    night.before(host, folder)
    return 0


def _after(host: night.Host, folder: str) -> int:
    note = night.after(host, folder)
    if note is None:
        say("Nothing was updated.")
        return 0
    if note.changes:
        say(f"{len(note.changes)} packages were updated: {note.path(folder)}.")
    waiting = services.outdated(pathlib.Path("/proc"))
    if waiting:
        say(f"These run replaced files until playbook update restarts them: {', '.join(waiting)}.")
    if not note.problems:
        return 0
    say(f"Since this update: {'; '.join(note.problems)}. {update.way_back(note)}", sys.stderr)
    return 1


def _status(host: night.Host, _folder: str) -> int:
    found = {"problems": night.problems(host), "outdated": services.outdated(pathlib.Path("/proc"))}
    say(json.dumps(found, indent=2, ensure_ascii=False))
    return 1 if found["problems"] else 0

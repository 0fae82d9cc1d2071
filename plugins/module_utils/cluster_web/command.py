# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `boxlift-web`: agents on one of several web hosts, code from the lead, what this host says of itself."""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import subprocess
import sys
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils import program
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web import agents, code, hosts, lease, share
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.settings import (
    ASIDE,
    PATH,
    Settings,
    read_settings,
)
from ansible_collections.boxlift.portal.plugins.module_utils.command_line import ended, say
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, from_system
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.portal.login import portal_connection, portal_login
from ansible_collections.boxlift.portal.plugins.module_utils.state import read_json, write_json

AGENTS_FILE = "bitrix/modules/main/tools/cron_events.php"
KEY = "/etc/boxlift-web/id_ed25519"
Data = dict[str, t.Any]


def main(arguments: t.Sequence[str] | None = None) -> int:
    """Give the exit status; what went wrong is on standard error, with what helps."""
    given = _parser().parse_args(arguments)
    # rsync's and ssh's messages are read.
    os.environ.update({"LC_ALL": "C.UTF-8"})
    return ended(lambda: int(given.work(read_settings(given.settings), given)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="boxlift-web", description="One of several web hosts of a portal.")
    parser.add_argument("--settings", default=PATH, help="the settings file (%(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, work, text in (
        ("agents", _agents, "run the agents, if this host has the lease or gets it within cron's minute"),
        ("code", _code, "bring the portal's code from the lead"),
        ("differences", _differences, "say what differs from the lead's code, as JSON"),
        ("tell", _tell, "say in the portal's database how this host is"),
        ("share", _share, "look at the share, and print it as JSON; it may hang with the share"),
        ("status", _status, "print who runs the agents, and what each host says of itself, as JSON"),
    ):
        commands.add_parser(name, help=text, description=text).set_defaults(work=work)
    return parser


def _agents(settings: Settings, _given: argparse.Namespace) -> int:
    path = os.path.join(settings.document_root, AGENTS_FILE)
    if os.path.exists(ASIDE) or not os.path.isfile(path) or not _configured(settings):
        return 0
    proven = agents.turn(lambda: _ask(settings))
    if proven is None or os.path.exists(ASIDE):
        return 0
    child = agents.Process(["php", "-f", path])
    aside = functools.partial(os.path.exists, ASIDE)
    return agents.guarded(child, proven, lambda: _ask(settings), time.monotonic, agents.in_thread, aside)


def _ask(settings: Settings) -> lease.Standing:
    """Over a connection of its own each time: one that an end of the database's host has left may hang."""
    with portal_connection(*portal_login(PortalFiles(settings.document_root))) as conn:
        return lease.ask(conn, settings.host)


def _configured(settings: Settings) -> bool:
    """Whether the portal's settings name this site's database; one just restored names the cloud's."""
    try:
        connections = PortalFiles(settings.document_root).sections().get("connections")
    except BoxliftError:
        return False
    default = connections.get("default") if isinstance(connections, dict) else None
    return isinstance(default, dict) and default.get("host") == settings.database_host


def _code(settings: Settings, _given: argparse.Namespace) -> int:
    if settings.leads:
        return 0
    state: Data = {"at": time.time(), "problem": ""}
    try:
        brought = code.bring(settings, KEY, program.run)
    except BoxliftError as problem:
        before = read_json(_state_path(settings)) or {}
        write_json(_state_path(settings), {**before, "problem": problem.message})
        raise
    if brought.changed:
        say(f"{brought.changed} files came from {settings.lead}, {brought.removed} of them removals.")
    write_json(_state_path(settings), {**state, "changed": brought.changed})
    return 0


def _differences(settings: Settings, _given: argparse.Namespace) -> int:
    found = code.Brought() if settings.leads else code.bring(settings, KEY, program.run, look_only=True)
    say(json.dumps({"files": found.changed, "removed": found.removed, "names": found.names}))
    return 0


def _state_path(settings: Settings) -> str:
    return os.path.join(settings.folder, "code.json")


def _tell(settings: Settings, given: argparse.Namespace) -> int:
    if not _configured(settings):
        return 0
    files = PortalFiles(settings.document_root)
    seen = share.looked(_apart([sys.executable, sys.argv[0], "--settings", given.settings, "share"]))
    facts: Data = {
        "aside": os.path.exists(ASIDE),
        "code": {} if settings.leads else read_json(_state_path(settings)) or {"problem": "it was never brought"},
        "igbinary": hosts.packs_with_igbinary(),
        "lead": settings.lead,
        "sessions": hosts.sessions(files),
        "settings": hosts.settings_digest(files),
        "share": seen,
    }
    with portal_connection(*portal_login(files)) as conn:
        facts["clock"], facts["clock_error"] = (round(each, 4) for each in hosts.clock(conn, time.time))
        hosts.tell(conn, settings.host, facts)
        if settings.leads:
            hosts.forget(conn, settings.hosts)
    return 0


def _apart(command: t.Sequence[str]) -> tuple[int, str, str] | None:
    """Run it for a while; None where it does not end, and nobody waits for what cannot be ended."""
    with contextlib.ExitStack() as opened:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
        )
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                opened.enter_context(stream)
        try:
            said, complaint = process.communicate(timeout=share.ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return None
        return process.returncode, said, complaint


def _share(settings: Settings, _given: argparse.Namespace) -> int:
    try:
        say(json.dumps(share.look(settings.share, settings.host)))
    except OSError as problem:
        raise from_system(problem, settings.share) from problem
    return 0


def _status(settings: Settings, _given: argparse.Namespace) -> int:
    with portal_connection(*portal_login(PortalFiles(settings.document_root))) as conn:
        holder, seconds = lease.standing(conn)
        told = hosts.all_told(conn)
    say(json.dumps({"agents": {"holder": holder, "seconds": round(seconds, 1)}, "hosts": told}, indent=2))
    return 0

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `boxlift-exporter`: health checks and figures of a host, for Prometheus."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.command_line import ended, say
from ansible_collections.boxlift.portal.plugins.module_utils.finding import summarize
from ansible_collections.boxlift.portal.plugins.module_utils.health import runner
from ansible_collections.boxlift.portal.plugins.module_utils.health.catalogue import all_checks
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring import runs
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.settings import Settings, read_settings

SETTINGS = "/etc/boxlift-exporter/settings.json"


def main(arguments: t.Sequence[str] | None = None) -> int:
    """The exit status; what went wrong is on standard error, with what helps."""
    given = _parser().parse_args(arguments)
    return ended(lambda: _work(given))


def _work(given: argparse.Namespace) -> int:
    settings = read_settings(given.settings)
    return 0 if given.command == "check" else _run(settings, given.command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="boxlift-exporter", description="Makes the health checks, and writes the results where Prometheus reads."
    )
    parser.add_argument("--settings", default=SETTINGS, help="settings file (%(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, text in (
        ("check", "read the settings, and say what is wrong in them"),
        (runs.QUICK, "make the cheap checks and measure the figures; a timer does this every five minutes"),
        (runs.NIGHTLY, "make all checks; a timer does this every night"),
    ):
        commands.add_parser(name, help=text, description=text)
    return parser


def _run(settings: Settings, which: str) -> int:
    registry, folder = all_checks(), runs.Folder(settings)
    with folder.running(which):
        context = runs.context_of(settings.portal, time.time) if settings.portal is not None else None
        found = runs.made(settings, which, registry, time.time, context)
        with folder.publishing():
            folder.keep(which, found.state)
            states = {each: folder.kept(each) for each in runs.SETS}
            now = time.time()
            disks = folder.disks(now)
            expected = [each.id for each in runner.select(registry, "host")] if settings.portal is not None else []
            folder.publish(runs.textfile(states, disks, expected, now))
        wrong = [each for each in found.findings if each.status in ("fail", "unknown", "warn")]
        for finding in wrong:
            say(f"{finding.status} {finding.id}: {finding.observed}")
        reasons = {**found.reasons, **{f"disk {path}": each.reason for path, each in disks.items() if each.reason}}
        for name, why in reasons.items():
            say(f"figure {name}: {why}")
        say(json.dumps({"set": which, "seconds": round(found.state["seconds"], 1), **summarize(found.findings)}))
        if found.hangs:
            sys.stdout.flush()
            # A thread that never answers would keep this process for ever.
            os._exit(0)
        if context is not None:
            context.close()
    return 0

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program `boxlift-database`, which role database installs on the hosts of a replicated database."""

from __future__ import annotations

import argparse
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.command_line import ended, say
from ansible_collections.boxlift.portal.plugins.module_utils.replication import guard
from ansible_collections.boxlift.portal.plugins.module_utils.replication.settings import PATH, read_settings

PAUSE = 1.0  # seconds between two looks


def main(arguments: t.Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="boxlift-database", description="Guards the primary of a portal's database.")
    parser.add_argument("--settings", default=PATH)
    parser.add_argument("command", choices=["guard", "once"], help="guard: for ever; once: look and say")
    options = parser.parse_args(arguments)
    return ended(lambda: _watch(options.settings, options.command == "guard"))


def _watch(path: str, ever: bool) -> int:
    settings, said = read_settings(path), guard.Decision("", "")
    while True:
        decision = guard.round_of(settings, time.time())
        if decision != said:
            say(f"{decision.what}: {decision.why}")
            said = decision
        if not ever:
            return 0
        time.sleep(PAUSE)

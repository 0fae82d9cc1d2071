# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `boxlift-status`: the status page, made anew from what Prometheus answers."""

from __future__ import annotations

import argparse
import http.client
import json
import time
import typing as t
import urllib.request

from ansible_collections.boxlift.portal.plugins.module_utils.command_line import ended, say
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring import status_page
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.outlook import Inhibited, looked
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.prometheus import SECONDS, Prometheus
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.status_settings import (
    StatusSettings,
    read_status_settings,
)

SETTINGS = "/etc/boxlift-status/settings.json"
_LARGEST = 8 * 1024 * 1024


def main(arguments: t.Sequence[str] | None = None) -> int:
    """The exit status: also 0 where Prometheus is silent, since the page says so."""
    parser = argparse.ArgumentParser(prog="boxlift-status", description="Makes the status page of a site.")
    parser.add_argument("--settings", default=SETTINGS, help="settings file (%(default)s)")
    parser.add_argument("command", choices=["check", "make"], help="only read the settings, or make the page")
    given = parser.parse_args(arguments)
    return ended(lambda: _work(given))


def _work(given: argparse.Namespace) -> int:
    settings = read_status_settings(given.settings)
    if given.command == "make":
        make(settings, time.time())
    return 0


def make(settings: StatusSettings, now: float) -> None:
    """Replace the page; whoever reads it sees the old one or the new one."""
    outlook = looked(Prometheus(settings.prometheus), settings, now, inhibited(settings.alertmanager))
    replace_file(settings.page, status_page.render(outlook).encode(), 0o644, durable=False)
    say(f"{outlook.level}: {outlook.verdict}")


def inhibited(url: str) -> Inhibited:
    """What Alertmanager keeps back because something else explains it."""
    if not url:
        return Inhibited()
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{url.rstrip('/')}/api/v2/alerts?active=true&inhibited=true", timeout=SECONDS) as answer:
            alerts = json.loads(answer.read(_LARGEST))
        kept = [alert["labels"] for alert in alerts if alert["status"]["inhibitedBy"]]
        labels = frozenset(frozenset((str(name), str(value)) for name, value in each.items()) for each in kept)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError) as problem:
        reason = getattr(problem, "reason", None) or problem or type(problem).__name__
        return Inhibited(problem=f"Alertmanager does not answer, so nobody is told of alerts: {reason}.", asked=True)
    return Inhibited(labels, asked=True)

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that still run what an update has replaced, and services that do not run."""

from __future__ import annotations

import pathlib
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.upkeep.packages import Run, said

#: Programs and libraries. What a service has made and removed itself, such as shared memory, is no reason.
_PLACES = ("/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/")
_UNIT = re.compile(r"/(?P<unit>[^/]+\.service)(?:/|$)")
#: Restarting them would end sessions, or the update itself: they take the new files at the next start of the host.
_LEFT = re.compile(
    r"(user@|user-runtime-dir@|getty@|serial-getty@|systemd-|dbus|init\.scope|apt-daily|boxlift-updates|ssh)"
)
#: What a portal consists of, where it is installed.
_PORTAL = re.compile(
    r"(nginx|php[0-9.]*-fpm|mariadb|redis-server(@[^ ]+)?|redis-sentinel|portal-search|push-server@[^ ]+|asterisk"
    r"|call-connector|haproxy|boxlift-link[^ ]*|boxlift-cache-link)\.service$"
)


def outdated(proc: pathlib.Path) -> list[str]:
    """Services with a process whose program or a library of it has been replaced on the disk since it started."""
    found = set()
    for folder in proc.iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            if _replaced((folder / "maps").read_text("utf-8", "replace")):
                unit = _UNIT.findall((folder / "cgroup").read_text("utf-8"))
                found.update(unit[-1:])
        except (
            FileNotFoundError,
            ProcessLookupError,
            PermissionError,
        ):  # it has ended; root of a container may not look
            continue
    return sorted(unit for unit in found if not _LEFT.match(unit))


def _replaced(maps: str) -> bool:
    for line in maps.splitlines():
        words = line.split(None, 5)
        # Only what is executed: a replaced translation or font is no hole.
        if len(words) == 6 and "x" in words[1] and words[5].endswith(" (deleted)") and words[5].startswith(_PLACES):
            return True
    return False


def failed_units(run: Run) -> list[str]:
    """Units that systemd calls failed."""
    out = said(run, ["systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--full"])
    return sorted(line.split()[0] for line in out.splitlines() if line.strip())


def still_units(run: Run) -> list[str]:
    """Services of the portal that should run, since they start with the host, and do not."""
    out = said(run, ["systemctl", "list-unit-files", "--type=service", "--state=enabled", "--plain", "--no-legend"])
    wanted = [line.split()[0] for line in out.splitlines() if line.strip()]
    names = sorted(unit for unit in wanted if _PORTAL.match(unit) and "@." not in unit)
    if not names:
        return []
    _code, states, _err = run(["systemctl", "is-active", *names])
    return [unit for unit, state in zip(names, states.split()) if state not in ("active", "activating", "reloading")]


def portal_services(units: t.Iterable[str]) -> list[str]:
    """Of these services those that people notice while they restart."""
    return [unit for unit in units if _PORTAL.match(unit)]

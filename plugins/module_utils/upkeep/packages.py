# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt and dpkg say of a host's packages."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

Run = t.Callable[[t.Sequence[str]], "tuple[int, str, str]"]  # a command -> exit status, standard output and error

ARCHIVES = "/var/cache/apt/archives"
#: Nothing asks, the site's own configuration files stay, and another run of dpkg is waited for.
UNASKED = (
    *("-y", "-q", "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"),
    *("-o", "DPkg::Lock::Timeout=300"),
)
#: A simulation needs no lock, so that it also works while others wait.
_SIMULATE = ("apt-get", "--simulate", "--quiet", "-o", "Debug::NoLocking=true")
# Inst nginx [1.22.1-9+deb12u10] (1.22.1-9+deb12u11 Debian-Security:12/oldstable-security [amd64]) []
_PLANNED = re.compile(r"^Inst (?P<name>\S+)(?: \[(?P<before>[^\]]+)\])? \((?P<after>\S+) (?P<origin>.*?) ?\[\w+\]\)")
_REMOVED = re.compile(r"^Remv (?P<name>\S+)(?: \[(?P<before>[^\]]+)\])?")
#: The `Origin` that role host writes into the lists of a bundle's packages.
BUNDLE = "boxlift"


class Change(t.NamedTuple):
    """A package, its version before and after: empty where it was not, or is no more, installed."""

    name: str
    before: str
    after: str
    origin: str = ""  # as apt names it, such as Debian-Security:12/oldstable-security
    security: bool = False


def said(run: Run, command: t.Sequence[str], remedy: str = "") -> str:
    """Standard output of the command. Raises BoxliftError where it fails."""
    code, out, err = run(command)
    if code != 0:
        told = err.strip() or out.strip() or "nothing"
        raise BoxliftError(f"{' '.join(command[:2])} ended with {code}: {told[-1500:]}", remedy)
    return out


def installed(run: Run) -> dict[str, str]:
    """The version of each package that is there; a name has its architecture only where it is a foreign one."""
    own = said(run, ["dpkg", "--print-architecture"]).strip()
    form = "${db:Status-Abbrev}\t${Package}\t${Architecture}\t${Version}\n"
    found = {}
    for line in said(run, ["dpkg-query", "--show", f"--showformat={form}"]).splitlines():
        status, name, architecture, version = line.split("\t")
        if status[1:2] not in ("n", "c"):  # neither unknown nor with its configuration alone
            found[name if architecture in (own, "all") else f"{name}:{architecture}"] = version
    return found


def differences(before: t.Mapping[str, str], after: t.Mapping[str, str]) -> list[Change]:
    """What has changed between two answers of installed()."""
    names = sorted(before.keys() | after.keys())
    return [
        Change(name, before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name) != after.get(name)
    ]  # fmt: skip


def simulate(run: Run, *arguments: str) -> list[Change]:
    """What apt-get would do. Raises BoxliftError where it cannot."""
    out = said(run, [*_SIMULATE, *arguments], "Run apt-get update and apt-get -f install on the host, and look.")
    changes = []
    for line in out.splitlines():
        planned = _PLANNED.match(line)
        removed = _REMOVED.match(line)
        if planned:
            origin = planned["origin"]
            changes.append(
                Change(planned["name"], planned["before"] or "", planned["after"], origin, "security" in origin.lower())
            )
        elif removed:
            changes.append(Change(removed["name"], removed["before"] or "", ""))
    return changes


def holds(run: Run) -> list[str]:
    """Packages that somebody has told apt to leave alone."""
    return said(run, ["apt-mark", "showhold"]).split()


def offered(run: Run, name: str) -> list[str]:
    """The versions of a package that apt's lists offer."""
    lines = said(run, ["apt-cache", "madison", name]).splitlines()
    return [words[1].strip() for words in (line.split("|") for line in lines) if len(words) > 1]


def kept_file(name: str, version: str, archives: str = ARCHIVES) -> str:
    """Path of the package's file that apt has kept since it was installed; empty if there is none."""
    bare, _colon, architecture = name.partition(":")
    beginning = f"{bare}_{version.replace(':', '%3a')}_"
    known = sorted(os.listdir(archives)) if os.path.isdir(archives) else []
    ends = (f"{architecture}.deb",) if architecture else (".deb",)
    return next((f"{archives}/{file}" for file in known if file.startswith(beginning) and file.endswith(ends)), "")


def mend(run: Run) -> bool:
    """Complete what a killed run of dpkg has left half done; whether there was something."""
    if not said(run, ["dpkg", "--audit"]).strip():
        return False
    said(run, ["dpkg", "--configure", "--pending", "--force-confdef", "--force-confold"], "See /var/log/dpkg.log.")
    return True

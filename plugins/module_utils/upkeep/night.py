# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unattended update of a night: what was there before, and whether the portal is as well as it was."""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.state import read_json, write_json
from ansible_collections.boxlift.portal.plugins.module_utils.upkeep import notes, packages, services
from ansible_collections.boxlift.portal.plugins.module_utils.upkeep.packages import Run

_BEFORE = "before-night.json"
_PATIENCE = 60.0
#: Role monitoring brings the health checks to the portal's host; its quick set is made by this unit.
EXPORTER, _QUICK = "/etc/boxlift-exporter/settings.json", "boxlift-exporter-quick.service"
_FAILS = re.compile(r'^boxlift_check_status\{(?:[^}]*,)?check="(?P<check>[^"]+)"[^}]*\} 2(?:\.0)?$', re.MULTILINE)
Ask = t.Callable[[str], str]  # an address -> what is wrong with the answer; empty if nothing is


class Host(t.NamedTuple):
    """What the night needs of its host; time and network are passed in."""

    run: Run
    ask: Ask
    clock: t.Callable[[], float]
    sleep: t.Callable[[float], None]
    url: str = ""  # of the portal, where this host has its web server
    exporter: str = EXPORTER  # settings of boxlift-exporter, where it is installed


def problems(host: Host) -> list[str]:
    """What is not in order on this host: failed units, services that do not run, a portal that does not answer."""
    found = [f"{unit} has failed" for unit in services.failed_units(host.run)]
    found += [f"{unit} does not run" for unit in services.still_units(host.run)]
    if packages.said(host.run, ["dpkg", "--audit"]).strip():
        found.append("dpkg has not completed a package")
    if host.url:
        # What runs has read its files long ago; the next start would fail.
        code, out, err = host.run(["nginx", "-t", "-q"])
        if code != 0:
            found.append(f"nginx would not start: {(err or out).strip()[-300:]}")
        wrong = host.ask(host.url)
        if wrong:
            found.append(f"the portal does not answer: {wrong}")
        found += failing_checks(host)
    return found


def failing_checks(host: Host) -> list[str]:
    """The quick health checks that fail now, where role monitoring has brought them; none where it has not."""
    settings = read_json(host.exporter)
    if settings is None:
        return []
    code, out, err = host.run(["systemctl", "start", _QUICK])
    if code != 0:
        return [f"the health checks cannot be made: {(err or out).strip()[-300:]}"]
    with open(os.path.join(str(settings["textfile_dir"]), "boxlift_health.prom"), encoding="utf-8") as stream:
        return [f"check {name} fails" for name in _FAILS.findall(stream.read())]


def findings(host: Host) -> list[Finding]:
    """The same as findings. Each problem has an id of its own, so that a new one is known beside those of before."""
    remedy = "See systemctl status and journalctl --unit= of what it names."
    return [Finding(f"host: {each}", "host", "fail", each, remedy=remedy) for each in problems(host)]


def settled(host: Host, known: t.Collection[str], patience: float) -> list[str]:
    """What is wrong beyond what is known. Services get these seconds to start; it ends as soon as nothing is."""
    deadline = host.clock() + patience
    while True:
        new = [problem for problem in problems(host) if problem not in known]
        if not new or host.clock() >= deadline:
            return new
        host.sleep(2.0)


def before(host: Host, folder: str) -> None:
    """Keep the packages' versions and what is not in order already."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    state = {"began": host.clock(), "installed": packages.installed(host.run), "problems": problems(host)}
    write_json(os.path.join(folder, _BEFORE), state)


def after(host: Host, folder: str) -> notes.Note | None:
    """The note of what the night has changed, with what is wrong only since then; None if it changed nothing.

    A service may need some seconds after its restart, and gets a minute.
    """
    state = read_json(os.path.join(folder, _BEFORE))
    if state is None:
        raise BoxliftError(
            "Nobody has noted what was there before the updates.", "See journalctl --unit=apt-daily-upgrade."
        )
    changes = packages.differences(state["installed"], packages.installed(host.run))
    known = set(state["problems"])
    new = settled(host, known, _PATIENCE if changes else 0)
    os.unlink(os.path.join(folder, _BEFORE))
    if not changes and not new:
        return None
    note = notes.begin("night", changes, state["began"])
    note = note._replace(outcome="failed" if new else "done", problems=tuple(new))
    if changes:
        notes.save(note, folder)
    notes.remember(note, folder, host.clock())
    return note


def answer(url: str, timeout: float = 20.0) -> str:
    """What is wrong with the answer of this host's own web server for the address; empty if a page comes.

    It is asked at 127.0.0.1, as a visitor of that name. Whether the certificate is good is another question.
    """
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    try:
        if parts.scheme == "https":
            plain = socket.create_connection(("127.0.0.1", parts.port or 443), timeout)
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            connection = http.client.HTTPConnection(host, timeout=timeout)
            connection.sock = context.wrap_socket(plain, server_hostname=host)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=timeout)
        try:
            connection.request("GET", parts.path or "/", headers={"Host": host, "User-Agent": "boxlift-upkeep"})
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    return f"it says {status}" if status >= 500 or status == 404 else ""

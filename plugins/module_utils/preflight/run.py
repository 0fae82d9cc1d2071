# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs all checks of one host; none of them stops the others."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.preflight import backup, checks, crm, disk
from ansible_collections.boxlift.portal.plugins.module_utils.preflight.host import Host
from ansible_collections.boxlift.portal.plugins.module_utils.units import size_needed


@dataclasses.dataclass(frozen=True)
class Wish:
    """What the site wants of this host. An empty value means that the host has nothing to do with it."""

    domain: str = ""
    expected_addresses: t.Sequence[str] = ()
    source_url: str = dataclasses.field(default="", repr=False)
    source_path: str = ""
    password_given: bool = False
    document_root: str = ""
    database_directory: str = ""
    sizes: t.Mapping[str, int | None] = dataclasses.field(default_factory=dict)
    memory_mb: int = 0
    ports: t.Mapping[int, t.Sequence[str]] = dataclasses.field(default_factory=dict)
    controller_time: float | None = None
    licence_files: t.Sequence[str] = ()
    #: Webhooks of the portals, by `cloud` and `box`.
    crm_webhooks: t.Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)


def run(
    wish: Wish, host: Host, client: t.Callable[[], backup.Source], rest: t.Callable[[str], crm.Asked]
) -> list[Finding]:
    """The findings of all checks. `client` is only called if the source must be asked, `rest` with a webhook."""
    findings = []
    if wish.controller_time is not None:
        findings.append(checks.clock(host, wish.controller_time))  # first, since any delay would count as a difference
    findings += checks.platform(host)
    found, about_source = _source(wish, client)
    findings += about_source
    paths = {
        "archive": wish.source_path,
        "tree": os.path.dirname(wish.document_root.rstrip("/")),
        "database": wish.database_directory,
    }
    wanted = disk.needs({what: path for what, path in paths.items() if path}, wish.sizes, found)
    findings += disk.room(wanted, host.file_system)
    findings.append(checks.memory(host, wish.memory_mb))
    findings += checks.ports(host, wish.ports)
    if wish.licence_files:
        findings.append(checks.licence_files(host, wish.licence_files))
    if wish.domain:
        findings.append(checks.name(host, wish.domain, wish.expected_addresses))
    for which, webhook in wish.crm_webhooks.items():
        findings += crm.findings(which, webhook, wish.domain, rest)
    return findings


def _source(wish: Wish, client: t.Callable[[], backup.Source]) -> tuple[backup.Backup | None, list[Finding]]:
    expected = "a backup that source_url hands out, or whose parts lie in source_path"
    if not wish.source_url and not wish.source_path:
        return None, []
    try:
        found = backup.look(wish.source_url, wish.source_path, client)
    except BoxliftError as error:
        status = "unknown" if isinstance(error, backup.CannotTell) else "fail"
        seen = error.message.rstrip(".")
        return None, [Finding("backup.source", "backup", status, seen, expected, error.remedy, "customer")]
    except PermissionError as error:
        seen = f"{error.filename} cannot be read by this user"
        return None, [
            Finding("backup.source", "backup", "fail", seen, expected, "Connect as root, or set ansible_become.")
        ]
    parts = f", {found.parts} parts" if found.parts else ""
    size = f", {size_needed(found.archive)}" if found.archive is not None else ""
    findings = [Finding("backup.source", "backup", "pass", f"{found.base}{parts}{size}", expected)]
    if found.kind.encrypted:
        findings.append(
            Finding(
                "backup.password",
                "backup",
                "pass" if wish.password_given else "fail",
                f"{found.base} is encrypted, and source_password is {'set' if wish.password_given else 'empty'}",
                "a password for an encrypted backup",
                "" if wish.password_given else "Set source_password in the inventory, encrypted with ansible-vault.",
                "customer",
            )
        )
    return found, findings

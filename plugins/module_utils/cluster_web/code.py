# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The portal's code, brought from the lead to this host: one way, with what the lead has removed removed here.

A file is written beside its place and renamed when it is whole, all of them together at the end of a run, settings
after the code that reads them. Uploads, caches and backups are of no concern. Nothing is removed unless the lead has
shown a portal.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.settings import Settings
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

#: Neither brought nor removed. A link of the name upload is brought: it leads to the share.
KEPT_OUT = (
    *("/upload/", "/bitrix/cache/", "/bitrix/managed_cache/", "/bitrix/stack_cache/", "/bitrix/html_pages/"),
    *("/bitrix/backup/", "/bitrix/tmp/", "/local/cache/", "lost+found"),
)
#: They come last. A portal whose settings are in local/ does not read those in bitrix/.
SETTINGS_FILES = (".settings.php", ".settings_extra.php", "php_interface/dbconn.php")
#: One of these is there wherever a portal is.
PROOF = tuple(f"{folder}/.settings.php" for folder in ("bitrix", "local"))
_MOST_NAMED = 5
_VANISHED = 24  # rsync's word for files that went while it read

Run = t.Callable[[t.Sequence[str]], "tuple[int, str, str]"]


@dataclasses.dataclass(frozen=True)
class Brought:
    """Files that differed from the lead's, the first of their names, and how many of them were removed here."""

    changed: int = 0
    removed: int = 0
    names: tuple[str, ...] = ()


def bring(settings: Settings, key: str, run: Run, look_only: bool = False) -> Brought:
    """Make this host's code that of the lead; with `look_only` only say what differs. Raises BoxliftError."""
    rsync = _Rsync(settings, key, run)
    if not rsync.shows_portal():
        raise BoxliftError(
            f"{settings.lead} shows no portal in {settings.document_root}: nothing was brought or removed.",
            "Restore the portal there, or see why its document root is empty.",
        )
    options = ["--dry-run"] if look_only else []
    places = [f"/{folder}/{name}" for folder in ("bitrix", "local") for name in SETTINGS_FILES]
    kept_out = [f"--exclude={pattern}" for pattern in KEPT_OUT]
    code = rsync.copy([*options, "--delete-delay", *kept_out, *(f"--exclude={place}" for place in places)])
    folders = {"/bitrix/", "/local/", "/bitrix/php_interface/", "/local/php_interface/"}
    last = [f"--include={place}" for place in (*sorted(folders), *places)]
    own = rsync.copy([*options, "--delete-delay", *last, "--exclude=*"])
    together = [*code, *own]
    files = [name for what, name in together if not name.endswith("/") or what.startswith("*deleting")]
    return Brought(
        changed=len(files),
        removed=sum(what.startswith("*deleting") for what, _name in together),
        names=tuple(files[:_MOST_NAMED]),
    )


class _Rsync:
    """rsync from the lead. There a forced command lets it read the document root, and nothing else."""

    def __init__(self, settings: Settings, key: str, run: Run) -> None:
        self._settings, self._run = settings, run
        # A host that is gone is noticed in time.
        options = {
            **{"BatchMode": "yes", "IdentitiesOnly": "yes", "StrictHostKeyChecking": "yes", "ConnectTimeout": "10"},
            **{"UserKnownHostsFile": settings.known_hosts, "HostKeyAlias": settings.lead, "ServerAliveInterval": "10"},
        }
        ssh = ["ssh", "-F", "none", "-i", key, "-p", str(settings.lead_port)]
        ssh += [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        self._rsh = f"--rsh={' '.join(ssh)}"
        address = f"[{settings.lead_address}]" if ":" in settings.lead_address else settings.lead_address
        self._lead = f"{settings.account}@{address}:"

    def shows_portal(self) -> bool:
        """Whether the lead has the settings of a portal. Raises BoxliftError where it does not answer."""
        # Asked for by filters: some versions of rrsync refuse a name that is not there.
        wanted = [f"--include=/{place}" for place in ("bitrix/", "local/", *PROOF)]
        command = ["rsync", "--list-only", "--recursive", "--timeout=60", *wanted, "--exclude=*", self._rsh]
        status, said, complaint = self._run([*command, f"{self._lead}/"])
        if status != 0:
            raise self._failed(status, complaint)
        return any(line.endswith(f" {place}") for line in said.splitlines() for place in PROOF)

    def copy(self, options: t.Sequence[str]) -> list[tuple[str, str]]:
        """What was changed, as rsync itemizes it, and its name."""
        command = ["rsync", "--recursive", "--links", "--perms", "--times", "--delay-updates", "--timeout=300"]
        command += ["--itemize-changes", "--out-format=%i %n", self._rsh, *options, f"{self._lead}/"]
        status, said, complaint = self._run([*command, f"{self._settings.document_root}/"])
        if status not in (0, _VANISHED):
            raise self._failed(status, complaint)
        lines = [line.partition(" ") for line in said.splitlines() if line]
        # Times of folders alone are no difference.
        return [(what, name.strip()) for what, _space, name in lines if not what.startswith(".d")]

    def _failed(self, status: int, complaint: str) -> BoxliftError:
        said = " ".join(complaint.split())[:300] or "nothing"
        return BoxliftError(
            f"The code of {self._settings.lead} could not be brought: rsync ended with {status} and said: {said}.",
            "See whether the lead runs and lets this host in by SSH; the playbook provision sets both up anew.",
        )

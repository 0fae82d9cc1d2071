# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings file of `boxlift-web`, which role cluster_web writes. It holds no secret."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.command_line import object_of
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

PATH = "/etc/boxlift-web/settings.json"
#: While this file is there, the host serves nobody: the lead's portal is being replaced.
ASIDE = "/etc/boxlift-web/aside"


@dataclasses.dataclass(frozen=True)
class Settings:
    """All of the file."""

    #: This host's name in the inventory, and those of all web hosts of the portal.
    host: str
    hosts: t.Sequence[str]
    lead: str
    #: Where the lead is reached by SSH.
    lead_address: str
    lead_port: int
    document_root: str
    #: The host that the portal's settings name once it is configured.
    database_host: str
    #: The mount point of the share.
    share: str
    #: Where this host keeps what it knows of its last run.
    folder: str = "/var/lib/boxlift-web"
    account: str = "boxlift-code"
    known_hosts: str = "/etc/boxlift-web/known_hosts"

    @property
    def leads(self) -> bool:
        """Whether this host is the lead."""
        return self.host == self.lead


def read_settings(path: str = PATH) -> Settings:
    """Raises BoxliftError, which names the file and what is wrong in it."""
    given = object_of(path, _wrong)
    try:
        settings = Settings(**given)
    except TypeError as error:
        raise _wrong(path, str(error)) from error
    if not {settings.host, settings.lead} <= set(settings.hosts):
        raise _wrong(path, "hosts lacks this host or the lead")
    return settings


def _wrong(path: str, what: str) -> BoxliftError:
    return BoxliftError(f"The settings {path} are wrong: {what}.", "Run the playbook provision, which writes them.")

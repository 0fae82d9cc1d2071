# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings file of `boxlift-crm`, which role crm writes."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.command_line import object_of
from ansible_collections.boxlift.portal.plugins.module_utils.crm.sealing import read_key
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

CLOUD, BOX = "cloud", "box"


@dataclasses.dataclass(frozen=True)
class PortalAccess:
    """How one of the two portals is asked. The webhook's address is a secret."""

    webhook: str = dataclasses.field(repr=False)
    ca_file: str = ""
    proxy: str = ""
    #: The part of the portal's limits that the snapshots may use up.
    rate_share: float = 1.0


@dataclasses.dataclass(frozen=True)
class Settings:
    """All of the file."""

    folder: str
    portals: t.Mapping[str, PortalAccess]
    store_key_file: str = ""
    kinds: t.Sequence[str] = ()
    files: bool = False
    #: Younger snapshots are all kept. A transfer that may still be taken back compares with one of them.
    keep_all_days: int = 14
    #: Of so many days, weeks and months the newest snapshot is kept.
    keep: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    #: Days between two full passes; the nights between are incremental.
    full_every_days: int = 7
    #: By kind, what is odd for one night, as `difference.thresholds` reads it.
    thresholds: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    def portal(self, name: str) -> PortalAccess:
        """Raises BoxliftError for a portal whose webhook is not known here."""
        found = self.portals.get(name)
        if found is None or not found.webhook:
            raise BoxliftError(
                f"The settings of boxlift-crm hold no webhook of the {name}.",
                f"Set site_crm_{name}_webhook in vault.yml of the inventory, and run the playbook crm_nightly.",
            )
        return found

    def store_path(self, name: str) -> str:
        return os.path.join(self.folder, f"{name}.sqlite")

    @property
    def store_key(self) -> bytes | None:
        """What encrypts the stores; None where they are not encrypted."""
        if not self.store_key_file:
            return None
        return read_key(self.store_key_file)


def read_settings(path: str) -> Settings:
    """Raises BoxliftError, which names the file and what is wrong in it, and shows nothing of its values."""
    given = object_of(path, _wrong)
    try:
        portals = {str(name): PortalAccess(**access) for name, access in given.pop("portals").items()}
        settings = Settings(portals=portals, **given)
    except KeyError as error:
        raise _wrong(path, f"{error.args[0]} is missing") from error
    except (TypeError, AttributeError) as error:
        raise _wrong(path, str(error)) from error
    for name, access in portals.items():
        if access.webhook and not access.webhook.startswith("https://"):
            raise _wrong(path, f"the webhook of the {name} does not begin with https://")
    return settings


def _wrong(path: str, text: str) -> BoxliftError:
    return BoxliftError(f"{path}: {text}.", "Run the playbook crm_nightly again.")

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings file of `boxlift-exporter`, which role monitoring writes."""

from __future__ import annotations

import dataclasses
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.command_line import object_of
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

REMEDY = "Run the playbook monitoring again."


@dataclasses.dataclass(frozen=True)
class PortalPlace:
    """The portal whose health is published. It is looked at from its own host, with its own login to the database."""

    document_root: str
    base_url: str
    ca_path: str = ""
    push: bool = True
    skip: tuple[str, ...] = ()
    #: Checks of the site's own; made at night, as root.
    checks_dir: str = ""
    #: Seconds that one connection or answer may take.
    timeout: int = 15

    @property
    def host(self) -> str:
        return urllib.parse.urlsplit(self.base_url).hostname or ""

    @property
    def port(self) -> int:
        return urllib.parse.urlsplit(self.base_url).port or 443


@dataclasses.dataclass(frozen=True)
class Settings:
    """All of the file."""

    folder: str
    textfile_dir: str
    #: None where this host has no portal, such as the one of the telephony.
    portal: PortalPlace | None = None
    #: File systems, by a folder in each.
    disks: tuple[str, ...] = ("/",)
    #: Where the call connector of this host tells its figures; empty where there is none.
    connector_url: str = ""
    #: What has no answer after so many seconds is unknown.
    quick_seconds: int = 120
    nightly_seconds: int = 1800


def read_settings(path: str) -> Settings:
    """Raises BoxliftError, which names the file and what is wrong in it."""
    given = object_of(path, wrong)
    for name in ("folder", "textfile_dir"):
        if name not in given:
            raise wrong(path, f"{name} is missing")
    try:
        portal = given.pop("portal", None)
        place = PortalPlace(**{**portal, "skip": tuple(portal.get("skip", ()))}) if portal is not None else None
        disks = tuple(given.pop("disks", ("/",)))
        settings = Settings(portal=place, disks=disks, **given)
    except (TypeError, AttributeError) as error:
        raise wrong(path, str(error)) from error
    if place is not None:
        _https(path, "portal.base_url", place.base_url)
    if settings.connector_url:
        web_address(path, "connector_url", settings.connector_url)
    return settings


def wrong(path: str, text: str) -> BoxliftError:
    return BoxliftError(f"{path}: {text}.", REMEDY)


def web_address(path: str, name: str, url: str) -> None:
    """Raises BoxliftError for what is no address of a web server."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise wrong(path, f"{name} is no address such as http://127.0.0.1:9090")


def _https(path: str, name: str, url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.path not in ("", "/"):
        raise wrong(path, f"{name} is no address such as https://portal.example.com")

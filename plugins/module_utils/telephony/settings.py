# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connector's settings file, which role call_connector writes."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, from_system
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.ami import AmiLogin
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import Exchange
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.portal import Wording
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.sender import Recordings


@dataclasses.dataclass(frozen=True)
class Application:
    """A portal's application: its tokens last an hour, and are renewed at `oauth_url`."""

    client_id: str
    client_secret: str = dataclasses.field(repr=False)
    refresh_token: str = dataclasses.field(repr=False)
    oauth_url: str


@dataclasses.dataclass(frozen=True)
class PortalAccess:
    """`url` is a webhook's address, or the portal's `/rest/` where there is an application."""

    url: str = dataclasses.field(repr=False)
    ca_path: str = ""
    timeout: float = 30.0
    rate: float = 0.0  # requests a second; 0: as many as there are, as a box has no limit of its own
    burst: int = 50
    parallel: int = 16
    application: Application | None = None


@dataclasses.dataclass(frozen=True)
class Listening:
    """How clicks on numbers come from the portal, and what calls they make.

    The portal sends them to `address` and `port`, without a certificate in plain HTTP; or it is asked for them every
    `poll_seconds`, where that is not 0.
    """

    address: str
    port: int
    token: str = dataclasses.field(repr=False)  # application_token; whoever does not know it is refused
    certificate: str = ""
    key: str = ""
    context: str = "boxlift-phones"
    channel: str = "PJSIP/{inner}"
    poll_seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Settings:
    """All of the file."""

    store: str
    portal: PortalAccess
    wording: Wording
    exchange: Exchange
    ami: AmiLogin
    cdr: str
    recordings: Recordings | None
    originate: AmiLogin | None
    clicks: Listening | None
    metrics_address: str
    metrics_port: int
    retention_days: int
    show_numbers: bool


def read_settings(path: str) -> Settings:
    """Raises BoxliftError, which names the file and what is wrong in it."""
    try:
        with open(path, encoding="utf-8") as stream:
            given = json.load(stream)
    except OSError as error:
        raise from_system(error, path) from error
    except ValueError as error:
        raise _wrong(path, f"it is no JSON ({error})") from error
    if not isinstance(given, dict):
        raise _wrong(path, "it holds no object")
    try:
        return _settings(dict(given))
    except KeyError as error:
        raise _wrong(path, f"{error.args[0]} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise _wrong(path, str(error)) from error


def _settings(given: dict[str, t.Any]) -> Settings:
    portal = dict(given["portal"])
    application = portal.pop("application", None)
    access = PortalAccess(**portal, application=Application(**application) if application else None)
    if not access.url.startswith("https://"):
        raise ValueError("portal.url does not begin with https://, and the portal's REST takes nothing else")
    return Settings(
        store=given["store"],
        portal=dataclasses.replace(access, url=access.url.rstrip("/") + "/"),
        wording=Wording(**given["wording"]),
        exchange=Exchange(**given["exchange"]),
        ami=AmiLogin(**given["ami"]),
        cdr=given["cdr"],
        recordings=Recordings(**given["recordings"]) if given.get("recordings") else None,
        originate=AmiLogin(**given["originate"]) if given.get("originate") else None,
        clicks=Listening(**given["clicks"]) if given.get("clicks") else None,
        metrics_address=given["metrics"]["address"],
        metrics_port=given["metrics"]["port"],
        retention_days=given["retention_days"],
        show_numbers=given["show_numbers"],
    )


def _wrong(path: str, text: str) -> BoxliftError:
    return BoxliftError(f"{path}: {text}.", "Run the playbook that has role call_connector again.")

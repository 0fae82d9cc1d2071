# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings file of `boxlift-status`, which role monitoring writes."""

from __future__ import annotations

import dataclasses

from ansible_collections.boxlift.portal.plugins.module_utils.command_line import object_of
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.settings import (
    web_address,
    wrong,
)


@dataclasses.dataclass(frozen=True)
class StatusSettings:
    """All of the file."""

    #: Where Prometheus answers.
    prometheus: str
    #: The file that is written, in a folder that a web server shows.
    page: str
    #: Whose page it is.
    site: str
    #: Where Alertmanager answers; empty where the page need not know whether people are told.
    alertmanager: str = ""
    timezone: str = "UTC"
    #: What the site must have: without its figures nothing is well. Of backup, drill and health.
    expects: tuple[str, ...] = ("backup", "drill", "health")
    #: Which probe stands for the portal as people see it.
    portal_job: str = "portal"
    certificate_job: str = "certificate"
    #: Seconds between two scrapes of it.
    interval: int = 30
    #: The alert that always fires, by which the alerting is known to live.
    watchdog: str = "Watchdog"


EXPECTED = ("backup", "drill", "health")


def read_status_settings(path: str) -> StatusSettings:
    """Raises BoxliftError, which names the file and what is wrong in it."""
    given = object_of(path, wrong)
    for name in ("prometheus", "page", "site"):
        if name not in given:
            raise wrong(path, f"{name} is missing")
    try:
        settings = StatusSettings(**{**given, "expects": tuple(given.get("expects", EXPECTED))})
    except TypeError as error:
        raise wrong(path, str(error)) from error
    odd = sorted(set(settings.expects) - set(EXPECTED))
    if odd:
        raise wrong(path, f"expects names {', '.join(map(str, odd))}, and known are {', '.join(EXPECTED)}")
    web_address(path, "prometheus", settings.prometheus)
    if settings.alertmanager:
        web_address(path, "alertmanager", settings.alertmanager)
    return settings

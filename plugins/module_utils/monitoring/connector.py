# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The call connector's queue, from the page that it shows to Prometheus on its own host."""

from __future__ import annotations

import http.client
import typing as t
import urllib.error
import urllib.request

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import CannotLook
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.metrics import Sample, parsed, sample

Fetch = t.Callable[[str], str]
SECONDS = 10
_LARGEST = 4 * 1024 * 1024
#: States of a call for which the connector does nothing more.
_CLOSED, _DEAD = "closed", "dead"


def fetched(url: str) -> str:
    """The text of a page. Raises CannotLook."""
    try:
        # Not through a proxy of the environment: it is on this host.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=SECONDS) as answer:
            return str(answer.read(_LARGEST).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as problem:
        raise CannotLook(f"{url} does not answer: {problem or type(problem).__name__}") from problem


def telephony(url: str, fetch: Fetch = fetched) -> list[Sample]:
    """Raises CannotLook."""
    try:
        seen = parsed(fetch(url))
    except BoxliftError as problem:
        raise CannotLook(f"{url}: {problem.message}") from problem
    first = {each.name: each.value for each in reversed(seen)}
    calls = {each.labels.get("state", ""): each.value for each in seen if each.name == "call_connector_calls"}
    if not calls or "call_connector_oldest_unsent_seconds" not in first:
        raise CannotLook(f"{url} shows no figures of a call connector")
    return [
        sample("boxlift_telephony_queue_calls", sum(n for state, n in calls.items() if state not in (_CLOSED, _DEAD))),
        sample("boxlift_telephony_dead_calls", calls.get(_DEAD, 0)),
        sample("boxlift_telephony_queue_oldest_seconds", first["call_connector_oldest_unsent_seconds"]),
        sample("boxlift_telephony_exchange_connected", first.get("call_connector_ami_connected", 0)),
    ]

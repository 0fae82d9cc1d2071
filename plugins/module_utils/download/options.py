# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that every module has which fetches a backup (doc fragment `boxlift.portal.fetching`)."""

from __future__ import annotations

import os
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import split_name
from ansible_collections.boxlift.portal.plugins.module_utils.archive.sums import expected_sums
from ansible_collections.boxlift.portal.plugins.module_utils.download.bandwidth import BandwidthLimit, Window
from ansible_collections.boxlift.portal.plugins.module_utils.download.fetch import Fetch
from ansible_collections.boxlift.portal.plugins.module_utils.download.proof import Prove
from ansible_collections.boxlift.portal.plugins.module_utils.download.request import FetchRequest
from ansible_collections.boxlift.portal.plugins.module_utils.http.client import Client
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import tls_context
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress

FETCH_OPTIONS: dict[str, t.Any] = {
    "connections": {"type": "int", "default": 4},
    "mirrors": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "expected": {"type": "list", "elements": "str"},
    "bandwidth_limit": {"type": "int"},
    "bandwidth_schedule": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "from": {"type": "str", "required": True},
            "to": {"type": "str", "required": True},
            "limit": {"type": "int", "required": True},
        },
    },
    "manifest": {"type": "path"},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "timeout": {"type": "float", "default": 60},
    "ca_path": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
}


def fetch_from(
    params: t.Mapping[str, t.Any],
    url: str,
    dest: str,
    *,
    check_mode: bool = False,
    part_count: int | None = None,
    prove: Prove | None = None,
    progress: Progress | None = None,
    on_stated: t.Callable[[int], None] | None = None,
) -> Fetch:
    """A download as the module's options want it. Raises BoxliftError about options that are wrong."""
    # A host that is not built yet has no file at ca_path; check mode asks the source nothing.
    context = None if check_mode else tls_context(params["ca_path"], params["validate_certs"])
    windows = [Window.of(window["from"], window["to"], window["limit"]) for window in params["bandwidth_schedule"]]
    base = split_name(urllib.parse.unquote(os.path.basename(urllib.parse.urlsplit(url).path)))[0]
    request = FetchRequest(
        url,
        dest,
        params["password"],
        params["connections"],
        mirrors=params["mirrors"],
        expected=expected_sums(params["expected"], base) if params["expected"] is not None else {},
        part_count=part_count,
        exclude=params.get("exclude") or (),
        on_stated=on_stated,
    )
    client = Client(params["headers"], params["timeout"], context)
    return Fetch(request, client, BandwidthLimit(params["bandwidth_limit"], windows), prove=prove, progress=progress)

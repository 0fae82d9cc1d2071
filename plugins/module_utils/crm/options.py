# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that the modules crm_* share, made into a portal and a store."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.sealing import read_key
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.crm.tokens import Application
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

Params = t.Mapping[str, t.Any]
# As doc_fragments/crm.py describes them.
CRM_OPTIONS: dict[str, dict[str, t.Any]] = {
    "webhook": {"type": "str", "no_log": True},
    "ca_file": {"type": "path"},
    "proxy": {"type": "str"},
    "rate_share": {"type": "float", "default": 1.0},
    "store": {"type": "path"},
    "store_key_file": {"type": "path", "no_log": False},
}


@contextlib.contextmanager
def connected(params: Params, webhook: str = "webhook") -> t.Iterator[Rest]:
    """The portal of the option `webhook`. Raises BoxliftError."""
    if not 0 < params["rate_share"] <= 1:
        raise BoxliftError(f"rate_share is {params['rate_share']:g}.", "Give a number above 0, up to 1.")
    address = params[webhook]
    if params.get("application_file"):
        address = Application(address, params["application_file"])
    rest = Rest(address, ca_file=params["ca_file"], proxy=params["proxy"], share=params["rate_share"])
    try:
        yield rest
    finally:
        rest.close()


@contextlib.contextmanager
def opened(
    params: Params, store: str = "store", key_file: str = "store_key_file", create: bool = True
) -> t.Iterator[Store]:
    """The store of these options. Raises BoxliftError, OSError."""
    key = read_key(params[key_file]) if params[key_file] else None
    with Store(params[store], key, create=create) as found:
        yield found

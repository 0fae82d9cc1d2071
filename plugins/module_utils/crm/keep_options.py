# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules crm_restore, crm_archive and crm_quota make from their options."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.archiving import archive_path
from ansible_collections.boxlift.portal.plugins.module_utils.crm.disk import DRIVE
from ansible_collections.boxlift.portal.plugins.module_utils.crm.options import CRM_OPTIONS, Params, opened
from ansible_collections.boxlift.portal.plugins.module_utils.crm.past import Key
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

#: The common options, of which these modules need webhook and store in any case.
KEEP_OPTIONS: dict[str, dict[str, t.Any]] = {
    **CRM_OPTIONS,
    "webhook": {**CRM_OPTIONS["webhook"], "required": True},
    "store": {**CRM_OPTIONS["store"], "required": True},
}
ARCHIVE_OPTIONS: dict[str, dict[str, t.Any]] = {**KEEP_OPTIONS, "archive": {"type": "path"}}


def archive_of(params: Params) -> dict[str, t.Any]:
    """The options by which the archive is opened: as the store, but for its path."""
    return {**params, "store": params["archive"] or archive_path(params["store"])}


@contextlib.contextmanager
def stores_of(params: Params) -> t.Iterator[list[Store]]:
    """The store, and the archive beside it where there is one. Raises BoxliftError, OSError."""
    archive = archive_of(params)
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(opened(params, create=False))]
        if params["archive"] or os.path.exists(archive["store"]):
            found.append(stack.enter_context(opened(archive, create=False)))
        yield found


def keys_of(records: t.Iterable[Params]) -> list[Key]:
    """Kinds and ids as people give them. Raises BoxliftError for what is no record that can stand alone."""
    found = []
    for each in records:
        name = standing_alone(each["kind"])
        if each["id"] < 1:
            raise BoxliftError(f"{name} {each['id']} is no record.", "Ids begin at 1.")
        found.append((name, int(each["id"])))
    return found


def standing_alone(name: str) -> str:
    """The kind's name. Raises BoxliftError for what is only a part of other records."""
    of = kinds.kind(name)
    if not of.is_item and of.name not in ("activity", DRIVE):
        raise BoxliftError(
            f"Records of kind {name} do not stand alone.",
            "Name the record that they belong to: product rows and comments go with it.",
        )
    return of.name

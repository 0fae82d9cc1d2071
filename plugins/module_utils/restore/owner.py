# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom restored files belong to."""

from __future__ import annotations

import grp
import pwd

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError


def identity(option: str, name: str | None) -> int:
    """The number of a user (option owner) or group, -1 where none is wanted. Raises BoxliftError."""
    if name is None:
        return -1
    try:
        return pwd.getpwnam(name).pw_uid if option == "owner" else grp.getgrnam(name).gr_gid
    except KeyError:
        raise BoxliftError(
            f"{option}: there is no {'user' if option == 'owner' else 'group'} {name} on this host.",
            "Create it first; the role boxlift.portal.host does.",
        ) from None

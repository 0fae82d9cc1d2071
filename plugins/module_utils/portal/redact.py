# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks secret settings in diffs and results."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.secret_names import is_secret_name

MASK = "(secret)"
CHANGED_MASK = "(secret, changed)"
#: What the vendor's backup writes in place of credentials, so not a secret itself.
BACKUP_MASK = "******"

_COOKIES = re.compile(r"cookies?", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")


def is_secret(name: object) -> bool:
    """Whether a setting of this name must not be shown. Those about cookies say how they are made, and hold none."""
    return is_secret_name(_COOKIES.sub("", str(name)))


def redact(value: t.Any, hidden: bool = False) -> t.Any:
    """The same structure with secrets masked; whatever lies below a secret name is secret too."""
    if isinstance(value, dict):
        return {key: redact(item, hidden or is_secret(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item, hidden) for item in value]
    if hidden and value not in (None, "", True, False, BACKUP_MASK):
        return MASK
    return _URL_PASSWORD.sub(rf"\1:{MASK}@", value) if isinstance(value, str) else value


def redact_pair(before: t.Any, after: t.Any, hidden: bool = False) -> tuple[t.Any, t.Any]:
    """Both sides of a diff; a secret that changed shows that it did, and nothing else."""
    if isinstance(before, dict) and isinstance(after, dict):
        left, right = {}, {}
        for key in [*before, *(key for key in after if key not in before)]:
            secret = hidden or is_secret(key)
            if key in before and key in after:
                left[key], right[key] = redact_pair(before[key], after[key], secret)
            elif key in before:
                left[key] = redact(before[key], secret)
            else:
                right[key] = redact(after[key], secret)
        return left, right
    masked_before, masked_after = redact(before, hidden), redact(after, hidden)
    if before != after and masked_before == masked_after:
        return masked_before, CHANGED_MASK
    return masked_before, masked_after


def secrets_in(value: t.Any, hidden: bool = False) -> set[str]:
    """The secret strings inside a structure, for the module's `no_log_values`."""
    if isinstance(value, dict):
        return set().union(*(secrets_in(item, hidden or is_secret(key)) for key, item in value.items()), set())
    if isinstance(value, (list, tuple)):
        return set().union(*(secrets_in(item, hidden) for item in value), set())
    if hidden and isinstance(value, (str, int, float)) and not isinstance(value, bool) and str(value):
        return {str(value)}
    return set()

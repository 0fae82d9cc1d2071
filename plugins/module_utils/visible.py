# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of others on our pages: nothing in it may hide, or turn round what stands beside it."""

from __future__ import annotations

import re
import typing as t

# Control characters, and those that change the direction of writing, could disguise a name.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def visible(value: t.Any) -> t.Any:
    """The same data, with invisible characters replaced by their codes."""
    if isinstance(value, str):
        return _HIDDEN.sub(lambda match: f"\\u{ord(match.group()):04x}", value)
    if isinstance(value, dict):
        return {visible(key): visible(item) for key, item in value.items()}
    if isinstance(value, list):
        return [visible(item) for item in value]
    return value

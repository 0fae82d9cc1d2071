# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of some kinds alone. Light to import, since conditions of playbooks ask for them at every task."""

from __future__ import annotations

import json
import typing as t

STEP = "step"
#: A gate was asked for, signed, or one of its inputs was waived.
GATE_KINDS = ("gate_request", "gate_signature", "gate_waiver")
#: A code was accepted or refused, an item ended with its read-back, an envelope was opened.
SUPERVISION = "supervision"


def events_in(content: bytes, *kinds: str) -> t.Iterator[dict[str, t.Any]]:
    """The lines of these kinds in a journal. No other line is parsed, and one that was cut off says nothing."""
    beginnings = tuple(f'{{"event":"{kind}"'.encode() for kind in kinds)
    # A whole line ends with its hash, and half of one is no JSON; a journal without a chain has none of these kinds.
    return (json.loads(line) for line in content.split(b"\n") if line.startswith(beginnings) and line.endswith(b'"}'))

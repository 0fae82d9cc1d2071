# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a portal was at the moments of a night, and what has changed between two of them."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

#: What a portal that nobody uses writes in by itself, and the index, which a rollback builds anew.
ALIVE = {"portal.b_agent", "portal.b_search_content"}


def night() -> dict[str, t.Any]:
    found: dict[str, t.Any] = json.loads(
        (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "night.json").read_text(encoding="utf-8")
    )
    return found


def changed(before: str, after: str) -> set[str]:
    """Tables whose checksum differs, and the files' sum if that does."""
    noted = night()
    assert len(noted[before]) == len(noted[after]) > 20
    return {line.split("\t")[0] for line in set(noted[before]) ^ set(noted[after])}

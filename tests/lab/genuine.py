# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archives written by the vendor's genuine writer, where they are at hand beside the checkout."""

from __future__ import annotations

from pathlib import Path

GENUINE = Path(__file__).resolve().parents[3] / "shared" / "data" / "backups"


def genuine_backups() -> dict[str, Path]:
    """Folder by name, each with a manifest.json. Raises FileNotFoundError where the folder is absent."""
    found = {path.parent.name: path.parent for path in sorted(GENUINE.glob("*/manifest.json"))}
    if not found:
        raise FileNotFoundError(f"{GENUINE} holds no backup with a manifest.json")
    return found

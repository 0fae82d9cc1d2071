# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of variables in a role's README, made from its argument specification.

python tests/unit/roles/readme.py    writes it anew into every README that has one
"""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"
HEADER = "| variable | default | meaning |\n| --- | --- | --- |\n"
TABLE = re.compile(re.escape(HEADER) + r"(?:\|.*\n)*")


def entry_points(role: Path) -> dict[str, dict[str, t.Any]]:
    """The role's entry points, each with its options."""
    return dict(yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"])


def options(role: Path) -> dict[str, dict[str, t.Any]]:
    """Options of all entry points."""
    found: dict[str, dict[str, t.Any]] = {}
    for entry in entry_points(role).values():
        found.update(entry.get("options") or {})
    return found


def table(role: Path) -> str:
    """One line for each variable."""
    return HEADER + "".join(
        f"| `{name}` | {_default(option)} | {_text(option)} |\n" for name, option in options(role).items()
    )


def _default(option: dict[str, t.Any]) -> str:
    if option.get("required"):
        return "**required**"
    value = option["default"]
    return f"`{value if isinstance(value, str) and value else json.dumps(value)}`"


def _text(option: dict[str, t.Any]) -> str:
    description = option["description"]
    text = " ".join(description) if isinstance(description, list) else description
    text = re.sub(r"[MOVC]\(([^)]*)\)", r"`\1`", text.strip())
    return text.replace("|", "\\|")


def main() -> None:
    for readme in sorted(ROLES.glob("*/README.md")):
        text, made = readme.read_text(), table(readme.parent)
        readme.write_text(TABLE.sub(made.replace("\\", r"\\"), text))


if __name__ == "__main__":
    main()

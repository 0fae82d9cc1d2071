# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of docs/scale.md, made by the code that answers playbook `size`, and of what part `scaling` has measured.

PYTHONPATH=.cache/collections:tests python -m bench.scale_page    writes them anew, and the rates of the sizing before
"""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.sizing.measured import FILE, GB, shipped
from ansible_collections.boxlift.portal.plugins.plugin_utils.sizing.page import table, tables
from bench import scaling

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scale.md"


def measured() -> dict[str, t.Any]:
    """What part `scaling` has measured last."""
    found: dict[str, t.Any] = json.loads(scaling.RESULTS.read_text(encoding="utf-8"))
    return found


def rated(text: str) -> str:
    """The text of `measured.yml` with the restore of the largest run."""
    last = measured()["rows"][-1]
    import_seconds = round(last["whole"]["seconds"] - last["files"]["seconds"], 2)
    for name, amount, seconds in (
        ("restore_files", last["size"], last["files"]["seconds"]),
        ("restore_database", last["database"], import_seconds),
    ):
        place = re.compile(rf"^(  {name}:\n(?:    .*\n)*?    amount: ).*(\n    seconds: ).*$", re.MULTILINE)
        text, count = place.subn(rf"\g<1>{amount}\g<2>{seconds}", text)
        if count != 1:
            raise ValueError(f"measured.yml has {count} places for {name}")
    return text


def scaled() -> str:
    """A line for each size, and the exponents below."""
    rows = measured()["rows"]
    lines = [
        [f"{row['size'] / GB:g} GB", *(_work(row[name]) for name in scaling.WORK), f"{row['load']}"] for row in rows
    ]
    points = {name: [(row["size"], row[name]["seconds"]) for row in rows] for name in scaling.WORK}
    lines.append(["exponent", *(f"{scaling.exponent(points[name]):.2f}" for name in scaling.WORK), ""])
    return table(("backup", *scaling.WORK.values(), "load"), lines)


def _work(found: dict[str, float]) -> str:
    return f"{duration(found['seconds'])}, {found['memory']:.0f} MB"


def made(text: str) -> str:
    """The page with its tables as they have to be; a table without a place in it is an error."""
    for name, content in {**tables(load(), shipped()), "scaling": scaled()}.items():
        place = f"<!-- {name} -->\n"
        if text.count(place) != 1:
            raise ValueError(f"docs/scale.md has {text.count(place)} places for the table {name}")
        before, _place, behind = text.partition(place)
        text = before + place + content + re.sub(r"\A(?:\|.*\n)*", "", behind)
    return text


if __name__ == "__main__":
    FILE.write_text(rated(FILE.read_text(encoding="utf-8")), encoding="utf-8")
    PAGE.write_text(made(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

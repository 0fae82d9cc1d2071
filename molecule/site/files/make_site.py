# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a site's folder as the guide says, and fill its inventory in.

python make_site.py INSTALLED GUIDE SITE VALUES

INSTALLED is the collection's folder, VALUES a JSON file: {"hosts": {"OLD ADDRESS": "NEW"}, "vault": {NAME: VALUE},
"main": {NAME: VALUE}, "production": …, "preproduction": …}.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import typing as t
from pathlib import Path


def fill(path: Path, values: dict[str, t.Any]) -> None:
    """Replace the values of these variables; one that the example does not set is added, as a user would."""
    text = path.read_text(encoding="utf-8")
    for name, value in values.items():
        line = f"{name}: {json.dumps(value, ensure_ascii=False)}"
        text, found = re.subn(rf"(?m)^{name}: .*$", lambda _match, line=line: line, text)
        if not found:
            text += line + "\n"
    path.write_text(text, encoding="utf-8")


def replace(path: Path, words: dict[str, str]) -> None:
    """Put the lab's addresses into an example's place."""
    text = path.read_text(encoding="utf-8")
    for old, new in words.items():
        if old not in text:
            raise SystemExit(f"{path} has no {old}")
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def configure(guide: Path, site: Path) -> None:
    """The settings that the guide prints."""
    config = re.search(r"```ini\n(\[defaults\]\n.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    if config is None:
        raise SystemExit("The guide has no ansible.cfg.")
    (site / "ansible.cfg").write_text(config.group(1), encoding="utf-8")


def main(installed: Path, guide: Path, site: Path, values: dict[str, t.Any]) -> None:
    configure(guide, site)
    inventory = site / "inventory"
    shutil.rmtree(inventory, ignore_errors=True)
    shutil.copytree(installed / "inventories" / "example", inventory)
    replace(inventory / "hosts.yml", values["hosts"])
    folder = inventory / "group_vars"
    shutil.copy(folder / "all" / "vault.yml.example", folder / "all" / "vault.yml")
    fill(folder / "all" / "vault.yml", values["vault"])
    fill(folder / "all" / "main.yml", values["main"])
    fill(folder / "production.yml", values["production"])
    fill(folder / "preproduction.yml", values["preproduction"])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), json.loads(Path(sys.argv[4]).read_text(encoding="utf-8")))

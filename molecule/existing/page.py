#!/usr/bin/env python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory: the variables that docs/existing-hosts.md prints, over them those of the lab, and the backup's address."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent


def main() -> None:
    page = (HERE.parents[1] / "docs" / "existing-hosts.md").read_text(encoding="utf-8")
    printed = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    if printed is None:
        raise SystemExit("docs/existing-hosts.md prints no variables.")
    lab = (HERE / "vars" / "site.yml").read_text(encoding="utf-8")
    variables = {**yaml.safe_load(printed[1]), **yaml.safe_load(lab)}
    manifest = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "backup" / "manifest.json"
    # prepare.yml makes it.
    if manifest.exists():
        first = json.loads(manifest.read_text(encoding="utf-8"))["parts"][0]["name"]
        variables["source_url"] = f"https://cloud.boxlift.test/backup/{first}"
    print(json.dumps({"_meta": {"hostvars": {}}, "all": {"vars": variables}}))


if __name__ == "__main__":
    main()

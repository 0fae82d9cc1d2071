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
    print(
        json.dumps({"_meta": {"hostvars": {}}, "all": {"vars": {**yaml.safe_load(printed[1]), **yaml.safe_load(lab)}}})
    )


if __name__ == "__main__":
    main()

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role hardening and the health checks have to agree about."""

from __future__ import annotations

import pathlib

import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.health.hardening import SKIPPED_PARTS

ROLE = pathlib.Path(__file__).parents[3] / "roles" / "hardening"


def test_health_reads_the_reasons_where_the_role_leaves_them() -> None:
    variables = yaml.safe_load((ROLE / "vars" / "main.yml").read_text("utf-8"))
    assert variables["__hardening_skipped"]["path"] == SKIPPED_PARTS
    tasks = yaml.safe_load((ROLE / "tasks" / "install.yml").read_text("utf-8"))
    assert "__hardening_skipped" in tasks[0]["boxlift.portal.host_files"]["files"]

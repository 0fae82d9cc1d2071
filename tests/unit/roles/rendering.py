# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a role's texts for a site's variables, without a host."""

from __future__ import annotations

import typing as t
from pathlib import Path

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template


def rendered(role: Path, template: str, variables: t.Mapping[str, t.Any]) -> t.Any:
    """The text with the role's defaults and variables, over which the given ones stand."""
    known: dict[str, t.Any] = {}
    for place in ("defaults", "vars"):
        values = yaml.safe_load((role / place / "main.yml").read_text())
        known.update({name: _trusted(value) for name, value in values.items()})
    return Templar(loader=DataLoader(), variables={**known, **variables}).template(trust_as_template(template))


def _trusted(value: t.Any) -> t.Any:
    if isinstance(value, list):
        return [_trusted(each) for each in value]
    if isinstance(value, dict):
        return {name: _trusted(each) for name, each in value.items()}
    return trust_as_template(value) if isinstance(value, str) else value

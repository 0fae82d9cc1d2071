# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which hosts a playbook of this collection works, by its plays and those that it imports."""

from __future__ import annotations

import pathlib
import re
import typing as t

import yaml
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.check import PLAYBOOKS

_OURS = "boxlift.portal."
#: hosts: "{{ lookup('boxlift.portal.leave', 'web:&production') }}"
_GUARDED = re.compile(r"lookup\('boxlift\.portal\.leave', '([^']+)'\)")
#: One of the portal's web hosts.
_LEAD, _WEB = "{{ lookup('boxlift.portal.lead') }}", "web:&production"


def patterns_of(playbook: str) -> list[str]:
    """Each pattern once; localhost and what variables decide are left out. Empty for another collection's."""
    own = not playbook.endswith((".yml", ".yaml"))
    file = PLAYBOOKS.joinpath(*playbook.split(".")).with_suffix(".yml") if own else pathlib.Path(playbook)
    if not file.is_file():
        return []
    found: list[str] = []
    plays: t.Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    for play in plays:
        imported = str(play.get("ansible.builtin.import_playbook", ""))
        if imported.startswith(_OURS) and "{{" not in imported:
            found += patterns_of(imported[len(_OURS) :])
        pattern = str(play.get("hosts", ""))
        guarded = _GUARDED.search(pattern)
        pattern = guarded[1] if guarded else pattern.replace(_LEAD, _WEB)
        if pattern and pattern != "localhost" and "{{" not in pattern:
            found.append(pattern)
    return list(dict.fromkeys(found))

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup boxlift.portal.under_way: whether this run may do the work of a step of the plan."""

from __future__ import annotations

DOCUMENTATION = r"""
name: under_way
short_description: Whether this run has begun a step of the plan
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - A condition for the work of a step. It is true while this ansible-playbook is at the step, and false when the step
    was done before, or the plan has taken it out.
  - It fails when the step was neither begun by this run nor done, so that the work cannot be reached around its
    beginning, where dependencies, gates and the state of the move are looked at. It reads the journal itself, and no
    option, tag, limit or variable of ansible-playbook changes what is written there.
  - Without a plan (C(migration_plan)) it is true, since a site that uses none runs the playbooks as they are. It fails
    if the journal is one of a move with a plan.
  - In check mode it is true, because nothing is changed then.
options:
  _terms:
    description: Id of the step in the plan.
    required: true
  stage:
    description: The stage of the plan. Without it C(migration_stage), or V(rehearsal).
    type: str
"""

EXAMPLES = r"""
- name: Restore the backup, as a step of the plan
  ansible.builtin.import_playbook: boxlift.portal.restore
  when: lookup('boxlift.portal.under_way', 'move.restore')
"""

RETURN = r"""
_raw:
  description: Whether the work is to be done.
  type: list
  elements: bool
"""

import pathlib
import typing as t

from ansible import constants, context
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import place, process
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.lines import (
    GATE_KINDS,
    STEP,
    SUPERVISION,
    events_in,
)

JOURNAL = "boxlift.portal.journal"


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[bool]:
        self.set_options(var_options=variables, direct=kwargs)
        known = variables or {}
        # From the command line itself: a variable of this name could be given by -e.
        if context.CLIARGS.get("check"):
            return [True] * len(terms)
        if not self._value(known, "migration_plan"):
            # Where the journal is off, no plan rests on it, and its settings would be loaded anew for every task.
            if JOURNAL in constants.CALLBACKS_ENABLED:
                refuse_a_move_with_a_plan(place.configured())
            return [True] * len(terms)
        stage = self.get_option("stage") or self._value(known, "migration_stage") or "rehearsal"
        try:
            journal = place.required(None)
        except BoxliftError as error:
            raise AnsibleLookupError(str(error)) from error
        return [under_way(journal, str(step), str(stage)) for step in terms]

    def _value(self, known: dict[str, t.Any], name: str) -> t.Any:
        return self._templar.template(known[name]) if name in known else None


def refuse_a_move_with_a_plan(journal: str) -> None:
    """Raises AnsibleLookupError if the journal has gates or steps: they are not got round by leaving out the plan."""
    if journal and (
        any(events_in(content_of(journal), STEP, SUPERVISION, *GATE_KINDS))
        or pathlib.Path(journal).with_name(place.KEY).exists()
    ):
        raise AnsibleLookupError(
            f"The journal {journal} is one of a move with a plan, and migration_plan is not set. Set it to the plan's"
            " file in the inventory, or name another journal."
        )


def content_of(journal: str) -> bytes:
    path = pathlib.Path(journal)
    return path.read_bytes() if path.is_file() else b""


def under_way(journal: str, step: str, stage: str) -> bool:
    """Raises AnsibleLookupError for a step that this run has not begun, and nobody has done."""
    last: dict[str, t.Any] = {}
    begun_by = ""
    for event in events_in(content_of(journal), STEP):
        if event["step"] == step and str(event.get("stage") or "") == stage:
            last = event
            begun_by = str(event.get("process") or begun_by)
    if last.get("state") == "begin" and begun_by in (process.own_process(), process.parent_process()):
        return True
    if last.get("outcome") in ("ok", "skipped"):
        return False
    raise AnsibleLookupError(
        f"The step {step} of stage {stage} is not under way in this run, so its work is refused. Run the playbook as a"
        " whole, without tags and limits: it begins each step where dependencies and gates allow it."
    )

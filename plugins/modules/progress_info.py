# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.progress_info, which asks the host with one shell command."""

from __future__ import annotations

DOCUMENTATION = r"""
module: progress_info
short_description: What the long runs on a host are doing now, or did last
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Also names the generations of a portal that a restore has kept, and which one is live.
  - Reads the progress files that M(boxlift.portal.backup_fetch), M(boxlift.portal.backup_verify),
    M(boxlift.portal.backup_restore) and M(boxlift.portal.database_import) write, and looks whether their processes are
    still there. It can be run from any terminal while the work is going on, and disturbs nothing.
  - After a restart of the host nothing is known of the runs of root before it, because C(/run) is empty then.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.info_module
  - boxlift.portal.attributes.actiongroup_portal
options:
  directory:
    description:
      - Where the progress files lie. Without it the place that the long modules choose, C(/run/boxlift) for root, else
        C(boxlift) below the connection's C(remote_tmp).
    type: path
  state_dir:
    description: Where M(boxlift.portal.backup_restore) keeps its register of what was live.
    type: path
    default: /var/lib/boxlift/restore
seealso:
  - module: boxlift.portal.backup_fetch
  - module: boxlift.portal.backup_restore
"""

EXAMPLES = r"""
- name: Look at what the host is doing
  boxlift.portal.progress_info:
  register: status
"""

RETURN = r"""
runs:
  description: The last run of each module, the oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    operation:
      description: Name of the module.
      type: str
    outcome:
      description: >-
        V(running), V(done), V(failed), or V(killed), which is a process that is gone without a last word.
      type: str
    age:
      description: Seconds since it told anything.
      type: int
    message:
      description: Why it failed.
      type: str
    phase:
      description: What it does now, or did last.
      type: str
    done:
      description: Bytes of the phase that are done.
      type: int
    total:
      description: Bytes of the phase, null where that is not known.
      type: int
    rate:
      description: Bytes per second since the phase began, null where nothing runs.
      type: float
    parts:
      description: Parts of the backup, with the keys C(total), C(done), C(damaged) and C(repaired).
      type: dict
    files:
      description: Files placed.
      type: int
    rows:
      description: Rows loaded.
      type: int
    phases:
      description: Seconds and bytes of each phase that has ended.
      type: dict
    started:
      description: When it began, in seconds since the epoch, by the host's clock.
      type: float
    updated:
      description: When it told something last.
      type: float
    pid:
      description: Number of its process.
      type: int
    path:
      description: The progress file.
      type: str
  sample:
    - operation: backup_fetch
      outcome: running
      age: 1
      message: ""
      phase: fetch
      done: 13019029504
      total: 31540211712
      rate: 8598323.1
      parts: {total: 301, done: 124, damaged: 1, repaired: 1}
      files: 0
      rows: 0
      phases: {}
      started: 1776535651.2
      updated: 1776537165.7
      pid: 2117
      path: /run/boxlift/backup_fetch.json
generations:
  description: >-
    What is live and what is kept of each document root, as it stands in the register. Empty where nothing was
    restored, and for an account that may not read it.
  returned: success
  type: list
  elements: dict
  sample:
    - document_root: /srv/portal/www
      last: 2
      live: {number: 2, since: 1776537165.7, source: 20260501_120000_87654321.enc.gz, replaced: 1}
      kept: {"1": {number: 1, until: 1776537165.7, domain: portal.example.com, tree: true, database: true}}
      switch: null
text:
  description: The same for people, one line for each run and for each generation of a portal.
  returned: success
  type: list
  elements: str
  sample:
    - "/srv/portal/www: generation 1 is kept: portal.example.com, version 24.300.0, live until 2026-11-29 09:12 UTC"
    - "backup_fetch: running for 25 min 14 s; fetch 41 %, 12.1 GiB of 29.4 GiB, 8.2 MiB/s, 124 of 301 parts, 1 damaged,
      1 repaired, about 36 min left"
"""

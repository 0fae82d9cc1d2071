# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of the modules that may run for hours, and how their tasks run."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  progress:
    description:
      - File on the target that says how far the run has come, as one JSON object that is replaced about once a second.
      - Without it the task chooses C(/run/boxlift/<module>.json) where it runs as root, else a file in C(boxlift) below
        the connection's C(remote_tmp). M(boxlift.portal.progress_info) reads both.
      - Its directory is made with mode 0700 where it is missing; one that everybody can write to is refused.
    type: path
notes:
  - The work is done apart from the connection. While it lasts, the task prints how far it has come, how fast, and how
    long it will take. A lost connection does not end it, and neither does the end of C(ansible-playbook). The same
    task run again goes on watching the work that it finds.
  - The task's keyword C(timeout) is the time in seconds after which the work is ended, two days if not given.
  - In check mode, and where the task has the keyword C(async), the module runs as any other does, and prints nothing.
"""

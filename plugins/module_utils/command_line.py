# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs share that roles install on a host."""

from __future__ import annotations

import os
import pwd
import sys
import typing as t


def say(text: str, stream: t.TextIO | None = None) -> None:
    out = stream or sys.stdout
    out.write(f"{text}\n")
    out.flush()


def become_owner(folder: str) -> None:
    """Root works as the folder's account: files that root makes beside a store would lock the service out."""
    owner = os.stat(folder).st_uid
    if os.geteuid() == 0 and owner != 0:
        account = pwd.getpwuid(owner)
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(owner)

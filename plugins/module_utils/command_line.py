# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs share that roles install on a host."""

from __future__ import annotations

import json
import os
import pwd
import sys
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, from_system


def say(text: str, stream: t.TextIO | None = None) -> None:
    out = stream or sys.stdout
    out.write(f"{text}\n")
    out.flush()


def ended(work: t.Callable[[], int]) -> int:
    """The exit status of a program that does this; what went wrong is on standard error, with what helps."""
    try:
        return work()
    except BoxliftError as error:
        say(f"{error.message} {error.remedy}".strip(), sys.stderr)
    except OSError as error:
        known = from_system(error)
        say(f"{known.message} {known.remedy}", sys.stderr)
    return 1


def object_of(path: str, wrong: t.Callable[[str, str], BoxliftError]) -> dict[str, t.Any]:
    """A settings file's JSON object. Raises BoxliftError: what `wrong` makes of the path and of what is wrong in it."""
    try:
        with open(path, encoding="utf-8") as stream:
            given = json.load(stream)
    except OSError as error:
        raise from_system(error, path) from error
    except ValueError as error:
        raise wrong(path, "it is no JSON") from error
    if not isinstance(given, dict):
        raise wrong(path, "it holds no object")
    return given


def become_owner(folder: str) -> None:
    """Root works as the folder's account: files that root makes beside a store would lock the service out."""
    owner = os.stat(folder).st_uid
    if os.geteuid() == 0 and owner != 0:
        account = pwd.getpwuid(owner)
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(owner)

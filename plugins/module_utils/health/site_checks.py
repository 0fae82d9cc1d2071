# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's own checks: Python files that register functions with the decorator of this collection.

A file begins with

    from ansible_collections.boxlift.portal.plugins.module_utils.health.model import failed, passed
    from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
"""

from __future__ import annotations

import os
import pathlib
import stat
import traceback

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import Registry


def load(directory: str, registry: Registry) -> list[str]:
    """Run every file of the directory in the order of their names; the ids of the checks that they registered."""
    folder = pathlib.Path(directory)
    if not folder.is_dir():
        raise BoxliftError(f"checks_dir {folder} is no directory.", "Create it, or leave the option out.")
    known = set(registry.checks)
    for path in sorted(folder.glob("*.py")):
        _run(path)
    added = [name for name in registry.checks if name not in known]
    if not added:
        raise BoxliftError(
            f"checks_dir {folder}: no file registers a check.",
            "Put Python files there that use the decorator health.registry.check, or leave the option out.",
        )
    return added


def _run(path: pathlib.Path) -> None:
    state = path.stat()
    if state.st_uid not in (0, os.geteuid()) or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BoxliftError(
            f"checks_dir: {path} may be written by others, and would be run as this user.",
            "Give the file to root with mode 0644.",
        )
    try:
        exec(
            compile(path.read_bytes(), str(path), "exec"),
            {"__name__": f"site_checks.{path.stem}", "__file__": str(path)},
        )
    except Exception as problem:  # a site's file may raise anything
        text = f"{type(problem).__name__}: {problem}"
        raise BoxliftError(
            f"checks_dir: {path}, line {_line(problem, path)}: {text}.", "Correct the file."
        ) from problem


def _line(problem: Exception, path: pathlib.Path) -> int:
    """The line of this file that led to the error, also if it was raised in another one."""
    if isinstance(problem, SyntaxError) and problem.lineno is not None:
        return problem.lineno
    frames = [frame.lineno for frame in traceback.extract_tb(problem.__traceback__) if frame.filename == str(path)]
    return (frames[-1] if frames else None) or 0

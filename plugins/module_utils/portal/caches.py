# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The portal's caches, which would show old options, sites and agents for up to an hour after a change in SQL."""

from __future__ import annotations

import os
import pathlib
import shutil
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles

FOLDERS = ("managed_cache", "cache", "stack_cache")
# Written once by the installer; the portal does not write it again.
_KEPT = ".htaccess"


def filled(files: PortalFiles) -> list[pathlib.Path]:
    """The cache folders that hold something."""
    folders = [files.root / "bitrix" / name for name in FOLDERS]
    return [folder for folder in folders if folder.is_dir() and _entries(folder)]


def clear(files: PortalFiles) -> list[str]:
    """Empties the cache folders of a portal that may be running; returns which had anything in them."""
    cleared = filled(files)
    for folder in cleared:
        for entry in _entries(folder):
            _remove(folder, entry)
    return [str(folder) for folder in cleared]


def settle(files: PortalFiles, warn: t.Callable[[str], None], only_predict: bool) -> list[str]:
    """After a change in SQL: empties the file caches and warns of others; returns the folders emptied, or to be."""
    warning = stale_elsewhere(files)
    if warning:
        warn(warning)
    return [str(folder) for folder in filled(files)] if only_predict else clear(files)


def engine(files: PortalFiles) -> str:
    """Where the portal keeps its cache: `files`, or the name of the engine that keeps it elsewhere."""
    cache = files.sections().get("cache")
    kind = cache.get("type") if isinstance(cache, dict) else None
    name: t.Any = kind.get("class_name", "") if isinstance(kind, dict) else kind
    text = str(name or "files").rpartition("\\")[2].lower().replace("cacheengine", "")
    return text or "files"


def stale_elsewhere(files: PortalFiles) -> str:
    """A warning where a change in SQL stays invisible for a while, else ''."""
    name = engine(files)
    if name in ("files", "none"):
        return ""
    flags = files.sections().get("cache_flags")
    seconds = flags.get("config_options", 3600) if isinstance(flags, dict) else 3600
    return (
        f"The portal caches in {name}, which was not cleared: it may show old values for up to {seconds} seconds. "
        "Clear the cache in the portal's administration, or wait."
    )


def _entries(folder: pathlib.Path) -> list[str]:
    return [name for name in os.listdir(folder) if name != _KEPT]


def _remove(folder: pathlib.Path, name: str) -> None:
    # Renamed first, so that a portal that writes meanwhile makes a new entry instead of filling the one being deleted.
    path, away = folder / name, folder / f".cleared-{os.getpid()}-{name}"
    try:
        path.rename(away)
    except FileNotFoundError:
        return  # the portal itself was quicker
    except OSError as problem:
        raise BoxliftError(f"{path} cannot be removed: {problem.strerror}.", "Run as root.") from problem
    if away.is_dir() and not away.is_symlink():
        shutil.rmtree(away)
    else:
        away.unlink()

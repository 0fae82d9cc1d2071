# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a portal keeps its configuration files, and how they are read and replaced."""

from __future__ import annotations

import os
import pathlib
import stat
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.config import PhpConfig
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.dbconn import PhpStatements
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import Value

SETTINGS, SETTINGS_EXTRA, DBCONN = ".settings.php", ".settings_extra.php", "php_interface/dbconn.php"


class PortalFiles:
    """The configuration of the portal in one document root.

    A file in `local/` is used instead of the one in `bitrix/` (main 24.100 and later); a section of
    `.settings_extra.php` is used instead of the whole section of the same name in `.settings.php`.
    """

    def __init__(self, document_root: str | os.PathLike[str]) -> None:
        self.root = pathlib.Path(document_root)
        if not self.root.is_dir():
            raise BoxliftError(f"document_root {self.root} is no directory.", "Give the directory that holds bitrix/.")

    def find(self, name: str) -> pathlib.Path | None:
        """The file of this name that the portal uses."""
        for folder in ("local", "bitrix"):
            path = self.root / folder / name
            if path.is_file():
                return path
        return None

    def shadowed(self, name: str) -> pathlib.Path | None:
        """A file in `bitrix/` that the portal does not read, because `local/` has one of the same name."""
        path = self.root / "bitrix" / name
        return path if path.is_file() and self.find(name) != path else None

    def settings(self) -> PhpConfig:
        return self._config(self._required(SETTINGS))

    def settings_extra(self) -> PhpConfig | None:
        path = self.find(SETTINGS_EXTRA)
        return self._config(path) if path else None

    def dbconn(self) -> PhpStatements:
        path = self._required(DBCONN)
        return PhpStatements.from_bytes(read(path), str(path))

    def sections(self) -> dict[str, Value]:
        """What the portal sees: the value of every section, `.settings_extra.php` included."""
        extra = self.settings_extra()
        merged = {**self.settings().data, **(extra.data if extra else {})}
        return {
            str(name): section["value"]
            for name, section in merged.items()
            if isinstance(section, dict) and "value" in section
        }

    def _config(self, path: pathlib.Path) -> PhpConfig:
        return PhpConfig.from_bytes(read(path), str(path))

    def _required(self, name: str) -> pathlib.Path:
        path = self.find(name)
        if path is None:
            raise BoxliftError(
                f"{self.root}: there is neither bitrix/{name} nor local/{name}.",
                "Restore the portal first, or correct document_root.",
            )
        return path


def read(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise BoxliftError(
            f"{path} cannot be read: {problem.strerror}.", "Run as root or as the portal's user."
        ) from problem


def replace(path: pathlib.Path, content: bytes) -> None:
    """Replaces a file atomically, and keeps its owner and mode. Raises BoxliftError; the old file then stays."""
    target = pathlib.Path(os.path.realpath(path))
    try:
        _replace(target, content)
    except OSError as problem:
        raise BoxliftError(
            f"{target} cannot be replaced: {problem.strerror}. It was left as it is.",
            "Run as root, and see that the file system is writable and not full.",
        ) from problem


def _replace(target: pathlib.Path, content: bytes) -> None:
    before = target.stat()
    replace_file(str(target), content, stat.S_IMODE(before.st_mode), (before.st_uid, before.st_gid))


def module_version(source: bytes, path: str) -> str | None:
    """The version that a module's `install/version.php` (or main's `version.php`) states."""
    statements = PhpStatements.from_bytes(source, path)
    stated = statements.variables.get("arModuleVersion")
    version: t.Any = stated.get("VERSION") if isinstance(stated, dict) else statements.constants.get("SM_VERSION")
    return version if isinstance(version, str) else None

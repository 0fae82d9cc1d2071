# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings declared settings, constants and variables into the portal's configuration files."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import (
    DBCONN,
    SETTINGS,
    PortalFiles,
    read,
    replace,
)
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php import lexer as lex
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.config import PhpConfig
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.dbconn import CONSTANT, VARIABLE, PhpStatements
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import from_python, same, to_python
from ansible_collections.boxlift.portal.plugins.module_utils.portal.redact import redact_pair

#: What role portal sets in every portal, with values of their kinds; a test holds this to the role's variables.
_REDIS: dict[str, t.Any] = {"host": "x", "port": "x", "password": "x"}
CONFIGURED_SETTINGS: dict[str, t.Any] = {
    "connections": {"default": {"host": "x", "database": "x", "login": "x", "password": "x"}},
    "cookies": {"secure": True, "http_only": True},
    "exception_handling": {"debug": False, "log": {"settings": {"file": "x"}}},
    "cache": {"type": {"class_name": "x", "extension": "x"}, "redis": _REDIS, "memcache": None, "sid": "x"},
    "session": {"mode": "default", "handlers": {"general": {"type": "redis", "servers": None, **_REDIS}}},
    "pull": {
        **{name: "x" for name in ("nginx", "nginx_version", "nginx_headers", "websocket", "guest", "signature_key")},
        **{name: "x" for name in ("signature_algo", "path_to_publish", "path_to_publish_web")},
        **{f"path_to_{name}": "x" for name in ("publish_web_secure", "modern_listener", "modern_listener_secure")},
        **{f"path_to_{name}": "x" for name in ("websocket", "websocket_secure")},
        **{f"path_to_{name}": None for name in ("listener", "listener_secure", "mobile_listener", "json_rpc")},
        "path_to_mobile_listener_secure": None,
    },
}
CONFIGURED_CONSTANTS: dict[str, t.Any] = {
    "BX_CRONTAB_SUPPORT": True,
    "BX_DIR_PERMISSIONS": 0o750,
    "BX_FILE_PERMISSIONS": 0o640,
    "BX_TEMPORARY_FILES_DIRECTORY": "x",
    **dict.fromkeys(("BX_CRONTAB", "BX24_HOST_NAME", "SHORT_INSTALL", "SHORT_INSTALL_CHECK", "VM_INSTALL")),
}
CONFIGURED_VARIABLES: dict[str, t.Any] = dict.fromkeys(("DBHost", "DBName", "DBLogin", "DBPassword"), "x")
#: Files that the portal reads after dbconn.php. A constant that must not be there is taken out of these too.
LATER = ("php_interface/init.php", "php_interface/after_connect.php", "php_interface/after_connect_d7.php")


@dataclasses.dataclass
class Change:
    """One file before and after, as bytes to write and as data to show."""

    path: pathlib.Path
    content: bytes
    before: dict[str, t.Any]
    after: dict[str, t.Any]

    def diff(self) -> dict[str, t.Any]:
        before, after = redact_pair(self.before, self.after)
        header = {"before_header": str(self.path), "after_header": str(self.path)}
        return {**header, "before": before, "after": after}

    def write(self) -> None:
        replace(self.path, self.content)


def plan(
    files: PortalFiles,
    settings: t.Mapping[str, t.Any],
    constants: t.Mapping[str, t.Any],
    variables: t.Mapping[str, t.Any],
) -> list[Change]:
    """What has to change, without changing anything. Everything is planned before the first file is written."""
    changes = _plan_settings(files, settings) if settings else []
    if constants or variables:
        statements = files.dbconn()
        before = _shown(statements)
        changed = [
            statements.set(kind, name, value)
            for kind, wanted in ((CONSTANT, constants), (VARIABLE, variables))
            for name, value in wanted.items()
        ]
        if any(changed):
            path = pathlib.Path(statements.path)
            changes.append(Change(path, statements.to_bytes(), *_only_changed(before, _shown(statements))))
        _refuse_included(files, statements, {**constants, **variables})
        changes += _plan_later(files, [name for name, value in constants.items() if value is None])
    return changes


def _plan_later(files: PortalFiles, unwanted: t.Sequence[str]) -> list[Change]:
    """The files behind dbconn.php, without these constants. Only a file that defines one of them is read as PHP."""
    changes = []
    for path in [found for found in map(files.find, LATER) if found is not None]:
        content = read(path)
        there = [name for name in unwanted if _defines(content, name)]
        if there:
            statements = PhpStatements.from_bytes(content, str(path))
            before = _shown(statements)
            for name in there:
                statements.set(CONSTANT, name, None)
            if statements.to_bytes() != content:
                changes.append(Change(path, statements.to_bytes(), *_only_changed(before, _shown(statements))))
    return changes


def _defines(content: bytes, name: str) -> bool:
    word = re.escape(name.encode())
    return re.search(rb"define\s*\(\s*['\"]" + word + rb"['\"]|\bconst\b[^;]*\b" + word + rb"\s*=", content) is not None


def _refuse_included(files: PortalFiles, statements: PhpStatements, wanted: t.Mapping[str, t.Any]) -> None:
    """Raises BoxliftError where a file that dbconn.php includes sets one of these names to something else."""
    folder = pathlib.Path(statements.path).parent
    for literal in statements.included():
        for path in dict.fromkeys((folder / literal.lstrip("/"), files.root / literal.lstrip("/"))):
            if path.suffix != ".php" or not path.is_file():
                continue
            content = read(path)
            names = [name for name in wanted if name.encode() in content]
            if not names:
                continue
            other = PhpStatements.from_bytes(content, str(path))
            for item in other.assignments:
                same_value = not item.conditional and same(item.node.data(), from_python(wanted.get(item.name)))
                if item.name in names and not item.owned and not same_value:
                    raise lex.syntax_error(
                        str(path),
                        other.text,
                        item.start,
                        f"{item.name} is set here, and {statements.path} includes this file",
                        f"Take {item.name} out of {path}, and run again.",
                    )


def refuse_uneditable(document_root: str) -> None:
    """Raises BoxliftError where `configure` could not write its settings into a tree; nothing is written here.

    For a restored tree before it is switched in. A tree without settings is no portal, and not judged.
    """
    files = PortalFiles(document_root)
    if files.find(SETTINGS) is None:
        return
    names = (CONFIGURED_CONSTANTS, CONFIGURED_VARIABLES) if files.find(DBCONN) is not None else ({}, {})
    try:
        plan(files, CONFIGURED_SETTINGS, *names)
    except BoxliftError as problem:
        raise BoxliftError(
            f"The restored portal's settings cannot be edited, so that boxlift.portal.configure would stop: "
            f"{problem.message}",
            f"Nothing was switched. {problem.remedy} What is restored stays for that run.",
            **problem.details,
        ) from problem


def unused_files(files: PortalFiles) -> list[str]:
    """Files in `bitrix/` that look like configuration but are not read."""
    return [str(path) for path in (files.shadowed(SETTINGS), files.shadowed(DBCONN)) if path]


def _plan_settings(files: PortalFiles, settings: t.Mapping[str, t.Any]) -> list[Change]:
    base, extra = files.settings(), files.settings_extra()
    opened = [config for config in (base, extra) if config is not None]
    before = [_data(config) for config in opened]
    texts = [config.text for config in opened]
    for section, value in settings.items():
        holders = [config for config in reversed(opened) if config.has([section])]
        if value is None:
            for config in holders:
                config.delete([section])
            continue
        config = holders[0] if holders else base
        current = config.get([section])
        if current is not None and not isinstance(current, dict):
            raise BoxliftError(
                f"{config.path}: section {section} is no array, so its value cannot be set.", "Correct it by hand."
            )
        known = config.has([section])
        config.merge([section, "value"], value)
        if not known and config.has([section]):
            config.set([section, "readonly"], False)
    return [
        Change(pathlib.Path(config.path), config.to_bytes(), *_only_changed(old, _data(config)))
        for config, old, text in zip(opened, before, texts)
        if config.text != text
    ]


def _data(config: PhpConfig) -> dict[str, t.Any]:
    return {str(name): to_python(section) for name, section in config.data.items()}


def _shown(statements: PhpStatements) -> dict[str, t.Any]:
    shown = {name: to_python(value) for name, value in statements.constants.items()}
    return {**shown, **{f"${name}": to_python(value) for name, value in statements.variables.items()}}


def _only_changed(before: dict[str, t.Any], after: dict[str, t.Any]) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    missing = object()
    pairs = {name: (before.get(name, missing), after.get(name, missing)) for name in [*before, *after]}
    changed = [
        name
        for name, (old, new) in pairs.items()
        if old is missing or new is missing or not same(from_python(old), from_python(new))
    ]
    return (
        {name: before[name] for name in changed if name in before},
        {name: after[name] for name in changed if name in after},
    )

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings declared settings, constants and variables into the portal's configuration files."""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import DBCONN, SETTINGS, PortalFiles, replace
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.config import PhpConfig
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.dbconn import CONSTANT, VARIABLE, PhpStatements
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import from_python, same, to_python
from ansible_collections.boxlift.portal.plugins.module_utils.portal.redact import redact_pair


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
    return changes


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

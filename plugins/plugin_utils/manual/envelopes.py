# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the codes for the sealed envelopes, which only their owner may read."""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import typing as t

import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

FORMAT = "A list of entries such as {purpose: stop, command: mig stop, code: '4173056'}; playbook envelopes writes it."


@dataclasses.dataclass(frozen=True)
class Envelope:
    """`purpose` is `stop`, `rollback`, or what the site has agreed on; `code` are digits in groups."""

    purpose: str
    command: str
    groups: tuple[str, ...]
    number: int  # of those with the same purpose
    of: int


def read(path: str) -> list[Envelope]:
    """The envelopes of a file. Raises BoxliftError, which never quotes a code, and OSError."""
    with open(path, "rb") as stream:
        mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
        if mode & 0o077:
            raise BoxliftError(f"{path}: others than its owner can read these codes.", f"chmod 600 {path}, or make new ones.")
        content = stream.read()
    try:
        data = yaml.safe_load(content)
    except yaml.YAMLError:
        # The error of the library shows the line, and with it the code.
        raise BoxliftError(f"{path} is no YAML.", FORMAT) from None
    if not isinstance(data, list) or not data:
        raise BoxliftError(f"{path} is no list of envelopes.", FORMAT)
    found: list[tuple[str, str, str]] = [_entry(path, number, one) for number, one in enumerate(data, 1)]
    purposes = [purpose for purpose, _command, _code in found]
    return [
        Envelope(purpose, command, groups(code), purposes[: at + 1].count(purpose), purposes.count(purpose))
        for at, (purpose, command, code) in enumerate(found)
    ]


def _entry(path: str, number: int, one: t.Any) -> tuple[str, str, str]:
    fields = ("purpose", "command", "code")
    if not isinstance(one, dict) or not all(isinstance(one.get(name), str) and one[name] for name in fields):
        raise BoxliftError(f"{path}: envelope {number} lacks purpose, command or code, or one of them is no text.", FORMAT)
    code = re.sub(r"[\s-]", "", one["code"])
    if not re.fullmatch(r"[0-9]+", code):
        raise BoxliftError(f"{path}: the code of envelope {number} is not of digits.", FORMAT)
    return one["purpose"], one["command"], code


def groups(code: str) -> tuple[str, ...]:
    """Digits in groups of five, as they are read out."""
    return tuple(code[at : at + 5] for at in range(0, len(code), 5))

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PHP literals: what they mean, and how a value is written as one."""

from __future__ import annotations

import dataclasses
import math
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

_INT_MAX = 2**63 - 1
_INT_KEY = re.compile(r"(?:0|-?[1-9][0-9]*)\Z")
_ESCAPE = re.compile(
    r"\\(?:u\{(?P<point>[0-9A-Fa-f]+)\}|[xX](?P<hex>[0-9A-Fa-f]{1,2})|(?P<oct>[0-7]{1,3})|(?P<char>[nrtvef\\$\"]))"
)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "v": "\v", "e": "\x1b", "f": "\f"}
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


@dataclasses.dataclass(frozen=True)
class Opaque:
    """An expression that only PHP can evaluate (a constant, a call, a closure); kept as its source text."""

    source: str

    def __str__(self) -> str:
        return self.source


#: None, bool, int, float, str, Opaque, or a PHP array as a dict with int, str or Opaque keys in their order.
Value = t.Any
Key = t.Union[int, str, Opaque]


def constant(name: str) -> tuple[bool, bool | None]:
    """Whether a name is one of PHP's literal constants, and its value."""
    return name.lower() in _CONSTANTS, _CONSTANTS.get(name.lower())


def number(literal: str) -> int | float:
    """What PHP reads in a number; an integer out of range becomes a float, as PHP does it."""
    digits = literal.replace("_", "").lower()
    if digits.startswith(("0x", "0b", "0o")):
        value = int(digits, 0)
    elif digits.isdigit():
        value = int(digits, 8) if len(digits) > 1 and digits[0] == "0" else int(digits)
    else:
        return float(digits)
    return value if value <= _INT_MAX else float(value)


def string(literal: str) -> str:
    """What PHP reads in a quoted string without variables."""
    body = literal[1:-1]
    if literal[0] == "'":
        return re.sub(r"\\([\\'])", r"\1", body)
    # Escapes may name single bytes, which only together make characters.
    raw, position = bytearray(), 0
    for match in _ESCAPE.finditer(body):
        raw += _bytes(body[position : match.start()]) + _unescape(match)
        position = match.end()
    return (bytes(raw) + _bytes(body[position:])).decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _unescape(match: re.Match[str]) -> bytes:
    if match.group("point"):
        return chr(int(match.group("point"), 16)).encode("utf-8", "surrogatepass")
    if match.group("hex"):
        return bytes([int(match.group("hex"), 16)])
    if match.group("oct"):
        return bytes([int(match.group("oct"), 8) & 0xFF])
    return _bytes(_ESCAPED.get(match.group("char"), match.group("char")))


def array_key(value: Value) -> Key:
    """The key that PHP makes of a literal: '7' is 7, true is 1, null is ''."""
    if isinstance(value, Opaque):
        return value
    if value is None:
        return ""
    if isinstance(value, (bool, float)):
        return int(value)
    if isinstance(value, str) and _INT_KEY.match(value) and -_INT_MAX - 1 <= int(value) <= _INT_MAX:
        return int(value)
    return t.cast("Key", value)


def same(left: Value, right: Value) -> bool:
    """Equality as `===` has it: 1, '1', 1.0 and true are four different values; the order of keys counts."""
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    return type(left) is type(right) and bool(left == right)


def from_python(value: t.Any, what: str = "value") -> Value:
    """A value given by a playbook as PHP data: lists become arrays with keys 0, 1, 2 …"""
    if value is None or isinstance(value, (bool, Opaque)):
        return value
    if isinstance(value, int):
        if not -_INT_MAX <= value <= _INT_MAX:
            raise BoxliftError(f"{what}: {value} is out of PHP's range of integers.", "Give it as a quoted string.")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BoxliftError(f"{what}: {value} has no literal in PHP.", "Give a finite number.")
        return float(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (list, tuple)):
        return {index: from_python(item, f"{what}[{index}]") for index, item in enumerate(value)}
    if isinstance(value, dict):
        return {array_key(from_python(key)): from_python(item, f"{what}.{key}") for key, item in value.items()}
    raise BoxliftError(f"{what}: PHP configuration cannot hold a {type(value).__name__}.", "Give a string instead.")


def to_python(value: Value) -> t.Any:
    """PHP data for a playbook or a diff: arrays with keys 0, 1, 2 … become lists, expressions their source text."""
    if isinstance(value, Opaque):
        return value.source
    if not isinstance(value, dict):
        return value
    if list(value) == list(range(len(value))):
        return [to_python(item) for item in value.values()]
    return {str(key): to_python(item) for key, item in value.items()}


def scalar_source(value: Value) -> str:
    """A scalar as PHP source."""
    if isinstance(value, Opaque):
        return value.source
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of a batch: a method and its parameters in one text, as PHP's parse_str reads it.

The first `=` ends the key there, and `&` the value, so both are always quoted: `filter[%3C%3DID]=5`.
"""

from __future__ import annotations

import typing as t
from urllib.parse import quote

MOST = 50  # commands of one batch


class Command(t.NamedTuple):
    method: str
    params: t.Mapping[str, t.Any]


def text_of(command: Command) -> str:
    """`method?key=value&…`, in ASCII.

    Booleans become 1 and 0, None the empty text, an empty list or map a list with one empty text, which is what PHP's
    own forms send for it: a query has no way to say `[]`.
    """
    pairs: list[str] = []
    for key, value in command.params.items():
        _add(pairs, quote(str(key), safe=""), value)
    return f"{command.method}?{'&'.join(pairs)}" if pairs else command.method


def variables(value: t.Any) -> int:
    """How many variables PHP counts in it: a portal leaves out silently what is beyond its max_input_vars."""
    if isinstance(value, t.Mapping):
        return sum(map(variables, value.values())) or 1
    if isinstance(value, (list, tuple)):
        return sum(map(variables, value)) or 1
    return 1


def _add(pairs: list[str], name: str, value: t.Any) -> None:
    if isinstance(value, str):
        pairs.append(f"{name}={quote(value, safe='')}")
    elif isinstance(value, bool):
        pairs.append(f"{name}={int(value)}")
    elif value is None:
        pairs.append(f"{name}=")
    elif isinstance(value, (int, float)):
        pairs.append(f"{name}={quote(repr(value), safe='')}")
    elif isinstance(value, t.Mapping):
        for key, each in value.items():
            _add(pairs, f"{name}[{quote(str(key), safe='')}]", each)
        if not value:
            pairs.append(f"{name}[]=")
    else:
        for number, each in enumerate(value):
            _add(pairs, f"{name}[{number}]", each)
        if not value:
            pairs.append(f"{name}[]=")

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connector's log: one JSON object a line. Clients' numbers are shortened, unless the settings ask for them."""

from __future__ import annotations

import json
import re
import typing as t

_NUMBER = re.compile(r"\+?\d{7,15}(?![\d.])")


class Log:
    """`write` is given each line, without its end; `clock` gives seconds since the epoch."""

    def __init__(self, write: t.Callable[[str], None], clock: t.Callable[[], float], show_numbers: bool) -> None:
        self._write, self._clock, self.show_numbers = write, clock, show_numbers

    def __call__(self, level: str, event: str, **fields: t.Any) -> None:
        line = {"time": round(self._clock(), 3), "level": level, "event": event}
        for name, value in fields.items():
            line[name] = value if name == "call" else self._shown(value)
        self._write(json.dumps(line, ensure_ascii=False, default=str))

    def _shown(self, value: t.Any) -> t.Any:
        if self.show_numbers or not isinstance(value, str):
            return value
        return _NUMBER.sub(lambda match: shortened(match[0]), value)


def shortened(number: str) -> str:
    """`+7916***4567`: enough to know a call again, too little to call."""
    return f"{number[:-7]}***{number[-4:]}" if len(number) >= 7 else "***"

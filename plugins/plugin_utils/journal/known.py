# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that a step has met before, with their cures: as data, and as lines for people."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Failure, Journal, read
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.writer import iso

Data = dict[str, t.Any]


def gathered(journal: str, history: t.Sequence[str]) -> Journal:
    """The journal together with its history, by default all that lie beside it. Empty if nothing was written yet.

    Raises BoxliftError for a history that is named and not there.
    """
    paths = list(history)
    if not paths and Path(journal).parent.is_dir():
        paths = [str(path) for path in sorted(Path(journal).parent.glob("*.jsonl"))]
    if Path(journal).is_file() and journal not in paths:
        paths.append(journal)
    return read(paths) if paths else Journal([], [], [])


def known_errors(journal: Journal, step: str) -> list[Data]:
    """What went wrong with the step so far, the oldest first; an error that came again counts once."""
    same: dict[tuple[str, str], list[Failure]] = {}
    for failure in journal.failures(step):
        same.setdefault((failure.task, failure.message), []).append(failure)
    return [_told(failures) for failures in same.values()]


def _told(failures: t.Sequence[Failure]) -> Data:
    last = failures[-1]
    return {
        "step": last.step,
        "journal": last.journal,
        "line": last.line,
        "time": iso(last.at),
        "times": len(failures),
        "task": last.task,
        "host": last.host,
        "message": last.message,
        "cures": [
            {"text": cure.text, "seconds": cure.seconds, "operator": cure.operator}
            for failure in failures
            for cure in failure.cures
        ],
        "seconds_until_next": last.until_next,
    }


def lines(errors: t.Sequence[Data]) -> list[str]:
    """The same for people: each error, then its cures."""
    out = []
    for error in errors:
        where = ", ".join(part for part in (error["task"], error["host"]) if part)
        times = f", {error['times']} times" if error["times"] > 1 else ""
        head = error["message"].split("\n")[0]
        out.append(f"{error['step']}: known error (line {error['line']}{times}): {where and where + ': '}{head}")
        out += [f"  cure: {cure['text']} ({_took(cure['seconds'], error)})" for cure in error["cures"]]
        if not error["cures"]:
            begun_again = error["seconds_until_next"] is not None
            again = f"; the step was begun again {_took(None, error)}" if begun_again else ""
            out.append(f"  no cure was noted{again}")
    return out


def _took(seconds: float | None, error: Data) -> str:
    if seconds is not None:
        return f"took {duration(seconds)}"
    if error["seconds_until_next"] is not None:
        return f"after {duration(error['seconds_until_next'])}"
    return "time unknown"

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress files as text. Figures and names of phases only: no path, no address, nothing that may be a secret."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration, size
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.forecast import Forecast, Left
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.probe import Run
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.page import grouped

State = t.Mapping[str, t.Any]
# Seconds without news after which the user is told.
SILENCE = 300.0


def at_work(state: State, forecast: Forecast) -> str:
    """One line: `fetch 41 %, 12.1 GiB of 29.4 GiB, 8.2 MiB/s, 123 of 300 parts, 2 damaged, about 35 min left (…)`."""
    done, total, rate = state["done"], state["total"], forecast.rate()
    words = [state["phase"] or "starting"]
    if total:
        words = [f"{words[0]} {100 * min(done, total) // total} %", f"{size(done)} of {size(total)}"]
    elif done:
        words.append(size(done))
    if rate is not None and done:
        words.append(f"{size(rate)}/s")
    words += [*counted(state)]
    left = forecast.left(total)
    if left is not None:
        words.append(time_left(left))
    return ", ".join(words)


def counted(state: State) -> t.Iterator[str]:
    """Parts, files and rows, as far as there are any."""
    parts = state["parts"]
    if parts["total"]:
        yield f"{parts['done']} of {parts['total']} parts"
    elif parts["done"]:
        yield f"{parts['done']} parts"
    for name in ("damaged", "repaired"):
        if parts[name]:
            yield f"{parts[name]} {name}"
    for name in ("files", "rows"):
        if state[name]:
            yield f"{grouped(state[name])} {name}"


def time_left(left: Left) -> str:
    """`about 12 min left (10 min to 15 min)`, rounded to what a forecast is worth."""
    likely, shortest = rounded(left.likely), rounded(left.shortest)
    if left.longest is None:
        return f"about {likely} left or more"
    longest = rounded(left.longest)
    return f"about {likely} left" if shortest == longest else f"about {likely} left ({shortest} to {longest})"


def rounded(seconds: float) -> str:
    for below, step in ((90, 5), (5400, 60), (36000, 300)):
        if seconds < below:
            return duration(max(round(seconds / step), 1) * step)
    return duration(round(seconds / 1800) * 1800)


def summary(state: State) -> dict[str, t.Any]:
    """For a task's result: seconds of the whole run; seconds, bytes and rate of each phase."""
    phases = [
        {
            "phase": name,
            "seconds": spent["seconds"],
            "bytes": spent["bytes"],
            "rate": round(spent["bytes"] / spent["seconds"], 1) if spent["bytes"] and spent["seconds"] else None,
        }
        for name, spent in state["phases"].items()
    ]
    return {"seconds": round(state["updated"] - state["started"], 3), "phases": phases}


def ended(state: State) -> str:
    """`done after 3 min 5 s: verify 29.4 GiB in 3 min, 160 MiB/s`."""
    told = summary(state)
    phases = [
        f"{one['phase']} {size(one['bytes'])} in {duration(one['seconds'])}, {size(one['rate'])}/s"
        if one["rate"]
        else f"{one['phase']} {duration(one['seconds'])}"
        for one in told["phases"]
    ]
    text = f"{state['outcome']} after {duration(told['seconds'])}"
    counts = list(counted(state))
    return f"{text}: {'; '.join(phases + counts)}" if phases or counts else text


def generations(register: dict[str, t.Any]) -> list[str]:
    """What is live of a portal and what is kept, one line each, from the register that restores write."""
    root, live, switch = register["document_root"], register["live"], register["switch"]
    lines = []
    if switch is not None:
        number, kind = switch["incoming"]["number"], switch["kind"]
        lines.append(f"{root}: a {kind} that makes generation {number} live is half done; run the same playbook again")
    if live is not None:
        since = f" since {clock(live['since'])}" if live["since"] else ""
        lines.append(f"{root}: generation {live['number']} is live{since}, {live['why']}")
    kept = sorted(register["kept"].values(), key=lambda note: (note["until"], note["number"]), reverse=True)
    for note in kept:
        told = (
            note.get("domain") or "a portal without a name",
            f"version {note['version']}" if note.get("version") else "",
            note["why"],
            f"live until {clock(note['until'])}" if note["until"] else "",
            note.get("why_kept", ""),
        )
        lines.append(f"{root}: generation {note['number']} is kept: {', '.join(part for part in told if part)}")
    return lines


def clock(seconds: float) -> str:
    """A time of the clock, in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def status(run: Run, now: float) -> str:
    """One run in a line, for the playbook `status`: what it does or did, how it ended, and how long ago."""
    state, forecast = run.state, Forecast()
    forecast.see(state)
    silent = max(now - state["updated"], 0)
    if run.outcome == "running":
        text = f"running for {duration(now - state['started'])}: {at_work(state, forecast)}"
        if silent >= SILENCE:
            text += f"; it has told nothing new for {duration(silent)}"
    elif run.outcome == "killed":
        text = f"killed without a last word, heard {duration(silent)} ago at: {at_work(state, forecast)}"
    else:
        text = f"{ended(state)} ({duration(silent)} ago)"
        if state["message"]:
            text += f". {state['message']}"
    return f"{state['operation']}: {text}"

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sizing as lines for people, as a page, and as the tables of docs/scale.md."""

from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration, size
from ansible_collections.boxlift.portal.plugins.module_utils.visible import visible
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast import Range
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.page import page
from ansible_collections.boxlift.portal.plugins.plugin_utils.sizing.hosts import Host, hosts
from ansible_collections.boxlift.portal.plugins.plugin_utils.sizing.measured import GB, MBIT, Known, Portal, portal
from ansible_collections.boxlift.portal.plugins.plugin_utils.sizing.times import FETCH, RESTORE, times

TEMPLATE = pathlib.Path(__file__).with_name("page.html.j2")
#: People, gigabytes and Mbit/s of the table in docs/scale.md.
ROWS = (
    (50, 30, 50),
    (100, 60, 100),
    (250, 120, 100),
    (800, 400, 200),
    (2_000, 600, 500),
    (5_000, 1_000, 500),
    (10_000, 1_500, 1_000),
    (20_000, 2_000, 1_000),
)
Data = dict[str, t.Any]


def view(plan: Plan, of: Portal, known: Known) -> Data:
    """All of it as plain data, for the page and for the module's result."""
    needed, taken = hosts(of, known), times(plan, of, known)
    measured = [
        {"what": one.title, "amount": one.amount, "seconds": one.seconds, "rate": one.rate, "source": one.source}
        for one in known.measured.values()
    ]
    return {
        "people": of.people,
        "sizes": dict(of.sizes),
        "link_mbit": of.link / MBIT,
        "several": needed.several,
        "reason": needed.reason,
        "requests": needed.requests,
        "processes": needed.processes,
        "hosts": [
            {
                "groups": one.groups,
                "count": one.count,
                "cores": one.cores,
                "memory_gib": one.memory_mb // 1024,
                "disk": one.disk,
                "why": one.why,
            }
            for one in needed.hosts
        ],
        "phases": [
            {"title": title, **_range(seconds)}
            for title, seconds in (
                ("From the link until the night can begin", taken.ready),
                ("The night, in which nobody works", taken.closed),
                (
                    "From the link to the opening, without work where no difference is carried over",
                    taken.whole,
                ),
            )
        ],
        "steps": [
            {"id": one.id, "title": one.title, **_range(one.seconds)}
            for one in taken.steps
            if one.seconds and one.kind == "step"
        ],
        "beside": [{"title": one.title, **_range(one.seconds)} for one in taken.beside],
        "measured": measured,
        "assumed": [{"name": name, "value": one.value, "reason": one.reason} for name, one in known.assumed.items()],
    }


def _range(of: Range) -> Data:
    return {"p50": round(of.p50), "p80": round(of.p80), "basis": of.basis}


def lines(said: Data) -> list[str]:
    """The answer in a few lines."""
    sizes = said["sizes"]
    out = [
        f"{said['people']} people, a backup of {size(sizes['backup_bytes'])}, a database of "
        f"{size(sizes['database_bytes'])}, a line of {said['link_mbit']:g} Mbit/s.",
        f"Several hosts: {said['reason']}." if said["several"] else "One host carries it.",
    ]
    out += [
        f"  {one['count']} x {one['groups']}: {one['cores']} cores, {one['memory_gib']} GiB, disk "
        f"{size(one['disk'])} ({one['why']})"
        for one in said["hosts"]
    ]
    for one in [*said["phases"], *(step for step in said["steps"] if step["id"] in (FETCH, RESTORE)), *said["beside"]]:
        out.append(f"{one['title']}: P50 {duration(one['p50'])}, P80 {duration(one['p80'])}")
    return out


def render(said: Data) -> str:
    return page(TEMPLATE, visible({"said": said}), {})


# -- docs/scale.md


def tables(plan: Plan, known: Known) -> dict[str, str]:
    """The tables of the page, by the name of their place in it."""
    return {
        "hosts": _hosts(known),
        "times": _times(plan, known),
        "measured": _measured(known),
        "assumed": table(
            ("assumption", "value", "what it says"),
            [(f"`{name}`", f"{one.value:g}", one.reason) for name, one in known.assumed.items()],
        ),
    }


def _hosts(known: Known) -> str:
    groups = ("balancer", "web", "database", "cache", "push", "storage", "backup_repository")
    rows = []
    for people, gigabytes, link in ROWS:
        found = hosts(portal(people, gigabytes, link), known).hosts
        cells = {name: _host(one) for one in found for name in one.groups.split(", ")[:1]}
        alone = "with web" if len(found) == 2 else ""
        cells.update((name, alone) for name in ("database", "cache", "push") if alone)
        rows.append((f"{people}", f"{gigabytes} GB", *(cells.get(group, "–") for group in groups)))
    return table(("people", "backup", *(f"`{group}`" for group in groups)), rows)


def _host(one: Host) -> str:
    return f"{one.count} × {one.cores} cores, {one.memory_mb // 1024} GiB, {_disk(one.disk)}"


def _disk(of: int) -> str:
    return f"{of / GB:.0f} GB" if of < 1000 * GB else f"{of / GB / 1000:.1f} TB"


def _times(plan: Plan, known: Known) -> str:
    rows = []
    for people, gigabytes, link in ROWS:
        taken = times(plan, portal(people, gigabytes, link), known)
        ranges = [taken.step(FETCH), taken.step(RESTORE), taken.ready, taken.closed]
        ranges += [one.seconds for one in taken.beside]
        rows.append((f"{gigabytes} GB", f"{link} Mbit/s", *map(_span, ranges)))
    head = ("backup", "line", "fetch", "restore", "until the night", "the night")
    return table((*head, "pre-production", "first copy", "recovery", "new replica"), rows)


def _span(of: Range) -> str:
    """P50 to P80."""
    low, high = duration(of.p50), duration(of.p80)
    return low if low == high else f"{low} to {high}"


def _measured(known: Known) -> str:
    return table(
        ("measured", "amount", "took", "a second", "where"),
        [
            (one.title, f"{one.amount / GB:.2f} GB", duration(one.seconds), f"{one.rate / 1e6:.0f} MB", one.source)
            for one in known.measured.values()
        ],
    )


def table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[str]]) -> str:
    lined = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in lined)

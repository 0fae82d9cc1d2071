# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one self-contained HTML page. Every value is escaped; nothing is loaded from anywhere."""

from __future__ import annotations

import datetime
import functools
import typing as t
import zoneinfo
from pathlib import Path

import jinja2
import markupsafe
from ansible_collections.boxlift.portal.plugins.module_utils.units import duration, size
from ansible_collections.boxlift.portal.plugins.module_utils.visible import visible
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.chart import chart
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.timeline import drawn
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.verdict import area_name

TEMPLATE = Path(__file__).with_name("page.html.j2")
STYLE = Path(__file__).with_name("style.css")

# Colours of statuses. The text beside each says the same, for print and for the colour-blind.
LEVELS = {
    "pass": "ok",
    "intact": "ok",
    "ok": "ok",
    "finished": "ok",
    "changed": "changed",
    "warn": "warn",
    "in progress": "warn",
    "unknown": "unknown",
    "skip": "quiet",
    "skipped": "quiet",
}

_COUNTED = (
    ("fail", "failed"),
    ("unknown", "could not look"),
    ("warn", "warned"),
    ("pass", "passed"),
    ("skip", "skipped"),
)


def area_text(area: dict[str, t.Any]) -> str:
    """The number of its checks with each result, and the id of the worst."""
    told = ", ".join(f"{area['counts'][status]} {word}" for status, word in _COUNTED if area["counts"].get(status))
    return told if area["status"] == "pass" else f"{told}: {area['worst']}"


def level(status: str) -> str:
    return LEVELS.get(status, "bad")


def when(moment: float | None, zone: datetime.tzinfo = datetime.timezone.utc) -> str:
    """A time with its zone, since the readers are in several; UTC where no plan has named one."""
    if moment is None:
        return "–"
    return datetime.datetime.fromtimestamp(moment, tz=zone).strftime("%Y-%m-%d %H:%M %Z")


def grouped(number: int) -> str:
    """Thousands separated by a narrow space, which nobody takes for a decimal sign."""
    return f"{number:,}".replace(",", "\u202f")


def page(template: Path, data: dict[str, t.Any], filters: t.Mapping[str, t.Callable[..., t.Any]]) -> str:
    """A page of its own from a template, in the style that all pages share; give it `visible` data."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(level=level, when=when, duration=duration, size=size, grouped=grouped)
    environment.filters.update(filters)
    style = markupsafe.Markup(STYLE.read_text(encoding="utf-8"))
    return environment.get_template(template.name).render(**data, style=style)


def render(report: dict[str, t.Any], gantts: t.Sequence[dict[str, t.Any]] = ()) -> str:
    """`gantts` are the drawings of a move by its plan."""
    data = visible(report)
    drawings = {
        "report": data,
        "charts": [chart(run["groups"], run["seconds"]) for run in data["runs"]],
        "timelines": [drawn(line) for line in data["timelines"]],
        "gantts": visible(list(gantts)),
        "zone": report["move"]["timezone"] if report["move"] else "UTC",
    }
    local = functools.partial(when, zone=zoneinfo.ZoneInfo(drawings["zone"]))
    return page(TEMPLATE, drawings, {"area_name": area_name, "area_text": area_text, "when": local})

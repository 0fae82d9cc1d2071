# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small drawings as SVG: a line without an axis, and a strip of pieces. Their words stand beside them in the page."""

from __future__ import annotations

import html
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.visible import visible

WIDTH, HEIGHT = 320, 44
_EDGE = 2.0


def line(points: t.Sequence[tuple[float, float | None]], title: str, top: float | None = None) -> str:
    """The values from nought upwards; a gap where there is none. `top` is the highest that can be drawn."""
    known = [value for _at, value in points if value is not None]
    if len(points) < 2 or not known:
        return ""
    begin, end = points[0][0], points[-1][0]
    highest = max(top if top is not None else max(known), 1e-9)
    pieces: list[list[str]] = [[]]
    for at, value in points:
        if value is None:
            pieces.append([])
            continue
        x = (at - begin) / max(end - begin, 1e-9) * WIDTH
        y = HEIGHT - _EDGE - min(value / highest, 1.0) * (HEIGHT - 2 * _EDGE)
        pieces[-1].append(f"{x:.1f},{y:.1f}")
    # A piece of one point is no line; drawn twice it is a dot, by its round ends.
    drawn = "".join(
        f'<polyline points="{" ".join(piece * 2 if len(piece) == 1 else piece)}"/>' for piece in pieces if piece
    )
    return _svg("line", title, drawn)


def strip(parts: t.Sequence[float | None], title: str) -> str:
    """A bar for each piece: whole, in part, not at all, or not measured."""
    if not parts:
        return ""
    width = WIDTH / len(parts)
    drawn: dict[str, list[str]] = {"ok": [], "unknown": [], "warn": [], "bad": []}
    begin = 0
    # Neighbours of one kind are one bar: thousands of them would make the page heavy. The worst are drawn last, so that
    # minutes of a month are seen.
    for number in range(1, len(parts) + 1):
        kind = _kind(parts[begin])
        if number == len(parts) or _kind(parts[number]) != kind:
            wide = max((number - begin) * width, 1.0)
            x = min(begin * width, WIDTH - wide)
            drawn[kind].append(f'<rect class="{kind}" x="{x:.2f}" width="{wide:.2f}" height="{HEIGHT}"/>')
            begin = number
    return _svg("strip", title, "".join(piece for pieces in drawn.values() for piece in pieces))


def _kind(part: float | None) -> str:
    if part is None:
        return "unknown"
    if part >= 1:
        return "ok"
    return "warn" if part >= 0.5 else "bad"


def _svg(kind: str, title: str, drawn: str) -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img">'
        f"<title>{html.escape(str(visible(title)))}</title>{drawn}</svg>"
    )

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Style and script of the status page; the colours are those of the reports."""

from __future__ import annotations

STYLE = """
:root {
  --page: #f6f7f9; --card: #ffffff; --ink: #1a2230; --soft: #5a6576; --line: #dfe3ea; --bar: #3d6fb4;
  --ok: #1d7a46; --ok-back: #e2f3e9; --warn: #8a5a00; --warn-back: #fdf0d3; --bad: #b3261e; --bad-back: #fce4e2;
  --unknown: #6a3fa0; --unknown-back: #efe6f9; --ok-bar: #5fb584; --warn-bar: #e0a83a; --gap: #d5dae2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161d; --card: #1b212b; --ink: #e6eaf1; --soft: #9aa6b8; --line: #2f3846; --bar: #6c9fe6;
    --ok: #6fd39a; --ok-back: #163626; --warn: #f0c35c; --warn-back: #3b2e10; --bad: #ff8f86; --bad-back: #44201e;
    --unknown: #c7a3f2; --unknown-back: #33254a; --ok-bar: #3c9a66; --warn-bar: #c99735; --gap: #353e4c;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.45; font-size: 15px;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 980px; margin: 0 auto; padding: 18px 16px 48px; }
h1 { font-size: 17px; font-weight: 600; margin: 0; color: var(--soft); }
h2 { font-size: 17px; margin: 28px 0 8px; }
h3 { font-size: 15px; margin: 0 0 4px; }
p { margin: 0 0 6px; overflow-wrap: anywhere; }
a { color: var(--bar); }
.soft { color: var(--soft); }
.small { font-size: 13px; }
.banner { margin: 0 0 6px; padding: 14px 16px; border-radius: 10px; font-size: 21px; font-weight: 650; line-height: 1.3;
  border-left: 7px solid currentColor; overflow-wrap: anywhere; }
.ok { color: var(--ok); } .warn { color: var(--warn); } .bad { color: var(--bad); } .unknown { color: var(--unknown); }
.banner.ok, .pill.ok { background: var(--ok-back); } .banner.warn, .pill.warn { background: var(--warn-back); }
.banner.bad, .pill.bad { background: var(--bad-back); }
.banner.unknown, .pill.unknown { background: var(--unknown-back); }
.pill { display: inline-block; padding: 0 9px; border-radius: 10px; font-size: 13px; font-weight: 600;
  white-space: nowrap; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); gap: 10px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px; min-width: 0; }
.trouble { border-left: 5px solid currentColor; margin: 0 0 10px; }
.trouble h3, .trouble p { color: var(--ink); } .trouble .soft { color: var(--soft); }
.figure b { display: block; font-size: 21px; font-variant-numeric: tabular-nums; }
.figure.warn b, .figure.bad b, .figure.unknown b { color: inherit; } .figure { color: var(--ink); }
.figure.warn b { color: var(--warn); } .figure.bad b { color: var(--bad); } .figure.unknown b { color: var(--unknown); }
.figure span { color: var(--soft); font-size: 13px; display: block; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: 44px; margin: 8px 0 2px; }
svg.line { border-bottom: 1px solid var(--line); }
svg.strip { height: 26px; border-radius: 4px; }
polyline { fill: none; stroke: var(--bar); stroke-width: 1.6; stroke-linecap: round;
  vector-effect: non-scaling-stroke; }
rect.ok { fill: var(--ok-bar); } rect.warn { fill: var(--warn-bar); } rect.bad { fill: var(--bad); }
rect.unknown { fill: var(--gap); }
ul { margin: 0; padding: 0 0 0 20px; } li { margin: 0 0 3px; overflow-wrap: anywhere; }
ul.plain { list-style: none; padding: 0; }
footer { margin-top: 30px; color: var(--soft); font-size: 13px; }
@media (max-width: 600px) { main { padding: 10px 10px 36px; } .banner { font-size: 18px; padding: 12px; } }
@media print { .card { break-inside: avoid; } }
"""

#: The page is a file: where its renewal has stopped, nobody but the reader's own clock can say so.
SCRIPT = """
(function () {
  var made = Number(document.body.getAttribute("data-made")) * 1000;
  function look() {
    var minutes = Math.floor((Date.now() - made) / 60000);
    if (Math.abs(minutes) < 5) { return; }
    var banner = document.getElementById("verdict");
    banner.className = "banner unknown";
    banner.textContent = minutes > 0
      ? "Nobody knows how the site is. This page was renewed " + minutes + " minutes ago last."
      : "Nobody knows how the site is. By the clock of this device, this page comes from the future.";
  }
  look();
  setInterval(look, 15000);
}());
"""

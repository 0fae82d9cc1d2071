#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# A picture of a report by headless Chromium: the tests' sample move by its plan, or the page that is named.
# usage: report_picture.sh [PICTURE [PAGE]]      (default: docs/images/report.png, with HEIGHT=2700)
#   A picture whose name ends in .pdf is the page as it is printed.
#   docs/images/health.png is made from the demo: HEIGHT=2300 report_picture.sh docs/images/health.png PAGE
#   docs/images/plan.png is made from the example: HEIGHT=1580 report_picture.sh docs/images/plan.png PAGE
#   docs/images/manual.png and codes.png are made of the printed manual of a sample site: report_picture.sh manual
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chrome() { # chrome OPTION PAGE
  chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --user-data-dir="$work/profile" --hide-scrollbars \
    "${@:1:$#-1}" "file://${!#}" 2> "$work/log" || { cat "$work/log" >&2; exit 1; }
}
if [[ ${1:-} == manual ]]; then
  # Printed, as people see them. The page is the one of move.restore in the final run.
  page=$(PYTHONPATH=.cache/collections:tests python - "$work" << 'PYTHON'
import sys
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.plugin_utils.manual import page
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual.words import Words
from unit.plugins.plugin_utils.manual import sites

found, manual, name = sites.made(sites.plan())
Path(sys.argv[1], "manual.html").write_text(manual, encoding="utf-8")
Path(sys.argv[1], "codes.html").write_text(page.codes(found, Words("en"), name), encoding="utf-8")
print(next(one.page for one in found.pages if (one.id, one.stage) == ("move.restore", "Final run")))
PYTHON
  )
  mkdir -p docs/images
  for name in manual codes; do
    chrome --no-pdf-header-footer --print-to-pdf="$work/$name.pdf" "$work/$name.html"
  done
  pdftoppm -png -gray -r 90 -f "$page" -l "$page" -singlefile "$work/manual.pdf" docs/images/manual
  pdftoppm -png -gray -r 90 -f 1 -l 1 -singlefile "$work/codes.pdf" docs/images/codes
  exit
fi
if [[ -n ${2:-} ]]; then
  cp "$2" "$work/report.html"
else
  PYTHONPATH=.cache/collections:tests python - "$work" << 'PYTHON'
import datetime
import sys
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.plugin_utils.handover import gantt
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.move import with_plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import reader
from ansible_collections.boxlift.portal.plugins.plugin_utils.report import build, page
from unit.plugins.plugin_utils import sample_move

work = Path(sys.argv[1])
plan = sample_move.write(work / "move.jsonl").plan
journal = reader.read([str(work / "move.jsonl")])
report = with_plan(build.build(journal), journal, plan, datetime.date(2026, 5, 11))
(work / "report.html").write_text(page.render(report, gantt.drawn(report["move"])), encoding="utf-8")
PYTHON
fi
mkdir -p docs/images
picture=${1:-docs/images/report.png}
how=(--screenshot="$picture" --window-size="${WIDTH:-1100},${HEIGHT:-2700}")
[[ $picture != *.pdf ]] || how=(--print-to-pdf="$picture" --no-pdf-header-footer)
chrome "${how[@]}" "$work/report.html"

#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# A picture of a report by headless Chromium: the tests' sample move by its plan, or the page that is named.
# usage: report_picture.sh [PICTURE [PAGE]]      (default: docs/images/report.png, with HEIGHT=2700)
#   A picture whose name ends in .pdf is the page as it is printed.
#   docs/images/health.png is made from the demo: HEIGHT=2300 report_picture.sh docs/images/health.png PAGE
#   docs/images/plan.png is made from the example: HEIGHT=1580 report_picture.sh docs/images/plan.png PAGE
#   docs/images/service-report.png and visit.png are made of a sample month of operation: report_picture.sh service
#   Those of the status page, docs/images/status-good.png and two more, are made of a sample site: report_picture.sh status
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
if [[ ${1:-} == service ]]; then
  PYTHONPATH=.cache/collections:tests python - "$work" << 'PYTHON'
import sys
from pathlib import Path

import pytest
from unit.plugins.plugin_utils.service import sample_month
from unit.plugins.plugin_utils.service.site import Site

work = Path(sys.argv[1])
report, visit = sample_month.lived_through(Site(work, pytest.MonkeyPatch()))
(work / "service-report.html").write_text(report, encoding="utf-8")
(work / "visit.html").write_text(visit, encoding="utf-8")
PYTHON
  mkdir -p docs/images
  chrome --screenshot=docs/images/service-report.png --window-size=1000,2420 "$work/service-report.html"
  chrome --screenshot=docs/images/visit.png --window-size=1000,1180 "$work/visit.html"
  exit
fi
if [[ ${1:-} == status ]]; then
  PYTHONPATH=.cache/collections:tests python - "$work" << 'PYTHON'
import re
import sys
import time
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.monitoring import outlook, status_command, status_page
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.prometheus import Prometheus
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.status_settings import StatusSettings
from unit.plugins.module_utils.monitoring import fake_prometheus

server = fake_prometheus.FakePrometheus()
settings = StatusSettings(server.url, "", "portal.example.com", server.url, "Asia/Yekaterinburg")
fake_prometheus.all_well(server)
for name in ("good", "bad"):
    seen = outlook.looked(Prometheus(server.url), settings, fake_prometheus.NOW, status_command.inhibited(server.url))
    # A page of that moment would say that it is old.
    made = re.sub('data-made="[0-9]+"', f'data-made="{time.time():.0f}"', status_page.render(seen))
    Path(sys.argv[1], f"{name}.html").write_text(made, encoding="utf-8")
    fake_prometheus.in_trouble(server)
server.close()
PYTHON
  mkdir -p docs/images
  pictures=docs/images
  shoot() { chrome --screenshot="$pictures/status-$2.png" --window-size="$3" "${@:4}" "$work/$1.html"; }
  shoot good good 1000,1480
  shoot bad bad 1000,1480
  # Chromium's window is 500 wide at least: a narrower frame in it is what a telephone shows.
  printf '<body style="margin:0"><iframe src="bad.html" width="390" height="1180" style="border:0"></iframe>' > "$work/phone.html"
  shoot phone phone 390,1180 --blink-settings=preferredColorScheme=0
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

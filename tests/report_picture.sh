#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# A picture of a report by headless Chromium: the tests' sample journal, or the page that is named.
# usage: report_picture.sh [PICTURE [PAGE]]      (default: docs/images/report.png; HEIGHT and WIDTH in pixels)
#   docs/images/health.png is made from the demo: HEIGHT=2300 report_picture.sh docs/images/health.png PAGE
#   docs/images/plan.png is made from the example: HEIGHT=1580 report_picture.sh docs/images/plan.png PAGE
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [[ -n ${2:-} ]]; then
  cp "$2" "$work/report.html"
else
  PYTHONPATH=.cache/collections:tests python - "$work" << 'PYTHON'
import sys
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import reader
from ansible_collections.boxlift.portal.plugins.plugin_utils.report import build, page
from unit.plugins.plugin_utils import sample_journal

work = Path(sys.argv[1])
sample_journal.write(work / "move.jsonl")
(work / "report.html").write_text(page.render(build.build(reader.read([str(work / "move.jsonl")]))), encoding="utf-8")
PYTHON
fi
mkdir -p docs/images
chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
  --disable-component-update --disable-sync --user-data-dir="$work/profile" --hide-scrollbars \
  --window-size="${WIDTH:-1100},${HEIGHT:-1500}" --screenshot="${1:-docs/images/report.png}" \
  "file://$work/report.html" 2> "$work/log" || { cat "$work/log" >&2; exit 1; }

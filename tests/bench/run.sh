#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Measure against the field's tools and write tests/bench/results.md. Needs about 2 GB of memory for a tmpfs.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v pigz >/dev/null || { echo "bench: pigz is missing: apt-get install pigz" >&2; exit 1; }
exec env PYTHONPATH=.cache/collections:tests .venv/bin/python tests/bench/bench.py "$@"

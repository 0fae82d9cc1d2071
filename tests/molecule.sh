#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Run Molecule scenarios, each on fresh hosts (tests/scenarios.py).
# usage: molecule.sh [--at-once N] [scenario …]      (default: all)
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/.venv/bin:$PATH
# The frames around ansible's output would break its long lines.
export MOLECULE_COMMAND_BORDERS=false
tests/lab/engine.sh
exec python -u tests/scenarios.py "$@"

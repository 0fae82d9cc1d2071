#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Run Molecule scenarios, each on fresh hosts, and say at the end how each went and how long it took. A single one shows
# what it does; of several the output is shown where one fails.
# usage: molecule.sh [scenario …]      (default: all)
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/.venv/bin:$PATH
# The frames around ansible's output would break its long lines.
export MOLECULE_COMMAND_BORDERS=false

# A scenario waits half of its time: for hosts, for apt, for the other of its two hosts.
at_once=2

if (($# == 0)); then
  # The longest first, so that the last does not run alone.
  set -- preproduction health provision move certificate archives default
  there=$(find molecule -mindepth 2 -maxdepth 2 -name molecule.yml -printf '%h\n' | sort)
  [[ $there == "$(printf 'molecule/%s\n' "$@" | sort)" ]] ||
    { echo "error: tests/molecule.sh does not name the scenarios that molecule/ has" >&2; exit 1; }
fi
for scenario in "$@"; do
  # Molecule passes over a verify step that has no tests.
  compgen -G "molecule/$scenario/tests/test_*.py" >/dev/null ||
    { echo "error: molecule/$scenario/tests/ has no test_*.py" >&2; exit 1; }
done
tests/lab/engine.sh

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# run SCENARIO: its verdict and seconds end up in $logs/SCENARIO.verdict
run() {
  local begin=$SECONDS verdict=passed
  if ((alone)); then
    molecule test --scenario-name "$1" || verdict=failed
  else
    echo "molecule: $1 begins"
    molecule test --scenario-name "$1" >"$logs/$1.log" 2>&1 || verdict=failed
    [[ $verdict == passed ]] || cat "$logs/$1.log"
    echo "molecule: $1 $verdict after $((SECONDS - begin)) s"
  fi
  printf '%-20s %-7s %4d s\n' "$1" "$verdict" $((SECONDS - begin)) >"$logs/$1.verdict"
}

alone=$(($# == 1))
for scenario in "$@"; do
  while (($(jobs -rp | wc -l) >= at_once)); do wait -n; done
  run "$scenario" &
done
wait

failed=()
printf '%s\n' '' 'Molecule scenarios:'
for scenario in "$@"; do
  cat "$logs/$scenario.verdict"
  verdict=$(awk '{print $2}' "$logs/$scenario.verdict")
  # For tests/run.sh, which counts.
  printf '%s\tmolecule %s\t\n' "$verdict" "$scenario" >>"${BOXLIFT_TEST_RESULTS:-/dev/null}"
  [[ $verdict == passed ]] || failed+=("$scenario")
done
if ((${#failed[@]})); then
  echo "molecule: failed: ${failed[*]}" >&2
  exit 1
fi

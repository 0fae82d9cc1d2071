#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Run Molecule scenarios, each on fresh hosts, and say at the end how each went and how long it took.
# usage: molecule.sh [scenario …]      (default: all that were seen to pass once)
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/.venv/bin:$PATH
# The frames around ansible's output would break its long lines.
export MOLECULE_COMMAND_BORDERS=false

# Written, and not yet run to their end: work to do (issue 4), said so at every run.
unproven=(certificate health preproduction)

if (($# == 0)); then
  for folder in molecule/*/molecule.yml; do
    scenario=${folder#molecule/}
    scenario=${scenario%/molecule.yml}
    if [[ " ${unproven[*]} " == *" $scenario "* ]]; then
      echo "molecule: skipped: $scenario was not seen to pass yet; tests/molecule.sh $scenario runs it"
      printf 'skipped\tmolecule %s\tnot seen to pass yet\n' "$scenario" >>"${BOXLIFT_TEST_RESULTS:-/dev/null}"
      continue
    fi
    set -- "$@" "$scenario"
  done
fi
tests/lab/engine.sh

failed=()
summary=()
for scenario in "$@"; do
  begin=$SECONDS
  verdict=passed
  # Molecule passes over a verify step that has no tests.
  if ! compgen -G "molecule/$scenario/tests/test_*.py" >/dev/null; then
    echo "error: molecule/$scenario/tests/ has no test_*.py" >&2
    exit 1
  fi
  molecule test --scenario-name "$scenario" || {
    verdict=failed
    failed+=("$scenario")
  }
  # For tests/run.sh, which counts.
  printf '%s\tmolecule %s\t\n' "$verdict" "$scenario" >>"${BOXLIFT_TEST_RESULTS:-/dev/null}"
  summary+=("$(printf '%-20s %-7s %4d s' "$scenario" "$verdict" $((SECONDS - begin)))")
done
printf '%s\n' '' 'Molecule scenarios:' "${summary[@]}"
if ((${#failed[@]})); then
  echo "molecule: failed: ${failed[*]}" >&2
  exit 1
fi

#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# What `make test` runs: every stage, also after one failed. The last line counts what passed, failed and was skipped.
# usage: run.sh [stage …]      (default: all, those that use one core side by side)
#
# A stage may report its parts: one line "passed|failed|skipped<TAB>name<TAB>reason<TAB>seconds" each (the last two may be
# missing), appended to the file named in BOXLIFT_TEST_RESULTS. A stage that reports nothing counts as one, by its exit
# status.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export PATH="$PWD/.venv/bin:$PATH" ANSIBLE_COLLECTIONS_PATH="$PWD/.cache/collections"

out=.cache/test
rm -rf "$out"
mkdir -p "$out"

run_make() { # run_make STAGE
  if [[ $1 == unit ]]; then
    PYTEST_ADDOPTS="${PYTEST_ADDOPTS:-} --junit-xml=$PWD/$out/unit.xml" make --no-print-directory unit
  else
    # PYTEST_ADDOPTS is for the unit stage: Molecule's verifier runs pytest as well.
    env -u PYTEST_ADDOPTS BOXLIFT_TEST_RESULTS="$PWD/$out/$1.results" make --no-print-directory "$1"
  fi
}

# run STAGE: its output appears while it runs
run() {
  local started=$SECONDS
  printf '\n======== %s\n' "$1"
  run_make "$1" 2>&1 | tee "$out/$1.log"
  printf '%s\t%s\t%s\n' "$1" "${PIPESTATUS[0]}" $((SECONDS - started)) >>"$out/stages"
}

# run_quietly STAGE…: one after the other; the output of each appears in one piece when it has ended
run_quietly() {
  local stage started status
  for stage in "$@"; do
    started=$SECONDS
    status=0
    run_make "$stage" >"$out/$stage.log" 2>&1 || status=$?
    (
      flock 9
      printf '%s\t%s\t%s\n' "$stage" "$status" $((SECONDS - started)) >>"$out/stages"
      printf '\n======== %s\n' "$stage"
      cat "$out/$stage.log"
    ) 9>"$out/lock"
  done
}

if (($#)); then
  for stage in "$@"; do run "$stage"; done
else
  run lint
  run unit
  echo "package runs beside sanity; each appears when it has ended"
  run_quietly package &
  run_quietly sanity
  wait
  run molecule
fi

python tests/tally.py "$out" "$SECONDS"

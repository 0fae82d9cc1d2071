#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# What `make test` runs: every stage, also after one failed. The last line counts what passed, failed and was skipped.
#
# A stage may report its parts: one line "passed|failed|skipped<TAB>name<TAB>reason" each, appended to the file named in
# BOXLIFT_TEST_RESULTS. A stage that reports nothing counts as one, by its exit status.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export PATH="$PWD/.venv/bin:$PATH" ANSIBLE_COLLECTIONS_PATH="$PWD/.cache/collections"

out=.cache/test
rm -rf "$out"
mkdir -p "$out"
export PYTEST_ADDOPTS="${PYTEST_ADDOPTS:-} --junit-xml=$PWD/$out/unit.xml"

for stage in "${@:-lint unit sanity package molecule}"; do
  for name in $stage; do
    printf '\n======== %s\n' "$name"
    started=$SECONDS
    if [[ $name == unit ]]; then
      make --no-print-directory unit 2>&1 | tee "$out/$name.log"
    else
      # PYTEST_ADDOPTS is for the unit stage: Molecule's verifier runs pytest as well.
      env -u PYTEST_ADDOPTS BOXLIFT_TEST_RESULTS="$PWD/$out/$name.results" \
        make --no-print-directory "$name" 2>&1 | tee "$out/$name.log"
    fi
    printf '%s\t%s\t%s\n' "$name" "${PIPESTATUS[0]}" "$((SECONDS - started))" >> "$out/stages"
  done
done

python tests/tally.py "$out"

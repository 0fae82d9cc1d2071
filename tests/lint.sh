#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Every linter over the whole checkout; all of them run, the last lines name those that failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export PATH="$PWD/.venv/bin:$PATH" ANSIBLE_COLLECTIONS_PATH="$PWD/.cache/collections"
[[ -t 1 ]] || export NO_COLOR=1

failed=()
check() { # check NAME COMMAND...
  local name=$1
  shift
  printf '== lint: %s\n' "$name"
  local status=passed
  "$@" || status=failed
  [[ $status == passed ]] || failed+=("$name")
  printf '%s\tlint: %s\n' "$status" "$name" >> "${BOXLIFT_TEST_RESULTS:-/dev/null}"
}

typed_lab() {
  local files
  mapfile -t files < <(git ls-files --cached --others --exclude-standard 'tests/lab/*.py' 'tests/bench/*.py')
  if ((${#files[@]} == 0)); then
    echo "no Python in tests/lab yet"
    return 0
  fi
  mypy "${files[@]}"
}

check "ruff check" ruff check .
check "ruff format" ruff format --check .
check "mypy plugins" mypy plugins
check "mypy tests/lab" typed_lab
check "yamllint" yamllint --strict .
check "ansible-lint" ansible-lint --offline --profile production --strict
check "antsibull-changelog" antsibull-changelog lint
check "antsibull-docs" antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck \
  --validate-collection-refs self --disallow-unknown-collection-refs .
check "reference in docs/ is current" tests/docs.sh --check

if ((${#failed[@]} > 0)); then
  printf 'lint: FAILED: %s\n' "${failed[@]}"
  exit 1
fi
echo "lint: all passed"

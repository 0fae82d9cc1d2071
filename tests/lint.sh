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

# Files that git tracks or would track.
files() { git ls-files --cached --others --exclude-standard --deduplicate -- "$@"; }

typed_lab() {
  local found
  mapfile -t found < <(files 'tests/lab/*.py' 'tests/bench/*.py')
  MYPYPATH=tests mypy "${found[@]}"
}

yaml_files() {
  local found
  # antsibull-changelog writes that one, in its own style.
  mapfile -t found < <(files '*.yml' '*.yaml' .yamllint .ansible-lint | grep -vx changelogs/changelog.yaml)
  yamllint --strict "${found[@]}"
}

check "ruff check" ruff check .
check "ruff format" ruff format --check .
check "mypy plugins" mypy plugins
check "mypy tests/lab" typed_lab
check "yamllint" yaml_files
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

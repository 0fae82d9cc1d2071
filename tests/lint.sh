#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Every linter over the whole checkout; all of them run at once, the last lines name those that failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export PATH="$PWD/.venv/bin:$PATH" ANSIBLE_COLLECTIONS_PATH="$PWD/.cache/collections"
[[ -t 1 ]] || export NO_COLOR=1

said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT
names=()
processes=()
check() { # check NAME COMMAND... starts it; what it says is kept together
  "${@:2}" > "$said/${#names[@]}" 2>&1 &
  processes+=("$!")
  names+=("$1")
}

# Files that git tracks or would track.
files() { git ls-files --cached --others --exclude-standard --deduplicate -- "$@"; }

types() { # one after the other, for they share a cache
  local found status=0
  mapfile -t found < <(files 'tests/lab/*.py' 'tests/bench/*.py' 'tests/scorecard/*.py')
  mypy plugins || status=1
  MYPYPATH=tests mypy "${found[@]}" || status=1
  return "$status"
}

yaml_files() {
  local found
  # antsibull-changelog writes that one, in its own style.
  mapfile -t found < <(files '*.yml' '*.yaml' .yamllint .ansible-lint | grep -vx changelogs/changelog.yaml)
  yamllint --strict "${found[@]}"
}

# ansible-lint uses one core, and takes longer than all others together. In two runs: whatever one leaves out, the other
# does not.
rules() { ansible-lint --offline --profile production --strict "${@/#/--exclude=}"; }
elsewhere=(molecule/ playbooks/ plugins/ tests/)

check "ruff check" ruff check .
check "ruff format" ruff format --check .
check "mypy" types
check "yamllint" yaml_files
check "ansible-lint of roles" rules "${elsewhere[@]}"
check "ansible-lint of everything else" rules roles/
check "antsibull-changelog" antsibull-changelog lint
check "antsibull-docs" antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck \
  --validate-collection-refs self --disallow-unknown-collection-refs .
check "reference in docs/ is current" tests/docs.sh --check

failed=()
for number in "${!names[@]}"; do
  status=passed
  wait "${processes[number]}" || status=failed
  printf '== lint: %s\n' "${names[number]}"
  cat "$said/$number"
  [[ $status == passed ]] || failed+=("${names[number]}")
  printf '%s\tlint: %s\n' "$status" "${names[number]}" >> "${BOXLIFT_TEST_RESULTS:-/dev/null}"
done

if ((${#failed[@]} > 0)); then
  printf 'lint: FAILED: %s\n' "${failed[@]}"
  exit 1
fi
echo "lint: all passed"

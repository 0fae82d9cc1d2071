#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# ansible-test sanity, without ignore files, on a copy of what git tracks or would track.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"

copy=.cache/sanity/ansible_collections/boxlift/portal
if compgen -G 'tests/sanity/ignore-*.txt' > /dev/null; then
  echo "sanity: tests/sanity holds ignore files; mend what they hide and remove them." >&2
  exit 1
fi

# ansible-test fetches pip's installer from the network for its own environments. Python carries one: put it where
# ansible-test looks first, unless a real one is there already.
bootstrap="$HOME/.ansible/test/cache/get_pip_24_2.py"
if [[ ! -e $bootstrap ]]; then
  mkdir -p "$(dirname "$bootstrap")"
  printf 'import ensurepip\nensurepip.bootstrap()\n' > "$bootstrap"
fi

rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard --deduplicate |
  while IFS= read -r -d '' file; do [[ ! -e $file && ! -L $file ]] || printf '%s\0' "$file"; done |
  tar --create --null --files-from=- | tar --extract --directory "$copy"
git -C "$copy" init --quiet --initial-branch main
git -C "$copy" add --all
git -C "$copy" -c user.name=sanity -c user.email=sanity@boxlift.test commit --quiet --message "copy"

# What cannot run must be said; ansible-test itself only whispers.
skip=()
not_run() {
  skip+=(--skip-test "$1")
  echo "not run: ansible-test sanity --test $1: $2"
  printf 'skipped\tsanity: %s\t%s\n' "$1" "$2" >> "${BOXLIFT_TEST_RESULTS:-/dev/null}"
}
if ! command -v shellcheck > /dev/null; then
  echo "sanity: shellcheck is missing. Install the package shellcheck (tests/lab/host-packages.sh does)." >&2
  exit 1
fi
if ! command -v pwsh > /dev/null; then
  if [[ -n $(git -C "$copy" ls-files '*.ps1' '*.psm1') ]]; then
    echo "sanity: PowerShell files are tracked, but pwsh is missing, so that pslint cannot check them." >&2
    exit 1
  fi
  not_run pslint "pwsh is not installed; the collection has no PowerShell file that it could check"
fi

cd "$copy"
unset ANSIBLE_CONFIG ANSIBLE_COLLECTIONS_PATH
ansible-test sanity --local --python 3.11 --color no "${skip[@]}" "$@"

#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The reference under docs/reference, generated from the documentation in plugins and roles, and the pages of the health
# checks under docs/checks, generated from their registry. The argument `checks` writes the latter alone.
# With --check nothing is written: it fails where the committed reference is not what would be generated.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH" ANSIBLE_COLLECTIONS_PATH="$PWD/.cache/collections"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PYTHONPATH="$ANSIBLE_COLLECTIONS_PATH" python tests/check_pages.py "$work/checks"
write_checks() {
  mkdir -p docs
  rm -rf docs/checks
  cp -r "$work/checks" docs/checks
}
if [[ ${1:-} == checks ]]; then
  write_checks
  exit
fi
antsibull-docs collection --use-current --fail-on-error --output-format simplified-rst --no-breadcrumbs \
  --no-add-antsibull-docs-version --dest-dir "$work" boxlift.portal > "$work/log" 2>&1 || {
  cat "$work/log" >&2
  exit 1
}
new="$work/collections/boxlift/portal"

if [[ ${1:-} == --check ]]; then
  for pair in "docs/reference $new" "docs/checks $work/checks"; do
    read -r old made <<< "$pair"
    diff --recursive --unified=1 "$old" "$made" | head -60 || true
    diff --recursive --brief "$old" "$made" > "$work/drift" || {
      cat "$work/drift" >&2
      echo "docs: $old is not what the code says. Run make docs and commit the result." >&2
      exit 1
    }
  done
else
  write_checks
  rm -rf docs/reference
  cp -r "$new" docs/reference
  echo "docs: $(find docs/reference -name '*.rst' | wc -l) pages in docs/reference"
fi

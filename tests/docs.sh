#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The reference under docs/reference, generated from the documentation in plugins and roles.
# With --check nothing is written: it fails where the committed reference is not what would be generated.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH" ANSIBLE_COLLECTIONS_PATH="$PWD/.cache/collections"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
antsibull-docs collection --use-current --fail-on-error --output-format simplified-rst --no-breadcrumbs \
  --no-add-antsibull-docs-version --dest-dir "$work" boxlift.portal > "$work/log" 2>&1 || {
  cat "$work/log" >&2
  exit 1
}
new="$work/collections/boxlift/portal"

if [[ ${1:-} == --check ]]; then
  diff --recursive --unified=1 docs/reference "$new" | head -60 || true
  diff --recursive --brief docs/reference "$new" > "$work/drift" || {
    cat "$work/drift" >&2
    echo "docs: docs/reference is not what the code says. Run make docs and commit the result." >&2
    exit 1
  }
else
  rm -rf docs/reference
  mkdir -p docs
  cp -r "$new" docs/reference
  echo "docs: $(find docs/reference -name '*.rst' | wc -l) pages in docs/reference"
fi

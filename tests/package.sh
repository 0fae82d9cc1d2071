#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Build the collection, install the tarball into an empty place, show every plugin's and role's documentation from there.
# Nothing of the caller's Ansible settings takes part.
set -euo pipefail
cd "$(dirname "$0")/.."
bin="$PWD/.venv/bin"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/home" "$work/collections"
clean() {
  env -i PATH="$bin:/usr/local/bin:/usr/bin:/bin" HOME="$work/home" LANG=C.UTF-8 \
    ANSIBLE_COLLECTIONS_PATH="$work/collections" ANSIBLE_LOCAL_TEMP="$work/tmp" "$@"
}

clean ansible-galaxy collection build --output-path "$work" . > "$work/build.log" || {
  cat "$work/build.log"
  exit 1
}
tarball=$(compgen -G "$work/boxlift-portal-*.tar.gz")
clean ansible-galaxy collection install --offline --no-deps --collections-path "$work/collections" "$tarball" \
  > "$work/install.log" || {
  cat "$work/install.log"
  exit 1
}
installed="$work/collections/ansible_collections/boxlift/portal"

failed=0
wrong() {
  echo "package: $*" >&2
  failed=1
}

# build_ignore must keep what only this checkout needs out, and nothing that users need.
for name in .ci .git .venv .cache molecule tests/lab tests/bench requirements-dev.txt; do
  [[ ! -e $installed/$name ]] || wrong "$name is in the tarball; add it to build_ignore in galaxy.yml"
done
for name in README.md COPYING CHANGELOG.rst meta/runtime.yml requirements.txt bindep.txt meta/execution-environment.yml; do
  [[ -e $installed/$name ]] || wrong "$name is not in the tarball"
done

shown=0
show() { # show TYPE NAME
  if clean ansible-doc --type "$1" "boxlift.portal.$2" > "$work/doc.log" 2> "$work/doc.err" &&
    grep --quiet "boxlift.portal.$2" "$work/doc.log"; then
    shown=$((shown + 1))
  else
    cat "$work/doc.log" "$work/doc.err" >&2
    wrong "ansible-doc --type $1 shows nothing for boxlift.portal.$2"
  fi
}
for kind in modules callback filter lookup; do
  for file in plugins/"$kind"/*.py; do
    name=$(basename "$file" .py)
    [[ ! -e $file || $name == __init__ ]] || show "${kind%s}" "$name"
  done
done
for directory in roles/*/; do
  [[ ! -e $directory/meta/argument_specs.yml ]] || show role "$(basename "$directory")"
done
for playbook in playbooks/*.yml; do
  [[ ! -e $playbook ]] || [[ -e $installed/$playbook ]] || wrong "$playbook is not in the tarball"
done

((shown > 0)) || wrong "not one plugin or role was found to show"
((failed == 0)) || exit 1
echo "package: $(basename "$tarball"), $(du -h "$tarball" | cut -f 1), documentation of $shown plugins and roles shown"

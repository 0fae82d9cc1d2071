#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Remove the lab's containers and networks; with --all also its images, package volumes and .cache/lab.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Lines on stdin become arguments; nothing to remove is no error.
each() { xargs --no-run-if-empty "$@"; }

if ! docker info >/dev/null 2>&1; then
  echo "the container engine does not answer: no containers to remove"
else
  docker ps --all --quiet --filter label=boxlift.lab | each docker rm --force --volumes >/dev/null
  docker network ls --quiet --filter label=boxlift.lab | each docker network rm >/dev/null
  if [[ ${1:-} == --all ]]; then
    docker volume ls --quiet --filter name='^boxlift-lab-' | each docker volume rm >/dev/null
    docker image ls --format '{{.Repository}}:{{.Tag}}' boxlift-lab | each docker image rm >/dev/null
  fi
fi
if [[ ${1:-} == --all ]]; then
  rm -rf .cache/lab
fi

#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Remove the lab's containers and networks and .cache; with --all also its images and downloaded packages.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Lines on stdin become arguments; nothing to remove is no error.
each() { xargs --no-run-if-empty "$@" >/dev/null; }

if docker info >/dev/null 2>&1; then
  docker ps --all --quiet --filter label=boxlift.lab | each docker rm --force --volumes
  docker network ls --quiet --filter label=boxlift.lab | each docker network rm
  if [[ ${1:-} == --all ]]; then
    docker volume ls --quiet --filter name='^boxlift-lab-' | each docker volume rm
    docker image ls --format '{{.Repository}}:{{.Tag}}' boxlift-lab | each docker image rm
  fi
else
  echo "the container engine does not answer: only .cache is removed"
fi
rm -rf .cache

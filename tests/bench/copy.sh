#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Measure the pre-production copy of a portal in which people work, and write tests/bench/copy/results.md.
# usage: copy.sh [GIGABYTES …]      (default: 2 6; twenty-five minutes, five times the largest on the disk)
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH=$PWD/.venv/bin:$PATH MOLECULE_COMMAND_BORDERS=false
export ANSIBLE_COLLECTIONS_PATH=$PWD/.cache/collections ANSIBLE_CONFIG=$PWD/tests/lab/ansible.cfg
export MOLECULE_SCENARIO_NAME=preproduction LAB_PREPRODUCTION=box13
(($#)) || set -- 2 6
rounds=3
tests/lab/engine.sh
molecule converge --scenario-name preproduction
trap 'molecule destroy --scenario-name preproduction' EXIT
MOLECULE_EPHEMERAL_DIRECTORY=$(echo ~/.ansible/tmp/molecule.*.preproduction)
export MOLECULE_EPHEMERAL_DIRECTORY
journals=.cache/bench-copy
rm -rf "$journals"
for gigabytes in "$@"; do
  for ((round = 1; round <= rounds; round++)); do
    BOXLIFT_JOURNAL=$PWD/$journals/$gigabytes-$round.jsonl \
      ansible-playbook --inventory molecule/shared/inventory.py --extra-vars @molecule/preproduction/vars/site.yml \
      --extra-vars "bench_gigabytes=$gigabytes" tests/bench/copy/copy.yml
  done
done
python tests/bench/copy/summary.py "$journals" "$@" | tee tests/bench/copy/results.md

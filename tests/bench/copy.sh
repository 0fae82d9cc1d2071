#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Measure the pre-production copy of a portal in which people work, and write tests/bench/copy/results.md.
# usage: copy.sh [GIGABYTES]      (default: 2; needs five times that on the disk)
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH=$PWD/.venv/bin:$PATH MOLECULE_COMMAND_BORDERS=false
export ANSIBLE_COLLECTIONS_PATH=$PWD/.cache/collections ANSIBLE_CONFIG=$PWD/tests/lab/ansible.cfg
export BOXLIFT_JOURNAL=$PWD/.cache/bench-copy.jsonl
export MOLECULE_SCENARIO_NAME=preproduction LAB_PREPRODUCTION=box13
gigabytes=${1:-2}
tests/lab/engine.sh
molecule converge --scenario-name preproduction
trap 'molecule destroy --scenario-name preproduction' EXIT
rm -f "$BOXLIFT_JOURNAL"
MOLECULE_EPHEMERAL_DIRECTORY=$(echo ~/.ansible/tmp/molecule.*.preproduction) \
  ansible-playbook --inventory molecule/shared/inventory.py --extra-vars @molecule/preproduction/vars/site.yml \
  --extra-vars "bench_gigabytes=$gigabytes" tests/bench/copy/copy.yml
python tests/bench/copy/summary.py "$BOXLIFT_JOURNAL" "$gigabytes" | tee tests/bench/copy/results.md

#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Measure against the field's tools and write tests/bench/results.md. Needs about 2 GB of memory for a tmpfs. The part
# `backup` needs 15 GB of the disk, and the image that tests/molecule.sh provision makes. The part `scaling` needs 40 GB
# in /var/tmp (--disk names another folder, --sizes smaller backups).
set -euo pipefail
cd "$(dirname "$0")/../.."
for tool in pigz:pigz aria2c:aria2 curl:curl nginx:nginx mariadb:mariadb-server mydumper:mydumper; do
  PATH=$PATH:/usr/sbin command -v "${tool%:*}" >/dev/null ||
    { echo "bench: ${tool%:*} is missing: apt-get install ${tool#*:}" >&2; exit 1; }
done
# Compiled once, as an installed library is; not into the checkout.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX=.cache/bench-pycache
exec env PYTHONPATH=.cache/collections:tests .venv/bin/python -m bench.bench "$@"

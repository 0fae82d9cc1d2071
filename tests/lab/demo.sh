#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The whole move in the lab: a generated backup at the simulated cloud, one part damaged on its way, and the playbook
# that a site runs. A second run changes nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
began=$SECONDS
lab=.cache/lab
export BOXLIFT_JOURNAL=$PWD/$lab/journal/demo.jsonl
mkdir -p "$lab/journal"
rm -f "$BOXLIFT_JOURNAL" "$lab/report/report.json" # the report tells of this run

for release in 12 13; do tests/lab/image/build.sh "$release"; done

if [[ ! -e $lab/backup/manifest.json ]]; then
  echo "Making the backup that the cloud will serve ..."
  mkdir -p "$lab"
  (umask 077 && echo 'Пароль демо №1' >"$lab/backup-password")
  python tests/lab/make_backup.py --out "$lab/backup" --size small --kind enc.gz --part-size 3000000 \
    --password-file "$lab/backup-password"
fi

python tests/lab/push/pack.py "$lab/push-server.tgz"
ansible-playbook tests/lab/hosts.yml
# A slow line, 100 kB/s for each of four connections, shows what the hours of a real fetch look like.
ansible-playbook tests/lab/cloud.yml --extra-vars lab_rate=100000
export ANSIBLE_CALLBACKS_ENABLED=boxlift.portal.journal
say=(--extra-vars "report_directory=$PWD/$lab/report report_title='Demo move'")
if ! ansible-playbook boxlift.portal.migrate "${say[@]}"; then
  # What stopped it is in the journal; what people meet at the portal now belongs into the report too.
  ansible-playbook boxlift.portal.health || true
  ansible-playbook boxlift.portal.report "${say[@]}"
  moved=no
fi

url=https://portal.boxlift.test/
echo
curl --silent --show-error --output /dev/null --cacert "$lab/ca/ca.pem" \
  --resolve portal.boxlift.test:443:198.18.0.11 \
  --write-out "The portal answers at $url with HTTP %{http_code} over TLS (certificate verified).\n" "$url" || moved=no
echo "Health summary and findings: above, and in the report."
echo "Report: $lab/report/report.html (and report.json)"
echo "The demo took $((SECONDS - began)) s. 'make clean' removes the lab."
# The last line and the exit status: whether somebody can work.
python tests/lab/verdict.py "$lab/report/report.json" "${moved:-yes}"

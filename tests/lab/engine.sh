#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# If the container engine does not answer, start it in the background and wait.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin

if docker info >/dev/null 2>&1; then
  exit 0
fi
if ((EUID != 0)); then
  echo "error: the container engine does not answer (docker info)" >&2
  echo "remedy: start it as root, and let this user reach it (group docker)" >&2
  exit 1
fi
log=$PWD/.cache/dockerd.log
mkdir -p "$(dirname "$log")"
echo "starting the container engine, log in ${log#"$PWD"/}"
setsid dockerd >"$log" 2>&1 </dev/null &
engine=$!
for _ in $(seq 60); do
  if docker info >/dev/null 2>&1; then
    exit 0
  fi
  # Another engine may be starting and hold the pid file. Then ours ends, and the other one answers soon.
  kill -0 "$engine" 2>/dev/null || grep -q 'process with PID .* is still running\|pid file found' "$log" || break
  sleep 1
done
echo "error: the container engine did not start; the end of its log:" >&2
tail -n 20 "$log" >&2
exit 1

#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Install with apt what the lab and the tests need on this Debian machine. Prints nothing if nothing is missing.
set -euo pipefail

missing=()

# need <package> <test…>: the package is missing when the test fails.
need() {
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}

PATH=$PATH:/usr/sbin:/sbin
need docker.io command -v dockerd
# Debian 13 and later split the client off the engine.
command -v docker >/dev/null || ! apt-cache show docker-cli >/dev/null 2>&1 || missing+=(docker-cli)
need iptables command -v iptables
need mmdebstrap command -v mmdebstrap
need debian-archive-keyring test -e /usr/share/keyrings/debian-archive-keyring.gpg
need openssh-client command -v ssh
need python3-venv "${PYTHON:-python3.11}" -c 'import ensurepip, venv'
# Only the programs: the package mariadb-server would bring a system service, and the tests start their own server.
need mariadb-server-core command -v mariadbd
need mariadb-client command -v mariadb-dump
# PHP judges what we read from its files, and runs the fixture portal.
need php-cli command -v php
need php-mysql php -r 'exit(extension_loaded("mysqli") ? 0 : 1);'
need php-mbstring php -r 'exit(extension_loaded("mbstring") ? 0 : 1);'
need openssl command -v openssl
need shellcheck command -v shellcheck
# The stand-in for the push server with its store (redis-tools holds the server too, without its service), and the copy
# of a portal's files and of its database.
need nodejs command -v node
command -v redis-server >/dev/null || need redis-tools command -v redis-check-rdb
need rsync command -v rsync
need socat command -v socat

if ((${#missing[@]} == 0)); then
  exit 0
fi
if ((EUID != 0)); then
  echo "error: missing on this machine: ${missing[*]}" >&2
  echo "remedy: run as root:  apt-get install ${missing[*]}" >&2
  exit 1
fi
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get --quiet=2 update
apt-get --quiet=2 --yes --no-install-recommends install "${missing[@]}"

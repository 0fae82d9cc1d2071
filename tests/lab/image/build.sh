#!/usr/bin/env bash
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Build the lab's images boxlift-lab:debian12, :debian13 and :debianpbx with mmdebstrap; no image registry is involved.
# usage: build.sh [12] [13] [pbx]      (default: 12 and 13)
# pbx is Debian unstable with Asterisk, which neither release has, and with the programs that play carrier and phones.
# An image is tagged with the hash of this folder too, and is built again only when the folder's content changes.
set -euo pipefail
cd "$(dirname "$0")"

declare -A CODENAMES=([12]=bookworm [13]=trixie [pbx]=sid)
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

recipe_hash() {
  find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12
}

# The machine's own Debian repositories, with its release name replaced: whatever mirror apt uses here serves the lab.
sources_for() {
  local codename=$1 own
  own=$(. /etc/os-release && echo "$VERSION_CODENAME")
  apt-get update --print-uris |
    sed -nE "s|^'(.*)/dists/${own}(-updates\|-security)?/InRelease'.*|deb [signed-by=$KEYRING] \1 ${codename}\2 main|p" |
    sed -E '/ sid-/d' | sort -u
}

# Settings without which the machine itself could not reach its mirror: proxies, certificates, an aged index.
apt_settings() {
  apt-config dump --no-empty | grep -E '^Acquire::(https?::|Check-Valid-Until|Check-Date)' || true
}

build() {
  local release=$1 hash=$2 codename=${CODENAMES[$1]} work
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  sources_for "$codename" >"$work/sources.list"
  cat packages >"$work/packages"
  : >"$work/preferences"
  if [[ $release == pbx ]]; then
    # The systemd of unstable starts on no host that has cgroup v1, as the lab's may.
    sources_for trixie >>"$work/sources.list"
    printf 'Package: src:systemd\nPin: release n=trixie*\nPin-Priority: 1001\n' >"$work/preferences"
    cat packages.pbx >>"$work/packages"
  fi
  if [[ ! -s $work/sources.list ]]; then
    echo "error: apt on this machine has no Debian repository of its own release to build from;" \
      "add one to /etc/apt/sources.list" >&2
    return 1
  fi
  apt_settings >"$work/apt.conf"
  # apt's leftovers are removed by a hook of ours: an empty list folder with today's date would look up to date.
  # shellcheck disable=SC2016 # mmdebstrap's shell expands the hooks
  mmdebstrap --quiet --variant=minbase --format=tar \
    --include="$(paste -sd, "$work/packages")" \
    --aptopt="$work/apt.conf" \
    --skip=cleanup/apt \
    --setup-hook="mkdir -p \"\$1/etc/apt/preferences.d\" && cp '$work/preferences' \"\$1/etc/apt/preferences.d/lab\"" \
    --setup-hook='mkdir -p "$1/etc/dpkg/dpkg.cfg.d" && cp root/etc/dpkg/dpkg.cfg.d/lab "$1/etc/dpkg/dpkg.cfg.d/"' \
    --customize-hook='cp -r --no-preserve=ownership root/. "$1/" && mkdir "$1/var/cache/lab-packages"' \
    --customize-hook='rm -f "$1"/etc/ssh/ssh_host_* "$1"/usr/sbin/policy-rc.d && : >"$1/etc/machine-id"' \
    --customize-hook='chroot "$1" systemctl --quiet enable ssh.service ssh-host-keys.service' \
    --customize-hook='chroot "$1" systemctl --quiet set-default multi-user.target' \
    --customize-hook='rm -rf "$1"/var/cache/apt/*.bin "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*' \
    --customize-hook='touch --date=@0 "$1/var/lib/apt/lists"' \
    "$codename" "$work/image.tar" "$work/sources.list"
  docker import --change 'CMD ["/sbin/init"]' --change 'ENV container=docker' \
    "$work/image.tar" "boxlift-lab:debian$release-$hash" >/dev/null
}

# One build at a time on a machine.
exec 9<packages
flock 9
hash=$(recipe_hash)
(($#)) || set -- 12 13
for release in "$@"; do
  image=boxlift-lab:debian$release
  if ! docker image inspect "$image-$hash" >/dev/null 2>&1; then
    echo "building $image (recipe $hash)"
    build "$release" "$hash"
  fi
  docker tag "$image-$hash" "$image"
done

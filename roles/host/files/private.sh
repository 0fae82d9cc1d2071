# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Run by root through the connection: folders in memory for the account that logs in, and nothing left of killed runs.
set -eu
test "$(id -u)" = 0 || exit 0
login=${SUDO_USER:-${DOAS_USER:-root}}
install -d -m 0755 /run/boxlift
install -d -m 0700 -o "$login" /run/boxlift/ansible
install -d -m 0700 /run/boxlift/async
home=$(getent passwd "$login" | cut -d: -f6)
# A folder whose name stands in no command line belongs to no run that is at work; a file that is being copied is young.
find /run/boxlift/ansible /root/.ansible/tmp "$home/.ansible/tmp" -mindepth 1 -maxdepth 1 \
    \( -name 'ansible-tmp-*' -o -name 'ansible-moduletmp-*' \) -mmin +60 2>/dev/null | sort -u |
while read -r left; do
    # The pattern comes from the pipe; these are files.
    # shellcheck disable=SC2062
    printf '%s' "$left" | grep -q -s -F -f - /proc/[0-9]*/cmdline || rm -rf "$left"
done
echo boxlift runs from memory

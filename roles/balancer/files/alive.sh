#!/bin/bash -eu
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by Ansible, role boxlift.portal.balancer: changes made here are lost.
# Whether HAProxy answers (alive), and whether it has a web host (web). keepalived asks every second: no program is started.
exec 3<>/dev/tcp/127.0.0.1/8404 || exit 1
printf 'GET /%s HTTP/1.0\r\n\r\n' "$1" >&3
read -r -t 1 _ status _ <&3
[ "$status" = 200 ]

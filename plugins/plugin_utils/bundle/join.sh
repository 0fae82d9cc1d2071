#!/bin/sh
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Puts a bundle together that was split for media. Copy the files of all media into one folder first.
# sh join.sh DEST       makes DEST, the bundle's folder; then run verify.sh
# Ends with 0 good, 1 wrong call or failure, 2 where pieces are missing or damaged; bring those again, and run it again.
set -eu
export LC_ALL=C PATH=/usr/local/bin:/usr/bin:/bin
[ $# -eq 1 ] || { echo "usage: sh join.sh DEST" >&2; exit 1; }
case $1 in /*) dest=$1 ;; *) dest=$PWD/$1 ;; esac
[ ! -e "$dest" ] || { echo "join.sh: $dest is there already" >&2; exit 1; }
cd "$(dirname "$0")"
[ -f PIECES ] || { echo "join.sh: there is no PIECES beside it; every medium has one" >&2; exit 1; }
wrong=0
total=$(wc -l <PIECES)
number=0
while read -r sum name; do
    number=$((number + 1))
    if [ ! -f "$name" ]; then
        state=missing
    elif [ "$(sha256sum <"$name")" = "$sum  -" ]; then
        continue
    else
        state=damaged
    fi
    wrong=2
    echo "piece $number of $((total)) is $state: $name; bring it again" >&2
done <PIECES
[ "$wrong" -eq 0 ] || exit "$wrong"
rm -rf "$dest.part"
mkdir -p "$dest.part"
while read -r sum name; do cat "$name"; done <PIECES | tar -xf - -C "$dest.part" --no-same-owner
mv "$dest.part" "$dest"
echo "joined: $dest; now run: sh verify.sh -k SIGNERS -s SITE -e $dest"

#!/bin/sh
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Says whether a bundle is the one that was signed for this site: sh verify.sh -k SIGNERS -s SITE [-b BASE] [-e] BUNDLE
#   -k  the site's own file of public keys, format ALLOWED SIGNERS of ssh-keygen(1), principals contractor and customer
#   -s  the site's name, as the plan states it
#   -b  the folder of the bundle that this one completes
#   -e  before the customer has counter-signed: only the contractor's signature is demanded
# It writes nothing and executes nothing of the bundle. It trusts sha256sum, ssh-keygen and the system's own tools.
# Ends with 0 good, 1 wrong call, 2 content, 3 signature, 4 expired, 5 another site's, 6 base missing.
set -u
export LC_ALL=C PATH=/usr/local/bin:/usr/bin:/bin
shown() { printf '%s\n' "$*" | tr -c '[:print:]\n' '?' >&2; }
refuse() { code=$1; shift; shown "REFUSED ($code): $*"; exit "$code"; }
usage() { shown "usage: sh verify.sh -k SIGNERS -s SITE [-b BASE] [-e] BUNDLE${1:+ ($1)}"; exit 1; }

signers='' site='' base='' entry=''
while getopts k:s:b:e option; do
    case $option in
        k) signers=$OPTARG ;;
        s) site=$OPTARG ;;
        b) base=$OPTARG ;;
        e) entry=yes ;;
        *) usage ;;
    esac
done
shift $((OPTIND - 1))
if [ $# -ne 1 ] || [ -z "$signers" ] || [ -z "$site" ]; then usage; fi
# From here on no path begins with a dash, and all hold after the change of folder.
case $signers in /*) ;; *) signers=$PWD/$signers ;; esac
case $base in ''|/*) ;; *) base=$PWD/$base ;; esac
case $1 in /*) bundle=$1 ;; *) bundle=$PWD/$1 ;; esac
[ -r "$signers" ] || usage "cannot read $signers"
cd -P "$bundle" 2>/dev/null || usage "no folder $bundle"
case $(cd -P "$(dirname "$signers")" && pwd)/ in "$PWD"/*) usage "keys that come with a bundle prove nothing" ;; esac

# Links and devices could lead out of the bundle, or show something else at the next look.
odd=$(find . ! -type f ! -type d) || refuse 2 "the folder cannot be read"
[ -z "$odd" ] || refuse 2 "neither file nor folder: $odd"

# The manifest is read once: what is verified here is what is used below.
[ -f BUNDLE.json ] || refuse 3 "there is no BUNDLE.json"
manifest=$(cat BUNDLE.json)
[ "$(printf '%s\n' "$manifest" | sha256sum)" = "$(sha256sum <BUNDLE.json)" ] || refuse 3 "BUNDLE.json is no text file"
signed_by() {
    printf '%s\n' "$manifest" |
        ssh-keygen -Y verify -f "$signers" -I "$1" -n boxlift-bundle -s "BUNDLE.sig.$1" >/dev/null 2>&1 ||
        refuse 3 "no good signature of the $1 (BUNDLE.sig.$1) by a key of $signers"
}
signed_by contractor
by=contractor
# The customer's is demanded where the site's file names a key of his, and never ignored where there is one.
if [ -e BUNDLE.sig.customer ] ||
    { [ -z "$entry" ] && ssh-keygen -Y match-principals -f "$signers" -I customer >/dev/null 2>&1; }; then
    signed_by customer
    by="contractor and customer"
fi

value() { printf '%s\n' "$manifest" | sed -n "s/^  \"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p"; }
[ "$(value format)" = 1 ] || refuse 2 "a format of manifest that this verify.sh does not know"
[ "$(value site)" = "$site" ] || refuse 5 "made for $(value site), and this is $site"
today=$(date -u +%Y%m%d)
[ "$today" -le "$(value valid_to | tr -d -)" ] 2>/dev/null || refuse 4 "valid to $(value valid_to), and today is $today"
[ "$today" -ge "$(value built_at | cut -c 1-10 | tr -d -)" ] 2>/dev/null ||
    refuse 4 "built at $(value built_at), and this machine's clock says $today: set the clock"

# Every file that is listed has its sum; and there are not more files than are listed.
list() { # list FILE KEY: a list of sums, if it is the one whose own sum the manifest holds
    [ -f "$1" ] || refuse 2 "$1 is missing"
    sums=$(cat "$1")
    for sum in "$(printf '%s\n' "$sums" | sha256sum)" "$(sha256sum <"$1")"; do
        [ "$sum" = "$(value "$2")  -" ] || refuse 2 "$1 is not the list that was signed"
    done
}
check() { wrong=$(printf '%s\n' "$sums" | sha256sum --check --strict --quiet 2>&1) || refuse 2 "$1$wrong"; }
present=$(find . -type f ! -path ./BUNDLE.json ! -path ./BUNDLE.sig.contractor ! -path ./BUNDLE.sig.customer \
    ! -path ./SHA256SUMS ! -path ./SHA256SUMS.base -exec printf 'x%.0s' {} + | wc -c)
list SHA256SUMS sums_sha256
expected=$(printf '%s\n' "$sums" | wc -l)
check ""
if [ -n "$(value base_bundle)" ]; then
    list SHA256SUMS.base base_sums_sha256
    if [ -n "$base" ]; then
        [ "$(sha256sum <"$base/BUNDLE.json")" = "$(value base_sha256)  -" ] 2>/dev/null ||
            refuse 6 "$base is not the bundle $(value base_bundle)"
        cd -P "$base" && check "in $base: "
    else # An installed bundle holds the files of its base itself.
        [ "$present" -ne "$expected" ] || refuse 6 "it completes the bundle $(value base_bundle): bring that too (-b)"
        expected=$((expected + $(printf '%s\n' "$sums" | wc -l)))
        check ""
    fi
elif [ -e SHA256SUMS.base ]; then
    refuse 2 "there is SHA256SUMS.base, and no base is named"
fi
[ "$present" -eq "$expected" ] || refuse 2 "$((present)) files, and $((expected)) were signed: some are extra"
echo "GOOD: bundle $(value id), version $(value version), for $site, valid to $(value valid_to), signed by $by"
echo "plan $(value plan_sha256); manifest $(printf '%s\n' "$manifest" | sha256sum | cut -c 1-64); files $((expected))"

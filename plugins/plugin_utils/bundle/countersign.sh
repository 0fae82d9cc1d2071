#!/bin/sh
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The customer accepts a bundle for entry: his signature over the same manifest that the contractor signed.
# sh countersign.sh -k SIGNERS -s SITE [-b BASE] -f KEY BUNDLE
#   -f  the customer's SSH key; or its public half, where an agent or a token holds the key
# The bundle is verified first; the exit codes are those of verify.sh. Run it with a verify.sh of your own beside it.
set -eu
usage() { echo "usage: sh countersign.sh -k SIGNERS -s SITE [-b BASE] -f KEY BUNDLE" >&2; exit 1; }
key='' signers='' site='' base=''
while getopts k:s:b:f: option; do
    case $option in
        k) signers=$OPTARG ;;
        s) site=$OPTARG ;;
        b) base=$OPTARG ;;
        f) key=$OPTARG ;;
        *) usage ;;
    esac
done
shift $((OPTIND - 1))
if [ $# -ne 1 ] || [ -z "$key" ]; then usage; fi
case $1 in /*) bundle=$1 ;; *) bundle=$PWD/$1 ;; esac
sh "$(dirname "$0")/verify.sh" -k "$signers" -s "$site" ${base:+-b "$base"} -e "$bundle"
ssh-keygen -q -Y sign -f "$key" -n boxlift-bundle <"$bundle/BUNDLE.json" >"$bundle/.BUNDLE.sig.new"
mv "$bundle/.BUNDLE.sig.new" "$bundle/BUNDLE.sig.customer"
sh "$(dirname "$0")/verify.sh" -k "$signers" -s "$site" ${base:+-b "$base"} "$bundle"

#!/bin/sh
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Sets up a controller from the bundle that this file lies in, without a network. Run it again after it was interrupted.
# sh install.sh -k SIGNERS -s SITE [-b BASE] [-p PREFIX] [-n BIN] [-y PYTHON] [-v VERIFIER]
#   -k, -s, -b  as for verify.sh
#   -p  where everything goes; default /opt/boxlift
#   -n  the folder in PATH that gets the commands; default /usr/local/bin for root, else PREFIX/bin
#   -y  the Python to use; default python3
#   -v  the verify.sh to trust; default that of the bundle installed before, else the one beside this file
# Ends with 0 good, 1 wrong call or failure, 2 to 6 as verify.sh, 7 older than what is installed.
#
# PREFIX/bundles/ID    the bundle, copied from the medium and verified here; with the files of its base
# PREFIX/releases/ID   Python packages and collections
# PREFIX/current       the release in use; PREFIX/installed is its version, id and manifest
# PREFIX/site          where commands run: ansible.cfg, what the site itself adds (local), the journal
set -eu
umask 022
shown() { printf '%s\n' "$*" | LC_ALL=C tr -c '[:print:]\n' '?'; }
# A code is what it says above: of a program that failed on the way, only 1 is told.
told=''
trap 'code=$?; [ "$code" -eq 0 ] || [ -n "$told" ] || code=1; exit "$code"' EXIT
leave() { told=yes; exit "$1"; }
stop() { code=$1; shift; shown "install.sh: $*" >&2; leave "$code"; }
options='-k SIGNERS -s SITE [-b BASE] [-p PREFIX] [-n BIN] [-y PYTHON] [-v VERIFIER]'
usage() { stop 1 "usage: sh install.sh $options${1:+ ($1)}"; }
absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s/%s' "$PWD" "$1" ;; esac; }
value() { sed -n "s/^  \"$2\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$1/BUNDLE.json"; }

signers='' site='' base='' prefix=/opt/boxlift bin='' python=python3 verifier=''
while getopts k:s:b:p:n:y:v: option; do
    case $option in
        k) signers=$(absolute "$OPTARG") ;;
        s) site=$OPTARG ;;
        b) base=$(absolute "$OPTARG") ;;
        p) prefix=$(absolute "$OPTARG") ;;
        n) bin=$(absolute "$OPTARG") ;;
        y) python=$OPTARG ;;
        v) verifier=$(absolute "$OPTARG") ;;
        *) usage ;;
    esac
done
shift $((OPTIND - 1))
if [ $# -ne 0 ] || [ -z "$signers" ] || [ -z "$site" ]; then usage; fi
case $prefix in *[!A-Za-z0-9/._-]*) usage "the prefix may hold letters, digits and /._- only" ;; esac
if [ -z "$bin" ]; then
    if [ "$(id -u)" = 0 ]; then bin=/usr/local/bin; else bin=$prefix/bin; fi
fi
medium=$(cd -P "$(dirname "$(absolute "$0")")" && pwd)
case $(cd -P "$(dirname "$signers")" && pwd)/ in "$medium"/*) usage "keys that come with a bundle prove nothing" ;; esac

mkdir -p "$prefix/bundles" "$prefix/releases" "$prefix/site"
exec 9>"$prefix/.lock"
flock -n 9 || stop 1 "another install.sh is at work in $prefix"
if [ -z "$verifier" ]; then
    verifier=$medium/verify.sh
    [ ! -f "$prefix/current/bundle/verify.sh" ] || verifier=$prefix/current/bundle/verify.sh
fi
verify() { # verify FOLDER [BASE]
    code=0
    sh "$verifier" -k "$signers" -s "$site" ${2:+-b "$2"} "$1" || code=$?
    return "$code"
}
newer() { # newer FOLDER: refuse what is older than what was installed, and other content under the same number
    [ -s "$prefix/installed" ] || return 0
    read -r known known_id known_sum <"$prefix/installed"
    [ "$(value "$1" version)" -ge "$known" ] 2>/dev/null ||
        stop 7 "version $(value "$1" version) is older than $known_id (version $known), which was installed here"
    [ "$(value "$1" version)" -ne "$known" ] || [ "$(sha256sum <"$1/BUNDLE.json")" = "$known_sum  -" ] ||
        stop 7 "another bundle of version $known was installed here: $known_id"
}

# A medium may show something else at its next look: it is copied first, and the copy is verified.
[ -f "$medium/BUNDLE.json" ] || stop 3 "there is no BUNDLE.json beside this file"
id=$(value "$medium" id)
case $id in ''|[!A-Za-z0-9]*|*[!A-Za-z0-9._-]*) stop 3 "the manifest states no usable id" ;; esac
newer "$medium"
stored=$prefix/bundles/$id
if cmp -s "$medium/BUNDLE.json" "$stored/BUNDLE.json" && [ -f "$medium/BUNDLE.sig.customer" ]; then
    cp "$medium/BUNDLE.sig.customer" "$stored/BUNDLE.sig.customer"
fi
if [ "$medium" != "$stored" ] &&
    ! { cmp -s "$medium/BUNDLE.json" "$stored/BUNDLE.json" && verify "$stored" >/dev/null 2>&1; }; then
    incoming=$prefix/bundles/.incoming
    rm -rf "$incoming"
    cp -R -P "$medium" "$incoming"
    if [ -z "$base" ] && [ -n "$(value "$incoming" base_bundle)" ]; then
        held=$prefix/bundles/$(value "$incoming" base_bundle)
        [ ! -d "$held" ] || base=$held
    fi
    code=0
    verify "$incoming" "$base" || code=$?
    if [ "$code" -ne 0 ]; then
        rm -rf "$incoming"
        leave "$code"
    fi
    newer "$incoming"
    if [ -n "$(value "$incoming" base_bundle)" ]; then
        # Each line is a sum, two characters and a path from ./ on; the builder takes no name with a line break.
        while IFS= read -r line; do
            file=${line#*  ./}
            mkdir -p "$incoming/$(dirname "./$file")"
            cp "$base/./$file" "$incoming/./$file"
        done <"$incoming/SHA256SUMS.base"
        verify "$incoming" >/dev/null || stop 2 "the files of the base changed while they were copied"
    fi
    sync -f "$incoming"
    rm -rf "$stored"
    mv "$incoming" "$stored"
else
    code=0
    verify "$stored" || code=$?
    [ "$code" -eq 0 ] || leave "$code"
fi

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || stop 1 "no $python here; name one with -y"
wanted=$stored/python/requirements-$version.txt
[ -f "$wanted" ] ||
    stop 1 "the bundle has packages for Python $(value "$stored" python), not for $version; name another with -y"

# A release is complete when it says so, and is made anew otherwise.
release=$prefix/releases/$id
if [ "$(cat "$release/.complete" 2>/dev/null)" != "$version" ]; then
    rm -rf "$release"
    mkdir "$release"
    "$python" -m venv --without-pip "$release/venv"
    pip=$(find "$stored/python" -name 'pip-*.whl')
    # pip runs from its own wheel: Debian's python3 needs neither python3-pip nor python3-venv for it.
    PYTHONPATH=$pip "$release/venv/bin/python" -m pip --isolated --disable-pip-version-check --quiet \
        install --no-cache-dir --no-index --find-links "$stored/python" --require-hashes --requirement "$wanted"
    : >"$release/galaxy.cfg"
    HOME=$release ANSIBLE_CONFIG=$release/galaxy.cfg ANSIBLE_LOCAL_TEMP=$release/tmp \
        ANSIBLE_COLLECTIONS_PATH=$release/collections "$release/venv/bin/ansible-galaxy" \
        collection install --offline --no-deps --collections-path "$release/collections" \
        "$stored"/collections/*.tar.gz >"$release/galaxy.log"
    rm -rf "$release/tmp" "$release/.ansible" "$release/galaxy.cfg"
    ln -s "../../bundles/$id" "$release/bundle"
    sync -f "$release"
    printf '%s\n' "$version" >"$release/.complete"
fi

# What this site adds lies beside what was signed, and wins: inventory variables, its own encrypted passwords.
folder=$prefix/site
mkdir -p "$folder/local/group_vars/all"
[ -e "$folder/local/hosts.yml" ] || printf '%s\n' '---' 'all: {}' >"$folder/local/hosts.yml"
mark='# Written by install.sh. Remove this line to keep changes of your own.'
if [ ! -s "$folder/ansible.cfg" ] || head -n 1 "$folder/ansible.cfg" | grep -Fqx "$mark"; then
    inventory=local
    [ ! -d "$stored/inventory" ] || inventory=../current/bundle/inventory,local
    {
        printf '%s\n' "$mark"
        if [ -f "$stored/inventory/ansible.cfg" ]; then
            cat "$stored/inventory/ansible.cfg"
        else
            printf '%s\n' '[defaults]' "inventory = $inventory" 'collections_path = ../current/collections' \
                'callbacks_enabled = boxlift.portal.journal' 'stdout_callback = boxlift.portal.once' \
                'callback_result_format = yaml' 'display_skipped_hosts = false' \
                'inject_facts_as_vars = false' 'interpreter_python = auto_silent' \
                '' '[connection]' 'pipelining = true' '' '[ssh_connection]' \
                'ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=15' \
                '' '[boxlift_journal]' 'path = journal/move.jsonl'
        fi
    } >"$folder/.ansible.cfg.new"
    mv "$folder/.ansible.cfg.new" "$folder/ansible.cfg"
fi
for name in plan manual; do
    [ ! -d "$stored/$name" ] || ln -sfn "../current/bundle/$name" "$folder/$name"
done
[ ! -d "$stored/manual/steps" ] || ln -sfn ../current/bundle/manual/steps "$folder/steps"

mkdir -p "$bin"
command() { # command NAME COMMAND…: a command of the release in use, which runs in the site's folder
    printf '%s\n' '#!/bin/sh' '# Written by install.sh of a bundle.' "cd $folder || exit 1" \
        "export PATH=$prefix/current/venv/bin:\$PATH" "exec $2 \"\$@\"" >"$bin/.$1.new"
    chmod 755 "$bin/.$1.new"
    mv "$bin/.$1.new" "$bin/$1"
}
command boxlift-site env
[ ! -f "$stored/manual/mig" ] || command mig "sh $prefix/current/bundle/manual/mig"

# The version is noted before the switch: whatever happens between, no older one comes in.
sum=$(sha256sum <"$stored/BUNDLE.json" | cut -c 1-64)
printf '%s %s %s\n' "$(value "$stored" version)" "$id" "$sum" >"$prefix/.installed.new"
sync "$prefix/.installed.new"
mv "$prefix/.installed.new" "$prefix/installed"
rm -f "$prefix/.current.new"
ln -s "releases/$id" "$prefix/.current.new"
mv -T "$prefix/.current.new" "$prefix/current"
echo "INSTALLED: $id in $prefix"
echo "commands run in $folder, such as: $bin/boxlift-site ansible-playbook boxlift.portal.preflight"

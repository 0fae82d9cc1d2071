#!/bin/sh
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Publish a version of a package in a repository on this host.
# usage: publish.sh VERSION COMMAND      (what its installation runs)
set -eu
repository=/srv/lab-repository
work=$(mktemp -d)
mkdir -p "$repository" "$work/DEBIAN" "$work/usr/share/lab-web"
cat >"$work/DEBIAN/control" <<CONTROL
Package: lab-web
Version: $1
Architecture: all
Maintainer: Lab <lab@example.org>
Description: a package that has to do with the web server
CONTROL
echo "$1" >"$work/usr/share/lab-web/version"
printf '#!/bin/sh\nset -e\n%s\n' "$2" >"$work/DEBIAN/postinst"
# Whatever the umask of the host is.
chmod 755 "$work" "$work/DEBIAN" "$work/DEBIAN/postinst"
dpkg-deb --build --root-owner-group "$work" "$repository/lab-web_$1_all.deb" >/dev/null
rm -r "$work"
cd "$repository"
for file in *.deb; do
  dpkg-deb --field "$file"
  printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$file" "$(stat -c %s "$file")" "$(sha256sum "$file" | cut -d' ' -f1)"
done >Packages
cat >Release <<RELEASE
Origin: Lab
Label: Lab-Security
Suite: lab-security
Date: $(date -Ru)
SHA256:
 $(sha256sum Packages | cut -d' ' -f1) $(stat -c %s Packages) Packages
RELEASE
echo "deb [trusted=yes] file:$repository ./" >/etc/apt/sources.list.d/lab-repository.list

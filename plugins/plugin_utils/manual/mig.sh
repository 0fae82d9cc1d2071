#!/bin/sh
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# mig               where the move is; changes nothing
# mig 3.2 CODE…     does item 3.2 of the plan, with the code that the supervisor reads out
# mig stop CODE…    stops; mig back CODE… goes back to the old state
# Nothing else reaches ansible-playbook. It runs in the site's folder, in which ansible.cfg is, above this file.
set -eu
refuse() { printf '%s\n' "$*" >&2; exit 2; }

here=$(dirname "$(readlink -f "$0")")
site=$here
until [ -f "$site/ansible.cfg" ]; do
  [ "$site" != / ] || refuse "No site's folder above $here: there is no ansible.cfg. Call the supervisor."
  site=$(dirname "$site")
done
cd "$site"

what=${1-}
[ $# -eq 0 ] || shift
code=$(printf %s "$@")
case $code in *[!0-9]*) refuse "A code has digits only. Read it again, and type the line again." ;; esac
case $what in
  '') exec ansible-playbook boxlift.portal.supervise ;;
  stop | back) playbook=$what ;;
  *[!0-9.]* | .*) refuse "There is no $what. Type mig and the number of the page, such as mig 3.2, then the code." ;;
  *) playbook=supervise ;;
esac
[ -f "$here/steps/$what.json" ] || refuse "There is no page $what. Look at the number again."
[ -n "$code" ] || refuse "The code is missing. Type: mig $what CODE"
exec ansible-playbook "boxlift.portal.$playbook" -e "@$here/steps/$what.json" -e "supervise_code=$code"

#!/bin/sh
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# mig                        what is next, and the last digits
# mig 3.2 CODE…              begins item 3.2 of the plan, with the code from the telephone
# mig 3.1 ok | failed        what came of an item that people do
# mig sign 3.12 PERSON       a word on a decision; the person's own code is asked for
# mig stop CODE…             stops; rollback goes back to the old state, resume goes on
# Nothing else reaches ansible-playbook. It runs where ansible.cfg is: above this file, else where you stand.
set -eu
refuse() { printf '%s\n' "$*" >&2; exit 2; }
play() { book=$1; shift; exec ansible-playbook "boxlift.portal.$book" "$@"; }

here=$(dirname "$(readlink -f "$0")")
site=$here
until [ -f "$site/ansible.cfg" ] || [ "$site" = / ]; do site=$(dirname "$site"); done
[ "$site" = / ] || cd "$site"
[ -f ansible.cfg ] || refuse "There is no ansible.cfg above $here, and none in $PWD. Call the supervisor."

what=${1-}
[ $# -gt 0 ] || play read_back_show
shift
person=
if [ "$what" = sign ]; then
  what=${1-} person=${2-}
  case $#$person in 2*[!a-z0-9_.-]* | [!2]*) refuse "Who signs what? Type the line as the page has it." ;; esac
fi
page=$here/steps/$what.json
case $what in
  stop | rollback | resume | back) [ -z "$person" ] || refuse "There is no page $what. Look at the number again." ;;
  '' | *[!0-9.]* | .* | *. | *..*) refuse "There is no $what. Type mig and the number of the page: mig 3.2 CODE" ;;
  *) [ -f "$page" ] || refuse "There is no page $what. Look at the number again." ;;
esac
[ -z "$person" ] || play sign -e "@$page" -e "sign_person=$person"
case $what:$#$* in [0-9]*:1ok | [0-9]*:1failed) play supervise -e "@$page" -e "supervise_outcome=$1" ;; esac
code=$(printf %s "$@")
case $code in '' | *[!0-9]*) refuse "A code has digits only. Read it again, and type: mig $what CODE" ;; esac
[ ! -f "$page" ] || play supervise -e "@$page" -e "supervise_code=$code"
[ "$what" != back ] || what=rollback
play stop -e "stop_kind=$what" -e "supervise_code=$code"

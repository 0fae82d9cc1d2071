# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notices to the people of a plan, while a long step or an incident goes on.

Read in this order: `matters` (`Matter` and its `Span`s: what people have to hear of, folded from plan and journal),
`owed` (licences that are owed, and on which days people hear of them), `incidents` (what the site's records say of
incidents in operation), `due` (which messages are due to whom, and which were late), `kept` (whether the notices of an
incident came in time, and why not), `text` (a message in its language, from `texts.yml`), `channels` (what the site has
set, and preflight's word on it), `mail` (SMTP with verified TLS), `tell` (one look: what is due is sent, and each
result becomes a line of the journal).
"""

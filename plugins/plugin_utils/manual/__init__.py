# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The printed manual of a site that is dictated by telephone: a page for each item of the plan, and what belongs to it.

Read in this order: `words` (sentences by language from `texts.yml`, and the usual plan's own texts from `usual.yml`),
`wrapped` (the playbook files behind an item, with their sums), `content` (plan → what the pages say), which asks `room`
(how full a page is, and how small it is set), `page` with its templates (→ HTML that prints to A4, and its short id),
`envelopes` (the codes for the sealed envelopes), `steps` (the variables of each item, and the command `mig`: mig.sh).
"""

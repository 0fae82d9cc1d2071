# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a move, made from journals alone.

Read in this order: `build` (what the report says, as plain data), `verdict` (its first line: whether people can work),
`page` with `page.html.j2` (the same as one HTML file), `chart` (bars of the runs' steps) and `timeline` (bars of parts
and tables), which compute the geometry of the drawings. What a plan adds comes from `handover/`; `move.html.j2`,
`first.html.j2` and `protocol.html.j2` show it.
"""

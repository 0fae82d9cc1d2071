# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a move as data: who does what, in which order, until when, and who must sign.

Read in this order: `model` (`Plan` and what it consists of), `default.yml` (the plan of a usual move), `load` (default
plan and the site's file → `Plan`, or every problem at once), which uses `source` (YAML with its lines), `merge`,
`schema` with `schema.json`, and `check` (what a schema cannot say). Then `graph` (what waits for what) and `schedule`
(the dates, and what is late). `forecast` (when the portal opens, by what was measured) and `forecast_text` (the same
for people) read journals too. `gate` (who has signed what), `ssh_signature`, `inputs` (what a gate rests on) and
`course` (the state of the move, and what may begin) come together in `proceedings`. Last what is made of the plan:
`view` (all of it as plain data), `chart` (the geometry of the drawings), `page` with its templates (the page and the
letter) and `ics` (the calendar).
"""

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people hear and get while the portal is in operation: incidents, visits and the monthly report.

Read in this order: `records` (the site's chained file, and all that it says), `desk` (what may be written of an
incident, and what people are told of it), `alerts` (what Alertmanager sends, as incidents), `visits` (when somebody
comes, and whether he came), `calendar` (the same for calendar programs), `answers` (what Prometheus and hosts answered,
or why they did not), `availability` (which part of a period the portal answered), `copies` (nights with a proven copy,
and drills), `outlook` (certificate, licences, room), `report` (what a period was like), `first_line` (the same for a
manager), `gather` (all of it brought together), `plots` and `page` (the report, and the checklist of a visit).
`incident_command` is the short command for people at a telephone, a program of its own.
"""

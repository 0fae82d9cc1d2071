# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database of a site with several database hosts: one primary, and replicas that follow it by GTID.

Read in this order: `settings` (a host and its peers), `server` (`State`: what one server says of itself), `judgement`
(the states of all hosts → who is the primary, or why nobody can say), `failover` (what a switch would be), `change`
(promote, demote, follow), `guard` (what keeps a server that was primary from writing while another one is), `seed` (a
primary's data brought to a replica), `only_here` (what an old primary has committed and nobody else has), `command`
(the program `boxlift-database`).

Every server starts read-only, by its configuration. The guard alone opens it: where the note beside it says that it is
the primary, and no peer knows of a later term. A **term** is the time of one primary; its row in the table
`boxlift_replication.term` is the first thing that a promoted server writes, so that replicas have it too.
"""

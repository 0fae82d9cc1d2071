# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a database equal to one on another host: only rows that differ are fetched.

Read in this order: `snapshot` (`Snapshot`: the other server as of one moment), `chunks` (the SQL for checksums over
rows, and for rows as literals), `sync` (compares, fetches and loads, with the session pool of `load`).
"""

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CRM of a portal as its REST interface shows it, simulated.

Read `store.py` (what the portal remembers; the seam for other databases), `fields.py` (which fields records have, and
the two forms in which REST names them), `filters.py` (filters, order, pages), `portal.py` (what happens to records),
`encoding.py` (rows as JSON, kept), `items.py`, `legacy.py`, `timeline.py`, `directory.py`, `drive.py`, `events.py` (the
methods), `server.py` (HTTPS, and the simulator as a program), `filling.py` (many records at once), `peers.py` (the
clients that others use).
"""

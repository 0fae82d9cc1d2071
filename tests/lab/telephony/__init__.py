# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The REST methods of a portal that a telephone exchange uses, simulated.

Read `store.py` (what the portal remembers), `portal.py` (what it does with calls), `methods.py` (the REST methods, and
who may use them), `server.py` (the portal as a server). What it shares with other portals is in `lab.rest`.
"""

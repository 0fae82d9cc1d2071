# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The REST methods of a portal that a telephone exchange uses, simulated.

Read `store.py` (what the portal remembers), `portal.py` (what it does with calls), `methods.py` (the REST methods, and
who may use them), `limits.py` and `faults.py` (what refuses a request, and what goes wrong), `server.py` (HTTPS).
"""

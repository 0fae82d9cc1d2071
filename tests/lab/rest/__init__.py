# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every simulated portal's REST interface has: the lab's telephony and its CRM are built on it.

Read `answers.py` (what a method is asked and answers), `parameters.py` (how PHP reads a request), `limits.py` and
`faults.py` (what refuses a request, and what goes wrong), `service.py` (credentials, batch, envelope), `server.py`
(HTTPS).
"""

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether telephone calls work, and whether each becomes a call fact in the portal.

The model of a check, the runner and the findings are those of `health/`. This package has a registry of its own,
because its checks are made on the exchange's host and know nothing of the portal's files. Read in this order:

1. `context` (`TelephonyContext`): what a check may look at. `catalogue`: all checks.
2. `manager`: AMI. `console`: what Asterisk prints. `served`: certificates. `rest`: the portal. `sources`: call records
   and the connector's queue.
3. The checks: `exchange`, `media`, `certificates`, `portal_side`, `delivery`.
4. `planned_calls`: test calls, each followed from the exchange's record to the client's card.
5. `portal_setup`: the lines that the portal must know, and its default line.
"""

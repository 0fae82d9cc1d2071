# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gives leave to begin a step of the plan, and how two people at a telephone agree on what was done.

Read in this order: `numbers` (`Item`: the short numbers of the plan's occurrences and gates), `digits` (groups with a
check digit each), `codes` (go-codes, read-backs, the chain of what came of each item) and `session` (the key of the
codes, and the sealed envelopes). `state` folds the journal's lines. Then the two sides: `site` (the operator's: takes
codes, makes read-backs) and `desk` (the supervisor's: takes read-backs, gives codes). `closing` ends an item by what
its run did, `screen` shows it, `summary` says where the move is. `detours` refuses what would change a dictated step.
`confirm` is mode supervised, with `hosts` (where a playbook works). `recording` keeps the terminal.
"""

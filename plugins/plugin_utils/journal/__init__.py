# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a move: one JSON object in a line for each event, each line chained to the one before.

Read in this order: `verify` (`Link`: the chain's format; `verify` judges a file, also as a program without Ansible),
`writer` (`append`: one line, locked and on the disk), `process` (who wrote it), `redact` (`Redactor` masks secrets
before a line is written), `place` (which file it is), `lines` (the lines of some kinds alone), `reader` (`Journal`,
`Run`, `Step`, `Attempt`: reads the files again, also those of runs that were killed, and of versions without a chain),
`known` (errors and what cured them).
"""

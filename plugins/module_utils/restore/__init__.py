# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source → staged tree and staged database → switched in, in one reading and on all processors; a killed run goes on.

Read in this order:

1. `restore` (`RestoreRequest`, `Restore`): the steps, from proof to switch. `room`: is there space for the tree?
2. `source` (`Source`): where parts come from, a folder or a running fetch. `offers`: takes them as they come.
3. `pipeline`: gives parts to worker processes until all are proven and placed.
4. `parts` (`PartState`, `PartTable`, `Chain`): what is known of each part, and which follow each other without a gap.
5. `tasks` (`OfferedPart`, `ProvePart`, `PlaceLead`): what a worker does with a part.
6. `sink` (`PartMark`, `Routes`): which entries are placed. `names`: under which name. `writer`: below one folder only.
7. `dumpfeed` (`DumpFeed`): the dump, from proven parts in order, into the database that `database` stages.
8. `switch`: the staged tree takes the live one's place. `specials` and `cloud_files`: what needs a look afterwards.

A part's *lead* is what lies before its first header: the rest of a file that an earlier part began.
"""

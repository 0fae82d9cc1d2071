# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source → staged tree and staged database → switched in, in one reading and on all processors; a killed run resumes.

Read in this order:

1. `restore` (`RestoreRequest`, `Restore`): the steps, from staging to switch. `room`: does the tree fit on the disk?
2. `source` (`Source`): where parts come from, a folder or a running fetch. `offers` (`Offers`): their way in.
3. `pipeline` (`Pipeline`): gives parts to worker processes until all are proven and placed.
4. `parts` (`PartState`, `PartTable`, `Chain`): what is known of each part, and which follow each other without a gap.
5. `tasks` (`OfferedPart`; `ProvePart`, `PlaceLead`): what a worker does with a part, and its `PartOutcome`.
6. `sink` (`Routes`, `TreeSink`, `PartMark`): which entries are placed. `writer` (`StagingTree`, `TreeWriter`): below
   one directory only, noted in a log before. `names`: where a file system takes two names for one. `doubles`: files
   that want one place, which come last.
7. `dumpfeed` (`DumpFeed`, `DumpMark`): the dump, from proven parts in order, into the `StagedDatabase` of `database`.
8. `generations` (`Generations`): what is live and what is kept, by numbers; what refuses a switch; `switch` (`Trees`):
   the renames. `specials` and `cloud_files`: what people must look at afterwards.
   `owner`: whom the files belong to.
9. `rollback` (`Rollback`): a kept generation and what is live change places.
10. `foretell`: for `backup_verify`, what the import of a proven backup's dump will refuse, change or leave out.

A part's *lead* is what lies before its first header: the rest of a file that began in an earlier part. A *mark* says
how far a part, or the dump, is; what a killed run did behind it is taken back and done again.
"""

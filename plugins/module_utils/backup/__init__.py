# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of a production portal in repositories of restic: taken, proven, kept, read and judged.

Read in this order:

1. `settings` (`Settings`, `Store`): what the host's settings file says.
2. `restic` (`Restic`): one repository. `ResticFailed` says why it could not be used, and what helps.
3. `copies` (`Copy`, `BinlogRun`): what a repository holds. Only what has a manifest counts as a copy.
4. `database`: the server's part of a copy, and what is noted of its tables. `lend`: the same where the server is on
   another host, and what that host answers.
5. `night`: a whole copy, written as unproven, proven, and only then declared good by its manifest.
6. `binlogs`: what the database wrote since, every few minutes.
7. `verify`: the repository read in slices. `retention`: which copies stay. `offsite`: they are sent on.
8. `figures`, `problems` and `status`: what can be restored, to which moment, and what is wrong; `words`: the same in
   sentences; `metrics`: the same for Prometheus.
9. `command`: the program `boxlift-backup`.

What brings it back, to any moment:

1. `points` (`Point`): which copy and which logs lead to a moment.
2. `recover` (`Request`, `Recovery`): the steps, from the plan to the switch.
3. `beside` (`BesideServer`): a server of its own over the data of a copy.
4. `binlog_events` (`BinaryLog`): what is in a binary log. `binlog_replay`: without a gap, up to where, and replayed.
5. `table` and `folder`: single tables and folders, exchanged or as files. `find`: what has happened to a table.

What is made to try a copy:

1. `drill`: what is measured, judged and promised. `compare`: what came back against what the copy noted.
2. `takeback` and `leftovers`: everything is as it was, and that is proven.
"""

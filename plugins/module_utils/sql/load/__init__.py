# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads a dump into a staging database over several connections, and switches that in for the live one.

Read in this order: `importer` (`Importer`: takes a dump piece by piece), `pool` (`SessionPool`: runs its statements),
`session` (one connection), `changes` (values that the server changed), `make` (a table as the server takes it),
`ledger` (`Unit`: a table or view; which are done), `finish` (counts rows, makes views), `staging` (the switch),
`notes` (state in the staging database), and `from_files`, which does all of this for files.
A restore pushes the dump into an `Importer` itself, while it comes out of the archive.
"""

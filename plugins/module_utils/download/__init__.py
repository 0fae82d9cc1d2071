# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a multi-part backup here: in parallel, resumable, each part proven as it comes, only damage fetched again.

Read in this order:

1. `options` (what a module's options mean) and `request` (`FetchRequest`).
2. `fetch` (`Fetch`): the whole of it; waits for the parts and judges them together.
3. `schedule` (`ScheduledPart`, `Job`): who does what next. `threads`: those who do it.
4. `transfer`: bytes from a source into a part. `partial` (`PartialFile`): the part's file, and which segments it holds.
5. `sources` (the address, its mirrors, or a disk that `local` reads), `retry` (how often, how long between) and
   `bandwidth` (`BandwidthLimit`).
6. `proof`: a complete part is proven and gets its name. `repair`: only the ranges around a damage come again.

`account` counts what was done, `state` keeps it for the next run, and `failures` words what ends a fetch.
"""

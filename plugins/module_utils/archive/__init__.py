# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's multi-part archive: reads it, and proves it whole or names what is wrong (docs/archive-format.md).

Read in this order, which is the way of a part's bytes:

1. `parts`: the files of a backup (`PartFiles`) and its `Kind`.
2. `stream`: the bytes of one part (`PartStream`), through `inflate` (gzip members, `Marker`) and `cipher`.
3. `tar`: the `Walker` turns bytes into `Entry` objects for a `Sink`; its `State` continues in the next part.
4. `scan`: proves one part by itself (`PartScan`); a `Companion` uses its entries meanwhile. `safety` refuses names, and
   `names` says under which one an entry is placed.
5. `continuity`, with `order`: follows the stream through all parts, and names the one that breaks it.
6. `assembly`: judges all scans together and makes the `Report` of `report`, with a `Volume` for each part.
7. `verify`: all of this for a whole backup, one worker process for each processor; `doubles` finds entries that want
   one place.

Beside that: `manifest` and `sums` compare parts with sums that were taken before, `scan_json` saves a scan for a run
that is resumed, `bit_flip` finds a single wrong bit, and `fault` is the damage that a part shows while it is read.
"""

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The difference between two portals, carried over: nothing lost, nothing doubled.

Read in this order:

1. `options` (`Options`, `Refused`): what people decide, and why a transfer does not begin.
2. `planning` (`Plan`, `Planned`, `Skipped`, `Conflict`): what is to be written, and what stays behind.
3. `idmap` (`IdMap`): what is kept between runs, in one file that others may read.
4. `mapping` (`Mapping`, `Names`): what a value of the source is called in the target.
5. `comparing` (`Comparison`): the stores of both portals → a plan.
6. `writing` (`Writer`): a plan → the target, and what a lost answer has done.
7. `meaning`, `verify`, `grade`: whether both say the same, in code that knows nothing of the writing.
8. `former`: what people entered by hand in a former move is found again.
9. `run` (`Transfer`): the passes begin, warm, final and reverse.
"""

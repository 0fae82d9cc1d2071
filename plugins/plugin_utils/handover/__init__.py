# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report says of a move that has a plan: how it went against it, what is left to do, what was proven.

Read in this order: `evidence` (what the journals say of the plan, read once), `move` (the move's part of the report as
plain data, and its first line), with `course_of_time` (planned, rehearsal and final side by side, who waited for whom),
`todo` (what is left for each owner) and `protocol` (what people sign). `gantt` computes the geometry of the drawings.
"""

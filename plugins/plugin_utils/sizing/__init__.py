# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many hosts a portal needs, and how long its move takes, before anything of it was seen.

1. `measured.yml`: what was measured where, and what is assumed. `measured`: the same as types, and as samples.
2. `hosts`: people and bytes -> hosts. `times`: bytes and link -> phases, by the forecast of the plan.
3. `page`: both as lines, as the table of docs/scale.md, and as a page.
"""

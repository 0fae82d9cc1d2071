# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gives leave to begin a step of the plan, and how two people at a telephone agree on what was done."""

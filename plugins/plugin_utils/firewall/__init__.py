# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may speak to whom: `openings` derives it from the inventory's groups; role hardening writes it as rules."""

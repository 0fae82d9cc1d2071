# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site changes of the alert rules: `rules` merges it over the files of role monitoring, and refuses mistakes."""

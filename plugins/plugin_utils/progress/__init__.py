# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows modules that may run for hours: they run detached from the connection, and their progress is printed.

Read in this order: `action` (`LongAction`: starts the module, or finds the job of an earlier run), `follow`
(`Follower`: asks the host until the job ends), `probe` (`HostState`: one shell command and its answer), `forecast`
(`Forecast`: rate and time left), `text` (what is printed). The host's side is `module_utils/progress.py`.
"""

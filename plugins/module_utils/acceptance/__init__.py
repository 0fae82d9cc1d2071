# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures whether a host is fast enough, and judges the figures by the site's thresholds.

Read in this order: `judge` (`Kind`: the figures and their meaning, `Threshold`, findings), `measure` (`Measured`: how
each figure is taken), `tools` (the output of fio and wrk as numbers).
"""

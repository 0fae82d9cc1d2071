# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a move as data: who does what, in which order, until when, and who must sign.

Start with `model`: `Plan` and what it consists of.
"""

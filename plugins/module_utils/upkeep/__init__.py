# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of a host updated, with a note of each version before and after, and the way back.

Read `packages` (what apt says), `notes` (what is kept of an update), `update` (the playbook's update and the way back),
`services` (who still runs what was replaced), `night` (the unattended update's before and after), and `command`.
"""

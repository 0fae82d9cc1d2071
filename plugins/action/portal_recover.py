# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.portal_recover: runs the module of this name detached, and shows its progress."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.action import LongAction


class ActionModule(LongAction):
    """Everything is in the base class."""

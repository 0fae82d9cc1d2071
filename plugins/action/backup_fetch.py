# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.backup_fetch: the module of this name, watched while it works."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.action import WatchedAction


class ActionModule(WatchedAction):
    """Everything is in the base class."""

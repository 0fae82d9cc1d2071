# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file is the journal of this run."""

from __future__ import annotations

import os

from ansible import constants
from ansible.plugins.loader import callback_loader
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

KEY = "supervision.key"  # beside the journal; a site that has it is a dictated one
FOLDER = "boxlift-journal"  # of the callback, where no file is configured


def configured() -> str:
    """The file that the callback journal is configured to write; empty where each run has a file of its own."""
    plugin = callback_loader.get("boxlift.portal.journal", class_only=True)  # defines its options
    return constants.config.get_config_value("path", plugin_type="callback", plugin_name=plugin._load_name) or ""


def required(path: str | None) -> str:
    """The absolute path of the given journal, or of the configured one. Raises BoxliftError if there is none."""
    chosen = path or configured()
    if not chosen:
        raise BoxliftError(
            "No journal is configured, so the steps of the move cannot be written down.",
            "Set path in the section boxlift_journal of ansible.cfg, or BOXLIFT_JOURNAL, to one file for the move.",
        )
    return os.path.abspath(os.path.expanduser(chosen))

# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check of the telephony."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import Registry
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check import (
    certificates,
    delivery,
    exchange,
    media,
    portal_side,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.context import CHECKS

# Importing a file has registered its checks.
FILES = (exchange, media, certificates, portal_side, delivery)


def all_checks() -> Registry:
    return CHECKS

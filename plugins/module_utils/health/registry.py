# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of this collection's own checks; `catalogue` fills it."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.health.model import Registry

REGISTRY = Registry()
check = REGISTRY.check
